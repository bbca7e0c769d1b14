"""Parameters and steps at which formulas are tried: small and awkward ones, reproducible."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice, pairwise
from typing import Any

from .cycles import cycles
from .evaluate import Arithmetic, At, NotFinite
from .expr import STEP, Apply, Expr, Kind, Name, Number, names_in, walk
from .ops import apply
from .schedule import Parameter, Schedule, Value, expand

_LENGTHS = (0, 1, 2, 3, 5, 7, 10, 16, 100, 997, 1_000, 100_003, 2**31 - 7)
_RATES = (0.0, 1e-8, 1e-5, 3e-4, 1e-3, 0.1, 0.5, 1.0, 3.0)
_REALS = (0.0, 1e-6, 0.1, 0.25, 0.5, 0.9, 0.96, 0.999, 0.999999, 1.0, 1.5, 2.0, 3.0, 10.0)
_ENTRIES = (0, 1, 1, 2, 3, 5)
MOST_TRIES = 3_000
MOST_PLACES = 8
MOST_TURNS = 2


def boundaries(schedule: Schedule, values: Mapping[str, Value], exact: Arithmetic) -> list[int]:
    """Steps at which something changes: where a comparison with ``step`` turns, and the first
    multiples of what ``step`` is divided by in integers."""
    found: set[int] = set()
    env = arguments(schedule, values, exact)
    # Before anything was observed: later states may have other boundaries.
    for state in schedule.state:
        with contextlib.suppress(NotFinite):
            env[state.name] = exact.value(state.initial, env)
    value_at = exact.along(env)
    # Lets written out repeat their parts.
    parts = dict.fromkeys(node for expr in _expressions(schedule) for node in walk(expr))
    for node in parts:
        match node:
            case Apply(op="<" | "<=" | ">" | ">=" | "==" | "!=", args=(a, b)):
                for x, y in ((a, b), (b, a)):
                    offset = _offset(x)
                    if offset is not None and "step" not in names_in(y):
                        place = _integer(y, value_at)
                        shift = _integer(offset, value_at)
                        if place is not None and shift is not None:
                            found.add(place - shift)
                if "step" in names_in(node) and _offset(a) is None and _offset(b) is None:
                    found.update(_turns(_told(node, value_at)))
            case Apply(op="min" | "max", args=(a, b)) if "step" in names_in(node):
                # The first step at which both are the same counts, not the one after it.
                order = _ordered(a, b, value_at)
                sides = [list(islice(_turns(_up_to(order, most)), 4)) for most in (-1, 0)]
                turns = [min(pair) for pair in zip(*sides)]
                # One that turns more often follows a cycle, or noise.
                found.update(turns if len(turns) <= MOST_TURNS else ())
            case Apply(op="floor" | "ceil", args=(Apply(op="/", args=(a, b)),)) if (
                a.kind is b.kind is Kind.INT and "step" in names_in(node)
            ):
                found.update(_steps_at((1, 2, 3), node, value_at))
            case Apply(op="reached", args=(places, a)):
                entries = _known(places, value_at) or ()
                found.update(_steps_at(entries[:MOST_PLACES], a, value_at))
            case Apply(op="cycle" | "cycle_start" | "cycle_length", args=(a, *series)):
                found.update(_steps_at(_cycle_starts(series, value_at), a, value_at))
            case Apply(op="%" | "//", args=(a, b)) if "step" in names_in(a):
                length = None if "step" in names_in(b) else _integer(b, value_at)
                if length is not None and length > 0:
                    found.update(_steps_at([k * length for k in (1, 2, 3)], a, value_at))
    return sorted(place for place in found if 0 <= place < 2**62)


def _steps_at(places: Iterable[int], clock: Expr, value_at: At) -> Iterator[int]:
    """The first steps at which ``clock`` has come to ``places``, where it never goes back."""

    def reads(step: int) -> int | None:
        return _integer(clock, value_at, step)

    for place in places:
        before, at = -1, 2**62
        while at - before > 1:
            middle = (before + at) // 2
            now = reads(middle)
            if now is None:
                return
            before, at = (before, middle) if now >= place else (middle, at)
        if at < 2**62:
            yield at


def _cycle_starts(series: Sequence[Expr], value_at: At) -> list[int]:
    """The first boundaries of growing cycles, and some far ones."""
    operands = [_known(operand, value_at) for operand in series]
    if None in operands:
        return []
    first, growth, *rounding = operands
    try:
        table = cycles(first, float(growth), *(rounding or ["boundary"]))
    except ValueError:
        return []
    last, length = table.starts[-1], table.lengths[-1]
    starts = [*table.starts[1:], *(last + k * length for k in (1, 2, 3))]
    far = [place for place in starts if place < 2**53][-2:]
    return [*starts[:4], *far]


def _told(condition: Expr, value_at: At) -> Callable[[int], bool | None]:
    """Whether ``condition`` holds at a step; None where it has no value."""

    @cache
    def holds(step: int) -> bool | None:
        value = _known(condition, value_at, step)
        return None if value is None else bool(value)

    return holds


def _ordered(a: Expr, b: Expr, value_at: At) -> Callable[[int], int | None]:
    """-1, 0 or 1 as ``a`` is less than, equal to or greater than ``b`` at a step."""

    @cache
    def order(step: int) -> int | None:
        left = _known(a, value_at, step)
        right = None if left is None else _known(b, value_at, step)
        return None if right is None else (left > right) - (left < right)

    return order


def _up_to(order: Callable[[int], int | None], most: int) -> Callable[[int], bool | None]:
    def holds(step: int) -> bool | None:
        found = order(step)
        return None if found is None else found <= most

    return holds


def _turns(holds: Callable[[int], bool | None]) -> Iterator[int]:
    """Steps at which something becomes true or false, between powers of two that differ."""
    spans = list(pairwise([0, *(2**k for k in range(63))]))
    while spans:
        left, right = spans.pop()
        if holds(left) != holds(right):
            if right - left == 1:
                yield right
            else:
                middle = (left + right) // 2
                spans += [(left, middle), (middle, right)]


def _expressions(schedule: Schedule) -> Iterator[Expr]:
    for piece in schedule.pieces:
        yield expand(piece.value, schedule.lets)
        if piece.condition is not None:
            yield expand(piece.condition, schedule.lets)


def _offset(expr: Expr) -> Expr | None:
    """``c`` of ``step + c`` and ``-c`` of ``step - c``, which has no step in it; else None."""
    match expr:
        case Name() if expr == STEP:
            return Number(0)
        case Apply(op="+", args=(a, b)) if a == STEP and "step" not in names_in(b):
            return b
        case Apply(op="-", args=(a, b)) if a == STEP and "step" not in names_in(b):
            return apply("neg", b)
    return None


def _integer(expr: Expr, value_at: At, step: int | None = None) -> int | None:
    value = _known(expr, value_at, step)
    return value if isinstance(value, int) else None


def _known(expr: Expr, value_at: At, step: int | None = None) -> Any:
    """The value at ``step``, or what parameters alone decide; None where there is none."""
    if step is None and "step" in names_in(expr):
        return None
    try:
        return value_at(expr, step or 0)
    except (NotFinite, KeyError):
        return None


def arguments(schedule: Schedule, values: Mapping[str, Value], exact: Arithmetic) -> dict[str, Any]:
    """Parameter values as the exact evaluator takes them."""
    return {p.name: _argument(p, values[p.name], exact) for p in schedule.parameters}


def _argument(parameter: Parameter, value: Any, exact: Arithmetic) -> Any:
    match parameter.kind:
        case Kind.REAL:
            return exact.real(float(value))
        case Kind.REALS:
            return tuple(exact.real(float(entry)) for entry in value)
        case Kind.INTS:
            return tuple(value)
    return value


def allowed(schedule: Schedule, values: Mapping[str, Value], exact: Arithmetic) -> str | None:
    """The text of the first requirement that ``values`` break, or None."""
    env = arguments(schedule, values, exact)
    for requirement in schedule.requirements:
        try:
            if not exact.value(requirement.condition, env):
                return requirement.text
        except NotFinite:
            return requirement.text
    return None


def draws(schedule: Schedule, count: int, exact: Arithmetic) -> list[dict[str, Value]]:
    """Up to ``count`` parameter sets that satisfy the requirements: defaults and examples first."""
    result: list[dict[str, Value]] = [schedule.defaults]
    result += [dict(example.values) for example in schedule.examples]
    source = random.Random(f"lrgen {schedule.name}")
    for _ in range(MOST_TRIES):
        if len(result) >= count or not schedule.parameters:
            break
        length = source.choice(_ENTRIES)
        values = {p.name: _draw(p, source, length) for p in schedule.parameters}
        if values not in result and allowed(schedule, values, exact) is None:
            result.append(values)
    return result


def _draw(parameter: Parameter, source: random.Random, length: int) -> Value:
    """A value; lists are about ``length`` long, and rising as often as not."""
    if parameter.entry is not None:
        one: Value = 1 if parameter.kind is Kind.INTS else 1.0
        entry = replace(parameter.entry, default=one)
        count = length + source.choice((0, 0, 1))
        drawn = [_draw_one(entry, source) for _ in range(count)]
        unique = sorted(set(drawn))
        return tuple(unique if len(unique) == count or source.random() < 0.3 else drawn)
    value: Value = _draw_one(parameter, source)
    return value


def _draw_one(parameter: Parameter, source: random.Random) -> Any:
    match parameter.type:
        case "steps":
            return source.choice((*_LENGTHS, parameter.default, source.randrange(50)))
        case "count":
            return source.choice((*_LENGTHS, -1, parameter.default))
        case "rate":
            return source.choice((*_RATES, parameter.default, source.random()))
        case "real":
            pick: Any = source.choice((*_REALS, parameter.default, source.random()))
            return -pick if source.random() < 0.1 else pick
        case "flag":
            return source.random() < 0.5
        case "choice":
            return source.choice(parameter.words)
    raise AssertionError(f"a {parameter.type} is no single value")


def steps_near(places: Sequence[int], seed: str, more: int) -> list[int]:
    """0 and 1, each place and its neighbours, past the last, and ``more`` random ones between."""
    last = places[-1] if places else 100
    found = {0, 1, 2, last + 2, 2 * last, 10 * last + 3}
    for place in places:
        found |= {place - 1, place, place + 1}
    source = random.Random(seed)
    found |= {source.randrange(last + 2) for _ in range(more)}
    found |= {2**24 + 1, 2**31 - 1, 2**53}
    return sorted(step for step in found if step >= 0)
