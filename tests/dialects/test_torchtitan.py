"""The dialect of torchtitan, held against its schedule at every step.

torchtitan needs far more than its schedule does, so that tests do not install it: its formula is
transcribed below, from ``torchtitan/components/optimizer/lr_scheduler.py`` of torchtitan 0.3.0.
Where torchtitan is there all the same, its own function is compared as well.
"""

from __future__ import annotations

import functools
import logging
import math
from random import Random
from types import SimpleNamespace

import by_path
import called
import peers
import pytest
from peers import Parameters

from lrgen import catalogue

NAME = "torchtitan/build"
STEPS = range(120)
DRAWS = 40
MANY = 400


def drawn(source: Random) -> Parameters:
    return {
        "base_lr": source.choice([0.1, 1.0, 8e-4, 10 ** source.uniform(-6, 1)]),
        "total_steps": source.choice([1, 2, 3, 10, 25, source.randrange(80)]),
        "warmup_steps": source.choice([0, 1, 2, 5, source.randrange(60)]),
        "decay_ratio": source.choice([-1.0, 0.0, 0.1, 0.5, 1.0, source.random()]),
        "decay_type": source.choice(["linear", "sqrt", "cosine"]),
        "min_lr_factor": source.choice([0.0, 0.1, source.random()]),
    }


def factor(step: int, p: Parameters) -> float:
    """``linear_warmup_stable_decay`` of the lengths that ``build`` computes."""
    total = p["total_steps"]
    warmup = min(p["warmup_steps"], total)
    decay = total - warmup
    if p["decay_ratio"] != -1:
        decay = min(round(total * p["decay_ratio"]), decay)
    begun = warmup + (total + 1 - warmup - decay)
    if step < warmup:
        return float((step + 1) / warmup)
    if step < begun:
        return 1.0
    progress = float(step + 1 - begun) / decay
    if p["decay_type"] == "linear":
        left = 1 - progress
    elif p["decay_type"] == "sqrt":
        left = 1 - math.sqrt(progress)
    else:
        left = 0.5 * (1.0 + math.cos(math.pi * progress))
    floor = p["min_lr_factor"]
    return floor + (1 - floor) * left


def steps_of(parameters: Parameters) -> range:
    """All steps, but those after the end of a run without a decay: torchtitan raises an error."""
    total = parameters["total_steps"]
    decays = round(total * abs(parameters["decay_ratio"])) and parameters["warmup_steps"] < total
    return STEPS if decays else range(total + 1)


def hold(count: int) -> None:
    for parameters in peers.draws(NAME, drawn, count):
        steps = steps_of(parameters)
        theirs = [parameters["base_lr"] * factor(step, parameters) for step in steps]
        # after the end a cosine of up to 120 half turns
        peers.assert_same(NAME, parameters, theirs, steps, of_scale=1e-13)


def test_every_step_is_that_of_the_formula_of_torchtitan() -> None:
    hold(DRAWS)


@pytest.mark.slow
def test_every_step_is_that_of_the_formula_of_torchtitan_over_many_draws() -> None:
    hold(MANY)


@pytest.mark.parametrize("total", [1, 3, 5, 7, 9, 25, 10_001])
def test_a_half_of_an_odd_run_is_rounded_to_the_even_number_of_steps(total: int) -> None:
    parameters = {"base_lr": 1.0, "total_steps": total, "warmup_steps": 0, "decay_ratio": 0.5}
    rates = peers.bound(NAME, parameters).curve(range(total + 1))

    assert round(total * 0.5) == sum(rates < 1.0)


def test_a_long_run_is_that_of_torchtitan_around_every_boundary() -> None:
    total = 10**9 + 7
    parameters = {
        "base_lr": 3e-4,
        "total_steps": total,
        "warmup_steps": 10**6,
        "decay_ratio": 0.1,
        "decay_type": "cosine",
        "min_lr_factor": 0.1,
    }
    places = (10**6, total - round(0.1 * total), total)
    steps = [0, 1, *(place + by for place in places for by in range(-3, 4))]
    theirs = [3e-4 * factor(step, parameters) for step in steps]

    peers.assert_same(NAME, parameters, theirs, steps)


def test_every_step_is_that_of_torchtitan_where_there_is_one() -> None:
    logger = logging.getLogger("torchtitan")
    logger.disabled = True
    build = by_path.function_of(
        "torchtitan/components/optimizer/lr_scheduler.py",
        "build",
        LRSchedulersContainer=lambda optimizers, lr_lambda: lr_lambda,
        functools=functools,
        logger=logger,
        math=math,
    )
    for parameters in peers.draws(NAME, drawn, DRAWS):
        own = dict(parameters)
        base, total = own.pop("base_lr"), own.pop("total_steps")
        if own["decay_ratio"] == -1:
            own["decay_ratio"] = None
        config = SimpleNamespace(total_steps=None, **own)
        share = build(config, optimizers=[], training_steps=total)
        steps = steps_of(parameters)
        theirs = [base * share(step) for step in steps]
        peers.assert_same(NAME, parameters, theirs, steps, of_scale=1e-13)


def test_torchtitan_has_one_dialect_whose_call_says_what_it_takes() -> None:
    defaults = [entry.default for entry in peers.loaded(NAME).parameters.values()]

    assert [NAME] == list(catalogue.dialects("torchtitan"))
    assert ("training_steps", None) == called.written(NAME)[-1]
    assert {key for key, _ in called.written(NAME)} - {"training_steps"} == {
        *peers.loaded(NAME).parameters
    } - {"base_lr"}
    assert [8e-4, 200, 10_000, -1.0, "linear", 0.0] == defaults


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"base_lr": 1.0, "total_steps": 20, "warmup_steps": 4}
    full = {**parameters, "decay_ratio": -1.0, "decay_type": "linear", "min_lr_factor": 0.0}
    late = [factor(max(step - 1, 0), full) for step in STEPS]

    with pytest.raises(
        AssertionError, match=r"torchtitan/build with .*, step 1: 0\.5 against 0\.25"
    ):
        peers.assert_same(NAME, parameters, late)
