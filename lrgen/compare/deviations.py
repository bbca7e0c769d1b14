"""Anybody's schedule held against the exact values of a spec."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..describe import Curve
from ..schedule import Schedule, Value
from ..vectors import FLAGS, SMALLEST_NORMAL, conformance_steps, nearest_float32
from .subjects import Answer, Subject, Walker

Precision = Literal["float32", "float64"]
MOST_LINES = 20
MOST_ULPS = 1e6
"""Beyond these nobody needs them: the numbers speak for themselves."""
MOST_EVERY = 20_000
MORE = 100
MORE_WHERE_ASKED = 2_000
MOST_OF_FLOAT32 = 2**14
"""What cancellation leaves of 24 bits, near the end of a curve."""
LEAST_ALIKE = 0.75
"""Of the deviating steps, so many must tell of the same bug before it is named."""


FARTHEST_FLOAT32 = 2**24
_BUGS: tuple[tuple[Callable[[int], int], str], ...] = (
    (lambda step: step - 1, "It is one update late, and gives what the step before should"),
    (lambda step: step + 1, "It is one update early, and gives what the next step should"),
    (lambda step: int(np.float32(step)), "It gives what the nearest float32 of the step should"),
)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How near is near enough: ``ulps`` of ``precision``; without any, the nearest number."""

    precision: Precision
    ulps: float

    def error(self, got: float, exact: Any) -> float:
        """The distance from ``got`` to ``exact``, in ulps; 0 for the number nearest to it."""
        if not math.isfinite(got):
            return math.inf
        if self.precision == "float64":
            nearest, unit = float(exact), math.ulp(float(exact))
        else:
            with np.errstate(over="ignore"):  # to an infinity, as in a framework
                rounded = np.float32(got)
            if not np.isfinite(rounded):
                return math.inf
            single = nearest_float32(exact)
            got, nearest = float(rounded), float(single)
            unit = float(np.spacing(np.abs(single)))
            if got == 0 and abs(nearest) < SMALLEST_NORMAL:
                return 0.0  # XLA and TensorFlow flush all such numbers to 0
        return 0.0 if got == nearest else float(abs(got - exact) / unit)

    def holds(self, got: float, exact: Any) -> bool:
        """Whether ``got`` is near enough to ``exact``."""
        return self.error(got, exact) <= self.ulps

    def shown(self, got: float) -> str:
        """``got`` with the digits that tell it from its neighbors."""
        if self.precision == "float64":
            return repr(got)
        with np.errstate(over="ignore"):
            return str(np.float32(got))

    def __str__(self) -> str:
        if self.ulps == 0:
            return f"the nearest {self.precision}"
        return f"within {self.ulps:g} ulp of {self.precision}"


@dataclass(frozen=True, slots=True)
class Deviation:
    """A step at which something else than the exact value came back.

    Attributes:
        step: The update, counted from 0.
        got: What came back, as it is spelled; or what was raised instead.
        exact: The exact value in decimal.
        ulps: How far apart they are; infinite where nothing finite came back.
        flag: Which kind of step it is, a key of :data:`lrgen.vectors.FLAGS`.
    """

    step: int
    got: str
    exact: str
    ulps: float
    flag: str

    @property
    def line(self) -> str:
        """Step, what came back, what is exact, and the bug that such a step catches."""
        off = f", {self.ulps:.3g} ulp off" if self.ulps < MOST_ULPS else ""
        return (
            f"step {self.step:,}: got {self.got}, exact {self.exact}{off}. "
            f"{self.flag}: {FLAGS[self.flag]}"
        )

    @property
    def entry(self) -> dict[str, object]:
        """The same for machines."""
        return {
            "step": self.step,
            "got": self.got,
            "exact": self.exact,
            "ulps": self.ulps if math.isfinite(self.ulps) else None,
            "flag": self.flag,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found: it holds where there are no ``deviations``."""

    tolerance: Tolerance
    compared: tuple[int, ...]
    left_out: int
    walked: int | None
    deviations: tuple[Deviation, ...]
    guess: str

    @property
    def lines(self) -> list[str]:
        """A line for each deviation, up to 20 of them, then what they have in common.

        Where there are more, the first of each flag are among them, and the worst of all.
        """
        telling = {one.flag: one.step for one in reversed(self.deviations)}
        if self.deviations:
            telling["worst"] = max(self.deviations, key=lambda one: (one.ulps, -one.step)).step
        first = sorted(self.deviations, key=lambda one: one.step not in telling.values())
        found = [one.line for one in sorted(first[:MOST_LINES], key=lambda one: one.step)]
        more = len(self.deviations) - MOST_LINES
        if more > 0:
            found.append(f"and {more:,} more.")
        return [*found, *([self.guess] if self.guess else [])]

    @property
    def summary(self) -> str:
        """How many steps were compared, and how far."""
        count, wrong = len(self.compared), len(self.deviations)
        if not count:
            return "No step could be compared."
        reach = f"{count:,} steps from {self.compared[0]:,} to {self.compared[-1]:,}"
        held = f"each {self.tolerance}" if not wrong else f"{wrong:,} not {self.tolerance}"
        return f"{reach} compared: {held}.{self._farther}"

    @property
    def _farther(self) -> str:
        if not self.left_out:
            return ""
        beyond = "1 step" if self.left_out == 1 else f"{self.left_out:,} steps"
        if self.walked is None:
            return f" Left out: {beyond} beyond what it counts."
        return f" Walked to step {self.walked:,}; left out: {beyond} beyond it."


def hold(
    subject: Subject,
    schedule: Schedule,
    values: Mapping[str, Value],
    *,
    last: int | None = None,
    precision: Precision | None = None,
    ulps: float | None = None,
) -> Verdict:
    """``subject`` at the conformance steps of ``schedule`` at ``values``.

    Args:
        subject: What is asked.
        schedule: A schedule that observes nothing.
        values: Every parameter's value.
        last: No step past this is asked, and all up to it where they are up to 20,000.
        precision: What the rates are rounded to; float32, or float64 where ``ulps`` are given.
        ulps: The budget; without, 0 in float32, and in float64 what the spec claims for itself.
    """
    if precision is None:
        precision = "float32" if ulps is None else "float64"
    if ulps is None:
        ulps = 0 if precision == "float32" else schedule.ulps
    tolerance, curve = Tolerance(precision, ulps), Curve(schedule, values)
    flags = _flagged(curve, values, last)
    reach = subject.reach(last)
    wanted = [step for step in sorted(flags) if step <= reach]
    answers = list(subject.answers(wanted))
    compared = tuple(answer.step for answer in answers)
    wrong = [one for one in answers if not _is_right(one, curve, tolerance)]
    end = compared[-1] if compared else -1
    return Verdict(
        tolerance,
        compared,
        sum(step > end for step in flags),
        end if isinstance(subject, Walker) else None,
        tuple(_deviation(one, curve, tolerance, flags) for one in wrong),
        _guess(wrong, curve, tolerance),
    )


def _flagged(curve: Curve, values: Mapping[str, Value], last: int | None) -> dict[int, str]:
    """Steps with the bug that each catches."""
    flags = conformance_steps(curve.schedule, values, curve.exact)
    source = random.Random(f"lrgen verify {curve.schedule.name}")
    if last is None:
        # Some schedules have boundaries at 2**50, too: there is little between those to see.
        near = [place for place in curve.boundaries if place <= FARTHEST_FLOAT32]
        end = near[-1] if near else curve.end or MORE
        more = [source.randrange(end + 1) for _ in range(MORE)]
    elif last <= MOST_EVERY:
        more = list(range(last + 1))
    else:
        more = [source.randrange(last + 1) for _ in range(MORE_WHERE_ASKED)] + [last]
    if last is not None:
        flags = {step: flag for step, flag in flags.items() if step <= last}
    for step in more:
        flags.setdefault(step, _between(curve, step))
    return flags


def _between(curve: Curve, step: int) -> str:
    return "past_end" if curve.end is not None and step > curve.end else "inside"


def _is_right(answer: Answer, curve: Curve, tolerance: Tolerance) -> bool:
    return answer.rate is not None and tolerance.holds(answer.rate, curve(answer.step))


def _deviation(
    answer: Answer, curve: Curve, tolerance: Tolerance, flags: Mapping[int, str]
) -> Deviation:
    step, exact = answer.step, curve(answer.step)
    # A walk may stop at a step that nobody asked for.
    flag = flags.get(step) or _between(curve, step)
    shown = curve.shown(exact, 12 if tolerance.precision == "float32" else 20)
    if answer.rate is None:
        return Deviation(step, f"nothing: it {answer.failure}", shown, math.inf, flag)
    got = tolerance.shown(answer.rate)
    return Deviation(step, got, shown, tolerance.error(answer.rate, exact), flag)


def _guess(wrong: list[Answer], curve: Curve, tolerance: Tolerance) -> str:
    """The one bug that most deviations tell of, in a sentence, or nothing."""
    found = [(one.step, one.rate) for one in wrong if one.rate is not None]
    for moved, words in _BUGS:
        near = [
            tolerance.holds(rate, curve(moved(step)))
            for step, rate in found
            if 0 <= moved(step) != step and curve(moved(step)) != curve(step)
        ]
        if len(near) > 1 and sum(near) >= LEAST_ALIKE * len(found):
            return f"{words}: so it is at {sum(near):,} of these steps."
    ratios = [rate / float(curve(step)) for step, rate in found if float(curve(step))]
    if len(ratios) > 2 and len(ratios) >= LEAST_ALIKE * len(found):
        low, high = min(ratios), max(ratios)
        if math.isfinite(high) and high - low <= 1e-5 * abs(high) and abs(high - 1) > 1e-5:
            return f"All of it is {high:.6g} times what it should be: another base rate."
    errors = {step: tolerance.error(rate, curve(step)) for step, rate in found}
    if tolerance.precision == "float32" and len(found) == len(wrong) and errors:
        worst = max(errors, key=lambda step: errors[step])
        if errors[worst] < MOST_OF_FLOAT32:
            return (
                f"At most {errors[worst]:.3g} ulp off, at step {worst:,}: as formulas computed in "
                "float32 are."
            )
    return ""
