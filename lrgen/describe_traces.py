"""What a schedule that remembers does along a few traces, told from exact values.

Nothing here is said of all parameters, as the findings are: it is said of the values given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .automaton import Automaton
from .describe import DIGITS, SHOWN_DIGITS
from .evaluate import Arithmetic
from .schedule import Schedule, Value
from .traces import Trace, traces

MOST_NAMED = 4
MOST_ROWS = 12

_WORDS = {
    "falling": "A metric that falls",
    "rising": "A metric that rises",
    "flat": "A metric that stays at 1",
    "flat_negative": "A metric that stays at -1",
    "nan": "A metric that is NaN now and then",
    "nan_first": "A metric that is NaN at first and then falls",
    "infinite": "A metric that is infinite now and then",
}


@dataclass(frozen=True, slots=True)
class TracePoint:
    """A line of the table: the ``value`` after observation ``number``, at ``step``."""

    number: int
    metric: float | None
    step: int
    value: Any
    piece: str


class Traces:
    """Traces of a schedule that remembers at one set of parameters, exact."""

    def __init__(self, schedule: Schedule, values: Mapping[str, Value]) -> None:
        self.schedule = schedule
        self.exact = Arithmetic(DIGITS)
        self._values = values
        found = traces(schedule, values, self.exact)
        self._along = {trace.name: self._points(trace) for trace in found}

    def table(self) -> list[TracePoint]:
        """The trace of equal metrics: where the rate changes, or its start if it always does."""
        points = self._along["flat"]
        if not self.schedule.uses_step:
            points = [points[0], *(points[k] for k in _changes(points))]
        return points[:MOST_ROWS]

    def remarks(self) -> list[str]:
        """Sentences on when the rate changes; none where it changes with every step anyway."""
        if self.schedule.uses_step:
            return []
        result = []
        for name, words in _WORDS.items():
            points = self._along[name]
            changes = _changes(points)
            if not changes:
                result.append(f"{words}: {len(points) - 1} observations change nothing.")
                continue
            named = ", ".join(str(k) for k in changes[:MOST_NAMED])
            more = ", ..." if len(changes) > MOST_NAMED else ""
            last = self.shown(points[-1].value)
            result.append(
                f"{words}: the rate changes after observation {named}{more}; "
                f"after {len(points) - 1} it is {last}."
            )
        return result

    def shown(self, value: Any, digits: int = SHOWN_DIGITS) -> str:
        """``value`` with as many digits as people read."""
        text = str(self.exact.context.nstr(value, digits, min_fixed=-5, max_fixed=7))
        return text.replace(".0e", "e").removesuffix(".0")

    def _points(self, trace: Trace) -> list[TracePoint]:
        automaton = Automaton(self.schedule, self._values, self.exact)
        points = [TracePoint(0, None, 0, automaton.rate(0), automaton.piece(0).name)]
        for number, (metric, step) in enumerate(zip(trace.metrics, trace.steps, strict=True), 1):
            automaton.observe(metric)
            piece = automaton.piece(step).name
            points.append(TracePoint(number, metric, step, automaton.rate(step), piece))
        return points


def _changes(points: list[TracePoint]) -> list[int]:
    """Numbers of the observations after which the value is another than before."""
    return [k for k in range(1, len(points)) if points[k].value != points[k - 1].value]
