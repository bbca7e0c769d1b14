"""Four annealing strategies compared, in Keras, PyTorch and JAX.

The document trained a network (64 units, relu; 1 unit, sigmoid) with Adam for 100 epochs to tell
which of 100 random points lie outside the unit circle, and compared a rate that is halved every 10
epochs, the exponential ``0.01 * exp(-0.1 * epoch)``, a cosine over 100 epochs, and reducing on
plateau (factor 0.5, patience 5, floor 1e-6), which it left to a callback of Keras.

The schedules count epochs here: each framework asks for a rate once per epoch. Points, weights and
batches are the same in all three, so that the pictures can be laid side by side. The plateau is
that of Keras to the letter; as there, it observes the loss on other points, after each epoch.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import tensorflow as tf
import torch
from command import keep, options, table
from jax_schedules.cosine import cosine as jax_cosine
from jax_schedules.natural_exponential import natural_exponential as jax_natural_exponential
from jax_schedules.plateau_keras import plateau_keras as jax_plateau
from jax_schedules.step_decay import step_decay as jax_step_decay
from keras_schedules.plateau_keras import PlateauKeras
from numpy.typing import NDArray
from python_schedules.cosine import cosine
from python_schedules.natural_exponential import natural_exponential
from python_schedules.step_decay import step_decay
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch_schedules.cosine import CosineLR
from torch_schedules.natural_exponential import NaturalExponentialLR
from torch_schedules.plateau_keras import PlateauKerasLR
from torch_schedules.step_decay import StepDecayLR

from lrgen.plot import Curve, Panel, figure

BASE_LR, POINTS, UNITS, BATCH = 0.01, 100, 64, 25
EPSILON = 1e-10  # of Adam: Keras adds it elsewhere than the others, which shows in larger ones
OTHERS = 11  # seed of the points that are not trained on
HALVING: dict[str, Any] = {"decay_steps": 10, "gamma": 0.5}
EXPONENTIAL: dict[str, Any] = {"decay_rate": 0.1}
COSINE: dict[str, Any] = {"total_steps": 100}
PLATEAU: dict[str, Any] = {"factor": 0.5, "patience": 5, "min_lr": 1e-6}
STRATEGIES = ("fixed step", "exponential", "cosine", "plateau")

History = dict[str, list[float]]  # "rate", "loss", "accuracy" and "val_loss" of each epoch


def points(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Positions of shape (POINTS, 2), and classes of shape (POINTS, 1): 1 outside the circle."""
    positions = np.random.default_rng(seed).normal(size=(POINTS, 2)).astype(np.float32)
    outside = (positions**2).sum(axis=1, keepdims=True) > 1
    return positions, outside.astype(np.float32)


def first_weights() -> list[NDArray[np.float32]]:
    """Weight, as (inputs, units), and bias of both layers: uniform as Glorot has it, and 0."""
    random = np.random.default_rng(1)
    weights = []
    for inputs, units in ((2, UNITS), (UNITS, 1)):
        most = (6 / (inputs + units)) ** 0.5
        weights += [random.uniform(-most, most, size=(inputs, units)), np.zeros(units)]
    return [values.astype(np.float32) for values in weights]


# Keras


def keras_callback(strategy: str) -> keras.callbacks.Callback:
    match strategy:
        case "fixed step":
            rate: Callable[..., float] = partial(step_decay, base_lr=BASE_LR, **HALVING)
        case "exponential":
            rate = partial(natural_exponential, base_lr=BASE_LR, **EXPONENTIAL)
        case "cosine":
            rate = partial(cosine, base_lr=BASE_LR, **COSINE)
        case _:
            return PlateauKeras(base_lr=BASE_LR, **PLATEAU)
    return keras.callbacks.LearningRateScheduler(lambda epoch, lr: rate(epoch))


def train_keras(strategy: str, epochs: int) -> History:
    training = tf.data.Dataset.from_tensor_slices(points()).batch(BATCH)
    others = tf.data.Dataset.from_tensor_slices(points(OTHERS)).batch(POINTS)
    model = keras.Sequential([keras.layers.Dense(UNITS, "relu"), keras.layers.Dense(1, "sigmoid")])
    model.build((None, 2))
    model.set_weights(first_weights())
    optimizer = keras.optimizers.Adam(BASE_LR, epsilon=EPSILON)
    model.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])

    rates: list[float] = []
    recorder = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: rates.append(float(optimizer.learning_rate))
    )
    found = model.fit(
        training,
        validation_data=others,
        epochs=epochs,
        shuffle=False,
        callbacks=[keras_callback(strategy), recorder],
        verbose=0,
    ).history
    return {
        "rate": rates,
        **{name: found[name] for name in ("loss", "accuracy", "val_loss")},
    }


# PyTorch


def torch_scheduler(strategy: str, optimizer: torch.optim.Optimizer) -> LRScheduler:
    match strategy:
        case "fixed step":
            return StepDecayLR(optimizer, **HALVING)
        case "exponential":
            return NaturalExponentialLR(optimizer, **EXPONENTIAL)
        case "cosine":
            return CosineLR(optimizer, **COSINE)
    return PlateauKerasLR(optimizer, **PLATEAU)


def train_torch(strategy: str, epochs: int) -> History:
    positions, classes = (torch.from_numpy(values).split(BATCH) for values in points())
    others, their_classes = map(torch.from_numpy, points(OTHERS))
    model = torch.nn.Sequential(
        torch.nn.Linear(2, UNITS),
        torch.nn.ReLU(),
        torch.nn.Linear(UNITS, 1),
        torch.nn.Sigmoid(),
    )
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), first_weights(), strict=True):
            parameter.copy_(torch.from_numpy(values.T))
    criterion = torch.nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=BASE_LR, eps=EPSILON)
    scheduler = torch_scheduler(strategy, optimizer)

    history: History = {"rate": [], "loss": [], "accuracy": [], "val_loss": []}
    for _ in range(epochs):
        history["rate"].append(optimizer.param_groups[0]["lr"])
        losses, right = [], 0
        for x, y in zip(positions, classes, strict=True):
            predicted = model(x)
            loss = criterion(predicted, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            right += int(((predicted > 0.5) == (y > 0.5)).sum())
        history["loss"].append(sum(losses) / len(losses))
        history["accuracy"].append(right / POINTS)
        with torch.no_grad():
            history["val_loss"].append(criterion(model(others), their_classes).item())
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(history["val_loss"][-1])
        else:
            scheduler.step()
    return history


# JAX


def train_jax(strategy: str, epochs: int) -> History:
    batches = tuple(values.reshape(-1, BATCH, values.shape[1]) for values in points())
    others = tuple(jnp.asarray(values) for values in points(OTHERS))
    schedules = {
        "fixed step": jax_step_decay(base_lr=BASE_LR, **HALVING),
        "exponential": jax_natural_exponential(base_lr=BASE_LR, **EXPONENTIAL),
        "cosine": jax_cosine(base_lr=BASE_LR, **COSINE),
    }
    plateau = jax_plateau(base_lr=BASE_LR, **PLATEAU)
    optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=BASE_LR, eps=EPSILON)

    def loss_of(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        first, first_bias, second, second_bias = weights
        logits = jax.nn.relu(x @ first + first_bias) @ second + second_bias
        right = (logits > 0) == (y > 0.5)
        return optax.sigmoid_binary_cross_entropy(logits, y).mean(), right.mean()

    def update(carry: Any, batch: Any) -> tuple[Any, Any]:
        weights, state = carry
        (loss, right), slopes = jax.value_and_grad(loss_of, has_aux=True)(weights, *batch)
        changes, state = optimizer.update(slopes, state, weights)
        return (optax.apply_updates(weights, changes), state), (loss, right)

    def one_epoch(carry: Any, epoch: jax.Array) -> tuple[Any, dict[str, jax.Array]]:
        weights, state, memory = carry
        rate = plateau.rate(memory) if strategy == "plateau" else schedules[strategy](epoch)
        state = state._replace(hyperparams={**state.hyperparams, "learning_rate": rate})
        (weights, state), (losses, right) = jax.lax.scan(update, (weights, state), batches)
        val_loss, _ = loss_of(weights, *others)
        epoch_had = {"rate": rate, "loss": losses.mean(), "accuracy": right.mean()}
        memory = plateau.update(memory, val_loss)
        return (weights, state, memory), {**epoch_had, "val_loss": val_loss}

    weights = [jnp.asarray(values) for values in first_weights()]
    start = (weights, optimizer.init(weights), plateau.init())
    _, history = jax.lax.scan(one_epoch, start, jnp.arange(epochs))
    return {name: values.tolist() for name, values in history.items()}


FRAMEWORKS = {"Keras": train_keras, "PyTorch": train_torch, "JAX": train_jax}


def main(arguments: Sequence[str] | None = None) -> dict[str, History]:
    chosen = options(__doc__, arguments, epochs=100)
    torch.set_num_threads(1)  # the network is small: threads only wait for each other
    histories = {
        f"{strategy}, {framework}": train(strategy, chosen.epochs)
        for strategy in STRATEGIES
        for framework, train in FRAMEWORKS.items()
    }

    table(
        ["strategy", "first rate", "last rate", "first loss", "last loss", "last accuracy"],
        [[name, *(h[what][at] for what, at in SHOWN)] for name, h in histories.items()],
    )
    draw(histories, chosen.out)
    return histories


SHOWN = (("rate", 0), ("rate", -1), ("loss", 0), ("loss", -1), ("accuracy", -1))


def draw(histories: dict[str, History], folder: Path) -> None:
    def panel(framework: str, what: str, style: Any, **look: Any) -> Panel:
        return Panel(
            [
                Curve(strategy, range(len(history[what])), history[what], style=style)
                for strategy in STRATEGIES
                for history in [histories[f"{strategy}, {framework}"]]
            ],
            over="epoch",
            title=framework,
            **look,
        )

    looks: dict[str, dict[str, Any]] = {
        "rate": {"style": "stairs"},
        "loss": {"style": "line", "quantity": "loss", "log": True},
    }
    for what, look in looks.items():
        made = figure(
            [panel(framework, what, **look) for framework in FRAMEWORKS],
            title=f"Four annealing strategies: the {what}",
            columns=3,
        )
        keep(made, folder, f"four_strategies_{what}")


if __name__ == "__main__":
    main()
