"""Run by test_keras_traces.py, once for each backend of Keras: rows, training, going on."""

import contextlib
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from conformance import OBSERVERS, class_name
from emitted import load_broken, load_emitted
from traces import TraceCase, check_trace_float32, trace_cases, uses_step

METRICS = [1.0, 0.5, 0.5, 0.75, 0.5, math.nan, 0.25, 0.25, 0.25, 0.25, 0.25, -1.0, -1.0, -1.0]
UPDATES_PER_EPOCH = 3
RULE = {"base_lr": 0.1, "factor": 0.3, "patience": 1}
COSINE = {"peak_lr": 0.1, "warmup_steps": 5, "total_steps": 37, "factor": 0.3, "patience": 1}


class Feed(keras.callbacks.Callback):
    """Puts chosen metrics into the logs, before the callback under test; after it, the rate that
    it notes is that of the update."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.rates.append(rate_of(self.model))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_loss"] = METRICS[epoch]


def rate_of(model: Any) -> float:
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def new_model(optimizer: Any = None, compiled: bool = False) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(
        optimizer or keras.optimizers.SGD(1.0),
        loss="mse",
        jit_compile=False,
        run_eagerly=not compiled,  # to compile takes most of the time here
    )
    return model


# --- rows -----------------------------------------------------------------------------------------


def trace_rates(module: Any, case: TraceCase, model: Any) -> np.ndarray:
    """The float32 that stands in the optimizer after each row of a trace."""
    callback = getattr(module, class_name(case.schedule))(**case.parameters, monitor="x")
    callback.set_model(model)
    rates = []
    for metric, step in zip(case.metrics, case.steps, strict=True):
        model.optimizer.iterations.assign(step)
        callback.on_epoch_begin(0)
        if uses_step(case.schedule):
            callback.on_train_batch_begin(0)
        if metric is not None:
            callback.on_epoch_end(0, {"x": metric})
        rates.append(rate_of(model))
    return np.array(rates, np.float32)


def check_all_rows(model: Any) -> int:
    return sum(
        check_trace_float32(case, trace_rates(load_emitted("keras", name), case, model))
        for name in OBSERVERS
        for case in trace_cases(name)
    )


def check_broken_modules_are_noticed(model: Any) -> None:
    for name, before, after in (
        ("plateau", "misses > self.patience", "misses >= self.patience"),
        ("plateau", "self._write(self.observe(observation))", "self.observe(observation)"),
        ("cosine_plateau", "self._first_step + batch", "self._first_step + batch + 1"),
    ):
        broken = load_broken("keras", name, before, after)
        noticed = 0
        for case in trace_cases(name):
            try:
                check_trace_float32(case, trace_rates(broken, case, model))
            except AssertionError:
                noticed += 1
        assert noticed, f"{after} in the place of {before} passes"


# --- training -------------------------------------------------------------------------------------


def fit(model: Any, epochs: int, *callbacks: Any, first: int = 0, **options: Any) -> Any:
    inputs = np.linspace(-1, 1, 2 * UPDATES_PER_EPOCH, dtype=np.float32).reshape(-1, 2)
    return model.fit(
        inputs,
        inputs[:, :1],
        batch_size=1,
        initial_epoch=first,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
        **options,
    )


def trained(make: Any, compiled: bool = False) -> tuple[Any, list[float]]:
    """A model after all epochs, and the rate of each update."""
    model, last = new_model(compiled=compiled), Feed()
    fit(model, len(METRICS), Feed(), make(), last)
    assert len(METRICS) * UPDATES_PER_EPOCH == int(model.optimizer.iterations)
    return model, last.rates


def check_each_update_has_the_rate_of_plain_python() -> None:
    plain = load_emitted("python", "plateau").Plateau(**RULE)
    _, rates = trained(lambda: load_emitted("keras", "plateau").Plateau(**RULE), compiled=True)
    expected = []
    for metric in METRICS:
        expected += [float(np.float32(plain.rate))] * UPDATES_PER_EPOCH
        plain.observe(metric)
    assert expected == rates
    assert len(set(rates)) > 3

    both = load_emitted("python", "cosine_plateau").CosinePlateau(**COSINE)
    kind = load_emitted("keras", "cosine_plateau").CosinePlateau
    _, rates = trained(lambda: kind(**COSINE), compiled=True)
    expected = []
    for epoch, metric in enumerate(METRICS):
        first = epoch * UPDATES_PER_EPOCH
        steps = range(first, first + UPDATES_PER_EPOCH)
        expected += [float(np.float32(both.rate(step))) for step in steps]
        both.observe(metric, first + UPDATES_PER_EPOCH)
    assert expected == rates


def check_each_optimizer_of_several_has_its_own_rate() -> None:
    kind = load_emitted("keras", "cosine_plateau").CosinePlateau
    first, second = keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0)
    layers = keras.optimizers.OptimizerMap(first, {".*bias": second})
    model = new_model(keras.optimizers.MultiOptimizer(layers), compiled=True)
    model.set_weights([np.full((2, 1), 3.0), np.full((1,), 3.0)])
    slow = {**COSINE, "peak_lr": 0.001}
    callbacks = [
        kind(**COSINE, optimizer=first, monitor="loss"),
        kind(**slow, optimizer=second, monitor="loss"),
    ]
    fit(model, 2, *callbacks)

    assert 6 == int(model.optimizer.iterations)
    for optimizer, callback in zip((first, second), callbacks, strict=True):
        # The rate of the last update was written before an observation wrote that of the next.
        assert np.float32(callback.rate(6)) == float(
            keras.ops.convert_to_numpy(optimizer.learning_rate)
        )
    kernel, bias = model.get_weights()
    assert 2.97 < bias[0] < 2.99, bias
    assert kernel.max() < 2.8, kernel


def check_the_weights_fall_by_the_rate() -> None:
    """With a gradient of 1, a weight falls from 0 by exactly the rate that the callback wrote."""
    callback = load_emitted("keras", "plateau").Plateau(**RULE)
    model = new_model()
    callback.set_model(model)
    weight = keras.Variable(np.zeros((1,), np.float32))
    model.optimizer.build([weight])
    applied, expected = [], []
    for epoch, metric in enumerate(METRICS):
        callback.on_epoch_begin(epoch)
        weight.assign(np.zeros((1,), np.float32))
        model.optimizer.apply([keras.ops.ones((1,), "float32")])
        applied.append(-float(keras.ops.convert_to_numpy(weight.value)[0]))
        expected.append(float(np.float32(callback.rate)))
        callback.on_epoch_end(epoch, {"val_loss": metric})
    assert expected == applied


# --- going on -------------------------------------------------------------------------------------


class Stop(Exception):
    """The process is killed."""


class Process(keras.callbacks.Callback):
    """Keeps what ``callback`` remembers in a file, and may be killed at the start of an epoch."""

    def __init__(self, callback: Any, memory: Path, killed_at: int | None) -> None:
        super().__init__()
        self.callback = callback
        self.memory = memory
        self.killed_at = killed_at

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.killed_at:
            raise Stop

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        text = json.dumps(self.callback.state_dict(), allow_nan=False)
        self.memory.write_text(text, encoding="utf-8")


def run_in(folder: Path, callback: Any, killed_at: int | None) -> tuple[Any, list[float]]:
    """A model and the rates of its updates, up to the end or until the process is killed."""
    memory, model, last = folder / "memory.json", new_model(), Feed()
    if memory.exists():
        callback.load_state_dict(json.loads(memory.read_text(encoding="utf-8")))
    backup = keras.callbacks.BackupAndRestore(str(folder / "backup"))
    process = Process(callback, memory, killed_at)
    with contextlib.suppress(Stop):
        fit(model, len(METRICS), Feed(), callback, process, backup, last)
    return model, last.rates


def check_an_interrupted_run_goes_on_to_the_bit(name: str, values: Any) -> None:
    """BackupAndRestore brings model, optimizer and epoch back, and a file what is remembered."""
    kind = getattr(load_emitted("keras", name), class_name(name))
    whole, rates = trained(lambda: kind(**values))
    for killed_at in (1, 4, 9):
        with tempfile.TemporaryDirectory() as folder:
            _, first = run_in(Path(folder), kind(**values), killed_at)
            model, rest = run_in(Path(folder), kind(**values), None)
        assert killed_at * UPDATES_PER_EPOCH == len(first)
        assert rates == first + rest
        for a, b in zip(whole.get_weights(), model.get_weights(), strict=True):
            assert np.array_equal(a, b)


def check_a_second_fit_goes_on() -> None:
    kind = load_emitted("keras", "plateau").Plateau
    _, rates = trained(lambda: kind(**RULE))
    model, callback, found = new_model(), kind(**RULE), []
    for first, last in ((0, 5), (5, len(METRICS))):
        feed = Feed()
        fit(model, last, Feed(), callback, feed, first=first)
        found += feed.rates
    assert rates == found


# --- what it refuses ------------------------------------------------------------------------------


def refusal(callback: Any, model: Any = None, **options: Any) -> str:
    try:
        fit(model or new_model(), 4, callback, **options)
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def check_what_is_missing_is_named() -> None:
    kind = load_emitted("keras", "plateau").Plateau
    inputs = np.ones((2, 2), np.float32)
    validation = (inputs, inputs[:, :1])

    assert "ValueError: 'val_loss' is not in the logs of epoch 0, which have 'loss':" in (
        refusal(kind())
    )
    assert "nothing" == refusal(kind(monitor="loss"))
    assert "nothing" == refusal(kind(), validation_data=validation)
    sometimes = {"validation_data": validation, "validation_freq": 2}
    assert "'val_loss' is not in the logs of epoch 0" in refusal(kind(), **sometimes)
    callback = kind(validation_freq=2, patience=0, threshold=0.5)
    assert "nothing" == refusal(callback, **sometimes)
    assert 1 == callback.reductions, "two observations, of which the first is the best"


def check_a_rate_that_is_a_schedule_is_refused() -> None:
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model = new_model(keras.optimizers.SGD(decay))

    assert "TypeError: This optimizer was created with a `LearningRateSchedule`" in (
        refusal(load_emitted("keras", "plateau").Plateau(monitor="loss"), model)
    )
    assert 0 == int(model.optimizer.iterations)


if __name__ == "__main__":
    shared = new_model()
    rows = check_all_rows(shared)
    check_broken_modules_are_noticed(shared)
    check_each_update_has_the_rate_of_plain_python()
    check_each_optimizer_of_several_has_its_own_rate()
    check_the_weights_fall_by_the_rate()
    check_an_interrupted_run_goes_on_to_the_bit("plateau", RULE)
    check_an_interrupted_run_goes_on_to_the_bit("cosine_plateau", COSINE)
    check_a_second_fit_goes_on()
    check_what_is_missing_is_named()
    check_a_rate_that_is_a_schedule_is_refused()
    print(f"{rows} rows on {keras.backend.backend()}")
