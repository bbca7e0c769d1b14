"""Parameters as coordinates of a point, and the curve that a point is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..schedule import Parameter, Value
from .curves import Candidate

Array = NDArray[np.float64]
Steps = NDArray[np.int64]
Values = dict[str, Value]

FARTHEST = 2.0**53
"""No number is led farther than this."""


@dataclass(frozen=True, slots=True)
class Data:
    """Rows of a log.

    Attributes:
        steps: Integers, ascending.
        rates: The rate at each of them.
        widths: How far the true rate may be from it.
    """

    steps: Steps
    rates: Array
    widths: Array

    def some(self, count: int, knots: Iterable[int] = ()) -> Data:
        """At most about ``count`` rows: evenly spread, and those beside ``knots``."""
        if len(self.steps) <= count:
            return self
        even = np.linspace(0, len(self.steps) - 1, count).astype(int)
        places = np.searchsorted(self.steps, np.array(list(knots), np.int64))
        near = (places[:, None] + np.array([-1, 0, 1])).ravel()
        chosen = np.unique(np.clip(np.concatenate([even, near]), 0, len(self.steps) - 1))
        return Data(self.steps[chosen], self.rates[chosen], self.widths[chosen])

    def within(self, widths: Array) -> Data:
        """The same rows, known to within ``widths``."""
        return replace(self, widths=widths)

    def at_least(self, width: float) -> Data:
        """The same rows, none of them known better than to within ``width``."""
        return replace(self, widths=np.maximum(self.widths, width))


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A number among the parameters: one of them, or an entry of a list."""

    name: str
    index: int | None
    parameter: Parameter

    @property
    def is_whole(self) -> bool:
        return self.parameter.type in ("steps", "count", "steps[]", "count[]")

    @property
    def is_rate(self) -> bool:
        return self.parameter.type in ("rate", "rate[]")

    @property
    def default(self) -> float | int | None:
        """The default of a parameter that is no list."""
        default = self.parameter.default
        return None if isinstance(default, tuple | str | bool) else default

    def of(self, values: Mapping[str, Value]) -> float | int:
        """The number that it has in ``values``."""
        value = values[self.name]
        if isinstance(value, tuple):
            assert self.index is not None, "lists have a coordinate for each entry"
            value = value[self.index]
        assert not isinstance(value, str), "a word is no coordinate"
        return value

    def put(self, values: Mapping[str, Value], number: float) -> Values:
        """``values`` with this number in place of the one it has."""
        number = min(max(number, -FARTHEST), FARTHEST) if number == number else 0.0
        plain = round(number) if self.is_whole else float(number)
        if self.parameter.type in ("steps", "rate", "steps[]", "rate[]"):
            plain = max(plain, 0 if self.is_whole else 0.0)
        found = dict(values)
        old = found[self.name]
        if isinstance(old, tuple):
            entries: list[float] = list(old)
            assert self.index is not None, "lists have a coordinate for each entry"
            entries[self.index] = plain
            found[self.name] = tuple(entries)
        else:
            found[self.name] = plain
        return found

    def __str__(self) -> str:
        return self.name if self.index is None else f"{self.name}[{self.index}]"


def coordinates(candidate: Candidate, values: Mapping[str, Value]) -> list[Coordinate]:
    """Every number among ``values``, in the order of the parameters."""
    found = []
    for parameter in candidate.parameters:
        value = values[parameter.name]
        if isinstance(value, tuple):
            found += [Coordinate(parameter.name, k, parameter) for k in range(len(value))]
        elif parameter.type not in ("flag", "choice"):
            found.append(Coordinate(parameter.name, None, parameter))
    return found


def misfit(candidate: Candidate, values: Mapping[str, Value], data: Data) -> float:
    """Mean square of the difference over its width; infinite where nothing is allowed."""
    curve = candidate.curve(values, data.steps)
    return np.inf if curve is None else _mean_square((curve - data.rates) / data.widths)


def worst(candidate: Candidate, values: Mapping[str, Value], data: Data) -> float:
    """The largest difference over its width: at most 1 where the curve is drawn by ``values``."""
    curve = candidate.curve(values, data.steps)
    if curve is None:
        return np.inf
    return float(np.max(np.abs(curve - data.rates) / data.widths))


def descend(
    candidate: Candidate,
    values: Mapping[str, Value],
    free: Sequence[Coordinate],
    data: Data,
    turns: int,
) -> tuple[Values, float]:
    """Levenberg and Marquardt's way down from ``values`` along ``free``, and the misfit there.

    Whole numbers are moved by whole numbers. ``turns`` bounds the work.
    """
    best = dict(values)
    curve = candidate.curve(best, data.steps)
    if curve is None:
        return best, np.inf
    cost = _mean_square((curve - data.rates) / data.widths)
    damping = 1e-6
    peak = float(np.max(np.abs(data.rates))) or 1.0
    for _ in range(turns):
        if not free or cost < 1e-18:
            break
        columns, scales = _slopes(candidate, best, curve, free, data, peak)
        residual = (data.rates - curve) / data.widths
        moved = False
        for _ in range(4):
            step = _damped(columns, residual, damping)
            trial = best
            for coordinate, scale, part in zip(free, scales, step):
                trial = coordinate.put(trial, coordinate.of(best) + float(scale * part))
            found = candidate.curve(trial, data.steps)
            trial_cost = np.inf
            if found is not None:
                trial_cost = _mean_square((found - data.rates) / data.widths)
            if found is not None and trial_cost < cost:
                moved = trial_cost < cost * (1 - 1e-6)
                best, curve, cost = trial, found, trial_cost
                damping = max(damping / 10, 1e-12)
                break
            damping = max(damping * 30, 1e-6)
        if not moved:
            break
    return best, cost


def _slopes(
    candidate: Candidate,
    values: Values,
    curve: Array,
    free: Sequence[Coordinate],
    data: Data,
    peak: float,
) -> tuple[Array, list[float]]:
    """How the curve changes with each coordinate, in widths; and by how much that was moved."""
    columns = np.zeros((len(data.steps), len(free)))
    scales = []
    for k, coordinate in enumerate(free):
        number = coordinate.of(values)
        if coordinate.is_whole:
            size = float(max(1, round(abs(number) * 1e-3)))
        elif coordinate.is_rate and number <= peak:
            size = 1e-6 * peak if number == 0 else 1e-6 * number
        else:
            size = 1e-6 * max(abs(number), 1e-3)
        for signed in (size, -size):
            moved = candidate.curve(coordinate.put(values, number + signed), data.steps)
            if (
                moved is not None
                and coordinate.of(coordinate.put(values, number + signed)) != number
            ):
                columns[:, k] = (moved - curve) * (size / signed) / data.widths
                break
        scales.append(size)
    return columns, scales


def _damped(columns: Array, residual: Array, damping: float) -> Array:
    norms = np.sqrt((columns**2).sum(axis=0))
    norms[norms == 0] = np.inf  # it has no influence here: leave it
    scaled = columns / norms
    system = scaled.T @ scaled + damping * np.eye(columns.shape[1])
    solution: Array = np.linalg.solve(system, scaled.T @ residual) / norms
    return solution


def _mean_square(residual: Array) -> float:
    return float(np.mean(np.minimum(np.abs(residual), 1e150) ** 2))
