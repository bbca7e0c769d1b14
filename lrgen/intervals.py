"""Intervals of exact rationals, and what sums, products and cases make of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

Bound = tuple[Fraction, bool]
"""A finite bound and whether it is open (never reached)."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a value; None where none is known."""

    low: Bound | None = None
    high: Bound | None = None

    def at_least(self, value: int, strictly: bool = False) -> bool:
        """Whether every value is >= ``value`` (> when ``strictly``)."""
        if self.low is None:
            return False
        bound, is_open = self.low
        return bound > value or (bound == value and (is_open or not strictly))

    def at_most(self, value: int, strictly: bool = False) -> bool:
        """Whether every value is <= ``value`` (< when ``strictly``)."""
        if self.high is None:
            return False
        bound, is_open = self.high
        return bound < value or (bound == value and (is_open or not strictly))

    @property
    def finite(self) -> bool:
        return self.low is not None and self.high is not None


ANYTHING = Range()


def meet(a: Range, b: Range) -> Range:
    """Both hold."""
    low = a.low
    if b.low is not None and (low is None or b.low > low):
        low = b.low
    tops = [bound for bound in (a.high, b.high) if bound is not None]
    high = min(tops, key=lambda bound: (bound[0], not bound[1])) if tops else None
    return Range(low, high)


def join(a: Range, b: Range) -> Range:
    """Either holds."""
    low = min(a.low, b.low) if a.low is not None and b.low is not None else None
    high = None
    if a.high is not None and b.high is not None:
        high = max(a.high, b.high, key=lambda bound: (bound[0], not bound[1]))
    return Range(low, high)


def inverse(positive: Range) -> Range:
    assert positive.low is not None
    low: Bound = (Fraction(0), True)
    if positive.high is not None:
        low = (1 / positive.high[0], positive.high[1])
    high = (1 / positive.low[0], positive.low[1]) if positive.low[0] > 0 else None
    return Range(low, high)


def times(a: Range, b: Range) -> Range:
    """Products of bounds; a missing bound counts as infinite."""

    def corner(x: Bound | None, xs: int, y: Bound | None, ys: int) -> tuple[float | Fraction, bool]:
        zero = (x is not None and x[0] == 0) or (y is not None and y[0] == 0)
        if zero:
            closed = any(c is not None and c[0] == 0 and not c[1] for c in (x, y))
            return Fraction(0), not closed
        sign_x = xs if x is None else (1 if x[0] > 0 else -1)
        sign_y = ys if y is None else (1 if y[0] > 0 else -1)
        if x is None or y is None:
            return float("inf") * sign_x * sign_y, True
        return x[0] * y[0], x[1] or y[1]

    corners = [
        corner(x, xs, y, ys)
        for x, xs in ((a.low, -1), (a.high, 1))
        for y, ys in ((b.low, -1), (b.high, 1))
    ]
    low = min(corners, key=lambda c: (c[0], c[1]))
    high = max(corners, key=lambda c: (c[0], not c[1]))
    return Range(
        None if isinstance(low[0], float) else (low[0], low[1]),
        None if isinstance(high[0], float) else (high[0], high[1]),
    )
