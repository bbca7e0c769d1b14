"""The author's formula over exact integers and mpmath reals: what every other number is held to.

Integers stay Python integers; reals are mpmath floats of as many digits as the caller asks for,
and the binary64 values of parameters enter exactly.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import mpmath

from .cycles import Cycles, cycles
from .expr import Apply, Expr, Kind, Name, Number, Word
from .hashing import uniform

MOST_BITS = 1 << 16
"""Integers larger than this are no steps any more, and would cost time and memory."""
MOST_EXPONENT = 2**80
LARGEST = 2**1024 - 2**970
Real = Any  # mpmath.mpf, which has no type of its own to name
Value = Any


class NotFinite(ArithmeticError):
    """An operator got operands for which it has no finite real value."""

    def __init__(self, node: Apply, fact: str) -> None:
        super().__init__(fact)
        self.node = node
        self.fact = fact


class Arithmetic:
    """Exact evaluation with ``digits`` decimal digits for reals."""

    def __init__(self, digits: int = 60) -> None:
        self.context = mpmath.MPContext()
        self.context.dps = digits
        mp = self.context
        self.largest = mp.mpf(LARGEST)
        self.table: dict[str, Callable[..., Value]] = {
            "neg": operator.neg,
            "not": operator.not_,
            "+": operator.add,
            "-": operator.sub,
            "*": self._product,
            "/": lambda a, b: mp.mpf(a) / mp.mpf(b),
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
        return _Evaluation(self, values, dict(lets)).value(expr)


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


class _Outside(Exception):
    """Operands that an operator has no value for: the fact."""


class _Evaluation:
    def __init__(
        self, arithmetic: Arithmetic, values: Mapping[str, Value], lets: Mapping[str, Expr]
    ) -> None:
        self.arithmetic = arithmetic
        self.values = dict(values)
        self.lets = lets

    def value(self, expr: Expr) -> Value:
        match expr:
            case Number(value=value):
                return value if isinstance(value, int) else self.arithmetic.real(value)
            case Word(text=text):
                return text
            case Name(id=name):
                if name not in self.values:
                    self.values[name] = self.value(self.lets[name])
                return self.values[name]
            case Apply(op="if", args=(condition, yes, no)):
                return self.value(yes if self.value(condition) else no)
            case Apply(op="and", args=(a, b)):
                return self.value(a) and self.value(b)
            case Apply(op="or", args=(a, b)):
                return self.value(a) or self.value(b)
            case Apply(op="floor" | "ceil" as op, args=(Apply(op="/", args=(a, b)),)) if (
                a.kind is b.kind is Kind.INT
            ):
                # The quotient of integers needs no rounding first: it is exact.
                above, below = self.value(a), self.value(b)
                if below == 0:
                    raise NotFinite(expr, "the division is by 0")
                return above // below if op == "floor" else -(-above // below)
            case Apply():
                return self.apply(expr)
        raise TypeError(f"{type(expr).__name__} has no value before it is inlined")

    def apply(self, node: Apply) -> Value:
        operands = [self.value(arg) for arg in node.args]
        try:
            result = self.arithmetic.table[node.op](*operands)
        except _Outside as error:
            raise NotFinite(node, str(error)) from None
        except ZeroDivisionError:
            raise NotFinite(node, "the division is by 0") from None
        except OverflowError:
            raise NotFinite(node, f"'{node.op}' is larger than binary64 can hold") from None
        except (ValueError, TypeError):
            raise NotFinite(node, f"'{node.op}' has no value") from None
        if isinstance(result, bool | int | str | tuple):
            return result
        if isinstance(result, complex | self.arithmetic.context.mpc):
            raise NotFinite(node, f"'{node.op}' has no real value")
        endless = node.op in ("inf", "least", "greatest")
        infinite_operand = any(_is_infinite(o) for o in operands)
        if self.arithmetic.context.isnan(result) or (
            self.arithmetic.context.isinf(result) and not endless and not infinite_operand
        ):
            raise NotFinite(node, f"'{node.op}' has no finite value")
        if abs(result) > self.arithmetic.largest and not infinite_operand and not endless:
            raise NotFinite(node, f"'{node.op}' is larger than binary64 can hold")
        return result
