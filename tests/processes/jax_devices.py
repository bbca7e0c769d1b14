"""Run by test_many_processes.py with eight virtual CPU devices: each check on its own line.

Update k feeds the k-th unit vector to weights of 0 under a loss that is their product: plain SGD
leaves minus the rate of update k in place k, to the bit.
"""

from __future__ import annotations

import functools
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))
from emitted import load_broken, load_emitted

DEVICES = 8
UPDATES = 24
SHORT = {"peak_lr": 0.1, "warmup_steps": 3, "total_steps": 20, "end_lr": 0.01}
INPUTS = np.repeat(np.eye(UPDATES, dtype=np.float32)[:, None], DEVICES, axis=1)
"""Update, device, place."""

module = load_emitted("jax", "cosine_warmup")
traced = [0]
_own_rate = module._rate


def _counted(*arguments: Any) -> Any:
    traced[0] += 1
    return _own_rate(*arguments)


module._rate = _counted
optimizer = optax.sgd(learning_rate=module.cosine_warmup(**SHORT))


def expected() -> list[float]:
    python = load_emitted("python", "cosine_warmup").cosine_warmup
    return [float(np.float32(python(step, **SHORT))) for step in range(UPDATES)]


def loss(weights: Any, inputs: Any) -> Any:
    return jnp.mean(inputs @ weights)


def updated(state: Any, inputs: Any, gradient: Callable[..., Any] | None = None) -> Any:
    """Weights and state of the optimizer after one update."""
    weights, own = state
    gradients = (gradient or jax.grad(loss))(weights, inputs)
    changes, own = optimizer.update(gradients, own, weights)
    return optax.apply_updates(weights, changes), own


def begin() -> Any:
    weights = jnp.zeros(UPDATES)
    return weights, optimizer.init(weights)


def rates(weights: Any) -> list[float]:
    return [-float(weight) for weight in weights]


def mean_over(axis: str) -> Callable[..., Any]:
    def gradient(weights: Any, inputs: Any) -> Any:
        return jax.lax.pmean(jax.grad(loss)(weights, inputs), axis)

    return gradient


def check_pmap() -> None:
    step = jax.pmap(functools.partial(updated, gradient=mean_over("devices")), axis_name="devices")
    state = jax.tree.map(lambda leaf: jnp.stack([leaf] * DEVICES), begin())
    for inputs in INPUTS:
        state = step(state, inputs[:, None])
    assert DEVICES == len(state[0].sharding.device_set)
    for weights in state[0]:
        assert expected() == rates(weights)


def mesh() -> Mesh:
    return Mesh(np.array(jax.devices()), ("devices",))


def check_shard_map() -> None:
    @jax.jit
    @functools.partial(
        jax.shard_map,
        mesh=mesh(),
        in_specs=(PartitionSpec(), PartitionSpec("devices")),
        out_specs=(PartitionSpec(), PartitionSpec("devices")),
    )
    def step(state: Any, inputs: Any) -> Any:
        # The mean stands inside: the gradient of weights that all devices share is a sum by itself.
        gradient = jax.grad(lambda *both: jax.lax.pmean(loss(*both), "devices"))
        rate = module.cosine_warmup(**SHORT)(state[1][1].count)
        return updated(state, inputs, gradient), rate.reshape(1)

    state = begin()
    for number, inputs in enumerate(INPUTS):
        state, rate_of_each = step(state, inputs)
        assert [expected()[number]] * DEVICES == rate_of_each.tolist()
    assert expected() == rates(state[0])


def rates_of_lists(emitted: Any, count: int) -> list[list[float]]:
    """The rate of update k on device k of a list of ``count`` boundaries: plain Python's, then ours
    by ``shard_map`` and by ``pmap``."""
    plan = {
        "boundaries": list(range(1, count + 1)),
        "values": [1.0 / number for number in range(1, count + 2)],
    }
    python = load_emitted("python", "piecewise_constant").piecewise_constant
    rate = emitted.piecewise_constant(**plan)
    steps, place = jnp.arange(DEVICES), PartitionSpec("devices")
    sharded = jax.shard_map(jax.vmap(rate), mesh=mesh(), in_specs=place, out_specs=place)
    return [
        [float(np.float32(python(step, **plan))) for step in range(DEVICES)],
        jax.jit(sharded)(steps).tolist(),
        jax.pmap(rate)(steps).tolist(),
    ]


def check_lists_on_every_device() -> None:
    """Short lists are compared with the step, and long ones are searched."""
    for count in (3, 40):
        wanted, sharded, mapped = rates_of_lists(load_emitted("jax", "piecewise_constant"), count)
        assert wanted == sharded
        assert wanted == mapped


def check_a_late_boundary_is_noticed_on_every_device() -> None:
    late = load_broken("jax", "piecewise_constant", 'side="right"', 'side="left"')
    for count in (3, 40):
        wanted, sharded, mapped = rates_of_lists(late, count)
        assert wanted != sharded
        assert wanted != mapped


def check_sharded_batch_and_donated_buffers() -> None:
    step = jax.jit(updated, donate_argnums=0)
    place = NamedSharding(mesh(), PartitionSpec("devices"))
    state = jax.device_put(begin(), NamedSharding(mesh(), PartitionSpec()))
    first = state[0]
    for inputs in INPUTS:
        state = step(state, jax.device_put(inputs, place))
    assert first.is_deleted()
    assert expected() == rates(state[0])


def check_remat_and_scan() -> None:
    gradient = jax.grad(jax.checkpoint(loss))

    @jax.jit
    def train(state: Any) -> Any:
        def update(state: Any, inputs: Any) -> Any:
            return updated(state, inputs, gradient), None

        return jax.lax.scan(update, state, INPUTS)[0]

    assert expected() == rates(train(begin())[0])


def check_checkpoint_around_the_schedule() -> None:
    """The schedule itself is computed again on the way back, to the same bits."""
    schedule = module.cosine_warmup(**SHORT)

    def trained(weights: Any) -> Any:
        @jax.checkpoint
        def update(weights: Any, step: Any) -> Any:
            return weights - schedule(step) * weights, None

        return jax.lax.scan(update, weights, jnp.arange(UPDATES))[0].sum()

    found = jax.jit(jax.grad(trained))(jnp.ones(3))
    by_hand = np.prod([1 - rate for rate in expected()])
    assert abs(float(found[0]) / by_hand - 1) < UPDATES * 2.0**-23


def check_nothing_is_traced_again() -> None:
    step = jax.jit(updated)
    state = begin()
    traced[0] = 0
    for inputs in INPUTS:
        state = step(state, inputs)
    assert 1 == traced[0], traced
    assert 1 == step._cache_size()
    assert expected() == rates(state[0])


def check_the_count_of_traces_sees_a_step_that_is_a_constant() -> None:
    schedule = module.cosine_warmup(**SHORT)
    step = jax.jit(lambda count: schedule(count), static_argnums=0)
    traced[0] = 0
    for count in range(4):
        step(count)
    assert 4 == traced[0]


def check_a_resumed_run_is_the_same() -> None:
    step = jax.jit(updated)
    uninterrupted = begin()
    for inputs in INPUTS:
        uninterrupted = step(uninterrupted, inputs)
    for stop in (1, 3, 17):
        state = begin()
        for inputs in INPUTS[:stop]:
            state = step(state, inputs)
        saved = pickle.dumps(jax.device_get(state))
        step(state, INPUTS[stop])  # what a kill takes away
        state = jax.device_put(pickle.loads(saved), NamedSharding(mesh(), PartitionSpec()))
        for inputs in INPUTS[stop:]:
            state = step(state, inputs)
        assert uninterrupted[0].tolist() == state[0].tolist()


def check_the_probe_sees_a_schedule_that_is_early() -> None:
    early = module.cosine_warmup(**SHORT)
    late = optax.sgd(learning_rate=lambda count: early(count + 1))
    weights, state = jnp.zeros(UPDATES), late.init(jnp.zeros(UPDATES))
    for inputs in INPUTS:
        changes, state = late.update(jax.grad(loss)(weights, inputs), state, weights)
        weights = optax.apply_updates(weights, changes)
    assert expected() != rates(weights)


if __name__ == "__main__":
    assert DEVICES == len(jax.devices())
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check()
            print(name)
    assert not jax.config.jax_enable_x64
