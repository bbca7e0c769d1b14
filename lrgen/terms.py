"""The shapes of formulas: sums and products seen flat, so that nobody need care in which order an
author wrote them, angles in turns, and what is linear in a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .expr import Apply, Expr, Kind, Number, children, rebuild
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


def length_of(values: Expr) -> Expr:
    """How many entries a list has: a number where the list is written out."""
    match values:
        case Apply(op="list", args=entries):
            return Number(len(entries))
        case Apply(op="cycle_lengths", args=series):
            return apply("len", Apply("cycle_starts", series, Kind.INTS))
    return apply("len", values)


def turns_of(angle: Expr) -> Expr | None:
    """``u`` of an angle ``pi * u``, whichever way the product is written; else None."""
    match angle:
        case Apply(op="pi"):
            return Number(1)
        case Apply(op="*", args=(a, b)):
            left = turns_of(a)
            if left is not None:
                return b if left == Number(1) else apply("*", left, b)
            right = turns_of(b)
            if right is not None:
                return a if right == Number(1) else apply("*", a, right)
        case Apply(op="/", args=(a, b)):
            above = turns_of(a)
            if above is not None:
                return apply("/", above, b)
        case Apply(op="neg", args=(a,)):
            inner = turns_of(a)
            return None if inner is None else apply("neg", inner)
    return None


def folded(expr: Expr) -> Expr:
    """Products with 0 and 1 and sums with 0 carried out, for reasoning only."""
    expr = rebuild(expr, folded)
    match expr:
        case Apply(op="*", args=(a, b)):
            for x, y in ((a, b), (b, a)):
                if isinstance(x, Number) and x.value == 0:
                    return Number(0)
                if isinstance(x, Number) and x.value == 1:
                    return y
        case Apply(op="+", args=(a, b)):
            for x, y in ((a, b), (b, a)):
                if isinstance(x, Number) and x.value == 0:
                    return y
    return expr


def with_quotients(expr: Expr) -> Expr:
    """``peak * step / warmup`` as ``peak * (step / warmup)``: the quotient of integers is bounded,
    the product above it is not."""
    expr = rebuild(expr, with_quotients)
    if not (isinstance(expr, Apply) and expr.op == "/"):
        return expr
    flat = product(expr)
    above = [f for f in flat.above if f.kind is Kind.INT]
    if not flat.below or not above or len(above) == len(flat.above):
        return expr
    if any(f.kind is not Kind.INT for f in flat.below):
        return expr
    quotient = Product(1, flat.coefficient, tuple(above), flat.below).expr()
    others = tuple(f for f in flat.above if f.kind is not Kind.INT)
    return Product(flat.sign, Fraction(1), (*others, quotient), ()).expr()


def replaced(expr: Expr, part: Expr, by: Expr) -> Expr:
    """``expr`` with ``by`` in place of ``part``."""
    return by if expr == part else rebuild(expr, lambda child: replaced(child, part, by))


def constant_of(value: Fraction) -> Expr:
    """A rational number as an expression."""
    if value.denominator == 1:
        size: Expr = Number(abs(int(value)))
    else:
        size = apply("/", Number(abs(value.numerator)), Number(value.denominator))
    return apply("neg", size) if value < 0 else size


def is_linear_in(expr: Expr, part: Expr) -> bool:
    """Whether ``part`` occurs, and only under + - neg and products or quotients by the rest."""
    return _linear_in(expr, part) is True


def _linear_in(expr: Expr, part: Expr) -> bool | None:
    """As :func:`is_linear_in`; None where ``part`` does not occur at all."""
    if expr == part:
        return True
    found = [_linear_in(child, part) for child in children(expr)]
    inside = [one for one in found if one is not None]
    if not inside:
        return None
    match expr:
        case Apply(op="+" | "-" | "neg"):
            return all(inside)
        case Apply(op="*"):
            return len(inside) == 1 and inside[0]
        case Apply(op="/"):
            return len(inside) == 1 and found[0] is True
    return False


_DYADIC = {0.125, 0.25, 0.5, 2.0, 4.0, 8.0, 1.0}
