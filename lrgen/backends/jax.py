"""JAX: a schedule for optax, under any transformation, with parameters that may be traced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..expr import Kind
from ..ops import Precedence
from ..ranges import Facts
from ..schedule import Schedule
from .base import (
    Backend,
    Spelled,
    Style,
    View,
    array_body,
    guarded_parts,
    view_of,
)
from .choice import where_chain
from .host import MATH, Table, spelt
from .jax_observer import Tables, observer
from .layout import COLUMNS, fitting
from .wording import formula_lines, parameter_lines, quantity, source_lines

_SAME = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "expm1", "log1p", "abs")

ARRAY: Table = {
    **{name: spelt(f"jnp.{name}({{0}})") for name in _SAME},
    "min": spelt("jnp.minimum({0}, {1})"),
    "max": spelt("jnp.maximum({0}, {1})"),
    "floor": spelt("jnp.floor({0}).astype(jnp.int64)"),
    "ceil": spelt("jnp.ceil({0}).astype(jnp.int64)"),
    "if": spelt("jnp.where({0}, {1}, {2})"),
    "and": spelt("{0} & {1}", Precedence.COMPARE, Precedence.ATOM),
    "or": spelt("{0} | {1}", Precedence.COMPARE, Precedence.ATOM),
    "not": spelt("~{0}", Precedence.SIGN, Precedence.ATOM),
    "inf": spelt("jnp.inf"),
    "real": spelt("{0}.astype(jnp.float64)", operand=Precedence.ATOM),
    "fill": spelt("jnp.full(step.shape, {0})"),
}
HOST: Table = {**MATH, "inf": spelt("jnp.inf")}

STYLE = Style(
    array=ARRAY,
    host=HOST,
    pi="jnp.pi",
    # Numbers may be traced; what decides which code runs may not.
    host_kinds=frozenset({Kind.BOOL, Kind.WORD}),
)

TYPES = {
    "steps": "ArrayLike",
    "count": "ArrayLike",
    "rate": "ArrayLike",
    "real": "ArrayLike",
    "flag": "bool",
    "choice": "str",
}


def _view(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> View:
    plain = Spelled(schedule, schedule.lets, STYLE)
    lets, pieces = guarded_parts(schedule, facts, always, plain.is_host)
    spelled = Spelled(schedule, lets, STYLE)
    lines, chosen = array_body(schedule, lets, pieces, spelled)
    lines += where_chain(chosen, spelled, "jnp.where({0}, {1}, {2})", "return {0}")
    view = view_of(
        schedule,
        framework="JAX",
        docstring=(
            f"Build a schedule of the {quantity(schedule).lower()}, as optax takes one.",
            "",
            *formula_lines(schedule),
            "",
            "Parameters that are numbers may be traced or batched arrays; those are not checked.",
            "",
            "Args:",
            *parameter_lines(schedule),
            "    dtype: What the binary64 value is rounded to, once.",
            "",
            "Returns:",
            "    A function of the update number, counted from 0: integers of any shape.",
            "",
            "Raises:",
            "    ValueError: For a value out of its range, naming it and the rule.",
            *source_lines(schedule),
        ),
        body=fitting(lines, schedule),
        types=TYPES,
        rate_types=_ARRAYS,
        casts=_CASTS,
        call_check=_guard(schedule),
        check_types=_UNTYPED,
    )
    numbers = any(p.kind in (Kind.INT, Kind.REAL) for p in schedule.parameters)
    return replace(view, prelude=("from typing import Any",) if numbers else ())


_ARRAYS = {kind: "jax.Array" if name == "ArrayLike" else name for kind, name in TYPES.items()}
_UNTYPED = {kind: "Any" if name == "ArrayLike" else name for kind, name in TYPES.items()}
_CASTS = {
    "steps": "jnp.asarray({0}, jnp.int64)",
    "count": "jnp.asarray({0}, jnp.int64)",
    "rate": "jnp.asarray({0}, jnp.float64)",
    "real": "jnp.asarray({0}, jnp.float64)",
    "flag": "{0}",
    "choice": "{0}",
}


def _guard(schedule: Schedule) -> list[str]:
    """The call of ``_check`` where all numbers are plain ones; arrays are not checked."""
    numbers = [p.name for p in schedule.parameters if p.kind in (Kind.INT, Kind.REAL)]
    call = f"_check({', '.join(p.name for p in schedule.parameters)})"
    if not numbers:
        return list(fitting([call], schedule))
    call_lines = [f"    {line}" for line in fitting([call], schedule, COLUMNS - 8)]
    listed = ", ".join(numbers) + ("," if len(numbers) == 1 else "")
    test = f"if all(isinstance(number, int | float) for number in ({listed})):"
    if len(test) <= COLUMNS - 4:
        return [test, *call_lines]
    together = f"numbers = ({listed})"
    apart = ["numbers = (", *(f"    {name}," for name in numbers), ")"]
    return [
        *([together] if len(together) <= COLUMNS - 4 else apart),
        "if all(isinstance(number, int | float) for number in numbers):",
        *call_lines,
    ]


JAX = Backend(
    "jax",
    "jax_schedules",
    "jax_schedules/module.py.jinja",
    _view,
    observer(Tables(STYLE, TYPES, _ARRAYS, _UNTYPED, _CASTS, _guard)),
)
