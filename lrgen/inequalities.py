"""Linear inequalities over the parts of formulas, and what follows from them (Fourier, Motzkin).

Every part but one is removed by adding up each pair of rows in which it has opposite signs; what
is left bounds the last one. Exact over rationals; rows beyond a limit are forgotten, which loses
conclusions but never makes a false one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from .expr import Expr, Kind
from .intervals import Bound, Range
from .linear import ONE, added, linear, scaled

MOST_ROWS = 400


@dataclass(frozen=True, slots=True)
class Row:
    """``sum of parts >= 0``, or ``> 0`` when strict."""

    parts: tuple[tuple[Expr, Fraction], ...]
    strict: bool


class Impossible:
    """The facts contradict each other."""


IMPOSSIBLE = Impossible()


def inequality(greater: Expr, less: Expr, strict: bool) -> Row:
    parts = added(linear(greater), scaled(linear(less), Fraction(-1)))
    if strict and greater.kind is Kind.INT and less.kind is Kind.INT:
        # Between integers a > b is a >= b + 1, which says more over the rationals.
        return Row(tuple(added(parts, {ONE: Fraction(-1)}).items()), False)
    return Row(tuple(parts.items()), strict)


def connected(rows: Iterable[Row], target: Expr) -> list[Row]:
    """The rows that share a part with the target, directly or through others."""
    remaining = [(row, {p for p, _ in row.parts if p != ONE}) for row in rows]
    reached: set[Expr] = {target}
    result: list[Row] = []
    while True:
        new = [(row, parts) for row, parts in remaining if parts & reached]
        if not new:
            return result
        remaining = [(row, parts) for row, parts in remaining if not parts & reached]
        for row, parts in new:
            result.append(row)
            reached |= parts


def eliminate(rows: list[Row], keep: Expr | None) -> Range | Impossible:
    """Remove every part but ``keep``; what is left are its bounds."""
    # Parts are numbered in the order of their first use and factors are whole, without a common
    # divisor: most of a build's time went into fractions and into the hashes of trees.
    numbers: dict[Expr, int] = {ONE: _ONE}
    if keep is not None:
        numbers[keep] = _KEEP
    table: _Table = {}
    for row in rows:
        scale = math.lcm(*(factor.denominator for _, factor in row.parts))
        whole = {
            numbers.setdefault(part, len(numbers) + 1): int(factor * scale)
            for part, factor in row.parts
        }
        _insert(table, whole, row.strict)
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
