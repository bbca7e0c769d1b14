"""JAX: a schedule for optax, under any transformation, with parameters that may be traced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..expr import Kind
from ..ops import Precedence
from ..ranges import Facts
from ..schedule import Schedule
from .base import (
    PYTHON_TYPES,
    Backend,
    Spelled,
    Style,
    View,
    array_body,
    guarded_parts,
    table_names,
    view_of,
)
from .choice import where_chain
from .companions import JAX as JAX_COMPANIONS
from .host import MATH, Table, spelt
from .jax_observer import Tables, observer
from .layout import COLUMNS, fitting
from .wording import formula_lines, parameter_lines, quantity, source_lines, wrapped

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
    "list": spelt("jnp.array([{all}])"),
    "at": spelt("{0}[{1}]", operand=Precedence.ATOM),
    "at:real": spelt("_entry({0}, {1})"),
    "increasing": spelt("jnp.all(jnp.diff({0}) > 0)"),
    "least": spelt("jnp.min({0}.astype(jnp.float64), initial=jnp.inf)", operand=Precedence.ATOM),
    "greatest": spelt(
        "jnp.max({0}.astype(jnp.float64), initial=-jnp.inf)", operand=Precedence.ATOM
    ),
    "reached": spelt("_reached({0}, {1})"),
    "product": spelt("_product({0}, {1})"),
    "total": spelt("_total({0}, {1})"),
    "cycle_tables": spelt("jnp.array(_cycles({all}))"),
    "uniform": spelt("_uniforms({0}, {1})"),
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
    "steps[]": "Sequence[int] | jax.Array",
    "count[]": "Sequence[int] | jax.Array",
    "rate[]": "Sequence[float] | jax.Array",
    "real[]": "Sequence[float] | jax.Array",
}


def _view(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> View:
    tabled = table_names(schedule.lets)
    plain_names = [
        p.name for p in schedule.parameters if p.name in tabled and p.kind in (Kind.INT, Kind.REAL)
    ]
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
            *_traced(plain_names),
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
        own_types={name: PYTHON_TYPES[schedule.parameter(name).type] for name in plain_names},
        own_casts=dict.fromkeys(plain_names, "{0}"),
        companions=JAX_COMPANIONS,
        call_check=[*_plain_check(plain_names), *_guard(schedule)],
        check_types=_UNTYPED,
    )
    numbers = any(p.kind not in (Kind.BOOL, Kind.WORD) for p in schedule.parameters)
    lists = any(p.entry is not None for p in schedule.parameters)
    imports = [
        *(line for line in view.imports if line.startswith("import ")),
        f"from collections.abc import Callable{', Sequence' if lists else ''}",
        *(["from typing import Any"] if numbers else []),
    ]
    return replace(view, imports=tuple(imports))


_ARRAYS = {kind: "jax.Array" if "Array" in name else name for kind, name in TYPES.items()}
_UNTYPED = {kind: "Any" if "Array" in name else name for kind, name in TYPES.items()}
_CASTS = {
    "steps": "jnp.asarray({0}, jnp.int64)",
    "count": "jnp.asarray({0}, jnp.int64)",
    "rate": "jnp.asarray({0}, jnp.float64)",
    "real": "jnp.asarray({0}, jnp.float64)",
    "flag": "{0}",
    "choice": "{0}",
    "steps[]": "jnp.asarray({0}, jnp.int64)",
    "count[]": "jnp.asarray({0}, jnp.int64)",
    "rate[]": "jnp.asarray({0}, jnp.float64)",
    "real[]": "jnp.asarray({0}, jnp.float64)",
}


def _traced(plain: Sequence[str]) -> list[str]:
    """The sentence on parameters that may be arrays; ``plain`` ones may not."""
    but = f", but for {_listed([f'``{name}``' for name in plain])}" if plain else ""
    sentence = "Parameters that are numbers may be traced or batched arrays; those are not checked."
    return wrapped(sentence.replace(";", f"{but};", 1))


def _plain_check(plain: Sequence[str]) -> list[str]:
    """Statements that refuse arrays where Python makes tables."""
    if not plain:
        return []
    listed = ", ".join(plain) + ("," if len(plain) == 1 else "")
    return [
        f"if not all(isinstance(number, int | float) for number in ({listed})):",
        f'    raise TypeError("no array makes tables: {_listed(plain)}")',
    ]


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _guard(schedule: Schedule) -> list[str]:
    """The call of ``_check`` where all numbers are plain ones; arrays are not checked."""
    given = [p for p in schedule.parameters if p.kind not in (Kind.BOOL, Kind.WORD)]
    numbers = [p.name for p in given]
    call = f"_check({', '.join(p.name for p in schedule.parameters)})"
    if not numbers:
        return list(fitting([call], schedule))
    call_lines = [f"    {line}" for line in fitting([call], schedule, COLUMNS - 8)]
    # A list that is given as one number is a leaf too, and left for the check to refuse.
    opening, closing = ("jax.tree.leaves((", "))") if any(p.entry for p in given) else ("(", ")")
    listed = ", ".join(numbers) + ("," if len(numbers) == 1 else "")
    test = f"if all(isinstance(number, int | float) for number in {opening}{listed}{closing}):"
    if len(test) <= COLUMNS - 4:
        return [test, *call_lines]
    together = f"numbers = {opening}{listed}{closing}"
    apart = [f"numbers = {opening}", *(f"    {name}," for name in numbers), closing]
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
    observer(Tables(STYLE, TYPES, _ARRAYS, _UNTYPED, _CASTS, _guard, _plain_check, _traced)),
)
