"""Run by test_many_processes.py on one backend of Keras: each check on its own line.

Update k feeds the k-th unit vector to weights of 0 under a loss that is their product: plain SGD
leaves minus the rate of update k in place k, to the bit, however many updates are one execution.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))
from emitted import load_emitted

UPDATES = 24
ROWS = 8
"""Of each batch, so that eight devices have one each."""
SHORT = {"peak_lr": 0.1, "warmup_steps": 3, "total_steps": 20, "end_lr": 0.01}
INPUTS = np.repeat(np.eye(UPDATES, dtype=np.float32), ROWS, axis=0)

module = load_emitted("keras", "cosine_warmup")
traced = [0]
_own_rate = module._rate


def _counted(*arguments: Any) -> Any:
    traced[0] += 1
    return _own_rate(*arguments)


module._rate = _counted


@keras.saving.register_keras_serializable(package="lrgen_tests")
def product(targets: Any, outputs: Any) -> Any:
    return keras.ops.mean(outputs, axis=-1)


def expected() -> list[float]:
    python = load_emitted("python", "cosine_warmup").cosine_warmup
    return [float(np.float32(python(step, **SHORT))) for step in range(UPDATES)]


def new_model(**options: Any) -> Any:
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.layers.Input((UPDATES,)), dense])
    schedule = module.CosineWarmup(**SHORT)
    model.compile(keras.optimizers.SGD(schedule), loss=product, **options)
    return model


def fit(model: Any, first: int = 0, last: int = UPDATES) -> Any:
    own = INPUTS[first * ROWS : last * ROWS]
    model.fit(own, own[:, :1], batch_size=ROWS, shuffle=False, verbose=0)
    return model


def rates(model: Any) -> list[float]:
    return [-float(weight) for weight in model.get_weights()[0][:, 0]]


def check_compiled_by_xla() -> None:
    assert expected() == rates(fit(new_model(jit_compile=True)))


def check_several_updates_in_one_execution() -> None:
    # Five do not divide the number of updates: the last execution is shorter.
    for updates in (4, 5):
        model = fit(new_model(jit_compile=True, steps_per_execution=updates))
        assert expected() == rates(model)
        assert UPDATES == int(model.optimizer.iterations)


def check_nothing_is_traced_again() -> None:
    model = new_model(jit_compile=True)
    fit(model, 0, 2)
    once = traced[0]
    fit(model, 2, UPDATES)
    assert once == traced[0], f"{once} times, then {traced[0]}"
    assert expected() == rates(model)


def check_the_count_of_traces_sees_eager_updates() -> None:
    model = new_model(run_eagerly=True)
    fit(model, 0, 2)
    once = traced[0]
    fit(model, 2, UPDATES)
    assert once + UPDATES - 2 <= traced[0]


def check_a_resumed_run_is_the_same() -> None:
    uninterrupted = fit(new_model(jit_compile=True, steps_per_execution=3))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        first = fit(new_model(jit_compile=True, steps_per_execution=3), 0, 9)
        first.save(path)
        fit(first, 9, 12)  # what a kill takes away
        second = keras.models.load_model(path)
        assert 9 == int(second.optimizer.iterations)
        fit(second, 9)
    assert rates(uninterrupted) == rates(second)
    assert expected() == rates(second)


def check_the_probe_sees_a_schedule_that_is_early() -> None:
    model = new_model(jit_compile=True)
    model.optimizer.iterations.assign(1)
    assert expected() != rates(fit(model))


def check_a_distribution() -> None:
    """Eight virtual devices on JAX, two on TensorFlow."""
    if keras.backend.backend() == "jax":
        devices = keras.distribution.list_devices()
        assert 8 == len(devices)
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
        model = fit(new_model(jit_compile=True))
        kernel = model.layers[-1].kernel.value
        assert 8 == len(kernel.sharding.device_set)
        assert [expected()] * 8 == [
            [-float(weight) for weight in shard.data[:, 0]] for shard in kernel.addressable_shards
        ]
        keras.distribution.set_distribution(None)
    else:
        import tensorflow as tf

        devices = tf.config.list_logical_devices("CPU")
        assert 2 == len(devices)
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        with strategy.scope():
            model = new_model(jit_compile=False)
        fit(model)
        kernel = model.layers[-1].kernel.value
        for own in strategy.experimental_local_results(kernel):
            assert expected() == [-float(weight) for weight in own.numpy()[:, 0]]


def main() -> None:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        own = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(own, two)
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check()
            print(name, flush=True)


if __name__ == "__main__":
    main()
