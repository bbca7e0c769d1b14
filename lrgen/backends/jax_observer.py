"""JAX, for schedules that remember: pure functions over a NamedTuple of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..expr import Apply, Expr, Kind, Name, names_in, rebuild
from ..ops import Precedence
from ..ranges import Facts
from ..schedule import Schedule, Update
from .base import (
    PYTHON_TYPES,
    Observer,
    Spelled,
    Style,
    array_body,
    guarded_parts,
    table_names,
)
from .choice import where_chain
from .companions import JAX as JAX_COMPANIONS
from .host import spelt
from .layout import COLUMNS, fitting
from .remembering import (
    RememberingView,
    closing_lines,
    initial_lines,
    memory_lines,
    rate_names,
    remembering_view,
    update_lines,
)
from .wording import formula_lines, quantity, wrapped


@dataclass(frozen=True, slots=True)
class Tables:
    """What closed-form schedules of JAX are spelt with.

    Attributes:
        style: Operators.
        types: Of parameters in the signature that people see, by parameter type.
        inner_types: Of parameters of the functions that compute.
        check_types: Of parameters of ``_check``.
        casts: How a parameter is handed to a function that computes, over ``{0}``.
        guard: The call of ``_check`` where all numbers are plain ones.
        plain_check: Refuses arrays where Python makes tables from the parameters named.
        traced: The sentence on parameters that may be arrays; those named may not.
    """

    style: Style
    types: Mapping[str, str]
    inner_types: Mapping[str, str]
    check_types: Mapping[str, str]
    casts: Mapping[str, str]
    guard: Callable[[Schedule], list[str]]
    plain_check: Callable[[Sequence[str]], list[str]]
    traced: Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True, slots=True)
class FunctionsView:
    """What the template of the functions places.

    Attributes:
        call_check: The call of ``_check`` where all numbers are plain ones.
        state: (name, dtype) of each state.
        start: ``name=value,`` for each state, before the first observation.
        taken: Each state as 64 bits.
        kept: ``name=value,`` for each state, as it is remembered.
        observe_fields: ``name: type,`` for each parameter that an update needs.
        observe_casts: Each of them as an update wants it.
        rate_call: Parameters of the function ``rate``, and their types.
        rate_fields: ``name: type,`` for what the rate needs.
        rate_casts: Each of them as the function that computes the rate wants it.
        rate_type: The type of the function ``rate``.
        rounded: The helper that keeps a product from being fused with a sum, where there is one.
    """

    call_check: tuple[str, ...]
    state: tuple[tuple[str, str], ...]
    start: tuple[str, ...]
    taken: tuple[str, ...]
    kept: tuple[str, ...]
    observe_fields: tuple[str, ...]
    observe_casts: tuple[str, ...]
    rate_call: str
    rate_fields: tuple[str, ...]
    rate_casts: tuple[str, ...]
    rate_type: str
    rounded: tuple[str, ...]


def observer(tables: Tables) -> Observer:
    """How JAX emits schedules that remember."""
    return Observer("jax_schedules/observer.py.jinja", partial(_view, tables))


def _view(
    tables: Tables, schedule: Schedule, facts: Sequence[Facts], always: Facts
) -> RememberingView:
    array = {
        **tables.style.array,
        "rounded": spelt("_rounded({0})"),
        "array": spelt("jnp.asarray({0})"),
    }
    if not schedule.uses_step:  # parameters are arrays, and there is no step to take a shape from
        array["fill"] = spelt("{0}", Precedence.TERNARY)
    style = replace(tables.style, array=array, host={**tables.style.host, "array": array["array"]})
    initial = initial_lines(schedule, style)
    lines = _as_arrays(_unfused(schedule.update), Spelled(schedule, (), style))
    apart = replace(schedule, update=lines)
    update = update_lines(apart, style, width=COLUMNS - 4)
    return remembering_view(
        schedule,
        framework="JAX",
        docstring=_docstring(schedule, tables.traced(_plain(schedule))),
        initial=initial,
        update=update,
        rate=_rate(schedule, style, facts, always),
        types=tables.types,
        check_types=tables.check_types,
        companions=JAX_COMPANIONS,
        more=_functions(schedule, tables, initial, update),
    )


def _rate(
    schedule: Schedule, style: Style, facts: Sequence[Facts], always: Facts
) -> tuple[str, ...]:
    plain = Spelled(schedule, schedule.lets, style)
    lets, pieces = guarded_parts(schedule, facts, always, plain.is_host)
    spelled = Spelled(schedule, lets, style)
    lines, chosen = array_body(schedule, lets, pieces, spelled)
    lines += where_chain(chosen, spelled, "jnp.where({0}, {1}, {2})", "return {0}")
    return fitting(lines, schedule)


def _functions(
    schedule: Schedule, tables: Tables, initial: Sequence[str], update: Sequence[str]
) -> FunctionsView:
    states = {state.name: state.kind for state in schedule.state}
    plain = _plain(schedule)
    parameters = [p.name for p in schedule.parameters]
    types = {p.name: tables.inner_types[p.type] for p in schedule.parameters}
    types |= {name: PYTHON_TYPES[schedule.parameter(name).type] for name in plain}
    types |= dict.fromkeys(states, "jax.Array")
    casts = {p.name: tables.casts[p.type].format(p.name) for p in schedule.parameters}
    casts |= {name: name for name in plain}
    casts |= {name: _taken(name, kind) for name, kind in states.items()}
    read = set().union(*(names_in(line.value) for line in schedule.update))
    needed = [name for name in parameters if name in read]
    for_rate = rate_names(schedule)
    starts = [line.partition(" = ")[2] for line in initial]
    clock = ("step: ArrayLike", "step: jax.Array,", "jnp.asarray(step, jnp.int64),")
    with_clock = clock if schedule.uses_step else None
    return FunctionsView(
        call_check=(*tables.plain_check(plain), *tables.guard(schedule)),
        state=tuple((name, _KEPT[kind].removeprefix("jnp.")) for name, kind in states.items()),
        start=tuple(
            f"{name}=jnp.asarray({value}, {_KEPT[kind]}),"
            for (name, kind), value in zip(states.items(), starts, strict=True)
        ),
        taken=tuple(f"{name} = {_taken(name, kind)}" for name, kind in states.items()),
        kept=tuple(f"{name}=jnp.asarray({name}, {_KEPT[kind]})," for name, kind in states.items()),
        observe_fields=tuple(f"{name}: {types[name]}," for name in needed),
        observe_casts=tuple(f"{casts[name]}," for name in needed),
        rate_call=", ".join(["state: State", *(with_clock or ())[:1]]),
        rate_fields=(
            *(with_clock or ())[1:2],
            *(f"{name}: {types[name]}," for name in for_rate),
        ),
        rate_casts=(*(with_clock or ())[2:], *(f"{casts[name]}," for name in for_rate)),
        rate_type=_RATE_TYPES[schedule.uses_step],
        rounded=_ROUNDED if any("_rounded(" in line for line in update) else (),
    )


def _plain(schedule: Schedule) -> list[str]:
    """Parameters that Python makes tables from."""
    made = table_names(schedule.lets)
    numbers = (Kind.INT, Kind.REAL)
    return [p.name for p in schedule.parameters if p.name in made and p.kind in numbers]


def _taken(name: str, kind: Kind) -> str:
    return f"jnp.asarray(state.{name}, {_TAKEN[kind]})"


# -- products that stay apart ----------------------------------------------------------------


def _unfused(update: Sequence[Update]) -> tuple[Update, ...]:
    """The lines with each product rounded that a compiler could fuse with a sum, as XLA does."""
    added = {name for line in update for name in _added_names(line.value)}
    lines = []
    for line in update:
        value = _rounded(line.value) if line.name in added else line.value
        lines.append(replace(line, value=_apart(value)))
    return tuple(lines)


def _as_arrays(update: Sequence[Update], spelled: Spelled) -> tuple[Update, ...]:
    """The lines with numbers that Python holds, such as a flag that is set, as arrays."""
    return tuple(
        replace(line, value=Apply("array", (line.value,), line.value.kind))
        if spelled.is_host(line.value)
        else line
        for line in update
    )


def _added_names(expr: Expr) -> Iterator[str]:
    """Names that are operands of sums of real numbers."""
    if isinstance(expr, Apply):
        for arg in expr.args:
            term = _unsigned(arg)
            if expr.op in ("+", "-") and expr.kind is Kind.REAL and isinstance(term, Name):
                yield term.id
            yield from _added_names(arg)


def _apart(expr: Expr) -> Expr:
    expr = rebuild(expr, _apart)
    if isinstance(expr, Apply) and expr.op in ("+", "-") and expr.kind is Kind.REAL:
        return rebuild(expr, _rounded)
    return expr


def _rounded(expr: Expr) -> Expr:
    """A product, or minus one, rounded before it is added."""
    match expr:
        case Apply(op="*", kind=Kind.REAL):
            return Apply("rounded", (expr,), Kind.REAL)
        case Apply(op="neg", args=(_,)):
            return rebuild(expr, _rounded)
    return expr


def _unsigned(expr: Expr) -> Expr:
    match expr:
        case Apply(op="neg", args=(inner,)):
            return _unsigned(inner)
    return expr


# -- words -----------------------------------------------------------------------------------


def _docstring(schedule: Schedule, traced: Sequence[str]) -> list[str]:
    closing = closing_lines(schedule)
    end = closing.index("")
    return [
        f"Build a memory of what is observed, and the {quantity(schedule).lower()} from it.",
        "",
        *formula_lines(schedule),
        "",
        *memory_lines(schedule),
        "",
        *wrapped(_INTRO.format(observes=schedule.observes)),
        "",
        *traced,
        "",
        *closing[:end],
        "    dtype: What the binary64 value is rounded to, once.",
        "",
        "Returns:",
        *wrapped(_RETURNS[schedule.uses_step].format(observes=schedule.observes), "    ", "    "),
        *closing[end:],
    ]


_INTRO = (
    "The functions are pure, for ``jit``, ``scan`` and ``vmap``. They compute in 64 bits whatever "
    "the global setting; ``{observes}`` is taken as float32."
)
_RETURNS = {
    False: "``init()``, ``update(state, {observes})`` and ``rate(state)``.",
    True: (
        "``init()``, ``update(state, {observes})`` and ``rate(state, step)``, where ``step`` is "
        "the update number, counted from 0."
    ),
}
_RATE_TYPES = {
    False: "Callable[[State], jax.Array]",
    True: "Callable[[State, ArrayLike], jax.Array]",
}
_KEPT = {Kind.INT: "jnp.int32", Kind.REAL: "jnp.float32", Kind.BOOL: "jnp.bool_"}
_TAKEN = {Kind.INT: "jnp.int64", Kind.REAL: "jnp.float64", Kind.BOOL: "jnp.bool_"}
_ROUNDED = (
    "",
    "",
    "def _rounded(product: jax.Array) -> jax.Array:",
    '    """``product`` as it is: XLA would fuse it with the sum, and what is near a threshold',
    '    would be decided otherwise than without ``jit``."""',
    "    return jnp.where(product == product, product, jnp.nan)",
)
