"""Schedules that remember, on random parameters and metrics beyond the vectors: all decide alike.

Metrics and thresholds come from coarse grids, so that many lie at a threshold exactly.
"""

import functools
import math
import random
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import pytest
import test_remembering_rows
import test_torch_traces
from conformance import OBSERVERS, class_name, spec
from emitted import load_broken, load_emitted
from numpy.typing import NDArray
from traces import uses_step

SETS, LENGTH = 250, 24
POOLS: dict[str, list[Any]] = {
    "rate": [0.1, 0.3, 0.7, 1.0, 0.025, 0.0, 1e-3],
    "real": [0.1, 0.5, 0.3, 0.9, 0.25, 0.0, 0.7],
    "steps": [0, 1, 2, 3, 5, 40],
    "flag": [True, False],
    "eps": [0.0, 1e-8],  # a parameter, where a change of the rate must be more than it
}
METRICS = [k / 4 for k in range(-9, 45)] + [math.nan, math.inf, -math.inf, 0.1, 1e30]
load = functools.cache(load_emitted)


@functools.cache
def words(name: str) -> tuple[dict[str, str], ...]:
    """Every choice that decides which code runs."""
    sets: list[dict[str, str]] = [{}]
    for key, parameter in spec(name)["parameters"].items():
        if parameter["type"] == "choice":
            sets = [{**one, key: word} for one in sets for word in parameter["of"]]
    return tuple(sets)


@functools.cache
def parameter_sets(name: str, number: int) -> tuple[Mapping[str, Any], ...]:
    """Random parameters that the schedule allows, with the words of set ``number``."""
    source = random.Random(f"{name} {number}")
    make = getattr(load("python", name), class_name(name))
    found: list[Mapping[str, Any]] = []
    while len(found) < SETS:
        values: dict[str, Any] = dict(words(name)[number])
        for key, parameter in spec(name)["parameters"].items():
            if parameter["type"] != "choice":
                values[key] = source.choice(POOLS.get(key, POOLS[parameter["type"]]))
        try:
            make(**values)
        except ValueError:
            continue
        found.append(values)
    return tuple(found)


@functools.cache
def traces(name: str, number: int) -> NDArray[np.float32]:
    """A trace for each set: a walk on the grid, so that there are improvements and plateaus."""
    source = random.Random(f"traces of {name} {number}")
    rows = []
    for _ in range(SETS):
        place, row = source.randrange(30, 50), []
        for _ in range(LENGTH):
            place = min(max(place + source.choice([-4, -2, -1, 0, 0, 0, 1, 2]), 0), 53)
            row.append(METRICS[place] if source.random() < 0.8 else source.choice(METRICS))
        rows.append(row)
    return np.array(rows, np.float32)


STEPS = np.arange(LENGTH, dtype=np.int32)


@functools.cache
def plain_rates(name: str, number: int) -> NDArray[np.float64]:
    rates = test_remembering_rows.python_rates(load("python", name), name)
    pairs = zip(parameter_sets(name, number), traces(name, number).tolist())
    return np.array([rates(values, tuple(row), tuple(STEPS.tolist())) for values, row in pairs])


def jax_rates(module: Any, name: str, number: int) -> Any:
    """The rates of all sets in one compiled program, with numbers that are traced."""
    sets = parameter_sets(name, number)
    parameters = spec(name)["parameters"]
    flags = {key: False for key in parameters if parameters[key]["type"] == "flag"}
    fixed = {**words(name)[number], **flags}
    numbers = {
        key: np.array([values[key] for values in sets]) for key in parameters if key not in fixed
    }

    def trace(numbers: Any, metrics: Any) -> Any:
        functions = getattr(module, name)(**numbers, **fixed)

        def observe(state: Any, row: Any) -> Any:
            metric, step = row
            state = functions.update(state, metric)
            clock = (step,) if uses_step(name) else ()
            return state, functions.rate(state, *clock)

        return jax.lax.scan(observe, functions.init(), (metrics, STEPS))[1]

    with jax.enable_x64(True):  # so that the numbers enter as they are
        return np.asarray(jax.jit(jax.vmap(trace))(numbers, traces(name, number)))


def wrong(found: Any, expected: NDArray[np.float64]) -> list[int]:
    """The sets whose rates differ, all traces laid beside each other."""
    return np.flatnonzero((found != expected.astype(found.dtype)).any(axis=1)).tolist()


each = pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name in OBSERVERS for n in range(len(words(name)))]
)


@each
def test_jax_decides_as_plain_python(name: str, number: int) -> None:
    expected = plain_rates(name, number)

    assert [] == wrong(jax_rates(load("jax", name), name, number), expected)
    cut = sum(len(set(row)) > 1 for row in expected.tolist())
    assert cut > SETS // 4, "the traces leave the rate as it is"


@each
def test_torch_decides_as_plain_python(name: str, number: int) -> None:
    rates = test_torch_traces.rates_of(load("torch", name), name)
    pairs = list(zip(parameter_sets(name, number), traces(name, number).tolist()))[:30]
    found = [rates(values, tuple(row), tuple(STEPS.tolist())) for values, row in pairs]

    assert [] == wrong(np.array(found), plain_rates(name, number)[:30])


@pytest.mark.parametrize(
    ("before", "after"),
    [("misses > patience", "misses >= patience"), ("* jnp.abs(best)", "* best")],
)
def test_a_broken_module_is_noticed(before: str, after: str) -> None:
    module = load_broken("jax", "plateau", before, after)

    assert wrong(jax_rates(module, "plateau", 0), plain_rates("plateau", 0))
