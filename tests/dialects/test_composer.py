"""The dialect of composer, held against composer.optim.scheduler at every batch.

Where composer is not installed, its formulas stand in: transcribed from
composer/optim/scheduler.py of mosaicml 0.32.1, and held against the library where it is there.
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

STEPS = 160
DRAWS = 12
MANY = 400
LENGTHS = ("t_max", "t_warmup", "step_size", "decay_period", "t_0")
RESTARTS = "CosineAnnealingWarmRestartsScheduler"


# -- draws --------------------------------------------------------------------------------------


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def length(source: Random, least: int = 1) -> int:
    return source.choice([least, 1, 2, 10, source.randint(least, 60)])


def share(source: Random) -> float:
    return source.choice([0.0, 1.0, 0.1, source.random(), 2 * source.random()])


def scaled(source: Random) -> Parameters:
    ratio = source.choice([1.0, 1.0, 0.5, 2.0, source.uniform(0.1, 3)])
    return {"base_lr": rate(source), "scale_schedule_ratio": ratio}


def gamma(source: Random) -> float:
    return source.choice([0.1, 0.5, 1.0, 0.0, source.random()])


def ended(source: Random) -> Parameters:
    return {
        **scaled(source),
        "t_max": source.choice([0, length(source)]),
        "max_duration": length(source),
    }


def warmed(source: Random) -> Parameters:
    drawn = scaled(source)
    whole = length(source)
    longest = math.ceil((whole + 1) / drawn["scale_schedule_ratio"])
    return {
        **drawn,
        "t_warmup": source.choice([0, whole, length(source, 0)]),
        "t_max": source.choice([0, longest, longest + length(source)]),
        "max_duration": whole,
        "scale_warmup": source.random() < 0.4,
    }


def milestones(source: Random) -> list[int]:
    return sorted(source.sample(range(90), source.randrange(5)))


def power(source: Random) -> float:
    return source.choice([1.0, 2.0, 0.0, 0.5, source.uniform(0, 4)])


def steps_after_warmup(source: Random) -> Parameters:
    drawn = warmed(source)
    del drawn["t_max"], drawn["max_duration"]
    return {**drawn, "milestones": milestones(source), "gamma": gamma(source)}


CURVES: dict[str, Draw] = {
    "StepScheduler": lambda s: {**scaled(s), "step_size": length(s), "gamma": gamma(s)},
    "MultiStepScheduler": lambda s: {
        **scaled(s),
        "milestones": milestones(s),
        "gamma": gamma(s),
    },
    "ConstantScheduler": lambda s: {**ended(s), "alpha": share(s)},
    "LinearScheduler": lambda s: {**ended(s), "alpha_i": share(s), "alpha_f": share(s)},
    "ExponentialScheduler": lambda s: {**scaled(s), "decay_period": length(s), "gamma": gamma(s)},
    "CosineAnnealingScheduler": lambda s: {**ended(s), "alpha_f": share(s)},
    RESTARTS: lambda s: {
        **scaled(s),
        "t_0": length(s),
        "t_mult": s.choice([1.0, 2.0, 1.5, 1.25, 1.01 + 2 * s.random()]),
        "alpha_f": share(s),
    },
    "PolynomialScheduler": lambda s: {**ended(s), "power": power(s), "alpha_f": share(s)},
    "MultiStepWithWarmupScheduler": steps_after_warmup,
    "ConstantWithWarmupScheduler": lambda s: {**warmed(s), "alpha": share(s)},
    "LinearWithWarmupScheduler": lambda s: {
        **warmed(s),
        "alpha_i": share(s),
        "alpha_f": share(s),
    },
    "CosineAnnealingWithWarmupScheduler": lambda s: {**warmed(s), "alpha_f": share(s)},
    "PolynomialWithWarmupScheduler": lambda s: {
        **warmed(s),
        "power": power(s),
        "alpha_f": share(s),
    },
}


# -- composer's formulas ------------------------------------------------------------------------


def cut(p: Parameters, key: str) -> int:
    return int(p[key] * p["scale_schedule_ratio"])


def end_of(p: Parameters) -> int:
    return cut(p, "t_max") if p["t_max"] else p["max_duration"]


def line(low: float, high: float, t: int, whole: int) -> float:
    return low + min(1.0, t / whole) * (high - low)


def cosine(x: float, floor: float) -> float:
    return floor + (1.0 - floor) * (1 + math.cos(min(max(x, 0.0), 1.0) * math.pi)) / 2


def milestoned(p: Parameters, t: int) -> float:
    factor = 1.0
    for milestone in p["milestones"]:
        if t >= int(milestone * p["scale_schedule_ratio"]):
            factor *= p["gamma"]
    return factor


def restarted(p: Parameters, t: int) -> float:
    wide = end = cut(p, "t_0")
    while end <= t:
        wide = int(p["t_mult"] * wide)
        end += wide
    return cosine((t - (end - wide)) / wide, p["alpha_f"])


def rising(p: Parameters, t: int, peak: float) -> float | None:
    """The share while the warm-up lasts."""
    if t >= p["t_warmup"]:
        return None
    return line(0.0, peak, t, cut(p, "t_warmup") if p["scale_warmup"] else p["t_warmup"])


def progress(p: Parameters, t: int) -> float:
    """How much of what is after the warm-up has passed."""
    whole = end_of(p) - p["t_warmup"]
    return min(1.0, (t - p["t_warmup"]) / whole) if whole > 0 else 0.0


def after(p: Parameters, t: int, peak: float, fallen: Callable[[float], float]) -> float:
    share = rising(p, t, peak)
    return fallen(progress(p, t)) if share is None else share


FORMULAS: dict[str, Callable[[Parameters, int], float]] = {
    "StepScheduler": lambda p, t: p["gamma"] ** int(t / cut(p, "step_size")),
    "MultiStepScheduler": milestoned,
    "ConstantScheduler": lambda p, t: p["alpha"] if t < end_of(p) else 1.0,
    "LinearScheduler": lambda p, t: line(p["alpha_i"], p["alpha_f"], t, end_of(p)),
    "ExponentialScheduler": lambda p, t: p["gamma"] ** (t / cut(p, "decay_period")),
    "CosineAnnealingScheduler": lambda p, t: cosine(t / end_of(p), p["alpha_f"]),
    RESTARTS: restarted,
    "PolynomialScheduler": lambda p, t: (
        p["alpha_f"] + (1 - min(1.0, t / end_of(p))) ** p["power"] * (1.0 - p["alpha_f"])
    ),
    "MultiStepWithWarmupScheduler": lambda p, t: (
        milestoned(p, t) if t >= p["t_warmup"] else rising(p, t, 1.0)
    ),
    "ConstantWithWarmupScheduler": lambda p, t: after(p, t, p["alpha"], lambda _: p["alpha"]),
    "LinearWithWarmupScheduler": lambda p, t: after(
        p, t, p["alpha_i"], lambda x: p["alpha_i"] + x * (p["alpha_f"] - p["alpha_i"])
    ),
    "CosineAnnealingWithWarmupScheduler": lambda p, t: after(
        p, t, 1.0, lambda x: cosine(x, p["alpha_f"])
    ),
    "PolynomialWithWarmupScheduler": lambda p, t: after(
        p, t, 1.0, lambda x: p["alpha_f"] + (1 - x) ** p["power"] * (1.0 - p["alpha_f"])
    ),
}


def at(name: str, parameters: Parameters, step: int) -> float:
    """Composer's rate at batch ``step`` by its formula."""
    own = {key: entry.default for key, entry in peers.loaded(f"composer/{name}").parameters.items()}
    complete = {**own, **parameters}
    return complete["base_lr"] * FORMULAS[name](complete, step)


def misplaced(parameters: Parameters) -> bool:
    """Whether composer cuts a length by one more than decimals say: see deviations.toml."""
    growth, wide = parameters["t_mult"], cut(parameters, "t_0")
    while wide <= STEPS:
        longer = int(growth * wide)
        if longer != math.floor(round(growth * wide, 9)):
            return True
        if longer == wide:
            return False
        wide = longer
    return False


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(f"composer/{name}", CURVES[name], count):
        if name != RESTARTS or not misplaced(parameters):
            found = [at(name, parameters, step) for step in range(STEPS)]
            peers.assert_same(f"composer/{name}", parameters, found)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_batch_is_that_of_composer(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_batch_is_that_of_composer_over_many_draws(name: str) -> None:
    hold(name, MANY)


# -- where composer is installed ----------------------------------------------------------------


@pytest.fixture(scope="module")
def composer() -> Any:
    enum = by_path.alone("composer.utils.string_enum").StringEnum
    time = by_path.alone("composer.core.time", composer__utils={"StringEnum": enum})
    core = {"State": None, "Time": time.Time, "TimeUnit": time.TimeUnit}
    return by_path.alone("composer.optim.scheduler", composer__core=core)


def driven(composer: Any, name: str, parameters: Parameters) -> NDArray[np.float64]:
    """Composer's rate at each batch."""
    from composer.core.time import Time, Timestamp, TimeUnit

    own = dict(parameters)
    base, ratio = own.pop("base_lr"), own.pop("scale_schedule_ratio")
    state: Any = SimpleNamespace(
        max_duration=Time(own.pop("max_duration", 1000), TimeUnit.BATCH), dataloader_len=None
    )
    for key in LENGTHS:
        if key in own:
            own[key] = "1dur" if key == "t_max" and own[key] == 0 else f"{own[key]}ba"
    if "milestones" in own:
        own["milestones"] = [f"{place}ba" for place in own["milestones"]]
    scheduler = getattr(composer, name)(**own)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(STEPS):
            state.timestamp = Timestamp(batch=step)
            found.append(base * scheduler(state, ratio))
    return np.asarray(found, np.float64)


@pytest.mark.parametrize("name", list(CURVES))
def test_the_formulas_are_those_of_composer(name: str, composer: Any) -> None:
    for parameters in peers.draws(f"composer/{name}", CURVES[name], DRAWS * 2):
        theirs = driven(composer, name, parameters)
        ours = [at(name, parameters, step) for step in range(STEPS)]

        assert peers.first_difference(ours, theirs) is None, parameters


def test_every_class_of_composer_has_a_dialect(composer: Any) -> None:
    found = {name for name in composer.__all__ if name.endswith("Scheduler")}

    assert found - {"ComposerScheduler"} == set(CURVES)


@pytest.mark.parametrize("name", list(CURVES))
def test_a_call_is_written_as_composer_defines_it(name: str, composer: Any) -> None:
    found = inspect.signature(getattr(composer, name)).parameters
    path = catalogue.dialects()[f"composer/{name}"]
    call = tomllib.loads(path.read_text(encoding="utf-8"))["call"]
    ours = inspect.signature(eval(f"lambda {call['signature']}: None")).parameters

    assert [*found] == [*ours]
    assert [e.default for e in found.values()] == [e.default for e in ours.values()]


# -- nothing is missing -------------------------------------------------------------------------


def test_every_dialect_of_composer_is_compared() -> None:
    assert {f"composer/{name}" for name in CURVES} == set(catalogue.dialects("composer"))


@pytest.mark.parametrize("deviation", peers.deviations("composer/"), ids=lambda d: d.what[:40])
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    name = deviation.schedule.removeprefix("composer/")
    own = {"scale_schedule_ratio": 1.0, **deviation.set}
    ours = peers.bound(deviation.schedule, own)(deviation.step)

    assert misplaced(own)
    assert peers.first_difference([ours], [at(name, own, deviation.step)]) is not None


def test_lengths_of_halves_are_placed_alike() -> None:
    assert not misplaced({"t_0": 8, "t_mult": 1.5, "scale_schedule_ratio": 1.0})


def test_a_curve_one_batch_late_is_red() -> None:
    parameters = {"base_lr": 0.1, "t_warmup": 5, "max_duration": 20}
    name = "LinearWithWarmupScheduler"
    late = [at(name, parameters, max(step - 1, 0)) for step in range(30)]

    with pytest.raises(AssertionError, match=r"step 1: 0\.02\d* against 0\.0"):
        peers.assert_same(f"composer/{name}", parameters, late)
