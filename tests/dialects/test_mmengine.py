"""The dialect of mmengine, held against mmengine.optim at every step.

Where mmengine is not installed, its recursions stand in: transcribed from
mmengine/optim/scheduler/param_scheduler.py of mmengine 0.10.7, and held against the library where
it is there.
"""

from __future__ import annotations

import inspect
import math
import tomllib
import warnings
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import by_path
import numpy as np
import peers
import pytest
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters

from lrgen import catalogue

STEPS = 120
DRAWS = 20
MANY = 400
METRICS = 60
PLATEAU = "ReduceOnPlateauLR"
INF = 10**9
NONE = {"T_max": 0, "eta_min_ratio": -1.0}
# Each rate is the last one times a factor, and rounding adds up: see deviations.toml.
DRIFT = {name: {"of_scale": 1e-13} for name in ("CosineAnnealingLR", "CosineRestartLR", "PolyLR")}


# -- draws --------------------------------------------------------------------------------------


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def length(source: Random) -> int:
    return source.choice([1, 2, 3, 10, source.randint(1, 60)])


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, 0.999, source.uniform(0.001, 1)])


def placed(source: Random) -> Parameters:
    begin = source.choice([0, 0, 1, source.randint(0, 40)])
    return {"base_lr": rate(source), "begin": begin, "end": begin + length(source)}


def opened(source: Random) -> Parameters:
    drawn = placed(source)
    return {**drawn, "end": source.choice([INF, drawn["end"]])}


def floored(source: Random, base: float) -> Parameters:
    floors = [
        {"eta_min": 0.0},
        {"eta_min": base * source.uniform(0, 1.5)},
        {"eta_min_ratio": source.random()},
    ]
    return source.choice(floors)


def annealed(source: Random) -> Parameters:
    drawn = placed(source)
    half = source.choice([0, length(source)])
    return {**drawn, "T_max": half, **floored(source, drawn["base_lr"])}


def restarted(source: Random) -> Parameters:
    drawn = opened(source)
    periods = [length(source) for _ in range(source.randint(1, 8))]
    weights = [source.choice([1.0, 0.5, 2 * source.random()]) for _ in periods]
    floor = floored(source, drawn["base_lr"] / 2)
    return {**drawn, "periods": periods, "restart_weights": weights, **floor}


def one_cycle(source: Random) -> Parameters:
    drawn = opened(source)
    total = source.choice([1, 2, 10, 37, source.randint(1, STEPS)])
    three = source.random() < 0.4
    started = source.choice([0.0, 0.25, 0.3, 0.5, source.random()]) / (2 if three else 1)
    if started * total == 1:  # mmengine divides by zero there
        return one_cycle(source)
    return {
        **drawn,
        "end": min(drawn["end"], drawn["begin"] + total + 1),
        "eta_max": rate(source),
        "total_steps": total,
        "pct_start": started,
        "anneal_strategy": source.choice(["cos", "linear"]),
        "div_factor": source.choice([25.0, 1.0, 0.5, source.uniform(1, 100)]),
        "final_div_factor": source.choice([1e4, 1.0, source.uniform(1, 1e6)]),
        "three_phase": three,
    }


def plateau(source: Random) -> Parameters:
    begin = source.choice([0, 0, source.randint(0, 20)])
    return {
        "base_lr": rate(source),
        "rule": source.choice(["less", "greater"]),
        "factor": source.choice([0.1, 0.5, 0.0, source.random()]),
        "patience": source.randrange(5),
        "threshold": source.choice([0.0, 1e-4, 0.25, source.random()]),
        "threshold_rule": source.choice(["rel", "abs"]),
        "cooldown": source.randrange(4),
        "min_value": source.choice([0.0, 1e-4, rate(source)]),
        "eps": source.choice([0.0, 1e-8, 1e-3]),
        "begin": begin,
        "end": source.choice([INF, begin + source.randint(1, 60)]),
    }


CURVES: dict[str, Draw] = {
    "ConstantLR": lambda s: {**placed(s), "factor": share(s)},
    "CosineAnnealingLR": annealed,
    "CosineRestartLR": restarted,
    "ExponentialLR": lambda s: {**opened(s), "gamma": s.choice([0.0, share(s)])},
    "LinearLR": lambda s: {
        **placed(s),
        "start_factor": share(s),
        "end_factor": s.choice([0.0, share(s)]),
    },
    "MultiStepLR": lambda s: {
        **opened(s),
        "milestones": sorted(s.sample(range(90), s.randrange(6))),
        "gamma": share(s),
    },
    "OneCycleLR": one_cycle,
    "PolyLR": lambda s: {
        **placed(s),
        "eta_min": s.choice([0.0, rate(s)]),
        "power": s.choice([0.0, 0.9, 1.0, 2.0, s.uniform(0, 4)]),
    },
    "StepLR": lambda s: {**opened(s), "step_size": length(s), "gamma": share(s)},
}


def metrics(source: Random, count: int) -> list[float]:
    """Observations that stay, improve a little or a lot, and now and then are no number."""
    found, level = [], source.choice([1.0, 0.0, -1.0, 2e9])
    for _ in range(count):
        level += source.choice([0.0, 0.0, -0.25, 0.25, source.gauss(0, 1e-4), source.gauss(0, 1)])
        odd = source.random()
        found.append(math.nan if odd < 0.03 else math.inf if odd < 0.04 else level)
    return found


# -- mmengine's recursions: the next rate from the last -----------------------------------------


def total(p: Parameters) -> int:
    return p["end"] - p["begin"] - 1


def floor_of(p: Parameters) -> float:
    return p["eta_min"] if p["eta_min_ratio"] == -1 else p["base_lr"] * p["eta_min_ratio"]


def wave(k: int, half: int, last: float, floor: float) -> float:
    turned = (1 + math.cos(math.pi * k / half)) / (1 + math.cos(math.pi * (k - 1) / half))
    return turned * (last - floor) + floor


def constant(p: Parameters, k: int, last: float) -> float:
    if k == 0:
        return last * p["factor"]
    return last * (1.0 / p["factor"]) if k == total(p) else last


def cosine(p: Parameters, k: int, last: float) -> float:
    half, floor = p["T_max"] or p["end"] - p["begin"], floor_of(p)
    if k == 0:
        return last
    if (k - 1 - half) % (2 * half) == 0:
        return last + (p["base_lr"] - floor) * (1 - math.cos(math.pi / half)) / 2
    return wave(k, half, last, floor)


def restarts(p: Parameters, k: int, last: float) -> float:
    start = 0
    for period, weight in zip(p["periods"], p["restart_weights"], strict=True):
        if k < start + period:
            top = p["base_lr"] * weight
            return top if k == start else wave(k - start, period, last, floor_of(p))
        start += period
    return last


def linear(p: Parameters, k: int, last: float) -> float:
    low, high = p["start_factor"], p["end_factor"]
    if k == 0:
        return last * low
    return last * (1.0 + (high - low) / (total(p) * low + (k - 1) * (high - low)))


def poly(p: Parameters, k: int, last: float) -> float:
    if k == 0:
        return last
    return (last - p["eta_min"]) * (1 - 1 / (total(p) - k + 1)) ** p["power"] + p["eta_min"]


def cycled(p: Parameters, k: int, _: float) -> float:
    whole, top = p["total_steps"], p["eta_max"]
    first = top / p["div_factor"]
    knot, lowest = p["pct_start"] * whole - 1, first / p["final_div_factor"]
    phases = [(knot, first, top), (whole - 1, top, lowest)]
    if p["three_phase"]:
        back = (2 * p["pct_start"] * whole - 2, top, first)
        phases = [phases[0], back, (whole - 1, first, lowest)]
    start = 0.0
    for end, a, b in phases:
        if k <= end or end == whole - 1:
            share = (k - start) / (end - start)
            if p["anneal_strategy"] == "cos":
                return b + (a - b) / 2.0 * (math.cos(math.pi * share) + 1)
            return (b - a) * share + a
        start = end
    raise AssertionError("the last phase is open")


NEXT: dict[str, Callable[[Parameters, int, float], float]] = {
    "ConstantLR": constant,
    "CosineAnnealingLR": cosine,
    "CosineRestartLR": restarts,
    "ExponentialLR": lambda p, k, last: last if k == 0 else last * p["gamma"],
    "LinearLR": linear,
    "MultiStepLR": lambda p, k, last: last * p["gamma"] ** list(p["milestones"]).count(k),
    "OneCycleLR": cycled,
    "PolyLR": poly,
    "StepLR": lambda p, k, last: last if k == 0 or k % p["step_size"] else last * p["gamma"],
}


def completed(name: str, parameters: Parameters) -> Parameters:
    loaded = peers.loaded(f"mmengine/{name}")
    return {**{key: entry.default for key, entry in loaded.parameters.items()}, **parameters}


def transcribed(name: str, parameters: Parameters) -> list[float]:
    """The rate at each step, by mmengine's recursion."""
    p = completed(name, parameters)
    found, last = [], p["base_lr"]
    for step in range(STEPS):
        if p["begin"] <= step < p["end"]:
            last = NEXT[name](p, step - p["begin"], last)
        found.append(last)
    return found


def observed(parameters: Parameters, seen: list[float]) -> list[float]:
    """The rate after each observation, one after each epoch."""
    p = completed(PLATEAU, parameters)
    sign = 1 if p["rule"] == "less" else -1
    best, bad, resting, last = sign * 1e9, 0, 0, p["base_lr"]
    found = []
    for epoch, metric in enumerate(seen, start=1):
        if p["begin"] <= epoch < p["end"]:
            by = p["threshold"]
            bar = best * (1.0 - sign * by) if p["threshold_rule"] == "rel" else best - sign * by
            if metric < bar if p["rule"] == "less" else metric > bar:
                best, bad = metric, 0
            else:
                bad += 1
            if resting > 0:
                resting, bad = resting - 1, 0
            if bad > p["patience"]:
                lower = max(last * p["factor"], p["min_value"])
                last = lower if last - lower > p["eps"] else last
                resting, bad = p["cooldown"], 0
        found.append(last)
    return found


# -- held against each other --------------------------------------------------------------------


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(f"mmengine/{name}", CURVES[name], count):
        found = transcribed(name, parameters)
        peers.assert_same(f"mmengine/{name}", parameters, found, **DRIFT.get(name, {}))


def hold_plateau(count: int) -> None:
    source = Random("metrics")
    for parameters in peers.draws(f"mmengine/{PLATEAU}", plateau, count):
        seen = metrics(source, METRICS)
        found = observed(parameters, seen)
        peers.assert_same_trace(f"mmengine/{PLATEAU}", parameters, seen, found)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_mmengine(name: str) -> None:
    hold(name, DRAWS)


def test_every_cut_is_that_of_mmengine() -> None:
    hold_plateau(DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_mmengine_over_many_draws(name: str) -> None:
    hold(name, MANY)


@pytest.mark.slow
def test_every_cut_is_that_of_mmengine_over_many_draws() -> None:
    hold_plateau(MANY)


# -- where mmengine is installed ----------------------------------------------------------------


@pytest.fixture(scope="module")
def mmengine() -> Any:
    registry = SimpleNamespace(register_module=lambda: lambda kind: kind)
    return by_path.alone(
        "mmengine.optim.scheduler",
        mmengine__logging={"print_log": None},
        mmengine__optim={"BaseOptimWrapper": type("BaseOptimWrapper", (), {})},
        mmengine__registry={"PARAM_SCHEDULERS": registry},
    )


def made(mmengine: Any, name: str, parameters: Parameters) -> tuple[Any, Any]:
    """mmengine's scheduler called ``name``, and its parameter group."""
    import torch

    own = {key: None if value == NONE.get(key) else value for key, value in parameters.items()}
    if own.get("eta_min_ratio") is not None:
        own["eta_min"] = None
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=own.pop("base_lr"))
    return getattr(mmengine, name)(optimizer, **own), optimizer.param_groups[0]


def driven(mmengine: Any, name: str, parameters: Parameters) -> NDArray[np.float64]:
    """What an optimizer holds at each step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no update is made between two steps
        scheduler, group = made(mmengine, name, parameters)
        found = [group["lr"]]
        for _ in range(STEPS - 1):
            scheduler.step()
            found.append(group["lr"])
    return np.asarray(found, np.float64)


@pytest.mark.parametrize("name", list(CURVES))
def test_the_recursions_are_those_of_mmengine(name: str, mmengine: Any) -> None:
    for parameters in peers.draws(f"mmengine/{name}", CURVES[name], DRAWS):
        theirs = driven(mmengine, name, parameters)

        ours = transcribed(name, parameters)
        assert peers.first_difference(ours, theirs, relative=1e-14) is None, parameters


def test_the_cuts_are_those_of_mmengine(mmengine: Any) -> None:
    source = Random("metrics")
    for parameters in peers.draws(f"mmengine/{PLATEAU}", plateau, DRAWS):
        seen, theirs = metrics(source, METRICS), []
        scheduler, group = made(mmengine, PLATEAU, parameters)
        for metric in seen:
            scheduler.step()  # an epoch has ended
            scheduler.step({"loss": metric})
            theirs.append(group["lr"])

        assert peers.first_difference(observed(parameters, seen), theirs) is None, parameters


def test_every_class_of_mmengine_has_a_dialect(mmengine: Any) -> None:
    classes = {name for name in mmengine.__all__ if name.endswith("LR")}

    assert {*CURVES, PLATEAU} == classes


@pytest.mark.parametrize("name", [*CURVES, PLATEAU])
def test_a_call_is_written_as_mmengine_defines_it(name: str, mmengine: Any) -> None:
    (mixed,) = [
        k for k in getattr(mmengine, name).__mro__ if k.__name__.endswith("ParamScheduler")
    ][:1]
    found = dict(inspect.signature(mixed).parameters)
    assert "param_name" == [*found][1]
    del found["param_name"]
    path = catalogue.dialects()[f"mmengine/{name}"]
    call = tomllib.loads(path.read_text(encoding="utf-8"))["call"]
    ours = inspect.signature(eval(f"lambda {call['signature']}: None")).parameters

    assert [*found] == [*ours]
    assert [e.default for e in found.values()] == [e.default for e in ours.values()]


# -- nothing is missing -------------------------------------------------------------------------


def test_every_dialect_of_mmengine_is_compared() -> None:
    assert {f"mmengine/{name}" for name in [*CURVES, PLATEAU]} == set(
        catalogue.dialects("mmengine")
    )


def deviates(deviation: Deviation) -> bool:
    name = deviation.schedule.removeprefix("mmengine/")
    theirs = transcribed(name, deviation.set)[deviation.step]
    ours = peers.bound(deviation.schedule, deviation.set)(deviation.step)
    scale = deviation.set["base_lr"]
    return abs(ours - theirs) > peers.RELATIVE * abs(theirs) + peers.OF_SCALE * scale


@pytest.mark.parametrize("deviation", peers.deviations("mmengine/"), ids=lambda d: d.schedule)
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert deviates(deviation)


def test_a_deviation_that_has_vanished_is_red() -> None:
    gone = Deviation("mmengine/StepLR", "none", "none", {"base_lr": 0.1, "step_size": 3}, 7)

    assert not deviates(gone)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"base_lr": 0.1, "step_size": 3, "gamma": 0.5}
    found = transcribed("StepLR", parameters)

    with pytest.raises(AssertionError, match=r"StepLR with .*, step 3: 0\.05 against 0\.1"):
        peers.assert_same("mmengine/StepLR", parameters, [found[0], *found[:-1]])
