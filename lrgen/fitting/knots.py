"""What a curve shows of itself: where it jumps, bends, rests and turns, and at which rates.

Nothing here is a parameter yet. These are the numbers from which a search starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Steps = NDArray[np.int64]

MOST_KNOTS = 8
MOST_HINTS = 20
MOST_ENTRIES = 40
"""A list of places longer than this is not searched for."""
SCALES = (400, 100, 40)
JUMP = 5.0
BEND = 4.0
COMMON = (1.0, 0.5, 2.0, 0.1, 0.9, 0.3, 3.0)


@dataclass(frozen=True, slots=True)
class Jump:
    """A rate that changes at once, at a step after ``before`` and no later than ``after``."""

    before: int
    after: int
    old: float
    new: float

    @property
    def place(self) -> int:
        return roundest(self.before + 1, self.after)


@dataclass(frozen=True, slots=True)
class Hints:
    """Numbers to start from, those most likely first.

    Attributes:
        steps: Places and lengths on the axis of updates.
        rates: Rates that the curve rests at, begins with, ends with or turns at.
        reals: Ratios between such rates, and between such places.
        counts: How many jumps there are, and small numbers.
        places: Lists of places.
        levels: Lists of rates.
        ratios: Lists of ratios between rates.
        spacing: Updates between two rows, mostly.
        knots: Where something happens.
    """

    steps: tuple[int, ...]
    rates: tuple[float, ...]
    reals: tuple[float, ...]
    counts: tuple[int, ...]
    places: tuple[tuple[int, ...], ...]
    levels: tuple[tuple[float, ...], ...]
    ratios: tuple[tuple[float, ...], ...]
    spacing: int
    knots: tuple[int, ...]


def roundest(low: int, high: int) -> int:
    """The integer from ``low`` to ``high`` with the fewest digits before its zeros."""
    if low > high:
        return low
    unit = 1
    while low > 0 and -(-low // (10 * unit)) * 10 * unit <= high:
        unit *= 10
    for finer in (5, 2):
        if unit >= 10 and -(-low // (finer * unit)) * finer * unit <= high:
            return -(-low // (finer * unit)) * finer * unit
    return -(-low // unit) * unit if low > 0 else max(low, 0)


def hints_of(steps: Steps, rates: Array, widths: Array) -> Hints:
    """The hints of a curve of at least two rows."""
    spacing = max(1, int(np.median(np.diff(steps))))
    jumps = jumps_of(steps, rates, widths)
    bends = bends_of(steps, rates, widths, jumps)
    runs = runs_of(steps, rates)
    turns = turns_of(steps, rates, widths)
    first, last, top = int(steps[0]), int(steps[-1]), int(steps[int(rates.argmax())])
    end_of_top = int(steps[len(rates) - 1 - int(rates[::-1].argmax())])
    knots = _distinct([*(jump.place for jump in jumps), *bends, *turns, top, end_of_top], spacing)
    knots = _distinct([*knots, *(place for run in runs for place in run[:2])], spacing)
    edges = [place for place in knots if place > first][:MOST_KNOTS]
    lengths = [b - a for a, b in pairwise(sorted({0, *edges}))]
    period = period_of(jumps)
    swings = [b - a for a, b in pairwise([0, *turns[:3]])]
    tried: list[int] = [*period, *swings, *edges[:5], 0, *lengths[1:3], *edges[5:]]
    tried += times_of(steps, rates)
    tried += [roundest(place - spacing, place + spacing) for place in edges]
    tried += [last, last + spacing, *lengths, *(b - a for a in edges for b in edges if b > a)]
    tried += [last - place for place in edges if place < last]
    tried += [3 * last // 2, 2 * last, 4 * last, *(length // 2 for length in lengths)]
    return Hints(
        steps=tuple(dict.fromkeys(one for one in tried if one >= 0))[:MOST_HINTS],
        rates=_rates(rates, runs),
        reals=_reals(steps, rates, jumps, edges, lengths),
        counts=tuple(dict.fromkeys((len(turns) + 1, 1, 2, 0, len(jumps), len(jumps) + 1, 3))),
        places=_places(first, last, jumps, sorted(edges), bends),
        levels=_levels(steps, rates, jumps, sorted(edges), turns),
        ratios=_ratios(jumps, rates),
        spacing=spacing,
        knots=tuple(
            sorted({first, last, *edges, *(j.before for j in jumps), *(j.after for j in jumps)})
        ),
    )


def jumps_of(steps: Steps, rates: Array, widths: Array) -> list[Jump]:
    """Where the rate changes at once, more than it does before and after."""
    change, spans = np.diff(rates), np.diff(steps)
    slope = np.abs(change) / spans
    around = np.maximum(np.append(slope[1:], 0.0), np.append(0.0, slope[:-1]))
    if len(slope) < 2:
        return []
    around[0], around[-1] = slope[1], slope[-2]
    # Two in a row where a cycle is short: what is beyond the next counts then.
    beyond = np.maximum(np.append(slope[2:], (0.0, 0.0)), np.append((0.0, 0.0), slope[:-2]))[
        : len(slope)
    ]
    noise = 4 * (widths[1:] + widths[:-1])
    local = np.maximum(np.abs(rates[1:]), np.abs(rates[:-1]))
    is_jump = (
        (np.abs(change) > np.maximum(noise, 2e-3 * local))
        & (slope > JUMP * np.minimum(around, np.maximum(beyond, 1e-300) * 2))
        & (slope > JUMP * np.median(slope))
    )
    return [
        Jump(int(steps[k]), int(steps[k + 1]), float(rates[k]), float(rates[k + 1]))
        for k in np.flatnonzero(is_jump)
    ]


def bends_of(steps: Steps, rates: Array, widths: Array, jumps: Sequence[Jump]) -> list[int]:
    """Where the slope changes at once: the meeting points of the lines before and after."""
    found: list[int] = []
    for count in SCALES:
        stride = max(1, len(steps) // count)
        if stride == 1 and count != SCALES[-1] and len(steps) <= SCALES[-1]:
            continue
        at, y, h = steps[::stride].astype(float), rates[::stride], widths[::stride]
        if len(at) < 6:
            continue
        spans = np.diff(at)
        slope = np.diff(y) / spans
        noise = (h[1:] + h[:-1]) / spans
        turn = np.abs(slope[2:] - slope[:-2])  # across the interval k + 1
        unsure = noise[2:] + noise[:-2]
        for k in np.argsort(turn)[::-1][: 4 * MOST_KNOTS]:
            beside = [turn[j] for j in (k - 2, k + 2) if 0 <= j < len(turn)]
            if turn[k] <= 3 * unsure[k] or turn[k] <= BEND * max(beside, default=0.0):
                continue
            left, right = at[k + 1], at[k + 2]
            if any(j.before < right + stride and j.after > left - stride for j in jumps):
                continue
            rise = slope[k] - slope[k + 2]
            # y1 + slope1 * (x - x1) == y2 + slope2 * (x - x2)
            place = (y[k + 2] - y[k + 1] + slope[k] * left - slope[k + 2] * right) / rise
            found.append(round(min(max(place, left), right)))
    return _distinct(found, max(1, int(np.median(np.diff(steps)))))[:MOST_KNOTS]


def runs_of(steps: Steps, rates: Array) -> list[tuple[int, int, float]]:
    """Stretches of at least three rows at one rate: first step, last step, rate; longest first."""
    edges = np.flatnonzero(np.diff(rates) != 0)
    starts = np.append(0, edges + 1)
    ends = np.append(edges, len(rates) - 1)
    long = [(int(a), int(b)) for a, b in zip(starts, ends) if b - a >= 2]
    long.sort(key=lambda run: run[0] - run[1])
    return [(int(steps[a]), int(steps[b]), float(rates[a])) for a, b in long[:MOST_KNOTS]]


def turns_of(steps: Steps, rates: Array, widths: Array) -> list[int]:
    """Tops and bottoms between the first and the last row."""
    found: list[int] = []
    extreme = 0
    rising: bool | None = None
    for k in range(1, len(rates)):
        gap = rates[k] - rates[extreme]
        clear = abs(gap) > 4 * (widths[k] + widths[extreme])
        if rising is None:
            if clear:
                rising, extreme = bool(gap > 0), k
        elif (gap >= 0) == rising:
            extreme = k if gap != 0 else extreme
        elif clear:
            found.append(int(steps[extreme]))
            rising, extreme = not rising, k
    return found[:MOST_ENTRIES]


def period_of(jumps: Sequence[Jump]) -> list[int]:
    """Lengths whose multiples have a jump each: counted from update 0, or from one of the first
    two jumps where what comes before them is something else."""
    found: list[int] = []
    starts = [
        (0, 0, jumps),
        *((j.before, j.after, jumps[k + 1 :]) for k, j in enumerate(jumps[:2])),
    ]
    for before, after, later in starts:
        if not later:
            continue
        low = max((jump.before - after) / k for k, jump in enumerate(later, 1))
        high = min((jump.after - before) / k for k, jump in enumerate(later, 1))
        lowest, highest = math.floor(low) + 1, math.floor(high)
        if lowest <= highest:
            found += [roundest(lowest, highest), (lowest + highest) // 2]
    return list(dict.fromkeys(found))


def times_of(steps: Steps, rates: Array) -> list[int]:
    """How long the curve takes to halve from its top, and to reach 0 as it ends."""
    found: list[int] = []
    top = int(rates.argmax())
    low = np.flatnonzero(rates[top:] <= rates[top] / 2)
    if len(low):
        found.append(roundest(*(int(steps[top + k] - steps[top]) for k in (low[0] - 1, low[0]))))
    third = len(rates) - 1 - len(rates) // 3
    fall, span = rates[third] - rates[-1], int(steps[-1] - steps[third])
    if fall > 0 and span > 0:
        found.append(int(steps[-1] + min(rates[-1] / fall, 20.0) * span))
        if rates[-1] > 0:
            found.append(int(span * np.log(2.0) / np.log(rates[third] / rates[-1])))
    return found


def _distinct(places: Iterable[int], spacing: int) -> list[int]:
    """Places in their order, without those that are within a row of an earlier one."""
    found: list[int] = []
    for place in places:
        if all(abs(place - other) > spacing / 2 for other in found):
            found.append(int(place))
    return found


def _rates(rates: Array, runs: Sequence[tuple[int, int, float]]) -> tuple[float, ...]:
    told = [rates.max(), rates[-1], rates[0], rates.min(), 0.0, *(run[2] for run in runs)]
    return tuple(dict.fromkeys(float(one) for one in told))[:MOST_HINTS]


def _reals(
    steps: Steps, rates: Array, jumps: Sequence[Jump], edges: Sequence[int], lengths: Sequence[int]
) -> tuple[float, ...]:
    top, first, final, low = rates.max(), rates[0], rates[-1], rates.min()
    last = max(int(steps[-1]), 1)
    between = [b.after - a.after for a, b in pairwise(jumps)]
    cycles = [jumps[0].after, *between] if jumps else []
    found = [round(b / a, 1) for a, b in pairwise(cycles) if a > 0][:2]
    found += [_ratio(b.new, a.new) for a, b in pairwise(jumps)][:1]
    found += [_ratio(jump.new, jump.old) for jump in jumps[:2]]
    found += [_ratio(*pair) for pair in ((final, top), (first, top), (low, top))]
    found += [_ratio(*pair) for pair in ((top, first), (first, final), (top, final))]
    if first > 0 and final > 0 and first != final:
        found.append(float((final / first) ** (1 / max(int(steps[-1] - steps[0]), 1))))
    half = len(rates) // 2
    if rates[half] > 0 and final > 0 and rates[half] != final:
        found.append(float((final / rates[half]) ** (1 / max(int(steps[-1] - steps[half]), 1))))
    found += [place / last for place in edges[:3]]
    found += [*COMMON]
    return tuple(dict.fromkeys(one for one in found if math.isfinite(one) and one > 0))


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 and above > 0 else math.nan


def _places(
    first: int, last: int, jumps: Sequence[Jump], edges: Sequence[int], bends: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    stairs = tuple(jump.place for jump in jumps)
    inner = tuple(sorted(bends))
    lists = [stairs, tuple(edges), (first, *inner), (first, *inner, last), (*inner, last), inner]
    lists += [(first, *edges), tuple(place - 1 for place in stairs)]
    lists += [(*edges, last)] if last not in edges else []
    lists = [tuple(sorted(set(one))) for one in lists if len(one) <= MOST_ENTRIES]
    return tuple(dict.fromkeys(lists))


def _levels(
    steps: Steps, rates: Array, jumps: Sequence[Jump], edges: Sequence[int], turns: Sequence[int]
) -> tuple[tuple[float, ...], ...]:
    def at(places: Iterable[int]) -> tuple[float, ...]:
        return tuple(float(one) for one in np.interp(list(places), steps, rates))

    first, last = int(steps[0]), int(steps[-1])
    lists: list[tuple[float, ...]] = []
    lists.append((float(rates[0]), *(jump.new for jump in jumps)))
    lists.append((*(jump.old for jump in jumps), float(rates[-1])))
    lists += [at(edges), at((first, *edges)), at((*edges, last)), at((first, *edges, last))]
    tops = [rates[steps == turn][0] for turn in turns if (steps == turn).any()]
    lists.append(tuple(float(one) for one in tops[::2]))
    lists.append(tuple(float(one) for one in tops[1::2]))
    lists += [(float(rates.min()),), (float(rates.max()),), (float(rates[-1]),)]
    return tuple(dict.fromkeys(one for one in lists if one and len(one) <= MOST_ENTRIES))


def _ratios(jumps: Sequence[Jump], rates: Array) -> tuple[tuple[float, ...], ...]:
    factors = tuple(jump.new / jump.old for jump in jumps if jump.old > 0)
    ones = tuple(1.0 for _ in jumps)
    return tuple(dict.fromkeys(one for one in (factors, ones) if len(one) <= MOST_ENTRIES))
