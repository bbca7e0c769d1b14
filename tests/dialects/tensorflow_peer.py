"""Runs TensorFlow's own schedules, in float32 as users have them, or in float64.

In float64 a formula shows without its rounding. TensorFlow's source names float32 in places, by a
type or by a pi that is a float32: there float64 is put in, and nothing else is changed.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import by_path
import numpy as np
import pytest
from numpy.typing import NDArray

Parameters = dict[str, Any]
LONG = {"piecewise_constant"}
"""Schedules of ``tf.compat.v1.train`` that take one step at a time."""

DETECTION = "object_detection/utils/learning_schedules.py"
SCHEDULES = "official/modeling/optimization/lr_schedule.py"
LEGACY = "official/legacy"
FILES = {
    "exponential_decay_with_burnin": DETECTION,
    "exponential_decay_with_warmup": DETECTION,
    "cosine_decay_with_warmup": DETECTION,
    "manual_stepping": DETECTION,
    "CosineDecayWithOffset": SCHEDULES,
    "ExponentialDecayWithOffset": SCHEDULES,
    "PiecewiseConstantDecayWithOffset": SCHEDULES,
    "PolynomialDecayWithOffset": SCHEDULES,
    "DirectPowerDecay": SCHEDULES,
    "PowerAndLinearDecay": SCHEDULES,
    "PowerDecayWithOffset": SCHEDULES,
    "StepCosineDecayWithOffset": SCHEDULES,
    "CosineDecayWithWarmup": f"{LEGACY}/image_classification/learning_rate.py",
    "PiecewiseConstantDecayWithWarmup": f"{LEGACY}/image_classification/resnet/common.py",
    "StepLearningRateWithLinearWarmup": f"{LEGACY}/detection/modeling/learning_rates.py",
    "CosineLearningRateWithLinearWarmup": f"{LEGACY}/detection/modeling/learning_rates.py",
}


@cache
def tensorflow() -> Any:
    """TensorFlow, which takes seconds to import: not before something asks for it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return importlib.import_module("tensorflow")


def as_double(value: Any) -> Any:
    """A float as a float64, for TensorFlow takes it for a float32."""
    tf = tensorflow()
    return tf.constant(value, tf.float64) if isinstance(value, float) else value


@contextmanager
def pi_in_double() -> Iterator[None]:
    """Within, the schedules of ``tf.compat.v1.train`` have constants of float64 and no noise."""
    tf = tensorflow()
    module = sys.modules["tensorflow.python.keras.optimizer_v2.learning_rate_schedule"]
    own = {
        "constant_op": SimpleNamespace(constant=lambda value: tf.constant(value, tf.float64)),
        "random_ops": SimpleNamespace(random_normal=lambda _, stddev: 0 * stddev),
    }
    with mock.patch.multiple(module, **own):
        yield


def curve(
    name: str, parameters: Parameters, steps: Sequence[int], *, double: bool
) -> NDArray[np.float64]:
    """What ``tf.compat.v1.train`` returns at ``steps``."""
    function = getattr(tensorflow().compat.v1.train, name)
    if name in LONG:
        own = {"boundaries": parameters["boundaries"], "values": parameters["values"]}
        if double:
            own["values"] = [as_double(value) for value in own["values"]]
        found = [float(function(np.int64(step), **own)()) for step in steps]
        return np.asarray(found, np.float64)
    if not double:
        rates = function(global_step=np.asarray(steps, np.int64), **parameters)()
        return np.asarray(rates, np.float64)
    own = {key: as_double(value) for key, value in parameters.items()}
    with pi_in_double():
        rates = function(global_step=np.asarray(steps, np.int64), **own)()
    return np.asarray(rates, np.float64)


@cache
def own(name: str, *, double: bool) -> Any:
    """Object detection's or the Model Garden's schedule ``name``; skips the test without it."""
    pytest.importorskip("tf_keras")
    absent: dict[str, dict[str, object]] = {"tensorflow_model_optimization": {}}
    module = by_path.module_of(FILES[name], **absent)
    if double:
        vars(module)["tf"] = Double(vars(module)["tf"])
    return getattr(module, name)


class Double:
    """A module of TensorFlow whose float32 is float64."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def __getattr__(self, name: str) -> Any:
        if name == "constant":
            return lambda value: tensorflow().constant(as_double(value))
        return getattr(self.of, "float64" if name == "float32" else name)


PARAMS = {"StepLearningRateWithLinearWarmup", "CosineLearningRateWithLinearWarmup"}
"""Schedules that take their parameters in a dictionary."""
FLOATS = {"manual_stepping", "PiecewiseConstantDecayWithWarmup", *PARAMS}
"""Schedules that take Python's floats only."""


def own_curve(
    name: str, parameters: Parameters, steps: Sequence[int], *, double: bool
) -> list[float]:
    """What object detection's or the Model Garden's schedule ``name`` returns at ``steps``."""
    schedule = own(name, double=double)
    given = dict(parameters)
    if double and name not in FLOATS:
        given = {key: as_double(value) for key, value in given.items()}
    if double and "values" in given:
        given["values"] = [as_double(value) for value in given["values"]]
    if FILES[name] == DETECTION:
        return [called(schedule(np.int64(step), **given)) for step in steps]
    made = schedule(given.pop("total_steps", 0), given) if name in PARAMS else schedule(**given)
    return [called(made(np.int64(step))) for step in steps]


def called(found: Any) -> float:
    """A rate, which ``tf.compat.v1.train`` hides in a function where nothing is compiled."""
    return float(found() if callable(found) else found)
