"""The emitted form of a schedule that remembers, held against exact traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .automaton import Automaton
from .backends.python import STYLE, rate_lines
from .backends.remembering import initial_lines, update_lines
from .evaluate import Arithmetic
from .recheck import DIGITS, check_accurate, check_same_curve, piece_at, scope_of
from .rewrite import Known
from .schedule import Schedule, Value
from .trace_vectors import TraceVectors

Rates = Callable[[Sequence[float], Sequence[int], Mapping[str, Value]], list[float]]


def recheck_traces(
    author: Schedule, rewritten: Schedule, vectors: TraceVectors, known: Known
) -> None:
    """Hold the rewritten form, of which this is ``known``, against the vectors.

    Raises:
        SpecError: When it is another curve, or less accurate than the schedule's budget, which it
            is too where it decides otherwise than exact arithmetic.
    """
    exact = Arithmetic(DIGITS)
    rates = compiled_traces(rewritten, known)
    for case in vectors.cases:
        automaton = Automaton(author, case.values, exact)
        metrics = [row.metric for row in case.rows if row.metric is not None]
        steps = [row.rate.step for row in case.rows]
        found = rates(metrics, steps, case.values)
        for number, (row, rate) in enumerate(zip(case.rows, found, strict=True)):
            if row.metric is not None:
                automaton.observe(row.metric)
            at = automaton.at(row.rate.step)
            index = piece_at(author, at, exact)
            place = f"observation {number}"
            check_same_curve(author, rewritten, at, place, exact)
            expected = exact.real(row.rate.exact)
            check_accurate(author, index, rate, expected, case.name, place)


def compiled_traces(schedule: Schedule, known: Known) -> Rates:
    """A function of (metrics, steps, values): the rate at first and after each observation.

    It computes what plain Python will. The text comes from our own printer, as for
    :func:`lrgen.recheck.compiled`. There is one step more than there are metrics.
    """
    states = list(schedule.state_names)
    parameters = [p.name for p in schedule.parameters]
    names = ", ".join([*states, *parameters])
    source = [
        f"def initial({', '.join(parameters)}):",
        *(f"    {line}" for line in initial_lines(schedule, STYLE)),
        f"    return [{', '.join(states)}]",
        f"def updated({schedule.observes}, {names}):",
        *(f"    {line}" for line in update_lines(schedule, STYLE)),
        f"    return [{', '.join(states)}]",
        f"def rate(step, {names}):",
        *(f"    {line}" for line in rate_lines(schedule, known.pieces, known.always)),
    ]
    scope: dict[str, Any] = scope_of("\n".join(source), schedule)

    def call(
        metrics: Sequence[float], steps: Sequence[int], values: Mapping[str, Value]
    ) -> list[float]:
        given = [values[name] for name in parameters]
        state = scope["initial"](*given)
        found = [scope["rate"](steps[0], *state, *given)]
        for metric, step in zip(metrics, steps[1:], strict=True):
            state = scope["updated"](metric, *state, *given)
            found.append(scope["rate"](step, *state, *given))
        return found

    return call
