"""The dialects of fvcore and detectron2, held against their schedulers at every step of a run.

Where they are not installed, their formulas stand in: transcribed from
fvcore/common/param_scheduler.py of fvcore 0.1.5.post20221221 and
detectron2/solver/lr_scheduler.py of detectron2, commit 02b5c4e (which has no wheel and builds
extensions), and those of fvcore held against the library where it is there.
"""

from __future__ import annotations

import inspect
import math
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import peers
import pytest
from peers import Deviation, Draw, Parameters

from lrgen import catalogue

DRAWS = 15
MANY = 400
EPSILON = 1e-6
COMPOSED = {"ParamScheduler", "CompositeParamScheduler"}


# -- draws --------------------------------------------------------------------------------------


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def run(source: Random, least: int = 1) -> int:
    return source.choice([least, 7, 90, 100, source.randint(least, 160)])


def gamma(source: Random) -> float:
    return source.choice([0.1, 0.5, 1.0, source.uniform(0.01, 1)])


def milestones(source: Random, below: int) -> list[int]:
    return sorted(source.sample(range(1, below), min(below - 1, source.randrange(5))))


def multi_step(source: Random) -> Parameters:
    end = run(source, 8)
    places = milestones(source, end) or [3]
    values = [rate(source) for _ in range(len(places) + 1)]
    match source.choice(["all", "last", "even"]):
        case "all":
            return {"values": values, "num_updates": end, "milestones": places}
        case "last":
            return {"values": values, "milestones": [*places, end]}
        case _:
            return {"values": values, "num_updates": end, "milestones": []}


def warmed(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "warmup_factor": source.choice([0.0, 0.001, 1.0, source.random()]),
        "warmup_method": source.choice(["linear", "constant"]),
    }


def multiplier(source: Random) -> Parameters:
    end = run(source, 8)
    steps = source.choice([0, 1, end // 2, source.randrange(end)])
    return {
        **warmed(source),
        "scheduler": source.choice(["multi_step", "cosine", "step_with_fixed_gamma"]),
        "max_iter": end,
        "milestones": milestones(source, end),
        "gamma": gamma(source),
        "num_decays": source.randint(1, 5),
        "end_value": source.choice([0.0, source.random()]),
        "warmup_length": steps / end,
        "rescale_interval": source.random() < 0.5,
    }


CURVES: dict[str, Draw] = {
    "fvcore/ConstantParamScheduler": lambda s: {"level": rate(s)},
    "fvcore/CosineParamScheduler": lambda s: {
        "start_value": rate(s),
        "end_value": rate(s),
        "max_iter": run(s, 2),
    },
    "fvcore/LinearParamScheduler": lambda s: {
        "start_value": rate(s),
        "end_value": rate(s),
        "max_iter": run(s),
    },
    "fvcore/ExponentialParamScheduler": lambda s: {
        "start_value": rate(s),
        "decay": gamma(s),
        "max_iter": run(s),
    },
    "fvcore/PolynomialDecayParamScheduler": lambda s: {
        "base_value": rate(s),
        "power": s.choice([0.0, 0.9, 1.0, 2.0, s.uniform(0, 4)]),
        "max_iter": run(s),
    },
    "fvcore/StepParamScheduler": lambda s: {
        "num_updates": run(s),
        "values": [rate(s) for _ in range(s.randint(1, 6))],
    },
    "fvcore/StepWithFixedGammaParamScheduler": lambda s: {
        "base_value": rate(s),
        "num_decays": s.randint(1, 6),
        "gamma": gamma(s),
        "num_updates": run(s),
    },
    "fvcore/MultiStepParamScheduler": multi_step,
    "detectron2/WarmupMultiStepLR": lambda s: {
        **warmed(s),
        "warmup_iters": s.choice([0, 1, s.randrange(60)]),
        "milestones": milestones(s, 120),
        "gamma": gamma(s),
    },
    "detectron2/WarmupCosineLR": lambda s: {
        **warmed(s),
        "warmup_iters": s.choice([0, 1, s.randrange(60)]),
        "max_iters": run(s),
    },
    "detectron2/LRMultiplier": multiplier,
}
FVCORE = [name for name in CURVES if name.startswith("fvcore/")]


# -- their formulas -----------------------------------------------------------------------------

Curve = Callable[[float], float]


def stepped(values: Sequence[float]) -> Curve:
    return lambda where: values[int((where + EPSILON) * len(values))]


def milestoned(values: Sequence[float], end: int, places: Sequence[int]) -> Curve:
    return lambda where: values[bisect_right(places, int((where + EPSILON) * end))]


def cosine(start: float, end: float) -> Curve:
    return lambda where: end + 0.5 * (start - end) * (1 + math.cos(math.pi * where))


def powers(base: float, gamma: float, count: int) -> list[float]:
    found = [base]
    for _ in range(count):
        found.append(found[-1] * gamma)
    return found


def multi_stepped(p: Parameters) -> Curve:
    places, end = list(p["milestones"]), p["num_updates"]
    if not places:
        width = math.ceil(end / len(p["values"]))
        places = [width * (i + 1) for i in range(len(p["values"]) - 1)]
    elif not end:
        end, places = places[-1], places[:-1]
    return milestoned(p["values"], end, places)


def in_warmup(p: Parameters, t: int) -> float:
    if t >= p["warmup_iters"]:
        return 1.0
    if p["warmup_method"] == "constant":
        return p["warmup_factor"]
    alpha = t / p["warmup_iters"]
    return p["warmup_factor"] * (1 - alpha) + alpha


def multiplied(p: Parameters, t: int) -> float:
    end, length = p["max_iter"], p["warmup_length"]
    match p["scheduler"]:
        case "cosine":
            main = cosine(1, p["end_value"])
        case "multi_step":
            values = [p["gamma"] ** k for k in range(len(p["milestones"]) + 1)]
            main = milestoned(values, end, p["milestones"])
        case _:
            main = stepped(powers(1.0, p["gamma"], p["num_decays"]))
    where = t / end
    if where + EPSILON > length:
        if not p["rescale_interval"]:
            return main(where)
        lengths = (length, 1 - length)
        return main((where - (lengths[0] + lengths[1] - lengths[1])) / lengths[1])
    start = p["warmup_factor"] * main(0.0)
    if p["warmup_method"] == "constant":
        return start
    aim = main(0.0) if p["rescale_interval"] else main(length)
    return aim * (where / length) + start * (1 - where / length)


FORMULAS: dict[str, Callable[[Parameters, int], float]] = {
    "fvcore/ConstantParamScheduler": lambda p, _: p["level"],
    "fvcore/CosineParamScheduler": lambda p, t: cosine(p["start_value"], p["end_value"])(
        t / p["max_iter"]
    ),
    "fvcore/LinearParamScheduler": lambda p, t: (
        p["end_value"] * (t / p["max_iter"]) + p["start_value"] * (1 - t / p["max_iter"])
    ),
    "fvcore/ExponentialParamScheduler": lambda p, t: (
        p["start_value"] * p["decay"] ** (t / p["max_iter"])
    ),
    "fvcore/PolynomialDecayParamScheduler": lambda p, t: (
        p["base_value"] * (1 - t / p["max_iter"]) ** p["power"]
    ),
    "fvcore/StepParamScheduler": lambda p, t: stepped(p["values"])(t / p["num_updates"]),
    "fvcore/StepWithFixedGammaParamScheduler": lambda p, t: stepped(
        powers(p["base_value"], p["gamma"], p["num_decays"])
    )(t / p["num_updates"]),
    "fvcore/MultiStepParamScheduler": lambda p, t: multi_stepped(p)(
        t / (p["num_updates"] or p["milestones"][-1])
    ),
    "detectron2/WarmupMultiStepLR": lambda p, t: (
        p["base_lr"] * in_warmup(p, t) * p["gamma"] ** bisect_right(p["milestones"], t)
    ),
    "detectron2/WarmupCosineLR": lambda p, t: (
        p["base_lr"] * in_warmup(p, t) * 0.5 * (1.0 + math.cos(math.pi * t / p["max_iters"]))
    ),
    "detectron2/LRMultiplier": lambda p, t: p["base_lr"] * multiplied(p, t),
}


def completed(name: str, parameters: Parameters) -> Parameters:
    own = {key: entry.default for key, entry in peers.loaded(name).parameters.items()}
    return {**own, **parameters}


def run_of(parameters: Parameters) -> int:
    """The steps of a run, which is all that is compared: past them fvcore has errors or less."""
    for key in ("max_iter", "max_iters", "num_updates"):
        if parameters.get(key):
            return int(parameters[key])
    return int(parameters["milestones"][-1]) if parameters.get("milestones") else 100


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(name, CURVES[name], count):
        complete = completed(name, parameters)
        found = [FORMULAS[name](complete, step) for step in range(run_of(complete))]
        peers.assert_same(name, parameters, found)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_the_library(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_the_library_over_many_draws(name: str) -> None:
    hold(name, MANY)


@pytest.mark.parametrize("end", [10_000_000, 90_000, 1_234_567])
def test_a_cut_comes_a_millionth_of_the_run_early(end: int) -> None:
    parameters = {"num_updates": end, "milestones": [end // 2], "values": [1.0, 0.1]}
    name = "fvcore/MultiStepParamScheduler"
    near = sorted({end // 2 - end // 10**6 + by for by in range(-3, 12) if by != 0})
    found = [FORMULAS[name](parameters, step) for step in near]

    peers.assert_same(name, parameters, found, near)
    assert {1.0, 0.1} == set(found)


def test_past_the_end_the_last_value_stays() -> None:
    few = {"num_updates": 10, "values": [1.0, 0.5]}

    assert 0.5 == peers.bound("fvcore/StepParamScheduler", few)(1000)
    with pytest.raises(IndexError):
        FORMULAS["fvcore/StepParamScheduler"](few, 1000)


# -- where fvcore is installed ------------------------------------------------------------------


@pytest.fixture(scope="module")
def fvcore() -> Any:
    return pytest.importorskip("fvcore.common.param_scheduler")


def made(fvcore: Any, name: str, parameters: Parameters) -> Curve:
    own = {key: value for key, value in parameters.items() if key != "max_iter"}
    if name.endswith("ConstantParamScheduler"):
        own["value"] = own.pop("level")
    for key in ("num_updates", "milestones"):
        if key in own and not own[key]:
            own[key] = None
    return getattr(fvcore, name.removeprefix("fvcore/"))(**own)


@pytest.mark.parametrize("name", FVCORE)
def test_the_formulas_are_those_of_fvcore(name: str, fvcore: Any) -> None:
    for parameters in peers.draws(name, CURVES[name], DRAWS):
        complete = completed(name, parameters)
        try:
            scheduler = made(fvcore, name, complete)
        except ValueError:  # more values than updates, or milestones past the end
            continue
        end = run_of(complete)
        theirs = [scheduler(step / end) for step in range(end)]
        ours = [FORMULAS[name](complete, step) for step in range(end)]

        assert ours == theirs


def test_every_class_of_fvcore_has_a_dialect(fvcore: Any) -> None:
    assert {f"fvcore/{name}" for name in set(fvcore.__all__) - COMPOSED} == set(FVCORE)


@pytest.mark.parametrize("name", FVCORE)
def test_a_call_is_written_as_fvcore_defines_it(name: str, fvcore: Any) -> None:
    found = inspect.signature(getattr(fvcore, name.removeprefix("fvcore/"))).parameters
    call = tomllib.loads(catalogue.dialects()[name].read_text(encoding="utf-8"))["call"]
    ours = inspect.signature(eval(f"lambda {call['signature']}: None")).parameters

    assert [*found] == [*ours]
    assert [e.default for e in found.values()] == [e.default for e in ours.values()]


# -- nothing is missing -------------------------------------------------------------------------


def test_every_dialect_of_both_is_compared() -> None:
    assert {*catalogue.dialects("fvcore"), *catalogue.dialects("detectron2")} == set(CURVES)


@pytest.mark.parametrize("deviation", peers.deviations("detectron2/"), ids=lambda d: d.what[:40])
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    complete = completed(deviation.schedule, deviation.set)
    ours = peers.bound(deviation.schedule, deviation.set)(deviation.step)

    assert (
        peers.first_difference([ours], [FORMULAS[deviation.schedule](complete, deviation.step)])
        is not None
    )


def test_a_curve_one_step_late_is_red() -> None:
    name, parameters = "detectron2/WarmupCosineLR", {"base_lr": 0.1, "max_iters": 20}
    complete = completed(name, parameters)
    late = [FORMULAS[name](complete, max(step - 1, 0)) for step in range(20)]

    with pytest.raises(AssertionError, match=r"WarmupCosineLR with .*, step 1: "):
        peers.assert_same(name, parameters, late)
