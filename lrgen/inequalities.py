"""Linear inequalities over the parts of formulas, and what follows from them (Fourier, Motzkin).

Conditions become rows, and rows that share no part are kept apart.

Every part but one is removed by adding up each pair of rows in which it has opposite signs; what
is left bounds the last one. Exact over rationals; rows beyond a limit are forgotten, which loses
conclusions but never makes a false one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from .expr import Apply, Expr, Kind, Name, walk
from .intervals import Bound, Range
from .linear import ONE, Parts, added, linear, scaled
from .ops import apply
from .terms import length_of

MOST_ROWS = 400


@dataclass(frozen=True, slots=True)
class Row:
    """``sum of parts >= 0``, or ``> 0`` when strict; factors are whole. See :func:`row`."""

    parts: tuple[tuple[Expr, int], ...]
    strict: bool
    unknowns: tuple[Expr, ...] = field(init=False, repr=False, compare=False)
    digest: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unknowns = tuple(part for part, _ in self.parts if part != ONE)
        object.__setattr__(self, "unknowns", unknowns)
        object.__setattr__(self, "digest", hash((self.parts, self.strict)))

    def __hash__(self) -> int:
        return self.digest


def row(parts: Parts, strict: bool) -> Row:
    """``sum of parts >= 0``, or ``> 0`` when strict: times what makes its factors whole."""
    scale = math.lcm(*(factor.denominator for factor in parts.values()))
    return Row(tuple((part, int(factor * scale)) for part, factor in parts.items()), strict)


class Impossible:
    """The facts contradict each other."""


IMPOSSIBLE = Impossible()


@lru_cache(maxsize=1 << 12)
def inequality(greater: Expr, less: Expr, strict: bool) -> Row:
    """``greater >= less``, or ``greater > less`` when strict."""
    parts = added(linear(greater), scaled(linear(less), -1))
    if strict and greater.kind is Kind.INT and less.kind is Kind.INT:
        # Between integers a > b is a >= b + 1, which says more over the rationals.
        return row(added(parts, {ONE: -1}), False)
    return row(parts, strict)


def rows_of(condition: Expr, holds: bool) -> tuple[tuple[Row, ...], tuple[tuple[Expr, Expr], ...]]:
    """What a condition says in rows, and in pairs of equals; what it says otherwise is left out."""
    match condition:
        case Name(kind=Kind.BOOL):
            return (), ((condition, apply(str(holds))),)
        case Apply(op="not", args=(a,)):
            return rows_of(a, not holds)
        case Apply(op="increasing"):
            return (), ((condition, apply(str(holds))),)
        case Apply(op="and" | "or" as op, args=(a, b)) if (op == "and") == holds:
            left, right = rows_of(a, holds), rows_of(b, holds)
            return (*left[0], *right[0]), (*left[1], *right[1])
        case Apply(op="and" | "or"):
            # Not linear, but known when the very same condition is asked for.
            return (), ((condition, apply(str(holds))),)
        case Apply(op="<" | "<=" | ">" | ">=" as op, args=(a, b)):
            less, greater, strict = (a, b, op == "<") if op[0] == "<" else (b, a, op == ">")
            if not holds:
                less, greater, strict = greater, less, not strict
            if any(n == Apply("inf", (), Kind.REAL) for n in walk(apply("-", greater, less))):
                return (), ()
            return (inequality(greater, less, strict),), ()
        case Apply(op="==" | "!=" as op, args=(a, b)) if (op == "==") == holds:
            if Kind.WORD in (a.kind, b.kind):
                return (), (((a, b) if isinstance(a, Name) else (b, a)),)
            if Kind.BOOL in (a.kind, b.kind):
                return (), ()
            return (inequality(a, b, False), inequality(b, a, False)), ()
    return (), ()


@dataclass(frozen=True, slots=True)
class Group:
    """Facts that share parts, directly or through others, and all that these may say more of."""

    parts: frozenset[Expr]
    rows: list[Row]


def grouped(rows: Iterable[Row]) -> dict[Expr, Group]:
    """The group of each part that a row, or what is learned of its parts, may speak of."""
    result: dict[Expr, Group] = {}
    for one in rows:
        parts = {near for part in one.unknowns for near in around(part)}
        together = [one]
        for group in {id(g): g for part in parts if (g := result.get(part))}.values():
            parts |= group.parts
            together = [*group.rows, *together]
        result |= dict.fromkeys(parts, Group(frozenset(parts), together))
    return result


@lru_cache(maxsize=4096)
def around(part: Expr) -> frozenset[Expr]:
    """``part`` with every part that what is learned of it may speak of."""
    named: list[Expr] = []
    match part:
        case Apply(op="%" | "//" | "min" | "max" | "floor" | "ceil", args=args):
            named += args
        case Apply(op="at", args=(values, index)):
            named += [apply("least", values), apply("greatest", values)]
            named += [
                node.args[1]
                for node in walk(index)
                if isinstance(node, Apply) and node.op == "reached"
            ]
        case Apply(op="reached", args=(places, _)):
            named.append(length_of(places))
        case Apply(op="cycle_start", args=(step, *_)):
            named += [step, Apply("cycle_length", part.args, Kind.INT)]
        case Apply(op="cycle_length", args=(_, first, *_)):
            named.append(first)
    inner = {near for expr in named for near in linear(expr) if near not in (ONE, part)}
    return frozenset({part}).union(*map(around, inner))


def connected(rows: Iterable[Row], target: Expr) -> list[Row]:
    """The rows that share a part with the target, directly or through others."""
    remaining = list(rows)
    reached: set[Expr] = {target}
    result: list[Row] = []
    while True:
        new = [one for one in remaining if not reached.isdisjoint(one.unknowns)]
        if not new:
            return result
        remaining = [one for one in remaining if reached.isdisjoint(one.unknowns)]
        for one in new:
            result.append(one)
            reached.update(one.unknowns)


@dataclass(slots=True)
class Effort:
    """How many rows were taken up or added up."""

    spent: int = 0


def eliminate(rows: list[Row], keep: Expr | None, effort: Effort) -> Range | Impossible:
    """Remove every part but ``keep``; what is left are its bounds."""
    effort.spent += len(rows)
    # Parts are numbered in the order of their first use and factors are whole, without a common
    # divisor: most of a build's time went into fractions and into the hashes of trees.
    numbers: dict[Expr, int] = {ONE: _ONE}
    if keep is not None:
        numbers[keep] = _KEEP
    table: _Table = {}
    for one in rows:
        whole = {numbers.setdefault(p, len(numbers) + 1): factor for p, factor in one.parts}
        _insert(table, whole, one.strict)
    unknowns = {part for parts in table for part, _ in parts if part > _KEEP}
    while unknowns:
        signs: dict[int, list[int]] = {u: [0, 0] for u in unknowns}
        for parts in table:
            for part, factor in parts:
                if part in signs:
                    signs[part][factor > 0] += 1
        unknown = min(unknowns, key=lambda u: (signs[u][0] * signs[u][1], u))
        unknowns.discard(unknown)
        above: list[tuple[dict[int, int], bool]] = []
        below: list[tuple[dict[int, int], bool]] = []
        rest: _Table = {}
        for parts, strict in table.items():
            known = dict(parts)
            factor = known.get(unknown, 0)
            if factor == 0:
                rest[parts] = strict
            else:
                (above if factor > 0 else below).append((known, strict))
        table = rest
        if len(above) * len(below) + len(table) > MOST_ROWS:
            continue  # forgetting facts is safe
        effort.spent += len(above) * len(below) + len(table)
        for up, up_strict in above:
            for down, down_strict in below:
                _insert(table, _without(unknown, up, down), up_strict or down_strict)
    return _bounds(table)


_ONE, _KEEP = 0, 1
_Table = dict[tuple[tuple[int, int], ...], bool]


def _without(unknown: int, up: dict[int, int], down: dict[int, int]) -> dict[int, int]:
    """The sum of both rows in which ``unknown`` cancels."""
    times_up, times_down = -down[unknown], up[unknown]
    both = {part: factor * times_up for part, factor in up.items()}
    for part, factor in down.items():
        both[part] = both.get(part, 0) + factor * times_down
    return {part: factor for part, factor in both.items() if factor}


def _bounds(table: _Table) -> Range | Impossible:
    """What rows that hold nothing but a constant and the part to keep say of it."""
    low: Bound | None = None
    high: Bound | None = None
    for parts, strict in table.items():
        known = dict(parts)
        constant, factor = known.get(_ONE, 0), known.get(_KEEP, 0)
        if factor == 0:
            if constant < 0 or (constant == 0 and strict):
                return IMPOSSIBLE
            continue
        bound = (Fraction(-constant, factor), strict)
        if factor > 0:
            low = bound if low is None or bound > low else low
        elif high is None or (bound[0], not bound[1]) < (high[0], not high[1]):
            high = bound
    return Range(low, high)


def _insert(table: _Table, parts: dict[int, int], strict: bool) -> None:
    """Add a row, divided such that equal rows are found equal."""
    if parts.keys() <= {_ONE}:
        constant = parts.get(_ONE, 0)
        if constant > 0 or (constant == 0 and not strict):
            return
    divisor = math.gcd(*parts.values()) or 1
    key = tuple(sorted((part, factor // divisor) for part, factor in parts.items()))
    table[key] = table.get(key, False) or strict
