"""Schedules that remember, in JAX: every row of every trace, eager, compiled and scanned."""

import functools
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conformance import OBSERVERS, class_name
from emitted import load_broken, load_emitted
from numpy.typing import NDArray
from traces import TraceCase, check_trace_float32, some_cases, trace_cases, uses_step

each = pytest.mark.parametrize("name", OBSERVERS)
load = functools.cache(load_emitted)
RULE = {"base_lr": 0.1, "factor": 0.5, "patience": 1}
METRICS = [1.0, 0.5, 0.5, 0.75, math.nan, math.inf, 0.25, 0.25, 0.25, -1.0, -1.0, -1.0, -1.0]

# A float32 that lies between a threshold that is rounded twice and one that is rounded once, as
# fused: the last number says whether it is an improvement on the one before it.
NEAR = [
    ({"rtol": 0.1, "atol": 0.6}, [1.5, 0.75], True),
    ({"rtol": 0.1, "atol": 1.4}, [3.5, 1.75], False),
    ({"rtol": 0.1, "atol": 1.7}, [3.0, 1.0], True),
    ({"rtol": 0.1, "atol": 0.1}, [6.5, 5.75], True),
]


@pytest.fixture(autouse=True)
def nothing_global_changes() -> Iterator[None]:
    assert not jax.config.jax_enable_x64
    yield
    assert not jax.config.jax_enable_x64


def by_parameters(name: str) -> list[tuple[Mapping[str, Any], list[TraceCase]]]:
    """Cases that share their parameters, so that one program serves them."""

    def text(case: TraceCase) -> str:
        return json.dumps(case.parameters)

    groups = itertools.groupby(sorted(trace_cases(name), key=text), key=text)
    return [(json.loads(key), list(cases)) for key, cases in groups]


def stepwise(
    functions: Any, case: TraceCase, transform: Callable[[Any], Any] = lambda f: f
) -> NDArray[np.float32]:
    """The rates of one trace, observation by observation."""
    update, rate = transform(functions.update), transform(functions.rate)
    state, found = functions.init(), []
    for metric, step in zip(case.metrics, case.steps, strict=True):
        if metric is not None:
            state = update(state, metric)
        found.append(rate(state, step) if uses_step(case.schedule) else rate(state))
        assert [a.dtype for a in functions.init()] == [a.dtype for a in state]
    return np.array(found)


def scanned(functions: Any, cases: list[TraceCase]) -> NDArray[np.float32]:
    """The rates of many traces at once, each in one ``scan``; the first row has no observation."""
    longest = max(len(case.metrics) for case in cases)
    metrics = np.zeros((len(cases), longest - 1), np.float32)
    steps = np.zeros((len(cases), longest), np.int64)
    for row, case in enumerate(cases):
        assert case.metrics[0] is None
        metrics[row, : len(case.metrics) - 1] = case.metrics[1:]
        steps[row, : len(case.steps)] = case.steps

    def rate(state: Any, step: Any) -> Any:
        return (
            functions.rate(state, step) if uses_step(cases[0].schedule) else functions.rate(state)
        )

    def observe(state: Any, row: Any) -> Any:
        metric, step = row
        state = functions.update(state, metric)
        return state, rate(state, step)

    def trace(metrics: Any, steps: Any) -> Any:
        state = functions.init()
        first = rate(state, steps[0])
        _, rates = jax.lax.scan(observe, state, (metrics, steps[1:]))
        return jnp.concatenate([first[None], rates])

    compiled = jax.jit(jax.vmap(trace))
    if steps.max() < 2**31:
        return np.asarray(compiled(metrics, steps.astype(np.int32)))
    with jax.enable_x64(True):  # so that steps beyond 2**31 reach the schedule
        return np.asarray(compiled(metrics, steps))


def check_scanned(module: ModuleType, name: str) -> int:
    count = 0
    for parameters, cases in by_parameters(name):
        rates = scanned(getattr(module, name)(**parameters), cases)
        for case, found in zip(cases, rates, strict=True):
            count += check_trace_float32(case, found[: len(case.metrics)])
    return count


@each
def test_every_rate_of_a_scan_over_many_traces_is_right(name: str) -> None:
    assert check_scanned(load("jax", name), name) > 300


@each
def test_every_rate_is_right_when_each_function_is_compiled(name: str) -> None:
    count = 0
    for parameters, cases in by_parameters(name):
        functions = getattr(load("jax", name), name)(**parameters)
        compiled = functions._replace(
            update=jax.jit(functions.update), rate=jax.jit(functions.rate)
        )
        count += sum(check_trace_float32(case, stepwise(compiled, case)) for case in cases)
    assert count > 300


def check_eager(name: str, cases: Iterable[TraceCase]) -> int:
    make = getattr(load("jax", name), name)
    return sum(check_trace_float32(case, stepwise(make(**case.parameters), case)) for case in cases)


@each
def test_every_trace_is_right_without_a_compiler(name: str) -> None:
    assert check_eager(name, some_cases(name)) > 100


@pytest.mark.slow
@each
def test_every_rate_is_right_without_a_compiler(name: str) -> None:
    assert check_eager(name, trace_cases(name)) > 300


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("plateau", "misses > patience", "misses >= patience"),
        ("plateau", "jnp.where(improved, metric, best)", "metric"),
        ("plateau_optax", "misses == patience", "misses >= patience"),
        ("newbob", "small & (left == 0)", "small & (left <= 1)"),
        ("cosine_plateau", "jnp.where(step < warmup_steps", "jnp.where(step <= warmup_steps"),
    ],
)
def test_a_broken_module_is_noticed(name: str, before: str, after: str) -> None:
    module = load_broken("jax", name, before, after)

    with pytest.raises(AssertionError):
        check_scanned(module, name)


# --- what is near a threshold ---------------------------------------------------------------------


def improvements(module: ModuleType, values: Any, metrics: list[float]) -> list[bool]:
    """Whether the last metric improves: eager, compiled, and in a batch."""
    functions = module.plateau_optax(**values)

    def last(metrics: Any) -> Any:
        state = functions.init()
        for metric in metrics:
            state = functions.update(state, metric)
        return state.best == metrics[-1]

    batch = jnp.array([metrics] * 7, jnp.float32)
    ways = [last(batch[0]), jax.jit(last)(batch[0]), *jax.jit(jax.vmap(last))(batch)]
    return [bool(way) for way in ways]


@pytest.mark.parametrize(("values", "metrics", "improves"), NEAR)
def test_a_threshold_is_the_binary64_number_of_plain_python(
    values: Any, metrics: list[float], improves: bool
) -> None:
    automaton = load("python", "plateau_optax").PlateauOptax(**values)
    for metric in metrics:
        automaton.observe(metric)

    assert improves is (metrics[-1] == automaton.best)
    assert {improves} == set(improvements(load("jax", "plateau_optax"), values, metrics))


def test_without_its_guard_a_compiler_decides_otherwise() -> None:
    module = load_broken("jax", "plateau_optax", "_rounded((1 - rtol) * best)", "(1 - rtol) * best")

    found = [set(improvements(module, values, metrics)) for values, metrics, _ in NEAR]

    assert [{improves} for *_, improves in NEAR] != found


# --- as pure functions ----------------------------------------------------------------------------


def expected(metrics: list[float], **rule: Any) -> list[np.float32]:
    automaton = load("python", "plateau").Plateau(**(RULE | rule))
    return [np.float32(automaton.observe(metric)) for metric in metrics]


def test_a_state_is_a_tuple_of_small_arrays_of_fixed_types() -> None:
    functions = load("jax", "plateau").plateau(**RULE)

    state = functions.update(functions.init(), 0.5)

    assert ("best", "bad", "cooldown_left", "reductions") == state._fields
    assert [jnp.float32, jnp.int32, jnp.int32, jnp.int32] == [a.dtype for a in state]
    assert [()] * 4 == [a.shape for a in state]
    assert jnp.float32 == functions.rate(state).dtype


@pytest.mark.parametrize("metric", [1, 0.5, np.float64(0.5), np.float32(0.5), jnp.bfloat16(0.5)])
def test_a_metric_is_any_number(metric: Any) -> None:
    functions = load("jax", "plateau").plateau(**RULE)

    assert np.float32(metric) == functions.update(functions.init(), metric).best


def test_a_state_goes_through_plain_numbers_and_on_to_the_bit() -> None:
    module = load("jax", "plateau")
    functions = module.plateau(**RULE)
    update = jax.jit(functions.update)
    for stop in range(len(METRICS)):
        state, found = functions.init(), []
        for number, metric in enumerate(METRICS):
            if number == stop:
                state = module.State(*json.loads(json.dumps([array.item() for array in state])))
            state = update(state, metric)
            found.append(functions.rate(state).item())
        assert [rate.item() for rate in expected(METRICS)] == found


def test_types_and_rates_are_the_same_where_64_bits_are_on() -> None:
    functions = load("jax", "plateau").plateau(**RULE)
    with jax.enable_x64(True):
        state, found = functions.init(), []
        for metric in METRICS:
            state = jax.jit(functions.update)(state, jnp.asarray(metric, jnp.float64))
            found.append(functions.rate(state))

    assert [jnp.float32, jnp.int32, jnp.int32, jnp.int32] == [a.dtype for a in state]
    assert expected(METRICS) == found


def test_a_while_loop_and_a_condition_carry_the_state() -> None:
    functions = load("jax", "plateau").plateau(**RULE)

    def until_cut(carry: Any) -> Any:
        state, count = carry
        state = jax.lax.cond(count < 90, lambda s: functions.update(s, -1.0), lambda s: s, state)
        return state, count + 1

    def uncut(carry: Any) -> Any:
        return functions.rate(carry[0]) == jnp.float32(0.1)

    _, count = jax.lax.while_loop(uncut, until_cut, (functions.init(), 0))

    assert 3 == count


def test_parameters_may_be_batched() -> None:
    factors = np.array([0.5, 0.3, 0.9])

    def last(factor: Any) -> Any:
        functions = load("jax", "plateau").plateau(**(RULE | {"factor": factor}))
        state = functions.init()
        for metric in METRICS:
            state = functions.update(state, metric)
        return functions.rate(state)

    with jax.enable_x64(True):  # else the factors are rounded to float32 before they are taken in
        rates = jax.vmap(last)(factors)

    assert [expected(METRICS, factor=float(factor))[-1] for factor in factors] == rates.tolist()


def test_a_wrong_parameter_is_named() -> None:
    with pytest.raises(ValueError, match=r"^patience must be an integer >= 0, got -1$"):
        load("jax", "plateau").plateau(patience=-1)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_rate_has_the_type_that_is_asked_for(dtype: Any) -> None:
    functions = load("jax", "plateau").plateau(**RULE, dtype=dtype)

    assert dtype == jax.jit(functions.rate)(functions.init()).dtype


# --- with optax -----------------------------------------------------------------------------------


def scale_by_plateau(functions: Any) -> optax.GradientTransformationExtraArgs:
    """The rate as a link of an optax chain, which is handed the metric as ``value``."""

    def update(updates: Any, state: Any, params: Any = None, *, value: Any, **others: Any) -> Any:
        rate = functions.rate(state)
        scaled = jax.tree.map(lambda leaf: -rate * leaf, updates)
        return scaled, functions.update(state, value)

    return optax.GradientTransformationExtraArgs(lambda params: functions.init(), update)


def test_it_drives_an_optax_chain() -> None:
    optimizer = optax.chain(
        optax.clip(10.0), scale_by_plateau(load("jax", "plateau").plateau(**RULE))
    )
    params = jnp.zeros(3)

    @jax.jit
    def applied(state: Any, metric: Any) -> Any:
        updates, state = optimizer.update(jnp.ones(3), state, params, value=metric)
        return optax.apply_updates(params, updates), state

    state, rates = optimizer.init(params), []
    for metric in METRICS:
        weights, state = applied(state, metric)
        rates.append(-weights[0].item())

    assert [np.float32(0.1), *expected(METRICS)[:-1]] == rates


def test_it_drives_an_injected_learning_rate() -> None:
    functions = load("jax", "plateau").plateau(**RULE)
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=1.0)
    params = jnp.zeros(3)

    @jax.jit
    def applied(state: Any, memory: Any, metric: Any) -> Any:
        state.hyperparams["learning_rate"] = functions.rate(memory)
        updates, state = optimizer.update(jnp.ones(3), state, params)
        return optax.apply_updates(params, updates), state, functions.update(memory, metric)

    state, memory, rates = optimizer.init(params), functions.init(), []
    for metric in METRICS:
        weights, state, memory = applied(state, memory, metric)
        rates.append(-weights[0].item())

    assert [np.float32(0.1), *expected(METRICS)[:-1]] == rates


def test_two_clocks_in_one_scan() -> None:
    values = {"peak_lr": 0.1, "warmup_steps": 3, "total_steps": 30, "factor": 0.5, "patience": 0}
    functions = load("jax", "cosine_plateau").cosine_plateau(**values)
    plain = load("python", "cosine_plateau").CosinePlateau(**values)

    def update(state: Any, step: Any) -> Any:
        evaluated = functions.update(state, 1.0)  # at every fifth update
        state = jax.tree.map(lambda a, b: jnp.where(step % 5 == 4, a, b), evaluated, state)
        return state, functions.rate(state, step)

    _, rates = jax.lax.scan(update, functions.init(), jnp.arange(33))

    expected_rates = [
        np.float32(plain.observe(1.0, step) if step % 5 == 4 else plain.rate(step))
        for step in range(33)
    ]
    assert expected_rates == rates.tolist()
    assert class_name("cosine_plateau") == type(functions).__name__
