"""The dialect of timm, held against timm.scheduler at every step."""

from __future__ import annotations

import inspect
import math
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from random import Random
from typing import Any

import by_path
import numpy as np
import peers
import pytest
from hold import cycle_starts
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters

from lrgen import catalogue

torch = pytest.importorskip("torch")
timm_scheduler = by_path.alone("timm.scheduler")  # the package itself needs torchvision

STEPS = 160
DRAWS = 25
MANY = 400
OBSERVED = 120
PLATEAU = "PlateauLRScheduler"
# timm measures where a growing cycle stands in binary64 multiples of its length.
GROWING = 2e-14


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 5e-4, 10 ** source.uniform(-6, 1)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 60)]))


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, source.random()])


def warmed(source: Random) -> Parameters:
    base = rate(source)
    return {
        "base_lr": base,
        "warmup_t": source.choice([0, 0, length(source)]),
        "warmup_lr_init": source.choice([0.0, 1e-6, base * source.uniform(0, 2)]),
    }


def prefixed(source: Random) -> Parameters:
    return {**warmed(source), "warmup_prefix": source.random() < 0.5}


def cycling(source: Random) -> Parameters:
    drawn = prefixed(source)
    return {
        **drawn,
        "t_initial": length(source, 1),
        "lr_min": source.choice([0.0, 1e-6, drawn["base_lr"] * source.uniform(0, 1.5)]),
        "cycle_mul": source.choice([1.0, 1.0, 1.5, 2.0, 3.0, 1.1]),
        "cycle_decay": share(source),
        "cycle_limit": source.choice([1, 1, 2, 3, 10]),
    }


def decayed(source: Random) -> float:
    return source.choice([1.0, 1.0, 0.5, 2.0, source.uniform(0.3, 4)])


def tanh(source: Random) -> Parameters:
    low = source.choice([-7.0, source.uniform(-9, 1)])
    return {**cycling(source), "lb": low, "ub": min(10.0, low + source.uniform(0.1, 10))}


def stable(source: Random) -> Parameters:
    drawn = warmed(source)
    whole = length(source, 1)
    return {
        **drawn,
        "t_initial": whole,
        "decay_t": source.randint(1, whole),
        "lr_min": source.choice([0.0, drawn["base_lr"] * source.random()]),
        "stable_fn": source.choice(["constant", "rsqrt", "power"]),
        "stable_timescale": source.choice([0.0, 10.0, source.uniform(0.5, 50)]),
        "stable_power": source.uniform(0.1, 2),
        "decay_fn": source.choice(["linear", "one_minus_sqrt", "cosine", "power", "exp"]),
        "decay_power": source.choice([0.5, 2.0, source.uniform(0.2, 4)]),
        "decay_ratio": source.uniform(0.01, 0.9),
    }


def plateau(source: Random) -> Parameters:
    drawn = warmed(source)
    return {
        **drawn,
        "decay_rate": source.choice([0.1, 0.5, source.random()]),
        "patience_t": source.randrange(5),
        "threshold": source.choice([1e-4, 0.0, 0.1]),
        "cooldown_t": source.randrange(4),
        "lr_min": source.choice([0.0, 1e-3]),
        "mode": source.choice(["min", "max"]),
    }


CLOSED: dict[str, Draw] = {
    "CosineLRScheduler": lambda s: {**cycling(s), "k_decay": decayed(s)},
    "TanhLRScheduler": tanh,
    "PolyLRScheduler": lambda s: {
        **cycling(s),
        "k_decay": decayed(s),
        "power": s.choice([0.5, 1.0, 0.9, 2.0, s.uniform(0.1, 4)]),
    },
    "StepLRScheduler": lambda s: {
        **prefixed(s),
        "decay_t": s.choice([float(length(s, 1)), 2.4, s.randrange(4, 60) / 4]),
        "decay_rate": share(s),
    },
    "MultiStepLRScheduler": lambda s: {
        **prefixed(s),
        "decay_t": sorted(s.sample(range(90), s.randrange(6))),
        "decay_rate": share(s),
    },
    "WSDLRScheduler": stable,
}


def made(name: str, parameters: Parameters) -> tuple[Any, Any]:
    """timm's scheduler called ``name``, and its parameter group."""
    own = {key: value for key, value in parameters.items() if key != "base_lr"}
    if own.get("decay_fn") == "one_minus_sqrt":
        own["decay_fn"] = "1-sqrt"
    if own.get("stable_timescale") == 0:
        own["stable_timescale"] = None
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=parameters.get("base_lr", 0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        scheduler = getattr(timm_scheduler, name)(optimizer, **own)
    return scheduler, optimizer.param_groups[0]


def at(name: str, parameters: Parameters, steps: Sequence[int]) -> NDArray[np.float64]:
    """What the optimizer holds at ``steps``: at 0 what the scheduler's making left there."""
    scheduler, group = made(name, parameters)
    found = []
    for step in steps:
        if step > 0:
            scheduler.step(step)
        found.append(group["lr"])
    return np.asarray(found, np.float64)


def observed(parameters: Parameters, metrics: Sequence[float]) -> list[float]:
    """What the optimizer holds after each of ``metrics``, given as epochs 1, 2, 3, ..."""
    scheduler, group = made(PLATEAU, parameters)
    found = []
    for epoch, metric in enumerate(metrics, start=1):
        scheduler.step(epoch, metric)
        found.append(group["lr"])
    return found


def metrics(source: Random) -> list[float]:
    """A walk that falls and rises, with flat stretches and exact repetitions."""
    found = [source.uniform(-2, 2)]
    for _ in range(OBSERVED - 1):
        found.append(found[-1] + source.choice([0.0, 0.0, -0.25, 0.25, source.gauss(0, 0.3)]))
    return found


def of_scale(parameters: Parameters) -> float:
    return GROWING if parameters.get("cycle_mul", 1.0) != 1 else peers.OF_SCALE


def misplaced(parameters: Parameters, step: int) -> bool:
    """Whether timm takes ``step`` for one of a neighboring cycle: see deviations.toml."""
    growth, first = parameters.get("cycle_mul", 1.0), parameters.get("t_initial", 1)
    if growth == 1:
        return False
    now = step - (parameters["warmup_t"] if parameters["warmup_prefix"] else 0)
    index = bisect_right(cycle_starts(first, growth, STEPS), now) - 1
    return now >= 0 and index != math.floor(math.log(1 - now / first * (1 - growth), growth))


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(f"timm/{name}", CLOSED[name], count):
        steps = [step for step in range(STEPS) if not misplaced(parameters, step)]
        found = at(name, parameters, steps)
        peers.assert_same(f"timm/{name}", parameters, found, steps, of_scale=of_scale(parameters))


def hold_plateau(count: int) -> None:
    source = Random("metrics")
    for parameters in peers.draws(f"timm/{PLATEAU}", plateau, count):
        seen = metrics(source)
        peers.assert_same_trace(f"timm/{PLATEAU}", parameters, seen, observed(parameters, seen))


@pytest.mark.parametrize("name", list(CLOSED))
def test_every_step_is_that_of_timm(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CLOSED))
def test_every_step_is_that_of_timm_over_many_draws(name: str) -> None:
    hold(name, MANY)


def test_every_observation_gives_the_rate_of_timm() -> None:
    hold_plateau(DRAWS)


@pytest.mark.slow
def test_every_observation_gives_the_rate_of_timm_over_many_draws() -> None:
    hold_plateau(MANY)


END = 2**24 + 3
LONG: dict[str, Parameters] = {
    "CosineLRScheduler": {"t_initial": END, "lr_min": 1e-6, "cycle_limit": 2},
    "TanhLRScheduler": {"t_initial": END, "lr_min": 1e-6, "cycle_limit": 2},
    "PolyLRScheduler": {"t_initial": END, "power": 2.0, "cycle_limit": 2},
    "StepLRScheduler": {"decay_t": float(END // 2), "decay_rate": 0.5},
    "MultiStepLRScheduler": {"decay_t": [END // 2, END], "decay_rate": 0.5},
    "WSDLRScheduler": {"t_initial": END, "decay_t": 2**20},
}


@pytest.mark.parametrize("name", list(LONG))
@pytest.mark.parametrize("prefix", [False, True])
def test_long_runs_are_those_of_timm_around_every_boundary(name: str, prefix: bool) -> None:
    parameters = {"base_lr": 3e-4, "warmup_t": 10**6, **LONG[name]}
    if name != "WSDLRScheduler":
        parameters["warmup_prefix"] = prefix
    places = [0, END // 2, END - 2**20, END, 2 * END, 3 * END]
    shifted = {
        place + by + after for place in places for by in range(-3, 4) for after in (0, 10**6)
    }
    steps = sorted(step for step in shifted if step >= 0)

    peers.assert_same(f"timm/{name}", parameters, at(name, parameters, steps), steps)


# -- nothing is missing -------------------------------------------------------------------------

NOT_OF_A_CURVE = {
    "self",
    "optimizer",
    "t_in_epochs",
    "initialize",
    "noise_range_t",
    "noise_type",
    "noise_pct",
    "noise_std",
    "noise_seed",
}


def test_every_class_of_timm_has_a_dialect_that_is_compared() -> None:
    classes = {name for name in vars(timm_scheduler) if name.endswith("LRScheduler")}

    assert {f"timm/{name}" for name in classes} == set(catalogue.dialects("timm"))
    assert classes == {*CLOSED, PLATEAU}


@pytest.mark.parametrize("name", [*CLOSED, PLATEAU])
def test_parameters_and_defaults_are_those_of_timm(name: str) -> None:
    own = peers.loaded(f"timm/{name}").parameters
    found = inspect.signature(getattr(timm_scheduler, name).__init__).parameters
    theirs = {key: entry.default for key, entry in found.items() if key not in NOT_OF_A_CURVE}
    theirs.update({k: 0.0 for k, v in theirs.items() if v is None})
    theirs.update({k: "one_minus_sqrt" for k, v in theirs.items() if v == "1-sqrt"})

    assert {"base_lr", *theirs} == set(own)
    for key, default in theirs.items():
        if default is not inspect.Parameter.empty:
            assert default == own[key].default, key


# -- cautions and deviations --------------------------------------------------------------------


def test_noise_is_drawn_from_the_generator_of_pytorch() -> None:
    parameters = {"base_lr": 0.1, "t_initial": 20}
    found = at("CosineLRScheduler", {**parameters, "noise_range_t": 0}, range(10))
    again = at("CosineLRScheduler", {**parameters, "noise_range_t": 0}, range(10))
    smooth = peers.bound("timm/CosineLRScheduler", parameters).curve(range(10))
    cautions = peers.loaded("timm/CosineLRScheduler").cautions

    assert list(found) == list(again)
    assert 9 == sum(found != smooth)
    assert any("noise_range_t has no counterpart" in caution for caution in cautions)


def test_without_a_prefix_the_rate_drops_at_the_end_of_the_warm_up() -> None:
    parameters = {"base_lr": 1.0, "t_initial": 50, "warmup_t": 10}
    rates = [round(rate, 5) for rate in at("CosineLRScheduler", parameters, [9, 10, 11])]

    assert [0.9, 0.90451, 0.88526] == rates
    assert math.isclose(0.9045084971874737, peers.bound("timm/CosineLRScheduler", parameters)(10))


def deviates(deviation: Deviation) -> bool:
    """Whether timm and the dialect differ at the place that the entry names."""
    name = deviation.schedule.removeprefix("timm/")
    ours = peers.bound(deviation.schedule, deviation.set).curve([deviation.step])
    found = at(name, deviation.set, [deviation.step])
    return peers.first_difference(ours, found) is not None


@pytest.mark.parametrize("deviation", peers.deviations("timm/"), ids=lambda d: d.what[:40])
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert deviates(deviation)


def test_a_deviation_that_has_vanished_is_red() -> None:
    gone = Deviation("timm/StepLRScheduler", "none", "none", {"decay_t": 3.0}, 7)

    assert not deviates(gone)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"base_lr": 0.1, "decay_t": 3.0, "decay_rate": 0.5}
    late = at("StepLRScheduler", parameters, range(20))
    late[1:] = late[:-1].copy()

    with pytest.raises(
        AssertionError, match=r"StepLRScheduler with .*, step 3: 0\.05 against 0\.1"
    ):
        peers.assert_same("timm/StepLRScheduler", parameters, late)
