"""Which of the schedules that were found drew the curve, if any, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..schedule import Value
from .curves import Candidate
from .points import Data
from .rounding import Level
from .settle import Leeway, plainness

Status = Literal["found", "ambiguous", "unknown"]
MOST_EVERY = 100_000
BEYOND = 4
"""Up to how many times the last logged step curves are told apart."""


@dataclass(frozen=True)
class Finding:
    """A schedule, and how near it comes.

    Attributes:
        name: As ``lrgen.load`` takes it.
        values: Every parameter.
        changed: Those that are not the schedule's defaults.
        residual: The largest difference from a logged rate, as a share of the log's peak.
        at: The step of that difference.
        share: The share of rows that lie within the log's rounding, from 0 to 1.
        fits: Whether all do.
        same: Whether it draws the curve of the best one, at every step compared.
        parts: The first step, beyond the log's rounding, at which it parts from the best one.
    """

    name: str
    values: Mapping[str, Value]
    changed: Mapping[str, Value]
    residual: float
    at: int
    share: float
    fits: bool
    same: bool = False
    parts: int | None = None

    @property
    def code(self) -> str:
        """The line of Python that makes it."""
        given = ", ".join(f"{name}={spelled(value)}" for name, value in self.changed.items())
        return f'lrgen.load("{self.name}").bind({given})'


@dataclass(frozen=True)
class Fit:
    """What drew a logged curve.

    Attributes:
        status: ``"found"``: one curve, under one name or several. ``"ambiguous"``: several that fit
            and part within the log, or parameters that the log leaves open and that are no
            defaults. ``"unknown"``: none.
        findings: The best first; where one fits, those that fit come before the others.
        rounding: How exactly the log was read, in words.
        shift: What is added to a logged step to get the update: -1 for a log that counts from 1.
        open: Parameters of the best one that the log does not fix.
        ranges: Its whole numbers that may be others: the least and the greatest.
        rows: How many steps the log has a rate for.
        first: The first of them.
        last: The last of them.
        tried: How many schedules were tried.
        left_out: Those that there was no time for.
        remarks: How the log was read, in sentences.
    """

    status: Status
    findings: tuple[Finding, ...]
    rounding: str
    shift: int
    open: tuple[str, ...]
    ranges: Mapping[str, tuple[int, int]]
    rows: int
    first: int
    last: int
    tried: int
    left_out: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def best(self) -> Finding | None:
        """The schedule that drew the curve, or the plainest of those that may have; None where
        none fits."""
        return self.findings[0] if self.findings and self.findings[0].fits else None


def spelled(value: Value) -> str:
    """``value`` as Python code that a person would type."""
    if isinstance(value, tuple):
        return f"[{', '.join(spelled(entry) for entry in value)}]"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:_}"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def finding(candidate: Candidate, values: Mapping[str, Value], data: Data) -> Finding:
    """``candidate`` at ``values``, held against every row of ``data``."""
    curve = candidate.curve(values, data.steps)
    defaults = candidate.schedule.defaults
    changed = {name: value for name, value in values.items() if value != defaults[name]}
    if curve is None:
        return Finding(candidate.name, values, changed, np.inf, int(data.steps[0]), 0.0, False)
    gaps = np.abs(curve - data.rates)
    inside = gaps <= data.widths
    at = int(gaps.argmax())
    peak = float(data.rates.max()) or 1.0
    return Finding(
        candidate.name,
        values,
        changed,
        residual=float(gaps[at]) / peak,
        at=int(data.steps[at]),
        share=float(inside.mean()),
        fits=bool(inside.all()),
    )


def parting(
    a: tuple[Candidate, Mapping[str, Value]],
    b: tuple[Candidate, Mapping[str, Value]],
    data: Data,
    level: Level,
) -> int | None:
    """The first step at which two curves part, by more than the log's rounding; None for one curve
    up to a few times the length of the log."""
    last = int(data.steps[-1])
    edges = [*a[0].boundaries(a[1]), *b[0].boundaries(b[1])]
    near = {place + side for place in edges for side in (-1, 0, 1) if 0 <= place < 2**40}
    dense = np.arange(min(BEYOND * (last + 2), MOST_EVERY), dtype=np.int64)
    far = np.linspace(0, BEYOND * (last + 2), 4_000).astype(np.int64)
    steps = np.unique(np.concatenate([dense, far, np.array(sorted(near), np.int64)]))
    steps = steps[(steps >= 0) & (steps <= BEYOND * max(last + 2, *edges, 0))]
    curves = a[0].curve(a[1], steps), b[0].curve(b[1], steps)
    if curves[0] is None or curves[1] is None:
        return last
    widths = level.widths(np.abs(curves[0]), float(data.rates.max()) or 1.0)
    apart = np.flatnonzero(np.abs(curves[0] - curves[1]) > 2 * widths)
    return int(steps[apart[0]]) if len(apart) else None


def ranked(
    fitting: Sequence[tuple[Candidate, Mapping[str, Value]]],
) -> list[tuple[Candidate, Mapping[str, Value]]]:
    """The plainest first."""
    return sorted(fitting, key=lambda one: (plainness(*one), one[0].name))


def status_of(
    findings: Sequence[Finding], leeway: Leeway, last: int, plain: Sequence[int]
) -> Status:
    """How sure it is: see :class:`Fit`.

    Args:
        findings: Ranked.
        leeway: That of the first.
        last: The last logged step.
        plain: How many numbers each finding needs that are no defaults.
    """
    fitting = [one for one in findings if one.fits]
    if not fitting:
        return "unknown"
    rivals = [
        one
        for one, said in zip(fitting[1:], plain[1:])
        if one.parts is not None and one.parts <= last and said <= plain[0]
    ]
    unsure = [one for one in leeway.open if one.partition("[")[0] in fitting[0].changed]
    return "ambiguous" if unsure or rivals else "found"
