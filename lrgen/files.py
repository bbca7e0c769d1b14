"""The output folder: compared with what should be there, and written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LOCK = "lrgen.lock"
MOST_IN_MEMORY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not as it should be, and in which way."""

    path: str
    state: str

    def __str__(self) -> str:
        return f"{self.path}: {self.state}"


@contextlib.contextmanager
def texts_by_path() -> Iterator[MutableMapping[str, str]]:
    """A place for texts; of many, in a file without a name, which goes when we do.

    Raises:
        OSError: When that file cannot be made or written, by whoever adds to it.
    """
    from tempfile import SpooledTemporaryFile  # a build that has nothing to do needs none

    with SpooledTemporaryFile(MOST_IN_MEMORY) as file:
        yield _Texts(file)


class _Texts(MutableMapping[str, str]):
    """Texts by path, one behind the other in a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}

    def __getitem__(self, path: str) -> str:
        start, length = self._places[path]
        self._file.seek(start)
        return self._file.read(length).decode()

    def __setitem__(self, path: str, text: str) -> None:
        data = text.encode()
        self._places[path] = (self._file.seek(0, os.SEEK_END), len(data))
        self._file.write(data)

    def __delitem__(self, path: str) -> None:
        del self._places[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def compare(folder: Path, wanted: Mapping[str, str], packages: Iterable[str]) -> list[Difference]:
    """Files below ``folder`` that are missing, other than wanted, or strays in ``packages``."""
    found = []
    for path in sorted(wanted):
        present = _text(folder / path)
        if present is None:
            found.append(Difference(path, "missing"))
        elif present != wanted[path]:
            found.append(Difference(path, "stale or edited"))
    found += [Difference(path, "stray") for path in strays(folder, wanted, packages)]
    return found


def strays(folder: Path, wanted: Iterable[str], packages: Iterable[str]) -> list[str]:
    """Files in the output's own folders that no spec gives."""
    known = set(wanted)
    found = []
    for package in packages:
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder / package)):
                path = f"{package}/{name}"
                if os.path.splitext(name)[1] in (".py", ".json") and path not in known:
                    found.append(path)
    return found


def write(folder: Path, wanted: Mapping[str, str], remove: Iterable[str]) -> tuple[int, int]:
    """Write what differs and remove ``remove``: (files written, files removed).

    Everything is first written beside its place and then renamed, so that a full disk or a
    missing permission leaves the folder as it was. Files that are as wanted are not touched.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for path in sorted(wanted):
            target, text = folder / path, wanted[path]
            if _text(target) == text:
                continue
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
    return len(staged), removed


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
    entries = {"inputs": inputs, **{p: digest(wanted[p].encode()) for p in sorted(wanted)}}
    return json.dumps(entries, indent=0) + "\n"


def is_as_locked(folder: Path, lock: Mapping[str, str]) -> bool:
    """Whether every file of the lock is there with the digest it had."""
    for path, expected in lock.items():
        if path == "inputs":
            continue
        try:
            with open(os.path.join(folder, path), "rb", buffering=0) as file:
                if digest(file.read()) != expected:
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
