"""Cyclical rates in training, in PyTorch and in Keras on TensorFlow.

The document trained with rates that cycle between 0.001 and 0.01, in 2,000 updates up and 4,000
down, in three modes: tops that stay (``triangular``), that halve from cycle to cycle
(``triangular2``), and that shrink by a factor at each update (``exp_range``).

The rates are not read from the schedule but from what the optimizer did. Beside its weights, each
model has an odometer: a weight with gradient 1 that nothing reads. Plain SGD moves it by the rate
of each update; it is binary64, so that no float32 is lost in the sum of them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import torch
from command import keep, options, table
from keras_schedules.cyclic import Cyclic
from moons import two_moons
from numpy.typing import NDArray
from torch_schedules.cyclic import CyclicLR

from lrgen.plot import Curve, Panel, figure
from lrgen.plot.curves import Style

LOW_LR, PEAK_LR, GAMMA = 0.001, 0.01, 0.9999
MODES = ("triangular", "triangular2", "exp_range")
UNITS, BATCH = 16, 32

History = dict[str, list[float]]


def batches(updates: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Positions of shape (updates * BATCH, 2), and classes: the same for both frameworks."""
    positions, classes = two_moons(points=256, noise=0.2)
    drawn = np.random.default_rng(1).integers(len(positions), size=updates * BATCH)
    return positions[drawn], classes[drawn]


def first_weights() -> list[NDArray[np.float32]]:
    """Weight and bias of both layers, as (inputs, units) and (units,)."""
    random = np.random.default_rng(0)
    shapes = [(2, UNITS), (UNITS,), (UNITS, 2), (2,)]
    return [random.normal(scale=0.7, size=shape).astype(np.float32) for shape in shapes]


def train_torch(updates: int, every: int, cycle: dict[str, Any]) -> History:
    """Rate and loss, each the mean over ``every`` updates."""
    positions, classes = map(torch.from_numpy, batches(updates))
    model = torch.nn.Sequential(
        torch.nn.Linear(2, UNITS), torch.nn.Tanh(), torch.nn.Linear(UNITS, 2)
    )
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), first_weights(), strict=True):
            parameter.copy_(torch.from_numpy(values.T))
    odometer = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([*model.parameters(), odometer], lr=PEAK_LR)
    scheduler = CyclicLR(optimizer, low_lr=LOW_LR, **cycle)

    losses, driven = [], [0.0]
    for x, y in zip(positions.split(BATCH), classes.split(BATCH), strict=True):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        (loss + odometer - odometer.detach()).backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        driven.append(-odometer.item())
    return {
        "rate": (np.diff(driven[::every]) / every).tolist(),
        "loss": np.mean(np.reshape(losses, (-1, every)), axis=1).tolist(),
    }


class Odometer(keras.layers.Layer):
    """Hands on what it is given; its one weight has gradient 1, and adds nothing to the loss."""

    def build(self, shape: Any) -> None:
        self.driven = self.add_weight(shape=(), initializer="zeros", dtype="float64")

    def call(self, values: Any) -> Any:
        nothing = keras.ops.subtract(self.driven, keras.ops.stop_gradient(self.driven))
        self.add_loss(keras.ops.cast(nothing, "float32"))
        return values


class Recorder(keras.callbacks.Callback):
    """Rate and loss, each the mean over ``every`` updates."""

    def __init__(self, odometer: Odometer, every: int) -> None:
        super().__init__()
        self.odometer, self.every = odometer, every
        self.driven = 0.0
        self.history: History = {"rate": [], "loss": []}

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        driven = -float(self.odometer.driven)
        self.history["rate"].append((driven - self.driven) / self.every)
        self.history["loss"].append(float(logs["loss"]))
        self.driven = driven
        self.model.reset_metrics()  # else the loss is the mean of all updates so far


def train_keras(updates: int, every: int, cycle: dict[str, Any]) -> History:
    """Rate and loss, each the mean over ``every`` updates."""
    positions, classes = batches(updates)
    odometer = Odometer()
    model = keras.Sequential([odometer, keras.layers.Dense(UNITS, "tanh"), keras.layers.Dense(2)])
    model.build((None, 2))
    model.set_weights([np.zeros(()), *first_weights()])
    model.compile(
        optimizer=keras.optimizers.SGD(Cyclic(PEAK_LR, LOW_LR, **cycle)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=every,
    )
    recorder = Recorder(odometer, every)
    model.fit(positions, classes, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[recorder])
    return recorder.history


def main(arguments: Sequence[str] | None = None) -> dict[str, History]:
    chosen = options(__doc__, arguments, updates=18_000, up=2_000, down=4_000, every=100)
    torch.set_num_threads(1)  # the network is small: threads only wait for each other
    updates = chosen.updates - chosen.updates % chosen.every
    histories = {
        f"{mode}, {framework}": train(
            updates,
            chosen.every,
            {"up_steps": chosen.up, "down_steps": chosen.down, "mode": mode, "gamma": GAMMA},
        )
        for mode in MODES
        for framework, train in (("PyTorch", train_torch), ("Keras", train_keras))
    }

    table(
        ["mode", "lowest rate", "highest rate", "last rate", "first loss", "last loss"],
        [
            [name, min(h["rate"]), max(h["rate"]), h["rate"][-1], h["loss"][0], h["loss"][-1]]
            for name, h in histories.items()
        ],
    )
    draw(histories, chosen.every, chosen.out)
    return histories


def draw(histories: dict[str, History], every: int, folder: Path) -> None:
    styles: dict[str, Style] = {"PyTorch": "line", "Keras": "dashed"}

    def panel(mode: str, what: str, **look: Any) -> Panel:
        return Panel(
            [
                Curve(framework, every * np.arange(len(history[what])), history[what], style=style)
                for framework, style in styles.items()
                for history in [histories[f"{mode}, {framework}"]]
            ],
            **look,
        )

    made = figure(
        [
            *(panel(mode, "rate", title=mode) for mode in MODES),
            *(panel(mode, "loss", quantity="loss") for mode in MODES),
        ],
        title="Cyclical rates in training",
        note=f"Means over {every} updates. The rates are what plain SGD did to a weight.",
        columns=3,
    )
    keep(made, folder, "cyclical_training")


if __name__ == "__main__":
    main()
