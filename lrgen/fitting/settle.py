"""The plainest parameters that still draw the curve, and which of them the curve leaves open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..schedule import Value
from .curves import Candidate
from .knots import roundest
from .points import Coordinate, Data, Values, coordinates, descend, worst
from .search import Budget

NEAR = 30.0
"""Widths by which a start may be off: the nearest in the mean is not the nearest at worst."""
LIMITS = (1.0, 1.6, 4.0)
"""Widths that it may be off on the way to plainer values, which then have to be within 1."""
TURNS = 6
ROUND = (1, 10, 100, 1_000, 10_000)
MOST_DIGITS = 17
MOST_DOUBLINGS = 60
MOST_ENTRIES = 24
MOST_PLACE = 2**40
FARTHER = 4
"""How many times the length of the log a parameter is tried at."""


def settled(
    candidate: Candidate, values: Mapping[str, Value], data: Data, spacing: int, budget: Budget
) -> Values | None:
    """The plainest values near ``values`` with which every row is within its width.

    None where there are none near.
    """
    every = coordinates(candidate, values)
    reals = [one for one in every if not one.is_whole][:MOST_ENTRIES]
    start, _ = descend(candidate, values, reals, data, 10)
    if worst(candidate, start, data) > NEAR:
        return None
    start = _shorter(candidate, start, data)
    every = coordinates(candidate, start)
    found = [
        _plainer(candidate, one, every, data, spacing, limit, budget)
        for one in (start, *_other_lengths(candidate, start, every, data))
        for limit in LIMITS
    ]
    fitting = [one for one in (*found, start) if worst(candidate, one, data) <= 1]
    return min(fitting, key=lambda one: plainness(candidate, one), default=None)


def _other_lengths(
    candidate: Candidate, values: Values, every: Sequence[Coordinate], data: Data
) -> Iterator[Values]:
    """``values`` with a round length instead of one that only counts as part of a ratio: a factor
    of 0.8 per 100 updates says the same as one of 0.107374 per 1,000, and says it better."""
    for coordinate in every:
        if coordinate.parameter.type != "steps" or coordinate.default in (0, None):
            continue
        for length in ROUND:
            trial = _with(candidate, values, coordinate, length, every, data, NEAR)
            if trial is not None and trial != values:
                yield trial


def _shorter(candidate: Candidate, values: Values, data: Data) -> Values:
    """``values`` without the entries of lists that the curve does not need."""
    lists = [p.name for p in candidate.parameters if isinstance(values[p.name], tuple)]
    found, place = values, 0
    limit = max(1.5, worst(candidate, values, data))
    while lists and place < max(len(_list(found, name)) for name in lists):
        if len(coordinates(candidate, found)) > 2 * MOST_ENTRIES:
            break
        for trial in _without(found, lists, place):
            if trial == found:
                continue
            rates = [one for one in coordinates(candidate, trial) if not one.is_whole]
            trial, _ = descend(candidate, trial, rates, data, TURNS)
            if worst(candidate, trial, data) <= limit:
                found = trial
                break
        else:
            place += 1
    return found


def _list(values: Values, name: str) -> tuple[float, ...]:
    value = values[name]
    assert isinstance(value, tuple), "a parameter that is a list has one"
    return value


def _without(values: Values, lists: Sequence[str], place: int) -> Iterator[Values]:
    """``values`` with one entry less: of all lists at ``place``, of the longer ones after it, and
    of each list alone."""
    shortest = min(len(_list(values, name)) for name in lists)

    def cut(names: Sequence[str], after: int) -> Values:
        trial = dict(values)
        for name in names:
            entries = _list(values, name)
            at = place + (after if len(entries) > shortest else 0)
            trial[name] = entries[:at] + entries[at + 1 :]
        return trial

    yield cut(lists, 0)
    yield cut(lists, 1)
    if len(lists) > 1:
        for name in lists:
            yield cut([name], 0)


def _plainer(
    candidate: Candidate,
    values: Values,
    every: Sequence[Coordinate],
    data: Data,
    spacing: int,
    limit: float,
    budget: Budget,
) -> Values:
    """Defaults where they do, then whole numbers with zeros at their ends, then short decimals."""
    found: Values = dict(values)
    trial: Values | None
    left = list(every)
    for words in [p for p in candidate.parameters if p.type in ("flag", "choice")]:
        trial = {**found, words.name: words.default}
        if trial != found:
            led, _ = descend(candidate, trial, [o for o in left if not o.is_whole], data, TURNS)
            found = led if worst(candidate, led, data) <= limit else found
    # Lengths that only scale a ratio, such as decay_steps, come before the ratio.
    for coordinate in sorted(every, key=lambda one: (not one.is_whole, one.is_rate)):
        if coordinate.default is None or budget.is_spent:
            continue
        if coordinate.of(found) in ROUND:
            left.remove(coordinate)
            continue
        trial = _with(candidate, found, coordinate, coordinate.default, left, data, limit)
        if trial is not None:
            found = trial
            left.remove(coordinate)
    for coordinate in [one for one in left if one.is_whole]:
        number = int(coordinate.of(found))
        near = [
            roundest(max(number - reach, 0), number + reach) for reach in (spacing, spacing // 3, 1)
        ]
        for plain in dict.fromkeys(near):
            if plain == number or budget.is_spent or _digits(plain) >= _digits(number):
                continue
            trial = _with(candidate, found, coordinate, plain, left, data, limit)
            if trial is not None:
                found = trial
                break
        left.remove(coordinate)
    for coordinate in list(left):
        left.remove(coordinate)
        real = float(coordinate.of(found))
        for digits in range(1, MOST_DIGITS):
            short = float(f"{real:.{digits - 1}e}")
            if budget.is_spent or short == real:
                break
            trial = _with(candidate, found, coordinate, short, left, data, limit)
            if trial is not None:
                found = trial
                break
    return found


def _with(
    candidate: Candidate,
    values: Values,
    coordinate: Coordinate,
    number: float,
    left: Sequence[Coordinate],
    data: Data,
    limit: float,
) -> Values | None:
    """``values`` with ``number`` for one of them, the real ones that are left led after it."""
    trial = coordinate.put(values, number)
    if worst(candidate, trial, data) <= limit:
        return trial
    others = [one for one in left if one != coordinate and not one.is_whole][:MOST_ENTRIES]
    if not others:
        return None
    for start in _rescaled(trial, coordinate.of(values), number, others):
        led, _ = descend(candidate, start, others, data, TURNS)
        if worst(candidate, led, data) <= limit:
            return led
    # A floor of exactly 0 may be reached one update later.
    every = [one for one in left if one != coordinate][:MOST_ENTRIES]
    if coordinate.is_rate and number == coordinate.default and len(every) > len(others):
        led, _ = descend(candidate, trial, every, data, TURNS)
        if worst(candidate, led, data) <= limit:
            return led
    return None


def _rescaled(
    values: Values, old: float, new: float, others: Sequence[Coordinate]
) -> Iterator[Values]:
    """``values``, and with one of the ``others`` changed as it would be if only a ratio of both
    counted, or a power, as of a decay rate and the steps that it is for."""
    yield values
    if old <= 0 or new <= 0 or 0.5 < new / old < 2:
        return
    for other in others:
        number = other.of(values)
        if number > 0:
            yield other.put(values, number * new / old)
            yield other.put(values, number * old / new)
            if number < 1:
                yield other.put(values, number ** (new / old))


def _digits(number: float | int) -> int:
    """Significant digits of its shortest decimal; 0 has none."""
    if number == 0:
        return 0
    text = repr(abs(number)).partition("e")[0].replace(".", "").lstrip("0").rstrip("0")
    return max(len(text), 1)


def plainness(candidate: Candidate, values: Mapping[str, Value]) -> tuple[int, int, int]:
    """How much there is to say: parameters, numbers and words that are no defaults, and the digits
    of these; then how many of them there are, and how many digits. Less is plainer."""
    said = digits = lists = 0
    for parameter in candidate.parameters:
        value = values[parameter.name]
        if isinstance(value, tuple):
            said += len(value)
            lists += 2  # a list says anything, given enough entries
            digits += sum(_digits(entry) for entry in value)
        elif value != parameter.default:
            said += 1
            digits += 1 if isinstance(value, str | bool) else _digits(value)
    return said + digits + lists + len(candidate.parameters), said, digits


@dataclass(frozen=True, slots=True)
class Leeway:
    """How far parameters may be moved while the curve stays within the log's rounding.

    Attributes:
        ranges: Whole numbers that may be others: the least and the greatest.
        open: Parameters that the log does not fix at all, each with other values that draw it.
    """

    ranges: Mapping[str, tuple[int, int]]
    open: Mapping[str, Values]


def leeway(candidate: Candidate, values: Values, data: Data, budget: Budget) -> Leeway:
    """What of ``values`` the log leaves open, the others led after each."""
    ranges: dict[str, tuple[int, int]] = {}
    loose: dict[str, Values] = {}
    every = coordinates(candidate, values)[:MOST_ENTRIES]
    for coordinate in every:
        if budget.is_spent:
            break
        others = [one for one in every if one != coordinate]
        if coordinate.is_whole:
            low, high, far = _range(candidate, values, coordinate, others, data)
            if far is not None and not _same(candidate, values, far, data):
                loose[str(coordinate)] = far
            elif far is None and low < high:
                ranges[str(coordinate)] = (low, high)
            continue
        for number in _others(coordinate.of(values), float(data.rates.max()) or 1.0):
            other = _led(candidate, values, coordinate, number, others, data)
            if other is not None and not _same(candidate, values, other, data):
                loose[str(coordinate)] = other
                break
    return Leeway(ranges, loose)


def _others(number: float, peak: float) -> tuple[float, ...]:
    return (2 * number, number / 2) if number else (0.1 * peak,)


def _range(
    candidate: Candidate,
    values: Values,
    coordinate: Coordinate,
    others: Sequence[Coordinate],
    data: Data,
) -> tuple[int, int, Values | None]:
    """The least and the greatest that it may be, and values far away if it may be there."""
    start = int(coordinate.of(values))
    limit = FARTHER * (max(start, int(data.steps[-1])) + 1)
    ends = []
    for sign in (-1, 1):
        good, step = start, 1
        for _ in range(MOST_DOUBLINGS):
            trial = _led(candidate, values, coordinate, start + sign * step, others, data)
            if trial is None or (sign < 0 and start - step < 0):
                break
            good = start + sign * step
            if step > limit:
                return start, good, trial
            step *= 2
        bad = start + sign * step
        while abs(bad - good) > 1:
            middle = (bad + good) // 2
            if (
                middle >= 0
                and _led(candidate, values, coordinate, middle, others, data) is not None
            ):
                good = middle
            else:
                bad = middle
        ends.append(good)
    return ends[0], ends[1], None


def _led(
    candidate: Candidate,
    values: Values,
    coordinate: Coordinate,
    number: float,
    others: Sequence[Coordinate],
    data: Data,
) -> Values | None:
    if coordinate.is_whole and number < 0 and coordinate.parameter.type.startswith("steps"):
        return None
    trial = coordinate.put(values, number)
    if worst(candidate, trial, data) <= 1:
        return trial
    trial, _ = descend(candidate, trial, others, data, TURNS)
    return trial if worst(candidate, trial, data) <= 1 else None


def _same(candidate: Candidate, a: Values, b: Values, data: Data) -> bool:
    """Whether two sets of values draw one curve, past the log too: another spelling of it."""
    edges = [p for one in (a, b) for p in candidate.boundaries(one) if p < MOST_PLACE]
    end = max(FARTHER * int(data.steps[-1]) + 8, *(2 * place for place in edges), 0)
    near = [place + side for place in edges for side in (-1, 0, 1) if place + side >= 0]
    far = np.unique(np.append(np.linspace(0, end, 2_000).astype(np.int64), near)).astype(np.int64)
    curves = candidate.curve(a, far), candidate.curve(b, far)
    if curves[0] is None or curves[1] is None:
        return False
    gap = float(np.max(np.abs(curves[0] - curves[1])))
    return gap <= 2 * float(data.widths.max())
