"""What emitted code of schedules that remember is held to: exact rates along traces.

As in :mod:`conformance`, each ``check_...`` raises ``AssertionError`` with the schedule, the case
and the observation that differ.
"""

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from conformance import budget, exact_value, ulps_off
from emitted import generated_folder
from numpy.typing import NDArray

Metrics = tuple[float | None, ...]
Rates = Callable[[Mapping[str, Any], Metrics, tuple[int, ...]], Any]
"""From parameters, metrics and steps to one rate for each of them; a metric of None is no
observation, and asks for the rate as it is."""


@dataclass(frozen=True)
class TraceCase:
    """One set of parameters on one trace; ``steps`` are 0 where the rate has none."""

    schedule: str
    name: str
    trace: str
    parameters: Mapping[str, Any]
    metrics: Metrics
    steps: tuple[int, ...]
    exact: Sequence[Fraction]
    bits: NDArray[np.uint32]

    @property
    def observed(self) -> list[float]:
        """The metrics that are observed: all but those of rows without one."""
        return [metric for metric in self.metrics if metric is not None]

    def __str__(self) -> str:
        return f"{self.schedule} {self.name}"


@functools.cache
def trace_cases(name: str) -> tuple[TraceCase, ...]:
    """All cases of the vector file of schedule ``name``."""
    path = generated_folder() / "vectors" / f"{name}.json"
    return tuple(
        TraceCase(
            name,
            case["name"],
            case["trace"],
            case["parameters"],
            tuple(None if row["metric"] is None else float(row["metric"]) for row in case["rows"]),
            tuple(row.get("step", 0) for row in case["rows"]),
            tuple(exact_value(row["exact"]) for row in case["rows"]),
            np.array([int(row["bits"], 16) for row in case["rows"]], np.uint32),
        )
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
    )


def some_cases(name: str) -> Iterator[TraceCase]:
    """Each trace once, the parameter sets in turn."""
    cases = sorted(trace_cases(name), key=lambda case: case.trace)
    for number, (_, group) in enumerate(itertools.groupby(cases, key=lambda case: case.trace)):
        own = list(group)
        yield own[number % len(own)]


@functools.cache
def uses_step(name: str) -> bool:
    """Whether the rate of schedule ``name`` depends on the step as well."""
    path = generated_folder() / "vectors" / f"{name}.json"
    return "step" in json.loads(path.read_text(encoding="utf-8"))["cases"][0]["rows"][0]


def check_trace_binary64(case: TraceCase, found: Any) -> float:
    """Every rate within the budget of its schedule; the worst distance, in ulps."""
    rates = [float(rate) for rate in found]
    off = [ulps_off(rate, exact) for rate, exact in zip(rates, case.exact, strict=True)]

    assert [] == [
        f"{case}: {distance:.3g} ulp off after observation {number}, {rate!r}"
        for number, (distance, rate) in enumerate(zip(off, rates, strict=True))
        if distance > budget(case.schedule)
    ]
    return max(off)


def check_trace_float32(case: TraceCase, found: Any) -> int:
    """Every rate equal to the exact value rounded once; how many there are."""
    rates = np.asarray(found)

    assert np.float32 == rates.dtype
    assert case.bits.shape == rates.shape

    wrong = rates.view(np.uint32) != case.bits
    expected = case.bits.view(np.float32)
    assert [] == [
        f"{case}: observation {k}, {expected[k]!r} != {rates[k]!r}" for k in np.flatnonzero(wrong)
    ]
    return len(rates)


def check_all_traces(name: str, rates: Rates, *, double: bool = True) -> tuple[int, float]:
    """Every case of schedule ``name``: how many rates equal the float32, and the worst ulp.

    Args:
        name: The schedule.
        rates: Computes them, in binary64.
        double: Whether they are held to the exact value too, not only to the float32.
    """
    count, worst = 0, 0.0
    for case in trace_cases(name):
        found = np.asarray(rates(case.parameters, case.metrics, case.steps))
        if double:
            assert np.float64 == found.dtype
            worst = max(worst, check_trace_binary64(case, found))
        count += check_trace_float32(case, found.astype(np.float32))
    return count, worst
