"""The ways of JAX: each takes the cases of one schedule and yields what it found."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .cases import Case, Curve, Found, Steps, Trace

PLATFORMS = {"cpu": "cpu", "cuda": "gpu"}


def plain(module: ModuleType, cases: Sequence[Case], device: str) -> Iterator[Found]:
    """The schedule, operation by operation."""
    for case in cases:
        make = getattr(module, case.schedule)
        match case:
            case Curve():
                steps = int64(case.steps)
                exactly = make(**case.parameters, dtype=jnp.float64)(
                    steps
                )  # one shape: fewer programs
                yield case, found(make(**case.parameters)(steps), device), found(exactly, device)
            case Trace():
                rates = stepwise(make(**case.parameters), case)
                yield case, np.stack([found(rate, device) for rate in rates]), None


def jit(module: ModuleType, cases: Sequence[Case], device: str) -> Iterator[Found]:
    """The schedule compiled with its parameters as constants; a trace is one ``scan``."""
    for case in cases:
        if isinstance(case, Curve):
            schedule = jax.jit(getattr(module, case.schedule)(**case.parameters))
            yield case, found(schedule(int64(case.steps)), device), None
    for group in alike(traces(cases), set()):
        yield from scanned(module, group, {}, device)


def vmap(module: ModuleType, cases: Sequence[Case], device: str) -> Iterator[Found]:
    """Cases that differ in numbers alone as one batch of traced parameters, in one program."""
    make = getattr(module, cases[0].schedule)
    traced = {
        name
        for name, parameter in inspect.signature(make).parameters.items()
        if "Array" in str(parameter.annotation)
    }
    for group in alike(curves(cases), traced):
        fixed, numbers = parted(group, traced)
        with jax.enable_x64(True):  # so that counts beyond 2**31 reach the schedule

            def rate(numbers: Any, step: Any, fixed: Any = fixed) -> Any:
                return make(**fixed, **numbers)(step)

            over_steps = jax.vmap(rate, in_axes=(None, 0))
            rates = jax.jit(jax.vmap(over_steps))(numbers, np.stack([c.steps for c in group]))
        for case, own in zip(group, found(rates, device), strict=True):
            yield case, own, None
    for traces_alike in alike(traces(cases), traced):
        yield from scanned(module, traces_alike, parted(traces_alike, traced)[1], device)


def curves(cases: Sequence[Case]) -> list[Curve]:
    return [case for case in cases if isinstance(case, Curve)]


def traces(cases: Sequence[Case]) -> list[Trace]:
    return [case for case in cases if isinstance(case, Trace)]


def alike(cases: Iterable[Any], traced: set[str]) -> list[list[Any]]:
    """Cases that differ in the values of ``traced`` alone, and in no length of a list."""
    groups: dict[str, list[Any]] = {}
    for case in cases:
        key = {
            name: len(value) if name in traced and isinstance(value, list) else value
            for name, value in case.parameters.items()
            if name not in traced or isinstance(value, list)
        }
        groups.setdefault(json.dumps(key), []).append(case)
    return list(groups.values())


def parted(group: Sequence[Case], traced: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters that are the same for all, and a batch of each of the others."""
    first = group[0].parameters
    fixed = {name: value for name, value in first.items() if name not in traced}
    numbers = {
        name: np.array([case.parameters[name] for case in group]) for name in first.keys() & traced
    }
    return fixed, numbers


def stepwise(functions: Any, case: Trace) -> Iterator[jax.Array]:
    """The rates of one trace, observation by observation."""
    state = functions.init()
    for row, metric in enumerate(case.metrics):
        if metric is not None:
            state = functions.update(state, metric)
        yield functions.rate(state, *(() if case.steps is None else (int64(case.steps[row]),)))


def scanned(
    module: ModuleType, group: Sequence[Trace], numbers: Mapping[str, Any], device: str
) -> Iterator[Found]:
    """The rates of many traces in one program, each in a ``scan``.

    Args:
        module: The emitted one.
        group: Traces that differ in ``numbers`` alone; the first row of each observes nothing.
        numbers: Batches of parameters, one value for each trace.
        device: Where it has to happen.
    """
    make = getattr(module, group[0].schedule)
    fixed = {key: value for key, value in group[0].parameters.items() if key not in numbers}
    longest = max(case.rows for case in group)
    metrics = np.zeros((len(group), longest - 1), np.float32)
    steps = np.zeros((len(group), longest), np.int64)
    for row, case in enumerate(group):
        if None in case.metrics[1:]:
            raise ValueError(f"{case.schedule} {case.name}: a row after the first has no metric")
        metrics[row, : case.rows - 1] = case.metrics[1:]
        steps[row, : case.rows] = case.steps or 0

    def rates(numbers: Any, metrics: Any, steps: Any) -> Any:
        functions = make(**fixed, **numbers)

        def rate(state: Any, step: Any) -> Any:
            return functions.rate(state, *(() if group[0].steps is None else (step,)))

        def observe(state: Any, row: Any) -> Any:
            state = functions.update(state, row[0])
            return state, rate(state, row[1])

        state = functions.init()
        _, others = jax.lax.scan(observe, state, (metrics, steps[1:]))
        return jnp.concatenate([rate(state, steps[0])[None], others])

    with jax.enable_x64(True):
        every = jax.jit(jax.vmap(rates))(dict(numbers), metrics, steps)
    for case, own in zip(group, found(every, device), strict=True):
        yield case, own[: case.rows], None


def int64(steps: Steps | int) -> jax.Array:
    """Steps as the 64-bit integers that they are, whatever the global setting."""
    with jax.enable_x64(True):
        return jnp.asarray(steps, jnp.int64)


def found(rates: jax.Array, device: str) -> Any:
    """Rates as NumPy has them, once it is sure where they were.

    Raises:
        ValueError: Where they do not live on ``device``.
    """
    platforms = {one.platform for one in rates.devices()}
    if platforms != {PLATFORMS[device]}:
        raise ValueError(f"a rate on {PLATFORMS[device]} expected, got one on {platforms}")
    return np.asarray(rates)


WAYS = {"plain": plain, "jit": jit, "vmap": vmap}


def device_name(device: str) -> str:
    """What the framework calls the device; empty for a CPU.

    Raises:
        RuntimeError: There is none.
    """
    platforms = {one.platform for one in jax.devices()}
    if PLATFORMS[device] not in platforms:
        raise RuntimeError(f"JAX finds no {device} device, but {sorted(platforms)}")
    return "" if device == "cpu" else str(jax.devices(PLATFORMS[device])[0].device_kind)
