"""Growing the batch: whole numbers, and the quotient of rate and batch that the rate gives too."""

from fractions import Fraction
from math import floor

import pytest
from closeness import exact, furthest

EVERY, FIRST, MOST = 1_000, 10, 4
FACTOR = Fraction(3, 2)


def grown(seen: float) -> Fraction:
    """The batch after ``seen`` examples, before it is rounded."""
    return FIRST * FACTOR ** min(int(seen) // EVERY, MOST)


def history(results, way: str) -> dict[str, list[float]]:
    return results["batch_growth"][way]


def test_the_batches_are_the_nearest_whole_numbers_with_halves_upward(results):
    found = history(results, "growing batch")
    expected = [floor(grown(seen) + Fraction(1, 2)) for seen in found["seen"]]

    assert expected == found["batch"]
    assert {10, 15, 23, 34, 51} == set(found["batch"])


def test_other_roundings_are_noticed(results):
    found = history(results, "growing batch")

    assert [round(grown(seen)) for seen in found["seen"]] != found["batch"]  # 22.5 to 22
    assert [floor(grown(seen)) for seen in found["seen"]] != found["batch"]


def test_each_batch_is_of_examples_not_seen_before(results):
    found = history(results, "growing batch")
    later = [seen + batch for seen, batch in zip(found["seen"], found["batch"], strict=True)]

    assert later[:-1] == found["seen"][1:]


def test_the_rate_shrinks_as_the_batch_grows(results):
    found = history(results, "shrinking rate")
    batches = [floor(grown(seen) + Fraction(1, 2)) for seen in found["seen"]]

    assert {FIRST} == set(found["batch"])
    assert furthest(found["rate"], [exact(0.2) * FIRST / batch for batch in batches]) <= 8
    assert furthest(found["rate"], [exact(0.2) * FIRST / (batch + 1) for batch in batches]) > 1e10


def test_rate_over_batch_is_the_same_after_as_many_examples(results):
    growing, shrinking, neither = (
        dict(zip(found["seen"], found["noise"], strict=True))
        for found in results["batch_growth"].values()
    )
    common = sorted(growing.keys() & shrinking.keys())

    assert any(seen > MOST * EVERY for seen in common)
    assert furthest([growing[n] for n in common], [exact(shrinking[n]) for n in common]) <= 4
    assert furthest([growing[n] for n in common], [exact(neither[n]) for n in common]) > 1e10


def test_the_losses_fall_alike_in_fewer_updates(results):
    growing, shrinking = history(results, "growing batch"), history(results, "shrinking rate")

    assert len(growing["loss"]) < 0.6 * len(shrinking["loss"])
    assert growing["loss"][-1] < 0.6 * growing["loss"][0]
    assert growing["loss"][-1] == pytest.approx(shrinking["loss"][-1], rel=0.05)
