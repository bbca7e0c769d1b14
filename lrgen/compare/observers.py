"""Where two schedules that remember part, along the same observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..automaton import Automaton
from ..describe import DIGITS
from ..evaluate import Arithmetic
from ..plot.schedules import Observed, Shown
from ..traces import Trace, traces
from .places import Place

MOST_OBSERVED = 20_000
"""Observations along which both are run exactly: some seconds."""


@dataclass(frozen=True, slots=True)
class Along:
    """Both after each observation of a trace; the first place is before any."""

    trace: Trace
    places: tuple[Place, ...]

    @property
    def first(self) -> Place | None:
        """The first observation after which they differ."""
        return next((place for place in self.places if place.gap), None)

    @property
    def largest(self) -> Place:
        """The observation after which they differ most."""
        return max(self.places, key=lambda place: (place.gap, -place.at))


def compare_traces(shown: Sequence[Shown], observed: Observed | None) -> list[Along]:
    """Both along the standard traces, or along metrics of the user's own.

    Raises:
        SpecError: Where an update has no value at one of the metrics.
    """
    exact = Arithmetic(DIGITS)
    found = _standard(shown, exact) if observed is None else [_given(observed)]
    return [Along(trace, _places(shown, trace, exact)) for trace in found]


def _standard(shown: Sequence[Shown], exact: Arithmetic) -> list[Trace]:
    """The traces of both; of two by one name the longer, which depends on their patience."""
    chosen: dict[str, Trace] = {}
    # Steps of a trace lie around the boundaries of a schedule that has some.
    for one in sorted(shown, key=lambda one: one.schedule.uses_step, reverse=True):
        for trace in traces(one.schedule, one.bound.values, exact):
            known = chosen.setdefault(trace.name, trace)
            if len(trace.metrics) > len(known.metrics):
                chosen[trace.name] = trace
    return list(chosen.values())


def _given(observed: Observed) -> Trace:
    metrics = tuple(observed.values[:MOST_OBSERVED])
    # The first update after an observation is the one that its rate is for.
    steps = tuple(observed.every * number for number in range(1, len(metrics) + 1))
    return Trace(observed.name or "metrics", metrics, steps)


def _places(shown: Sequence[Shown], trace: Trace, exact: Arithmetic) -> tuple[Place, ...]:
    a, b = (Automaton(one.schedule, one.bound.values, exact) for one in shown)
    places = [Place(0, a.rate(0), b.rate(0), "before any observation")]
    for number, (metric, step) in enumerate(zip(trace.metrics, trace.steps), 1):
        a.observe(metric)
        b.observe(metric)
        places.append(Place(number, a.rate(step), b.rate(step)))
    return tuple(_told_apart(place) for place in places)


def _told_apart(place: Place) -> Place:
    """``place``, with one number where the two differ by nothing but rounding."""
    same = place.gap <= 1e-30 * max(abs(place.a), abs(place.b))
    return Place(place.at, place.a, place.a, place.word) if same else place
