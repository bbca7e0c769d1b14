"""Where two schedules are compared, and what they are there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..describe import LAST_STEP, Curve
from ..plot.places import Outline
from ..vectors import conformance_steps

MOST_EVERY = 1_000_000
"""Updates of a run that are all compared: in binary64 that takes a moment."""
MOST_RANDOM = 100_000
DIGITS = 6
MOST_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Place:
    """The two values at a step, or after an observation, exactly."""

    at: int
    a: Any
    b: Any
    word: str = ""

    @property
    def gap(self) -> Any:
        """The absolute difference."""
        return abs(self.a - self.b)

    @property
    def share(self) -> Any:
        """The difference as a share of the larger one; 0 where both are 0."""
        largest = max(abs(self.a), abs(self.b))
        return self.gap / largest if largest else self.gap


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps to compare, ascending; up to which all parts of a run are among them; in words."""

    all: NDArray[np.int64]
    end: int
    words: str


def steps_to_compare(a: Curve, b: Curve, outlines: Sequence[Outline], last: int | None) -> Steps:
    """Every step up to ``last``, or to a little past the end of both; of a long run, all
    boundaries and random ones."""
    end = last or max(outline.horizon() for outline in outlines)
    found = {step for step in boundaries_of(a, b, outlines, end) if step <= end}
    if last is None:
        found |= {step for one in (a, b) for step in _conformance(one)}
    beyond = sum(step > end for step in found)
    farther = f", and {beyond} beyond it up to {max(found):,}" if beyond else ""
    if end < MOST_EVERY:
        words = f"every step from 0 to {end:,}{farther}"
        return Steps(np.union1d(np.arange(end + 1), _array(found)), end, words)
    source = random.Random(f"lrgen diff {a.schedule.name} {b.schedule.name}")
    drawn = {source.randrange(end + 1) for _ in range(MOST_RANDOM)}
    words = f"boundaries, their neighbors and {len(drawn):,} random steps from 0 to {end:,}"
    return Steps(_array(found | drawn | {0, end}), end, f"{words}{farther}")


def boundaries_of(a: Curve, b: Curve, outlines: Sequence[Outline], end: int) -> set[int]:
    """Steps at which one of the two changes, and their neighbors."""
    places = {place for curve in (a, b) for place in curve.boundaries}
    for outline in outlines:
        places |= {*outline.places, *(outline.marks(end) or ())}
    return {step for place in places for step in (place - 1, place, place + 1) if step >= 0}


def _conformance(curve: Curve) -> set[int]:
    values = curve.values
    return set(conformance_steps(curve.schedule, values, curve.exact))


def _array(steps: set[int]) -> NDArray[np.int64]:
    return np.array(sorted(steps), np.int64)


def table_steps(
    a: Curve, b: Curve, labels: tuple[str, str], end: int, last: int | None
) -> dict[int, str]:
    """Steps to show, each with what it is: update 0, those around the boundaries of both up to
    ``end`` and between them, and past the end of both; only up to ``last``."""
    words: dict[int, str] = {0: "first update"}
    if last is not None:
        words[last] = "the last compared"
    places = sorted(place for place in {*a.boundaries, *b.boundaries} if place <= end)
    for place in places:
        own = [label for label, one in zip(labels, (a, b)) if place in one.boundaries]
        words[place] = f"boundary of {' and '.join(own)}"
    for left, right in pairwise(sorted(words)):
        for step in (right - 1, (left + right) // 2):
            words.setdefault(step, "")
    for step in (places[-1] + 1, 2 * places[-1]) if places else (10**k for k in range(7)):
        words.setdefault(step, "past the end" if places else "")
    return {step: word for step, word in sorted(words.items()) if step <= (last or LAST_STEP)}


def shown(curve: Curve, place: Place) -> tuple[str, str]:
    """Both values with the digits that people read, and as many more as tell them apart."""
    for digits in range(DIGITS, MOST_DIGITS):
        a, b = curve.shown(place.a, digits), curve.shown(place.b, digits)
        if a != b or place.a == place.b:
            return a, b
    return a, b
