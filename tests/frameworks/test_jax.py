"""JAX beyond one case at a time: all lengths, batches of traced parameters, restarts."""

from collections.abc import Iterator, Mapping
from typing import Any

import conformance
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conformance import (
    NAMES,
    Case,
    arrays_of_type,
    cases,
    check_flushed,
    parameters_of_type,
)
from emitted import load_broken, load_emitted
from numpy.typing import NDArray
from test_exact import DRAWS, drawn

LENGTHS = np.arange(1, 2_001)
SHORT = {"peak_lr": 0.1, "warmup_steps": 3, "total_steps": 9, "end_lr": 0.01}
each = pytest.mark.parametrize("name", NAMES)


def _has_cuda() -> bool:
    return any(device.platform == "gpu" for device in jax.devices())


on_each_device = pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "gpu",
            marks=[
                pytest.mark.cuda,
                pytest.mark.skipif(not _has_cuda(), reason="no CUDA device"),
            ],
        ),
    ],
)


def function_of(name: str) -> Any:
    return getattr(load_emitted("jax", name), name)


# -- every length ----------------------------------------------------------------------------------


def after_every_end(schedule_of_lengths: Any, offset: int) -> NDArray[np.float32]:
    """Rates ``offset`` updates after the end of each length.

    The lengths are a constant of the program: only then does XLA turn ``/ T`` into ``* (1 / T)``.
    """
    schedule = schedule_of_lengths(jnp.asarray(LENGTHS))
    steps = jnp.asarray(np.maximum(LENGTHS + offset, 0), jnp.int32)
    return np.asarray(jax.jit(schedule)(steps))


LENGTH_SWEEPS = [
    ("polynomial", {"base_lr": 0.1, "power": 0.9}),
    ("polynomial", {"base_lr": 0.1, "power": 0.5, "end_lr": 0.01}),
    ("warmup_polynomial", {"peak_lr": 0.1, "warmup_steps": 0, "power": 0.3}),
    ("k_decay_cosine", {"k": 1.5}),
    ("one_minus_sqrt", {}),
    ("rex", {}),
    ("cosine", {}),
]


@on_each_device
@pytest.mark.parametrize(("name", "fixed"), LENGTH_SWEEPS)
def test_every_length_is_right_around_its_end(
    name: str, fixed: Mapping[str, float], device: str
) -> None:
    python = getattr(load_emitted("python", name), name)
    for offset in (-1, 0, 1, 7):
        with jax.default_device(jax.devices(device)[0]):
            found = after_every_end(lambda n: function_of(name)(**fixed, total_steps=n), offset)
        expected = np.array(
            [python(max(int(n) + offset, 0), **fixed, total_steps=int(n)) for n in LENGTHS]
        )

        assert bool(np.isfinite(found).all())
        assert expected.astype(np.float32).tolist() == found.tolist(), f"{offset} after the end"


def test_the_sweep_of_lengths_sees_a_power_of_less_than_nothing() -> None:
    def textbook(lengths: jax.Array) -> Any:
        return lambda step: 0.1 * (1 - step / lengths.astype(jnp.float32)) ** 0.9

    found = after_every_end(textbook, 0)

    assert not np.isfinite(found).all()


# -- all cases of a schedule in one program --------------------------------------------------------


def alike(name: str) -> Iterator[tuple[Mapping[str, Any], list[Case]]]:
    """Cases, of the vectors and drawn, with the same words, flags and lengths: no arrays, those."""
    fixed_names = [*parameters_of_type(name, "flag", "choice"), *conformance.tables_of(name)]
    lists = parameters_of_type(name, "steps[]", "count[]", "rate[]", "real[]")
    groups: dict[tuple[Any, ...], list[Case]] = {}
    for case in (*cases(name), *drawn(name, DRAWS)):
        shape = [len(case.parameters[key]) for key in lists]
        key = (*(case.parameters[key] for key in fixed_names), *shape)
        groups.setdefault(key, []).append(case)
    for found in groups.values():
        yield {key: found[0].parameters[key] for key in fixed_names}, found


@on_each_device
@each
def test_batched_parameters_give_the_same_bits_and_finite_gradients(name: str, device: str) -> None:
    """``jit`` of ``vmap`` over cases of ``vmap`` over steps of ``value_and_grad``."""
    function = function_of(name)
    lengths = arrays_of_type(name, "steps", "count")
    rates = arrays_of_type(name, "rate", "real")
    for fixed, group in alike(name):
        size = max(len(case.steps) for case in group)
        steps = np.stack([np.pad(c.steps, (0, size - len(c.steps)), mode="edge") for c in group])
        whole = {key: np.array([c.parameters[key] for c in group], np.int64) for key in lengths}
        real = {key: np.array([c.parameters[key] for c in group], np.float64) for key in rates}

        def rate(values: Any, counts: Any, step: Any, fixed: Any = fixed) -> Any:
            return function(**fixed, **counts, **values)(step)

        over_steps = jax.vmap(jax.value_and_grad(rate), in_axes=(None, None, 0))
        here = jax.default_device(jax.devices(device)[0])
        with here, jax.enable_x64(True):  # so that counts beyond 2**31 reach the schedule
            found, gradients = jax.jit(jax.vmap(over_steps))(real, whole, steps)

        for case, row in zip(group, np.asarray(found), strict=True):
            check_flushed(case, row[: len(case.steps)])
        for key, gradient in gradients.items():
            finite = np.isfinite(np.asarray(gradient))
            assert bool(finite.all()), f"{name}: d/d {key} at steps {steps[~finite]}"


@each
def test_float32_arrays_of_parameters_count_for_their_exact_values(name: str) -> None:
    function = function_of(name)
    reals = arrays_of_type(name, "rate", "real")
    python = conformance.python_runner(load_emitted("python", name), name)
    case = cases(name)[-1].until(conformance.FARTHEST_INT32)
    fixed = {key: value for key, value in case.parameters.items() if key not in reals}
    rounded = {key: np.asarray(case.parameters[key], np.float32) for key in reals}
    exactly = {key: value.tolist() for key, value in rounded.items()}
    expected = python({**fixed, **exactly}, case.steps).astype(np.float32)
    bits = expected.view(np.uint32)

    found = jax.jit(lambda values, step: function(**fixed, **values)(step))(
        {key: jnp.asarray(value) for key, value in rounded.items()},
        jnp.asarray(case.steps, jnp.int32),
    )

    check_flushed(Case(name, "rounded", {}, case.steps, case.exact, bits), found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("jnp.where(step < warmup_steps", "jnp.where(step < warmup_steps - 1"),
        ("jnp.sin(", "jnp.cos("),
        ("jnp.asarray(step, jnp.int64)", "jnp.asarray(step, jnp.float32)"),
        ("with jax.enable_x64(True):", "with jax.enable_x64(False):"),
    ],
    ids=["a broken boundary", "a wrong operator", "a narrow step", "no binary64"],
)
@pytest.mark.filterwarnings("ignore")
def test_a_broken_module_is_noticed(before: str, after: str) -> None:
    module = load_broken("jax", "cosine_warmup", before, after)
    runner = conformance.jax_runner(module, "cosine_warmup")

    with pytest.raises(AssertionError):
        for case in cases("cosine_warmup"):
            check_flushed(case, runner(case.parameters, case.steps))


# -- the applied rates -----------------------------------------------------------------------------


PROBED: dict[str, dict[str, Any]] = {
    "cosine_warmup": SHORT,
    "cyclic": {"up_steps": 3, "down_steps": 5, "mode": "triangular2"},
    "step_decay": {"decay_steps": 7},
    "polynomial": {"total_steps": 11, "power": 0.9},
    "one_cycle": {"warmup_steps": 6, "total_steps": 20},
}
UPDATES = 40


def applied(schedule: Any, injected: bool = False) -> list[float]:
    """With a gradient of 1, weights of 0 become minus the rate of the update."""
    sgd = optax.inject_hyperparams(optax.sgd) if injected else optax.sgd
    optimizer = sgd(learning_rate=schedule)

    def update(state: Any, _: None) -> Any:
        weights = jnp.zeros(3)
        gradients = jax.grad(jnp.sum)(weights)
        changes, state = optimizer.update(gradients, state, weights)
        return state, optax.apply_updates(weights, changes)

    _, weights = jax.lax.scan(update, optimizer.init(jnp.zeros(3)), length=UPDATES)
    return [-float(weight) for weight in weights[:, 0]]


def rounded_rates(name: str) -> list[float]:
    python = getattr(load_emitted("python", name), name)
    return [np.float32(python(step, **PROBED[name])).item() for step in range(UPDATES)]


@pytest.mark.parametrize("injected", [False, True], ids=["plain", "injected"])
@pytest.mark.parametrize("name", PROBED)
def test_sgd_in_a_scan_applies_the_rate_of_each_update(name: str, injected: bool) -> None:
    schedule = function_of(name)(**PROBED[name])

    assert rounded_rates(name) == applied(schedule, injected)


@pytest.mark.parametrize("name", PROBED)
def test_the_probe_sees_a_schedule_that_is_one_update_early(name: str) -> None:
    schedule = function_of(name)(**PROBED[name])

    assert rounded_rates(name) != applied(lambda count: schedule(count + 1))


def test_a_flax_train_state_read_back_goes_on_bitwise() -> None:
    serialization = pytest.importorskip("flax.serialization")
    train_state = pytest.importorskip("flax.training.train_state")
    schedule = function_of("cosine_warmup")(**SHORT)

    def begin() -> Any:
        return train_state.TrainState.create(
            apply_fn=lambda weights: jnp.sum((weights["w"] - 1.0) ** 2),
            params={"w": jnp.zeros(4)},
            tx=optax.adamw(learning_rate=schedule),
        )

    @jax.jit
    def update(state: Any) -> Any:
        return state.apply_gradients(grads=jax.grad(state.apply_fn)(state.params))

    whole = begin()
    for _ in range(12):
        whole = update(whole)
    for stop in (1, 3, 9):
        state = begin()
        for _ in range(stop):
            state = update(state)
        state = serialization.from_bytes(begin(), serialization.to_bytes(state))
        for _ in range(12 - stop):
            state = update(state)

        assert serialization.to_bytes(whole) == serialization.to_bytes(state), f"after {stop}"


def test_the_gradient_of_a_list_is_taken_through_jit_and_scan_from_outside() -> None:
    """There ``enable_x64`` no longer holds; plain indexing raises a TypeError."""
    module = load_emitted("jax", "piecewise_constant")

    def total(values: jax.Array) -> jax.Array:
        schedule = module.piecewise_constant(boundaries=[2, 5], values=values)
        return jax.lax.scan(lambda sum_, step: (sum_ + schedule(step), None), 0.0, jnp.arange(9))[0]

    assert jax.grad(jax.jit(total))(jnp.array([0.3, 0.2, 0.1])).tolist() == [2.0, 3.0, 4.0]
