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
    """A line of the table: the ``value`` at ``step``, after observation ``number`` and without."""

    number: int
    step: int
    value: Any
    without: Any
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
        """Sentences on which observations change the rate."""
        result = []
        for name, words in _WORDS.items():
            points = self._along[name]
            changes = _changes(points)
            if not changes:
                result.append(f"{words}: {len(points) - 1} observations change nothing.")
                continue
            named = ", ".join(str(k) for k in changes[:MOST_NAMED])
            more = ", ..." if len(changes) > MOST_NAMED else ""
            sentence = f"{words}: the rate changes after observation {named}{more}"
            if not self.schedule.uses_step:
                last = self.shown(points[-1].value)
                sentence += f"; after {len(points) - 1} it is {last}"
            result.append(f"{sentence}.")
        return result

    def shown(self, value: Any, digits: int = SHOWN_DIGITS) -> str:
        """``value`` with as many digits as people read."""
        text = str(self.exact.context.nstr(value, digits, min_fixed=-5, max_fixed=7))
        return text.replace(".0e", "e").removesuffix(".0")

    def _points(self, trace: Trace) -> list[TracePoint]:
        automaton = Automaton(self.schedule, self._values, self.exact)
        first = automaton.rate(0)
        points = [TracePoint(0, 0, first, first, automaton.piece(0).name)]
        for number, (metric, step) in enumerate(zip(trace.metrics, trace.steps, strict=True), 1):
            without = automaton.rate(step)
            automaton.observe(metric)
            piece = automaton.piece(step).name
            points.append(TracePoint(number, step, automaton.rate(step), without, piece))
        return points


def _changes(points: list[TracePoint]) -> list[int]:
    """Numbers of the observations that change the value."""
    return [point.number for point in points if point.value != point.without]
