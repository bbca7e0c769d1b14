"""A schedule for each layer of one model, in PyTorch, JAX and Keras.

In fine-tuning the lower layers are to move later and less than the head, which is what the document
used ``LambdaLR`` for. Here the lower layer warms up slowly, the upper one follows a slanted
triangle, and the head decays from the start.

PyTorch: one parameter group per layer, and ``LambdaLR`` with the plain Python functions. It
multiplies each group's ``lr``, which is 1. (Where only the peak differs, a generated scheduler does
it alone: it takes its peak from each group.) JAX: ``optax.multi_transform``. Keras has one rate per
optimizer, so the optimizer is told which layer a variable belongs to.

Each layer has an odometer, a weight with gradient 1 that nothing reads, so that the rate that was
applied is seen in what plain SGD did to it.
"""

import os
from collections.abc import Sequence
from functools import partial
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
from jax_schedules.cosine_warmup import cosine_warmup as jax_cosine_warmup
from jax_schedules.exponential import exponential as jax_exponential
from jax_schedules.slanted_triangular import slanted_triangular as jax_slanted_triangular
from keras_schedules.cosine_warmup import CosineWarmup
from keras_schedules.exponential import Exponential
from keras_schedules.slanted_triangular import SlantedTriangular
from moons import two_moons
from numpy.typing import NDArray
from python_schedules.cosine_warmup import cosine_warmup
from python_schedules.exponential import exponential
from python_schedules.slanted_triangular import slanted_triangular
from torch.optim.lr_scheduler import LambdaLR

from lrgen.plot import Curve, Panel, figure

LAYERS = ("lower", "upper", "head")
SIZES = (2, 16, 16, 2)

History = dict[str, list[float]]  # "lower", "upper" and "head": rates; "loss"


def settings(updates: int) -> dict[str, dict[str, Any]]:
    """The parameters of each layer's schedule."""
    return {
        "lower": {"peak_lr": 0.1, "warmup_steps": updates // 2, "total_steps": updates},
        "upper": {"peak_lr": 0.2, "warmup_steps": updates // 10, "total_steps": updates},
        "head": {"base_lr": 0.4, "gamma": 0.99},
    }


def first_weights() -> dict[str, list[NDArray[np.float32]]]:
    """Weight, as (inputs, units), and bias of each layer."""
    random = np.random.default_rng(0)
    return {
        layer: [
            random.normal(scale=inputs**-0.5, size=(inputs, units)).astype(np.float32),
            np.zeros(units, np.float32),
        ]
        for layer, inputs, units in zip(LAYERS, SIZES, SIZES[1:])
    }


class TorchLayer(torch.nn.Linear):
    """A linear layer with an odometer."""

    def __init__(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        super().__init__(*weight.shape)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(weight.T))
            self.bias.copy_(torch.from_numpy(bias))
        self.odometer = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))


def train_torch(updates: int) -> History:
    """Rate of each layer at each update, and the loss before it."""
    positions, classes = map(torch.from_numpy, two_moons(points=100, noise=0.2))
    layers = {layer: TorchLayer(*values) for layer, values in first_weights().items()}
    model = torch.nn.Sequential(
        layers["lower"], torch.nn.Tanh(), layers["upper"], torch.nn.Tanh(), layers["head"]
    )
    optimizer = torch.optim.SGD(
        [{"params": layer.parameters()} for layer in layers.values()], lr=1.0
    )
    chosen = settings(updates)
    scheduler = LambdaLR(
        optimizer,
        [
            partial(cosine_warmup, **chosen["lower"]),
            partial(slanted_triangular, **chosen["upper"]),
            partial(exponential, **chosen["head"]),
        ],
    )

    history: History = {name: [] for name in (*LAYERS, "loss")}
    for _ in range(updates):
        loss = torch.nn.functional.cross_entropy(model(positions), classes)
        history["loss"].append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        for layer in layers.values():
            torch.nn.init.zeros_(layer.odometer)
            layer.odometer.grad = torch.ones_like(layer.odometer)
        optimizer.step()
        scheduler.step()
        for name, layer in layers.items():
            history[name].append(0.0 - layer.odometer.item())
    return history


def train_jax(updates: int) -> History:
    """Rate of each layer at each update, and the loss before it."""
    positions, classes = two_moons(points=100, noise=0.2)
    chosen = settings(updates)
    optimizer = optax.multi_transform(
        {
            "lower": optax.sgd(jax_cosine_warmup(**chosen["lower"])),
            "upper": optax.sgd(jax_slanted_triangular(**chosen["upper"])),
            "head": optax.sgd(jax_exponential(**chosen["head"])),
        },
        {layer: layer for layer in LAYERS},
    )
    weights = {
        layer: {"weight": jnp.asarray(weight), "bias": jnp.asarray(bias), "odometer": jnp.zeros(())}
        for layer, (weight, bias) in first_weights().items()
    }

    def loss_of(weights: dict[str, dict[str, jax.Array]]) -> jax.Array:
        values: Any = positions
        for layer in LAYERS:
            values = values @ weights[layer]["weight"] + weights[layer]["bias"]
            values = values if layer == "head" else jnp.tanh(values)
        return optax.softmax_cross_entropy_with_integer_labels(values, classes).mean()

    def update(carry: Any, _: None) -> tuple[Any, dict[str, jax.Array]]:
        weights, state = carry
        loss, slopes = jax.value_and_grad(loss_of)(weights)
        slopes = {layer: {**slopes[layer], "odometer": jnp.ones(())} for layer in LAYERS}
        changes, state = optimizer.update(slopes, state, weights)
        rates = {layer: -changes[layer]["odometer"] for layer in LAYERS}
        return (optax.apply_updates(weights, changes), state), {**rates, "loss": loss}

    _, history = jax.lax.scan(update, (weights, optimizer.init(weights)), length=updates)
    return {name: values.tolist() for name, values in history.items()}


class PerLayerSGD(keras.optimizers.SGD):
    """SGD with a schedule for each layer, found by the layer's name in a variable's path."""

    def __init__(self, schedules: dict[str, Any]) -> None:
        super().__init__(learning_rate=1.0)
        self.schedules = schedules

    def build(self, variables: list[keras.Variable]) -> None:
        super().build(variables)
        self.of_variable = [self.schedules[variable.path.split("/")[-2]] for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        schedule = self.of_variable[self._get_variable_index(variable)]
        super().update_step(gradient, variable, schedule(self.iterations))


class KerasLayer(keras.layers.Dense):
    """A dense layer with an odometer."""

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.odometer = self.add_weight(
            shape=(), initializer="zeros", dtype="float64", name="odometer"
        )

    def call(self, values: Any) -> Any:
        nothing = keras.ops.subtract(self.odometer, keras.ops.stop_gradient(self.odometer))
        self.add_loss(keras.ops.cast(nothing, "float32"))
        return super().call(values)


def train_keras(updates: int) -> History:
    """Rate of each layer at each update, and the loss before it."""
    positions, classes = two_moons(points=100, noise=0.2)
    layers = [
        KerasLayer(units, None if name == "head" else "tanh", name=name)
        for name, units in zip(LAYERS, SIZES[1:], strict=True)
    ]
    model = keras.Sequential(layers)
    model.build((None, SIZES[0]))
    for layer, (weight, bias) in zip(layers, first_weights().values(), strict=True):
        layer.kernel.assign(weight)
        layer.bias.assign(bias)
    chosen = settings(updates)
    model.compile(
        optimizer=PerLayerSGD(
            {
                "lower": CosineWarmup(**chosen["lower"]),
                "upper": SlantedTriangular(**chosen["upper"]),
                "head": Exponential(**chosen["head"]),
            }
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    history: History = {name: [] for name in (*LAYERS, "loss")}
    for _ in range(updates):
        for layer in layers:
            layer.odometer.assign(0.0)
        history["loss"].append(float(model.train_on_batch(positions, classes)))
        model.reset_metrics()  # else the loss is the mean of all updates so far
        for layer in layers:
            history[layer.name].append(0.0 - float(layer.odometer))
    return history


def main(arguments: Sequence[str] | None = None) -> dict[str, History]:
    chosen = options(__doc__, arguments, updates=400)
    torch.set_num_threads(1)  # the network is small: threads only wait for each other
    histories = {
        "PyTorch": train_torch(chosen.updates),
        "JAX": train_jax(chosen.updates),
        "Keras": train_keras(chosen.updates),
    }

    table(
        ["layer", "framework", "first rate", "highest rate", "last rate"],
        [
            [layer, framework, history[layer][0], max(history[layer]), history[layer][-1]]
            for layer in LAYERS
            for framework, history in histories.items()
        ],
    )
    print()
    table(
        ["framework", "first loss", "last loss"],
        [[name, history["loss"][0], history["loss"][-1]] for name, history in histories.items()],
    )
    draw(histories, chosen.out)
    return histories


def draw(histories: dict[str, History], folder: Path) -> None:
    def panel(framework: str, names: Sequence[str], **look: Any) -> Panel:
        history = histories[framework]
        return Panel(
            [Curve(name, range(len(history[name])), history[name]) for name in names], **look
        )

    made = figure(
        [
            *(panel(framework, LAYERS, title=framework) for framework in histories),
            *(panel(framework, ["loss"], quantity="loss") for framework in histories),
        ],
        title="A schedule for each layer of one model",
        note="The rates are what plain SGD did to a weight of each layer.",
        columns=3,
    )
    keep(made, folder, "per_group")


if __name__ == "__main__":
    main()
