"""The dialect of TensorFlow, held against its schedules at every step.

``tf.compat.v1.train`` runs itself, of tensorflow-cpu 2.21.0: in float64, where 1e-12 of each value
is allowed and a few roundings of the largest for what TensorFlow subtracts; and in float32, as
users have it, where each value may be off by the roundings that TensorFlow itself makes, counted
in ``CASES``.

The schedules of object detection and of the Model Garden are in packages that `make test` does
not install: ``model_garden.py`` has their formulas, transcribed, and says from where. Where the
packages are there all the same, they are compared as well, in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import called
import model_garden
import numpy as np
import peers
import pytest
import tensorflow_peer
from keras_draws import length, often_zero, rate, share
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters

from lrgen import catalogue

STEPS = [*range(100), 2**20 + 1, 2**24 - 1]
"""Every one to beyond the end of what is drawn, and two far behind it."""
NEAR = STEPS[:100]
LONG = range(160)
DRAWS = 25
MANY = 400
ULP = {False: 2.0**-24, True: 2.0**-53}
"""One rounding, as a share of the number, by whether it is a float64."""
FLUSHED = 2.0**-122
"""TensorFlow takes for 0 what is below the least normal float32, then multiplies by up to 10."""
TURNS = 4e-13
"""What a cosine of up to a hundred turns loses, of its height."""


def flag(source: Random) -> bool:
    return source.random() < 0.5


def stairs(source: Random) -> Parameters:
    return {
        "learning_rate": rate(source),
        "decay_steps": length(source, 1),
        "decay_rate": source.choice([1.0, 0.5, source.uniform(0.01, 1.0)]),
        "staircase": flag(source),
    }


def polynomial(source: Random) -> Parameters:
    return {
        "learning_rate": rate(source),
        "decay_steps": length(source, 1),
        "end_learning_rate": often_zero(source),
        "power": source.choice([1.0, 0.5, 2.0, source.uniform(0.1, 3)]),
        "cycle": flag(source),
    }


def values(source: Random) -> Parameters:
    boundaries = sorted(source.sample(range(90), source.randrange(1, 6)))
    return {"boundaries": boundaries, "values": [rate(source) for _ in (0, *boundaries)]}


def restarts(source: Random) -> Parameters:
    return {
        "learning_rate": rate(source),
        "first_decay_steps": length(source, 1),
        "t_mul": source.choice([1.0, 2.0, 3.0, 1.5, source.uniform(1.1, 3.0)]),
        "m_mul": source.choice([1.0, 0.5, source.random()]),
        "alpha": source.choice([0.0, 0.1]),
    }


def waves(source: Random) -> Parameters:
    return {
        "learning_rate": rate(source),
        "decay_steps": length(source, 1),
        "num_periods": source.choice([0.5, 1.0, 2.5, source.uniform(0, 5)]),
        "alpha": source.choice([0.0, 0.1, source.random()]),
        "beta": source.choice([0.001, 0.0, 0.1]),
    }


@dataclass(frozen=True, slots=True)
class Case:
    """How one schedule is drawn, and off.

    Attributes:
        draw: Parameters of the dialect.
        relative: Roundings on the way to a value, each half an ulp of it.
        of_scale: Roundings that are subtracted from the largest value instead.
        steps: Where it is compared.
    """

    draw: Draw
    relative: int
    of_scale: int = 0
    steps: Sequence[int] = tuple(STEPS)


# The roundings, operation by operation. A line (a - b) * u + b: the parameters (2), the difference,
# u (2), the product, the sum. A cosine adds pi, its product, the cosine (an ulp), 1 + c, a half and
# the two shares. A power x ** y adds those of x and y, y times or log(x ** y) times over: exponents
# up to 3, or 100 where exp(-decay_rate) is rounded first, and logarithms down to that of the least
# float32, 104. In cycles, what is completed is a difference of numbers of the size of
# t_mul / (t_mul - 1), 11 at most, or of the cycles completed, 100 at most, with a slope of pi / 2.
# Five waves are an angle of 32, with five roundings.
CASES = {
    "exponential_decay": Case(stairs, 4 * 104),
    "natural_exp_decay": Case(stairs, 4 * 204, steps=NEAR),
    "inverse_time_decay": Case(stairs, 8),
    "polynomial_decay": Case(polynomial, 8, 32),
    "piecewise_constant": Case(values, 1),
    "cosine_decay": Case(lambda s: {k: v for k, v in waves(s).items() if k in COSINE}, 16, 16),
    "cosine_decay_restarts": Case(restarts, 16, 16 + 4 * 100, NEAR),
    "linear_cosine_decay": Case(waves, 16, 16 + 5 * 32),
    "noisy_linear_cosine_decay": Case(waves, 16, 16 + 5 * 32),
}
COSINE = ("learning_rate", "decay_steps", "alpha")


@pytest.fixture(scope="module")
def tensorflow() -> Any:
    pytest.importorskip("tensorflow")
    return tensorflow_peer.tensorflow()


def steps_of(name: str, parameters: Parameters) -> Sequence[int]:
    """The steps to compare, but those at which TensorFlow misses the cycle: listed deviations."""
    if parameters.get("cycle"):  # far on, what remains of a cycle is lost in what has passed
        return NEAR
    growth, near = parameters.get("t_mul", 1.0), CASES[name].steps
    if growth == 1:
        return near
    first = parameters["first_decay_steps"]
    starts = [first * (growth**n - 1) / (growth - 1) for n in range(1, 60)]
    return [at for at in near if all(abs(at - start) > 1e-5 * start for start in starts)]


def asked(
    name: str, parameters: Parameters, steps: Sequence[int], *, double: bool
) -> NDArray[np.float64]:
    """What TensorFlow returns; where it adds noise, of a variance of 0."""
    noise = {"initial_variance": 0.0} if name.startswith("noisy") else {}
    return tensorflow_peer.curve(name, {**parameters, **noise}, steps, double=double)


def hold(name: str, count: int, *, double: bool, shift: int = 0) -> None:
    case, ulp = CASES[name], ULP[double]
    few = count if name not in tensorflow_peer.LONG else count // 5  # one step takes as long as all
    for parameters in peers.draws(f"tensorflow/{name}", case.draw, few):
        steps = steps_of(name, parameters)
        theirs = asked(name, parameters, [step + shift for step in steps], double=double)
        rates = [parameters.get("learning_rate", 0.0), parameters.get("end_learning_rate", 0.0)]
        most = max([*theirs, *rates]) * (1 + parameters.get("alpha", 0.0))
        peers.assert_same(
            f"tensorflow/{name}",
            parameters,
            theirs,
            steps,
            relative=max(case.relative * ulp, 1e-12 if double else 0.0),
            of_scale=(case.of_scale * ulp * most + FLUSHED) / max(*theirs, 1e-300),
        )


@pytest.mark.parametrize("double", [True, False], ids=["float64", "float32"])
@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.usefixtures("tensorflow")
def test_every_step_is_that_of_tensorflow(name: str, double: bool) -> None:
    hold(name, DRAWS, double=double)


@pytest.mark.slow
@pytest.mark.parametrize("double", [True, False], ids=["float64", "float32"])
@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.usefixtures("tensorflow")
def test_every_step_is_that_of_tensorflow_over_many_draws(name: str, double: bool) -> None:
    hold(name, MANY, double=double)


@pytest.mark.usefixtures("tensorflow")
def test_a_curve_one_step_late_is_red() -> None:
    with pytest.raises(AssertionError, match=r"cosine_decay with .*, step \d+: .* against"):
        hold("cosine_decay", DRAWS, double=True, shift=-1)


def test_the_noise_that_is_left_out_has_a_mean_of_zero(tensorflow: Any) -> None:
    tensorflow.random.set_seed(7)
    name, parameters, step, count = "noisy_linear_cosine_decay", {"decay_steps": 1_000}, 250, 4_000
    mean = peers.bound(f"tensorflow/{name}", parameters)(step)
    given = {"learning_rate": 0.1, **parameters}
    found = tensorflow_peer.curve(name, given, [step] * count, double=False)
    deviation = 0.1 * (1 + step) ** (-0.55 / 2) * (1 + np.cos(np.pi * step / 1_000)) / 2

    assert abs(found.mean() - mean) < 5 * deviation / count**0.5
    assert 0.9 * deviation < found.std() < 1.1 * deviation


# -- object detection and the Model Garden ------------------------------------------------------


def burnt(source: Random) -> Parameters:
    return {
        "learning_rate_base": rate(source),
        "learning_rate_decay_steps": length(source, 1),
        "learning_rate_decay_factor": share(source),
        "burnin_learning_rate": often_zero(source),
        "burnin_steps": length(source),
        "min_learning_rate": source.choice([0.0, 1e-3]),
        "staircase": flag(source),
    }


def warmed(source: Random) -> Parameters:
    drawn = burnt(source)
    drawn["warmup_learning_rate"] = drawn.pop("burnin_learning_rate")
    drawn["warmup_steps"] = drawn.pop("burnin_steps")
    return drawn


def held(source: Random) -> Parameters:
    return {
        "learning_rate_base": rate(source),
        "total_steps": length(source),
        "warmup_learning_rate": often_zero(source),
        "warmup_steps": length(source),
        "hold_base_rate_steps": length(source),
    }


def stepping(source: Random) -> Parameters:
    boundaries = sorted(source.sample(range(1, 90), source.randrange(0, 6)))
    rates = [rate(source) for _ in (0, *boundaries)]
    return {"boundaries": boundaries, "rates": rates, "warmup": flag(source)}


def offset(source: Random) -> int:
    return source.choice([0, 0, length(source)])


def late_cosine(source: Random) -> Parameters:
    return {
        "offset": offset(source),
        "initial_learning_rate": rate(source),
        "decay_steps": length(source, 1),
        "alpha": source.choice([0.0, 0.1, 1.0]),
        "warmup_target": often_zero(source),
        "warmup_steps": length(source),
    }


def renamed(drawn: Parameters) -> Parameters:
    return {"initial_learning_rate": drawn.pop("learning_rate"), **drawn}


def powers(source: Random) -> Parameters:
    return {
        "initial_learning_rate": rate(source),
        "power": source.choice([1.0, -0.5, source.uniform(-3, 3)]),
    }


def levels(source: Random, least: int) -> tuple[list[int], list[float]]:
    places = sorted(source.sample(range(90), source.randrange(least, 6)))
    return places, [rate(source) for _ in places]


def late_steps(source: Random) -> Parameters:
    boundaries, found = levels(source, 2)
    return {"boundaries": boundaries, "values": found, "offset": offset(source)}


def by_batch(source: Random) -> Parameters:
    return {
        "batch_size": source.choice([256, 1_024, source.randrange(1, 300)]),
        "total_steps": length(source, 1),
        "warmup_steps": length(source),
    }


def by_epochs(source: Random) -> Parameters:
    boundaries = sorted(source.sample(range(30), source.randrange(1, 5)))
    batch = source.randrange(1, 300)
    return {
        "batch_size": batch,
        "epoch_size": batch * source.randrange(1, 6) + source.randrange(batch),
        "warmup_epochs": source.randrange(6),
        "boundaries": boundaries,
        "multipliers": [source.random() for _ in (0, *boundaries)],
    }


def detected(source: Random) -> Parameters:
    return {
        "warmup_learning_rate": often_zero(source),
        "warmup_steps": length(source),
        "init_learning_rate": rate(source),
    }


def detected_steps(source: Random) -> Parameters:
    places, found = levels(source, 1)
    drawn = detected(source)
    return {**drawn, "learning_rate_levels": found, "learning_rate_steps": places}


GARDEN: dict[str, Draw] = {
    "exponential_decay_with_burnin": burnt,
    "exponential_decay_with_warmup": warmed,
    "cosine_decay_with_warmup": held,
    "manual_stepping": stepping,
    "CosineDecayWithOffset": late_cosine,
    "ExponentialDecayWithOffset": lambda s: {**renamed(stairs(s)), "offset": offset(s)},
    "PiecewiseConstantDecayWithOffset": lambda s: {**values(s), "offset": offset(s)},
    "PolynomialDecayWithOffset": lambda s: {**renamed(polynomial(s)), "offset": offset(s)},
    "DirectPowerDecay": powers,
    "PowerAndLinearDecay": lambda s: {
        **powers(s),
        "total_decay_steps": length(s),
        "linear_decay_fraction": s.choice([0.1, 0.0, 1.0, s.random(), s.uniform(1, 3)]),
        "offset": offset(s),
    },
    "PowerDecayWithOffset": lambda s: {
        **powers(s),
        "offset": offset(s),
        "pre_offset_learning_rate": s.choice([1e6, rate(s)]),
    },
    "StepCosineDecayWithOffset": late_steps,
    "CosineDecayWithWarmup": by_batch,
    "PiecewiseConstantDecayWithWarmup": by_epochs,
    "StepLearningRateWithLinearWarmup": detected_steps,
    "CosineLearningRateWithLinearWarmup": lambda s: {
        **detected(s),
        "total_steps": length(s, 1),
    },
}


def own(name: str, parameters: Parameters) -> Parameters:
    """What stands for None is None to TensorFlow."""
    if name == "CosineDecayWithOffset" and parameters["warmup_target"] == 0:
        return {**parameters, "warmup_target": None}
    return parameters


def ends(name: str, parameters: Parameters, steps: Sequence[int]) -> Sequence[int]:
    """The steps to compare, but those at which TensorFlow returns NaN: a listed deviation."""
    if name != "StepCosineDecayWithOffset":
        return steps
    return [step for step in steps if step < parameters["offset"] + parameters["boundaries"][-1]]


def hold_garden(name: str, count: int) -> None:
    for parameters in peers.draws(f"tensorflow/{name}", GARDEN[name], count):
        steps = ends(name, parameters, LONG)
        theirs = model_garden.curve(name, own(name, parameters), steps)
        peers.assert_same(f"tensorflow/{name}", parameters, theirs, steps, of_scale=TURNS)


@pytest.mark.parametrize("name", list(GARDEN))
def test_every_step_is_that_of_the_formula_of_tensorflow(name: str) -> None:
    hold_garden(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GARDEN))
def test_every_step_is_that_of_the_formula_of_tensorflow_over_many_draws(name: str) -> None:
    hold_garden(name, MANY)


def test_a_formula_one_step_late_is_red() -> None:
    name, parameters = "tensorflow/DirectPowerDecay", {"power": 1.0}
    late = model_garden.curve("DirectPowerDecay", {"initial_learning_rate": 0.1}, [0, *range(9)])

    with pytest.raises(
        AssertionError, match=r"DirectPowerDecay with .*, step 2: 0\.2 against 0\.1"
    ):
        peers.assert_same(name, parameters, late)


@pytest.fixture
def packaged(tensorflow: Any, name: str) -> str:
    tensorflow_peer.own(name, double=False)
    return name


# Compared in float32, which these name themselves or make of a list of rates.
SINGLE = {
    "manual_stepping",
    "PiecewiseConstantDecayWithWarmup",
    "StepLearningRateWithLinearWarmup",
    "StepCosineDecayWithOffset",
}


@pytest.mark.parametrize("name", list(GARDEN))
def test_every_step_is_that_of_the_package_where_there_is_one(packaged: str) -> None:
    for parameters in peers.draws(f"tensorflow/{packaged}", GARDEN[packaged], DRAWS):
        steps = ends(packaged, parameters, range(100))
        given = own(packaged, parameters)
        theirs = tensorflow_peer.own_curve(packaged, given, steps, double=packaged not in SINGLE)
        peers.assert_same(
            f"tensorflow/{packaged}",
            parameters,
            theirs,
            steps,
            relative=3e-7 if packaged in SINGLE else peers.RELATIVE,
            of_scale=1e-5 if packaged in SINGLE else TURNS,
        )


# -- what the specs say of TensorFlow ------------------------------------------------------------

COMPOSED = {"LinearWarmup", "PolynomialWarmUp"}
"""Schedules that wrap others."""
DICTIONARY = {"total_steps", "params"}


def test_every_decay_of_tensorflow_has_a_dialect_that_is_compared(tensorflow: Any) -> None:
    spoken = {name.removeprefix("tensorflow/") for name in catalogue.dialects("tensorflow")}
    public = [
        name for name in dir(tensorflow.compat.v1.train) if "_deca" in name or "_const" in name
    ]

    assert {*public} - {"piecewise_constant_decay"} == set(CASES)
    assert spoken == {*CASES, *GARDEN}


@pytest.mark.parametrize("name", list(CASES))
def test_a_call_is_that_of_tensorflow(name: str, tensorflow: Any) -> None:
    theirs = called.arguments(getattr(tensorflow.compat.v1.train, name))

    assert theirs == called.written(f"tensorflow/{name}")


@pytest.mark.parametrize("name", list(GARDEN))
def test_a_call_is_that_of_the_package_where_there_is_one(packaged: str) -> None:
    schedule = tensorflow_peer.own(packaged, double=False)
    theirs = called.arguments(schedule, {"self", "kwargs"})
    base = getattr(schedule, "base_lr_class", None)
    theirs += called.arguments(base.__init__) if base else []

    if packaged in tensorflow_peer.PARAMS:
        assert [name for name, _ in theirs] == ["total_steps", "params"]
    else:
        assert theirs == called.written(f"tensorflow/{packaged}")


def deviates(deviation: Deviation) -> bool:
    """Whether TensorFlow, in float32, is a thousandth off at the place that the entry names."""
    name = deviation.schedule.removeprefix("tensorflow/")
    ours = peers.bound(deviation.schedule, deviation.set)(deviation.step)
    if name in GARDEN:
        (found,) = model_garden.curve(name, deviation.set, [deviation.step])
    else:
        (found,) = asked(name, deviation.set, [deviation.step], double=False)
    return not abs(ours - found) <= 1e-3 * max(ours, found)


GONE = Deviation(
    "tensorflow/cosine_decay", "none", "none", {"learning_rate": 0.1, "decay_steps": 10}, 7
)
LISTED = peers.deviations("tensorflow/")


@pytest.mark.parametrize("deviation", LISTED, ids=lambda one: one.what[:40])
@pytest.mark.usefixtures("tensorflow")
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert deviates(deviation)


@pytest.mark.usefixtures("tensorflow")
def test_a_deviation_that_has_vanished_is_red() -> None:
    assert not deviates(GONE)
