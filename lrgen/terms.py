"""Sums and products seen flat, so that a rule need not care in which order an author wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .expr import Apply, Expr, Kind, Number
from .ops import apply

Term = tuple[int, Expr]
"""A sign (1 or -1) and what it stands before."""


def sum_terms(expr: Expr) -> list[Term]:
    """``a - (b - c)`` as ``+a -b +c``."""
    match expr:
        case Apply(op="+", args=(a, b)):
            return sum_terms(a) + sum_terms(b)
        case Apply(op="-", args=(a, b)):
            return sum_terms(a) + [(-sign, term) for sign, term in sum_terms(b)]
        case Apply(op="neg", args=(a,)):
            return [(-sign, term) for sign, term in sum_terms(a)]
    return [(1, expr)]


def sum_of(terms: Sequence[Term]) -> Expr:
    """The sum of signed terms, in their order; a leading minus is avoided where one can be."""
    if not terms:
        return Number(0)
    ordered = list(terms)
    if ordered[0][0] < 0:
        first = next((i for i, (sign, _) in enumerate(ordered) if sign > 0), None)
        if first is not None:
            ordered.insert(0, ordered.pop(first))
    sign, result = ordered[0]
    if sign < 0:
        result = apply("neg", result)
    for sign, term in ordered[1:]:
        result = apply("+" if sign > 0 else "-", result, term)
    return result


@dataclass(frozen=True, slots=True)
class Product:
    """``sign * coefficient * above / below``, factors in their order."""

    sign: int
    coefficient: Fraction
    above: tuple[Expr, ...]
    below: tuple[Expr, ...]

    def expr(self) -> Expr:
        """The product as a tree: ``2 * a * b / c``."""
        result: Expr | None = None
        whole, part = self.coefficient.numerator, self.coefficient.denominator
        if whole != 1:
            result = Number(whole)
        for factor in self.above:
            result = factor if result is None else apply("*", result, factor)
        if result is None:
            result = Number(whole)
        for factor in (*((Number(part),) if part != 1 else ()), *self.below):
            result = apply("/", result, factor)
        return apply("neg", result) if self.sign < 0 else result


def product(expr: Expr) -> Product:
    """``expr`` as one flat product; whole numbers and halves become the coefficient."""
    match expr:
        case Number(value=value) if value and (isinstance(value, int) or value in _DYADIC):
            return Product(1, Fraction(value), (), ())
        case Apply(op="neg", args=(a,)):
            inner = product(a)
            return Product(-inner.sign, inner.coefficient, inner.above, inner.below)
        case Apply(op="*", args=(a, b)):
            return times(product(a), product(b))
        case Apply(op="/", args=(a, b)):
            below = product(b)
            if below.below:
                return times(product(a), Product(1, Fraction(1), (), (b,)))
            return times(product(a), Product(below.sign, 1 / below.coefficient, (), below.above))
    return Product(1, Fraction(1), (expr,), ())


def times(a: Product, b: Product) -> Product:
    """Both, side by side."""
    return Product(
        a.sign * b.sign, a.coefficient * b.coefficient, a.above + b.above, a.below + b.below
    )


def is_whole(expr: Expr) -> bool:
    """Whether ``expr`` is an integer."""
    return expr.kind is Kind.INT


_DYADIC = {0.125, 0.25, 0.5, 2.0, 4.0, 8.0, 1.0}
