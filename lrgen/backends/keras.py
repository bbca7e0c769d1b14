"""Keras 3: a serialisable ``LearningRateSchedule`` on all three of its backends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..ops import Precedence
from ..ranges import Facts
from ..schedule import Schedule
from .base import (
    AS_IT_IS,
    PYTHON_TYPES,
    Backend,
    Spelled,
    Style,
    View,
    array_body,
    guarded_parts,
    view_of,
)
from .choice import where_chain
from .companions import KERAS as KERAS_COMPANIONS
from .host import MATH, Table, spelt
from .keras_observer import KERAS_OBSERVER
from .keras_prelude import prelude
from .layout import fitting
from .wording import formula_lines, parameter_lines, quantity, source_lines

_SAME = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "expm1", "log1p", "abs")

ARRAY: Table = {
    **{name: spelt(f"ops.{name}({{0}})") for name in _SAME},
    # keras.ops.floor and ceil fall back to 32 bits on the torch backend.
    "min": spelt("minimum({0}, {1})"),
    "max": spelt("maximum({0}, {1})"),
    "floor": spelt('cast({0} // 1, "int64")', operand=Precedence.PRODUCT),
    "ceil": spelt('cast(-(-{0} // 1), "int64")', operand=Precedence.ATOM),
    "if": spelt("ops.where({0}, {1}, {2})"),
    "if:real": spelt("where({0}, {1}, {2})"),
    "and": spelt("ops.logical_and({0}, {1})"),
    "or": spelt("ops.logical_or({0}, {1})"),
    "not": spelt("ops.logical_not({0})"),
    "at": spelt('_entry({0}, {1}, "int64")'),
    "at:real": spelt('_entry({0}, {1}, "float64")'),
    "reached": spelt("_reached({0}, {1})"),
    "product": spelt(
        '_entry(list(itertools.accumulate({0}, operator.mul, initial=1.0)), {1}, "float64")'
    ),
    "total": spelt('_entry(list(itertools.accumulate({0}, initial=0)), {1}, "int64")'),
    "total:real": spelt('_entry(list(itertools.accumulate({0}, initial=0.0)), {1}, "float64")'),
    "uniform": spelt("_uniforms({0}, {1})"),
    "inf": spelt("math.inf"),
    "real": spelt('cast({0}, "float64")'),
    "fill": spelt('ops.full_like(step, {0}, dtype="float64")'),
}

STYLE = Style(array=ARRAY, host=MATH, pi="math.pi", casts=True, fills="each")


def _view(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> View:
    plain = Spelled(schedule, schedule.lets, STYLE)
    lets, pieces = guarded_parts(schedule, facts, always, plain.is_host)
    spelled = Spelled(schedule, lets, STYLE)
    lines, chosen = array_body(schedule, lets, pieces, spelled)
    lines += where_chain(chosen, spelled, "where({0}, {1}, {2})", "return {0}")
    view = view_of(
        schedule,
        framework="Keras 3",
        docstring=(
            f"{quantity(schedule)} at update number ``step``, counted from 0, as float32.",
            "",
            *formula_lines(schedule),
            "",
            "Args:",
            *parameter_lines(schedule),
            "    name: Name of the operation.",
            "",
            "Raises:",
            "    ValueError: For a value out of its range, naming it and the rule.",
            *source_lines(schedule),
        ),
        body=fitting(lines, schedule),
        types=PYTHON_TYPES,
        rate_types=PYTHON_TYPES,
        casts=AS_IT_IS,
        companions=KERAS_COMPANIONS,
        always=("contextlib",),
    )
    return replace(view, prelude=prelude((*lines, *view.companions)))


KERAS = Backend(
    "keras", "keras_schedules", "keras_schedules/module.py.jinja", _view, KERAS_OBSERVER
)
