"""Exponential decay with burn-in: both readings, against the formulas of the document."""

import pytest
from closeness import exact, furthest
from mpmath import mpf

BASE, RATE = exact(0.01), exact(0.96)


def hold_then_decay(step: int) -> mpf:
    return BASE * RATE ** (mpf(max(step - 500, 0)) / 1_000)


def hold_then_stairs(step: int) -> mpf:
    return BASE * RATE ** (max(step - 500, 0) // 1_000)


def decay_then_hold(step: int) -> mpf:
    return BASE * RATE ** (mpf(min(step, 500)) / 1_000)


READINGS = {
    "hold, then decay": hold_then_decay,
    "hold, then stairs": hold_then_stairs,
    "decay, then hold": decay_then_hold,
}


@pytest.mark.parametrize("name", READINGS)
def test_each_reading_is_its_formula(results, name):
    expected = [READINGS[name](step) for step in range(2_000)]

    assert furthest(results["burnin"][name], expected) <= 8


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("other", READINGS)
def test_no_reading_is_another_s_formula(results, name, other):
    expected = [READINGS[other](step) for step in range(2_000)]

    assert (name == other) == (furthest(results["burnin"][name], expected) <= 8)


def test_a_decay_that_counts_the_burn_in_is_noticed(results):
    from_update_0 = [
        BASE * RATE ** (mpf(step if step >= 500 else 0) / 1_000) for step in range(2_000)
    ]

    assert furthest(results["burnin"]["hold, then decay"], from_update_0) > 1e10


def test_the_burn_in_holds_the_base_and_500_updates_of_decay_are_the_root_of_the_factor(results):
    found = results["burnin"]

    assert {0.01} == set(found["hold, then decay"][:501])
    assert {0.01} == set(found["hold, then stairs"][:1_500])
    assert 0.0096 == found["hold, then stairs"][1_500]
    assert 1 == len(set(found["decay, then hold"][500:]))
    assert 0.01 * 0.96**0.5 == pytest.approx(found["decay, then hold"][500], rel=2**-52, abs=0)
