"""The dialect of Megatron, held against OptimizerParamScheduler at every step.

Megatron needs far more than its scheduler does, so that tests do not install it: its formulas are
transcribed below, from ``megatron/core/optimizer_param_scheduler.py`` of megatron-core 0.16.1.
Where Megatron is there all the same, its own class is compared as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import by_path
import called
import peers
import pytest
from peers import Parameters

from lrgen import catalogue

RATE = "megatron/OptimizerParamScheduler"
WEIGHT_DECAY = "megatron/OptimizerParamScheduler.weight_decay"
STEPS = range(160)
DRAWS = 40
MANY = 400

STYLES = ["constant", "linear", "cosine", "inverse_square_root", "WSD"]
ENDS = ["linear", "cosine", "exponential", "minus_sqrt"]
GROWTHS = ["constant", "linear", "cosine"]


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 90)]))


def scheduled(source: Random) -> Parameters:
    top = rate(source)
    return {
        "init_lr": source.choice([0.0, top * source.random()]),
        "max_lr": top,
        "min_lr": source.choice([0.0, top, top * source.random()]),
        "lr_warmup_steps": source.choice([0, length(source)]),
        "lr_decay_steps": length(source, 1),
        "lr_decay_style": source.choice([*STYLES, "WSD", "WSD"]),
        "wsd_decay_steps": length(source),
        "lr_wsd_decay_style": source.choice(ENDS),
    }


def growing(source: Random) -> Parameters:
    start, style = rate(source), source.choice(GROWTHS)
    return {
        "start_wd": start,
        "end_wd": start if style == "constant" else start + source.choice([0.0, rate(source)]),
        "wd_incr_steps": length(source),
        "wd_incr_style": style,
    }


# -- the formulas --------------------------------------------------------------------------------


def lr_of(n: int, p: Parameters) -> float:
    """``get_lr`` after ``n`` steps."""
    warmup, decay, style = p["lr_warmup_steps"], p["lr_decay_steps"], p["lr_decay_style"]
    if warmup > 0 and n <= warmup:
        return p["init_lr"] + (p["max_lr"] - p["init_lr"]) * float(n) / float(warmup)
    if style == "constant":
        return p["max_lr"]
    if n > decay:
        return p["min_lr"]
    if style == "inverse_square_root":
        return max(p["min_lr"], p["max_lr"] * max(warmup, 1) ** 0.5 / max(n, 1) ** 0.5)
    ratio = float(n - warmup) / float(decay - warmup)
    if style == "linear":
        share = 1.0 - ratio
    elif style == "cosine":
        share = 0.5 * (math.cos(math.pi * ratio) + 1.0)
    else:
        share = wsd_share(n - (decay - p["wsd_decay_steps"]), p)
    return p["min_lr"] + share * (p["max_lr"] - p["min_lr"])


def wsd_share(passed: int, p: Parameters) -> float:
    """The part of ``get_lr`` for 'WSD', ``passed`` steps after the stable ones."""
    if passed <= 0:
        return 1.0
    ratio = float(passed) / float(p["wsd_decay_steps"])
    match p["lr_wsd_decay_style"]:
        case "linear":
            return 1.0 - ratio
        case "cosine":
            return 0.5 * (math.cos(math.pi * ratio) + 1.0)
        case "exponential":
            return 2.0 * math.pow(0.5, ratio) - 1.0
        case _:
            return 1.0 - math.sqrt(ratio)


def wd_of(n: int, p: Parameters) -> float:
    """``get_wd`` after ``n`` steps."""
    if n > p["wd_incr_steps"] or p["wd_incr_style"] == "constant":
        return p["end_wd"]
    ratio = float(n) / float(p["wd_incr_steps"])
    if p["wd_incr_style"] == "cosine":
        ratio = 0.5 * (math.cos(math.pi * (1 - ratio)) + 1.0)
    return p["start_wd"] + ratio * (p["end_wd"] - p["start_wd"])


FORMULAS = {RATE: (scheduled, lr_of), WEIGHT_DECAY: (growing, wd_of)}


def hold(name: str, count: int) -> None:
    draw, formula = FORMULAS[name]
    for parameters in peers.draws(name, draw, count):
        theirs = [formula(step, parameters) for step in STEPS]
        peers.assert_same(name, parameters, theirs)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_step_is_that_of_the_formula_of_megatron(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_step_is_that_of_the_formula_of_megatron_over_many_draws(name: str) -> None:
    hold(name, MANY)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("end", ENDS)
def test_every_style_is_that_of_megatron_in_a_run_of_a_trillion_samples(
    style: str, end: str
) -> None:
    total = 10**12 + 39
    parameters = {
        "init_lr": 1e-7,
        "max_lr": 3e-4,
        "min_lr": 3e-5,
        "lr_warmup_steps": 10**9,
        "lr_decay_steps": total,
        "lr_decay_style": style,
        "wsd_decay_steps": 10**11,
        "lr_wsd_decay_style": end,
    }
    near = [place + by for place in (10**9, total - 10**11, total) for by in range(-3, 4)]
    steps = [0, 1, 2, *near, 2 * total]

    peers.assert_same(RATE, parameters, [lr_of(step, parameters) for step in steps], steps)


# -- Megatron itself -----------------------------------------------------------------------------


def megatron() -> Any:
    """The scheduler's class."""
    file = "megatron/core/optimizer_param_scheduler.py"
    logged = {"log_single_rank": lambda *_, **__: None}
    return by_path.module_of(file, megatron__core__utils=logged).OptimizerParamScheduler


def run(parameters: Parameters, steps: Sequence[int], key: str) -> list[float]:
    """What the parameter group holds as ``key`` after each of ``steps``, which rise."""
    others = {**drawn_for(WEIGHT_DECAY), **drawn_for(RATE), **parameters}
    others["lr_decay_style"] = others["lr_decay_style"].replace("_", "-")
    group: dict[str, float] = {}
    scheduler = megatron()(SimpleNamespace(param_groups=[group]), **others)
    found, at = [], 0
    for step in steps:
        scheduler.step(step - at)
        at = step
        found.append(group[key])
    return found


def drawn_for(name: str) -> Parameters:
    return {key: entry.default for key, entry in peers.loaded(name).parameters.items()}


@pytest.mark.parametrize("count", [DRAWS, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "key"), [(RATE, "lr"), (WEIGHT_DECAY, "weight_decay")])
def test_every_step_is_that_of_megatron_where_there_is_one(name: str, key: str, count: int) -> None:
    for parameters in peers.draws(name, FORMULAS[name][0], count):
        peers.assert_same(name, parameters, run(parameters, STEPS, key))


@pytest.mark.parametrize("name", list(FORMULAS))
def test_a_call_is_that_of_megatron_where_there_is_one(name: str) -> None:
    assert called.arguments(megatron().__init__) == called.written(name)


# -- what the specs say of Megatron --------------------------------------------------------------


def test_both_quantities_of_megatron_have_a_dialect_that_is_compared() -> None:
    assert set(FORMULAS) == set(catalogue.dialects("megatron"))


def test_the_arguments_are_shared_out_between_rate_and_weight_decay() -> None:
    rates, decays = (set(peers.loaded(name).parameters) for name in (RATE, WEIGHT_DECAY))
    arguments = {name for name, _ in called.written(RATE)}
    beside = {name: set(called.shape(name)["beside"]) for name in FORMULAS}

    assert called.written(RATE) == called.written(WEIGHT_DECAY)
    assert arguments - rates == beside[RATE]
    assert arguments - decays == beside[WEIGHT_DECAY]
    assert set() == rates & decays


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {**drawn_for(RATE), "lr_warmup_steps": 4, "lr_decay_steps": 20}
    late = [lr_of(max(step - 1, 0), parameters) for step in STEPS]

    with pytest.raises(
        AssertionError, match=r"OptimizerParamScheduler with .*, step 1: 7\.5.*e-05"
    ):
        peers.assert_same(RATE, parameters, late)
