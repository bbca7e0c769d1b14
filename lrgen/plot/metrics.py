"""Metrics from a CSV file, as one value for each observation."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import did_you_mean, quoted

MOST_BYTES = 64 * 1024 * 1024
MOST_METRICS = 1_000_000
_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Metrics:
    """The numbers of a column and its name, which is empty where there is no header."""

    name: str
    values: list[float]


def read_metrics(path: Path, column: str | None = None) -> Metrics:
    """The numbers of one column, from top to bottom; ``nan`` and ``inf`` are numbers too.

    The first line may be a header. Lines without a value in the column are left out, as loggers
    write them that put several metrics into one file.

    Args:
        path: A file of text in UTF-8, with commas, semicolons or tabs between columns.
        column: Its name in the header, or its number from 1; may be left out where there is one.

    Raises:
        ValueError: One line with the file, the line in it, the fact and a way out.
    """
    rows = _rows(path)
    if not rows:
        raise ValueError(f"{path}: there is nothing in it. Give a file with a number in each line.")
    first = rows[0][1]
    header = first if not any(map(_is_number, first)) else None
    index = _index(path, header, len(first), column)
    found: list[float] = []
    for line, cells in rows[1 if header else 0 :]:
        if len(cells) > len(first):
            # A decimal comma, for one: half of it would be another number.
            counted = f"has {len(cells)} columns, but the first line has {len(first)}"
            raise ValueError(f"{path}, line {line}: {counted}.")
        text = cells[index].strip() if index < len(cells) else ""
        if not text:
            continue
        if not _is_number(text):
            raise ValueError(f"{path}, line {line}: {quoted(text)} is no number.")
        if len(found) == MOST_METRICS:
            raise ValueError(
                f"{path}, line {line}: more than {MOST_METRICS:,} metrics. Give fewer."
            )
        found.append(float(text))
    if not found:
        raise ValueError(f"{path}: there is no number in it.")
    return Metrics(header[index].strip() if header else "", found)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Lines that are not empty, by their number, in cells."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ValueError(f"{path}: no regular file. Give a CSV file.")
        if about.st_size > MOST_BYTES:
            raise ValueError(
                f"{path}: {about.st_size:,} bytes, the limit is {MOST_BYTES:,}. Give fewer columns."
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not text in UTF-8.") from None
    top = text.partition("\n")[0]
    separator = next((mark for mark in _SEPARATORS if mark in top), ",")
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    found = []
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                found.append((reader.line_num, cells))
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}.") from None
    return found


def _index(path: Path, header: Sequence[str] | None, count: int, column: str | None) -> int:
    names = [name.strip() for name in header or ()]
    if column is None:
        if count > 1:
            shown = f"columns {', '.join(names)}" if names else f"{count} columns"
            raise ValueError(f"{path}: has {shown}. Choose one with --column.")
        return 0
    if column in names:
        return names.index(column)
    if column.isdecimal() and 1 <= int(column) <= count:
        return int(column) - 1
    hint = did_you_mean(column, names)
    if not hint:
        none = f"It has no header: give a number from 1 to {count}."
        hint = f"It has {', '.join(names)}." if names else none
    raise ValueError(f"{path}: no column {quoted(column)}. {hint}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
