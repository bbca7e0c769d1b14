"""The dialect of DeepSpeed, held against its schedulers at every step.

Its formulas are transcribed below, from ``deepspeed/runtime/lr_schedules.py`` of DeepSpeed 0.19.8,
with its counter ``last_batch_iteration``: -1 as a scheduler is made, one more at each ``step()``.
Where DeepSpeed is there, its own classes are compared as well.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import by_path
import called
import peers
import pytest
from peers import Draw, Parameters

from lrgen import catalogue

STEPS = range(160)
DRAWS = 25
MANY = 400


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def often_zero(source: Random) -> float:
    return source.choice([0.0, rate(source)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 60)]))


def warmed(source: Random) -> Parameters:
    return {
        "warmup_min_lr": often_zero(source),
        "warmup_max_lr": rate(source),
        "warmup_num_steps": length(source, 1),
        "warmup_type": source.choice(["log", "linear"]),
    }


def shared(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "total_num_steps": length(source),
        "warmup_min_ratio": source.choice([0.0, 0.1, source.random()]),
        "warmup_num_steps": length(source, 1),
        "cos_min_ratio": source.choice([1e-4, 0.0, source.random()]),
        "warmup_type": source.choice(["log", "linear"]),
    }


def ranged(source: Random) -> Parameters:
    return {
        "lr_range_test_min_lr": rate(source),
        "lr_range_test_step_size": length(source, 1),
        "lr_range_test_step_rate": source.choice([1.0, 0.0, source.uniform(0, 5)]),
        "lr_range_test_staircase": source.random() < 0.5,
    }


def halves(source: Random) -> Parameters:
    return {
        "cycle_first_step_size": length(source, 1),
        "cycle_second_step_size": source.choice([-1, length(source)]),
        "cycle_first_stair_count": source.choice([0, 0, source.randrange(1, 8)]),
        "cycle_second_stair_count": source.choice([-1, 0, source.randrange(1, 8)]),
        "decay_step_size": source.choice([0, length(source, 1)]),
    }


def cycled(source: Random) -> Parameters:
    return {
        **halves(source),
        "cycle_min_lr": often_zero(source),
        "cycle_max_lr": rate(source),
        "decay_lr_rate": source.choice([0.0, 1.0, source.uniform(0, 3)]),
    }


def moving(source: Random) -> Parameters:
    return {
        **halves(source),
        "cycle_min_mom": source.choice([0.8, source.random()]),
        "cycle_max_mom": source.choice([0.9, source.random()]),
        "decay_mom_rate": source.choice([0.0, 1.0, source.uniform(0, 3)]),
    }


# -- the formulas, each of the counter k ---------------------------------------------------------


def gamma(k: int, p: Parameters) -> float:
    """``_get_gamma`` within the warm-up."""
    whole = max(2, p["warmup_num_steps"])
    if p["warmup_type"] == "log":
        return 1.0 / math.log(whole) * math.log(k + 1)
    return k / whole


def warmup(k: int, p: Parameters) -> float:
    if k < 0:
        return p["warmup_min_lr"]
    share = gamma(k, p) if k < max(2, p["warmup_num_steps"]) else 1.0
    return p["warmup_min_lr"] + (p["warmup_max_lr"] - p["warmup_min_lr"]) * share


def warmup_decay(k: int, p: Parameters) -> float:
    whole = max(2, p["warmup_num_steps"])
    if k < whole:
        return warmup(k, p)
    left = float(p["total_num_steps"] - k) / float(max(1.0, p["total_num_steps"] - whole))
    return p["warmup_min_lr"] + (p["warmup_max_lr"] - p["warmup_min_lr"]) * max(0.0, left)


def warmup_cosine(k: int, p: Parameters) -> float:
    whole = max(2, p["warmup_num_steps"])
    if k < 0:
        return 0.0
    if k < whole:
        ratio = p["warmup_min_ratio"] + gamma(k, p) * (1.0 - p["warmup_min_ratio"])
    else:
        progress = min(1.0, (k - whole + 1) / max(1, p["total_num_steps"] - whole))
        ratio = (1 + math.cos(math.pi * progress)) / 2
        ratio = max(0.0, p["cos_min_ratio"] + (1.0 - p["cos_min_ratio"]) * ratio)
    return p["base_lr"] * ratio


def range_test(k: int, p: Parameters) -> float:
    interval = float(k + 1) / p["lr_range_test_step_size"]
    if p["lr_range_test_staircase"]:
        interval = math.floor(interval)
    return p["lr_range_test_min_lr"] * (1 + p["lr_range_test_step_rate"] * interval)


def scale(k: int, p: Parameters) -> float | None:
    """``_get_scale_factor``, or None after the cycle."""
    first, second = float(p["cycle_first_step_size"]), float(p["cycle_second_step_size"])
    second = first if second == -1 else second
    up, down = p["cycle_first_stair_count"], p["cycle_second_stair_count"]
    down = up if down == -1 else down
    whole, at = first + second, k + 1
    if k >= whole:
        return None
    x = 1.0 + at / whole - math.floor(1 + at / whole)
    ratio = first / whole
    factor, stairs = (x / ratio, up) if x <= ratio else ((x - 1) / (ratio - 1), down)
    if stairs > 0:
        inside = at % whole
        place = inside * stairs / first if inside <= first else (whole - inside) * stairs / second
        factor = math.floor(place) / stairs
    return factor


def decays(k: int, p: Parameters) -> float:
    """How often it has decayed after the cycle."""
    second = p["cycle_second_step_size"]
    whole = p["cycle_first_step_size"] + (p["cycle_first_step_size"] if second == -1 else second)
    return 0 if p["decay_step_size"] == 0 else (k - whole + 1) / p["decay_step_size"]


def one_cycle(k: int, p: Parameters) -> float:
    factor = scale(k, p)
    if factor is None:
        return p["cycle_min_lr"] / (1 + p["decay_lr_rate"] * decays(k, p))
    return p["cycle_min_lr"] + (p["cycle_max_lr"] - p["cycle_min_lr"]) * factor


def one_cycle_momentum(k: int, p: Parameters) -> float:
    factor = scale(k, p)
    if k < 0:
        return p["cycle_min_mom"]
    if factor is None:
        return p["cycle_max_mom"] * (1 + p["decay_mom_rate"] * decays(k, p))
    return p["cycle_max_mom"] - (p["cycle_max_mom"] - p["cycle_min_mom"]) * factor


FORMULAS: dict[str, tuple[Draw, Callable[[int, Parameters], float]]] = {
    "WarmupLR": (warmed, warmup),
    "WarmupDecayLR": (lambda s: {**warmed(s), "total_num_steps": length(s)}, warmup_decay),
    "WarmupCosineLR": (shared, warmup_cosine),
    "LRRangeTest": (ranged, range_test),
    "OneCycle": (cycled, one_cycle),
    "OneCycle.momentum": (moving, one_cycle_momentum),
}


def curve(name: str, parameters: Parameters, steps: Sequence[int]) -> list[float]:
    return [FORMULAS[name][1](step - 1, parameters) for step in steps]


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(f"deepspeed/{name}", FORMULAS[name][0], count):
        theirs = curve(name, parameters, STEPS)
        peers.assert_same(f"deepspeed/{name}", parameters, theirs)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_step_is_that_of_the_formula_of_deepspeed(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_step_is_that_of_the_formula_of_deepspeed_over_many_draws(name: str) -> None:
    hold(name, MANY)


LONG: dict[str, Parameters] = {
    "WarmupLR": {"warmup_num_steps": 10**9},
    "WarmupDecayLR": {"warmup_num_steps": 10**6, "total_num_steps": 10**9},
    "WarmupCosineLR": {"warmup_num_steps": 10**6, "total_num_steps": 10**9},
    "LRRangeTest": {"lr_range_test_step_size": 10**6, "lr_range_test_staircase": True},
    "OneCycle": {"cycle_first_step_size": 10**6, "cycle_second_step_size": 10**9 - 10**6},
    "OneCycle.momentum": {"cycle_first_step_size": 10**6, "cycle_second_step_size": 10**9},
}


@pytest.mark.parametrize("name", list(LONG))
def test_long_runs_are_those_of_deepspeed_around_every_boundary(name: str) -> None:
    entries = peers.loaded(f"deepspeed/{name}").parameters.items()
    parameters = {**{key: entry.default for key, entry in entries}, **LONG[name]}
    places = (0, 10**6, 10**9, 10**9 + 10**6)
    steps = [place + by for place in places for by in range(-3, 4) if place + by >= 0]

    theirs = curve(name, parameters, steps)
    peers.assert_same(f"deepspeed/{name}", parameters, theirs, steps)


# -- DeepSpeed itself ----------------------------------------------------------------------------


def scheduler_class(name: str) -> Any:
    pytest.importorskip("torch")
    logger = logging.getLogger("deepspeed")
    logger.disabled = True
    file = "deepspeed/runtime/lr_schedules.py"
    return getattr(by_path.module_of(file, deepspeed__utils={"logger": logger}), name.split(".")[0])


def run(name: str, parameters: Parameters) -> list[float]:
    """What Adam holds as a scheduler is made, and after each ``step()``."""
    torch = pytest.importorskip("torch")
    own = dict(parameters)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=own.pop("base_lr", 1e-3))
    if name.startswith("OneCycle"):
        rates = {"cycle_min_lr": 1e-4, "cycle_max_lr": 1e-3}
        own = {**rates, **{key: value for key, value in own.items() if value != -1}}
    scheduler = scheduler_class(name)(optimizer, **own)
    group, found = optimizer.param_groups[0], []
    for _ in STEPS:
        found.append(group["betas"][0] if name.endswith("momentum") else group["lr"])
        scheduler.step()
    return found


@pytest.mark.parametrize("count", [DRAWS, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_step_is_that_of_deepspeed_where_there_is_one(name: str, count: int) -> None:
    scheduler_class(name)
    for parameters in peers.draws(f"deepspeed/{name}", FORMULAS[name][0], count):
        peers.assert_same(f"deepspeed/{name}", parameters, run(name, parameters))


@pytest.mark.parametrize("name", list(FORMULAS))
def test_a_call_is_that_of_deepspeed_where_there_is_one(name: str) -> None:
    theirs = called.arguments(scheduler_class(name).__init__)

    assert theirs == called.written(f"deepspeed/{name}")


# -- what the specs say of DeepSpeed -------------------------------------------------------------


def test_every_scheduler_of_deepspeed_has_a_dialect_that_is_compared() -> None:
    assert {f"deepspeed/{name}" for name in FORMULAS} == set(catalogue.dialects("deepspeed"))


@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_argument_of_deepspeed_is_a_parameter_or_beside(name: str) -> None:
    arguments = {key for key, _ in called.written(f"deepspeed/{name}")}
    parameters = set(peers.loaded(f"deepspeed/{name}").parameters)

    beside = set(called.shape(f"deepspeed/{name}")["beside"])
    refused = {"cycle_momentum"} if name == "OneCycle.momentum" else set()  # which False stops

    assert arguments - parameters == beside | refused
    assert parameters - arguments <= {"base_lr"}


def test_a_curve_without_the_lag_of_deepspeed_is_red() -> None:
    parameters = {"warmup_num_steps": 10, "warmup_type": "linear"}
    full = {"warmup_min_lr": 0.0, "warmup_max_lr": 1e-3, **parameters}
    early = [warmup(step, full) for step in STEPS]

    with pytest.raises(AssertionError, match=r"WarmupLR with .*, step 1: 0\.0 against 0\.0001"):
        peers.assert_same("deepspeed/WarmupLR", parameters, early)
