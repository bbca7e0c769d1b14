"""Finiteness and bounds of schedules that remember: by what induction shows, else on exact traces.

A state of real numbers may be NaN or infinite, so a value that uses one is always tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from .automaton import Automaton
from .expr import Expr, Kind, names_in
from .induction import always_computable, with_invariants
from .printer import show
from .prove import DRAWS, Point, Prover
from .sampling import draws
from .schedule import Schedule, Value
from .traces import Trace, traces


def prove_traces(schedule: Schedule) -> Schedule:
    """``schedule`` with its invariants and findings.

    Raises:
        SpecError: When defaults or examples break a requirement, a line of the update or a piece is
            not finite, a call breaks what the called schedule requires, or a claim is false.
    """
    known = with_invariants(schedule)
    return replace(known, findings=tuple(filter(None, _TraceProver(known).findings())))


class _Observed(Point):
    """A point after an observation of a trace."""

    def __init__(
        self, prover: Prover, env: Mapping[str, Any], step: int, trace: str, number: int
    ) -> None:
        lets = [(let.name, let.value) for let in prover.schedule.lets]
        super().__init__(prover, prover.exact.along(env, lets), step, {})
        self.trace = trace
        self.number = number

    @property
    def place(self) -> str:
        if self.number == 0:
            return "the start, before any observation"
        return f"observation {self.number} of the trace '{self.trace}'"


class _TraceProver(Prover):
    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        if not all(c is None or self.is_settled(c) for c in self.conditions):
            self.facts = (self.always,) * len(self.facts)

    def findings(self) -> Iterable[str]:
        schedule = self.schedule
        if schedule.invariants:
            held = " and ".join(show(condition) for condition in schedule.invariants)
            yield f"{held}: proved by induction"
        yield from super().findings()
        if always_computable(schedule):
            yield "every update has a value: proved"
        else:
            tried = sum(len(points) for _, points in self.points)
            yield f"every update has a value: sampled, {tried:,} exact observations"

    @cached_property
    def points(self) -> list[tuple[dict[str, Value], list[Point]]]:
        """Every set of parameters that is tried, with the points of all its traces."""
        result = []
        for values in draws(self.schedule, DRAWS, self.exact):
            given = next((e.metrics for e in self.schedule.examples if e.values == values), ())
            points: list[Point] = []
            for trace in traces(self.schedule, values, self.exact, given):
                points += self.along(trace, values)
            result.append((values, points))
        return result

    def along(self, trace: Trace, values: Mapping[str, Value]) -> list[Point]:
        """The points of one trace."""
        automaton = Automaton(self.schedule, values, self.exact)
        points: list[Point] = [_Observed(self, automaton.at(0), 0, trace.name, 0)]
        for number, (metric, step) in enumerate(zip(trace.metrics, trace.steps, strict=True), 1):
            automaton.observe(metric)
            points.append(_Observed(self, automaton.at(step), step, trace.name, number))
        return points

    def is_settled(self, expr: Expr) -> bool:
        """Whether facts may speak of ``expr``: of NaN they would say what is not so."""
        real = {s.name for s in self.schedule.state if s.kind is Kind.REAL}
        return real.isdisjoint(names_in(expr))
