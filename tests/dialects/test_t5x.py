"""The dialect of T5X, held against t5x.utils.create_learning_rate_scheduler at every step.

T5X computes in float32, so its formula is held in binary64: transcribed from t5x/utils.py of T5X,
commit cc342d4, and held in turn against the library where it is installed, within float32.
"""

from __future__ import annotations

import inspect
import math
import tomllib
from random import Random

import numpy as np
import peers
import pytest
from peers import Parameters

from lrgen import catalogue

NAME = "t5x/create_learning_rate_scheduler"
STEPS = 160
DRAWS = 25
MANY = 400
# Four operations in float32, each within 2**-24 of its result.
FLOAT32 = {"relative": 2.0**-21, "of_scale": 0.0}


def draw(source: Random) -> Parameters:
    return {
        "base_learning_rate": source.choice([0.5, 1.0, 10 ** source.uniform(-6, 1)]),
        "warmup_steps": source.choice([1, 2, 10, source.randint(1, 90)]),
        "step_offset": source.choice([0, 0, source.randint(0, 90)]),
        "min_learning_rate": source.choice([1e-8, 0.0, 0.01]),
    }


def transcribed(p: Parameters, step: int) -> float:
    """The product of the default factors, floored."""
    now = max(0, step - p["step_offset"])
    found = 1.0
    found *= p["base_learning_rate"]
    found *= min(1.0, now / p["warmup_steps"])
    found /= math.sqrt(max(now, p["warmup_steps"]))
    return max(found, p["min_learning_rate"])


def hold(count: int) -> None:
    for parameters in peers.draws(NAME, draw, count):
        found = [transcribed(parameters, step) for step in range(STEPS)]
        peers.assert_same(NAME, parameters, found)


def test_every_step_is_that_of_t5x() -> None:
    hold(DRAWS)


@pytest.mark.slow
def test_every_step_is_that_of_t5x_over_many_draws() -> None:
    hold(MANY)


def test_the_highest_rate_is_that_of_the_caution() -> None:
    curve = peers.bound(NAME, {}).curve(range(2000))

    assert 1000 == np.argmax(curve)
    assert 0.5 / math.sqrt(1000) == pytest.approx(max(curve), rel=1e-15)


def test_the_formula_is_that_of_t5x() -> None:
    t5x = pytest.importorskip("t5x.utils")
    for parameters in peers.draws(NAME, draw, DRAWS):
        schedule = t5x.create_learning_rate_scheduler(**parameters)
        theirs = [float(schedule(step)) for step in range(STEPS)]
        ours = [transcribed(parameters, step) for step in range(STEPS)]

        assert peers.first_difference(ours, theirs, **FLOAT32) is None, parameters


def test_the_call_is_written_as_t5x_defines_it() -> None:
    t5x = pytest.importorskip("t5x.utils")
    found = inspect.signature(t5x.create_learning_rate_scheduler).parameters
    call = tomllib.loads(catalogue.dialects()[NAME].read_text(encoding="utf-8"))["call"]
    ours = inspect.signature(eval(f"lambda {call['signature']}: None")).parameters
    kept = {key: entry.default for key, entry in peers.loaded(NAME).parameters.items()}

    assert {key: entry.default for key, entry in found.items()} == {
        key: entry.default for key, entry in ours.items()
    }
    assert kept.items() <= {key: entry.default for key, entry in ours.items()}.items()


def test_the_one_dialect_of_t5x_is_compared() -> None:
    assert [NAME] == list(catalogue.dialects("t5x"))


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {**draw(Random(0)), "warmup_steps": 5, "step_offset": 0}
    late = [transcribed(parameters, max(step - 1, 0)) for step in range(20)]

    with pytest.raises(AssertionError, match=r"create_learning_rate_scheduler with .*, step 1: "):
        peers.assert_same(NAME, parameters, late)
