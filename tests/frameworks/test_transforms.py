"""What people do with a schedule in JAX and PyTorch: transform, compile, train, restart."""

import pickle
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import conformance
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
import torch._dynamo.testing
from conformance import NAMES, arrays_of_type, cases, check_flushed, padded
from emitted import load_broken, load_emitted

LENGTHS = 2_000
COMPILED = ["cosine_warmup", "step_decay", "exponential_decay", "one_cycle", "warmup_stable_decay"]
each = pytest.mark.parametrize("name", NAMES)


def schedule_of(name: str, **parameters: Any) -> Any:
    return getattr(load_emitted("jax", name), name)(**parameters)


def int64(steps: Any) -> jax.Array:
    with jax.enable_x64(True):
        return jnp.asarray(steps, jnp.int64)


# -- JAX -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPILED)
def test_eager_jit_vmap_and_scan_agree(name: str) -> None:
    schedule = schedule_of(name)
    case = cases(name)[0].until(2**31 - 1)
    steps = jnp.asarray(case.steps, jnp.int32)

    scanned = jax.lax.scan(lambda carry, step: (carry, schedule(step)), 0, steps)[1]
    for rates in (schedule(steps), jax.jit(schedule)(steps), jax.vmap(schedule)(steps), scanned):
        check_flushed(case, rates)


def endless_gradients(module: ModuleType, name: str, transform: Any) -> list[str]:
    """The parameters for which a gradient, after ``transform``, is not finite somewhere."""
    numbers = arrays_of_type(name, "rate", "real")
    found = []
    for case in cases(name):
        fixed = {k: v for k, v in case.parameters.items() if k not in numbers}

        def rates(values: dict[str, Any], fixed: Any = fixed, case: Any = case) -> Any:
            return getattr(module, name)(**fixed, **values)(int64(padded(case.steps)))

        values = {key: jnp.asarray(case.parameters[key], jnp.float32) for key in numbers}
        gradients = transform(jax.jacfwd(rates))(values)
        found += [
            f"{name} {case.name}: d/d {key}"
            for key, gradient in gradients.items()
            if not bool(jnp.isfinite(gradient).all())
        ]
    return found


@each
def test_gradients_of_every_real_parameter_are_finite(name: str) -> None:
    assert [] == endless_gradients(load_emitted("jax", name), name, jax.jit)


@pytest.mark.parametrize(
    "name",
    # Operator by operator JAX compiles each of them, which takes long.
    [name if name in COMPILED else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_gradients_that_are_not_compiled_are_finite(name: str) -> None:
    assert [] == endless_gradients(load_emitted("jax", name), name, lambda function: function)


@pytest.mark.parametrize("transform", [jax.jit, lambda function: function], ids=["jit", "eager"])
def test_a_gradient_that_is_not_finite_is_noticed(transform: Any) -> None:
    # The rate is right, but the slope of a root at 0 is infinite.
    broken = load_broken("jax", "polynomial", "decay, end_lr)", "decay, jnp.sqrt(end_lr) ** 2)")

    assert [] != endless_gradients(broken, "polynomial", transform)


@each
def test_traced_float32_parameters_give_the_rates_of_their_exact_values(name: str) -> None:
    function = getattr(load_emitted("jax", name), name)
    numbers = arrays_of_type(name, "rate", "real")
    case = cases(name)[0].until(2**31 - 1)
    steps = jnp.asarray(padded(case.steps), jnp.int32)
    exactly = {key: np.asarray(case.parameters[key], np.float32).tolist() for key in numbers}
    fixed = {k: v for k, v in case.parameters.items() if k not in numbers}

    traced = jax.jit(lambda values: function(**fixed, **values)(steps))(
        {key: jnp.asarray(value, jnp.float32) for key, value in exactly.items()}
    )

    assert np.asarray(function(**fixed, **exactly)(steps)).tolist() == np.asarray(traced).tolist()


def test_a_sweep_over_parameters_is_one_call() -> None:
    function = load_emitted("jax", "cosine_warmup").cosine_warmup
    peaks = jnp.array([1e-3, 3e-4, 0.1], jnp.float32)
    totals = jnp.array([100, 1_000, 100_000])

    swept = jax.vmap(lambda p, t: function(peak_lr=p, warmup_steps=10, total_steps=t)(55))(
        peaks, totals
    )

    assert [
        function(peak_lr=float(p), warmup_steps=10, total_steps=int(t))(55).item()
        for p, t in zip(peaks, totals)
    ] == swept.tolist()


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("polynomial", {"power": 0.9}),
        ("cosine", {}),
        ("rex", {}),
        ("one_minus_sqrt", {}),
        ("k_decay_cosine", {"k": 1.5}),
    ],
)
def test_no_length_gives_nan_at_or_after_the_end(name: str, fixed: dict[str, Any]) -> None:
    function = getattr(load_emitted("jax", name), name)

    def around_the_end(total: jax.Array) -> jax.Array:
        steps = total + jnp.arange(-2, 4)
        return function(total_steps=total, **fixed)(jnp.maximum(steps, 0))

    rates = jax.jit(jax.vmap(around_the_end))(jnp.arange(1, LENGTHS + 1))

    assert (LENGTHS, 6) == rates.shape
    assert bool(jnp.isfinite(rates).all())


def finite_when_compiled(schedule: Any, total: int) -> bool:
    steps = jnp.arange(max(total - 2, 0), total + 3)
    return bool(jnp.isfinite(jax.jit(schedule)(steps)).all())


def lengths_with_nan(lengths: range) -> list[int]:
    """Only a constant length lets XLA turn `/ T` into `* (1 / T)`, which is what breaks optax."""
    function = load_emitted("jax", "polynomial").polynomial
    return [
        total
        for total in lengths
        if not finite_when_compiled(
            function(base_lr=0.1, total_steps=total, end_lr=0.0, power=0.9), total
        )
    ]


def test_lengths_compiled_as_constants_give_no_nan() -> None:
    assert [] == lengths_with_nan(range(1, LENGTHS + 1, 40))


@pytest.mark.slow
def test_no_length_compiled_as_a_constant_gives_nan() -> None:
    assert [] == lengths_with_nan(range(1, LENGTHS + 1))


def test_the_sweep_finds_what_optax_does() -> None:
    broken = [
        total
        for total in range(1, LENGTHS + 1, 40)
        if not finite_when_compiled(optax.polynomial_schedule(0.1, 0.0, 0.9, total), total)
    ]

    assert [] != broken


def sgd_weights(optimizer: Any, updates: int) -> Iterator[float]:
    """The weight after each update from 0 with a gradient of 1: minus the rate applied."""
    weight = jnp.zeros((), jnp.float32)
    state = optimizer.init(weight)
    for _ in range(updates):
        change, state = optimizer.update(jnp.ones((), jnp.float32), state, weight)
        yield float(change)


def test_optax_applies_the_schedule() -> None:
    schedule = schedule_of("cosine_warmup", peak_lr=0.1, warmup_steps=3, total_steps=9)
    expected = [-schedule(step).item() for step in range(12)]

    assert expected == list(sgd_weights(optax.sgd(learning_rate=schedule), 12))
    injected = optax.inject_hyperparams(optax.sgd)(learning_rate=schedule)
    assert expected == list(sgd_weights(injected, 12))


def test_a_restored_train_state_goes_on_bitwise() -> None:
    schedule = schedule_of("cosine_warmup", peak_lr=0.1, warmup_steps=3, total_steps=9)
    optimizer = optax.adamw(learning_rate=schedule)

    @jax.jit
    def train(weights: Any, state: Any) -> Any:
        gradients = jax.grad(lambda w: jnp.sum((w - 1.0) ** 2))(weights)
        changes, state = optimizer.update(gradients, state, weights)
        return optax.apply_updates(weights, changes), state

    weights = jnp.zeros(4)
    state = optimizer.init(weights)
    for update in range(12):
        if update == 5:
            weights_then, state_then = pickle.loads(pickle.dumps((weights, state)))
        weights, state = train(weights, state)
    for _ in range(7):
        weights_then, state_then = train(weights_then, state_then)

    assert weights.tolist() == weights_then.tolist()


# -- PyTorch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPILED)
def test_torch_compiles_whole_and_once(name: str) -> None:
    function = getattr(load_emitted("torch", name), name)
    case = cases(name)[0]
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounter()
    compiled = torch.compile(function, fullgraph=True, backend=counter)

    rates = [compiled(torch.tensor(int(step)), **case.parameters).item() for step in case.steps]

    conformance.check_bits(case, np.array(rates, np.float32))
    assert 1 == counter.frame_count


def test_torch_inductor_gives_the_same_bits() -> None:
    function = load_emitted("torch", "cosine_warmup").cosine_warmup
    case = cases("cosine_warmup")[0]
    compiled = torch.compile(function, fullgraph=True)

    conformance.check_bits(case, compiled(torch.from_numpy(case.steps), **case.parameters).numpy())


def test_torch_vmap_agrees() -> None:
    function = load_emitted("torch", "cosine_warmup").cosine_warmup
    case = cases("cosine_warmup")[0]
    swept = torch.vmap(lambda step: function(step, **case.parameters))(torch.from_numpy(case.steps))

    conformance.check_bits(case, swept.numpy())
