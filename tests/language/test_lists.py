"""Schedules with lists of 0 to 10,000 entries, in every backend, against their definitions.

Run as a program, it prints what Keras makes of them: Keras fixes its backend when it is imported,
so each backend has a process of its own.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from operator_specs import load

GENERATED = Path(os.environ.get("LRGEN_GENERATED", Path(__file__).parents[2] / "generated"))
LENGTHS = (0, 1, 2, 10_000)
MOST_ENTRIES = 10_000
MOST_STEPS = 60
Rate = Callable[[Mapping[str, Any], int], Fraction]


@cache
def emitted(backend: str, name: str) -> ModuleType:
    return load(GENERATED / f"{backend}_schedules" / f"{name}.py")


# -- what the schedules are, in fractions and without a search -------------------------------------


def passed(places: Sequence[int], step: int) -> int:
    return sum(place <= step for place in places)


def piecewise_constant(values: Mapping[str, Any], step: int) -> Fraction:
    return Fraction(values["values"][passed(values["boundaries"], step)])


def multi_step(values: Mapping[str, Any], step: int) -> Fraction:
    count = passed(values["milestones"], step)
    return Fraction(values["base_lr"]) * Fraction(values["gamma"]) ** count


def multi_step_factors(values: Mapping[str, Any], step: int) -> Fraction:
    with localcontext(prec=60):  # fractions would be of 500,000 digits
        factors = map(Decimal, values["factors"][: passed(values["milestones"], step)])
        return Fraction(math.prod(factors, start=Decimal(values["base_lr"])))


def piecewise_linear(values: Mapping[str, Any], step: int) -> Fraction:
    places, rates = values["places"], [Fraction(rate) for rate in values["values"]]
    for place, after, left, right in zip(places, places[1:], rates, rates[1:]):
        if place <= step < after:
            return left + (right - left) * Fraction(step - place, after - place)
    return rates[0] if step < places[0] else rates[-1]


def triangular_bounds(values: Mapping[str, Any], step: int) -> Fraction:
    """As the paper has it: cycle = floor(1 + t / (2 dT)), x = |t / dT - 2 cycle + 1|."""
    ratio = Fraction(step, values["half_steps"])
    cycle = 1 + ratio // 2
    fall = abs(ratio - 2 * cycle + 1)
    peaks, lows = values["peaks"], values["lows"]
    peak = Fraction(peaks[min(cycle, len(peaks)) - 1])
    low = Fraction(lows[min(cycle, len(lows)) - 1])
    return low + (peak - low) * (1 - fall)


@dataclass(frozen=True)
class Family:
    """A schedule with lists, what it is, and parameters with lists of any length."""

    rate: Rate
    parameters: Callable[[int], dict[str, Any]]
    least: int = 0


def places(count: int) -> list[int]:
    """Places one to three steps apart."""
    return [5 + 2 * number + number % 3 // 2 for number in range(count)]


def rates(count: int) -> list[float]:
    return [1e-3 + (number * 0.618_033_988_75) % 1 for number in range(count)]


FAMILIES = {
    "piecewise_constant": Family(
        piecewise_constant,
        # One value more than boundaries, and none of the lists too long.
        lambda n: {
            "boundaries": places(min(n, MOST_ENTRIES - 1)),
            "values": rates(n + 1)[:MOST_ENTRIES],
        },
    ),
    "multi_step": Family(
        multi_step, lambda n: {"base_lr": 0.3, "milestones": places(n), "gamma": 0.999}
    ),
    "multi_step_factors": Family(
        multi_step_factors,
        lambda n: {
            "base_lr": 0.3,
            "milestones": places(n),
            "factors": [1 - rate / 1_000 for rate in rates(n)],
        },
    ),
    "piecewise_linear": Family(
        piecewise_linear, lambda n: {"places": places(n), "values": rates(n)}, least=1
    ),
    "triangular_bounds": Family(
        triangular_bounds,
        lambda n: {"half_steps": 2, "peaks": rates(n), "lows": rates(max(n // 2, 1))},
        least=1,
    ),
}
CASES = [
    (name, count) for name, family in FAMILIES.items() for count in LENGTHS if count >= family.least
]
each = pytest.mark.parametrize(("name", "count"), CASES)


def steps_of(parameters: Mapping[str, Any]) -> list[int]:
    """Steps around the first and the last entries, between them and far beyond."""
    spots = parameters.get("boundaries", parameters.get("milestones", parameters.get("places")))
    if spots is None:
        spots = [4 * number for number in range(len(parameters["peaks"]) + 2)]
    chosen = [*spots[:4], *spots[len(spots) // 2 :][:2], *spots[-4:]]
    near = {place + shift for place in chosen for shift in (-1, 0, 1)}
    return sorted({0, 1, *(step for step in near if step >= 0), 2**31 + 1, 2**53})[:MOST_STEPS]


@cache
def expected(name: str, count: int) -> list[float]:
    parameters = FAMILIES[name].parameters(count)
    exact = [FAMILIES[name].rate(parameters, step) for step in steps_of(parameters)]
    return [float(np.float32(float(rate))) for rate in exact]


def float32(found: Any) -> list[float]:
    return [float(rate) for rate in np.asarray(found).astype(np.float32)]


# -- values ----------------------------------------------------------------------------------------


@each
def test_plain_python_and_numpy_are_the_definition(name: str, count: int) -> None:
    parameters = FAMILIES[name].parameters(count)
    steps = steps_of(parameters)
    python, numpy = (getattr(emitted(backend, name), name) for backend in ("python", "numpy"))

    assert expected(name, count) == float32([python(step, **parameters) for step in steps])
    assert expected(name, count) == float32(numpy(np.array(steps), **parameters))


def test_the_definition_notices_a_boundary_that_is_one_step_off() -> None:
    parameters = FAMILIES["piecewise_constant"].parameters(2)
    python = emitted("python", "piecewise_constant").piecewise_constant
    late = {**parameters, "boundaries": [place + 1 for place in parameters["boundaries"]]}

    found = float32([python(step, **late) for step in steps_of(parameters)])

    assert expected("piecewise_constant", 2) != found


@each
def test_torch_is_the_definition(name: str, count: int) -> None:
    import torch

    parameters = FAMILIES[name].parameters(count)
    function = getattr(emitted("torch", name), name)
    steps = torch.tensor(steps_of(parameters))

    assert expected(name, count) == float32(function(steps, **parameters))
    assert expected(name, count)[2] == function(steps[2], **parameters).item()


def check_compiled(name: str, count: int) -> None:
    import torch

    parameters = FAMILIES[name].parameters(count)
    torch._dynamo.reset()
    compiled = torch.compile(getattr(emitted("torch", name), name), fullgraph=True, backend="eager")

    found = compiled(torch.tensor(steps_of(parameters)), **parameters)

    assert expected(name, count) == float32(found)


@pytest.mark.parametrize(("name", "count"), [case for case in CASES if case[1] <= 2])
def test_torch_compiles_short_lists_into_one_graph(name: str, count: int) -> None:
    check_compiled(name, count)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_torch_compiles_long_lists_into_one_graph(name: str) -> None:
    check_compiled(name, MOST_ENTRIES)


def test_torch_compiles_lists_to_machine_code() -> None:
    import torch

    parameters = FAMILIES["piecewise_linear"].parameters(2)
    torch._dynamo.reset()
    compiled = torch.compile(emitted("torch", "piecewise_linear").piecewise_linear, fullgraph=True)

    found = compiled(torch.tensor(steps_of(parameters)), **parameters)

    assert expected("piecewise_linear", 2) == float32(found)


@each
def test_jax_is_the_definition_eager_jitted_and_mapped(name: str, count: int) -> None:
    import jax

    parameters = FAMILIES[name].parameters(count)
    schedule = getattr(emitted("jax", name), name)(**parameters)
    rows = expected(name, count)
    more = MOST_STEPS - len(rows)  # JAX compiles each operator for each shape
    with jax.enable_x64(True):  # so that steps beyond 2**31 reach the schedule
        steps = jax.numpy.asarray([*steps_of(parameters), *[0] * more])
        alone = [schedule(step) for step in steps[:4]]
        mapped = jax.vmap(schedule)(steps)

    assert rows == float32(schedule(steps))[: len(rows)]
    assert rows == float32(jax.jit(schedule)(steps))[: len(rows)]
    assert rows == float32(mapped)[: len(rows)]
    assert rows[:4] == float32(alone)


@pytest.mark.parametrize("name", FAMILIES)
def test_jax_takes_the_lists_traced(name: str) -> None:
    import jax

    parameters = FAMILIES[name].parameters(2)
    lists = {key: value for key, value in parameters.items() if isinstance(value, list)}
    plain = {key: value for key, value in parameters.items() if key not in lists}
    with jax.enable_x64(True):
        steps = jax.numpy.asarray(steps_of(parameters))
        run = jax.jit(lambda given: getattr(emitted("jax", name), name)(**given, **plain)(steps))
        found = run({key: np.asarray(value) for key, value in lists.items()})

    assert expected(name, 2) == float32(found)


# -- gradients with respect to the entries ---------------------------------------------------------


def slopes(name: str, key: str, count: int, steps: Sequence[int]) -> list[list[float]]:
    """d rate / d entry, a row for each step."""
    import jax

    parameters = FAMILIES[name].parameters(count)
    entries = jax.numpy.asarray(parameters.pop(key), "float32")
    factory = getattr(emitted("jax", name), name)

    def rate(given: Any, step: int) -> Any:
        return factory(**{key: given}, **parameters)(step)

    slope = jax.jit(jax.grad(rate))
    return [[float(x) for x in slope(entries, step)] for step in steps]


def test_the_gradient_of_a_constant_piece_is_one_at_its_value_alone() -> None:
    first, second = places(2)

    found = slopes("piecewise_constant", "values", 2, [0, first, second, 10**6])

    assert [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]] == found


def test_the_gradient_of_a_line_is_shared_by_its_ends() -> None:
    _, second, third = places(3)
    share = 1 / (third - second)

    found = slopes("piecewise_linear", "values", 3, [0, second + 1, third, 10**6])

    assert [[1.0, 0.0, 0.0], [0.0, float(np.float32(1 - share)), float(np.float32(share))]] == (
        found[:2]
    )
    assert [[0.0, 0.0, 1.0]] * 2 == found[2:]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("multi_step_factors", "factors"),
        ("triangular_bounds", "peaks"),
        ("triangular_bounds", "lows"),
    ],
)
def test_gradients_of_lists_are_finite_everywhere(name: str, key: str) -> None:
    steps = [step for step in steps_of(FAMILIES[name].parameters(2)) if step < 2**31]

    found = np.array(slopes(name, key, 2, steps))

    assert (len(steps),) == found.shape[:1]
    assert bool(np.isfinite(found).all())
    assert bool((found != 0).any())


# -- saved states ----------------------------------------------------------------------------------


def scheduler(name: str, parameters: Mapping[str, Any], **options: Any) -> Any:
    import torch

    kind = getattr(
        emitted("torch", name), "".join(part.capitalize() for part in name.split("_")) + "LR"
    )
    others = {key: value for key, value in parameters.items() if key != "base_lr"}
    optimizer = torch.optim.SGD(
        [torch.zeros(1, requires_grad=True)], lr=parameters.get("base_lr", 0.7)
    )
    return kind(optimizer, **others, **options)


def advanced(one: Any, updates: int) -> list[float]:
    found = []
    for _ in range(updates):
        found.append(one.optimizer.param_groups[0]["lr"])
        one.optimizer.step()
        one.step()
    return found


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_torch_scheduler_goes_on_from_its_state_as_json(name: str, count: int) -> None:
    parameters = FAMILIES[name].parameters(count)
    whole = advanced(scheduler(name, parameters), 12)
    saved = scheduler(name, parameters)
    advanced(saved, 7)
    state = json.loads(json.dumps(saved.state_dict()))

    resumed = scheduler(name, parameters)
    resumed.load_state_dict(state)

    assert whole[7:] == advanced(resumed, 5)


def test_a_state_with_another_list_is_refused_or_restored_as_asked() -> None:
    saved = scheduler("multi_step", {"base_lr": 0.3, "milestones": [3, 5], "gamma": 0.5})
    advanced(saved, 4)
    state = json.loads(json.dumps(saved.state_dict()))
    other = {"base_lr": 0.3, "milestones": [3, 8], "gamma": 0.5}

    with pytest.raises(ValueError, match="milestones"):
        scheduler("multi_step", other).load_state_dict(state)
    kept = scheduler("multi_step", other, on_change="keep")
    kept.load_state_dict(state)
    restored = scheduler("multi_step", other, on_change="restore")
    restored.load_state_dict(state)

    assert [0.15, 0.15, 0.15, 0.15, 0.075] == advanced(kept, 5)
    assert [0.15, 0.075, 0.075] == advanced(restored, 3)


# -- rules that a call breaks ----------------------------------------------------------------------

KERAS_BACKENDS = [  # their rows of the vector files are compared elsewhere
    "torch",
    pytest.param("jax", marks=pytest.mark.slow),
    pytest.param("tensorflow", marks=pytest.mark.slow),
]
BROKEN: list[tuple[str, dict[str, Any], str]] = [
    (
        "piecewise_constant",
        {"boundaries": [5, 5], "values": [0.1] * 3},
        r"increasing\(boundaries\)",
    ),
    (
        "piecewise_constant",
        {"boundaries": [5], "values": [0.1]},
        r"len\(values\) == len\(boundaries\) \+ 1",
    ),
    ("piecewise_constant", {"boundaries": [5.5], "values": [0.1, 0.2]}, "boundaries must be"),
    ("piecewise_constant", {"boundaries": [-1], "values": [0.1, 0.2]}, "boundaries must be"),
    ("piecewise_constant", {"boundaries": [5], "values": [0.1, -0.2]}, "values must be"),
    ("piecewise_constant", {"boundaries": [5], "values": [0.1, float("nan")]}, "values must be"),
    (
        "piecewise_constant",
        {"boundaries": list(range(10_001)), "values": [0.1] * 10_002},
        "at most 10,000",
    ),
    ("piecewise_linear", {"places": [], "values": []}, r"len\(places\) >= 1"),
    ("multi_step_factors", {"milestones": [5], "factors": [1.5]}, r"greatest\(factors\) <= 1"),
    ("multi_step_factors", {"milestones": [5, 4], "factors": [1.0, 0.5]}, "increasing"),
    ("triangular_bounds", {"peaks": [], "lows": [0.1]}, r"len\(peaks\) >= 1"),
    ("piecewise_constant", {"boundaries": 5}, "boundaries must be a list .*, got 5$"),
    ("piecewise_constant", {"boundaries": None}, "boundaries must be a list .*, got None$"),
    ("multi_step", {"milestones": 5}, "milestones must be a list .*, got 5$"),
    ("stages", {"start_rates": 0.1}, "start_rates must be a list .*, got 0.1$"),
]


@pytest.mark.parametrize("backend", ["python", "numpy", "torch", "jax"])
@pytest.mark.parametrize(("name", "parameters", "rule"), BROKEN)
def test_a_broken_rule_is_named(
    backend: str, name: str, parameters: dict[str, Any], rule: str
) -> None:
    function = getattr(emitted(backend, name), name)

    with pytest.raises(ValueError, match=rule):
        if backend == "jax":
            function(**parameters)
        elif backend == "torch":
            import torch

            function(torch.tensor(3), **parameters)
        else:
            function(3, **parameters)


# -- Keras -----------------------------------------------------------------------------------------


def keras_report() -> dict[str, Any]:
    """Rates, what comes back from a saved configuration, and messages, on this backend."""
    import keras

    found: dict[str, Any] = {"rates": {}, "saved": {}, "messages": []}
    for name, count in CASES:
        parameters = FAMILIES[name].parameters(count)
        schedule = keras_class(name)(**parameters)
        steps = np.array(steps_of(parameters))
        near = steps < 2**31  # keras.ops keeps 32 bits of a NumPy step on its JAX backend
        values = keras.ops.convert_to_numpy(schedule(steps[near].astype(np.int32)))
        found["rates"][f"{name} {count}"] = [float(rate) for rate in values]

        config = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
        again = keras.saving.deserialize_keras_object(config)
        found["saved"][f"{name} {count}"] = type(again) is type(schedule) and (
            again.get_config()
            == schedule.get_config()
            == {**parameters, "name": name} | again_of(again)
        )
    for name, parameters, _ in BROKEN:
        try:
            keras_class(name)(**parameters)
            found["messages"].append("")
        except ValueError as error:
            found["messages"].append(str(error))
    return found


def again_of(schedule: Any) -> dict[str, Any]:
    """The parameters that a case left at their defaults."""
    config: dict[str, Any] = schedule.get_config()
    return {key: config[key] for key in ("switch",) if key in config}


def keras_class(name: str) -> Any:
    return getattr(emitted("keras", name), "".join(part.capitalize() for part in name.split("_")))


@pytest.fixture(scope="module", params=KERAS_BACKENDS)
def reported(request: pytest.FixtureRequest) -> dict[str, Any]:
    environment = {**os.environ, "KERAS_BACKEND": request.param, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_keras_is_the_definition(reported: dict[str, Any]) -> None:
    for name, count in CASES:
        steps = steps_of(FAMILIES[name].parameters(count))
        near = [rate for rate, step in zip(expected(name, count), steps) if step < 2**31]

        assert near == reported["rates"][f"{name} {count}"], f"{name} of {count} entries"


def test_keras_saves_and_loads_lists(reported: dict[str, Any]) -> None:
    assert {f"{name} {count}": True for name, count in CASES} == reported["saved"]


def test_keras_names_a_broken_rule(reported: dict[str, Any]) -> None:
    for (name, _, rule), message in zip(BROKEN, reported["messages"], strict=True):
        assert re.search(rule, message), f"{name}: {message!r:.200}"


if __name__ == "__main__":
    print(json.dumps(keras_report()))
