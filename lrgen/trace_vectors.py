"""Test vectors of schedules that remember: exact rates along traces of observations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .automaton import Automaton
from .evaluate import Arithmetic
from .schedule import Schedule, Value
from .traces import FLAGS, Trace, traces
from .vectors import DIGITS, Row, json_text, row
from .vectors import FLAGS as STEP_FLAGS


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """The rate after ``metric`` was observed; None where it is asked for without an observation."""

    metric: float | None
    rate: Row
    uses_step: bool

    @property
    def entry(self) -> dict[str, object]:
        """The row as it stands in the file; JSON has no NaN, so that is a word."""
        metric = self.metric
        shown = metric if metric is None or math.isfinite(metric) else str(metric)
        entry: dict[str, object] = {"metric": shown, **self.rate.entry}
        if not self.uses_step:
            del entry["step"]
        return entry


@dataclass(frozen=True, slots=True)
class TraceCase:
    """One set of parameters on one trace."""

    name: str
    doc: str
    trace: str
    values: Mapping[str, Value]
    rows: tuple[ObservedRow, ...]

    @property
    def head(self) -> dict[str, object]:
        """What stands before the rows."""
        plain = dict(self.values)
        return {"name": self.name, "doc": self.doc, "trace": self.trace, "parameters": plain}


@dataclass(frozen=True, slots=True)
class TraceVectors:
    """All cases of a schedule that remembers."""

    schedule: Schedule
    cases: tuple[TraceCase, ...]

    def text(self) -> str:
        """As JSON, one row a line; floats read back exactly."""
        schedule = self.schedule
        used = {row.rate.flag for case in self.cases for row in case.rows}
        flags = {**FLAGS, "subnormal": STEP_FLAGS["subnormal"]}
        columns = (
            f"metric: the {schedule.observes} that is observed, null where there is none, nan and "
            "inf as words; "
        )
        if schedule.uses_step:
            columns += "step: the update whose rate it is; "
        head = {
            "schedule": schedule.name,
            "title": schedule.title,
            "spec": f"sha256:{schedule.fingerprint}",
            "observes": schedule.observes,
            "columns": f"{columns}exact: decimal value of the rate from then on, at the binary64 "
            "parameters; float32: that, correctly rounded; bits: the float32 in hexadecimal; "
            "flag: see flags",
            "flags": {flag: text for flag, text in flags.items() if flag in used},
        }
        return json_text(head, [(case.head, [r.entry for r in case.rows]) for case in self.cases])


def sample_traces(schedule: Schedule) -> TraceVectors:
    """Vectors of ``schedule`` at its defaults and examples, along every trace."""
    exact = Arithmetic(DIGITS)
    sets: list[tuple[str, str, Mapping[str, Value], tuple[float, ...]]] = [
        ("default", "The defaults.", schedule.defaults, ())
    ]
    sets += [(e.name, e.doc, e.values, e.metrics) for e in schedule.examples]
    cases = []
    for name, doc, values, given in sets:
        plain = {p.name: values[p.name] for p in schedule.parameters}
        for trace in traces(schedule, values, exact, given):
            rows = tuple(_rows(schedule, values, trace, exact))
            cases.append(TraceCase(f"{name}_{trace.name}", doc, trace.name, plain, rows))
    return TraceVectors(schedule, tuple(cases))


def _rows(
    schedule: Schedule, values: Mapping[str, Value], trace: Trace, exact: Arithmetic
) -> list[ObservedRow]:
    automaton = Automaton(schedule, values, exact)
    found = [ObservedRow(None, row(0, automaton.rate(0), "before", exact), schedule.uses_step)]
    for metric, step in zip(trace.metrics, trace.steps, strict=True):
        automaton.observe(metric)
        rate = row(step, automaton.rate(step), trace.name, exact)
        found.append(ObservedRow(metric, rate, schedule.uses_step))
    return found
