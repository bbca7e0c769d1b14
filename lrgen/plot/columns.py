"""Curves of any length in a given number of columns of pixels, so that nothing is lost that these
can show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .curves import Band, Curve, Integers, Reals

COLUMNS = 1_000
"""Columns of pixels that a figure has."""
MOST_EVALUATED = 2**21
"""Updates that are all computed; of more, some in each column are."""
PER_COLUMN = 1_024
IN_A_ROW = 64
"""How many of these are neighbors, so that cycles of a few updates are seen."""
ROUNDS = 4
"""How often the neighborhood of the lowest and highest value of a column is looked at."""
LEAST_BUSY = 0.02
AROUND = 9
"""Columns: a calm one where every fifth of so many is busy is filled as well."""
UP_AND_DOWN = 3.0
"""A column is busy when the curve goes this many times its height in it: twice is one cycle."""
LEAST_HEIGHT = 1e-9


def sampled(
    label: str,
    function: Callable[[Integers], Any],
    last: int,
    places: Iterable[int] = (),
    *,
    marks: Sequence[float] = (),
    columns: int = COLUMNS,
) -> Curve:
    """The curve of updates 0 to ``last``, with what ``columns`` columns of pixels can show.

    Where there are more updates than that, the first, last, lowest and highest of each column are
    kept. Where the curve goes up and down within a column, a band shows from where to where.

    Args:
        label: For the legend.
        function: Values for an array of steps, such as ``lrgen.Bound.curve``.
        last: The last update, from 1 to 2**62.
        places: Steps that are always kept, with their neighbors.
        marks: As for :class:`Curve`.
        columns: Columns of pixels.
    """
    if not 1 <= last <= 2**62:
        raise ValueError(f"last must be from 1 to 2**62, got {last}")
    near = {p + k for p in (0, last, *places) for k in (-1, 0, 1)}
    kept = sorted(step for step in near if 0 <= step <= last)
    if last < 4 * columns:
        steps = np.arange(last + 1, dtype=np.int64)
        return Curve(label, steps, function(steps), marks)
    edges = np.array([(last + 1) * k // columns for k in range(columns + 1)], np.int64)
    steps, values, note = _looked_at(function, edges, np.array(kept, np.int64))
    return _thinned(Curve(label, steps, values, marks, note=note), steps, edges, kept)


def _thinned(curve: Curve, steps: Integers, edges: Integers, kept: Sequence[int]) -> Curve:
    """Of ``curve`` what each column can show: a line, or where it is busy, a band."""
    values, columns = curve.ys, len(edges) - 1
    starts = np.searchsorted(steps, edges)
    parts = [values[a:b] for a, b in pairwise(starts)]
    low = np.array([np.fmin.reduce(part) for part in parts])
    high = np.array([np.fmax.reduce(part) for part in parts])
    busy = np.array([_is_busy(part, a, b) for part, a, b in zip(parts, low, high)])
    busy = _as_around(busy) if busy.mean() >= LEAST_BUSY else np.zeros(columns, bool)
    shown = np.zeros(steps.size, bool)
    shown[np.searchsorted(steps, kept)] = True
    for (start, stop), part in zip(pairwise(starts), parts):
        shown[[start, stop - 1]] = True
        if np.isfinite(part).any():
            shown[[start + np.nanargmin(part), start + np.nanargmax(part)]] = True
    # A line would draw cycles there that are not the curve's own.
    hidden = np.repeat(busy, np.diff(starts))
    values = np.where(hidden, np.nan, values)
    thinned = replace(curve, steps=steps[shown], values=values[shown])
    if not busy.any():
        return thinned
    band = Band(edges, np.where(busy, low, np.nan), np.where(busy, high, np.nan))
    filled = f"Filled where it goes up and down within {_width(edges)} updates."
    return replace(thinned, band=band, note=f"{filled} {curve.note}".strip())


def _looked_at(
    function: Callable[[Integers], Any], edges: Integers, kept: Integers
) -> tuple[Integers, Reals, str]:
    """The steps at which a curve is computed, ascending, its values there, and what to say where
    not all are."""
    if edges[-1] <= MOST_EVALUATED:
        steps = np.arange(edges[-1], dtype=np.int64)
        return steps, np.asarray(function(steps), np.float64), ""
    widths = np.diff(edges)[:, None]
    neighbors = edges[:-1, None] + np.arange(IN_A_ROW)
    # At random, as even distances could be those of the cycles.
    parts = np.random.default_rng(len(edges)).random((widths.size, PER_COLUMN - IN_A_ROW - 1))
    others = edges[:-1, None] + np.minimum((parts * widths).astype(np.int64), widths - 1)
    more = np.concatenate([neighbors.ravel(), others.ravel(), edges[1:] - 1, kept])
    steps = _ascending(more)
    values = np.asarray(function(steps), np.float64)
    for _ in range(ROUNDS):
        more = _ascending(_near_extremes(steps, values, edges))
        at = np.searchsorted(steps, more)
        new = steps[np.minimum(at, steps.size - 1)] != more
        if not new.any():
            break
        found = np.asarray(function(more[new]), np.float64)
        steps = np.insert(steps, at[new], more[new])
        values = np.insert(values, at[new], found)
    return steps, values, f"Computed at {PER_COLUMN:,} of each {_width(edges)} updates."


def _ascending(steps: Integers) -> Integers:
    """Each of ``steps`` once; several times as fast as np.unique, which hashes them."""
    steps = np.sort(steps)
    once: Integers = steps[np.append(True, np.diff(steps) > 0)]
    return once


def _near_extremes(steps: Integers, values: Reals, edges: Integers) -> Integers:
    """Steps around the lowest and the highest value of each column, where it may lie in truth."""
    found = [np.empty(0, np.int64)]
    for start, stop in pairwise(np.searchsorted(steps, edges)):
        part = values[start:stop]
        if np.isfinite(part).any():
            for index in (start + np.nanargmin(part), start + np.nanargmax(part)):
                left, right = steps[max(index - 1, start)], steps[min(index + 1, stop - 1)]
                found.append(left + (right - left) * np.arange(IN_A_ROW) // IN_A_ROW)
    return np.concatenate(found)


def _width(edges: Integers) -> str:
    return f"{int(edges[-1]) // (len(edges) - 1):,}"


def _as_around(busy: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Busy columns, and those among them that happen to be calm."""
    around = np.convolve(busy, np.ones(AROUND), "same") * 5 >= AROUND
    found: NDArray[np.bool_] = busy | around
    return found


def _is_busy(values: Reals, low: float, high: float) -> bool:
    """Whether a curve goes up and down more than once, rounding apart."""
    height = high - low
    if not height > LEAST_HEIGHT * max(abs(low), abs(high)):
        return False
    return bool(np.nansum(np.abs(np.diff(values))) > UP_AND_DOWN * height)
