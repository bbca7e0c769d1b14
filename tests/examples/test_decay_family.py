"""The decays and the warm-up before them, against the formulas of the document."""

from collections.abc import Callable

import pytest
from closeness import exact, furthest
from mpmath import cos, fprod, mpf, pi

UPDATES, WARMUP = 601, 100
BASE, SLOPE, BETA = exact(0.1), exact(0.01), exact(0.995)
Decay = Callable[[int, int], mpf]


def piecewise(step: int, total: int) -> mpf:
    """Smaller by a factor from each milestone on: 200, 400 and 700."""
    factors = {200: exact(0.5), 400: exact(0.4), 700: exact(0.25)}
    return BASE * fprod(factor for place, factor in factors.items() if place <= step)


DECAYS: dict[str, Decay] = {
    "piecewise": piecewise,
    "inverse_time": lambda step, total: BASE / (1 + SLOPE * step),
    "exponential": lambda step, total: BASE * BETA**step,
    "cosine": lambda step, total: BASE * (1 + cos(pi * step / total)) / 2,
}


def warmed_up(decay: Decay, step: int) -> mpf:
    return BASE * step / WARMUP if step < WARMUP else decay(step - WARMUP, 900)


@pytest.mark.parametrize("name", DECAYS)
def test_a_decay_is_its_formula(results, name):
    expected = [DECAYS[name](step, 1_000) for step in range(UPDATES)]

    assert furthest(results["decay_family"]["at once"][name], expected) <= 8


@pytest.mark.parametrize("name", DECAYS)
def test_after_the_warm_up_the_decay_begins_at_its_own_update_0(results, name):
    rates = results["decay_family"]["after a warm-up"][name]

    assert furthest(rates, [warmed_up(DECAYS[name], step) for step in range(UPDATES)]) <= 8
    assert (0.0, 0.1) == (rates[0], rates[WARMUP])


@pytest.mark.parametrize("name", DECAYS)
def test_a_decay_that_counts_the_warm_up_is_noticed(results, name):
    rates = results["decay_family"]["after a warm-up"][name][WARMUP:]
    from_update_0 = [DECAYS[name](step, 1_000) for step in range(WARMUP, UPDATES)]

    assert furthest(rates, from_update_0) > 1e10


@pytest.mark.parametrize("name", DECAYS)
def test_a_warm_up_that_starts_at_update_1_is_noticed(results, name):
    rates = results["decay_family"]["after a warm-up"][name][:WARMUP]
    one_early = [BASE * (step + 1) / WARMUP for step in range(WARMUP)]

    assert furthest(rates, one_early) > 1e10


def test_a_factor_that_comes_in_an_update_late_is_noticed(results):
    rates = results["decay_family"]["at once"]["piecewise"]
    late = [piecewise(max(step - 1, 0), 1_000) for step in range(UPDATES)]

    assert furthest(rates, late) > 1e10
