"""The picture for a terminal: dots of braille, or letters where colors or braille are missing."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .curves import Curve, Panel
from .scale import LEAST_POSITIVE, Axis, axis_for

LEAST_WIDTH = 32
LEAST_HEIGHT = 5
SYMBOLS = "*+ox#@%&=~$?"
# Of the 256 colors that terminals have, those next to the ones of a figure.
_COLORS = (32, 166, 36, 175, 214, 74, 250)
_FRAME = ("│", "─", "└", "┤", "┴", "┊")
_PLAIN_FRAME = ("|", "-", "+", "|", "+", ":")
_BRAILLE = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


@dataclass(frozen=True, slots=True)
class Screen:
    """What a terminal can show: columns and lines of letters, and which of them."""

    width: int
    height: int
    color: bool
    encoding: str

    def has(self, letters: str) -> bool:
        """Whether ``letters`` can be printed."""
        try:
            letters.encode(self.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True


def picture(panels: Sequence[Panel], screen: Screen, notes: Sequence[str] = ()) -> str:
    """``panels`` one below the other, each line at most as wide as the screen, then ``notes``.

    Raises:
        ValueError: When nothing can be drawn.
    """
    width = max(screen.width, LEAST_WIDTH)
    height = max(screen.height // len(panels) - 4, LEAST_HEIGHT)
    lines: list[str] = []
    for number, panel in enumerate(panels):
        lines += ([""] if number else []) + list(_panel(panel, width, height, screen))
    for note in notes:
        lines += textwrap.wrap(note, width - 2, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def columns_of(screen: Screen) -> int:
    """Columns of dots that a curve can have, at most."""
    return 2 * max(screen.width, LEAST_WIDTH)


def _panel(panel: Panel, width: int, height: int, screen: Screen) -> Iterator[str]:
    heights = panel.heights()
    if heights is None:
        positive = "positive " if panel.log else ""
        raise ValueError(f"{panel.quantity}: there is no {positive}value to draw")
    up, across = axis_for(*heights, log=panel.log), Axis(*_wide(*panel.width()))
    several = len(panel.curves) > 1
    dotted = screen.has("⣿") and (screen.color or not several)
    side, bar, corner, tick, foot, dots = _FRAME if screen.has("".join(_FRAME)) else _PLAIN_FRAME

    labels = _row_labels(up, height)
    indent = max(map(len, labels.values()), default=0) + 1
    columns = width - indent - 2
    cells = _cells(panel.curves, up, across, (columns, height), dotted)
    marks = {_nearest(across.place(m), columns) for c in panel.curves for m in c.marks}

    yield textwrap.shorten(panel.title or panel.quantity, width, placeholder="...")
    for row in range(height):
        line = []
        for column in range(columns):
            letter, owner = cells[row][column]
            if owner is None:
                line.append(_painted(dots, 240, screen.color) if column in marks else " ")
            else:
                line.append(_painted(letter, _COLORS[owner % len(_COLORS)], screen.color))
        edge = tick if row in labels else side
        yield f"{labels.get(row, ''):>{indent}} {edge}{''.join(line)}".rstrip()
    places, below = _column_labels(across, columns, panel.over, indent + 2, width)
    floor = "".join(foot if k in places else bar for k in range(columns))
    yield f"{'':{indent}} {corner}{floor}"
    yield below
    if several:
        yield from _legend(panel.curves, width, dotted, screen)


def _wide(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _nearest(place: float, count: int) -> int:
    """Which of ``count`` cells from 0 to 1 holds ``place``."""
    return min(max(int(place * count), 0), count - 1)


def _row_labels(up: Axis, height: int) -> dict[int, str]:
    ticks = up.ticks(max(height // 3, 2))
    found: dict[int, str] = {}
    for tick, label in zip(ticks, up.labels(ticks)):
        place = up.place(tick)
        if 0 <= place <= 1:
            found[height - 1 - _nearest(place, height)] = label
    return found


def _column_labels(
    across: Axis, columns: int, over: str, indent: int, width: int
) -> tuple[set[int], str]:
    """Where ticks stand, and the line of numbers below them, with what they count."""
    ticks = across.ticks(max(columns // 10, 2))
    line = [" "] * width
    room = width - len(over) - 2
    places: set[int] = set()
    free = 0
    for tick, label in zip(ticks, across.labels(ticks)):
        place = _nearest(across.place(tick), columns)
        start = indent + place - len(label) // 2
        if start < free or start + len(label) > room:
            continue
        line[start : start + len(label)] = label
        places.add(place)
        free = start + len(label) + 1
    line[width - len(over) :] = over
    return places, "".join(line)


def _cells(
    curves: Sequence[Curve], up: Axis, across: Axis, size: tuple[int, int], dotted: bool
) -> list[list[tuple[str, int | None]]]:
    """For each cell a letter and the curve whose it is; curves that meet take turns."""
    columns, rows = size
    fine = (rows * 4, columns * 2) if dotted else (rows, columns)
    drawn = [_raster(curve, up, across, fine) for curve in curves]
    found = []
    for row in range(rows):
        line: list[tuple[str, int | None]] = []
        for column in range(columns):
            if dotted:
                parts = [d[4 * row : 4 * row + 4, 2 * column : 2 * column + 2] for d in drawn]
            else:
                parts = [d[row : row + 1, column : column + 1] for d in drawn]
            owners = [k for k, part in enumerate(parts) if part.any()]
            if not owners:
                line.append((" ", None))
                continue
            owner = owners[column % len(owners)]
            letter = SYMBOLS[owner % len(SYMBOLS)]
            if dotted:
                together = np.logical_or.reduce([parts[k] for k in owners])
                letter = chr(_BRAILLE + int(_DOTS[together].sum()))
            line.append((letter, owner))
        found.append(line)
    return found


def _raster(curve: Curve, up: Axis, across: Axis, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The dots of ``curve``, of ``size`` rows and columns."""
    rows, columns = size
    dots = np.zeros(size, bool)

    def row(value: float) -> int:
        return rows - 1 - _nearest(up.place(max(value, up.low)), rows)

    last: tuple[int, int] | None = None
    for x, y in zip(curve.xs, curve.ys):
        if math.isnan(y) or (up.log and y < LEAST_POSITIVE):
            last = None
            continue
        at = (_nearest(across.place(float(x)), columns), row(float(y)))
        if last is None or curve.style == "points":
            last = at
        elif curve.style == "stairs":
            dots[last[1], last[0] : at[0]] = True
            last = (at[0], last[1])
        count = max(abs(at[0] - last[0]), abs(at[1] - last[1])) + 1
        dots[
            np.linspace(last[1], at[1], count).round().astype(int),
            np.linspace(last[0], at[0], count).round().astype(int),
        ] = True
        last = at
    if curve.band is not None:
        edges = curve.band.edges
        for k, (low, high) in enumerate(zip(curve.band.low, curve.band.high)):
            if not math.isnan(high) and (not up.log or high >= LEAST_POSITIVE):
                left = _nearest(across.place(float(edges[k])), columns)
                right = _nearest(across.place(float(edges[k + 1] - 1)), columns)
                dots[row(high) : row(low) + 1, left : right + 1] = True
    return dots


def _legend(curves: Sequence[Curve], width: int, dotted: bool, screen: Screen) -> Iterator[str]:
    """As many names in a line as fit."""
    line, used = "", 0
    for number, curve in enumerate(curves):
        key = "━━" if dotted else SYMBOLS[number % len(SYMBOLS)]
        label = textwrap.shorten(curve.label, width - 6, placeholder="...")
        taken = len(key) + 1 + len(label) + 3
        if used and used + taken > width:
            yield line.rstrip()
            line, used = "", 0
        line += f"  {_painted(key, _COLORS[number % len(_COLORS)], screen.color)} {label} "
        used += taken
    yield line.rstrip()


def _painted(text: str, color: int, wanted: bool) -> str:
    return f"\x1b[38;5;{color}m{text}\x1b[0m" if wanted else text
