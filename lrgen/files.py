"""The output folder: compared with what should be there, and written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOCK = "lrgen.lock"


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not as it should be, and in which way."""

    path: str
    state: str

    def __str__(self) -> str:
        return f"{self.path}: {self.state}"


def compare(folder: Path, wanted: Mapping[str, str], packages: Iterable[str]) -> list[Difference]:
    """Files below ``folder`` that are missing, other than wanted, or strays in ``packages``."""
    found = []
    for path, text in sorted(wanted.items()):
        present = _text(folder / path)
        if present is None:
            found.append(Difference(path, "missing"))
        elif present != text:
            found.append(Difference(path, "stale or edited"))
    found += [Difference(path, "stray") for path in strays(folder, wanted, packages)]
    return found


def strays(folder: Path, wanted: Iterable[str], packages: Iterable[str]) -> list[str]:
    """Files in the output's own folders that no spec gives."""
    known = set(wanted)
    found = []
    for package in packages:
        for path in sorted((folder / package).glob("*")):
            relative = f"{package}/{path.name}"
            if path.suffix in (".py", ".json") and relative not in known:
                found.append(relative)
    return found


def write(folder: Path, wanted: Mapping[str, str], remove: Iterable[str]) -> tuple[int, int]:
    """Write what differs and remove ``remove``: (files written, files removed).

    Everything is first written beside its place and then renamed, so that a full disk or a
    missing permission leaves the folder as it was. Files that are as wanted are not touched.
    """
    changed = {p: t for p, t in sorted(wanted.items()) if _text(folder / p) != t}
    staged: list[tuple[Path, Path]] = []
    try:
        for path, text in changed.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.{os.getpid()}")
            staged.append((temporary, target))
            temporary.write_text(text, encoding="utf-8", newline="\n")
        for temporary, target in staged:
            os.replace(temporary, target)
    finally:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink()
    removed = 0
    for path in remove:
        (folder / path).unlink()
        removed += 1
    return len(changed), removed


def write_whole(path: Path, data: bytes) -> None:
    """Write one file in the same way: beside its place, then renamed.

    Raises:
        OSError: When it cannot be written; then what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def read_lock(folder: Path) -> dict[str, str]:
    """What the last build read and wrote: file or input, and digest; empty where there is none."""
    text = _text(folder / LOCK)
    try:
        data = json.loads(text) if text is not None else {}
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in data.items()} if isinstance(data, dict) else {}


def lock_text(inputs: str, wanted: Mapping[str, str]) -> str:
    """The lock: one digest of everything that went in, and one of each file that came out."""
    entries = {"inputs": inputs, **{p: digest(t.encode()) for p, t in sorted(wanted.items())}}
    return json.dumps(entries, indent=0) + "\n"


def is_as_locked(folder: Path, lock: Mapping[str, str]) -> bool:
    """Whether every file of the lock is there with the digest it had."""
    for path, expected in lock.items():
        if path == "inputs":
            continue
        try:
            if digest((folder / path).read_bytes()) != expected:
                return False
        except OSError:
            return False
    return True


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def folder_digest(folders: Iterable[Path], pattern: str) -> str:
    """One digest of all files below ``folders`` whose names match, contents and relative paths."""
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob(pattern)):
            whole.update(path.relative_to(folder).as_posix().encode())
            whole.update(path.read_bytes())
    return whole.hexdigest()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
