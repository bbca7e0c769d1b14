"""A generated schedule drives AdaGrad, RMSprop, AdaDelta and Adam in every framework.

An adaptive optimizer changes a weight by ``rate * direction``, where the direction depends on the
gradients alone. So the rate that it applied is found by a probe: one weight is given the same
gradients twice, at the schedule's rates and at a rate of 1, and the changes are divided. The weight
is binary64, so that the quotient carries a few roundings of 1.1e-16, and nothing is left of them
when it is rounded to float32, as the schedules of Keras and JAX are.

The losses are those of a 2-8-2 network on two moons, from the same weights in every framework. To
have the same optimizer too, one must say the numbers that differ by default: where torch adds 1e-8
to the divisor, Keras adds 1e-7; AdaGrad's sum begins at 0 in torch and at 0.1 elsewhere; RMSprop
forgets with 0.99 in torch and with 0.9 elsewhere; AdaDelta's rate is 1 in torch and 0.001 in Keras.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch
from command import keep, options, table
from jax_schedules.cosine_warmup import cosine_warmup
from keras_schedules.cosine_warmup import CosineWarmup
from moons import two_moons
from torch_schedules.cosine_warmup import CosineWarmupLR

from lrgen.plot import Curve, Panel, figure

PEAK_LR = {"AdaGrad": 0.2, "RMSprop": 0.01, "AdaDelta": 5.0, "Adam": 0.03}
EPSILON = 1e-7
UNITS = 8

Changes = list[float]


def lengths(updates: int) -> dict[str, Any]:
    return {"warmup_steps": updates // 10, "total_steps": updates}


def gradients(updates: int) -> list[float]:
    """What the probe's weight is given: of both signs, and of different size."""
    return [(-1) ** update * (1 + update % 3) for update in range(updates)]


def first_weights() -> list[np.ndarray]:
    """Weight and bias of both layers, as (inputs, units) and (units,)."""
    random = np.random.default_rng(0)
    shapes = [(2, UNITS), (UNITS,), (UNITS, 2), (2,)]
    return [random.normal(scale=0.5, size=shape).astype(np.float32) for shape in shapes]


# PyTorch


def torch_optimizer(name: str, parameters: Any, lr: float) -> torch.optim.Optimizer:
    match name:
        case "AdaGrad":
            return torch.optim.Adagrad(parameters, lr, initial_accumulator_value=0.1, eps=EPSILON)
        case "RMSprop":
            return torch.optim.RMSprop(parameters, lr, alpha=0.9, eps=EPSILON)
        case "AdaDelta":
            return torch.optim.Adadelta(parameters, lr, rho=0.95, eps=EPSILON)
    return torch.optim.Adam(parameters, lr, eps=EPSILON)


def torch_changes(name: str, updates: int, scheduled: bool) -> Changes:
    weight = torch.zeros((), dtype=torch.float64)
    optimizer = torch_optimizer(name, [weight], PEAK_LR[name] if scheduled else 1.0)
    scheduler = CosineWarmupLR(optimizer, **lengths(updates)) if scheduled else None
    changes = []
    for gradient in gradients(updates):
        weight.zero_()
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
        changes.append(weight.item())
        if scheduler is not None:
            scheduler.step()
    return changes


def torch_losses(name: str, updates: int) -> list[float]:
    positions, classes = map(torch.from_numpy, two_moons(points=100, noise=0.2))
    model = torch.nn.Sequential(
        torch.nn.Linear(2, UNITS), torch.nn.Tanh(), torch.nn.Linear(UNITS, 2)
    )
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), first_weights(), strict=True):
            parameter.copy_(torch.from_numpy(values.T))
    optimizer = torch_optimizer(name, model.parameters(), PEAK_LR[name])
    scheduler = CosineWarmupLR(optimizer, **lengths(updates))
    losses = []
    for _ in range(updates):
        loss = torch.nn.functional.cross_entropy(model(positions), classes)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return losses


# Keras


def keras_optimizer(name: str, lr: Any) -> keras.optimizers.Optimizer:
    match name:
        case "AdaGrad":
            return keras.optimizers.Adagrad(lr, initial_accumulator_value=0.1, epsilon=EPSILON)
        case "RMSprop":
            return keras.optimizers.RMSprop(lr, rho=0.9, epsilon=EPSILON)
        case "AdaDelta":
            return keras.optimizers.Adadelta(lr, rho=0.95, epsilon=EPSILON)
    return keras.optimizers.Adam(lr, epsilon=EPSILON)


def keras_changes(name: str, updates: int, scheduled: bool) -> Changes:
    weight = keras.Variable(0.0, dtype="float64")
    optimizer = keras_optimizer(
        name, CosineWarmup(PEAK_LR[name], **lengths(updates)) if scheduled else 1.0
    )
    optimizer.build([weight])
    changes = []
    for gradient in gradients(updates):
        weight.assign(0.0)
        optimizer.apply([keras.ops.full((), gradient, "float64")])
        changes.append(float(weight))
    return changes


def keras_losses(name: str, updates: int) -> list[float]:
    positions, classes = two_moons(points=100, noise=0.2)
    model = keras.Sequential([keras.layers.Dense(UNITS, "tanh"), keras.layers.Dense(2)])
    model.build((None, 2))
    model.set_weights(first_weights())
    model.compile(
        optimizer=keras_optimizer(name, CosineWarmup(PEAK_LR[name], **lengths(updates))),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = []
    for _ in range(updates):
        losses.append(float(model.train_on_batch(positions, classes)))
        model.reset_metrics()  # else the loss is the mean of all updates so far
    return losses


# JAX


def optax_optimizer(name: str, lr: Any) -> optax.GradientTransformation:
    match name:
        case "AdaGrad":
            return optax.adagrad(lr, initial_accumulator_value=0.1, eps=EPSILON)
        case "RMSprop":
            return optax.rmsprop(lr, decay=0.9, eps=EPSILON, eps_in_sqrt=False)
        case "AdaDelta":
            return optax.adadelta(lr, rho=0.95, eps=EPSILON)
    return optax.adam(lr, eps=EPSILON)


def optax_changes(name: str, updates: int, scheduled: bool) -> Changes:
    lr = cosine_warmup(peak_lr=PEAK_LR[name], **lengths(updates)) if scheduled else 1.0
    optimizer = optax_optimizer(name, lr)
    with jax.enable_x64(True):  # for the probe's weight: the schedule needs no such switch
        weight = jnp.zeros((), jnp.float64)
        _, changes = jax.lax.scan(
            lambda state, gradient: optimizer.update(gradient, state, weight)[::-1],
            optimizer.init(weight),
            jnp.asarray(gradients(updates), jnp.float64),
        )
        return changes.tolist()


def optax_losses(name: str, updates: int) -> list[float]:
    positions, classes = two_moons(points=100, noise=0.2)
    optimizer = optax_optimizer(name, cosine_warmup(peak_lr=PEAK_LR[name], **lengths(updates)))

    def loss_of(weights: list[jax.Array]) -> jax.Array:
        first, first_bias, second, second_bias = weights
        logits = jnp.tanh(positions @ first + first_bias) @ second + second_bias
        return optax.softmax_cross_entropy_with_integer_labels(logits, classes).mean()

    def update(carry: Any, _: None) -> tuple[Any, jax.Array]:
        weights, state = carry
        loss, slope = jax.value_and_grad(loss_of)(weights)
        changes, state = optimizer.update(slope, state, weights)
        return (optax.apply_updates(weights, changes), state), loss

    weights = [jnp.asarray(values) for values in first_weights()]
    _, losses = jax.lax.scan(update, (weights, optimizer.init(weights)), length=updates)
    return losses.tolist()


FRAMEWORKS: dict[str, tuple[Callable[..., Changes], Callable[..., list[float]]]] = {
    "PyTorch": (torch_changes, torch_losses),
    "Keras": (keras_changes, keras_losses),
    "JAX": (optax_changes, optax_losses),
}


def applied(changes: Callable[..., Changes], name: str, updates: int) -> list[float]:
    """The rate of each update, from what it did to a weight."""
    scheduled, unscheduled = (changes(name, updates, scheduled) for scheduled in (True, False))
    return [a / b for a, b in zip(scheduled, unscheduled, strict=True)]


def main(arguments: Sequence[str] | None = None) -> dict[str, dict[str, list[float]]]:
    chosen = options(__doc__, arguments, updates=300)
    torch.set_num_threads(1)  # the network is small: threads only wait for each other
    histories = {
        f"{name}, {framework}": {
            "rate": applied(changes, name, chosen.updates),
            "loss": losses(name, chosen.updates),
        }
        for name in PEAK_LR
        for framework, (changes, losses) in FRAMEWORKS.items()
    }

    table(
        ["optimizer", "highest rate", "last rate", "first loss", "last loss"],
        [
            [name, max(h["rate"]), h["rate"][-1], h["loss"][0], h["loss"][-1]]
            for name, h in histories.items()
        ],
    )
    draw(histories, chosen.out)
    return histories


def draw(histories: dict[str, dict[str, list[float]]], folder: Path) -> None:
    def panel(framework: str, what: str, **look: Any) -> Panel:
        return Panel(
            [
                Curve(name, range(len(history[what])), history[what])
                for name in PEAK_LR
                for history in [histories[f"{name}, {framework}"]]
            ],
            **look,
        )

    made = figure(
        [
            *(panel(framework, "rate", title=framework, log=True) for framework in FRAMEWORKS),
            *(panel(framework, "loss", quantity="loss") for framework in FRAMEWORKS),
        ],
        title="One schedule drives adaptive optimizers",
        note="The rates are what the optimizers did to a weight, divided by what they do at 1.",
        columns=3,
    )
    keep(made, folder, "adaptive")


if __name__ == "__main__":
    main()
