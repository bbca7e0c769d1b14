"""How far rates are from the exact ones, which the tests compute in mpmath to 50 digits."""

import math
from collections.abc import Sequence

import numpy as np
from mpmath import mp, mpf

mp.dps = 50


def exact(number: float) -> mpf:
    """The binary64 value itself."""
    return mpf(number)


def furthest(rates: Sequence[float], expected: Sequence[mpf]) -> float:
    """The largest distance, in units in the last place of binary64; as many rates as expected."""
    return max(
        float(abs(mpf(rate) - value) / mpf(math.ulp(float(value))))
        for rate, value in zip(rates, expected, strict=True)
    )


def float32(values: Sequence[float | mpf]) -> list[float]:
    """Each rounded to float32."""
    return [float(np.float32(float(value))) for value in values]
