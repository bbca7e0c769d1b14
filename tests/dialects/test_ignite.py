"""The dialect of ignite, held against ignite.handlers of pytorch-ignite 0.5.5 at every step.

A step is an event that a scheduler is attached to: the first one sets the value of step 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import hold
import numpy as np
import peers
import pytest
from hold import length, rate, share
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters

torch = pytest.importorskip("torch")
pytest.importorskip("ignite.handlers")
from ignite import handlers  # noqa: E402
from ignite.engine import Engine, Events  # noqa: E402
from ignite.handlers import param_scheduler, state_param_scheduler  # noqa: E402

# They take functions or other schedulers, or are bases.
NO_DIALECT = {
    "BaseParamScheduler",
    "BatchSizeScheduler",
    "ConcatScheduler",
    "CyclicalScheduler",
    "LRScheduler",
    "LambdaStateScheduler",
    "ParamGroupScheduler",
    "ParamScheduler",
    "ReduceLROnPlateauScheduler",
    "StateParamScheduler",
}


def cyclical(source: Random) -> Parameters:
    rest = source.choice([0, 0, length(source)])
    growth = source.choice([1.0, 1.0, 2.0, 3.0])
    return {
        "start_value": rate(source),
        "end_value": source.choice([0.0, rate(source)]),
        "cycle_size": length(source, 2),
        "cycle_mult": growth if rest else source.choice([growth, 1.5, 1.25, 1.1]),
        "start_value_mult": share(source),
        "end_value_mult": share(source),
        "warmup_duration": rest,
    }


def piecewise(source: Random) -> Parameters:
    places = sorted(source.choices(range(hold.STEPS), k=source.randrange(1, 6)))
    return {"milestones": places, "values": [rate(source) for _ in places]}


def decaying(source: Random) -> Parameters:
    return {"initial_value": source.uniform(-3, 3), "gamma": share(source)}


CURVES: dict[str, Draw] = {
    "LinearCyclicalScheduler": lambda s: {**cyclical(s), "monotonic": s.random() < 0.6},
    "CosineAnnealingScheduler": cyclical,
    "PiecewiseLinear": piecewise,
    "PiecewiseLinearStateScheduler": piecewise,
    "ExpStateScheduler": decaying,
    "StepStateScheduler": lambda s: {**decaying(s), "step_size": length(s, 1)},
    "MultiStepStateScheduler": lambda s: {
        **decaying(s),
        "milestones": sorted(s.sample(range(hold.STEPS), s.randrange(6))),
    },
}


def arguments(name: str, parameters: Parameters) -> Parameters:
    """What the class called ``name`` takes."""
    own: dict[str, Any] = dict(parameters)
    if "values" in own:
        own["milestones_values"] = list(zip(own.pop("milestones"), own.pop("values"), strict=True))
    named = {"param_name": "kept", "create_new": True} if "State" in name else {"param_name": "lr"}
    return own | named


def curve(name: str, parameters: Parameters, steps: Sequence[int]) -> NDArray[np.float64]:
    """ignite's own dry run, from its first event on."""
    kind = getattr(handlers, name)
    found = kind.simulate_values(num_events=len(steps), **arguments(name, parameters))
    return np.asarray([value for _, value in found], np.float64)


def in_a_run(name: str, parameters: Parameters, steps: int) -> list[float]:
    """What each of the iterations of an engine ends with."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=7.0)
    engine, found = Engine(lambda engine, batch: None), []
    state = "State" in name
    own = arguments(name, parameters)
    scheduler = getattr(handlers, name)(**own if state else {**own, "optimizer": optimizer})
    if state:
        scheduler.attach(engine, Events.ITERATION_COMPLETED)
    else:
        engine.add_event_handler(Events.ITERATION_STARTED, scheduler)

    @engine.on(Events.ITERATION_COMPLETED)
    def keep(engine: Engine) -> None:
        found.append(engine.state.kept if state else optimizer.param_groups[0]["lr"])

    engine.run(range(steps))
    return found


def held(name: str, count: int) -> None:
    hold.hold(f"ignite/{name}", CURVES[name], curve, count)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_ignite(name: str) -> None:
    held(name, hold.DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_ignite_over_many_draws(name: str) -> None:
    held(name, hold.MANY)


@pytest.mark.parametrize("name", list(CURVES))
def test_a_step_is_an_iteration_of_an_engine(name: str) -> None:
    parameters = next(peers.draws(f"ignite/{name}", CURVES[name], 1))

    peers.assert_same(f"ignite/{name}", parameters, in_a_run(name, parameters, 40))


def test_every_class_of_ignite_has_a_dialect_that_is_compared() -> None:
    classes = {
        name
        for module in (param_scheduler, state_param_scheduler)
        for name, entry in vars(module).items()
        if isinstance(entry, type) and issubclass(entry, param_scheduler.BaseParamScheduler)
    }

    assert classes - NO_DIALECT == set(CURVES) == hold.dialects("ignite")


@pytest.mark.parametrize("name", list(CURVES))
def test_ignite_is_called_as_its_dialect_says(name: str) -> None:
    kind = getattr(handlers, name)
    if name == "LinearCyclicalScheduler":  # it passes all but one argument on to its base
        expected = hold.written(f"ignite/{name}").parameters
        base = hold.written("ignite/CosineAnnealingScheduler").parameters
        assert {"args", "monotonic", "kwagrs"} == set(hold.inspect.signature(kind).parameters)
        assert {**base, "monotonic": expected["monotonic"]} == dict(expected)
        assert expected["monotonic"].default is False
    else:
        hold.assert_called_as(f"ignite/{name}", kind)


@pytest.mark.parametrize("deviation", peers.deviations("ignite/"), ids=lambda d: d.schedule)
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert hold.deviates(deviation, curve)


def test_a_deviation_that_has_vanished_is_red() -> None:
    settings = {"initial_value": 1.0, "gamma": 0.5}
    gone = Deviation("ignite/ExpStateScheduler", "none", "none", settings, 7)

    assert not hold.deviates(gone, curve)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"initial_value": 1.0, "gamma": 0.5}
    theirs = curve("ExpStateScheduler", parameters, range(20))
    theirs[1:] = theirs[:-1].copy()

    with pytest.raises(AssertionError, match=r"ExpStateScheduler with .*, step 1: 0\.25 against"):
        peers.assert_same("ignite/ExpStateScheduler", parameters, theirs)


@pytest.mark.parametrize(
    ("name", "parameters", "error"),
    [
        ("CosineAnnealingScheduler", {"cycle_size": 1}, ValueError),
        ("LinearCyclicalScheduler", {"cycle_size": 4, "warmup_duration": 2}, ValueError),
        ("PiecewiseLinear", {"milestones": [], "values": []}, ValueError),
        ("PiecewiseLinear", {"milestones": [3, 2], "values": [0.1, 0.2]}, ValueError),
    ],
)
def test_what_a_dialect_refuses_fails_in_ignite(
    name: str, parameters: Parameters, error: type[Exception]
) -> None:
    ends = {} if "values" in parameters else {"start_value": 1.0, "end_value": 0.0}
    with pytest.raises(error):
        curve(name, {**parameters, **ends}, range(10))
    with pytest.raises(ValueError, match="does not hold"):
        peers.bound(f"ignite/{name}", parameters)
