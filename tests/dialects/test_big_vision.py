"""The dialect of big_vision, held against big_vision.utils.create_learning_rate_schedule.

big_vision computes in float32, so its formula is held in binary64: transcribed from
big_vision/utils.py of big_vision, commit 0127fb6, and held in turn against the library where it is
installed, within float32.
"""

from __future__ import annotations

import inspect
import math
import tomllib
from bisect import bisect_left
from random import Random
from typing import Any

import peers
import pytest
from peers import Parameters

from lrgen import catalogue

NAME = "big_vision/create_learning_rate_schedule"
STEPS = 160
DRAWS = 40
MANY = 400
UNITS = ("steps", "percent", "epochs", "examples")
# 1 - progress loses up to 2**-24 of 1, which a power of up to 4 and three factors magnify.
FLOAT32 = {"relative": 2.0**-20, "of_scale": 2.0**-20}


def duration(source: Random, name: str, whole: int, drawn: Parameters) -> Parameters:
    """One of the four ways to say how long, or none."""
    length = source.choice([0, 1, source.randrange(max(1, whole // 2))])
    share = source.choice([0.0, 0.05, 0.1, source.random() / 2])
    match source.choice(["", *UNITS]):
        case "steps":
            return {f"{name}_steps": length}
        case "percent":
            return {f"{name}_percent": share}
        case "epochs":
            return {f"{name}_epochs": share * whole * drawn["batch_size"] / drawn["data_size"]}
        case "examples":
            return {f"{name}_examples": float(round(share * whole * drawn["batch_size"]))}
        case _:
            return {}


def draw(source: Random) -> Parameters:
    whole = source.choice([10, 100, source.randint(3, 140)])
    drawn: Parameters = {
        "total_steps": whole,
        "batch_size": source.choice([1, 32, 256, 1000]),
        "data_size": source.choice([100, 1281167, source.randint(1, 5000)]),
        "base": source.choice([1.0, 0.1, 10 ** source.uniform(-5, 1)]),
        "decay_type": source.choice(["stair", "linear", "polynomial", "cosine", "rsqrt"]),
        "scale_with_batchsize": source.random() < 0.3,
    }
    drawn |= duration(source, "warmup", whole, drawn) | duration(source, "cooldown", whole, drawn)
    match drawn["decay_type"]:
        case "stair":
            places = sorted(source.sample(range(120), source.randint(1, 4)))
            drawn |= {"steps": places, "mults": [source.uniform(0, 2) for _ in places]}
        case "rsqrt":
            timescale = source.choice([10_000.0, source.uniform(1, 100)])
            drawn |= {"timescale": timescale, "shift": source.choice([0.0, 25.0])}
        case "linear" | "polynomial":
            drawn |= {"power": source.choice([1.0, 2.0, 0.5, 4 * source.random()])}
            drawn |= source.choice([{}, {"end": 0.01}, {"linear_end": 0.01}])
    return drawn


# -- big_vision's formula -----------------------------------------------------------------------


def whole_steps(p: Parameters, name: str) -> int:
    if p.get(f"{name}_steps"):
        return int(p[f"{name}_steps"])
    length = 0.0
    if p.get(f"{name}_examples"):
        length = p[f"{name}_examples"] / p["batch_size"]
    if p.get(f"{name}_epochs"):
        length = p[f"{name}_epochs"] * (p["data_size"] / p["batch_size"])
    if p.get(f"{name}_percent"):
        length = p[f"{name}_percent"] * p["total_steps"]
    return max(1, round(length)) if length else 0


def transcribed(p: Parameters, step: int) -> float:
    warmup, cooldown = whole_steps(p, "warmup"), whole_steps(p, "cooldown")
    lr = p["base"] * p["batch_size"] / 256.0 if p["scale_with_batchsize"] else p["base"]
    progress = min(max((step - warmup) / (p["total_steps"] - warmup), 0.0), 1.0)
    match p["decay_type"]:
        case "linear" | "polynomial":
            zero = p.get("end", p.get("linear_end", 0))
            lr = zero + (lr - zero) * (1.0 - progress) ** p["power"]
        case "cosine":
            lr = lr * 0.5 * (1.0 + math.cos(math.pi * progress))
        case "rsqrt":
            past = step + p["shift"] - warmup if warmup <= step else p["shift"]
            lr = lr / math.sqrt(1 + past / p["timescale"])
        case "stair":
            lr = lr * [1.0, *p["mults"]][bisect_left(p["steps"], step + 1)]
    if warmup:
        lr = lr * min(1.0, step / warmup)
    if cooldown:
        lr = lr * min(1.0, (p["total_steps"] - step) / cooldown)
    return lr


def hold(count: int) -> None:
    for parameters in peers.draws(NAME, draw, count):
        found = [transcribed(parameters, step) for step in range(STEPS)]
        peers.assert_same(NAME, parameters, found)


def test_every_step_is_that_of_big_vision() -> None:
    hold(DRAWS)


@pytest.mark.slow
def test_every_step_is_that_of_big_vision_over_many_draws() -> None:
    hold(10 * MANY)


@pytest.mark.parametrize(("share", "steps"), [(0.0, 0), (1e-6, 1), (0.25, 2), (0.35, 4), (0.55, 6)])
def test_a_share_of_the_run_is_rounded_to_even_but_to_one_at_least(
    share: float, steps: int
) -> None:
    schedule = peers.bound(NAME, {"total_steps": 10, "warmup_percent": share})
    rising = [schedule(step) for step in range(steps + 1)]

    assert [step / steps for step in range(steps)] == pytest.approx(rising[:-1], rel=1e-14)
    assert 1.0 == rising[-1]


def test_stairs_are_none_by_default() -> None:
    parameters = {"base": 0.3, "total_steps": 20, "warmup_steps": 4}
    found = [0.3 * min(1.0, step / 4) for step in range(30)]

    peers.assert_same(NAME, parameters, found)


# -- where big_vision is installed --------------------------------------------------------------


@pytest.fixture(scope="module")
def big_vision() -> Any:
    return pytest.importorskip("big_vision.utils")


def test_the_formula_is_that_of_big_vision(big_vision: Any) -> None:
    for parameters in peers.draws(NAME, draw, DRAWS):
        schedule = big_vision.create_learning_rate_schedule(**parameters)
        theirs = [float(schedule(step)) for step in range(STEPS)]
        ours = [transcribed(parameters, step) for step in range(STEPS)]

        assert peers.first_difference(ours, theirs, **FLOAT32) is None, parameters


def test_the_call_is_written_as_big_vision_defines_it(big_vision: Any) -> None:
    found = inspect.signature(big_vision.create_learning_rate_schedule).parameters
    call = tomllib.loads(catalogue.dialects()[NAME].read_text(encoding="utf-8"))["call"]
    ours = inspect.signature(eval(f"lambda {call['signature']}: None")).parameters

    assert [str(entry) for entry in found.values()] == [str(entry) for entry in ours.values()]


# -- nothing is missing -------------------------------------------------------------------------


def test_the_one_dialect_of_big_vision_is_compared() -> None:
    assert [NAME] == list(catalogue.dialects("big_vision"))


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {**draw(Random(0)), "decay_type": "cosine", "warmup_steps": 5}
    late = [transcribed(parameters, max(step - 1, 0)) for step in range(20)]

    with pytest.raises(AssertionError, match=r"create_learning_rate_schedule with .*, step 1: "):
        peers.assert_same(NAME, parameters, late)
