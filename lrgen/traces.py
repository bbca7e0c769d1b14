"""Sequences of observations on which a schedule that remembers is tried.

Every observation is a float32 exactly, so that frameworks that hold metrics in float32 see it too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .evaluate import Arithmetic
from .expr import names_in
from .sampling import boundaries
from .schedule import Schedule, Value

LONGEST = 64
MOST_PAUSE = 24
NOISY = 28

FLAGS: dict[str, str] = {
    "before": "A first rate that is not the formula's, before anything was observed.",
    "falling": "In mode min a rate that is cut though the metric improves, in mode max one that "
    "is not cut.",
    "rising": "In mode max a rate that is cut though the metric improves, in mode min one that is "
    "not cut.",
    "flat": "Patience or a cooldown that is one observation off, and a rate below its floor.",
    "flat_negative": "A threshold that is a share of a negative best, so that an equal metric "
    "counts as better for ever.",
    "nan": "NaN that counts as an improvement, or that stands in the state for ever.",
    "nan_first": "A first NaN that becomes the best metric, against which nothing improves.",
    "infinite": "Infinities that count as an improvement, or that become NaN in a difference.",
    "zero": "A division by the last metric, and a threshold relative to a best of 0.",
    "noisy": "Anything else: a seeded random walk that comes down to below 0.",
    "example": "What the author of the example gave.",
}


@dataclass(frozen=True, slots=True)
class Trace:
    """Observations in their order, each with the step at which it is made."""

    name: str
    metrics: tuple[float, ...]
    steps: tuple[int, ...]


def traces(
    schedule: Schedule,
    values: Mapping[str, Value],
    exact: Arithmetic,
    given: Sequence[float] = (),
) -> list[Trace]:
    """The traces for one set of parameters; ``given`` are an author's own observations."""
    pause = _pause(schedule, values)
    flat = min(LONGEST, max(12, 4 * (pause + 1)))
    half = min(LONGEST, 2 * (pause + 1) + 4)
    shapes: dict[str, list[float]] = {
        "falling": [2.0 * 0.75**k for k in range(8)],
        "rising": [0.5 * 1.25**k for k in range(min(half, 16))],
        "flat": [1.0] * flat,
        "flat_negative": [-1.0] * half,
        "nan": [1.0, math.nan, 0.5, math.nan, math.nan, math.nan, 0.25, 2.0],
        "nan_first": [math.nan, 1.0, 0.75, 0.5, 0.625, 0.25],
        "infinite": [1.0, math.inf, 0.5, -math.inf, 0.25, math.inf, math.inf, 0.125, -2.0],
        "zero": [1.0, 0.0, 0.0, -0.5, 0.0, 0.0, 1.0, 0.5],
        "noisy": _walk(schedule.name),
    }
    if given:
        shapes["example"] = list(given)
    places = boundaries(schedule, values, exact) if schedule.uses_step else []
    return [
        Trace(name, rounded, _steps(len(rounded), places))
        for name, metrics in shapes.items()
        for rounded in (_float32(metrics),)
    ]


def _float32(metrics: Sequence[float]) -> tuple[float, ...]:
    with np.errstate(over="ignore"):  # to an infinity, as in a framework
        return tuple(np.array(metrics, np.float32).tolist())


def _pause(schedule: Schedule, values: Mapping[str, Value]) -> int:
    """About how many observations pass between two reductions."""
    used = {name for line in schedule.update for name in names_in(line.value)}
    lengths = [values[p.name] for p in schedule.parameters if p.type == "steps" and p.name in used]
    return min(MOST_PAUSE, sum(length for length in lengths if isinstance(length, int)))


def _walk(seed: str) -> list[float]:
    source = random.Random(f"lrgen traces {seed}")
    found, metric = [], 1.0
    for _ in range(NOISY):
        metric += source.uniform(-0.4, 0.25)
        found.append(metric)
    return found


def _steps(count: int, places: Sequence[int]) -> tuple[int, ...]:
    """Rising steps across the curve, those around its boundaries among them."""
    last = max(places[-1] if places else 100, count)
    near = {place + by for place in places for by in (-1, 0, 1)}
    chosen = sorted(step for step in near if step >= 0)[:count]
    spread = (k * (last + last // 8) // count + 1 for k in range(count))
    steps = set(chosen)
    for step in spread:
        if len(steps) == count:
            break
        steps.add(step)
    free = (step for step in range(last + count) if step not in steps)
    while len(steps) < count:
        steps.add(next(free))
    return tuple(sorted(steps))
