"""The author's formula over exact integers and mpmath reals: what every other number is held to.

Integers stay Python integers; reals are mpmath floats of as many digits as the caller asks for,
and the binary64 values of parameters enter exactly.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath

from .cycles import Cycles, cycles
from .expr import Apply, Expr, Kind, Name, Number, Word, names_in
from .hashing import uniform

MOST_BITS = 1 << 16
"""Integers larger than this are no steps any more, and would cost time and memory."""
MOST_EXPONENT = 2**80
MOST_RUNS = 10_000
LARGEST = 2**1024 - 2**970
At = Callable[[Expr, int], Any]
"""The value of a formula at a step."""
Real = Any  # mpmath.mpf, which has no type of its own to name
Value = Any


class NotFinite(ArithmeticError):
    """An operator got operands for which it has no finite real value."""

    def __init__(self, node: Apply, fact: str) -> None:
        super().__init__(fact)
        self.node = node
        self.fact = fact


class _Outside(Exception):
    """Operands that an operator has no value for: the fact."""


class _Contexts(threading.local):
    """mpmath's own state by its number of digits: to make one takes longer than most formulas do.

    While it computes a function it changes its precision, so that each thread has its own.
    """

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def of(self, digits: int) -> Any:
        if digits not in self._made:
            self._made[digits] = mpmath.MPContext()
            self._made[digits].dps = digits
        return self._made[digits]


_CONTEXTS = _Contexts()


class Arithmetic:
    """Exact evaluation with ``digits`` decimal digits for reals."""

    def __init__(self, digits: int = 60) -> None:
        mp = self.context = _CONTEXTS.of(digits)
        self.largest = mp.mpf(LARGEST)
        self._runs: dict[tuple[int, frozenset[str] | None], tuple[Expr, _Run]] = {}
        self.table: dict[str, Callable[..., Value]] = {
            "neg": operator.neg,
            "not": operator.not_,
            "+": operator.add,
            "-": operator.sub,
            "*": self._product,
            "/": lambda a, b: (a if type(a) is mp.mpf else mp.mpf(a)) / b,
            "//": operator.floordiv,
            "%": operator.mod,
            "**": self._power,
            "<": operator.lt,
            "<=": operator.le,
            ">": operator.gt,
            ">=": operator.ge,
            "==": operator.eq,
            "!=": operator.ne,
            "exp": mp.exp,
            "log": mp.log,
            "sqrt": mp.sqrt,
            "sin": mp.sin,
            "cos": mp.cos,
            "tan": mp.tan,
            "tanh": mp.tanh,
            "expm1": mp.expm1,
            "log1p": mp.log1p,
            "abs": abs,
            "min": min,
            "max": max,
            "list": lambda *entries: entries,
            "at": _entry,
            "len": len,
            "increasing": lambda xs: all(a < b for a, b in pairwise(xs)),
            "least": lambda xs: min(xs, default=mp.inf),
            "greatest": lambda xs: max(xs, default=-mp.inf),
            "reached": lambda xs, place: sum(1 for x in xs if x <= place),
            "product": lambda xs, n: mp.fprod(_first(xs, n)),
            "total": lambda xs, n: sum(_first(xs, n)),
            "cycle": lambda *place: _cycle(*place)[0],
            "cycle_start": lambda *place: _cycle(*place)[1],
            "cycle_length": lambda *place: _cycle(*place)[2],
            "cycle_starts": lambda *series: _series(*series).starts,
            "cycle_lengths": lambda *series: _series(*series).lengths,
            "uniform": self._uniform,
            "floor": lambda x: x if isinstance(x, int) else math.floor(float(x)),
            "ceil": lambda x: x if isinstance(x, int) else math.ceil(float(x)),
            "pi": lambda: +mp.pi,
            "inf": lambda: mp.inf,
            "True": lambda: True,
            "False": lambda: False,
        }

    def real(self, value: int | float | str) -> Real:
        """``value``, exactly."""
        return self.context.mpf(value)

    def decimal(self, value: Real, digits: int) -> str:
        """``value`` in decimal, with ``digits`` digits and no zeros at the end."""
        return str(self.context.nstr(value, digits, strip_zeros=True))

    def _uniform(self, seed: int, step: int) -> Real:
        number = uniform(seed, step)
        return self.context.mpf(number.numerator) / number.denominator

    def _product(self, a: Value, b: Value) -> Value:
        whole = isinstance(a, int) and isinstance(b, int)
        if whole and a.bit_length() + b.bit_length() > MOST_BITS:
            return self.context.mpf(a) * b
        return a * b

    def _power(self, base: Value, exponent: Value) -> Value:
        whole = isinstance(base, int) and isinstance(exponent, int) and exponent >= 0
        if whole and base.bit_length() * exponent <= MOST_BITS:
            return base**exponent
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
        if abs(exponent) > MOST_EXPONENT and abs(base) not in (0, 1):
            # Beyond every binary64 either way, and slow to find out to the last digit.
            if (abs(base) > 1) == (exponent > 0):
                raise OverflowError
            return self.context.mpf(0)
        if base == 0 and exponent == 0:
            return self.context.mpf(1)
        return self.context.mpf(base) ** exponent

    def checked(self, node: Apply, result: Value, operands: Sequence[Value]) -> Value:
        """``result`` of ``node`` over ``operands``.

        Raises:
            NotFinite: Unless it is a finite number, or comes from infinite operands.
        """
        if isinstance(result, bool | int | str | tuple):
            return result
        if isinstance(result, complex | self.context.mpc):
            raise NotFinite(node, f"'{node.op}' has no real value")
        endless = node.op in ("inf", "least", "greatest")
        infinite_operand = any(_is_infinite(o) for o in operands)
        if self.context.isnan(result) or (
            self.context.isinf(result) and not endless and not infinite_operand
        ):
            raise NotFinite(node, f"'{node.op}' has no finite value")
        if abs(result) > self.largest and not infinite_operand and not endless:
            raise NotFinite(node, f"'{node.op}' is larger than binary64 can hold")
        return result

    def value(
        self, expr: Expr, values: Mapping[str, Value], lets: Sequence[tuple[str, Expr]] = ()
    ) -> Value:
        """The value of ``expr``.

        Args:
            expr: Any resolved formula.
            values: ``step`` and every parameter; integers, mpmath reals, booleans, words.
            lets: Named parts, each computed at most once and only when needed.

        Raises:
            NotFinite: Where a part that is needed has no finite real value.
        """
        return self.run(expr, None)(_Place(self, dict(values), dict(lets), None, {}))

    def along(self, values: Mapping[str, Value], lets: Sequence[tuple[str, Expr]] = ()) -> At:
        """:meth:`value` as a function of a formula and a step, with everything else the same.

        What does not change from step to step is computed once.
        """
        parts = dict(lets)
        varying = {"step"}
        for name, value in lets:
            if not varying.isdisjoint(names_in(value)):
                varying.add(name)
        changing, kept = frozenset(varying), dict[object, Value]()

        def at(expr: Expr, step: int) -> Value:
            place = _Place(self, {**values, "step": step}, parts, changing, kept)
            return self.run(expr, changing)(place)

        return at

    def run(self, expr: Expr, varying: frozenset[str] | None) -> _Run:
        """``expr`` as a function of a place; what has none of ``varying`` is kept between places.

        A formula is taken apart once, not at every step.
        """
        key = (id(expr), varying)  # an equal one may stand in another column
        known = self._runs.get(key)
        if known is None:
            if len(self._runs) >= MOST_RUNS:
                self._runs.clear()
            run, varies = _Compiler(self, varying).compiled(expr)
            known = self._runs[key] = (expr, run if varies else _kept(run))
        return known[1]


@dataclass(slots=True)
class _Place:
    """Where formulas are computed: the values of names, and what the lets stand for.

    ``kept`` holds what is the same wherever only the ``varying`` names differ.
    """

    arithmetic: Arithmetic
    values: dict[str, Value]
    lets: Mapping[str, Expr]
    varying: frozenset[str] | None
    kept: dict[object, Value]

    def let(self, name: str) -> Value:
        """The value of a let, from now on a name like any other."""
        value = self.kept.get(name, _MISSING)
        if value is _MISSING:
            value = self.arithmetic.run(self.lets[name], self.varying)(self)
            if self.varying is not None and name not in self.varying:
                self.kept[name] = value
        self.values[name] = value
        return value


_Run = Callable[[_Place], Value]
_MISSING = object()


def _kept(run: _Run) -> _Run:
    """``run``, computed at the first place only."""
    key = object()

    def kept(place: _Place) -> Value:
        value = place.kept.get(key, _MISSING)
        if value is _MISSING:
            value = place.kept[key] = run(place)
        return value

    return kept


class _Compiler:
    """Makes functions of formulas; those of one formula share what their parts have in common."""

    def __init__(self, arithmetic: Arithmetic, varying: frozenset[str] | None) -> None:
        self.arithmetic = arithmetic
        self.real = arithmetic.context.mpf
        self.varying = varying
        self.done: dict[int, tuple[_Run, bool]] = {}

    def compiled(self, expr: Expr) -> tuple[_Run, bool]:
        """The function, and whether its value changes from place to place."""
        known = self.done.get(id(expr))
        if known is None:
            known = self.done[id(expr)] = self._compiled(expr)
        return known

    def _compiled(self, expr: Expr) -> tuple[_Run, bool]:
        match expr:
            case Number(value=value):
                number = value if isinstance(value, int) else self.arithmetic.real(value)
                return (lambda place: number), False
            case Word(text=text):
                return (lambda place: text), False
            case Name(id=name):
                return _named(name), self.varying is None or name in self.varying
            case Apply(op="floor" | "ceil" as op, args=(Apply(op="/", args=(a, b)),)) if (
                a.kind is b.kind is Kind.INT
            ):
                (above, below), varies = self._parts((a, b))
                return _whole_quotient(expr, op, above, below), varies
            case Apply(op=op, args=args):
                parts, varies = self._parts(args)
                if op in _LAZY:
                    return _LAZY[op](*parts), varies
                return self._operation(expr, parts), varies
        raise TypeError(f"{type(expr).__name__} has no value before it is inlined")

    def _parts(self, args: tuple[Expr, ...]) -> tuple[list[_Run], bool]:
        found = [self.compiled(arg) for arg in args]
        varies = any(changes for _, changes in found)
        return [
            _kept(run) if varies and not changes and isinstance(arg, Apply) else run
            for arg, (run, changes) in zip(args, found)
        ], varies

    def _operation(self, node: Apply, parts: list[_Run]) -> _Run:
        function = self.arithmetic.table[node.op]
        real, checked = self.real, self.arithmetic.checked

        def run(place: _Place) -> Value:
            operands = [part(place) for part in parts]
            try:
                result = function(*operands)
            except _ERRORS as error:
                raise _failure(node, error) from None
            kind = type(result)
            if kind is bool or kind is int:
                return result
            if kind is real:
                _, mantissa, exponent, width = result._mpf_
                # Below 2**1023 or zero: no infinity, no NaN and not too large.
                if exponent + width < 1024 if mantissa else not exponent:
                    return result
            return checked(node, result, operands)

        return run


def _named(name: str) -> _Run:
    def run(place: _Place) -> Value:
        values = place.values
        return values[name] if name in values else place.let(name)

    return run


def _if(condition: _Run, yes: _Run, no: _Run) -> _Run:
    return lambda place: yes(place) if condition(place) else no(place)


def _and(a: _Run, b: _Run) -> _Run:
    return lambda place: a(place) and b(place)


def _or(a: _Run, b: _Run) -> _Run:
    return lambda place: a(place) or b(place)


_ERRORS = (_Outside, ZeroDivisionError, OverflowError, ValueError, TypeError)
_LAZY: dict[str, Callable[..., _Run]] = {"if": _if, "and": _and, "or": _or}
"""Operators that do not need all of their operands."""


def _whole_quotient(node: Apply, op: str, above: _Run, below: _Run) -> _Run:
    """The quotient of integers needs no rounding first: it is exact."""

    def run(place: _Place) -> Value:
        a, b = above(place), below(place)
        if b == 0:
            raise NotFinite(node, "the division is by 0")
        return a // b if op == "floor" else -(-a // b)

    return run


def _failure(node: Apply, error: Exception) -> NotFinite:
    """What an operator's own error means."""
    match error:
        case _Outside():
            return NotFinite(node, str(error))
        case ZeroDivisionError():
            return NotFinite(node, "the division is by 0")
        case OverflowError():
            return NotFinite(node, f"'{node.op}' is larger than binary64 can hold")
    return NotFinite(node, f"'{node.op}' has no value")


def _entry(values: Sequence[Value], index: int) -> Value:
    if not 0 <= index < len(values):
        raise _Outside(f"the index {index} is outside of a list of {len(values)} entries")
    return values[index]


def _first(values: Sequence[Value], count: int) -> Sequence[Value]:
    if not 0 <= count <= len(values):
        raise _Outside(f"the first {count} of a list of {len(values)} entries")
    return values[:count]


def _cycle(step: int, first: int, growth: Value, rounding: str = "boundary") -> tuple[int, ...]:
    if step < 0:
        raise _Outside(f"no cycle holds step {step}")
    return _series(first, growth, rounding).holding(step)


def _series(first: int, growth: Value, rounding: str = "boundary") -> Cycles:
    try:
        return cycles(first, float(growth), rounding)
    except ValueError as error:
        raise _Outside(str(error)) from None


def _is_infinite(operand: Value) -> bool:
    return not isinstance(operand, str | tuple) and abs(operand) == math.inf
