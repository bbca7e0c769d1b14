"""The dialect of Levanter, held against levanter.optim.config of revision 9263f81, in float32.

That module's schedules need JAX and optax alone: it is loaded from its file, with stand-ins for the
packages that it imports, so that a folder with ``levanter/optim/config.py`` is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import hold
import numpy as np
import peers
import pytest
from hold import length, rate
from numpy.typing import NDArray
from peers import Parameters

pytest.importorskip("jax.numpy")
pytest.importorskip("optax")

FILES = hold.files("levanter", "optim", "config.py")
if not FILES:
    pytest.skip("needs levanter/optim/config.py of levanter", allow_module_level=True)


class ChoiceRegistry:
    """What makes a class a choice of a configuration."""

    @classmethod
    def register_subclass(cls, name: str) -> Callable[[Any], Any]:
        return lambda kind: kind


UTIL = ["log_norm_passthrough", "scan_aware_clip_by_block_rms"]
KIND = type("Kind", (), {})
config = hold.load_alone(
    FILES[0],
    {
        "draccus": {"ChoiceRegistry": ChoiceRegistry},
        "equinox": {},
        "haliax": {},
        "levanter": {},
        "levanter.tracker": {},
        "levanter.optim": {},
        "levanter.optim.clip_update_norm": {"ClipUpdateNormConfig": KIND},
        "levanter.optim.skipstep": {"SkipStepConfig": KIND},
        "levanter.optim.util": dict.fromkeys(UTIL),
        "levanter.utils": {},
        "levanter.utils.jax_utils": {"leaf_key_paths": None},
    },
)
NAME = "levanter/lr_scheduler"
# A few roundings of float32, 6e-8 each.
SINGLE = {"relative": 1e-6, "of_scale": 5e-7}


def draw(source: Random) -> Parameters:
    whole = source.choice([100, 37, 12_000])  # JAX compiles for each number of steps
    return {
        "learning_rate": rate(source),
        "num_train_steps": whole,
        "warmup": source.choice([0.0, 0.01, 0.3, source.random(), float(length(source, 2))]),
        "decay": source.choice([-1.0, -1.0, 0.2, 1.0, source.random(), float(length(source, 2))]),
        "min_lr_ratio": source.choice([0.1, 1.0, 0.0, source.random()]),
        "lr_schedule": source.choice(["constant", "cosine", "linear", "inv_sqrt", "inv"]),
    }


def curve(name: str, parameters: Parameters, steps: Sequence[int]) -> NDArray[np.float64]:
    own = dict(parameters)
    whole = own.pop("num_train_steps")
    if own.get("decay") == -1:
        own["decay"] = None
    function = config.AdamConfig(**own).lr_scheduler(whole)
    return np.asarray(function(np.asarray(steps)), np.float64) * np.ones(len(steps))


def steps_of(parameters: Parameters) -> list[int]:
    """All the steps near the ends of the run, and some between."""
    last = parameters["num_train_steps"]
    return sorted({*range(130), *range(130, last, 97), *range(max(last - 60, 0), last + 20)})


def test_steps_are_those_of_levanter() -> None:
    hold.hold(NAME, draw, curve, 10, steps_of, **SINGLE)


@pytest.mark.slow
def test_steps_are_those_of_levanter_over_many_draws() -> None:
    hold.hold(NAME, draw, curve, hold.MANY, steps_of, **SINGLE)


def test_the_schedule_of_levanter_is_compared() -> None:
    assert {"lr_scheduler"} == hold.dialects("levanter")


def test_levanter_is_called_as_its_dialect_says() -> None:
    hold.assert_called_as(NAME, config.AdamConfig)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"learning_rate": 1.0, "num_train_steps": 10, "warmup": 0.0}
    late = curve(NAME, parameters, range(12))
    late[1:] = late[:-1].copy()

    with pytest.raises(AssertionError, match=r"lr_scheduler with .*, step 1: 0\.97"):
        peers.assert_same(NAME, parameters, late, **SINGLE)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"num_train_steps": 10, "warmup": 2.5}, ValueError),
        ({"num_train_steps": 10, "warmup": 1.0}, ValueError),
        ({"num_train_steps": 10, "decay": 0.01}, ValueError),
        ({"num_train_steps": 9, "lr_schedule": "inv", "min_lr_ratio": 0.0}, ZeroDivisionError),
    ],
)
def test_what_the_dialect_refuses_fails_in_levanter(
    parameters: Parameters, error: type[Exception]
) -> None:
    with pytest.raises(error):
        curve(NAME, parameters, range(3))
    with pytest.raises(ValueError, match="does not hold"):
        peers.bound(NAME, parameters)
