"""How exactly a log says what the rate was."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLOAT64_DIGITS = 15
FLOAT32_DIGITS = 7
LEAST_DIGITS = 6
"""What ``%g`` prints: 0.1 may stand for all of 0.1000004 in such a log."""
MOST_READ = 20_000
ARITHMETIC64 = 1e-14
"""Share of the peak by which a trainer's own binary64 may be off, as where a cosine ends."""
RECURSIVE64 = 1e-12
"""The same for a rate that is computed from the last one, update by update."""
ARITHMETIC32 = 4 * 2.0**-24
_NUMBER = re.compile(r"[+-]?(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$")


@dataclass(frozen=True, slots=True)
class Level:
    """One way to read the log's rounding.

    Attributes:
        words: What it is, for people.
        digits: Significant digits that are kept; 0 where places after the point are.
        decimals: Places after the point that are kept.
        share: Of the peak, that a value may be off besides.
    """

    words: str
    digits: int = 0
    decimals: int = 0
    share: float = ARITHMETIC64
    float32: bool = False

    def widths(self, rates: Array, peak: float) -> Array:
        """How far the true rate may be from each of the logged ``rates``."""
        own = np.zeros_like(rates)
        if self.float32:
            own = np.spacing(np.abs(rates).astype(np.float32)).astype(np.float64) / 2
        elif self.digits:
            positive = np.where(rates > 0, rates, 1.0)
            own = 0.5 * 10.0 ** (np.floor(np.log10(positive)) - self.digits + 1)
            own = np.where(rates > 0, own, 0.0)
        elif self.decimals:
            own = np.full_like(rates, 0.5 * 10.0**-self.decimals)
        # A hair more: 0.5 itself is rounded either way.
        return own * (1 + 1e-9) + self.share * peak


def levels(rates: Array, texts: Sequence[str]) -> tuple[Level, ...]:
    """Ways to read what ``rates`` were rounded to, the strictest first.

    A log does not say it. A strict reading counts if any schedule holds to it.
    """
    chosen = range(0, len(texts), max(1, len(texts) // MOST_READ))
    spelled = [_parts(texts[k]) for k in chosen]
    some = rates[list(chosen)]
    digits = max(one[0] for one in spelled)
    decimals = max(one[1] for one in spelled)
    loose32 = Level("computed in float32", float32=True, share=ARITHMETIC32)
    narrow = np.abs(some).astype(np.float32)
    if (narrow.astype(np.float64) == some).all() and digits > FLOAT32_DIGITS:
        return Level("float32", float32=True), loose32
    if digits >= FLOAT64_DIGITS:
        return (Level("binary64", share=RECURSIVE64),)
    if _has_fixed_places(spelled, some):
        strict = Level(f"{decimals} places after the point", decimals=decimals)
        loose = Level(f"{strict.words}, computed in float32", 0, decimals, ARITHMETIC32)
        exact = Level(f"{LEAST_DIGITS} significant digits", LEAST_DIGITS)
        short = digits < LEAST_DIGITS and not any(one[2] for one in spelled)
        return (exact, strict, loose) if short else (strict, loose)
    long = sum(one[0] > FLOAT32_DIGITS for one in spelled)
    if (
        4 * long > len(spelled)
        and digits <= 9
        and all(_is_shortest32(r, texts[k]) for r, k in zip(some, chosen))
    ):
        return Level("float32", float32=True), loose32
    found = []
    padded = any(one[2] for one in spelled)
    if digits < LEAST_DIGITS and not padded:
        # Numbers that happen to be short, or that were cut to be so.
        found.append(Level(f"{LEAST_DIGITS} significant digits", LEAST_DIGITS))
    if digits >= LEAST_DIGITS or padded or len(set(texts)) >= 2 * 10 ** min(digits, 2):
        words = f"{digits} significant digits"
        found.append(Level(words, digits))
        if digits >= LEAST_DIGITS:
            found.append(Level(f"{words}, computed in float32", digits, share=ARITHMETIC32))
    return tuple(found)


def _parts(text: str) -> tuple[int, int, bool, bool]:
    """Significant digits, places after the point, whether zeros pad it, whether it has a point
    and no exponent."""
    match = _NUMBER.match(text)
    if match is None:
        return 1, 0, False, False
    whole, fraction, exponent = match[1], match[2] or "", match[3]
    digits = (whole + fraction).lstrip("0")
    padded = len(fraction) > 1 and fraction.endswith("0")
    shortest = digits if padded or not fraction else digits.rstrip("0")
    if not fraction and exponent is None:
        shortest = shortest.rstrip("0")
    places = max(len(fraction) - int(exponent or 0), 0)
    return max(len(shortest), 1), places, padded, exponent is None and bool(fraction)


def _has_fixed_places(spelled: Sequence[tuple[int, int, bool, bool]], rates: Array) -> bool:
    """Whether the log keeps a number of places after the point, rather than of digits."""
    if not all(plain or digits == 1 for digits, _, _, plain in spelled):
        return False
    places = {one[1] for one in spelled}
    if len(places) == 1 and any(one[2] for one in spelled):
        return True  # padded with zeros to one width
    # Digits that are kept move one place to the right with each power of ten that a rate falls.
    most: dict[int, list[int]] = {}
    for (_, decimals, _, _), rate in zip(spelled, rates):
        if rate > 0:
            most.setdefault(math.floor(math.log10(rate)), []).append(decimals)
    sure = [max(most[power]) for power in sorted(most) if len(most[power]) > 2]
    return len(sure) > 1 and all(low <= high for low, high in pairwise(sure))


def _is_shortest32(rate: float, text: str) -> bool:
    return float(str(np.float32(rate))) == float(text)
