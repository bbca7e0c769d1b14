"""Axes: where their ticks are, and how numbers are spelled on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

MOST_DECADES = 12
"""A logarithmic axis reaches this far below its top: the last update of a cosine is no reason for
thirty empty decades."""
LEAST_SPAN = 1e-9
"""Of its largest value: a curve that changes by less is drawn as a constant."""
LEAST_POSITIVE = 1e-290
"""What is smaller is no place on a logarithmic axis, and no scale for others."""
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_MARGIN = 0.04


@dataclass(frozen=True, slots=True)
class Axis:
    """The part of an axis that is seen, from ``low`` to ``high``."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where ``value`` lies: 0 at ``low``, 1 at ``high``; NaN where it has no place."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if not value >= LEAST_POSITIVE:
            return math.nan
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self, most: int) -> list[float]:
        """Up to about ``most`` round numbers from ``low`` to ``high``."""
        if self.log and self.high / self.low > 3:
            return _decades(self.low, self.high, most)
        return _round_steps(self.low, self.high, most)

    def labels(self, ticks: list[float]) -> list[str]:
        """``ticks`` as people read them: 0.002, 1e-5, 20k, 1.5M."""
        if not self.log:
            largest = max(map(abs, ticks), default=0.0)
            return [spelled(tick, largest) for tick in ticks]
        return [spelled(tick, tick) for tick in ticks]


def axis_for(low: float, high: float, *, log: bool = False) -> Axis:
    """The axis on which all from ``low`` to ``high`` is seen.

    A linear one begins at 0 where that is not far away. A logarithmic one takes positive values.
    """
    if log:
        low = max(low, high / 10.0**MOST_DECADES)
        wide = max(math.log(high / low), math.log(1.5))
        return Axis(low / math.exp(wide * _MARGIN), high * math.exp(wide * _MARGIN), True)
    largest = max(abs(low), abs(high))
    if high - low <= largest * LEAST_SPAN:
        around = largest / 2 if largest > LEAST_POSITIVE else 1.0
        low, high = (0.0, high + around) if low >= around else (low - around, high + around)
    margin = (high - low) * _MARGIN
    if 0 <= low < 0.4 * high:
        return Axis(-margin / 2, high + margin)
    return Axis(low - margin, high + margin)


def _round_steps(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    least = (high - low) / (most + 0.5)
    exponent = math.floor(math.log10(least))
    # Numbers are put together as text: 3 * 1e-4 is not 3e-4.
    digit = next(digit for digit in (1, 2, 5, 10, 20) if float(f"{digit}e{exponent}") >= least)
    step = float(f"{digit}e{exponent}")
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * digit}e{exponent}") for k in range(first, last + 1)]


def _decades(low: float, high: float, most: int) -> list[float]:
    """Powers of ten; with 2 and 5 times them where there would be few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits in ((1, 2, 5), (1, 3), (1,)):
        found = [float(f"{d}e{k}") for k in range(first, last + 1) for d in digits]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) <= most:
            return found
    every = math.ceil(len(found) / max(most, 1))
    return found[::-1][::every][::-1]


def spelled(value: float, largest: float) -> str:
    """``value`` on an axis whose largest number is ``largest``."""
    if value == 0:
        return "0"
    size = abs(largest)
    if not 1e-3 <= size < 1e15:
        return _with_exponent(value)
    for unit, suffix in _UNITS if size >= 1e4 else ():
        if abs(value) >= unit:
            return f"{_plain(value / unit)}{suffix}"
    return _plain(value)


def _plain(value: float) -> str:
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return text if text not in ("0", "-0") else _with_exponent(value)


def _with_exponent(value: float) -> str:
    digits, _, exponent = f"{value:.3e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"


def whole(text: str) -> int | None:
    """The number of updates that ``text`` spells, from 1 to 2**62: 100_000, 1e6, 20k, 1.5M."""
    unit = next((unit for unit, suffix in _UNITS if text.endswith(suffix)), 1)
    digits = text[:-1] if unit > 1 else text
    try:
        number = int(digits) * unit
    except ValueError:
        try:
            exact = Decimal(digits) * unit
        except ArithmeticError:
            return None
        if not exact.is_finite() or exact > 2**62 or exact != exact.to_integral_value():
            return None
        number = int(exact)
    return number if 1 <= number <= 2**62 else None
