"""Every use of a rewrite rule, computed again: exactly against the author, and in binary64.

The rewritten curve must agree with the author's to 50 digits, or a rule was wrong; and in binary64
it must be as accurate as promised, or a rule was missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .backends.base import STDLIB
from .backends.companions import PYTHON, needed
from .backends.python import rate_lines
from .errors import SpecError
from .evaluate import Arithmetic, NotFinite
from .rewrite import Known
from .sampling import arguments
from .schedule import Schedule, Value
from .vectors import Curve, Vectors

DIGITS = 80
AGREE = 50
SMALLEST_NORMAL = 2.0**-1022


def recheck(author: Schedule, rewritten: Schedule, vectors: Vectors, known: Known) -> None:
    """Hold the rewritten form, of which this is ``known``, against the vectors.

    Raises:
        SpecError: When it is another curve, or less accurate than the schedule's budget.
    """
    exact = Arithmetic(DIGITS)
    rate = compiled(rewritten, known)
    for case in vectors.cases:
        env = arguments(rewritten, case.values, exact)
        pieces, emitted = Curve(author, env, exact), Curve(rewritten, env, exact)
        for row in case.rows:
            place = f"step = {row.step}"
            index = pieces.piece(row.step)
            with _emitted_form(author, index):
                value = emitted.value(row.step)
            _check_same(author, index, value, exact.real(row.value), place, exact)
            expected = exact.real(row.exact)
            check_accurate(author, index, rate(row.step, case.values), expected, case.name, place)


def ulps(found: float, expected: Any) -> float:
    """How many units in the last place of binary64 lie between a value and the exact one."""
    unit = math.ulp(max(abs(float(expected)), SMALLEST_NORMAL))
    return float(abs(found - expected) / unit)


def compiled(schedule: Schedule, known: Known) -> Any:
    """A function of (step, values) that computes what plain Python will.

    The text comes from our own printer over a tree of known operators; no text of a spec's author
    is in it but names that were checked.
    """
    lines = rate_lines(schedule, known.pieces, known.always)
    names = ", ".join(["step", *(p.name for p in schedule.parameters)])
    source = "\n".join([f"def rate({names}):", *(f"    {line}" for line in lines)])
    function = scope_of(source, schedule)["rate"]

    def call(step: int, values: Mapping[str, Value]) -> float:
        result: float = function(step, *(values[p.name] for p in schedule.parameters))
        return result

    return call


def scope_of(source: str, schedule: Schedule) -> dict[str, Any]:
    """What the text of emitted functions defines."""
    scope: dict[str, Any] = {name: import_module(name) for name in STDLIB}
    source = "\n".join([source, *needed(PYTHON, source.split("\n"))])
    exec(compile(source, f"<{schedule.name}>", "exec"), scope)
    return scope


def piece_at(schedule: Schedule, at: Mapping[str, Any], exact: Arithmetic) -> int:
    """The piece that holds with these values of names."""
    lets = [(let.name, let.value) for let in schedule.lets]
    for index, piece in enumerate(schedule.pieces):
        if piece.condition is None or exact.value(piece.condition, at, lets):
            return index
    raise AssertionError("the last piece has no condition")


def _value(schedule: Schedule, index: int, at: Mapping[str, Any], exact: Arithmetic) -> Any:
    lets = [(let.name, let.value) for let in schedule.lets]
    return exact.real(exact.value(schedule.pieces[index].value, at, lets))


def check_same_curve(
    author: Schedule, rewritten: Schedule, at: Mapping[str, Any], place: str, exact: Arithmetic
) -> None:
    """Raise SpecError unless both forms have one exact value with these values of names."""
    index = piece_at(author, at, exact)
    with _emitted_form(author, index):
        value = _value(rewritten, piece_at(rewritten, at, exact), at, exact)
    _check_same(author, index, value, _value(author, index, at, exact), place, exact)


@contextmanager
def _emitted_form(author: Schedule, index: int) -> Iterator[None]:
    """Where the rewritten form is computed: it has a value wherever the author's has."""
    try:
        yield
    except NotFinite as error:
        raise SpecError(
            f"the rewritten form fails: {error.fact}", "Report this spec.", key=_key(author, index)
        ) from None


def _check_same(
    author: Schedule, index: int, value: Any, expected: Any, place: str, exact: Arithmetic
) -> None:
    ten = exact.real(10)
    if abs(value - expected) > abs(expected) * ten**-AGREE + ten ** -(DIGITS - 5):
        raise SpecError(
            f"the rewritten form is another curve at {place}",
            "Report this spec.",
            key=_key(author, index),
        )


def check_accurate(
    schedule: Schedule, index: int, found: float, expected: Any, case: str, place: str
) -> None:
    """Raise SpecError where a binary64 is further from the exact value than the budget allows."""
    off = ulps(found, expected)
    if off > schedule.ulps:
        raise SpecError(
            f"binary64 is {off:,.0f} ulp off at {place} of '{case}', the budget is {schedule.ulps}",
            "Write the formula so that nearly equal numbers are not subtracted, "
            "or give [accuracy] with its reason.",
            key=_key(schedule, index),
        )


def _key(schedule: Schedule, index: int) -> str:
    return "value" if len(schedule.pieces) == 1 else f'piece "{schedule.pieces[index].name}"'
