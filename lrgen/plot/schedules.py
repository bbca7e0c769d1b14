"""Schedules at their parameters, as the panels of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ..schedule import Schedule, Value
from .columns import COLUMNS, sampled
from .curves import Curve, Panel
from .places import MOST_MARKS, Outline

MOST_SHOWN = 20
"""Curves that anyone can tell apart in one picture, and more."""


class Bound(Protocol):
    """What a picture asks of :class:`lrgen.Bound`."""

    @property
    def values(self) -> Mapping[str, Value]:
        """Every parameter's value."""

    def curve(self, steps: Any) -> Any:
        """The driven quantity at each of ``steps``."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A schedule to be drawn, under the name that it has in the legend."""

    label: str
    schedule: Schedule
    bound: Bound

    @property
    def quantity(self) -> str:
        """What it drives, as on an axis."""
        drives = self.schedule.drives
        return "learning rate" if drives == "lr" else drives.replace("_", " ")

    @property
    def changed(self) -> dict[str, Value]:
        """The parameters that are not at their defaults."""
        defaults = self.schedule.defaults
        return {n: v for n, v in self.bound.values.items() if v != defaults[n]}

    @property
    def observes(self) -> str | None:
        """The metric that drives it, if one does."""
        found: str | None = getattr(self.schedule, "observes", None)
        return found


@dataclass(frozen=True, slots=True)
class Observed:
    """Metrics, one for each observation, and how many updates lie between two of them.

    Without a ``name`` of their own they have that which the schedules give them.
    """

    name: str
    values: Sequence[float]
    every: int = 1


def over_updates(
    shown: Sequence[Shown], last: int | None, *, log: bool = False, columns: int = COLUMNS
) -> list[Panel]:
    """A panel for each quantity, over the updates 0 to ``last``.

    Without ``last``, a little past where the last of the schedules ends.

    Raises:
        ValueError: For a schedule that a metric drives.
    """
    for one in shown:
        if one.observes is not None:
            raise ValueError(f"{one.label} observes {one.observes}: give --metrics FILE.csv.")
    outlines = [Outline(one.schedule, one.bound.values) for one in shown]
    end = last or max(outline.horizon() for outline in outlines)
    panels: dict[str, list[Curve]] = {}
    for one, outline in zip(shown, outlines):
        marks = outline.marks(end)
        places = [*outline.places, *(marks or ())]
        curve = sampled(one.label, one.bound.curve, end, places, marks=marks or (), columns=columns)
        if marks is None:
            curve = curve.noted(f"More than {MOST_MARKS} boundaries, which are not marked.")
        panels.setdefault(one.quantity, []).append(curve)
    return [Panel(curves, quantity, log=log) for quantity, curves in panels.items()]


def over_observations(
    shown: Sequence[Shown], observed: Observed, *, log: bool = False, columns: int = COLUMNS
) -> list[Panel]:
    """A panel for each quantity after each observation, counted from 0, and the metric behind.

    Raises:
        ValueError: For a schedule that no metric drives.
    """
    for one in shown:
        if one.observes is None:
            raise ValueError(f"{one.label} observes no metric: leave out --metrics.")
    name = observed.name or next(one.observes for one in shown if one.observes)
    behind = Panel([_over_all(name, observed.values, columns)], name, over="observation")
    panels: dict[str, list[Curve]] = {}
    for one in shown:
        panels.setdefault(one.quantity, []).append(
            # The rate that an observation gives holds until the next.
            replace(_over_all(one.label, _trace(one, observed), columns), style="stairs")
        )
    return [
        Panel(curves, quantity, over="observation", log=log, behind=behind)
        for quantity, curves in panels.items()
    ]


def _trace(one: Shown, observed: Observed) -> Any:
    """The driven quantity after each observation."""
    bound: Any = one.bound
    if not getattr(one.schedule, "uses_step", False):
        return bound.trace(observed.values)
    # The first update after an observation is the one that its rate is for.
    steps = range(observed.every, (len(observed.values) + 1) * observed.every, observed.every)
    return bound.trace(observed.values, steps=steps)


def _over_all(label: str, values: Any, columns: int) -> Curve:
    array = np.asarray(values, np.float64)
    if array.size < 2:
        return Curve(label, np.arange(array.size), array)
    return sampled(label, lambda steps: array[steps], array.size - 1, columns=columns)
