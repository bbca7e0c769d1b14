"""Where specs are found: the catalogue and the dialects of lrgen, and what a user names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from .errors import SpecError, did_you_mean, quoted

MOST_SPECS = 20_000


@cache
def data_folder(name: str) -> Path:
    """``spec`` or ``templates``: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "data" / name
    return installed if installed.is_dir() else package.parent / name


def catalogue() -> dict[str, Path]:
    """Every schedule of the catalogue by name."""
    return {path.stem: path for path in sorted((data_folder("spec") / "schedules").glob("*.toml"))}


def dialects(library: str = "*") -> dict[str, Path]:
    """What libraries call schedules themselves, as ``torch/OneCycleLR``; of one or of all."""
    found = (data_folder("spec") / "dialects").glob(f"{library}/*.toml")
    return dict(sorted((f"{path.parent.name}/{path.stem}", path) for path in found))


def libraries() -> list[str]:
    """The libraries that have dialects."""
    return list(dict.fromkeys(name.partition("/")[0] for name in dialects()))


def library_of(path: Path) -> str:
    """The library whose dialect ``path`` belongs to; empty for any other spec."""
    root = data_folder("spec") / "dialects"
    return path.parent.name if path.parent.parent == root else ""


def shown(path: Path) -> str:
    """How messages name a spec: the catalogue's never by where this machine keeps them."""
    if path.is_relative_to(data_folder("spec")):
        return origin(path)
    here = Path.cwd()
    if path.is_absolute() and path.is_relative_to(here):
        return path.relative_to(here).as_posix()
    return path.name if path.is_absolute() else path.as_posix()


def origin(path: Path) -> str:
    """How emitted headers name a spec: the same wherever a build is run."""
    own = data_folder("spec")
    return f"spec/{path.relative_to(own).as_posix()}" if path.is_relative_to(own) else path.name


def find(names: Sequence[str]) -> list[Path]:
    """The spec files that ``names`` mean: files, folders, schedules of the catalogue, dialects.

    Raises:
        SpecError: For a name that is none of these, and for a link that leads out of its folder.
    """
    known = catalogue() | dialects()
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        try:
            is_folder, is_file = path.is_dir(), path.exists()
        except OSError as error:
            raise SpecError(
                f"cannot be read: {error.strerror}", "Check the path.", file=name
            ) from None
        if is_folder:
            inside = sorted(path.rglob("*.toml"))
            if not inside:
                raise SpecError(
                    "the folder has no .toml file", "Name a folder of specs.", file=name
                )
            root = path.resolve()
            for spec in inside:
                # Folders that are links were not entered.
                if spec.is_symlink() and not spec.resolve().is_relative_to(root):
                    raise SpecError(
                        "a link that leads out of its folder",
                        "Copy the file.",
                        file=spec.as_posix(),
                    )
                found[spec] = None
        elif path.suffix == ".toml" or is_file:
            found[path] = None
        elif name in known:
            found[known[name]] = None
        else:
            hint = did_you_mean(name, known) or "See `lrgen list`, or give a path."
            if name in libraries():
                hint = f"That is a library: `lrgen list {name}` names its schedules."
            raise SpecError(f"no schedule {quoted(name)}", hint)
    if len(found) > MOST_SPECS:
        raise SpecError(f"{len(found):,} specs, the limit is {MOST_SPECS:,}", "Build fewer.")
    return list(found)
