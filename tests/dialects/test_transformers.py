"""The dialect of transformers, held against get_scheduler at every step."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import peers
import pytest
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters

from lrgen import catalogue

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

STEPS = 160
DRAWS = 25
MANY = 400
OBSERVED = 120
GENERAL = ("num_warmup_steps", "num_training_steps")
NONE = {"timescale": 0, "min_lr_rate": -1.0, "warmup_lr_rate": -1.0, "num_stable_steps": -1}


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 5e-5, 10 ** source.uniform(-6, 1)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 60)]))


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, 0.0, source.random()])


def warmed(source: Random) -> Parameters:
    return {"base_lr": rate(source), "num_warmup_steps": length(source)}


def whole(source: Random) -> Parameters:
    """The warm-up is shorter than the run in most draws, as long or longer in some."""
    warm = warmed(source)
    more = source.choice([-3, -1, 0, 1, 2, source.randrange(1, 90), source.randrange(1, 90)])
    return {**warm, "num_training_steps": max(0, warm["num_warmup_steps"] + more)}


def waves(source: Random) -> float:
    return source.choice([0.5, 0.5, 1.0, 2.5, 0.0, source.uniform(0, 3)])


def floored(source: Random) -> Parameters:
    drawn = whole(source)
    own = source.random() < 0.5
    floor = {"min_lr": drawn["base_lr"] * share(source)} if own else {"min_lr_rate": share(source)}
    return {**drawn, "num_cycles": waves(source), **floor}


def stable(source: Random) -> Parameters:
    drawn = whole(source)
    left = max(0, drawn["num_training_steps"] - drawn["num_warmup_steps"])
    given = source.random() < 0.5
    return {
        **drawn,
        "num_decay_steps": length(source) if given else source.randint(0, left),
        "num_stable_steps": length(source) if given else -1,
        "warmup_type": source.choice(["linear", "cosine", "one_minus_sqrt"]),
        "decay_type": source.choice(["linear", "cosine", "one_minus_sqrt"]),
        "min_lr_ratio": share(source),
        "num_cycles": waves(source),
    }


def plateau(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "mode": source.choice(["min", "max"]),
        "factor": source.choice([0.1, 0.5, source.random()]),
        "patience": source.randrange(5),
        "threshold": source.choice([1e-4, 0.0, 0.1]),
        "threshold_mode": source.choice(["rel", "abs"]),
        "cooldown": source.randrange(4),
        "min_lr": source.choice([0.0, 1e-3]),
        "eps": source.choice([1e-8, 0.0]),
    }


def greedy(source: Random) -> Parameters:
    low = 10 ** source.uniform(-4, -1)
    return {
        **{key: value for key, value in plateau(source).items() if key not in ("min_lr", "eps")},
        "base_lr": source.choice([low, 0.5 * low, low * source.uniform(1, 30)]),
        "factor": source.choice([0.95, 0.5, source.uniform(0.3, 0.99)]),
        "warmup": source.randrange(4),
        "min_lr": low,
        "max_lr": low * source.choice([1.0, 10.0, source.uniform(1, 50)]),
        "reset_start": source.choice([1, 2, 3, 500]),
    }


CLOSED: dict[str, Draw] = {
    "constant": lambda s: {"base_lr": rate(s)},
    "constant_with_warmup": warmed,
    "linear": whole,
    "cosine": lambda s: {**whole(s), "num_cycles": waves(s)},
    "cosine_with_restarts": lambda s: {**whole(s), "num_cycles": s.randrange(13)},
    "polynomial": lambda s: {
        **whole(s),
        "lr_end": s.choice([1e-7, 0.0, rate(s)]),
        "power": s.choice([1.0, 2.0, 0.5, s.uniform(0.1, 5)]),
    },
    "inverse_sqrt": lambda s: {**warmed(s), "timescale": length(s)},
    "cosine_with_min_lr": floored,
    "cosine_warmup_with_min_lr": lambda s: {
        **floored(s),
        "warmup_lr_rate": s.choice([-1.0, share(s)]),
    },
    "warmup_stable_decay": stable,
}
OBSERVING: dict[str, Draw] = {"reduce_lr_on_plateau": plateau, "greedy": greedy}


def theirs(value: Any) -> Any:
    """A value as transformers writes it."""
    return "1-sqrt" if value == "one_minus_sqrt" else value


def made(name: str, parameters: Parameters) -> tuple[Any, Any]:
    """The scheduler called ``name``, as get_scheduler makes it, and its parameter group."""
    given = {
        key: theirs(value)
        for key, value in parameters.items()
        if key != "base_lr" and NONE.get(key) != value
    }
    if name.startswith("cosine") and "min_lr" in name and "min_lr_rate" not in given:
        given.setdefault("min_lr", 0.0)
    general = {key: given.pop(key) for key in GENERAL if key in given}
    if "num_stable_steps" in given:
        # with both given it warns, and uses this one
        general.pop("num_training_steps")
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=parameters["base_lr"])
    scheduler = transformers.get_scheduler(
        name, optimizer, **general, scheduler_specific_kwargs=given
    )
    return scheduler, optimizer.param_groups[0]


def driven(name: str, parameters: Parameters, steps: int) -> NDArray[np.float64]:
    """What the optimizer holds at each step."""
    scheduler, group = made(name, parameters)
    found = [group["lr"]]
    for _ in range(steps - 1):
        scheduler.optimizer._opt_called = True
        scheduler.step()
        found.append(group["lr"])
    return np.asarray(found, np.float64)


def far(name: str, parameters: Parameters, steps: Sequence[int]) -> list[float]:
    """What the optimizer would hold at ``steps``, which may be billions."""
    scheduler, _ = made(name, parameters)
    return [scheduler.base_lrs[0] * scheduler.lr_lambdas[0](step) for step in steps]


def observed(name: str, parameters: Parameters, metrics: Sequence[float]) -> list[float]:
    """What the optimizer holds after each of ``metrics``."""
    scheduler, group = made(name, parameters)
    found = []
    for metric in metrics:
        scheduler.step(metric)
        found.append(group["lr"])
    return found


def of_scale(parameters: Parameters, last: int) -> float:
    """A cosine loses the rounding of its angle, which grows as the waves go on past the end."""
    gone = parameters.get("num_training_steps", 0) - parameters.get("num_warmup_steps", 0)
    angle = 2 * math.pi * parameters.get("num_cycles", 0.5) * last / max(1, gone)
    return peers.OF_SCALE * (1 + angle / 4)


def metrics(source: Random) -> list[float]:
    """A walk that falls and rises, with flat stretches and exact repetitions."""
    found = [source.uniform(-2, 2)]
    for _ in range(OBSERVED - 1):
        found.append(found[-1] + source.choice([0.0, 0.0, -0.25, 0.25, source.gauss(0, 0.3)]))
    return found


def missed_floor(parameters: Parameters, rates: Sequence[float]) -> int:
    """The observation at which a rate is one rounding above the lower limit: see deviations.toml.

    All of them, where there is none.
    """
    low = parameters["min_lr"]
    above = (n for n, rate in enumerate(rates) if 0 < rate - low < 1e-12 * low)
    return next(above, len(rates))


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(f"transformers/{name}", CLOSED[name], count):
        found = driven(name, parameters, STEPS)
        wide = of_scale(parameters, STEPS)
        peers.assert_same(f"transformers/{name}", parameters, found, of_scale=wide)


def hold_traces(name: str, count: int) -> None:
    source = Random(name)
    for parameters in peers.draws(f"transformers/{name}", OBSERVING[name], count):
        seen = metrics(source)
        found = observed(name, parameters, seen)
        last = missed_floor(parameters, found) if name == "greedy" else len(found)
        compared = f"transformers/{name}", parameters, seen[:last], found[:last]
        peers.assert_same_trace(*compared)


@pytest.mark.parametrize("name", list(CLOSED))
def test_every_step_is_that_of_transformers(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CLOSED))
def test_every_step_is_that_of_transformers_over_many_draws(name: str) -> None:
    hold(name, MANY)


@pytest.mark.parametrize("name", list(OBSERVING))
def test_every_observation_gives_the_rate_of_transformers(name: str) -> None:
    hold_traces(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(OBSERVING))
def test_every_observation_gives_the_rate_of_transformers_over_many_draws(name: str) -> None:
    hold_traces(name, MANY)


LONG: dict[str, Parameters] = {
    "constant_with_warmup": {},
    "linear": {"num_training_steps": 2**24 + 3},
    "cosine": {"num_training_steps": 2**24 + 3},
    "cosine_with_restarts": {"num_training_steps": 2**24 + 3, "num_cycles": 5},
    "polynomial": {"num_training_steps": 2**24 + 3, "power": 2.0},
    "inverse_sqrt": {},
    "cosine_with_min_lr": {"num_training_steps": 2**24 + 3, "min_lr_rate": 0.1},
    "cosine_warmup_with_min_lr": {"num_training_steps": 2**24 + 3, "min_lr_rate": 0.1},
    "warmup_stable_decay": {"num_training_steps": 2**24 + 3, "num_decay_steps": 2**20},
}


def around(*places: int) -> list[int]:
    return sorted({place + by for place in places for by in range(-3, 4) if place + by >= 0})


@pytest.mark.parametrize("name", list(LONG))
def test_long_runs_are_those_of_transformers_around_every_boundary(name: str) -> None:
    parameters = {"base_lr": 3e-4, "num_warmup_steps": 10**6, **LONG[name]}
    end = 2**24 + 3
    steps = around(0, 10**6, end - 2**20, end // 5, end // 2, end, 2 * end)
    found = far(name, parameters, steps)

    peers.assert_same(f"transformers/{name}", parameters, found, steps)


def test_every_name_of_get_scheduler_has_a_dialect_that_is_compared() -> None:
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

    names = sorted(f"transformers/{kind.value}" for kind in TYPE_TO_SCHEDULER_FUNCTION)

    assert names == sorted(catalogue.dialects("transformers"))
    assert names == sorted(f"transformers/{name}" for name in (*CLOSED, *OBSERVING))


# -- the library's own values -------------------------------------------------------------------


def functions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Defaults of the function behind each name."""
    import inspect

    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION, GreedyLR

    for kind, function in TYPE_TO_SCHEDULER_FUNCTION.items():
        source = {
            "greedy": GreedyLR.__init__,
            "reduce_lr_on_plateau": torch.optim.lr_scheduler.ReduceLROnPlateau.__init__,
        }.get(kind.value, function)
        entries = inspect.signature(source).parameters.values()
        yield (
            kind.value,
            {e.name: e.default for e in entries if e.default is not inspect.Parameter.empty},
        )


LEFT_OUT = {"last_epoch", "verbose", "smooth", "window_size"}


def test_defaults_are_those_of_transformers() -> None:
    for name, defaults in functions():
        with catalogue.dialects()[f"transformers/{name}"].open("rb") as file:
            own = tomllib.load(file)["parameters"]
        for key, default in defaults.items():
            if key in LEFT_OUT:
                assert key not in own
            elif default is None:
                assert own[key]["default"] == NONE.get(key, own[key]["default"])
            else:
                assert default == own[key]["default"], (name, key)


# -- cautions and deviations --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cosine", "cosine_with_min_lr", "cosine_warmup_with_min_lr"])
def test_the_cosine_climbs_again_past_the_end(name: str) -> None:
    bound = peers.bound(f"transformers/{name}", {"num_training_steps": 40})

    assert bound(60) > bound(50) > bound(40)


def test_a_warm_up_as_long_as_the_run_divides_by_zero_in_polynomial() -> None:
    parameters = {"base_lr": 0.1, "num_warmup_steps": 5, "num_training_steps": 5}

    with pytest.raises(ValueError, match="num_warmup_steps != num_training_steps"):
        peers.bound("transformers/polynomial", parameters)
    with pytest.raises(ZeroDivisionError):
        driven("polynomial", parameters, 10)


def test_greedy_never_falls_below_its_default_limit_of_1e_3() -> None:
    parameters = {"base_lr": 1e-4, "patience": 1}
    worse = [1.0] + [2.0] * 20

    assert [1e-4] * 21 == observed("greedy", parameters, worse)
    assert [1e-4] * 21 == list(peers.bound("transformers/greedy", parameters).trace(worse))


def deviates(deviation: Deviation) -> bool:
    """Whether transformers and the dialect differ at the place that the entry names."""
    name = deviation.schedule.removeprefix("transformers/")
    last = deviation.step + 1
    if deviation.metrics:
        ours = peers.bound(deviation.schedule, deviation.set).trace(deviation.metrics)[:last]
        found = observed(name, deviation.set, deviation.metrics)[:last]
    else:
        ours = peers.bound(deviation.schedule, deviation.set).curve(range(last))
        found = driven(name, deviation.set, last)
    return peers.first_difference(ours[-1:], found[-1:]) is not None


@pytest.mark.parametrize("deviation", peers.deviations("transformers/"), ids=lambda d: d.what[:40])
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert deviates(deviation)


def test_a_deviation_that_has_vanished_is_red() -> None:
    parameters = {"base_lr": 0.1, "num_warmup_steps": 3, "num_training_steps": 10}
    gone = Deviation("transformers/linear", "none", "none", parameters, 7)

    assert not deviates(gone)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"base_lr": 0.1, "num_warmup_steps": 4, "num_training_steps": 20}
    late = driven("linear", parameters, 30)
    late[1:] = late[:-1].copy()

    with pytest.raises(AssertionError, match=r"linear with .*, step 1: 0\.025 against 0\.0"):
        peers.assert_same("transformers/linear", parameters, late)
