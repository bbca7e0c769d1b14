"""Sums of multiples: exact linear arithmetic over a formula's parts.

``total_steps - (step - warmup_steps)`` is a sum of names with whole factors; whatever is not a sum
(a product of two names, a function, a quotient) counts as one unknown part.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from .expr import Apply, Expr, Kind, Number
from .ops import apply

Parts = Mapping[Expr, Fraction | int]
ONE: Expr = Number(1)


@lru_cache(maxsize=1 << 13)
def linear(expr: Expr) -> Parts:
    """``expr`` as parts with factors; the constant stands under ``ONE``. Zero factors are gone."""
    # Whole factors stay plain integers: fractions took a tenth of a build's time.
    match expr:
        case Number(value=value) if value != float("inf"):
            return {ONE: _exact(value)} if value else {}
        case Apply(op="neg", args=(a,)):
            return scaled(linear(a), -1)
        case Apply(op="+", args=(a, b)):
            return added(linear(a), linear(b))
        case Apply(op="-", args=(a, b)):
            return added(linear(a), scaled(linear(b), -1))
        case Apply(op="*", args=(a, b)):
            left, right = linear(a), linear(b)
            for factor, other in ((left, right), (right, left)):
                if set(factor) <= {ONE}:
                    return scaled(other, factor.get(ONE, 0))
        case Apply(op="/", args=(a, b)):
            divisor = linear(b)
            if set(divisor) == {ONE}:
                return scaled(linear(a), Fraction(1) / divisor[ONE])
    return {expr: 1}


def _exact(value: int | float) -> Fraction | int:
    return int(value) if value == int(value) else Fraction(value)


def scaled(parts: Parts, factor: Fraction | int) -> Parts:
    """Every factor times ``factor``."""
    return {part: f * factor for part, f in parts.items()} if factor else {}


def added(a: Parts, b: Parts) -> Parts:
    """The sum of both."""
    result = dict(a)
    for part, factor in b.items():
        total = result.get(part, 0) + factor
        if total:
            result[part] = total
        else:
            result.pop(part, None)
    return result


def difference(a: Expr, b: Expr) -> Expr:
    """``a - b`` for integers, without what cancels: ``(total - w) - (step - w)`` is
    ``total - step``. Left as it stands where nothing cancels."""
    plain = apply("-", a, b)
    parts = linear(plain)
    if len(parts) >= len(linear(a)) + len(linear(b)):
        return plain
    rebuilt = spelled(parts)
    return plain if rebuilt is None else rebuilt


def spelled(parts: Parts) -> Expr | None:
    """Integer parts as an expression, positive ones first; None unless all factors are whole."""
    if any(f.denominator != 1 for f in parts.values()) or any(
        p.kind is not Kind.INT for p in parts
    ):
        return None
    ordered = [(p, f) for p, f in parts.items() if p is not ONE and p != ONE]
    ordered.sort(key=lambda item: item[1] < 0)
    if ONE in parts:
        # A positive constant ends the sum; it leads only where all else is subtracted.
        constant = (ONE, parts[ONE])
        leads = parts[ONE] > 0 and all(f < 0 for _, f in ordered)
        ordered = [constant, *ordered] if leads else [*ordered, constant]
    result: Expr | None = None
    for part, factor in ordered:
        size = abs(int(factor))
        term: Expr = Number(size) if part == ONE else part
        if part != ONE and size != 1:
            term = apply("*", Number(size), part)
        if result is None:
            result = term if factor > 0 else apply("neg", term)
        else:
            result = apply("+" if factor > 0 else "-", result, term)
    return result if result is not None else Number(0)
