"""The dialect of Keras, held against keras.optimizers.schedules and its callback at every step.

Keras runs by itself, in ``keras_peer.py``: a process has one backend, and other tests have theirs.
Each curve is compared twice: in float64, where 1e-12 of each value is allowed and a few roundings
of the largest for what Keras subtracts; and in float32, as users have it, where each value may be
off by the roundings that Keras itself makes, counted per schedule in ``CASES``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import peers
import pytest
from keras_draws import length, often_zero, rate
from peers import Deviation, Draw, Parameters

from lrgen import catalogue

STEPS = [*range(100), 2**20 + 1, 2**24 - 1]
"""Every one to beyond the end of what is drawn, and two far behind it."""
DRAWS = 25
MANY = 400
ULP = {"float32": 2.0**-24, "float64": 2.0**-53}
"""One rounding, as a share of the number."""
LEAST = {"float32": 0.0, "float64": 1e-12}
SUBNORMAL = 2.0**-145
"""Below the least normal float32, numbers are this far apart, sixteen times over."""

RATES = ("initial_learning_rate", "end_learning_rate", "warmup_target")

Answers = dict[str, list[list[Any]]]


def stairs(source: Random) -> Parameters:
    return {
        "initial_learning_rate": rate(source),
        "decay_steps": length(source, 1),
        "decay_rate": source.choice([1.0, 0.5, source.uniform(0.01, 1.0)]),
        "staircase": source.random() < 0.5,
    }


def values(source: Random) -> Parameters:
    boundaries = sorted(source.sample(range(90), source.randrange(1, 6)))
    return {"boundaries": boundaries, "values": [rate(source) for _ in (0, *boundaries)]}


def polynomial(source: Random) -> Parameters:
    return {
        "initial_learning_rate": rate(source),
        "decay_steps": length(source, 1),
        "end_learning_rate": often_zero(source),
        "power": source.choice([0.0, 1.0, 2.0, 0.5, source.uniform(0.5, 3.0)]),
        "cycle": source.random() < 0.5,
    }


def cosine(source: Random) -> Parameters:
    return {
        "initial_learning_rate": often_zero(source),
        "decay_steps": length(source, 1),
        "alpha": source.choice([0.0, 0.1, 1.0, 2.0]),
        "warmup_target": often_zero(source),
        "warmup_steps": length(source),
    }


def restarts(source: Random) -> Parameters:
    return {
        "initial_learning_rate": rate(source),
        "first_decay_steps": length(source, 1),
        "t_mul": source.choice([1.0, 2.0, 3.0, 1.5, source.uniform(1.1, 3.0)]),
        "m_mul": source.choice([1.0, 0.5, source.random()]),
        "alpha": source.choice([0.0, 0.1]),
    }


def plateau(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "factor": source.choice([0.1, 0.5, 0.0, source.random()]),
        "patience": source.randrange(0, 4),
        "mode": source.choice(["min", "max"]),
        "min_delta": source.choice([0.0, 1e-4, 0.25, -0.25]),
        "cooldown": source.randrange(0, 4),
        "min_lr": source.choice([0.0, 1e-3]),
    }


@dataclass(frozen=True, slots=True)
class Case:
    """How one schedule is drawn, and off.

    Attributes:
        draw: Parameters of the dialect.
        relative: Roundings on the way to a value, each half an ulp of it.
        of_scale: Roundings that are subtracted from the largest value instead.
    """

    draw: Draw
    relative: int
    of_scale: int = 0


# The roundings, operation by operation. A line (a - b) * u + b: the parameters (2), the difference,
# u (2), the product, the sum. A cosine adds pi, its product, the cosine (an ulp), 1 + c, a half and
# the two shares. A power x ** y adds those of x and y, y times or log(x ** y) times over: exponents
# up to 3, and logarithms down to that of the least float32, 104. In cycles, what is completed is a
# difference of numbers of the size of t_mul / (t_mul - 1), 11 at most, or of the cycles completed,
# 100 at most, with a slope of pi / 2.
CASES = {
    "ExponentialDecay": Case(stairs, 4 * 104),
    "InverseTimeDecay": Case(stairs, 8),
    "PiecewiseConstantDecay": Case(values, 1),
    "PolynomialDecay": Case(polynomial, 8, 32),
    "CosineDecay": Case(cosine, 16, 16),
    "CosineDecayRestarts": Case(restarts, 16, 16 + 4 * 100),
}


def asked(cases: list[dict[str, Any]]) -> Answers:
    """What Keras answers to ``cases``: a list of rates for each, by type of number."""
    peer = [sys.executable, str(Path(__file__).with_name("keras_peer.py"))]
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    running = {
        kind: subprocess.Popen(
            [*peer, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for kind in ULP
    }
    return {
        kind: json.loads(one.communicate(json.dumps(cases))[0]) for kind, one in running.items()
    }


GONE = Deviation(
    "keras/PolynomialDecay", "none", "none", {"initial_learning_rate": 0.1, "decay_steps": 10}, 7
)
LISTED = [*peers.deviations("keras/"), GONE]


def deviation_of(one: Deviation) -> dict[str, Any]:
    name = one.schedule.removeprefix("keras/")
    return {"name": name, "parameters": one.set, "steps": [one.step]}


def own(name: str, parameters: Parameters) -> Parameters:
    """What stands for None is None to Keras."""
    if name == "CosineDecay" and parameters["warmup_target"] == 0:
        return {**parameters, "warmup_target": None}
    return parameters


def question(name: str, parameters: Parameters, steps: list[int]) -> dict[str, Any]:
    return {"name": name, "parameters": own(name, parameters), "steps": steps}


def drawn(name: str, count: int) -> list[Parameters]:
    return list(peers.draws(f"keras/{name}", CASES[name].draw, count))


def steps_of(name: str, parameters: Parameters) -> list[int]:
    """``STEPS``, but those at which Keras' float32 misses the cycle: listed deviations."""
    if parameters.get("cycle"):  # far on, what remains of a cycle is lost in what has passed
        return STEPS[:100]
    if name != "CosineDecayRestarts":
        return STEPS
    growth, first = parameters["t_mul"], parameters["first_decay_steps"]
    near = STEPS[:100]
    if growth == 1:
        return near
    starts = [first * (growth**n - 1) / (growth - 1) for n in range(1, 60)]
    return [at for at in near if all(abs(at - start) > 1e-5 * start for start in starts)]


def questions(count: int) -> list[dict[str, Any]]:
    """``count`` draws of each schedule, one after the other."""
    return [
        question(name, one, steps_of(name, one)) for name in CASES for one in drawn(name, count)
    ]


def by_name(found: Answers, count: int) -> dict[str, Answers]:
    """The answers to :func:`questions`, by the name of the schedule."""
    return {
        name: {kind: found[kind][at * count : (at + 1) * count] for kind in found}
        for at, name in enumerate(CASES)
    }


@dataclass(frozen=True, slots=True)
class Told:
    """What Keras says to everything that these tests ask: it starts slowly, so all at once."""

    curves: dict[str, Answers]
    traces: Answers
    deviations: list[list[float]]
    public: list[str]


@pytest.fixture(scope="module")
def told() -> Told:
    curves, traces, others = questions(DRAWS), observations(), [deviation_of(d) for d in LISTED]
    found = asked([*curves, *traces, *others, {"public": True}])
    first, second = len(curves), len(curves) + len(traces)
    return Told(
        by_name({kind: answers[:first] for kind, answers in found.items()}, DRAWS),
        {kind: answers[first:second] for kind, answers in found.items()},
        found["float32"][second:-1],
        found["float32"][-1],
    )


def hold(name: str, count: int, found: Answers) -> None:
    for kind, curves in found.items():
        case, ulp = CASES[name], ULP[kind]
        for parameters, theirs in zip(drawn(name, count), curves, strict=True):
            most = max([*theirs, *(parameters.get(key, 0.0) for key in RATES)])
            peers.assert_same(
                f"keras/{name}",
                parameters,
                theirs,
                steps_of(name, parameters),
                relative=max(case.relative * ulp, LEAST[kind]),
                of_scale=(case.of_scale * ulp * most + SUBNORMAL) / max(*theirs, 1e-300),
            )


@pytest.mark.parametrize("name", list(CASES))
def test_every_step_is_that_of_keras(name: str, told: Told) -> None:
    hold(name, DRAWS, told.curves[name])


@pytest.mark.slow
def test_every_step_is_that_of_keras_over_many_draws() -> None:
    for name, found in by_name(asked(questions(MANY)), MANY).items():
        hold(name, MANY, found)


# -- callbacks -----------------------------------------------------------------------------------


def metrics(source: Random) -> list[float]:
    """Improvements, plateaus, ties with the threshold and metrics that are no numbers."""
    found = [source.choice([1.0, 0.0, -1.0])]
    for _ in range(40):
        change = source.choice([0.0, 0.0, 0.25, -0.25, 1e-4, -1e-4, source.uniform(-1, 1)])
        found.append(source.choice([found[-1] + change, found[-1]]))
    return found


def observations() -> list[dict[str, Any]]:
    source = Random("keras/ReduceLROnPlateau")
    sets = list(peers.draws("keras/ReduceLROnPlateau", plateau, 120))
    seen = [metrics(source) for _ in sets]
    for one in seen[::10]:
        one[source.randrange(len(one))] = float("nan")
    return [
        {"parameters": parameters, "metrics": [str(metric) for metric in one]}
        for parameters, one in zip(sets, seen, strict=True)
    ]


def test_every_reduction_is_that_of_keras(told: Told) -> None:
    for kind, traces in told.traces.items():
        for case, theirs in zip(observations(), traces, strict=True):
            # The optimizer holds its rate in such numbers, so that up to 40 cuts round as often.
            peers.assert_same_trace(
                "keras/ReduceLROnPlateau",
                case["parameters"],
                [float(metric) for metric in case["metrics"]],
                theirs,
                relative=2 * 42 * ULP[kind],
                of_scale=SUBNORMAL / case["parameters"]["base_lr"],
            )


# -- what the specs say of Keras -----------------------------------------------------------------

WITHOUT = {
    "LearningRateSchedule": "no schedule, but the base of them all",
    "serialize": "no schedule",
    "deserialize": "no schedule",
    "LearningRateScheduler": "takes a Python function of the epoch and the last rate",
}


def test_every_schedule_of_keras_has_a_dialect_or_a_reason(told: Told) -> None:
    spoken = {name.removeprefix("keras/") for name in catalogue.dialects("keras")}

    assert set(told.public) - set(WITHOUT) == spoken
    assert set(CASES) == spoken - {"ReduceLROnPlateau"}


def deviates(deviation: Deviation, found: list[float]) -> bool:
    """Whether Keras, in float32, is a thousandth off at the place that the entry names."""
    ours = peers.bound(deviation.schedule, deviation.set)(deviation.step)
    return abs(ours - found[0]) > 1e-3 * max(ours, found[0])


def test_the_listed_deviations_are_still_there_and_one_that_has_vanished_is_red(
    told: Told,
) -> None:
    expected = [one is not GONE for one in LISTED]

    assert expected == list(map(deviates, LISTED, told.deviations))


def test_a_curve_one_step_late_is_red(told: Told) -> None:
    right = told.curves["CosineDecay"]
    late = {kind: [one[1:] + one[-1:] for one in curves] for kind, curves in right.items()}

    with pytest.raises(AssertionError, match=r"CosineDecay with .*, step \d+: .* against"):
        hold("CosineDecay", DRAWS, late)
