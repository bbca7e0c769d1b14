"""Whether every operator of a formula has operands that it can take, as far as facts tell."""

from __future__ import annotations

from .expr import Apply, Expr, Kind, Number
from .ops import apply
from .ranges import Facts
from .terms import length_of

LARGEST_EXPONENT = 700
"""exp(700) is about 1e304, close to the end of binary64."""


def is_finite(expr: Expr, facts: Facts) -> bool:
    """Whether every operator in ``expr`` surely has finite real operands it can take."""
    if not isinstance(expr, Apply) or expr.op in ("least", "greatest"):
        return True
    if expr.op == "if":
        condition, yes, no = expr.args
        # What cannot be decided cheaply is asked last.
        return (
            is_finite(condition, facts)
            and (is_finite(yes, facts.given(condition)) or facts.decided(condition) is False)
            and (is_finite(no, facts.given(condition, False)) or facts.decided(condition) is True)
        )
    if not all(is_finite(arg, facts) for arg in expr.args):
        return False
    match expr.op, expr.args:
        case (("/" | "//" | "%"), (_, b)):
            return _is_positive(b, facts) or _is_positive(apply("neg", b), facts)
        case "sqrt", (a,):
            return facts.nonnegative(a)
        case "log", (a,):
            return _is_positive(a, facts)
        case "log1p", (a,):
            return _is_positive(apply("+", a, Number(1)), facts)
        case (("exp" | "expm1"), (a,)):
            top = facts.range(a).high
            return top is not None and top[0] <= LARGEST_EXPONENT
        case "at", (values, index):
            inside = apply("-", apply("-", length_of(values), Number(1)), index)
            return facts.nonnegative(index) and facts.nonnegative(inside)
        case (("product" | "total"), (values, count)):
            return (
                facts.nonnegative(count)
                and facts.nonnegative(apply("-", length_of(values), count))
                and (expr.op == "total" or facts.range(expr).finite)
            )
        case (("cycle" | "cycle_start" | "cycle_length"), (place, first, *_)):
            return facts.nonnegative(place) and _is_positive(first, facts)
        case "tan", _:
            return False
        case "inf", _:
            return False
        case "**", (a, b):
            return _power_is_finite(a, b, facts)
    return True


def _is_positive(expr: Expr, facts: Facts) -> bool:
    if facts.range(expr).at_least(0, True):
        return True
    return expr.kind is Kind.INT and facts.nonnegative(apply("-", expr, Number(1)))


def _power_is_finite(a: Expr, b: Expr, facts: Facts) -> bool:
    base, exponent = facts.range(a), facts.range(b)
    rising = exponent.at_least(0) or facts.nonnegative(b)
    if b.kind is Kind.REAL and not facts.nonnegative(a):
        return False
    if not (rising or _is_positive(a, facts)):
        return False
    small = base.at_least(-1) and base.at_most(1)
    large = base.at_least(1)
    bounded = exponent.finite
    if small and rising:
        return True
    if large and exponent.at_most(0):
        return True
    return bounded and (rising or _is_positive(a, facts))
