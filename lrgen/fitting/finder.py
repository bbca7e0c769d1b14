"""From a log to a verdict: every candidate searched, those that fit settled and compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..schedule import Value
from ..workers import each
from .curves import Candidate, candidates
from .knots import Hints, hints_of
from .log import Log, Unreadable, log_of
from .points import Data
from .rounding import Level, levels
from .search import Budget, Found, search
from .settle import leeway, plainness, settled
from .verdict import Finding, Fit, finding, parting, ranked, status_of

SECONDS = 30.0
"""For the search; what is left out then is said."""
SECONDS_TO_SETTLE = 15.0
"""For what comes after it, so that what was found is also told well."""
SECONDS_EACH = 6.0
SETTLED_ROWS = 1_500
NEAREST = 12
"""Schedules tried again with steps counted from another number."""
SHIFTS = (-1, 1)
FAR = 1e3
"""Widths by which what a search found may be off, and still be looked at."""
MOST_COMPARED = 12
MOST_SHOWN = 8
MOST_CHECKED = 40
Progress = Callable[[int, int, str], None]


def fit(
    steps: Sequence[int] | NDArray[Any],
    rates: Sequence[float] | NDArray[Any],
    *,
    among: Iterable[str] = (),
    libraries: Iterable[str] = (),
    dialects: bool = False,
) -> Fit:
    """Which schedule, with which parameters, drew a curve.

    How exactly ``rates`` are known is read off them: float32 arrays to float32, others to as many
    digits as they have.

    Args:
        steps: The update of each rate, integers from 0 on. Of one that is there again the last
            counts.
        rates: Rates >= 0.
        among: Names of schedules, and spec files: only these are tried.
        libraries: Only the schedules of these libraries are tried, as ``["torch"]``.
        dialects: Those of every library are tried, besides the catalogue.

    Raises:
        ValueError: For steps and rates that are none, and an unknown library.
        SpecError: For a schedule that does not exist.
    """
    return fit_log(log_of(steps, rates), candidates(among, libraries, dialects))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Candidates that draw the log, at the strictest reading that any of them holds to."""

    level: Level
    data: Data
    ways: list[tuple[Candidate, Mapping[str, Value]]]


def fit_log(
    log: Log, tried: Sequence[Candidate], progress: Progress | None = None, workers: int = 1
) -> Fit:
    """Which of ``tried`` drew ``log``, searched for by ``workers`` processes.

    Raises:
        Unreadable: For a log of fewer than two steps.
    """
    if len(log.steps) < 2:
        raise Unreadable("one step is no curve. Give a log of at least two.")
    budget = Budget.of(SECONDS)
    peak = float(log.rates.max()) or 1.0
    readings = levels(log.rates, log.texts)
    if readings[0].float32:  # a decimal stands for the float32 beside it
        log = replace(log, rates=log.rates.astype(np.float32).astype(np.float64))
    loosest = Data(log.steps, log.rates, readings[-1].widths(log.rates, peak))
    hints = hints_of(loosest.steps, loosest.rates, loosest.widths)
    found, left_out = _searched(tried, loosest, hints, budget, progress, workers)
    shift = 0
    budget = Budget.of(SECONDS_TO_SETTLE)
    drawn = _drawn(found, loosest, readings, hints, budget)
    if drawn is None:
        nearest = [one.candidate for one in sorted(found, key=_order)[:NEAREST]]
        for other in SHIFTS:
            if log.steps[0] + other < 0 or budget.is_spent:
                continue
            moved = replace(loosest, steps=loosest.steps + other)
            own = hints_of(moved.steps, moved.rates, moved.widths)
            again, _ = _searched(nearest, moved, own, budget, None, workers)
            drawn = _drawn(again, moved, readings, own, budget)
            if drawn is not None:
                shift = other
                break
    if drawn is None:
        return _unknown(log, found, loosest, readings[-1], left_out)
    return _verdict(log, drawn, found, shift, left_out, budget, len(tried))


def _order(one: Found) -> tuple[float, str]:
    return one.off, one.candidate.name


def _searched(
    tried: Sequence[Candidate],
    data: Data,
    hints: Hints,
    budget: Budget,
    progress: Progress | None,
    workers: int,
) -> tuple[list[Found], tuple[str, ...]]:
    one_search = partial(_one, data=data, hints=hints, end=budget.end)
    found: list[Found] = []
    left_out: list[str] = []
    for number, (candidate, result) in enumerate(zip(tried, each(one_search, tried, workers))):
        if progress is not None:
            progress(number, len(tried), candidate.name)
        if result is None:
            left_out.append(candidate.name)
        else:
            found.append(Found(candidate, *result))
    return found, tuple(left_out)


def _one(
    candidate: Candidate, data: Data, hints: Hints, end: float
) -> tuple[dict[str, Value], float] | None:
    """What a search finds, without the candidate, whose code no process can send to another."""
    seconds = min(SECONDS_EACH, end - time.monotonic())
    if seconds <= 0:
        return None
    found = search(candidate, data, hints, Budget.of(seconds))
    return found.values, found.off


def _drawn(
    found: Sequence[Found], data: Data, readings: Sequence[Level], hints: Hints, budget: Budget
) -> _Drawn | None:
    """Those that draw the curve, settled at the strictest reading that any holds to."""
    peak = float(data.rates.max()) or 1.0
    for level in readings:
        exactly = data.within(level.widths(data.rates, peak))
        some = exactly.some(SETTLED_ROWS, hints.knots)
        ways: list[tuple[Candidate, Mapping[str, Value]]] = []
        for one in sorted(found, key=_order):
            if one.off > FAR or (ways and budget.is_spent):
                break
            own = budget.part(SECONDS_EACH)
            values = settled(one.candidate, one.values, some, hints.spacing, own)
            if values is None:
                continue
            if not finding(one.candidate, values, exactly).fits:
                again = budget.part(SECONDS_EACH)
                values = settled(one.candidate, values, exactly, hints.spacing, again)
            if values is not None:
                ways.append((one.candidate, values))
        if ways:
            return _Drawn(level, exactly, ways)
    return None


def _unknown(
    log: Log, found: Sequence[Found], data: Data, level: Level, left_out: tuple[str, ...]
) -> Fit:
    nearest = [finding(one.candidate, one.values, data) for one in found]
    nearest.sort(key=lambda one: (one.residual, one.name))
    shown = tuple(replace(one, fits=False) for one in nearest[:MOST_SHOWN])
    return Fit(
        "unknown",
        shown,
        level.words,
        0,
        (),
        {},
        *(len(log.steps), int(log.steps[0]), int(log.steps[-1]), len(found), left_out, log.remarks),
    )


def _verdict(
    log: Log,
    drawn: _Drawn,
    found: Sequence[Found],
    shift: int,
    left_out: tuple[str, ...],
    budget: Budget,
    tried: int,
) -> Fit:
    ways = ranked(drawn.ways)
    best, values = ways[0]
    _check(best, values, drawn.data)
    some = drawn.data.some(SETTLED_ROWS)
    free = leeway(best, dict(values), some, Budget.of(SECONDS_EACH))
    findings: list[Finding] = []
    for one in ways[:MOST_COMPARED]:
        own = finding(*one, drawn.data)
        if one is not ways[0]:
            parts = parting(ways[0], one, drawn.data, drawn.level)
            own = replace(own, same=parts is None, parts=parts)
        findings.append(own)
    fitting = {one.name for one in findings}
    if shift == 0:
        others = [one for one in found if one.candidate.name not in fitting]
        nearest = [finding(one.candidate, one.values, drawn.data) for one in others]
        nearest.sort(key=lambda one: (one.residual, one.name))
        findings += [replace(one, fits=False) for one in nearest[: max(0, 4 - len(findings))]]
    plain = [plainness(*one)[1] for one in ways[:MOST_COMPARED]]
    last = int(drawn.data.steps[-1])
    return Fit(
        status_of(findings[: len(plain)], free, last, plain),
        tuple(findings),
        drawn.level.words,
        shift,
        tuple(free.open),
        free.ranges,
        *(len(log.steps), int(log.steps[0]), int(log.steps[-1]), tried, left_out, log.remarks),
    )


def _check(candidate: Candidate, values: Mapping[str, Value], data: Data) -> None:
    """Hold the author's formula itself, evaluated exactly, against a sample of the rows."""
    some = data.some(MOST_CHECKED)
    for step, rate, width in zip(some.steps, some.rates, some.widths):
        gap = abs(candidate.exactly(values, int(step)) - float(rate))
        assert gap <= float(width) * (1 + 1e-6), "emitted code is the formula to a few ulp"
