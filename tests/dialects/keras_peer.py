"""Runs Keras' own schedules: cases as JSON on standard input, the rates of each on standard output.

Keras computes in the numbers that the one argument names: float32, as users have it, or float64,
where its formula shows without its rounding. For the latter, Keras' table of types that it cuts to
32 bits is emptied: TensorFlow keeps such types too, but starts slowly.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import dtypes


def curve(name: str, parameters: dict[str, Any], steps: list[int]) -> list[float]:
    """The rate of the schedule ``name`` at each of ``steps``."""
    schedule = getattr(keras.optimizers.schedules, name)(**parameters)
    if name in {"CosineDecay", "PiecewiseConstantDecay"}:  # which take one step at a time
        return [float(schedule(np.int64(step))) for step in steps]
    found: list[float] = np.asarray(schedule(np.asarray(steps, np.int64)), np.float64).tolist()
    return found


def trace(parameters: dict[str, Any], metrics: list[str]) -> list[float]:
    """The rate of an optimizer after each epoch that ends with one of ``metrics``."""
    own = dict(parameters)
    optimizer = keras.optimizers.SGD(learning_rate=own.pop("base_lr"))
    callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", **own)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    callback.on_train_begin()
    rates = []
    for epoch, metric in enumerate(metrics):
        callback.on_epoch_end(epoch, {"loss": float(metric)})
        rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return rates


def public() -> list[str]:
    """The names of Keras' schedules, and of the callbacks that change a rate."""
    callbacks = [name for name in dir(keras.callbacks) if "LR" in name or "Rate" in name]
    schedules = [name for name in dir(keras.optimizers.schedules) if not name.startswith("_")]
    return [*callbacks, *schedules]


def run(case: dict[str, Any]) -> list[float] | list[str]:
    if "public" in case:
        return public()
    if "metrics" in case:
        return trace(case["parameters"], case["metrics"])
    return curve(case["name"], case["parameters"], case["steps"])


if __name__ == "__main__":
    keras.config.set_floatx(sys.argv[1])
    if sys.argv[1] == "float64":
        dtypes.BIT64_TO_BIT32_DTYPE.clear()
    with np.errstate(all="ignore"):
        json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
