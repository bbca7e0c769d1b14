"""The dialect of OLMo-core, held against olmo_core.optim.scheduler at every step.

Where OLMo-core is not installed, its formulas stand in: transcribed from
olmo_core/optim/scheduler.py of ai2-olmo-core 3.0.0, and held against the library where it is there.
"""

from __future__ import annotations

import inspect
import math
import tomllib
import warnings
from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import Any

import by_path
import numpy as np
import peers
import pytest
from numpy.typing import NDArray
from peers import Draw, Parameters

from lrgen import catalogue

STEPS = 160
DRAWS = 12
MANY = 400
# Places for None, by parameter.
NONE = {"warmup": -1, "decay": -1, "period_lr_multipliers": []}
# They are made of other schedulers, or of stages that are.
COMPOSED = {"SequentialScheduler", "ComposableScheduler"}


# -- draws --------------------------------------------------------------------------------------


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def run(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "t_max": source.choice([1, 2, 10, 100, source.randint(1, 140)]),
    }


def share(source: Random) -> float:
    return source.choice([0.0, 0.05, 0.1, 0.25, 0.5, source.random() / 2])


def warmed(source: Random) -> Parameters:
    drawn = run(source)
    length = source.choice([1, 2, source.randint(1, 60)])
    given = {"warmup": -1, "warmup_fraction": share(source)}
    low = source.choice([0.0, drawn["base_lr"] * source.random() * 0.4])
    return {
        **drawn,
        **source.choice([{"warmup": length}, given]),
        "warmup_min_lr": low,
    }


def tailed(source: Random) -> Parameters:
    drawn = {**warmed(source), "warmup": source.randint(1, 60)}
    drawn.pop("warmup_fraction", None)
    length = source.randint(1, max(1, drawn["t_max"] // 2))
    given = {"decay": -1, "decay_fraction": share(source)}
    return {**drawn, **source.choice([{"decay": length}, given])}


def floored(source: Random) -> Parameters:
    drawn = warmed(source)
    return {**drawn, "alpha_f": source.choice([0.1, 0.0, 1.0, source.random()])}


def stable(source: Random) -> Parameters:
    drawn = {**tailed(source), **warmed(source)}
    return {**drawn, "decay_min_lr": source.choice([0.0, drawn["base_lr"] * source.random()])}


def power(source: Random) -> Parameters:
    drawn = tailed(source)
    return {
        **drawn,
        "b": source.choice([-0.51, -0.1, -2.0, -source.random()]),
        "decay_min_lr": source.choice([0.0, drawn["base_lr"] * source.random() * 1e-6]),
    }


def cosine_tailed(source: Random) -> Parameters:
    drawn = {**tailed(source), "alpha_f": source.choice([0.1, 0.5, source.uniform(0.01, 1)])}
    low = source.choice([0.0, drawn["base_lr"] * drawn["alpha_f"] * source.random() / 2])
    return {**drawn, "decay_min_lr": low}


def periods(source: Random) -> Parameters:
    lengths = [source.randint(1, 40) for _ in range(source.randint(1, 4))]
    base = rate(source)
    multipliers = [source.uniform(0.5, 2) for _ in lengths]
    falling = {"decay": -1, "decay_fraction": share(source)}
    return {
        "base_lr": base,
        "period_lengths": lengths,
        "period_lr_multipliers": source.choice([[], multipliers]),
        "warmup": source.choice([0, 1, lengths[0] // 2]),
        **source.choice([{"decay": max(1, min(lengths) // 2)}, falling]),
        "warmup_min_lr": source.choice([0.0, base * source.random() / 2]),
        "decay_min_lr": source.choice([0.0, base * source.random() / 2]),
    }


CURVES: dict[str, Draw] = {
    "ConstantScheduler": lambda s: {"base_lr": rate(s)},
    "ConstantWithWarmup": warmed,
    "WSD": stable,
    "PowerLR": power,
    "LinearWithWarmup": floored,
    "InvSqrtWithWarmup": floored,
    "CosWithWarmup": floored,
    "HalfCosWithWarmup": floored,
    "CosWithWarmupAndLinearDecay": cosine_tailed,
    "WSDS": periods,
    "ExponentialScheduler": lambda s: {**run(s), "lr_min": s.choice([1e-9, 1e-7, 1e-5])},
}


# -- OLMo's formulas ----------------------------------------------------------------------------


def rise_to(peak: float, step: int, length: int, low: float) -> float:
    assert 0 <= low < peak
    return low + (peak - low) * min(step, length) / length


def fall_from(peak: float, left: int, length: int, low: float) -> float:
    assert 0 <= low < peak
    return low + (peak - low) * min(left, length) / length


def warmup_of(p: Parameters, whole: int) -> int:
    return p["warmup"] if p["warmup"] >= 0 else round(whole * p["warmup_fraction"])


def decay_of(p: Parameters, whole: int) -> int:
    return p["decay"] if p["decay"] >= 0 else round(whole * p["decay_fraction"])


def constant_with_warmup(p: Parameters, t: int) -> float:
    warmup = warmup_of(p, p["t_max"])
    return rise_to(p["base_lr"], t, warmup, p["warmup_min_lr"]) if t <= warmup else p["base_lr"]


def wsd(p: Parameters, t: int) -> float:
    warmup, decay, end = warmup_of(p, p["t_max"]), decay_of(p, p["t_max"]), p["t_max"]
    if t <= warmup:
        return rise_to(p["base_lr"], t, warmup, p["warmup_min_lr"])
    if t >= end - decay:
        return fall_from(p["base_lr"], end - t, decay, p["decay_min_lr"])
    return p["base_lr"]


def power_lr(p: Parameters, t: int) -> float:
    warmup, decay, end = warmup_of(p, p["t_max"]), decay_of(p, p["t_max"]), p["t_max"]
    if t <= warmup:
        return rise_to(p["base_lr"], t, warmup, p["warmup_min_lr"])
    if t >= end - decay:
        start = p["base_lr"] * ((end - decay) / warmup) ** p["b"]
        return fall_from(start, end - t, decay, p["decay_min_lr"])
    return p["base_lr"] * (t / warmup) ** p["b"]


def linear(p: Parameters, t: int) -> float:
    end, floor = p["t_max"], p["base_lr"] * p["alpha_f"]
    warmup = warmup_of(p, end)
    if t < warmup:
        return rise_to(p["base_lr"], t, warmup, p["warmup_min_lr"])
    if t >= end:
        return floor
    return p["base_lr"] - (p["base_lr"] - floor) * ((t - warmup) / (end - warmup))


def inverse_root(p: Parameters, t: int) -> float:
    warmup, floor = warmup_of(p, p["t_max"]), p["base_lr"] * p["alpha_f"]
    if t < warmup:
        return rise_to(p["base_lr"], t, warmup, p["warmup_min_lr"])
    return floor + (p["base_lr"] - floor) * math.sqrt(warmup / t)


def cosine(p: Parameters, t: int) -> float:
    end, floor = p["t_max"], p["base_lr"] * p["alpha_f"]
    warmup = warmup_of(p, end)
    if t < warmup:
        return rise_to(p["base_lr"], t, warmup, p["warmup_min_lr"])
    if t >= end:
        return floor
    turned = math.cos(math.pi * (t - warmup) / (end - warmup))
    return floor + (p["base_lr"] - floor) * (1 + turned) / 2


def half_cosine(p: Parameters, t: int) -> float:
    end, floor = p["t_max"], p["base_lr"] * p["alpha_f"]
    warmup = warmup_of(p, end)
    if t < warmup:
        peak = floor + (p["base_lr"] - floor) / 2
        return rise_to(peak, t, warmup, p["warmup_min_lr"])
    if t >= end:
        return floor
    turned = math.cos(math.pi * (t - warmup + end - warmup) / (2 * (end - warmup)))
    return floor + (p["base_lr"] - floor) * (1 + turned) / 2


def cosine_and_tail(p: Parameters, t: int) -> float:
    end = p["t_max"]
    decay = decay_of(p, end)
    if t >= end - decay:
        return fall_from(cosine(p, end - decay), end - t, decay, p["decay_min_lr"])
    return cosine(p, t)


def wsds(p: Parameters, t: int) -> float:
    lengths = p["period_lengths"]
    peaks = [p["base_lr"] * m for m in p["period_lr_multipliers"] or [1.0] * len(lengths)]
    warmup = warmup_of(p, lengths[0])
    assert warmup + decay_of(p, lengths[0]) <= lengths[0]
    assert all(decay_of(p, length) <= length for length in lengths)
    if t < warmup:
        return rise_to(peaks[0], t, warmup, p["warmup_min_lr"])
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    if t >= ends[-1]:
        return p["decay_min_lr"]
    now = next(i for i, end in enumerate(ends) if t <= end)
    decay = decay_of(p, lengths[now])
    if t < ends[now] - decay:
        return peaks[now]
    return fall_from(peaks[now], ends[now] - t, decay, p["decay_min_lr"])


def exponential(p: Parameters, t: int) -> float:
    if t >= p["t_max"]:
        return p["base_lr"]
    return p["lr_min"] * (p["base_lr"] / p["lr_min"]) ** (t / p["t_max"])


FORMULAS: dict[str, Callable[[Parameters, int], float]] = {
    "ConstantScheduler": lambda p, _: p["base_lr"],
    "ConstantWithWarmup": constant_with_warmup,
    "WSD": wsd,
    "PowerLR": power_lr,
    "LinearWithWarmup": linear,
    "InvSqrtWithWarmup": inverse_root,
    "CosWithWarmup": cosine,
    "HalfCosWithWarmup": half_cosine,
    "CosWithWarmupAndLinearDecay": cosine_and_tail,
    "WSDS": wsds,
    "ExponentialScheduler": exponential,
}


def at(name: str, parameters: Parameters, step: int) -> float:
    """OLMo's rate at ``step`` by its formula; NaN where OLMo fails."""
    own = {key: entry.default for key, entry in peers.loaded(f"olmo/{name}").parameters.items()}
    try:
        return FORMULAS[name]({**own, **parameters}, step)
    except (ZeroDivisionError, AssertionError):
        return math.nan


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(f"olmo/{name}", CURVES[name], count):
        theirs = [at(name, parameters, step) for step in range(STEPS)]
        steps = [step for step in range(STEPS) if not math.isnan(theirs[step])]
        found = [theirs[step] for step in steps]
        if found:
            peers.assert_same(f"olmo/{name}", parameters, found, steps)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_olmo(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_olmo_over_many_draws(name: str) -> None:
    hold(name, MANY)


@pytest.mark.parametrize("name", list(CURVES))
def test_olmo_fails_at_few_steps_of_the_draws(name: str) -> None:
    drawn = list(peers.draws(f"olmo/{name}", CURVES[name], DRAWS))
    rates = [at(name, parameters, step) for parameters in drawn for step in range(STEPS)]

    assert 0.5 < np.mean(np.isfinite(rates))


@pytest.mark.parametrize("whole", [1, 3, 10, 25, 50, 2**40])
def test_a_share_of_the_run_is_rounded_to_even(whole: int) -> None:
    for share in (0.0, 0.02, 0.05, 0.1, 0.3, 0.5, 1 / 3, 0.7, 0.9, 1.0):
        warmup = round(whole * share)
        bound = peers.bound("olmo/LinearWithWarmup", {"t_max": whole, "warmup_fraction": share})
        if warmup > 0:
            assert math.isclose(1e-3 / warmup, bound(1) if warmup > 1 else 1e-3, rel_tol=1e-12)
        if 0 < warmup < whole:
            assert 1e-3 == bound(warmup)


# -- where OLMo is installed --------------------------------------------------------------------


@pytest.fixture(scope="module")
def olmo() -> Any:
    by_path.path_of("olmo_core/optim/scheduler.py")
    named = pytest.importorskip("dataclass_extensions").Registrable
    config = {"Config": type("Config", (), {}), "Registrable": named, "StrEnum": StrEnum}
    return by_path.alone(
        "olmo_core.optim.scheduler",
        olmo_core__config=config,
        olmo_core__distributed__utils={"get_rank": None},
        olmo_core__optim__config={"INITIAL_LR_FIELD": "initial_lr", "LR_FIELD": "lr"},
    )


def made(olmo: Any, name: str, parameters: Parameters) -> tuple[Any, int]:
    """OLMo's scheduler called ``name``, and the ``t_max`` that a trainer would give it."""
    own = {k: None if v == NONE.get(k) else v for k, v in parameters.items()}
    del own["base_lr"]
    run = own.pop("t_max", 1000)
    if own.get("decay") is not None:
        own["decay_fraction"] = None
    if own.get("warmup") is not None:
        own["warmup_fraction"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(olmo, name)(**own), run


def driven(olmo: Any, name: str, parameters: Parameters) -> NDArray[np.float64]:
    """OLMo's rate at each step; NaN where it fails."""
    found = []
    try:
        scheduler, run = made(olmo, name, parameters)
    except olmo.OLMoConfigurationError:
        return np.full(STEPS, math.nan)
    for step in range(STEPS):
        try:
            found.append(scheduler.get_lr(parameters["base_lr"], step, run))
        except (ZeroDivisionError, AssertionError):
            found.append(math.nan)
    return np.asarray(found, np.float64)


@pytest.mark.parametrize("name", list(CURVES))
def test_the_formulas_are_those_of_olmo(name: str, olmo: Any) -> None:
    for parameters in peers.draws(f"olmo/{name}", CURVES[name], DRAWS * 4):
        theirs = driven(olmo, name, parameters)
        ours = [at(name, parameters, step) for step in range(STEPS)]

        assert peers.first_difference(ours, theirs) is None, parameters


def test_every_class_of_olmo_has_a_dialect(olmo: Any) -> None:
    classes = {
        name
        for name, found in vars(olmo).items()
        if inspect.isclass(found) and issubclass(found, olmo.Scheduler)
    }

    assert classes - {"Scheduler"} - COMPOSED == set(CURVES)


@pytest.mark.parametrize("name", list(CURVES))
def test_a_call_is_written_as_olmo_defines_it(name: str, olmo: Any) -> None:
    found = inspect.signature(getattr(olmo, name)).parameters
    call = tomllib.loads(catalogue.dialects()[f"olmo/{name}"].read_text(encoding="utf-8"))["call"]
    ours = inspect.signature(eval(f"lambda {call['signature']}: None")).parameters

    assert [*ours] == [*found]
    for key, entry in found.items():
        if repr(entry.default) != "<factory>":
            assert entry.default == ours[key].default, key


# -- nothing is missing -------------------------------------------------------------------------


def test_every_dialect_of_olmo_is_compared() -> None:
    assert {f"olmo/{name}" for name in CURVES} == set(catalogue.dialects("olmo"))


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"base_lr": 0.1, "warmup": 5, "t_max": 20}
    late = [at("CosWithWarmup", parameters, max(step - 1, 0)) for step in range(30)]

    with pytest.raises(AssertionError, match=r"CosWithWarmup with .*, step 1: 0\.02 against 0\.0"):
        peers.assert_same("olmo/CosWithWarmup", parameters, late)
