"""Run by test_rows.py, once for each backend of Keras: rows, serialization, training."""

import tempfile
from pathlib import Path
from typing import Any

import conformance
import keras
import numpy as np
from conformance import check_flushed
from emitted import load_broken, load_emitted

SHORT = {"peak_lr": 0.1, "warmup_steps": 3, "total_steps": 9, "end_lr": 0.01}
UPDATES = 12


def as_int64(steps: np.ndarray) -> Any:
    """Steps as the backend's own 64-bit integers; keras.ops would make 32 of them in JAX."""
    match keras.backend.backend():
        case "jax":
            import jax

            with jax.enable_x64(True):
                return jax.numpy.asarray(steps)
        case "torch":
            import torch

            return torch.from_numpy(steps)
        case _:
            import tensorflow

            return tensorflow.constant(steps)


def rates(schedule: Any, steps: np.ndarray) -> np.ndarray:
    found: np.ndarray = keras.ops.convert_to_numpy(schedule(as_int64(conformance.padded(steps))))
    return found[: len(steps)]


def check_all_rows_and_configurations() -> None:
    for name in conformance.NAMES:
        kind = getattr(load_emitted("keras", name), conformance.class_name(name))
        for case in conformance.cases(name):
            schedule = kind(**case.parameters)
            check_flushed(case, rates(schedule, case.steps))

            assert {**case.parameters, "name": name} == schedule.get_config()
            assert schedule.get_config() == kind.from_config(schedule.get_config()).get_config()


def in_one_graph(schedules: list[Any], steps: list[np.ndarray]) -> list[np.ndarray]:
    """The rates of each schedule at its steps, from one graph of TensorFlow.

    A graph takes the type of what an operation works on from its first operand, where the same
    operation outside of a graph looks at all of them.
    """
    import tensorflow

    @tensorflow.function(autograph=False)
    def graph(steps: Any) -> Any:
        return [schedule(own) for schedule, own in zip(schedules, steps)]

    return [found.numpy() for found in graph([as_int64(own) for own in steps])]


def check_graphs_round_as_calls_do() -> None:
    first = {name: next(iter(conformance.cases(name))) for name in conformance.NAMES}
    kinds = {n: getattr(load_emitted("keras", n), conformance.class_name(n)) for n in first}
    schedules = [kinds[name](**case.parameters) for name, case in first.items()]
    found = in_one_graph(schedules, [case.steps for case in first.values()])
    for case, own in zip(first.values(), found, strict=True):
        check_flushed(case, own)


def check_a_number_without_a_type_is_noticed() -> None:
    broken = load_broken("keras", "constant_warmup", 'tensorflow.constant(x, "float64")', "x")
    schedule = getattr(broken, conformance.class_name("constant_warmup"))()
    try:
        in_one_graph([schedule], [np.arange(3)])
    except TypeError:
        return
    raise AssertionError("a graph chooses between types")


def check_the_applied_rates(kind: Any) -> None:
    """With a gradient of 1, a weight falls from 0 by exactly the rate of each update."""
    schedule = kind(**SHORT)
    optimizer = keras.optimizers.SGD(schedule)
    weight = keras.Variable(np.zeros((1,), np.float32))
    optimizer.build([weight])
    expected = rates(schedule, np.arange(UPDATES))

    applied = []
    for _ in range(UPDATES):
        weight.assign(np.zeros((1,), np.float32))
        optimizer.apply([keras.ops.ones((1,), "float32")])
        applied.append(-float(keras.ops.convert_to_numpy(weight.value)[0]))

    assert [float(rate) for rate in expected] == applied


def check_broken_modules_are_noticed() -> None:
    for name, before, after in (
        ("cosine_warmup", "where(step < warmup_steps", "where(step < warmup_steps - 1"),
        ("cosine_warmup", "ops.sin(", "ops.cos("),
        ("cosine_warmup", '"float64"', '"float32"'),
        ("cosine_tokens", 'cast(step, "int64")', 'cast(step, "float32")'),
    ):
        broken = load_broken("keras", name, before, after, everywhere=True)
        kind = getattr(broken, conformance.class_name(name))
        noticed = 0
        for case in conformance.cases(name):
            try:
                check_flushed(case, rates(kind(**case.parameters), case.steps))
            except AssertionError:
                noticed += 1
        assert noticed, f"{after} in the place of {before} passes"


def trained(kind: Any, jit_compile: bool) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(kind(**SHORT)), loss="mse", jit_compile=jit_compile)
    inputs = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)
    model.fit(inputs, inputs[:, :1], batch_size=1, shuffle=False, verbose=0)
    return model


def check_training_and_saving(kind: Any) -> None:
    plain = trained(kind, jit_compile=False)
    assert UPDATES == int(plain.optimizer.iterations)
    if keras.backend.backend() != "torch":  # there jit_compile means torch.compile of everything
        compiled = trained(kind, jit_compile=True)
        for a, b in zip(plain.get_weights(), compiled.get_weights()):
            assert np.allclose(a, b, rtol=1e-5)  # of the model's own float32, not of the schedule
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        plain.save(path)
        loaded = keras.saving.load_model(path)

    assert plain.optimizer._learning_rate.get_config() == (
        loaded.optimizer._learning_rate.get_config()
    )
    assert UPDATES == int(loaded.optimizer.iterations)


if __name__ == "__main__":
    check_all_rows_and_configurations()
    cosine_warmup = load_emitted("keras", "cosine_warmup").CosineWarmup
    check_the_applied_rates(cosine_warmup)
    check_training_and_saving(cosine_warmup)
    check_broken_modules_are_noticed()
    if keras.backend.backend() == "tensorflow":
        check_graphs_round_as_calls_do()
        check_a_number_without_a_type_is_noticed()
    print(f"{len(conformance.NAMES)} schedules on {keras.backend.backend()}")
