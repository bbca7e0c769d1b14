"""What every example has: options of its command line, a table of numbers, and pictures."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from lrgen.plot import save

PICTURES = Path(__file__).parent / "pictures"


def options(
    description: str | None, arguments: Sequence[str] | None, **lengths: int
) -> argparse.Namespace:
    """Parse ``arguments``: each of ``lengths`` is an option with its default, and ``--out``."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    for name, default in lengths.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default:,}")
    parser.add_argument("--out", type=Path, default=PICTURES, help="folder of the pictures")
    found = parser.parse_args(arguments)
    found.out.mkdir(parents=True, exist_ok=True)
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> None:
    """Print ``rows`` under ``head``: the first column to the left, numbers to the right."""
    texts = [list(head), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for first, *others in texts:
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]).rstrip())


def keep(made: Any, folder: Path, name: str) -> None:
    """Write a figure as ``name``.svg and ``name``.png, which has a palette and is small by it."""
    png = folder / f"{name}.png"
    save(made, png, folder / f"{name}.svg")
    with Image.open(png) as picture:
        few = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(png, optimize=True)


def _text(cell: str | int | float) -> str:
    match cell:
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:.6g}"
    return cell
