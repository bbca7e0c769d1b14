"""Linear inequalities over the parts of formulas, and what follows from them (Fourier, Motzkin).

Every part but one is removed by adding up each pair of rows in which it has opposite signs; what
is left bounds the last one. Exact over rationals; rows beyond a limit are forgotten, which loses
conclusions but never makes a false one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from .expr import Expr, Kind
from .intervals import Bound, Range
from .linear import ONE, Parts, added, linear, scaled

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
    table: dict[tuple[tuple[Expr, Fraction], ...], bool] = {}
    order: dict[Expr, int] = {}
    for row in rows:
        for part, _ in row.parts:
            order.setdefault(part, len(order))
        _insert(table, dict(row.parts), row.strict, order)
    unknowns = {p for parts in table for p, _ in parts if p not in (ONE, keep)}
    while unknowns:
        signs: dict[Expr, list[int]] = {u: [0, 0] for u in unknowns}
        for parts in table:
            for part, factor in parts:
                if part in signs:
                    signs[part][factor > 0] += 1
        unknown = min(unknowns, key=lambda u: (signs[u][0] * signs[u][1], order[u]))
        unknowns.discard(unknown)
        above: list[tuple[Parts, bool]] = []
        below: list[tuple[Parts, bool]] = []
        rest: dict[tuple[tuple[Expr, Fraction], ...], bool] = {}
        for parts, strict in table.items():
            known = dict(parts)
            factor = known.get(unknown, Fraction(0))
            if factor == 0:
                rest[parts] = strict
            else:
                (above if factor > 0 else below).append((known, strict))
        table = rest
        if len(above) * len(below) + len(table) > MOST_ROWS:
            continue  # forgetting facts is safe
        for up, up_strict in above:
            for down, down_strict in below:
                both = added(scaled(up, -down[unknown]), scaled(down, up[unknown]))
                _insert(table, both, up_strict or down_strict, order)
    low: Bound | None = None
    high: Bound | None = None
    for parts, strict in table.items():
        known = dict(parts)
        constant = known.get(ONE, Fraction(0))
        factor = known.get(keep, Fraction(0)) if keep is not None else Fraction(0)
        if factor == 0:
            if constant < 0 or (constant == 0 and strict):
                return IMPOSSIBLE
        elif factor > 0:
            bound = (-constant / factor, strict)
            low = bound if low is None or bound > low else low
        else:
            bound = (-constant / factor, strict)
            if high is None or (bound[0], not bound[1]) < (high[0], not high[1]):
                high = bound
    return Range(low, high)


def _insert(
    table: dict[tuple[tuple[Expr, Fraction], ...], bool],
    parts: Parts,
    strict: bool,
    order: dict[Expr, int],
) -> None:
    """Add a row, scaled so that equal rows are found equal."""
    size = next((abs(f) for p, f in parts.items() if p != ONE), None)
    if size is None:
        constant = parts.get(ONE, Fraction(0))
        if constant > 0 or (constant == 0 and not strict):
            return
        size = abs(constant) or Fraction(1)
    key = tuple(
        sorted(
            ((p, f / size) for p, f in parts.items()),
            key=lambda item: order.setdefault(item[0], len(order)),
        )
    )
    table[key] = table.get(key, False) or strict
