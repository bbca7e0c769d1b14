"""NumPy: the closed-form reference curve, vectorised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..expr import Expr
from ..ops import Precedence
from ..printer import Spelling
from ..ranges import Facts
from ..schedule import Schedule
from .base import (
    AS_IT_IS,
    PYTHON_TYPES,
    Backend,
    Observer,
    Spelled,
    Style,
    View,
    array_body,
    guarded_parts,
    view_of,
)
from .choice import where_chain
from .companions import NUMPY as NUMPY_COMPANIONS
from .host import LISTS, MATH, Table, spelt
from .layout import COLUMNS, fitting
from .python import STYLE as HOST_STYLE
from .python import rate_lines
from .remembering import (
    RememberingView,
    closing_lines,
    initial_lines,
    memory_lines,
    rate_names,
    remembering_view,
    update_lines,
)
from .wording import formula_lines, parameter_lines, quantity, source_lines

_SAME = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "expm1", "log1p", "abs")

ARRAY: Table = {
    **{name: spelt(f"np.{name}({{0}})") for name in _SAME},
    "min": spelt("np.minimum({0}, {1})"),
    "max": spelt("np.maximum({0}, {1})"),
    "floor": spelt("np.floor({0}).astype(np.int64)"),
    "ceil": spelt("np.ceil({0}).astype(np.int64)"),
    "if": spelt("np.where({0}, {1}, {2})"),
    "and": spelt("{0} & {1}", Precedence.COMPARE, Precedence.ATOM),
    "or": spelt("{0} | {1}", Precedence.COMPARE, Precedence.ATOM),
    "not": spelt("~{0}", Precedence.SIGN, Precedence.ATOM),
    "at": Spelling("np.take({0}, {1})"),
    "at:real": Spelling("np.asarray({0}, np.float64)[{1}]"),
    "reached": spelt('np.searchsorted({0}, {1}, side="right")'),
    "product": Spelling("np.cumprod([1.0, *{0}])[{1}]", operand=Precedence.ATOM),
    "total": Spelling("np.cumsum([0, *{0}])[{1}]", operand=Precedence.ATOM),
    "total:real": Spelling("np.cumsum([0.0, *{0}])[{1}]", operand=Precedence.ATOM),
    "uniform": spelt("_uniforms({0}, {1})"),
    "inf": spelt("np.inf"),
    "real": spelt("{0}.astype(np.float64)", operand=Precedence.ATOM),
    "fill": spelt("np.full(step.shape, {0}, np.float64)"),
}

HOST: Table = {
    **{name: MATH[name] for name in LISTS},
    **{name: spelt(f"np.{name}({{0}})") for name in _SAME if name != "abs"},
    "abs": spelt("abs({0})"),
    "min": spelt("min({all})"),
    "max": spelt("max({all})"),
    "floor": spelt("int(np.floor({0}))"),
    "ceil": spelt("int(np.ceil({0}))"),
    "inf": spelt("np.inf"),
    "real": spelt("float({0})"),
}

STYLE = Style(array=ARRAY, host=HOST, pi="np.pi")


def _view(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> View:
    plain = Spelled(schedule, schedule.lets, STYLE)
    lets, pieces = guarded_parts(schedule, facts, always, plain.is_host)
    spelled = Spelled(schedule, lets, STYLE)
    lines, chosen = array_body(schedule, lets, pieces, spelled)
    if len(chosen) > 1:
        lines.append("")
    lines += _choice(chosen, spelled)
    view = view_of(
        schedule,
        framework="NumPy reference curve",
        docstring=(
            f"{quantity(schedule)} at each ``step``, counted from 0; "
            "an array of the shape of ``step``.",
            "",
            *formula_lines(schedule),
            "",
            "Args:",
            "    step: Integers >= 0, of any shape.",
            *parameter_lines(schedule),
            "",
            "Raises:",
            "    ValueError: For a value out of its range, naming it and the rule.",
            *source_lines(schedule),
        ),
        body=fitting(lines, schedule),
        types=PYTHON_TYPES,
        rate_types=PYTHON_TYPES,
        casts=AS_IT_IS,
        companions=NUMPY_COMPANIONS,
    )
    return replace(view, imports=(*view.imports, "") if view.imports else ())


def _choice(chosen: Sequence[tuple[Expr | None, str, Expr]], spelled: Spelled) -> list[str]:
    """``np.select`` over the pieces, unless there is one piece, or Python decides between them."""
    if len(chosen) == 1 or any(c is not None and spelled.is_host(c) for c, _, _ in chosen):
        chain = where_chain(chosen, spelled, "np.where({0}, {1}, {2})", "return np.asarray({0})")
        return chain[1:] if len(chosen) > 1 else [f"return np.asarray({chosen[0][1]})"]
    conditions = ", ".join(spelled.text(c) for c, _, _ in chosen if c is not None)
    values = ", ".join(text for c, text, _ in chosen if c is not None)
    return [f"return np.select([{conditions}], [{values}], {chosen[-1][1]})"]


def _observer(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> RememberingView:
    """A loop over Python's own numbers: a state depends on every observation before it."""
    steps = ["    steps: The update whose rate each observation gives: integers >= 0."]
    clock = ("step",) if schedule.uses_step else ()
    call = f"_rate({', '.join((*clock, *rate_names(schedule)))})"
    arguments, *rest = closing_lines(schedule)
    view = remembering_view(
        schedule,
        framework="NumPy reference curve",
        docstring=(
            f"{quantity(schedule)} after each observation in ``metrics``; an array as long as it.",
            "",
            *formula_lines(schedule),
            "",
            *memory_lines(schedule),
            "",
            arguments,
            f"    metrics: Every ``{schedule.observes}`` in its order; NaN and infinities are "
            "observations too.",
            *(steps if schedule.uses_step else ()),
            *rest,
        ),
        initial=initial_lines(schedule, HOST_STYLE, width=COLUMNS - 4),
        update=update_lines(schedule, HOST_STYLE),
        rate=fitting(rate_lines(schedule, facts, always), schedule),
        more=fitting([f"rates[number] = {call}"], schedule, COLUMNS - 8),
    )
    return replace(view, imports=(*view.imports, "") if view.imports else ())


NUMPY = Backend(
    "numpy",
    "numpy_schedules",
    "numpy_schedules/module.py.jinja",
    _view,
    Observer("numpy_schedules/observer.py.jinja", _observer),
)
