"""What a schedule costs in Keras: a call, eager and compiled, and in ``fit``, on three backends.

Each backend has a process of its own: this file, run with ``KERAS_BACKEND`` set, prints the times.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from measure import Row, fastest, load, run

BACKENDS = ("tensorflow", "jax", "torch")
GOALS = {"eager": 0.7, "compiled": 1.0, "fit": 1.0}
NOISE = {"eager": 1.0, "compiled": 1.05, "fit": 1.05}
"""What two times of the same thing differ by on a busy machine."""
TITLES = {
    "eager": "call, eager",
    "compiled": "call, compiled",
    "fit": "fit of 1,000 batches, processor time",
}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}


def keras_tensorflow() -> Iterator[Row]:
    yield from rows("tensorflow")


def keras_jax() -> Iterator[Row]:
    yield from rows("jax")


def keras_torch() -> Iterator[Row]:
    yield from rows("torch")


def rows(backend: str) -> Iterator[Row]:
    printed = run([sys.executable, __file__], KERAS_BACKEND=backend, **QUIET)
    for way, name, ours, theirs, floor in json.loads(printed.splitlines()[-1]):
        yield Row(
            f"Keras on {backend}, {TITLES[way]}, {name}",
            ours,
            theirs,
            "Keras' own schedule",
            f"at most {GOALS[way]} x" + " and 5 % of noise" * (NOISE[way] > 1),
            ours <= GOALS[way] * NOISE[way] * theirs,
            floor=floor,
            floor_is="a constant rate" if floor else "",
        )


def times() -> Iterator[tuple[str, str, float, float, float | None]]:
    """The way, the schedule, seconds of ours, of Keras' and of a constant, on this backend."""
    import keras
    import numpy as np

    cosine = load("keras", "cosine").Cosine
    warmup = load("keras", "cosine_warmup").CosineWarmup
    theirs = keras.optimizers.schedules.CosineDecay
    plans = {
        "cosine": (cosine(base_lr=0.1, total_steps=10_000), theirs(0.1, 10_000)),
        "cosine with warm-up": (
            warmup(peak_lr=0.1, warmup_steps=1_000, total_steps=10_000),
            theirs(0.0, 9_000, warmup_target=0.1, warmup_steps=1_000),
        ),
    }
    counter = keras.optimizers.SGD(0.1).iterations
    counter.assign(2_000)
    for name, (ours, peer) in plans.items():  # the last is compiled and fitted as well
        slow = peer if keras.backend.backend() == "jax" and "warm" in name else None
        found = fastest(
            {"ours": lambda s=ours: s(counter), "peer": lambda s=peer: s(counter)},
            rounds=3 if slow else 40,
            number=2 if slow else 10,
        )
        yield "eager", name, found["ours"], found["peer"], None

    call, step = compiler()
    both = {"ours": call(ours), "peer": call(peer)}
    for compiled in both.values():
        for _ in range(12):  # torch.compile gives up after eight recompilations
            compiled(step)
    timed = {who: lambda f=compiled: f(step) for who, compiled in both.items()}
    found = fastest(timed, rounds=60, number=50)
    yield "compiled", name, found["ours"], found["peer"], None

    inputs, targets = np.ones((1_000, 8), "float32"), np.ones((1_000, 1), "float32")

    def fitting(rate: Any) -> Callable[[], object]:
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
        model.fit(inputs, targets, batch_size=1, verbose=0)
        return lambda: model.fit(inputs, targets, batch_size=1, verbose=0)

    found = fastest(
        {"ours": fitting(ours), "peer": fitting(peer), "floor": fitting(0.1)},
        rounds=6,
        clock=time.process_time,
    )
    yield "fit", name, found["ours"], found["peer"], found["floor"]


def compiler() -> tuple[Callable[[Any], Any], Any]:
    """What compiles a schedule on this backend, and a step to call it with."""
    import keras

    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            return tf.function, tf.constant(2_000, tf.int64)
        case "jax":
            import jax

            return lambda schedule: jax.jit(lambda step: schedule(step)), jax.numpy.int32(2_000)
        case _:
            import torch

            def compiled(schedule: Any) -> Any:
                return torch.compile(lambda step: schedule(step))

            return compiled, torch.tensor(2_000)


COMPARISONS = (keras_tensorflow, keras_jax, keras_torch)

if __name__ == "__main__":
    print(json.dumps(list(times())))
