"""The dialect of Paddle, held against paddle.optimizer.lr of paddlepaddle 3.3.1 at every step.

That module is plain Python: it is loaded from its file, with stand-ins for the parts of Paddle that
it imports, so that a folder with ``paddle/optimizer/lr.py`` on the path is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import hold
import peers
import pytest
from hold import length, rate, share
from peers import Deviation, Draw, Parameters

# They take functions.
NO_DIALECT = {"LRScheduler", "LambdaDecay", "MultiplicativeDecay"}
# What rounding loses grows with the step where Paddle goes from rate to rate, or by parts of a
# cycle: a share of the largest rate.
DRIFT = {"CosineAnnealingDecay": {"of_scale": 1e-12}, "CyclicLR": {"of_scale": 1e-13}}
DRIFT["LinearLR"] = {"of_scale": 1e-13}
PLATEAU = "ReduceOnPlateau"


FILES = hold.files("paddle", "optimizer", "lr.py")
STANDS: dict[str, dict[str, Any]] = {
    "paddle": {"Tensor": type("Tensor", (), {})},
    "paddle.base": {"core": SimpleNamespace(eager=SimpleNamespace(Tensor=SimpleNamespace))},
    "paddle.base.data_feeder": {"check_type": None},
    "paddle.base.framework": dict.fromkeys(["Variable", "default_main_program", "in_dygraph_mode"]),
    "paddle.base.layer_helper": {"LayerHelper": None},
}
if not FILES:
    pytest.skip("needs paddle/optimizer/lr.py of paddlepaddle", allow_module_level=True)
lr = hold.load_alone(FILES[0], STANDS)


def floored(source: Random) -> Parameters:
    top = rate(source)
    floor = source.choice([0.0, 0.01 * top, top * source.uniform(0, 50)])
    return {"learning_rate": top, "eta_min": floor}


def shrinking(source: Random) -> Parameters:
    return {"learning_rate": rate(source), "gamma": source.choice([0.5, 0.1, source.random()])}


def piecewise(source: Random) -> Parameters:
    places = sorted(source.sample(range(1, hold.STEPS), source.randrange(1, 6)))
    more = source.choice([1, 1, 2])
    values = [rate(source) for _ in range(len(places) + more)]
    return {"boundaries": places, "values": values}


def polynomial(source: Random) -> Parameters:
    return {
        "learning_rate": rate(source),
        "decay_steps": length(source, 1),
        "end_lr": source.choice([0.0, 1e-4, rate(source)]),
        "power": source.choice([0.5, 1.0, 2.0, source.uniform(0.1, 4)]),
        "cycle": source.random() < 0.5,
    }


def warmup(source: Random) -> Parameters:
    low, high = sorted((source.choice([0.0, rate(source)]), 11 * source.random()))
    inner = source.choice([high, rate(source)])
    ends = {"start_lr": low, "end_lr": high}
    return {"learning_rate": inner, "warmup_steps": length(source, 1), **ends}


def one_cycle(source: Random) -> Parameters:
    total = source.choice([1, 2, 3, 10, 37, 100, source.randrange(1, hold.STEPS)])
    started = source.choice([0.0, 0.25, 0.3, 0.5, source.random()])
    three = source.random() < 0.4
    share = started * 0.99 / 2 if three else started
    if share * total == 1:  # Paddle divides by zero there
        return one_cycle(source)
    return {
        "max_learning_rate": rate(source),
        "total_steps": total,
        "divide_factor": source.choice([25.0, 1.0, 0.5, source.uniform(1, 100)]),
        "end_learning_rate": source.choice([1e-4, 0.0, rate(source)]),
        "phase_pct": share,
        "anneal_strategy": source.choice(["cos", "linear"]),
        "three_phase": three,
    }


def cyclic(source: Random) -> Parameters:
    return {
        "base_learning_rate": rate(source),
        "max_learning_rate": rate(source),
        "step_size_up": length(source, 1),
        "step_size_down": source.choice([-1, length(source, 1)]),
        "mode": source.choice(["triangular", "triangular2", "exp_range"]),
        "exp_gamma": share(source),
    }


def plateau(source: Random) -> Parameters:
    return {
        "learning_rate": rate(source),
        "mode": source.choice(["min", "max"]),
        "factor": source.choice([0.1, 0.5, 0.0, source.random()]),
        "patience": source.randrange(5),
        "threshold": source.choice([0.0, 1e-4, 0.25, source.random()]),
        "threshold_mode": source.choice(["rel", "abs"]),
        "cooldown": source.randrange(4),
        "min_lr": source.choice([0.0, 1e-4, rate(source)]),
        "epsilon": source.choice([0.0, 1e-8, 1e-3]),
    }


CURVES: dict[str, Draw] = {
    "NoamDecay": lambda s: {
        "learning_rate": rate(s),
        "d_model": s.randrange(1, 2000),
        "warmup_steps": length(s, 1),
    },
    "PiecewiseDecay": piecewise,
    "NaturalExpDecay": lambda s: {"learning_rate": rate(s), "gamma": s.choice([0.1, s.random()])},
    "InverseTimeDecay": lambda s: {"learning_rate": rate(s), "gamma": s.choice([0.0, share(s)])},
    "PolynomialDecay": polynomial,
    "LinearWarmup": warmup,
    "ExponentialDecay": shrinking,
    "MultiStepDecay": lambda s: {
        **shrinking(s),
        "milestones": sorted(s.sample(range(hold.STEPS), s.randrange(6))),
    },
    "StepDecay": lambda s: {**shrinking(s), "step_size": length(s, 1)},
    "CosineAnnealingDecay": lambda s: {**floored(s), "T_max": length(s, 1)},
    "OneCycleLR": one_cycle,
    "CyclicLR": cyclic,
    "LinearLR": lambda s: {
        "learning_rate": rate(s),
        "total_steps": length(s, 1),
        "start_factor": share(s),
        "end_factor": s.choice([0.0, share(s)]),
    },
    "CosineAnnealingWarmRestarts": lambda s: {
        **floored(s),
        "T_0": length(s, 1),
        "T_mult": s.randrange(1, 5),
    },
}


def made(name: str, parameters: Parameters) -> Any:
    own = dict(parameters)
    if own.get("step_size_down") == -1:
        own["step_size_down"] = None
    return getattr(lr, name)(**own)


def driven(name: str, parameters: Parameters, steps: Sequence[int]) -> list[float]:
    """The rate at steps 0, 1, 2, ..., one call of ``step`` between two of them."""
    scheduler = made(name, parameters)
    found = [scheduler()]
    for _ in steps[1:]:
        scheduler.step()
        found.append(scheduler())
    return found


def observed(name: str, parameters: Parameters, seen: Sequence[float]) -> list[float]:
    """The rate after each observation."""
    scheduler = made(name, parameters)
    found = []
    for metric in seen:
        scheduler.step(metric)
        found.append(scheduler())
    return found


def steps_of(parameters: Parameters) -> range:
    """All the steps that Paddle allows, where it does not allow any number."""
    return range(parameters["total_steps"] + 1 if "phase_pct" in parameters else hold.STEPS)


def held(name: str, count: int) -> None:
    drift = DRIFT.get(name, {})
    hold.hold(f"paddle/{name}", CURVES[name], driven, count, steps_of, **drift)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_paddle(name: str) -> None:
    held(name, hold.DRAWS)


def test_every_cut_is_that_of_paddle() -> None:
    hold.hold_trace(f"paddle/{PLATEAU}", plateau, observed)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_paddle_over_many_draws(name: str) -> None:
    held(name, hold.MANY)


@pytest.mark.slow
def test_every_cut_is_that_of_paddle_over_many_draws() -> None:
    hold.hold_trace(f"paddle/{PLATEAU}", plateau, observed, hold.MANY)


def test_every_class_of_paddle_has_a_dialect_that_is_compared() -> None:
    assert {*CURVES, PLATEAU} == set(lr.__all__) - NO_DIALECT == hold.dialects("paddle")


@pytest.mark.parametrize("name", [*CURVES, PLATEAU])
def test_paddle_is_called_as_its_dialect_says(name: str) -> None:
    hold.assert_called_as(f"paddle/{name}", getattr(lr, name))


def test_a_call_of_another_shape_or_default_is_red() -> None:
    with pytest.raises(AssertionError):
        hold.assert_called_as("paddle/StepDecay", lr.ExponentialDecay)
    with pytest.raises(AssertionError, match="gamma"):
        hold.assert_called_as("paddle/StepDecay", lambda learning_rate, step_size, gamma=0.2: 0)


@pytest.mark.parametrize("deviation", peers.deviations("paddle/"), ids=lambda d: d.schedule)
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert hold.deviates(deviation, driven, observed)


def test_a_deviation_that_has_vanished_is_red() -> None:
    settings = {"learning_rate": 0.1, "step_size": 3, "gamma": 0.5}

    assert not hold.deviates(Deviation("paddle/StepDecay", "none", "none", settings, 7), driven)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"learning_rate": 0.1, "step_size": 3, "gamma": 0.5}
    late = driven("StepDecay", parameters, range(20))
    late[1:] = late[:-1]

    with pytest.raises(AssertionError, match=r"StepDecay with .*, step 3: 0\.05 against 0\.1"):
        peers.assert_same("paddle/StepDecay", parameters, late)


@pytest.mark.parametrize(
    ("name", "parameters", "step", "error"),
    [
        ("NoamDecay", {"d_model": 4, "warmup_steps": 0}, 0, ZeroDivisionError),
        ("OneCycleLR", {"max_learning_rate": 1.0, "total_steps": 10}, 11, ValueError),
        (
            "OneCycleLR",
            {"max_learning_rate": 1.0, "total_steps": 10, "phase_pct": 0.1},
            0,
            ZeroDivisionError,
        ),
        (
            "OneCycleLR",
            {"max_learning_rate": 1.0, "total_steps": 10, "phase_pct": 1.0},
            10,
            ZeroDivisionError,
        ),
        ("LinearWarmup", {"learning_rate": 1.0, "warmup_steps": 0}, 0, AssertionError),
        ("StepDecay", {"learning_rate": 1.0, "step_size": 3, "gamma": 1.0}, 0, ValueError),
    ],
)
def test_what_a_dialect_refuses_or_carries_on_fails_in_paddle(
    name: str, parameters: Parameters, step: int, error: type[Exception]
) -> None:
    more = {"start_lr": 0.0, "end_lr": 1.0} if name == "LinearWarmup" else {}
    driven(name, parameters, range(step)) if step else None

    with pytest.raises(error):
        driven(name, {**parameters, **more}, range(step + 1))
