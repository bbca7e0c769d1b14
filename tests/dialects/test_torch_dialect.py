"""The dialect of PyTorch, held against torch.optim.lr_scheduler at every step."""

from __future__ import annotations

import inspect
import warnings
from random import Random
from typing import Any

import numpy as np
import peers
import pytest
import torch
from hold import length, metrics, rate, share
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters
from torch.optim import lr_scheduler, swa_utils

from lrgen import catalogue

STEPS = 160
DRAWS = 25
MANY = 400
METRICS = 60
# They take functions or other schedulers, so they are not one curve.
NO_DIALECT = {"LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler"}
# What rounding loses grows with the step there, see deviations.toml: a share of the largest rate.
DRIFT = {"CosineAnnealingLR": {"of_scale": 1e-13}, "CyclicLR": {"of_scale": 1e-13}}
DRIFT["CyclicLR.momentum"] = DRIFT["CyclicLR"]
# What a dialect leaves to its caller: the other way to give a length, functions, and the momentum,
# which is a dialect of its own.
RESOLVED = {"epochs", "steps_per_epoch", "scale_fn", "scale_mode", "cycle_momentum"}
MOMENTUM = {"base_momentum", "max_momentum"}
NOT_OF_MOMENTUM = {"base_lr", "max_lr", "div_factor", "final_div_factor"}
# PyTorch has no default, or None.
OWN_DEFAULTS = {"base_lr", "max_lr", "step_size", "milestones", "gamma", "T_max", "T_0", "swa_lr"}
OWN_DEFAULTS |= {"total_steps", "step_size_down"}


def step_lr(source: Random) -> Parameters:
    return {"base_lr": rate(source), "step_size": length(source, 1), "gamma": share(source)}


def multi_step_lr(source: Random) -> Parameters:
    milestones = sorted(source.choices(range(STEPS), k=source.randrange(6)))
    return {"base_lr": rate(source), "milestones": milestones, "gamma": share(source)}


def constant_lr(source: Random) -> Parameters:
    return {"base_lr": rate(source), "factor": share(source), "total_iters": length(source)}


def linear_lr(source: Random) -> Parameters:
    factors = {"start_factor": share(source), "end_factor": source.choice([0.0, share(source)])}
    return {"base_lr": rate(source), "total_iters": length(source), **factors}


def exponential_lr(source: Random) -> Parameters:
    return {"base_lr": rate(source), "gamma": source.choice([0.0, share(source)])}


def polynomial_lr(source: Random) -> Parameters:
    power = source.choice([0.0, 0.5, 1.0, 2.0, source.uniform(0, 4)])
    return {"base_lr": rate(source), "total_iters": length(source), "power": power}


def cosine_annealing_lr(source: Random) -> Parameters:
    floor = source.choice([0.0, 1e-5, rate(source)])
    return {"base_lr": rate(source), "T_max": length(source, 1), "eta_min": floor}


def warm_restarts(source: Random) -> Parameters:
    floor = source.choice([0.0, 1e-5, rate(source)])
    first, growth = length(source, 1), source.randrange(1, 5)
    return {"base_lr": rate(source), "T_0": first, "T_mult": growth, "eta_min": floor}


def cyclic(source: Random) -> Parameters:
    mode = source.choice(["triangular", "triangular2", "exp_range"])
    down = source.choice([-1, 0, length(source, 1)])
    lengths = {"step_size_up": length(source, 1), "step_size_down": down}
    return {**lengths, "mode": mode, "gamma": share(source)}


def cyclic_lr(source: Random) -> Parameters:
    return {"base_lr": rate(source), "max_lr": rate(source), **cyclic(source)}


def cyclic_momentum(source: Random) -> Parameters:
    low, high = sorted((source.random(), source.choice([0.9, source.random()])))
    return {"base_momentum": low, "max_momentum": high, **cyclic(source)}


def one_cycle(source: Random) -> Parameters:
    total = source.choice([1, 2, 3, 10, 37, 100, source.randrange(1, STEPS)])
    started = source.choice([0.0, 0.25, 0.3, 0.5, source.random()])
    strategy, three = source.choice(["cos", "linear"]), source.random() < 0.4
    own = {"total_steps": total, "pct_start": started / 2 if three else started}
    if own["pct_start"] * total == 1:  # PyTorch divides by zero there
        return one_cycle(source)
    return {**own, "anneal_strategy": strategy, "three_phase": three}


def one_cycle_lr(source: Random) -> Parameters:
    divisors = {
        "div_factor": source.choice([25.0, 1.0, 0.5, source.uniform(1, 100)]),
        "final_div_factor": source.choice([1e4, 1.0, 0.1, source.uniform(1, 1e6)]),
    }
    return {"max_lr": rate(source), **one_cycle(source), **divisors}


def one_cycle_momentum(source: Random) -> Parameters:
    low, high = sorted((source.random(), source.choice([0.95, source.random()])))
    return {"base_momentum": low, "max_momentum": high, **one_cycle(source)}


def swa_lr(source: Random) -> Parameters:
    strategy = source.choice(["cos", "linear"])
    rates = {"base_lr": rate(source), "swa_lr": rate(source)}
    return {**rates, "anneal_epochs": length(source), "anneal_strategy": strategy}


def plateau(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "mode": source.choice(["min", "max"]),
        "factor": source.choice([0.1, 0.5, 0.0, source.random()]),
        "patience": source.randrange(5),
        "threshold": source.choice([0.0, 1e-4, 0.25, source.random()]),
        "threshold_mode": source.choice(["rel", "abs"]),
        "cooldown": source.randrange(4),
        "min_lr": source.choice([0.0, 1e-4, rate(source)]),
        "eps": source.choice([0.0, 1e-8, 1e-3]),
    }


CURVES: dict[str, Draw] = {
    "StepLR": step_lr,
    "MultiStepLR": multi_step_lr,
    "ConstantLR": constant_lr,
    "LinearLR": linear_lr,
    "ExponentialLR": exponential_lr,
    "PolynomialLR": polynomial_lr,
    "CosineAnnealingLR": cosine_annealing_lr,
    "CosineAnnealingWarmRestarts": warm_restarts,
    "CyclicLR": cyclic_lr,
    "CyclicLR.momentum": cyclic_momentum,
    "OneCycleLR": one_cycle_lr,
    "OneCycleLR.momentum": one_cycle_momentum,
    "SWALR": swa_lr,
}
PLATEAU = "ReduceLROnPlateau"


# -- PyTorch's own -----------------------------------------------------------------------------


def made(name: str, optimizer: torch.optim.Optimizer, parameters: Parameters) -> Any:
    """PyTorch's scheduler called ``name``."""
    kind, _, quantity = name.partition(".")
    own = dict(parameters)
    match kind:
        case "CyclicLR":
            if own.get("step_size_down") == -1:
                own["step_size_down"] = None
            if quantity:
                own |= {"base_lr": 0.1, "max_lr": 1.0}
        case "OneCycleLR":
            if quantity:
                own["max_lr"] = 1.0
        case _:
            own.pop("base_lr", None)
    found = getattr(lr_scheduler, kind, None) or getattr(swa_utils, kind)
    return found(optimizer, **own)


def an_optimizer(parameters: Parameters) -> torch.optim.Optimizer:
    weight = torch.nn.Parameter(torch.zeros(1))
    return torch.optim.SGD([weight], lr=parameters.get("base_lr", 0.1), momentum=0.5)


def driven(name: str, parameters: Parameters, steps: int) -> NDArray[np.float64]:
    """What an optimizer holds at each step while PyTorch's scheduler drives it."""
    optimizer = an_optimizer(parameters)
    key = name.partition(".")[2] or "lr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no update is made between two steps
        scheduler = made(name, optimizer, parameters)
        found = [optimizer.param_groups[0][key]]
        for _ in range(steps - 1):
            scheduler.step()
            found.append(optimizer.param_groups[0][key])
    return np.asarray(found, np.float64)


def steps_of(name: str, parameters: Parameters) -> int:
    """All the steps that PyTorch allows, where it does not allow any number."""
    return parameters["total_steps"] + 1 if name.startswith("OneCycleLR") else STEPS


def observed(parameters: Parameters, observations: list[float]) -> NDArray[np.float64]:
    """The rate after each observation."""
    optimizer = an_optimizer(parameters)
    scheduler = made(PLATEAU, optimizer, parameters)
    found = []
    for metric in observations:
        scheduler.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    return np.asarray(found, np.float64)


# -- held against each other -------------------------------------------------------------------


def hold(name: str, count: int) -> None:
    dialect = f"torch/{name}"
    for parameters in peers.draws(dialect, CURVES[name], count):
        theirs = driven(name, parameters, steps_of(name, parameters))
        peers.assert_same(dialect, parameters, theirs, **DRIFT.get(name, {}))


def hold_plateau(count: int) -> None:
    source = Random("metrics")
    for parameters in peers.draws(f"torch/{PLATEAU}", plateau, count):
        seen = metrics(source, METRICS)
        peers.assert_same_trace(f"torch/{PLATEAU}", parameters, seen, observed(parameters, seen))


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_pytorch(name: str) -> None:
    hold(name, DRAWS)


def test_every_cut_is_that_of_pytorch() -> None:
    hold_plateau(DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_pytorch_over_many_draws(name: str) -> None:
    hold(name, MANY)


@pytest.mark.slow
def test_every_cut_is_that_of_pytorch_over_many_draws() -> None:
    hold_plateau(MANY)


# -- nothing is missing ------------------------------------------------------------------------


def test_every_class_of_pytorch_has_a_dialect() -> None:
    classes = {*lr_scheduler.__all__, "SWALR"} - {"LRScheduler"} - NO_DIALECT
    names = {name.removeprefix("torch/").partition(".")[0] for name in catalogue.dialects("torch")}

    assert classes == names
    assert {*CURVES, PLATEAU} == {n.removeprefix("torch/") for n in catalogue.dialects("torch")}


@pytest.mark.parametrize("name", [*CURVES, PLATEAU])
def test_parameters_and_defaults_are_those_of_pytorch(name: str) -> None:
    kind, _, quantity = name.partition(".")
    found = getattr(lr_scheduler, kind, None) or getattr(swa_utils, kind)
    theirs = dict(inspect.signature(found).parameters)
    left_out = NOT_OF_MOMENTUM if quantity else MOMENTUM
    for other in {"optimizer", "last_epoch", *RESOLVED, *left_out}:
        theirs.pop(other, None)
    ours = dict(peers.loaded(f"torch/{name}").parameters)
    if "base_lr" not in theirs:
        ours.pop("base_lr", None)

    assert set(theirs) == set(ours)
    for parameter in theirs.values():
        if parameter.default not in (inspect.Parameter.empty, None):
            assert parameter.default == ours[parameter.name].default
        else:
            assert parameter.name in OWN_DEFAULTS


# -- what the specs say of PyTorch -------------------------------------------------------------


def deviates(deviation: Deviation) -> bool:
    """Whether PyTorch and the dialect differ at the place that the entry names."""
    name = deviation.schedule.removeprefix("torch/")
    if deviation.metrics:
        seen = list(deviation.metrics)
        ours = peers.bound(deviation.schedule, deviation.set).trace(seen)
        theirs = observed(deviation.set, seen)
    else:
        ours = peers.bound(deviation.schedule, deviation.set).curve(range(deviation.step + 1))
        theirs = driven(name, deviation.set, deviation.step + 1)
    at = slice(deviation.step, deviation.step + 1)
    scale = float(np.max(np.abs(theirs)))
    return abs(ours[at] - theirs[at])[0] > peers.RELATIVE * abs(ours[at])[0] + 1e-15 * scale


@pytest.mark.parametrize("deviation", peers.deviations("torch/"), ids=lambda d: d.schedule)
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert deviates(deviation)


def test_a_deviation_that_has_vanished_is_red() -> None:
    gone = Deviation("torch/StepLR", "none", "none", {"base_lr": 0.1, "step_size": 3}, 7)

    assert not deviates(gone)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"base_lr": 0.1, "step_size": 3, "gamma": 0.5}
    late = driven("StepLR", parameters, 20)
    late[1:] = late[:-1].copy()

    with pytest.raises(AssertionError, match=r"StepLR with .*, step 3: 0\.05 against 0\.1"):
        peers.assert_same("torch/StepLR", parameters, late)


@pytest.mark.parametrize(
    ("name", "parameters", "step", "error"),
    [
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 10}, 11, ValueError),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 10, "pct_start": 0.1}, 0, ZeroDivisionError),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 10, "pct_start": 1.0}, 10, ZeroDivisionError),
        ("StepLR", {"step_size": 0}, 1, ZeroDivisionError),
        ("ConstantLR", {"factor": 0.0, "total_iters": 3}, 3, ZeroDivisionError),
        ("CosineAnnealingLR", {"T_max": 0}, 1, ZeroDivisionError),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 0}, 0, ZeroDivisionError),
        ("PolynomialLR", {"power": -1.0, "total_iters": 3}, 3, ZeroDivisionError),
        ("CosineAnnealingWarmRestarts", {"T_0": 0}, 0, ValueError),
    ],
)
def test_what_a_dialect_refuses_or_carries_on_fails_in_pytorch(
    name: str, parameters: Parameters, step: int, error: type[Exception]
) -> None:
    driven(name, parameters, step) if step else None

    with pytest.raises(error):
        driven(name, parameters, step + 1)
