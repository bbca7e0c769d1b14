"""Cycles: both formulas of the document, cycle by cycle."""

import pytest
from closeness import exact, furthest
from mpmath import cos, floor, mpf, pi

UPDATES = 1_800
PEAKS = [exact(rate) for rate in (0.1, 0.06, 0.04, 0.03)]
LOWS = [exact(rate) for rate in (0.01, 0.008, 0.006, 0.004)]


def triangle(step: int, late: int = 0) -> mpf:
    """The document's m and b; cycle m has the m-th bounds."""
    m = int(floor(1 + mpf(step) / (2 * 375)))
    b = abs(mpf(step) / 375 - 2 * m + 1)
    bounds = min(max(m - 1 - late, 0), 3)
    return LOWS[bounds] + (PEAKS[bounds] - LOWS[bounds]) * (1 - b)


def restart(step: int, growth: int = 2, epoch_has_fractions: bool = True) -> mpf:
    """From one cycle to the next, as one would by hand."""
    index, begun, length = 0, 0, 10
    while begun + length <= step // 20:
        index, begun, length = index + 1, begun + length, length * growth
    epoch = mpf(step) / 20 if epoch_has_fractions else step // 20
    bounds = min(index, 3)
    share = (1 + cos(pi * (epoch - begun) / length)) / 2
    return LOWS[bounds] + (PEAKS[bounds] - LOWS[bounds]) * share


FORMULAS = {"triangles": triangle, "warm restarts": restart}


@pytest.mark.parametrize("name", FORMULAS)
def test_each_update_of_each_cycle_is_the_formula(results, name):
    expected = [FORMULAS[name](step) for step in range(UPDATES)]

    assert furthest(results["cycles"][name], expected) <= 8


def test_bounds_that_fall_a_cycle_late_are_noticed(results):
    late = [triangle(step, late=1) for step in range(UPDATES)]

    assert furthest(results["cycles"]["triangles"], late) > 1e10


@pytest.mark.parametrize("wrong", [{"growth": 1}, {"growth": 3}, {"epoch_has_fractions": False}])
def test_another_growth_and_whole_epochs_are_noticed(results, wrong):
    expected = [restart(step, **wrong) for step in range(UPDATES)]

    assert furthest(results["cycles"]["warm restarts"], expected) > 1e10


def test_each_cycle_begins_with_its_own_bounds(results):
    triangles, restarts = results["cycles"]["triangles"], results["cycles"]["warm restarts"]

    assert [0.01, 0.008, 0.006] == [triangles[start] for start in (0, 750, 1_500)]
    assert [0.1, 0.06] == [triangles[top] for top in (375, 1_125)]
    assert [0.1, 0.06, 0.04, 0.03] == [restarts[start] for start in (0, 200, 600, 1_400)]
