"""What was found against what was expected, counted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from .cases import Bits, Case, Curve

SMALLEST_NORMAL_BITS = 0x00800000
SMALLEST_NORMAL = 2.0**-1022
SHOWN = 20
"""How many unequal values of a part are written out."""


@dataclass(slots=True)
class Tally:
    """What a part has compared so far.

    Attributes:
        without: Schedules that the framework has nothing for.
        flushed: Values smaller than every normal float32 that came out as 0, where that is allowed.
        unequal: Values with other bits than expected.
        worst_float32: How many float32 the worst of those is away.
        worst_float64: Units in the last place of binary64 between a row and its exact value, the
            most; None where the part gives no binary64.
        shown: The first of what is wrong, in words.
        inexact: Rows whose binary64 is farther off than their schedule may be.
    """

    schedules: int = 0
    without: int = 0
    sets: int = 0
    rows: int = 0
    steps: int = 0
    flushed: int = 0
    unequal: int = 0
    inexact: int = 0
    worst_float32: int = 0
    worst_float64: float | None = None
    worst_float64_at: str = ""
    shown: list[str] = field(default_factory=list)

    def count(self, case: Case, found: Any, *, flush: bool) -> None:
        """Take in the float32 that a part found for a case, or for its rows alone.

        Args:
            case: What was asked for.
            found: An array of float32.
            flush: Whether what is smaller than every normal float32 may be 0.

        Raises:
            ValueError: For another dtype, or another number of values.
        """
        rates = np.asarray(found)
        if rates.dtype != np.float32:
            raise ValueError(f"{case.schedule} {case.name}: float32 expected, got {rates.dtype}")
        if rates.ndim != 1 or len(rates) not in (case.rows, len(case.bits)):
            raise ValueError(
                f"{case.schedule} {case.name}: {len(case.bits)} values expected, "
                f"got an array of shape {rates.shape}"
            )
        expected = case.bits[: len(rates)]
        small = magnitude(expected) < SMALLEST_NORMAL_BITS
        flushed = small & (expected != 0) & (rates == 0) & flush
        wrong = (rates.view(np.uint32) != expected) & ~flushed
        self.sets += 1
        self.rows += case.rows
        self.steps += len(rates) - case.rows
        self.flushed += int(flushed.sum())
        self.unequal += int(wrong.sum())
        if wrong.any():
            self.worst_float32 = max(self.worst_float32, int(apart(rates, expected)[wrong].max()))
        for place in np.flatnonzero(wrong)[: SHOWN - len(self.shown)]:
            self.shown.append(
                f"{case.schedule} {case.name}: {_place(case, place)}: "
                f"{expected.view(np.float32)[place]!s} expected, got {rates[place]!s}"
            )

    def measure(self, case: Case, found: Any, ulps: int) -> None:
        """Take in the binary64 that a part found for the rows of a case."""
        rates = [float(rate) for rate in np.asarray(found)[: case.rows]]
        for place, (rate, exact) in enumerate(zip(rates, case.exact, strict=True)):
            off = ulps_off(rate, exact)
            if off > (-1 if self.worst_float64 is None else self.worst_float64):
                self.worst_float64 = off
                self.worst_float64_at = f"{case.schedule} {case.name}, {_place(case, place)}"
            if not off <= ulps:
                self.inexact += 1
                if len(self.shown) < SHOWN:
                    self.shown.append(
                        f"{case.schedule} {case.name}: {_place(case, place)}: "
                        f"{off:.3g} ulp of binary64 off, {ulps} allowed"
                    )


def _place(case: Case, place: int) -> str:
    return f"step {case.steps[place]}" if isinstance(case, Curve) else f"observation {place}"


def magnitude(bits: Bits) -> Bits:
    """``bits`` without the sign."""
    return bits & np.uint32(0x7FFFFFFF)


def apart(rates: Any, expected: Bits) -> Any:
    """How many float32 lie from one value to the other."""
    first, second = (
        np.where(bits >> 31, -magnitude(bits).astype(np.int64), magnitude(bits).astype(np.int64))
        for bits in (np.ascontiguousarray(rates).view(np.uint32), expected)
    )
    return np.abs(first - second)


def ulps_off(found: float, exact: str) -> float:
    """How many units in the last place of binary64 lie between a value and a decimal."""
    if not math.isfinite(found):
        return math.inf
    _, _, exponent = exact.partition("e")
    # Far below the least binary64 a fraction of the decimal would fill the memory.
    value = Fraction(10) ** -400 if int(exponent or 0) < -400 else Fraction(exact)
    unit = math.ulp(max(abs(float(value)), SMALLEST_NORMAL))
    return float(abs(Fraction(found) - value) / Fraction(unit))
