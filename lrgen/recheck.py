"""Every use of a rewrite rule, computed again: exactly against the author, and in binary64.

The rewritten curve must agree with the author's to 50 digits, or a rule was wrong; and in binary64
it must be as accurate as promised, or a rule was missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .backends.base import STDLIB
from .backends.companions import PYTHON, needed
from .backends.python import rate_lines
from .errors import SpecError
from .evaluate import Arithmetic, NotFinite
from .rewrite import facts_of, piece_facts
from .sampling import arguments
from .schedule import Schedule, Value
from .vectors import Vectors

DIGITS = 80
AGREE = 50
SMALLEST_NORMAL = 2.0**-1022


def recheck(author: Schedule, rewritten: Schedule, vectors: Vectors) -> None:
    """Hold the rewritten form against the vectors.

    Raises:
        SpecError: When it is another curve, or less accurate than the schedule's budget.
    """
    exact = Arithmetic(DIGITS)
    lets = [(let.name, let.value) for let in rewritten.lets]
    rate = compiled(rewritten)
    for case in vectors.cases:
        env = arguments(rewritten, case.values, exact)
        for row in case.rows:
            at = {**env, "step": row.step}
            index = _piece_at(author, at, exact)
            value = _value(rewritten, _piece_at(rewritten, at, exact), at, lets, exact)
            expected = exact.real(row.exact)
            _same_curve(author, index, value, at, exact)
            _accurate(author, index, rate(row.step, case.values), expected, case.name, row.step)


def ulps(found: float, expected: Any) -> float:
    """How many units in the last place of binary64 lie between a value and the exact one."""
    unit = math.ulp(max(abs(float(expected)), SMALLEST_NORMAL))
    return float(abs(found - expected) / unit)


def compiled(schedule: Schedule) -> Any:
    """A function of (step, values) that computes what plain Python will.

    The text comes from our own printer over a tree of known operators; no text of a spec's author
    is in it but names that were checked.
    """
    lines = rate_lines(schedule, piece_facts(schedule), facts_of(schedule))
    names = ", ".join(["step", *(p.name for p in schedule.parameters)])
    body = [f"    {line}" for line in lines]
    source = "\n".join([f"def rate({names}):", *body, *needed(PYTHON, lines)])
    scope: dict[str, Any] = {name: import_module(name) for name in STDLIB}
    exec(compile(source, f"<{schedule.name}>", "exec"), scope)
    function = scope["rate"]

    def call(step: int, values: Mapping[str, Value]) -> float:
        result: float = function(step, *(values[p.name] for p in schedule.parameters))
        return result

    return call


def _piece_at(schedule: Schedule, at: Mapping[str, Any], exact: Arithmetic) -> int:
    lets = [(let.name, let.value) for let in schedule.lets]
    for index, piece in enumerate(schedule.pieces):
        if piece.condition is None or exact.value(piece.condition, at, lets):
            return index
    raise AssertionError("the last piece has no condition")


def _value(
    schedule: Schedule, index: int, at: Mapping[str, Any], lets: Any, exact: Arithmetic
) -> Any:
    try:
        return exact.real(exact.value(schedule.pieces[index].value, at, lets))
    except NotFinite as error:
        raise SpecError(
            f"the rewritten form fails: {error.fact}",
            "Report this spec.",
            key=_key(schedule, index),
        ) from None


def _same_curve(
    author: Schedule, index: int, value: Any, at: Mapping[str, Any], exact: Arithmetic
) -> None:
    lets = [(let.name, let.value) for let in author.lets]
    expected = exact.real(exact.value(author.pieces[index].value, at, lets))
    if abs(value - expected) > abs(expected) * exact.real(10) ** -AGREE + exact.real(10) ** -(
        DIGITS - 5
    ):
        raise SpecError(
            f"the rewritten form is another curve at step = {at['step']}",
            "Report this spec.",
            key=_key(author, index),
        )


def _accurate(
    schedule: Schedule, index: int, found: float, expected: Any, case: str, step: int
) -> None:
    off = ulps(found, expected)
    if off > schedule.ulps:
        raise SpecError(
            f"binary64 is {off:,.0f} ulp off at step = {step} of '{case}', "
            f"the budget is {schedule.ulps}",
            "Write the formula so that nearly equal numbers are not subtracted, "
            "or give [accuracy] with its reason.",
            key=_key(schedule, index),
        )


def _key(schedule: Schedule, index: int) -> str:
    return "value" if len(schedule.pieces) == 1 else f'piece "{schedule.pieces[index].name}"'
