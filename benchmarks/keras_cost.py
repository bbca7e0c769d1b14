"""What a schedule costs in Keras: a call, eager and compiled, and in ``fit``, on three backends.

Each backend has a process of its own: this file, run with ``KERAS_BACKEND`` set, prints the times.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from measure import Row, fastest, load, run

GOALS = {"eager": 0.7, "compiled": 1.0, "first": 1.0, "fit": 1.0}
NOISE = {"eager": 1.0, "compiled": 1.05, "first": 1.1, "fit": 1.02}
"""What two times of the same thing differ by on a busy machine."""
TITLES = {
    "eager": "call, eager",
    "compiled": "call, compiled",
    "first": "first update of fit, traced and compiled",
    "fit": "fit, 1,000 further updates",
}
FLOORS = {"compiled": "a cast of the step", "first": "a constant rate", "fit": "a constant rate"}
NOTES = {
    "exponential": "two powers of small exponents, where Keras rounds one large exponent",
    "polynomial": "a maximum in 64 bits is four calls, where that of keras.ops has 32",
    "piecewise constant": "its lists become tensors at each call",
}
"""Why a goal is missed, where it is."""
SLOW = ("cosine with warm-up", "cosine restarts")
"""What Keras compiles anew at each call outside of a compiled function on JAX."""
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
        noise = f" and {NOISE[way] - 1:.0%} of noise" * (NOISE[way] > 1)
        reached = ours <= GOALS[way] * NOISE[way] * theirs
        yield Row(
            f"Keras on {backend}, {TITLES[way]}, {name}",
            ours,
            theirs,
            "Keras' own schedule",
            f"at most {GOALS[way]} x{noise}",
            reached,
            floor=floor,
            floor_is=FLOORS.get(way, ""),
            note="" if reached else NOTES.get(name, ""),
        )


def plans() -> dict[str, tuple[Any, Any]]:
    """Ours and Keras' own for each of its formulas."""
    import keras

    def ours(name: str, **parameters: Any) -> Any:
        return getattr(load("keras", name), name.title().replace("_", ""))(**parameters)

    theirs = keras.optimizers.schedules
    places = {"boundaries": [1_000, 3_000], "values": [0.1, 0.01, 0.001]}
    by_rate = {"decay_steps": 1_000, "decay_rate": 0.9}
    return {
        "cosine": (
            ours("cosine", base_lr=0.1, total_steps=10_000),
            theirs.CosineDecay(0.1, 10_000),
        ),
        "cosine with warm-up": (
            ours("cosine_warmup", peak_lr=0.1, warmup_steps=1_000, total_steps=10_000),
            theirs.CosineDecay(0.0, 9_000, warmup_target=0.1, warmup_steps=1_000),
        ),
        "cosine restarts": (
            ours("cosine_restarts", base_lr=0.1, cycle_steps=1_500),
            theirs.CosineDecayRestarts(0.1, 1_500, t_mul=1.0),
        ),
        "polynomial": (
            ours("polynomial", base_lr=0.1, total_steps=10_000, power=2.0),
            theirs.PolynomialDecay(0.1, 10_000, 0.0, power=2.0),
        ),
        "inverse time": (
            ours("inverse_time", base_lr=0.1, **by_rate),
            theirs.InverseTimeDecay(0.1, **by_rate),
        ),
        "exponential": (
            ours("exponential_decay", base_lr=0.1, **by_rate),
            theirs.ExponentialDecay(0.1, **by_rate),
        ),
        "piecewise constant": (
            ours("piecewise_constant", **places),
            theirs.PiecewiseConstantDecay(**places),
        ),
    }


def times() -> Iterator[tuple[str, str, float, float, float | None]]:
    """The way, the schedule, seconds of ours, of Keras' and of the floor, on this backend."""
    import keras

    counter = keras.optimizers.SGD(0.1).iterations
    counter.assign(2_000)
    for name, (ours, peer) in plans().items():
        slow = keras.backend.backend() == "jax" and name in SLOW
        found = fastest(
            {"ours": lambda s=ours: s(counter), "peer": lambda s=peer: s(counter)},
            rounds=3 if slow else 40,
            number=2 if slow else 10,
        )
        yield "eager", name, found["ours"], found["peer"], None

    name = "cosine with warm-up"
    ours, peer = plans()[name]
    call, step = compiler()
    cast = keras.ops.cast
    compiled = {"ours": call(ours), "peer": call(peer), "floor": call(lambda s: cast(s, "float32"))}
    for function in compiled.values():
        for _ in range(12):  # torch.compile gives up after eight recompilations
            function(step)
    found = fastest(
        {who: lambda f=function: f(step) for who, function in compiled.items()},
        rounds=150,
        number=20,
    )
    yield "compiled", name, found["ours"], found["peer"], found["floor"]
    for way, found in fits({"ours": ours, "peer": peer, "floor": 0.1}):
        yield way, name, found["ours"], found["peer"], found["floor"]


def fits(rates: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """Seconds of processor time that ``fit`` takes with each of ``rates``, by turns.

    The first update is apart, for it traces and compiles: the least of a few models. The others
    are the sum of what each batch took at the least in a few rounds. A whole ``fit`` is too long to
    be left alone: two of one and the same schedule differ by a tenth, these by a hundredth.
    """
    import keras
    import numpy as np

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            self.times: list[float] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.times.append(time.process_time())

    inputs, targets = np.ones((1_001, 8), "float32"), np.ones((1_001, 1), "float32")
    clock = Clock()

    def fit(model: Any, batches: int) -> None:
        own = inputs[:batches], targets[:batches]
        model.fit(*own, batch_size=1, verbose=0, callbacks=[clock])

    def fitted(rate: Any) -> Any:
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
        fit(model, 1)
        return model

    fitted(0.1)  # brings in what Keras imports late
    first = {who: lambda r=rate: fitted(r) for who, rate in rates.items()}
    yield "first", fastest(first, rounds=3, clock=time.process_time)

    models = {who: fitted(rate) for who, rate in rates.items()}
    least = dict.fromkeys(rates, np.full(1_000, np.inf))
    for _ in range(8):
        for who, model in models.items():
            fit(model, 1_001)
            least[who] = np.minimum(least[who], np.diff(clock.times))
    yield "fit", {who: float(each.sum()) for who, each in least.items()}


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
