"""Where two schedules part: decided by exact values, found with binary64."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..describe import DIGITS as SHOWN_DIGITS
from ..describe import Curve
from ..expr import Expr, Name, substitute
from ..plot.places import Outline
from ..plot.schedules import Shown
from ..schedule import expand
from ..vectors import exact_value
from .places import Place, boundaries_of, steps_to_compare

MOST_EXACT = 10_000
"""Steps at which two curves that are equal in binary64 are told apart exactly: some seconds."""
MOST_LARGEST = 16
SAME = 1e-30
"""Of the larger value. What 50 digits do not tell apart, more digits may, or never do."""
DIGITS = 120
SMALLEST = 2.0**-1022
Reals = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Parted:
    """Where two curves differ; all None where they are equal.

    Attributes:
        first: The first step at which they do.
        largest: Where the absolute difference is largest, the first such step.
        share: Where the relative one is.
        float32: The first step at which their nearest float32 differ.
        end: The last step of the part that was compared closely.
        words: Which steps were compared, and how.
    """

    first: Place | None
    largest: Place | None
    share: Place | None
    float32: int | None
    end: int
    words: str


class Pair:
    """Two schedules at their parameters, exact and in binary64."""

    def __init__(self, shown: Sequence[Shown]) -> None:
        self.shown = shown
        self.a, self.b = (Curve(one.schedule, one.bound.values) for one in shown)
        self.outlines = [Outline(one.schedule, one.bound.values) for one in shown]
        self.alike = _formulas(shown[0]) == _formulas(shown[1])
        """Whether they are one formula at the same values: then no step needs a look."""
        self._scale: Any = 0

    def place(self, step: int, word: str = "") -> Place:
        """Both at ``step``, exactly; the same number where no digits tell them apart."""
        a, b = self.a(step), self.b(step)
        gap = abs(a - b)
        if gap and gap <= SAME * max(abs(a), abs(b), self._scale):
            # Rounding shrinks with more digits, a difference stays.
            first, second = (
                exact_value(one.schedule, one.bound.values, step, DIGITS) for one in self.shown
            )
            if abs(first - second) <= SAME * gap:
                return Place(step, a, a, word)
        return Place(step, a, b, word)

    def compare(self, last: int | None) -> Parted:
        """Both at every step up to ``last``, or at those that matter."""
        steps = steps_to_compare(self.a, self.b, self.outlines, last)
        at = steps.all
        a, b = (np.asarray(one.bound.curve(at), np.float64) for one in self.shown)
        self._scale = float(max(np.abs(a).max(), np.abs(b).max()))
        gap = np.abs(a - b)
        certain = gap > self._slack(a, b)
        near = [] if self.alike else self._near(at, certain)
        told = [place for place in (self.place(step) for step in near) if place.gap]
        # In binary64 they differ by more than both may be off: only the first needs a proof.
        far = next(self._parted(at[certain].tolist()), None)
        if far is None:
            certain = np.zeros_like(certain)
        first = min([*told, *([] if far is None else [far])], key=_step, default=None)
        if first is not None and not self.alike:
            first = self._earlier(at, near, first)
        single = np.flatnonzero(a.astype(np.float32) != b.astype(np.float32))
        words = steps.words
        left = int((~certain).sum()) - len(near)
        if self.alike:
            words += "; they are one formula at the same values"
        elif far is None and left:
            words += f"; {left:,} of them in binary64 only, the others to {SHOWN_DIGITS} digits"
        elif first is None:
            words += f"; to {SHOWN_DIGITS} digits"
        return Parted(
            first=first,
            largest=self._most(at, np.where(certain, gap, 0), told, "gap"),
            share=self._most(at, np.where(certain, self._shares(a, b, gap), 0), told, "share"),
            float32=int(at[single[0]]) if first is not None and single.size else None,
            end=steps.end,
            words=words,
        )

    def _slack(self, a: Reals, b: Reals) -> Reals:
        """By how much the two may differ though their formulas do not."""
        first, second = (one.schedule.ulps for one in self.shown)
        slack: Reals = first * np.spacing(np.abs(a)) + second * np.spacing(np.abs(b)) + SMALLEST
        return slack

    def _near(self, at: Integers, certain: NDArray[np.bool_]) -> list[int]:
        """Steps at which only exact values tell: all up to the first where binary64 does, too.

        Where these are too many, the boundaries and their neighbors and evenly spread ones.
        """
        before = at[: int(certain.argmax())] if certain.any() else at
        if before.size <= MOST_EXACT:
            return [int(step) for step in before]
        places = boundaries_of(self.a, self.b, self.outlines, int(before[-1]))
        count = max(MOST_EXACT - len(places), 2)
        spread = np.linspace(0, before.size - 1, count).astype(np.int64)
        chosen = {int(step) for step in before[spread]}
        return sorted(chosen | places.intersection(before.tolist()))

    def _earlier(self, at: Integers, near: Sequence[int], found: Place) -> Place:
        """The first step of ``at`` at which they part, where that was skipped before ``found``."""
        known = max((step for step in near if step < found.at), default=-1)
        skipped = at[(at > known) & (at < found.at)][:MOST_EXACT].tolist()
        return next(self._parted(skipped), found)

    def _parted(self, steps: Iterable[int]) -> Iterator[Place]:
        for step in steps:
            place = self.place(step)
            if place.gap:
                yield place

    @staticmethod
    def _shares(a: Reals, b: Reals, gap: Reals) -> Reals:
        largest = np.maximum(np.abs(a), np.abs(b))
        return np.divide(gap, largest, out=np.zeros_like(gap), where=largest > 0)

    def _most(self, at: Integers, size: Reals, told: Sequence[Place], key: str) -> Place | None:
        """The step with the largest ``key``; binary64 proposes some, exact values decide."""
        top = size.max()
        near = at[size >= top * (1 - 1e-12)][:MOST_LARGEST] if top > 0 else at[:0]
        found = [*(self.place(int(step)) for step in near), *told]
        found = [place for place in found if place.gap]
        return max(found, key=lambda place: (getattr(place, key), -place.at), default=None)


def _step(place: Place) -> int:
    return place.at


def _formulas(one: Shown) -> list[tuple[Expr | None, Expr]]:
    """Condition and value of each piece, with values in the places of parameters."""
    schedule = one.schedule
    values: dict[str, Expr] = {
        p.name: Name(repr(one.bound.values[p.name]), p.kind) for p in schedule.parameters
    }

    def at(expr: Expr) -> Expr:
        return substitute(expand(expr, schedule.lets), values)

    return [(p.condition and at(p.condition), at(p.value)) for p in schedule.pieces]
