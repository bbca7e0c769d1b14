"""The dialect of praxis, held against praxis.schedules of praxis, revision feeaff1, in float32.

That module needs JAX and optax alone: it is loaded from its file, with stand-ins for the classes of
praxis that turn a class into a dataclass, so that a folder with ``praxis/schedules.py`` is enough.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import hold
import numpy as np
import peers
import pytest
from hold import length, rate, share
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters

jnp = pytest.importorskip("jax.numpy")
pytest.importorskip("optax")

FILES = hold.files("praxis", "schedules.py")
if not FILES:
    pytest.skip("needs praxis/schedules.py of praxis", allow_module_level=True)


class Config:
    """A class and its arguments, to be made into an object later."""

    def __init__(self, kind: Any, **own: Any) -> None:
        self.Instantiate = lambda: kind(**own)


@dataclasses.dataclass
class Parameterizable:
    """What praxis makes of a class: a dataclass of keywords."""

    name: str = dataclasses.field(default="", kw_only=True)

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(kw_only=True)(cls)

    def __post_init__(self) -> None: ...

    @classmethod
    def config(cls, **own: Any) -> Config:
        return Config(cls, **own)


HYPERPARAMS = SimpleNamespace(
    FiddleBaseParameterizable=Parameterizable, instantiate=lambda config: config.Instantiate()
)
schedules = hold.load_alone(
    FILES[0],
    {"praxis": {"base_hyperparams": HYPERPARAMS, "pax_fiddle": SimpleNamespace(Config=Config)}},
)
# They are of other schedules, or a base.
NO_DIALECT = {"BaseSchedule", "PiecewiseSchedule", "CycleSchedule"}
# A few roundings of float32, 6e-8 each; an exponential multiplies that of its exponent.
SINGLE = {"relative": 5e-7, "of_scale": 5e-7}
LOGARITHMIC = {"relative": 1e-5, "of_scale": 5e-7}
# praxis refuses its own defaults there, or makes NaN of them.
NO_DEFAULT = {"total_steps", "decay_end"}


def points(source: Random) -> Parameters:
    first = source.choice([0, length(source)])
    return {
        "start_step": first,
        "start_value": rate(source),
        "limit_step": first + length(source, 1),
        "limit_value": source.choice([1e-5, rate(source)]),
    }


def ramp(source: Random) -> Parameters:
    warmup = source.choice([0, length(source)])
    start = warmup + source.choice([0, length(source)])
    return {
        "warmup_steps": warmup,
        "decay_start": start,
        "decay_end": start + length(source, 1),
        "min_ratio": source.choice([0.01, 1.0, max(1e-3, source.random())]),
        "peak": rate(source),
    }


def constants(source: Random) -> Parameters:
    places = sorted(source.choices(range(hold.STEPS), k=source.randrange(5)))
    return {"boundaries": places, "values": [rate(source) for _ in range(len(places) + 1)]}


def ramped_constants(source: Random) -> Parameters:
    places = sorted(source.choices(range(1, hold.STEPS), k=source.randrange(1, 5)))
    return {"boundaries": places, "values": [rate(source) for _ in places]}


CURVES: dict[str, Draw] = {
    "Constant": lambda s: {"initial": rate(s)},
    "Polynomial": lambda s: {
        **points(s),
        "power": s.randrange(1, 4),
        "origin": s.choice(["start", "limit"]),
    },
    "Linear": points,
    "Exponential": points,
    "Cosine": lambda s: {
        "initial_value": rate(s),
        "final_value": s.choice([0.0, rate(s)]),
        "total_steps": length(s, 1),
    },
    "DelayedCosine": points,
    "LinearRampupPolynomialDecay": lambda s: {**ramp(s), "power": s.randrange(1, 4)},
    "LinearRampupExponentialDecay": ramp,
    "LinearRampupCosineDecay": lambda s: {**ramp(s), "start_step": s.choice([0, length(s)])},
    "LinearRampupSqrtDecay": lambda s: {"peak": rate(s), "warmup_steps": length(s, 1)},
    "Transformer": lambda s: {
        "warmup_steps": length(s, 1),
        "model_dim": s.randrange(1, 2000),
        "worker_replicas": s.randrange(1, 4),
        "decay_end": s.choice([-1, 0, length(s)]),
    },
    "SqrtDecay": lambda s: {
        "decay_start": length(s, 1),
        "multiplier": rate(s),
        "offset": s.choice([0.0, s.uniform(-20, 20)]),
    },
    "ContinuousSchedule": lambda s: {
        "initial_value": rate(s),
        "start_step": length(s),
        "half_life_steps": length(s, 1),
        "min_ratio": s.choice([0.01, 0.5, share(s)]),
    },
    "PiecewiseConstant": constants,
    "LinearRampupPiecewiseConstant": ramped_constants,
}


def made(name: str, parameters: Parameters) -> Any:
    own = dict(parameters)
    if "limit_step" in own:
        own["start"] = own.pop("start_step"), own.pop("start_value")
        own["limit"] = own.pop("limit_step"), own.pop("limit_value")
    theirs = {"initial": "value"}
    if "Decay" in name and "Sqrt" not in name:
        theirs = {"peak": "max"}
    if name == "ContinuousSchedule":
        theirs = {"min_ratio": "min"}
    if own.get("decay_end") == -1:
        own["decay_end"] = None
    return getattr(schedules, name)(**{theirs.get(key, key): own[key] for key in own})


def curve(name: str, parameters: Parameters, steps: Sequence[int]) -> NDArray[np.float64]:
    found = made(name, parameters)
    return np.asarray([float(found.value_at(jnp.asarray(step))) for step in steps])


def spread(parameters: Parameters) -> list[int]:
    """Fewer steps than all, for each costs a millisecond: those around every place, and some."""
    numbers = [np.ravel(value) for value in parameters.values() if not isinstance(value, str)]
    lengths = [int(one) for entry in numbers for one in entry if one == int(one) >= 0]
    first = parameters.get("start_step", 0)
    near = {n + by + after for n in lengths for by in (-1, 0, 1) for after in (0, first)}
    return sorted({step for step in near if 0 <= step <= 400} | set(range(0, hold.STEPS, 9)))


def held(name: str, count: int) -> None:
    loose = LOGARITHMIC if "Exp" in name or name == "ContinuousSchedule" else SINGLE
    hold.hold(f"praxis/{name}", CURVES[name], curve, count, spread, **loose)


@pytest.mark.parametrize("name", list(CURVES))
def test_steps_are_those_of_praxis(name: str) -> None:
    held(name, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_steps_are_those_of_praxis_over_many_draws(name: str) -> None:
    held(name, 40)


def test_every_class_of_praxis_has_a_dialect_that_is_compared() -> None:
    classes = {
        name
        for name, entry in vars(schedules).items()
        if isinstance(entry, type) and issubclass(entry, schedules.BaseSchedule)
    }

    assert classes - NO_DIALECT == set(CURVES) == hold.dialects("praxis")


@pytest.mark.parametrize("name", list(CURVES))
def test_praxis_is_called_as_its_dialect_says(name: str) -> None:
    hold.assert_called_as(f"praxis/{name}", getattr(schedules, name), without=NO_DEFAULT)


def test_a_deviation_that_has_vanished_is_red() -> None:
    gone = Deviation("praxis/Constant", "none", "none", {"initial": 1.0}, 7)

    assert not hold.deviates(gone, curve)


@pytest.mark.parametrize("deviation", peers.deviations("praxis/"), ids=lambda d: d.schedule)
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert hold.deviates(deviation, curve, relative=1e-4)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"initial_value": 1.0, "final_value": 0.0, "total_steps": 10}
    late = curve("Cosine", parameters, range(12))
    late[1:] = late[:-1].copy()

    with pytest.raises(AssertionError, match=r"Cosine with .*, step 1: 0\.97"):
        peers.assert_same("praxis/Cosine", parameters, late, **SINGLE)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Linear", {"start_step": 3, "start_value": 1.0, "limit_step": 3, "limit_value": 0.5}),
        ("LinearRampupCosineDecay", {"warmup_steps": 5, "decay_start": 4, "peak": 1.0}),
        ("LinearRampupCosineDecay", {"decay_start": 4, "decay_end": 9, "peak": 0.0}),
        ("PiecewiseConstant", {"boundaries": [4, 3], "values": [1.0, 0.5, 0.1]}),
    ],
)
def test_what_a_dialect_refuses_fails_in_praxis(name: str, parameters: Parameters) -> None:
    with pytest.raises((ValueError, AssertionError)):
        curve(name, parameters, [0])
    with pytest.raises(ValueError, match="does not hold"):
        peers.bound(f"praxis/{name}", parameters)


def test_a_cosine_of_no_steps_is_no_number_in_praxis() -> None:
    assert np.isnan(curve("Cosine", {}, [0])[0])
