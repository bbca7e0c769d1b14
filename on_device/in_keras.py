"""The ways of Keras on the backend of this process: each takes the cases of one schedule."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import keras
import numpy as np

from .cases import Case, Curve, Found, Trace, class_name

BACKENDS = {"jax": ".in_jax", "torch": ".in_torch"}
backend: Any = importlib.import_module(BACKENDS[keras.backend.backend()], __package__)


def called(module: ModuleType, cases: Sequence[Case], device: str) -> Iterator[Found]:
    """The schedule called with all steps, and the callback with a trace."""
    return _rates(module, cases, device, lambda schedule: schedule)


def compiled(module: ModuleType, cases: Sequence[Case], device: str) -> Iterator[Found]:
    """The same, with the schedule compiled as ``jit_compile=True`` does on JAX."""
    return _rates(module, cases, device, lambda schedule: backend.jax.jit(schedule.__call__))


def _rates(
    module: ModuleType,
    cases: Sequence[Case],
    device: str,
    transform: Callable[[Any], Any],
) -> Iterator[Found]:
    for case in cases:
        kind = getattr(module, class_name(case.schedule))
        match case:
            case Curve():
                schedule = transform(kind(**case.parameters))
                yield case, backend.found(schedule(backend.int64(case.steps)), device), None
            case Trace():
                callback = kind(**case.parameters, monitor="metric")
                yield case, np.array(list(observed(callback, case, device)), np.float32), None


def observed(callback: Any, case: Trace, device: str) -> Iterator[float]:
    """What stands in the optimizer after each row, as ``fit`` calls a callback."""
    optimizer = keras.optimizers.SGD(1.0)
    callback.set_model(SimpleNamespace(optimizer=optimizer))  # no more of a model is looked at
    for row, metric in enumerate(case.metrics):
        if case.steps is not None:
            optimizer.iterations.assign(case.steps[row])
        callback.on_epoch_begin(0)
        if case.steps is not None:
            callback.on_train_batch_begin(0)
        if metric is not None:
            callback.on_epoch_end(0, {"metric": metric})
        rate = keras.ops.convert_to_tensor(optimizer.learning_rate)
        yield float(backend.found(rate.reshape(1), device)[0])


WAYS = {"called": called, "compiled": compiled}


def device_name(device: str) -> str:
    """What the backend calls the device; empty for a CPU."""
    name: str = backend.device_name(device)
    return name
