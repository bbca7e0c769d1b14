"""One compiled program for all steps and plans in JAX, whatever the length of a list."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from emitted import load_broken, load_emitted

STEPS = (0, 1, 7, 1_000_000)
PLANS: dict[str, Sequence[dict[str, Any]]] = {
    "cosine_warmup": [
        {"peak_lr": 0.5, "warmup_steps": 3, "total_steps": 9, "end_lr": 0.125},
        {"peak_lr": 0.25, "warmup_steps": 0, "total_steps": 1, "end_lr": 0.0},
        {"peak_lr": 2.0, "warmup_steps": 100, "total_steps": 3_000_000, "end_lr": 0.5},
    ],
    "piecewise_constant": [
        {"boundaries": [1, 7], "values": [0.5, 0.25, 0.125]},
        {"boundaries": [2, 999_999], "values": [1.0, 0.75, 0.0]},
    ],
    "stages": [
        {"ends": [2, 7], "shapes": [1, 2], "start_rates": [0.0, 0.5], "end_rates": [0.5, 0.25]},
        {"ends": [1, 8], "shapes": [0, 3], "start_rates": [1.0, 0.5], "end_rates": [0.5, 0.125]},
    ],
}
"""Numbers that float32 holds, as arrays of it count for what they are."""
each = pytest.mark.parametrize("name", PLANS)


def function_of(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(load_emitted("jax", name), name)
    return function


def expected(name: str, plan: dict[str, Any]) -> list[float]:
    python = getattr(load_emitted("python", name), name)
    return [float(np.float32(python(step, **plan))) for step in STEPS]


def counted(function: Callable[..., Any], **options: Any) -> tuple[Any, list[int]]:
    """``function`` under ``jit``, and a list that grows by one whenever it is traced."""
    traces: list[int] = []

    def traced(*arguments: Any) -> Any:
        traces.append(1)
        return function(*arguments)

    return jax.jit(traced, **options), traces


# -- traced once -----------------------------------------------------------------------------------


@each
def test_a_new_step_is_no_new_trace(name: str) -> None:
    rate, traces = counted(function_of(name)(**PLANS[name][0]))

    assert expected(name, PLANS[name][0]) == [float(rate(step)) for step in STEPS]
    assert 1 == len(traces)


def test_a_step_that_is_a_constant_is_traced_each_time() -> None:
    rate, traces = counted(function_of("cosine_warmup")(), static_argnums=0)
    for step in STEPS:
        rate(step)

    assert len(STEPS) == len(traces)


@each
def test_one_program_serves_all_plans(name: str) -> None:
    rate, traces = counted(lambda plan, step: function_of(name)(**plan)(step))

    for plan in PLANS[name]:
        arrays = {key: jnp.asarray(value) for key, value in plan.items()}
        assert expected(name, plan) == [float(rate(arrays, step)) for step in STEPS]
    assert 1 == len(traces)


def test_plans_that_are_constants_are_traced_each_time() -> None:
    plans = PLANS["cosine_warmup"]

    def of_a_constant(number: int, step: Any) -> Any:
        return function_of("cosine_warmup")(**plans[number])(step)

    rate, traces = counted(of_a_constant, static_argnums=0)
    for number in range(len(plans)):
        rate(number, 5)

    assert len(plans) == len(traces)


# -- short lists and long ones ---------------------------------------------------------------------


def constants(count: int) -> dict[str, Any]:
    """Parameters of ``piecewise_constant``: each third step is a boundary, and all rates differ."""
    return {
        "boundaries": [3 * number for number in range(1, count + 1)],
        "values": [1.0 / number for number in range(1, count + 2)],
    }


def wrong_rates(module: Any, count: int) -> int:
    """How many steps, to beyond the last boundary, have another rate than in plain Python."""
    python = load_emitted("python", "piecewise_constant").piecewise_constant
    steps = range(3 * count + 5)
    rates = [np.float32(python(step, **constants(count))) for step in steps]
    found = module.piecewise_constant(**constants(count))(jnp.arange(len(steps)))
    return int(np.sum(np.array(rates) != np.asarray(found)))


@pytest.mark.parametrize("count", [0, 32, 33])
def test_short_lists_and_long_ones_change_at_their_boundaries(count: int) -> None:
    assert 0 == wrong_rates(load_emitted("jax", "piecewise_constant"), count)


@pytest.mark.parametrize("count", [32, 33])
def test_a_boundary_that_comes_one_step_late_is_noticed(count: int) -> None:
    late = load_broken("jax", "piecewise_constant", 'side="right"', 'side="left"')

    assert count == wrong_rates(late, count)


def operations(schedule: Callable[..., Any]) -> int:
    """Lines of optimized HLO."""
    lowered = jax.jit(schedule).lower(jax.ShapeDtypeStruct((), jnp.int32))
    return lowered.compile().as_text().count(" = ")


def constants_of(count: int) -> Callable[..., Any]:
    return function_of("piecewise_constant")(**constants(count))


def cycles_of(count: int) -> Callable[..., Any]:
    """Cycles whose table has about ``count`` rows: they are counted up to 2**63."""
    growth = {40: 3.0, 400: 1.1}[count]
    return function_of("cosine_warm_restarts")(first_steps=10, growth=growth)


def stages_of(count: int) -> Callable[..., Any]:
    ends = [10 * number for number in range(1, count + 1)]
    rates = [0.5] * count
    return function_of("stages")(
        ends=ends, shapes=[1] * count, start_rates=rates, end_rates=[0.25] * count
    )


@pytest.mark.parametrize(
    ("made", "few", "many"),
    [(constants_of, 5, 30), (constants_of, 40, 400), (stages_of, 40, 400), (cycles_of, 40, 400)],
)
def test_a_longer_list_is_no_larger_program(
    made: Callable[[int], Callable[..., Any]], few: int, many: int
) -> None:
    assert operations(made(few)) == operations(made(many))


def test_a_program_of_one_operation_for_each_entry_is_seen_to_grow() -> None:
    few, many = (
        optax.piecewise_constant_schedule(0.1, dict.fromkeys(range(count), 0.5))
        for count in (5, 30)
    )

    assert operations(few) < operations(many)


# -- gradients from outside of 64 bits -------------------------------------------------------------


def total_of(module: Any) -> Callable[[jax.Array], jax.Array]:
    """The sum of nine rates, two, three and four of each value, computed again on the way back."""

    def total(values: jax.Array) -> jax.Array:
        schedule = module.piecewise_constant(boundaries=[2, 5], values=values)

        @jax.checkpoint
        def add(sum_: jax.Array, step: jax.Array) -> tuple[jax.Array, None]:
            return sum_ + schedule(step), None

        return jax.lax.scan(add, jnp.zeros(()), jnp.arange(9))[0]

    return total


VALUES = jnp.array([0.5, 0.25, 0.125])


def test_the_gradient_of_a_list_is_taken_through_checkpoint_and_scan() -> None:
    total = total_of(load_emitted("jax", "piecewise_constant"))

    assert [2.0, 3.0, 4.0] == jax.grad(jax.jit(total))(VALUES).tolist()
    hessian = jax.hessian(lambda values: total(values) ** 2)(VALUES)
    assert [[8.0, 12.0, 16.0], [12.0, 18.0, 24.0], [16.0, 24.0, 32.0]] == hessian.tolist()


@pytest.mark.filterwarnings("ignore")
def test_plain_indexing_has_no_gradient_there() -> None:
    entry = "_entry(values, _reached(boundaries, step))"
    plain = load_broken("jax", "piecewise_constant", entry, "values[_reached(boundaries, step)]")

    with pytest.raises(TypeError):
        jax.grad(jax.jit(total_of(plain)))(VALUES)
