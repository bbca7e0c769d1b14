"""Decay by hand, by StepLR and by the generated scheduler, and what is off by one."""

import pytest
from closeness import exact, furthest

UPDATES, EVERY = 200, 50
ROUNDINGS = 8
"""Units in the last place: the loop and StepLR round once per factor, of which there are 4."""


def rates(results, way: str) -> list[float]:
    return results["decay_three_ways"][way]["rate"]


def decayed(step: int, already: int = 0):
    return exact(0.01) * exact(0.99) ** (step // EVERY + already)


@pytest.mark.parametrize(
    ("way", "already"), [("StepLR", 0), ("lrgen", 0), ("by hand", 1), ("lrgen, at_zero", 1)]
)
def test_each_way_has_decayed_as_often_as_it_should(results, way, already):
    right = [decayed(step, already) for step in range(UPDATES)]
    wrong = [decayed(step, 1 - already) for step in range(UPDATES)]

    assert furthest(rates(results, way), right) <= ROUNDINGS
    assert furthest(rates(results, way), wrong) > 1e10


def test_the_loop_by_hand_never_uses_the_base_and_is_a_period_ahead(results):
    by_hand, scheduled = rates(results, "by hand"), rates(results, "StepLR")

    assert (0.01, 0.01 * 0.99) == (scheduled[0], by_hand[0])
    assert scheduled[EVERY:] == by_hand[:-EVERY]


def test_an_off_by_one_of_one_update_is_noticed(results):
    one_late = [decayed(max(step - 1, 0)) for step in range(UPDATES)]

    assert furthest(rates(results, "lrgen"), one_late) > 1e10


def test_the_losses_fall_and_part_with_the_rates(results):
    losses = {way: history["loss"] for way, history in results["decay_three_ways"].items()}

    assert 1 == len({loss[0] for loss in losses.values()})
    assert all(loss[-1] < 0.8 * loss[0] for loss in losses.values())
    assert losses["by hand"][1] != losses["StepLR"][1]
    assert losses["lrgen"][:EVERY] == losses["StepLR"][:EVERY]
    assert losses["lrgen, at_zero"][:EVERY] == losses["by hand"][:EVERY]
