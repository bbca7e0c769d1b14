"""Find a rule's pattern in a formula, in whichever order the author wrote sums and products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from .expr import Apply, Expr, Kind, Name, Number
from .terms import Product, Term, is_whole, product, sum_of, sum_terms

Binding = dict[str, Expr]
_SUMS = ("+", "-", "neg")
_PRODUCTS = ("*", "/")


@dataclass(frozen=True, slots=True)
class Found:
    """A match: what the letters stand for, and the terms of a sum that it leaves over."""

    binding: Binding
    rest: tuple[Term, ...] = ()
    position: int = 0


def find(pattern: Expr, target: Expr, lets: Mapping[str, Expr]) -> Found | None:
    """Match at the root of ``target``; a sum may have further terms.

    Args:
        pattern: A rule's ``before``; its names are letters that stand for any part.
        target: A formula.
        lets: What the lets in it stand for; a pattern may look through them.
    """
    if isinstance(pattern, Apply) and pattern.op in _SUMS:
        if not (isinstance(target, Apply) and target.op in _SUMS):
            return None
        wanted, terms = sum_terms(pattern), sum_terms(target)
        for binding, left in _match_terms(wanted, terms, {}, lets):
            rest = tuple(term for index, term in enumerate(terms) if index in left)
            position = min(i for i in range(len(terms)) if i not in left)
            before = sum(1 for i in left if i < position)
            return Found(binding, rest, before)
        return None
    for binding in _match(pattern, target, {}, lets):
        return Found(binding)
    return None


def _match(
    pattern: Expr, target: Expr, binding: Binding, lets: Mapping[str, Expr]
) -> Iterator[Binding]:
    match pattern:
        case Name(id=letter):
            if letter in binding:
                if binding[letter] == target:
                    yield binding
            elif pattern.kind is not Kind.INT or is_whole(target):
                yield {**binding, letter: target}
            return
        case Number(value=value):
            if isinstance(target, Number) and target.value == value:
                yield binding
            return
    assert isinstance(pattern, Apply)
    if isinstance(target, Name) and target.id in lets:
        target = lets[target.id]
    if pattern.op in _SUMS:
        yield from _match_sum(pattern, target, binding, lets)
    elif pattern.op in _PRODUCTS:
        yield from _match_product(pattern, target, binding, lets)
    elif isinstance(target, Apply) and target.op == pattern.op:
        if len(target.args) != len(pattern.args):
            return
        orders = [target.args]
        if pattern.op in ("min", "max"):
            orders.append(target.args[::-1])
        for args in orders:
            yield from _match_all(list(zip(pattern.args, args)), binding, lets)


def _match_all(
    pairs: list[tuple[Expr, Expr]], binding: Binding, lets: Mapping[str, Expr]
) -> Iterator[Binding]:
    if not pairs:
        yield binding
        return
    (pattern, target), *others = pairs
    for extended in _match(pattern, target, binding, lets):
        yield from _match_all(others, extended, lets)


def _match_sum(
    pattern: Apply, target: Expr, binding: Binding, lets: Mapping[str, Expr]
) -> Iterator[Binding]:
    """All terms of the target are used; a lone letter such as ``x`` in ``1 + x`` takes the rest."""
    wanted, terms = sum_terms(pattern), sum_terms(target)
    takes_rest = [t for s, t in wanted if isinstance(t, Name) and t.id not in binding and s > 0]
    for extended, left in _match_terms(wanted, terms, binding, lets):
        if not left:
            yield extended
    if len(takes_rest) == 1 and len(terms) > len(wanted):
        letter = takes_rest[0]
        others = [(s, t) for s, t in wanted if t is not letter]
        for extended, left in _match_terms(others, terms, binding, lets):
            rest = sum_of([terms[i] for i in sorted(left)])
            if letter.kind is not Kind.INT or is_whole(rest):
                yield {**extended, letter.id: rest}


def _match_terms(
    wanted: list[Term], terms: list[Term], binding: Binding, lets: Mapping[str, Expr]
) -> Iterator[tuple[Binding, frozenset[int]]]:
    """Give each wanted term one of the target's; yields what is left over."""

    def search(
        index: int, left: frozenset[int], known: Binding
    ) -> Iterator[tuple[Binding, frozenset[int]]]:
        if index == len(ordered):
            yield known, left
            return
        sign, pattern = ordered[index]
        for place in sorted(left):
            other, term = terms[place]
            flat = product(term)
            # -(a * b) may hide its sign inside the product.
            if sign == other * flat.sign:
                plain = Product(1, flat.coefficient, flat.above, flat.below).expr()
                candidate = plain if flat.sign < 0 else term
                for extended in _match(pattern, candidate, known, lets):
                    yield from search(index + 1, left - {place}, extended)

    # The most telling terms first, so that a letter does not take what another term needs.
    ordered = sorted(wanted, key=lambda term: isinstance(term[1], Name))
    yield from search(0, frozenset(range(len(terms))), binding)


def _match_product(
    pattern: Apply, target: Expr, binding: Binding, lets: Mapping[str, Expr]
) -> Iterator[Binding]:
    wanted, flat = product(pattern), product(target)
    letters = [p for p in wanted.above if isinstance(p, Name) and p.id not in binding]
    if [p.kind for p in (*wanted.above, *wanted.below)] == [Kind.INT, Kind.INT] and letters:
        yield from _match_quotient(wanted, flat, binding, lets)
        return
    if flat.sign != wanted.sign:
        return
    if wanted.below and any(isinstance(p, Name) and p.kind is Kind.INT for p in wanted.below):
        yield from _match_ramp(wanted, flat, binding, lets)
        return
    fixed = [p for p in wanted.above if p not in letters]

    def search(
        index: int, above: tuple[Expr, ...], known: Binding
    ) -> Iterator[tuple[Binding, tuple[Expr, ...]]]:
        if index == len(fixed):
            yield known, above
            return
        for place, factor in enumerate(above):
            for extended in _match(fixed[index], factor, known, lets):
                yield from search(index + 1, above[:place] + above[place + 1 :], extended)

    coefficient = flat.coefficient / wanted.coefficient
    if wanted.coefficient != 1 and coefficient != 1:
        return
    for extended, rest in search(0, flat.above, binding):
        if wanted.below:
            continue
        remainder = Product(1, coefficient, rest, flat.below)
        if len(letters) == 1:
            value = remainder.expr()
            if letters[0].kind is not Kind.INT or is_whole(value):
                yield {**extended, letters[0].id: value}
        elif not letters and remainder == Product(1, Fraction(1), (), ()):
            yield extended


def _match_quotient(
    wanted: Product, flat: Product, binding: Binding, lets: Mapping[str, Expr]
) -> Iterator[Binding]:
    """``i / j``: a quotient of integers, however many factors it has."""
    above, below = _through(flat, lets)
    divided = below or flat.coefficient.denominator != 1
    if not divided or not all(is_whole(factor) for factor in (*above, *below)):
        return
    i, j = wanted.above[0], wanted.below[0]
    assert isinstance(i, Name) and isinstance(j, Name)
    sign = wanted.sign * flat.sign
    top = Product(sign, Fraction(flat.coefficient.numerator), above, ()).expr()
    bottom = Product(1, Fraction(flat.coefficient.denominator), below, ()).expr()
    for extended in _match(i, top, binding, lets):
        yield from _match(j, bottom, extended, lets)


def _match_ramp(
    wanted: Product, flat: Product, binding: Binding, lets: Mapping[str, Expr]
) -> Iterator[Binding]:
    """``(b - a) * i / j``: the integers of the product are ``i``, what is divided by is ``j``."""
    real = [f for f in flat.above if not is_whole(f)]
    whole = tuple(f for f in flat.above if is_whole(f))
    divided = flat.below or flat.coefficient.denominator != 1
    if len(real) != 1 or not divided or not whole or not all(map(is_whole, flat.below)):
        return
    span = next(p for p in wanted.above if not isinstance(p, Name))
    i = next(p for p in wanted.above if isinstance(p, Name))
    j = wanted.below[0]
    top = Product(1, Fraction(flat.coefficient.numerator), whole, ()).expr()
    bottom = Product(1, Fraction(flat.coefficient.denominator), flat.below, ()).expr()
    for extended in _match(span, real[0], binding, lets):
        for more in _match(i, top, extended, lets):
            yield from _match(j, bottom, more, lets)


def _through(flat: Product, lets: Mapping[str, Expr]) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
    """The factors, with lets that are quotients of integers written out."""
    above: list[Expr] = []
    below: list[Expr] = list(flat.below)
    for factor in flat.above:
        inner = product(lets[factor.id]) if isinstance(factor, Name) and factor.id in lets else None
        if inner is not None and inner.below and inner.sign > 0 and inner.coefficient == 1:
            above.extend(inner.above)
            below.extend(inner.below)
        else:
            above.append(factor)
    return tuple(above), tuple(below)
