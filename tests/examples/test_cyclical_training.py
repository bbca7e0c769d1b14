"""Cyclical rates in training: the rates that SGD applied in PyTorch and in Keras on TensorFlow."""

import math

import pytest
from closeness import exact, float32
from mpmath import floor, mpf

UPDATES, UP, DOWN = 180, 20, 40
LOW, PEAK, GAMMA = exact(0.001), exact(0.01), exact(0.9999)
MODES = ("triangular", "triangular2", "exp_range")


def cyclic(step: int, mode: str) -> mpf:
    """Smith 2017: by the place in the cycle, whose sides may have different lengths."""
    cycle = int(floor(mpf(step) / (UP + DOWN)))
    place = step - cycle * (UP + DOWN)
    height = min(mpf(place) / UP, mpf(UP + DOWN - place) / DOWN)
    factor = {"triangular": 1, "triangular2": mpf(2) ** -cycle, "exp_range": GAMMA**step}[mode]
    return LOW + (PEAK - LOW) * height * factor


def applied(results, mode: str, framework: str) -> list[float]:
    return results["cyclical_training"][f"{mode}, {framework}"]["rate"]


def off(rates: list[float], expected: list[mpf]) -> float:
    return max(float(abs(mpf(rate) - value)) for rate, value in zip(rates, expected, strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_keras_applies_the_float32_of_each_rate(results, mode):
    # The odometer is exact: 180 rates below 2**-6, each a multiple of 2**-33, need 35 of 53 bits.
    expected = float32([cyclic(step, mode) for step in range(UPDATES)])

    assert expected == applied(results, mode, "Keras")
    assert expected[1:] != applied(results, mode, "Keras")[:-1]


@pytest.mark.parametrize("mode", MODES)
def test_torch_applies_each_rate_in_binary64(results, mode):
    # The odometer has gone at most 180 * 0.01 < 2: that is rounded, and the rate, by half a unit.
    rounding = math.ulp(1.8) / 2 + 8 * math.ulp(0.01)
    expected = [cyclic(step, mode) for step in range(UPDATES)]
    rates = applied(results, mode, "PyTorch")

    assert off(rates, expected) <= rounding
    assert off(rates[:-1], expected[1:]) > 1e-5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("other", MODES)
def test_no_mode_is_another(results, mode, other):
    expected = float32([cyclic(step, other) for step in range(UPDATES)])

    assert (mode == other) == (expected == applied(results, mode, "Keras"))


@pytest.mark.parametrize("mode", MODES)
def test_the_losses_fall_and_are_those_of_the_other_framework(results, mode):
    torch, tensorflow = (
        results["cyclical_training"][f"{mode}, {framework}"]["loss"]
        for framework in ("PyTorch", "Keras")
    )

    assert sum(torch[-20:]) < 0.8 * sum(torch[:20])
    assert torch == pytest.approx(tensorflow, rel=1e-5, abs=0)
