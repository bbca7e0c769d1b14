"""Random numbers fixed by a seed and a step: a hash of both, the same on every machine.

The mixer is moremur (Evensen 2019, "Stronger, better, morer, Moremur; a better Murmur3-type
mixer"): its multipliers fit a signed 64-bit integer, which is all that some frameworks have.
"""

from __future__ import annotations

from fractions import Fraction

SHIFT = 0x1E37_79B9_7F4A_7C15
"""Keeps seed 0 from being mixed to 0 (the golden ratio's first 61 bits)."""
MULTIPLIERS = (0x3C79_AC49_2BA7_B653, 0x1C69_B3F7_4AC4_AE35)


def uniform(seed: int, step: int) -> Fraction:
    """An odd multiple of 2**-53 in (0, 1): never 0 or 1, and exact in binary64."""
    bits = mixed(mixed(seed + SHIFT) + step)
    return Fraction(2 * (bits >> 12) + 1, 2**53)


def mixed(bits: int) -> int:
    """64 bits, each of which depends on each of the given ones."""
    bits %= 2**64
    for shift, multiplier in zip((27, 33), MULTIPLIERS):
        bits = (bits ^ bits >> shift) * multiplier % 2**64
    return bits ^ bits >> 27
