"""The dialect of fairseq, held against fairseq.optim.lr_scheduler at every update.

fairseq 0.12.2, its last release, does not import on Python 3.11, so its formulas stand in:
transcribed from the files of fairseq/optim/lr_scheduler/, and held against the classes wherever
these can be imported.
"""

from __future__ import annotations

import inspect
import math
import tomllib
from bisect import bisect_right
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import peers
import pytest
from hold import cycle_starts
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters

from lrgen import catalogue

STEPS = 160
DRAWS = 20
MANY = 400
COSINE, MANUAL = "CosineLRSchedule", "ManualSchedule"
# fairseq measures where a growing cycle stands in binary64 multiples of its length.
GROWING = 2e-14


# -- draws --------------------------------------------------------------------------------------


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 10, source.randrange(1, 60)]))


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, 0.0, source.random()])


def warmed(source: Random) -> Parameters:
    base = rate(source)
    low = source.choice([-1.0, 0.0, base * source.uniform(0, 2)])
    return {"base_lr": base, "warmup_updates": length(source), "warmup_init_lr": low}


def floored(source: Random) -> Parameters:
    drawn = warmed(source)
    return {**drawn, "min_lr": source.choice([0.0, drawn["base_lr"] * source.random()])}


def cosine(source: Random) -> Parameters:
    return {
        **floored(source),
        "t_mult": source.choice([1.0, 1.0, 1.5, 2.0, 3.0]),
        "lr_period_updates": length(source, 1),
        "lr_shrink": share(source),
    }


def fixed(source: Random) -> Parameters:
    return {
        "rates": [rate(source) for _ in range(source.randint(1, 5))],
        "force_anneal": source.choice([0, 1, source.randint(1, 12)]),
        "lr_shrink": share(source),
        "warmup_updates": length(source),
        "updates_per_epoch": length(source, 1),
    }


def manual(source: Random) -> Parameters:
    places = sorted(source.sample(range(120), source.randint(1, 5)))
    if source.random() < 0.5:
        places[0] = source.choice([0, min(1, places[0])])
    return {
        "base_lr": rate(source),
        "updates": places,
        "rates": [rate(source) for _ in places],
    }


def polynomial(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "warmup_updates": length(source),
        "end_learning_rate": source.choice([0.0, rate(source)]),
        "power": source.choice([1.0, 2.0, 0.0, source.uniform(0, 4)]),
        "total_num_update": length(source, 1),
    }


def tri_stage(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "warmup_steps": length(source),
        "hold_steps": length(source),
        "decay_steps": length(source, 1),
        "init_lr_scale": source.choice([0.01, 0.0, source.uniform(0, 2)]),
        "final_lr_scale": source.choice([0.01, 1.0, source.uniform(0.001, 2)]),
    }


def triangular(source: Random) -> Parameters:
    low = rate(source)
    return {
        "base_lr": low,
        "max_lr": low * source.uniform(1.01, 10),
        "lr_period_updates": length(source, 2),
        "lr_shrink": share(source),
        "shrink_min": source.random() < 0.5,
    }


CURVES: dict[str, Draw] = {
    COSINE: cosine,
    "FixedLRSchedule": fixed,
    "InverseSquareRootSchedule": lambda s: {**warmed(s), "warmup_updates": length(s, 1)},
    MANUAL: manual,
    "PolynomialDecayLRSchedule": polynomial,
    "StepLRSchedule": lambda s: {
        **floored(s),
        "lr_deacy_period": length(s, 1),
        "lr_decay": share(s),
    },
    "TriStageLRSchedule": tri_stage,
    "TriangularLRSchedule": triangular,
}


# -- fairseq's formulas -------------------------------------------------------------------------


def risen(p: Parameters, low: float, t: int) -> float:
    low = low if p["warmup_init_lr"] < 0 else p["warmup_init_lr"]
    return low + t * ((p["base_lr"] - low) / p["warmup_updates"])


def in_cycles(p: Parameters, t: int) -> float:
    if t < p["warmup_updates"]:
        return risen(p, p["min_lr"], t)
    now, wide, growth = t - p["warmup_updates"], p["lr_period_updates"], p["t_mult"]
    if growth != 1:
        index = math.floor(math.log(1 - now / wide * (1 - growth), growth))
        span = growth**index * wide
        place = now - (1 - growth**index) / (1 - growth) * wide
    else:
        index, span = math.floor(now / wide), wide
        place = now - wide * index
    shrunk = p["lr_shrink"] ** index
    low, top = p["min_lr"] * shrunk, p["base_lr"] * shrunk
    return low + 0.5 * (top - low) * (1 + math.cos(math.pi * place / span))


def per_epoch(p: Parameters, t: int) -> float:
    epoch, rates, anneal = 1 + t // p["updates_per_epoch"], p["rates"], p["force_anneal"] or None
    if anneal is None or epoch < anneal:
        lr = rates[min(epoch - 1, len(rates) - 1)]
    else:
        lr = rates[-1] * p["lr_shrink"] ** (epoch + 1 - anneal)
    warming = p["warmup_updates"] > 0 and t < p["warmup_updates"]
    return (t + 1) / float(p["warmup_updates"]) * lr if warming else lr


def inverse_root(p: Parameters, t: int) -> float:
    if t < p["warmup_updates"]:
        return risen(p, 0.0, t)
    return p["base_lr"] * p["warmup_updates"] ** 0.5 * t**-0.5


def by_hand(p: Parameters, t: int) -> float:
    listed = dict(zip(p["updates"], p["rates"], strict=True))
    keys = [key for key in listed if key <= t]
    return listed[max(keys)] if keys else listed.get(1, p["base_lr"])


def in_powers(p: Parameters, t: int) -> float:
    warmup, end, low = p["warmup_updates"], p["total_num_update"], p["end_learning_rate"]
    if warmup > 0 and t <= warmup:
        return t / float(warmup) * p["base_lr"]
    if t >= end:
        return low
    remaining = 1 - (t - warmup) / (end - warmup)
    return (p["base_lr"] - low) * remaining ** p["power"] + low


def in_stairs(p: Parameters, t: int) -> float:
    if t < p["warmup_updates"]:
        return risen(p, p["min_lr"], t)
    cuts = (t - p["warmup_updates"]) // p["lr_deacy_period"]
    return max(p["base_lr"] * p["lr_decay"] ** cuts, p["min_lr"])


def in_stages(p: Parameters, t: int) -> float:
    peak, first = p["base_lr"], p["init_lr_scale"] * p["base_lr"]
    begin = p["warmup_steps"] + p["hold_steps"]
    if t < p["warmup_steps"]:
        return first + (peak - first) / p["warmup_steps"] * t
    if t < begin:
        return peak
    if t <= begin + p["decay_steps"]:
        return peak * math.exp(math.log(p["final_lr_scale"]) / p["decay_steps"] * (t - begin))
    return p["final_lr_scale"] * peak


def in_triangles(p: Parameters, t: int) -> float:
    half = p["lr_period_updates"] // 2
    index = math.floor(t / (2 * half))
    shrunk = p["lr_shrink"] ** index
    top = p["max_lr"] * shrunk
    low = p["base_lr"] * shrunk if p["shrink_min"] else p["base_lr"]
    return low + (top - low) * max(0, 1 - abs(t / half - 2 * (index + 1) + 1))


FORMULAS: dict[str, Callable[[Parameters, int], float]] = {
    COSINE: in_cycles,
    "FixedLRSchedule": per_epoch,
    "InverseSquareRootSchedule": inverse_root,
    MANUAL: by_hand,
    "PolynomialDecayLRSchedule": in_powers,
    "StepLRSchedule": in_stairs,
    "TriStageLRSchedule": in_stages,
    "TriangularLRSchedule": in_triangles,
}
# t / half - 2 * index loses as many digits as there have been triangles.
OF_SCALE = {"TriangularLRSchedule": 1e-13}


def completed(name: str, parameters: Parameters) -> Parameters:
    own = peers.loaded(f"fairseq/{name}").parameters
    return {**{key: entry.default for key, entry in own.items()}, **parameters}


def misplaced(p: Parameters, step: int) -> bool:
    """Whether fairseq takes ``step`` for one of a neighboring cycle: see deviations.toml."""
    growth, first = p.get("t_mult", 1.0), p.get("lr_period_updates", 1)
    now = step - p["warmup_updates"] if growth != 1 else -1
    if now < 0:
        return False
    index = bisect_right(cycle_starts(first, growth, STEPS), now) - 1
    return index != math.floor(math.log(1 - now / first * (1 - growth), growth))


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(f"fairseq/{name}", CURVES[name], count):
        complete = completed(name, parameters)
        steps = [step for step in range(STEPS) if not misplaced(complete, step)]
        found = [FORMULAS[name](complete, step) for step in steps]
        growing = parameters.get("t_mult", 1.0) != 1
        scale = GROWING if growing else OF_SCALE.get(name, peers.OF_SCALE)
        peers.assert_same(f"fairseq/{name}", parameters, found, steps, of_scale=scale)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_update_is_that_of_fairseq(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_update_is_that_of_fairseq_over_many_draws(name: str) -> None:
    hold(name, MANY)


# -- where fairseq can be imported --------------------------------------------------------------


def call_of(name: str) -> dict[str, Any]:
    path = catalogue.dialects()[f"fairseq/{name}"]
    return dict(tomllib.loads(path.read_text(encoding="utf-8"))["call"])


def imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(pytest.importorskip(module), name)


def driven(name: str, parameters: Parameters) -> NDArray[np.float64]:
    """What fairseq's optimizer is told at each update, with an epoch begun where one begins."""
    kind = imported(call_of(name)["paths"][0])
    from fairseq.optim import FairseqOptimizer

    class Told(FairseqOptimizer):
        def __init__(self) -> None:
            self.lr = math.nan

        def set_lr(self, lr: float) -> None:
            self.lr = lr

        def get_lr(self) -> float:
            return self.lr

    p, told = completed(name, parameters), Told()
    if name == MANUAL:
        listed = {str(k): v for k, v in zip(p["updates"], p["rates"], strict=True)}
        config = type("Arguments", (), {})()
        config.epoch2lr, config.update2lr, config.lr = "{}", repr(listed), [p["base_lr"]]
    else:
        config = imported(call_of(name)["paths"][1])()
        for key, value in p.items():
            setattr(config, key, value)
        config.lr = list(p["rates"]) if "rates" in p else [p["base_lr"]]
        if "force_anneal" in p:
            config.force_anneal = p["force_anneal"] or None
    scheduler, found = kind(config, told), []
    for step in range(STEPS):
        if name == "FixedLRSchedule" and step % p["updates_per_epoch"] == 0:
            scheduler.step_begin_epoch(1 + step // p["updates_per_epoch"])
        scheduler.step_update(step)
        found.append(told.lr)
    return np.asarray(found, np.float64)


@pytest.mark.parametrize("name", list(CURVES))
def test_the_formulas_are_those_of_fairseq(name: str) -> None:
    for parameters in peers.draws(f"fairseq/{name}", CURVES[name], DRAWS):
        complete = completed(name, parameters)
        ours = [FORMULAS[name](complete, step) for step in range(STEPS)]

        assert peers.first_difference(ours, driven(name, parameters)) is None, parameters


@pytest.mark.parametrize("name", list(CURVES))
def test_a_call_is_written_as_fairseq_defines_it(name: str) -> None:
    call = call_of(name)
    found = inspect.signature(imported(call["paths"][-1])).parameters
    ours = inspect.signature(eval(f"lambda {call['signature']}: None")).parameters

    assert [*found] == [*ours]
    for key, entry in found.items():
        if repr(entry.default) != "<factory>":
            assert entry.default == ours[key].default, key


def test_a_ratio_that_adds_up_in_decimals_is_refused_by_fairseq() -> None:
    paths = call_of("TriStageLRSchedule")["paths"]
    config = imported(paths[1])()
    config.phase_ratio, config.max_update, config.lr = (0.7, 0.2, 0.1), 100, [0.1]

    with pytest.raises(AssertionError, match="must add up to 1"):
        imported(paths[0])(config, None)


# -- nothing is missing -------------------------------------------------------------------------


def test_every_dialect_of_fairseq_is_compared() -> None:
    assert {f"fairseq/{name}" for name in CURVES} == set(catalogue.dialects("fairseq"))


def deviates(deviation: Deviation) -> bool:
    name = deviation.schedule.removeprefix("fairseq/")
    theirs = FORMULAS[name](completed(name, deviation.set), deviation.step)
    ours = peers.bound(deviation.schedule, deviation.set)(deviation.step)
    return peers.first_difference([ours], [theirs]) is not None


@pytest.mark.parametrize("deviation", peers.deviations("fairseq/"), ids=lambda d: d.schedule)
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert deviates(deviation)


def test_a_deviation_that_has_vanished_is_red() -> None:
    gone = Deviation("fairseq/StepLRSchedule", "none", "none", {"lr_deacy_period": 3}, 7)

    assert not deviates(gone)


def test_a_curve_one_update_late_is_red() -> None:
    name, parameters = "InverseSquareRootSchedule", {"base_lr": 0.1, "warmup_updates": 5}
    complete = completed(name, parameters)
    late = [FORMULAS[name](complete, max(step - 1, 0)) for step in range(30)]

    with pytest.raises(AssertionError, match=r"step 1: 0\.02\d* against 0\.0"):
        peers.assert_same(f"fairseq/{name}", parameters, late)
