"""Plain Python: standard library only, ``if step < ...: return ...``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..expr import Expr, Kind, names_in
from ..finite import is_finite
from ..guard import Guards, uses_of
from ..ranges import Facts
from ..schedule import Let, Schedule, expand
from .base import (
    AS_IT_IS,
    PYTHON_TYPES,
    Backend,
    Observer,
    Spelled,
    Style,
    View,
    assignment,
    branches,
    comment,
    view_of,
)
from .checks import guard_lines
from .companions import PYTHON as PYTHON_COMPANIONS
from .host import MATH
from .layout import COLUMNS, fitting
from .remembering import (
    RememberingView,
    closing_lines,
    initial_lines,
    memory_lines,
    prefixed,
    remembering_view,
    update_lines,
)
from .wording import formula_lines, parameter_lines, quantity, source_lines

STYLE = Style(array=MATH, host=MATH, pi="math.pi")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece, with what is computed for it.

    Attributes:
        before: Lets computed before the condition is asked, for this piece and later ones.
        condition: When the piece holds, if not always.
        lets: Those that it needs alone.
        value: Its formula, guarded where it could fail.
        reasons: Why it is not the author's.
    """

    before: tuple[Let, ...]
    condition: Expr | None
    lets: tuple[Let, ...]
    value: Expr
    reasons: tuple[str, ...]


def rate_parts(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> list[Part]:
    """The pieces, for code that computes one of them.

    Each piece computes the lets that it needs, after its condition, so that nothing is computed
    where it could fail. What several pieces need is computed once, before the first of them, where
    that is safe.
    """
    before = _facts_before(schedule, always)
    pairs = [(piece.condition, piece.value) for piece in schedule.pieces]
    uses = uses_of(schedule.lets, pairs, facts, before)
    placed = _placed(schedule, before, uses)
    parts = []
    for index, (piece, known) in enumerate(zip(schedule.pieces, facts)):
        shared = Guards(schedule.lets, dict(uses), before[index], _always)
        inside = uses_of(schedule.lets, [pairs[index]], [known], [known])
        own = Guards(schedule.lets, inside, known, _always)
        value = own.guarded(piece.value, known, known)
        condition = piece.condition
        if condition is not None:
            condition = own.guarded(condition, before[index], before[index])
        needed = names_in(value)
        for let in reversed(schedule.lets):
            if let.name in needed:
                needed |= names_in(own.lets[let.name].value)
        parts.append(
            Part(
                tuple(
                    replace(let, value=shared.lets[let.name].value)
                    for let in schedule.lets
                    if placed.get(let.name) == index
                ),
                condition,
                tuple(
                    replace(let, value=own.lets[let.name].value)
                    for let in schedule.lets
                    if let.name in needed and not placed.get(let.name, index + 1) <= index
                ),
                value,
                tuple(piece.reasons),
            )
        )
    return parts


def rate_lines(
    schedule: Schedule,
    facts: Sequence[Facts],
    always: Facts,
    names: Mapping[str, str] | None = None,
) -> list[str]:
    """The body of a function of ``step`` and the parameters that returns a float.

    ``names`` are spelt anew, such as ``factor`` as ``self.factor``.
    """
    spelled = Spelled(schedule, schedule.lets, STYLE, names)
    lines: list[str] = []
    for part in rate_parts(schedule, facts, always):
        lines += let_lines(part.before, spelled, "")
        indent = ""
        if part.condition is not None:
            lines.append(f"if {spelled.text(part.condition)}:")
            indent = "    "
        lines += let_lines(part.lets, spelled, indent)
        lines += comment(part.reasons, indent)
        lines += _returns(part.value, spelled, indent)
    return lines


def let_lines(lets: Sequence[Let], spelled: Spelled, indent: str) -> list[str]:
    """Each let, after the reasons for its form."""
    return [
        line
        for let in lets
        for line in (
            *comment(let.reasons, indent),
            *assignment(let.name, let.value, spelled, indent),
        )
    ]


def _always(expr: Expr) -> bool:
    return True


def _facts_before(schedule: Schedule, always: Facts) -> list[Facts]:
    """What holds where each piece's condition is asked: none before it did."""
    result = [always]
    for piece in schedule.pieces[:-1]:
        assert piece.condition is not None
        result.append(result[-1].given(expand(piece.condition, schedule.lets), holds=False))
    return result


def _placed(
    schedule: Schedule, before: Sequence[Facts], uses: Mapping[str, tuple[Facts, ...]]
) -> dict[str, int]:
    """Lets computed outside of the pieces, each with the piece before which it is."""
    values = [_reach(schedule, piece.value) for piece in schedule.pieces]
    conditions = [_reach(schedule, p.condition) if p.condition else set() for p in schedule.pieces]
    plain = {let.name: let for let in schedule.lets}
    placed: dict[str, int] = {}
    for let in reversed(schedule.lets):
        asked = [i for i, names in enumerate(conditions) if let.name in names]
        used = [i for i, names in enumerate(values) if let.name in names]
        wanted = [i for h, i in placed.items() if let.name in names_in(plain[h].value)]
        if asked:
            wanted.append(asked[0])
        first = min([*asked, *used], default=0)
        shared = asked or len(used) > 1
        if (
            shared
            and not (wanted and min(wanted) <= first)
            and _is_safe(let, schedule, before[first], uses)
        ):
            wanted.append(first)
        if wanted:
            placed[let.name] = min(wanted)
    return placed


def _is_safe(
    let: Let, schedule: Schedule, known: Facts, uses: Mapping[str, tuple[Facts, ...]]
) -> bool:
    """Whether ``let`` can be computed without a guard wherever ``known`` holds."""
    guarded = Guards(schedule.lets, dict(uses), known, _always).lets[let.name].value
    return guarded == let.value and is_finite(expand(let.value, schedule.lets), known)


def _reach(schedule: Schedule, expr: Expr) -> set[str]:
    """Every let that ``expr`` needs, directly or not."""
    needed = names_in(expr)
    for let in reversed(schedule.lets):
        if let.name in needed:
            needed |= names_in(let.value)
    return needed


def _returns(value: Expr, spelled: Spelled, indent: str) -> list[str]:
    """``return value``; a choice becomes if and return."""
    parts = branches(value)
    one = f"{indent}return {float_text(value, spelled)}"
    if len(parts) == 1 or (len(parts) == 2 and len(one) <= COLUMNS - 8):
        return [one]
    lines = []
    for condition, branch in parts:
        if condition is None:
            lines.append(f"{indent}return {float_text(branch, spelled)}")
        else:
            lines.append(f"{indent}if {spelled.text(condition)}:")
            lines.append(f"{indent}    return {float_text(branch, spelled)}")
    return lines


def float_text(value: Expr, spelled: Spelled) -> str:
    """``value`` as the code of a float."""
    text = spelled.text(value)
    return f"float({text})" if value.kind is Kind.INT else text


def _view(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> View:
    view = view_of(
        schedule,
        framework="plain Python",
        docstring=docstring(schedule),
        body=fitting(rate_lines(schedule, facts, always), schedule),
        types=PYTHON_TYPES,
        rate_types=PYTHON_TYPES,
        casts=AS_IT_IS,
        call_check=fitting(guard_lines(schedule), schedule),
        companions=PYTHON_COMPANIONS,
    )
    return replace(view, imports=("", *view.imports) if view.imports else ())


def docstring(schedule: Schedule) -> list[str]:
    """The docstring of a function of a Python integer."""
    return [
        f"{quantity(schedule)} for update number ``step``, counted from 0.",
        "",
        *formula_lines(schedule),
        "",
        "Args:",
        "    step: An integer >= 0.",
        *parameter_lines(schedule),
        "",
        "Raises:",
        "    ValueError: For a value out of its range, naming it and the rule.",
        *source_lines(schedule),
    ]


def observer_view(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> RememberingView:
    """What the template of a class that observes places."""
    names = prefixed(schedule, state="self.", parameters="self.")
    assert schedule.observes is not None
    return remembering_view(
        schedule,
        framework="plain Python",
        docstring=(
            f"{quantity(schedule)} after each observation of ``{schedule.observes}``.",
            "",
            *formula_lines(schedule),
            "",
            *memory_lines(schedule),
            "",
            *closing_lines(schedule),
        ),
        initial=initial_lines(schedule, STYLE, names),
        update=update_lines(schedule, STYLE, names),
        rate=fitting(rate_lines(schedule, facts, always, names), schedule, COLUMNS - 8),
        imports=("from typing import Any",),
        more_code=("math.inf",) if any(s.kind is Kind.REAL for s in schedule.state) else (),
    )


PYTHON = Backend(
    "python",
    "python_schedules",
    "python_schedules/module.py.jinja",
    _view,
    Observer("python_schedules/observer.py.jinja", observer_view),
)
