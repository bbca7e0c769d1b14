"""Growing cycles in exact integers: where each begins and how long it is.

Cycle ``n`` is ``first * growth**n`` long. Where that is no whole number of steps there are two
customs:

- ``boundary``: lengths are kept as they are, and a cycle begins at the first whole step at or after
  the sum of those before it, so that no rounding adds up;
- ``length``: each length is the one before it times ``growth``, cut to whole steps.

``growth`` counts to twelve decimals: 1.1 is eleven tenths, as its author means, and not the
binary64 number beside it: from 10 steps on, its second boundary would be 22 instead of 21.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

UNIT = 10**12
LEAST_GROWTH = 1.01
"""Of cycles that grow: a slower growth makes more than 4,000 of them below 2**63."""


@dataclass(frozen=True, slots=True)
class Cycles:
    """First step and length of each cycle below 2**63; the last length repeats.

    A length beyond 2**63 - 1 counts as that.
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    def holding(self, step: int) -> tuple[int, int, int]:
        """Index, first step and length of the cycle that holds ``step``."""
        row = bisect_right(self.starts, step) - 1
        start, length = self.starts[row], self.lengths[row]
        repeats = (step - start) // length
        return row + repeats, start + repeats * length, length


@lru_cache(maxsize=256)
def cycles(first: int, growth: float, rounding: str) -> Cycles:
    """The cycles from a first length >= 1 and a growth of 1, or at least 1.01.

    Raises:
        ValueError: For another first length or growth.
    """
    if first < 1:
        raise ValueError(f"the first cycle has {first} steps")
    if growth != 1 and not LEAST_GROWTH <= growth <= 2.0**63:
        raise ValueError(f"cycles grow by {growth}, which is neither 1 nor >= {LEAST_GROWTH}")
    above, below = growth.as_integer_ratio()
    units = (2 * UNIT * above + below) // (2 * below)
    if units == UNIT:
        return Cycles((0,), (first,))
    return _kept(first, units) if rounding == "boundary" else _cut(first, units)


def _kept(first: int, units: int) -> Cycles:
    """Boundary ``n`` is ``first * (growth**n - 1) / (growth - 1)``, rounded up."""
    starts = [0]
    above, below = units, UNIT
    while True:
        gap = first * (above - below) * UNIT
        place = -(-gap // ((units - UNIT) * below))
        if place >= 2**63:
            lengths = [b - a for a, b in pairwise([*starts, place])]
            return Cycles(tuple(starts), tuple(min(n, 2**63 - 1) for n in lengths))
        starts.append(place)
        above, below = above * units, below * UNIT


def _cut(first: int, units: int) -> Cycles:
    starts, lengths = [0], [first]
    while (place := starts[-1] + lengths[-1]) < 2**63:
        length = lengths[-1] * units // UNIT
        if length == lengths[-1]:
            break
        starts.append(place)
        lengths.append(length)
    return Cycles(tuple(starts), tuple(min(n, 2**63 - 1) for n in lengths))
