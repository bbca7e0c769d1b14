"""Looking for the parameters with which a schedule comes nearest to a curve.

The numbers to start from are read off the curve: places where it jumps or bends, rates it rests at.
Each candidate is tried at combinations of them, and led downhill from the best ones. Every loop is
bounded, by a count and by the clock.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..schedule import Parameter, Value
from .curves import Candidate
from .knots import Hints
from .points import Coordinate, Data, Values, coordinates, descend, misfit, worst

COARSE, MEDIUM, FINE = 48, 120, 400
"""Rows that are looked at in each round."""
MOST_TRIED = 900
MOST_LED = 16
MOST_REFINED = 3
MOST_SHAPES = 12
MOST_LISTS = 300
MOST_STEPPED = 120
"""Times that whole numbers are moved, from each start."""
HOPEFUL, HOPELESS = 0.03, 0.15
"""Shares of the curve's height by which a start may be off on average: to be led on as exactly as
the log is, and to be looked at more closely at all, unless there is none better."""


@dataclass(frozen=True, slots=True)
class Found:
    """Parameters of a candidate, and how far off they are at worst, in widths."""

    candidate: Candidate
    values: Values
    off: float


@dataclass(slots=True)
class Budget:
    """How much may still be tried. The count makes a search the same on every machine; the clock
    is for schedules that are slow to compute."""

    tries: int
    end: float

    @classmethod
    def of(cls, seconds: float) -> Budget:
        return cls(10**9, time.monotonic() + seconds)

    def part(self, seconds: float) -> Budget:
        """A budget of at most ``seconds`` that ends no later than this one."""
        return Budget(10**9, min(self.end, time.monotonic() + seconds))

    @property
    def is_spent(self) -> bool:
        return self.tries <= 0 or time.monotonic() > self.end


def search(candidate: Candidate, data: Data, hints: Hints, budget: Budget) -> Found:
    """The nearest that was found."""
    height = float(np.ptp(data.rates)) or float(data.rates.max()) or 1.0
    peak = float(data.rates.max()) or 1.0
    even = data.within(np.full_like(data.widths, height))
    coarse, medium = even.some(COARSE, hints.knots), even.some(MEDIUM, hints.knots)
    fine = data.some(FINE, hints.knots)
    best: tuple[float, Values] = (math.inf, candidate.schedule.defaults)
    led: list[tuple[float, int, Values]] = []
    for shape in _shapes(candidate, coarse, hints):
        if budget.is_spent and led:
            break
        tried = _tried(candidate, shape, coarse, hints)
        for number, (_, values) in enumerate(tried):
            if budget.is_spent and number:
                break
            free = _movable(candidate, values)
            found, cost = descend(candidate, values, free, coarse, 7)
            led.append((cost, len(led), found))
    led.sort(key=lambda one: one[:2])
    for cost, _, values in _apart(led)[:MOST_REFINED]:
        if math.sqrt(cost) > HOPELESS and best[0] < math.inf:
            break
        own = Budget(MOST_STEPPED, budget.end)
        found = refine(candidate, values, (medium, fine), hints, peak, own)
        off = worst(candidate, found, fine)
        if off < best[0] or best[0] == math.inf:
            best = (off, found)
        if off <= 1 or budget.is_spent:
            break
    return Found(candidate, best[1], worst(candidate, best[1], data))


def refine(
    candidate: Candidate,
    values: Values,
    rows: tuple[Data, Data],
    hints: Hints,
    peak: float,
    budget: Budget,
) -> Values:
    """Downhill from ``values``, first with every row alike, then as exactly as the log is."""
    medium, fine = rows
    found, cost = descend(candidate, values, _movable(candidate, values), medium, 12)
    if HOPEFUL < math.sqrt(cost) < HOPELESS:
        found, cost = _stepped(candidate, found, medium, hints.spacing, budget)
    if math.sqrt(cost) > HOPEFUL:
        return found
    for width in (1e-4 * peak, 1e-6 * peak, 0.0):
        rows_now = fine.at_least(width)
        found, _ = descend(candidate, found, _movable(candidate, found), rows_now, 15)
        if worst(candidate, found, rows_now) > 1:
            found, _ = _stepped(candidate, found, rows_now, hints.spacing, budget)
        found = _snapped(candidate, found, rows_now)
        if worst(candidate, found, fine) <= 1 or budget.is_spent:
            break
    return found


def _snapped(candidate: Candidate, values: Values, data: Data) -> Values:
    """``values`` with short decimals where these are no worse: a growth of 1.9999999999 has other
    boundaries than one of 2."""
    best, cost = values, misfit(candidate, values, data)
    for coordinate in coordinates(candidate, values)[:12]:
        if coordinate.is_whole or coordinate.is_rate:
            continue
        for digits in (2, 3, 5):
            trial = coordinate.put(best, float(f"{coordinate.of(best):.{digits - 1}e}"))
            rates = [one for one in coordinates(candidate, trial)[:12] if one.is_rate]
            trial, trial_cost = descend(candidate, trial, rates, data, 3)
            if trial_cost <= cost * 1.01:
                best, cost = trial, trial_cost
                break
    return best


def _stepped(
    candidate: Candidate, values: Values, data: Data, spacing: int, budget: Budget
) -> tuple[Values, float]:
    """Whole numbers moved one by one and in pairs, ever less, and the others led after them."""
    best, cost = dict(values), misfit(candidate, values, data)
    every = coordinates(candidate, values)
    whole = [one for one in every if one.is_whole]
    if not whole:
        return best, cost
    reals = [one for one in every if not one.is_whole][:12]
    moves = [((one, sign),) for one in whole for sign in (1, -1)]
    if 1 < len(whole) <= 4:
        pairs = itertools.combinations(whole, 2)
        moves += [((a, s), (b, t)) for a, b in pairs for s in (1, -1) for t in (1, -1)]  # type: ignore[misc]
    size = max(1, 4 * spacing)
    while size >= 1 and not budget.is_spent:
        for _ in range(4):
            improved = False
            for move in moves:
                trial = best
                for coordinate, sign in move:
                    if coordinate.parameter.type == "count" and size > 2:
                        continue
                    trial = coordinate.put(trial, coordinate.of(trial) + sign * size)
                if trial == best:
                    continue
                found, trial_cost = descend(candidate, trial, reals, data, 3)
                budget.tries -= 1
                if trial_cost < cost * (1 - 1e-9):
                    best, cost, improved = found, trial_cost, True
                if budget.is_spent:
                    return best, cost
            if not improved:
                break
        size //= 2
    return best, cost


def _movable(candidate: Candidate, values: Values) -> list[Coordinate]:
    """What is led downhill: every number but counts, which have no slope; of long lists the rates
    alone."""
    every = [one for one in coordinates(candidate, values) if one.parameter.type != "count"]
    if len(every) <= 16:
        return every
    return [one for one in every if not one.is_whole][:60]


def _apart(led: Sequence[tuple[float, int, Values]]) -> list[tuple[float, int, Values]]:
    """Starts without those that lead to the same words, flags and nearly the same numbers."""
    found: list[tuple[float, int, Values]] = []
    keys = set()
    for one in led:
        key = tuple(_rough(value) for value in one[2].values())
        if key not in keys:
            keys.add(key)
            found.append(one)
    return found


def _rough(value: Value) -> Any:
    if isinstance(value, tuple):
        return tuple(_rough(entry) for entry in value)
    if isinstance(value, str | bool) or value == 0:
        return value
    return f"{value:.1e}"


def _shapes(candidate: Candidate, data: Data, hints: Hints) -> Iterator[Values]:
    """Words, flags and lists to try, with the numbers at their defaults."""
    words = [
        [(p.name, word) for word in (p.words if p.type == "choice" else (False, True))]
        for p in candidate.parameters
        if p.type in ("choice", "flag")
    ]
    lists = [p for p in candidate.parameters if isinstance(p.default, tuple)]
    for chosen in itertools.islice(itertools.product(*words), MOST_SHAPES):
        values = {**candidate.schedule.defaults, **dict(chosen)}
        if lists:
            yield from _listed(candidate, values, lists, data, hints)
        else:
            yield values


def _listed(
    candidate: Candidate, values: Values, lists: Sequence[Parameter], data: Data, hints: Hints
) -> Iterator[Values]:
    """The three best of the ways to fill the lists."""
    options: list[list[Value]] = []
    for parameter in lists:
        match parameter.type:
            case "steps[]":
                options.append(list(hints.places))
            case "rate[]":
                options.append(list(hints.levels))
            case "real[]":
                options.append([*hints.ratios, *_one_ratio(hints)])
            case _:
                counts = {len(place) for place in hints.places}
                options.append([(k,) * n for n in sorted(counts) for k in (1, 2, 0, 3)])
    scored: list[tuple[float, int, Values]] = []
    combinations = _spread(options, MOST_LISTS)
    for number, chosen in enumerate(combinations):
        trial = {**values, **{p.name: value for p, value in zip(lists, chosen)}}
        for start in _based(candidate, trial, hints):
            cost = misfit(candidate, start, data)
            if cost < math.inf:
                scored.append((cost, number, start))
    scored.sort(key=lambda one: one[:2])
    for _, _, start in scored[:3]:
        yield _shaped(candidate, start, data)


def _based(candidate: Candidate, values: Values, hints: Hints) -> Iterator[Values]:
    """``values`` with the base at the rates that it most likely has."""
    base = candidate.schedule.base
    if base is None:
        yield values
        return
    for rate in dict.fromkeys((hints.rates[0], hints.rates[min(2, len(hints.rates) - 1)])):
        yield {**values, base: rate}


def _one_ratio(hints: Hints) -> list[tuple[float, ...]]:
    return [(ratio,) for ratio in hints.reals[:2]]


def _shaped(candidate: Candidate, values: Values, data: Data) -> Values:
    """``values`` with the best small number in each entry of a list of counts."""
    best, cost = values, misfit(candidate, values, data)
    for coordinate in coordinates(candidate, values):
        if coordinate.parameter.type == "count[]":
            for number in range(4):
                trial = coordinate.put(best, number)
                trial_cost = misfit(candidate, trial, data)
                if trial_cost < cost:
                    best, cost = trial, trial_cost
    return best


def _tried(
    candidate: Candidate, values: Values, data: Data, hints: Hints
) -> list[tuple[float, Values]]:
    """The best combinations of hints for the numbers of ``values`` that are no lists."""
    parameters = [p for p in candidate.parameters if p.type in ("steps", "count", "rate", "real")]
    options = [_options(candidate, parameter, hints) for parameter in parameters]
    scored = []
    for number, chosen in enumerate(_spread(options, MOST_TRIED)):
        trial = {**values, **{p.name: value for p, value in zip(parameters, chosen)}}
        scored.append((misfit(candidate, trial, data), number, trial))
    scored.sort(key=lambda one: one[:2])
    return [(cost, trial) for cost, _, trial in scored[:MOST_LED] if cost < math.inf]


def _options(candidate: Candidate, parameter: Parameter, hints: Hints) -> list[Value]:
    default = parameter.default
    match parameter.type:
        case "steps":
            return list(dict.fromkeys((*hints.steps, default)))
        case "count":
            return list(dict.fromkeys((default, *hints.counts)))
        case "rate" if parameter.name == candidate.schedule.base:
            return [*hints.rates[:3]]
        case "rate":
            return list(dict.fromkeys((*hints.rates[1:5], hints.rates[0], default)))
        case _:
            return list(dict.fromkeys((default, *hints.reals)))


def _spread(options: Sequence[Sequence[Value]], most: int) -> list[tuple[Value, ...]]:
    """All combinations; of too many, those of first options, pairs, and a fixed sample."""
    count = math.prod(len(one) for one in options)
    if count <= most:
        return list(itertools.product(*options))
    found: dict[tuple[Value, ...], None] = {}
    short = [list(one) for one in options]
    while math.prod(len(one) for one in short) > most // 3:
        max(short, key=len).pop()
    found.update(dict.fromkeys(itertools.product(*short)))
    usual = [one[0] for one in options]
    pairs = list(itertools.combinations(range(len(options)), 2))
    for place in range(most // 3):
        # Two of them vary at a time, each pair of them in turn.
        a, b = pairs[place % len(pairs)]
        chosen = list(usual)
        turn = place // len(pairs)
        chosen[a] = options[a][turn % len(options[a])]
        chosen[b] = options[b][turn // len(options[a]) % len(options[b])]
        found[tuple(chosen)] = None
    source = random.Random("lrgen fit")
    for _ in range(most):
        if len(found) >= most:
            break
        # Earlier options are likelier: the square of a uniform number is small.
        drawn = tuple(one[int(len(one) * source.random() ** 2)] for one in options)
        found[drawn] = None
    return list(found)
