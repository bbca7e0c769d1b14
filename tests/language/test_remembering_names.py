"""Names of an author never meet those that emitted code of schedules that remember uses itself.

What emitted modules call anything is read from their text; a spec may use each of these names where
it is not refused, and then computes the same.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from lrgen.backends import BACKENDS
from lrgen.errors import SpecError
from lrgen.pipeline import emit, library

METRICS = (0.0, 9.0, 40.0, 3.0, 17.0)
MOST = 28
ROLES = ("state", "local", "parameter", "metric")


def spec(names: Iterable[str], role: str, step: bool) -> str:
    """A schedule that cuts its rate by what each of ``names`` says of the metric in its role."""
    names = list(names)
    metric = names[0] if role == "metric" else "score"
    states, lines, parameters = {"cuts": "0"}, {}, {}
    for place, name in enumerate(names):
        match role:
            case "state":
                states[name] = str(place)
                lines[name] = f"{name} + 1 if {metric} > {place} else {name}"
            case "local":
                lines[name] = f"1 if {metric} > {place} else 0"
            case "parameter":
                parameters[name] = place
    total = " + ".join(f"({metric} > {n})" if role == "metric" else n for n in names)
    if role == "metric":
        total = f"1 if {metric} > 5 else 0"
    text = [
        'name = "ramp"',
        'title = "A ramp"',
        'base = "base_lr"',
        f'observes = "{metric}"',
        f'value = "base_lr * 0.999 ** cuts{" / (1 + step)" if step else ""}"',
        "[parameters]",
        'base_lr = { type = "rate", default = 1.0, doc = "A rate." }',
        *(f'{n} = {{ type = "steps", default = {v}, doc = "N." }}' for n, v in parameters.items()),
        "[state]",
        *(f'{name} = "{value}"' for name, value in states.items()),
        "[update]",
        *(f'{name} = "{value}"' for name, value in lines.items()),
        f'cuts = "cuts + {total}"' if role != "metric" else f'cuts = "cuts + ({total})"',
    ]
    return "\n".join(text) + "\n"


def built(text: str, folder: Path) -> Mapping[str, str]:
    """Emitted modules by their backend."""
    path = folder / "ramp.toml"
    path.write_text(text)
    specs, _ = library([path])
    texts, _ = emit(specs.schedule("ramp"), list(BACKENDS))
    return {name: texts[f"{name}_schedules/ramp.py"] for name in BACKENDS}


def used_names(text: str) -> set[str]:
    """Whatever a module binds: variables, arguments, functions, classes, imports, attributes."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add((other or name).partition(".")[0])
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                found.add(name)
    return {name for name in found if not name.startswith("_")}


def is_allowed(name: str, role: str, folder: Path) -> bool:
    """Whether an author may use ``name``; the message says that it is reserved where not."""
    path = folder / "ramp.toml"
    path.write_text(spec([name], role, False))
    try:
        library([path])[0].schedule("ramp")
    except SpecError as error:
        assert "reserved" in error.fact or "as well" in error.fact, str(error)
        return False
    return True


def rates(backend: str, text: str, folder: Path, step: bool) -> list[float]:
    """What an emitted module gives along the metrics."""
    path = folder / f"{backend}_ramp.py"
    path.write_text(text)
    found = importlib.util.spec_from_file_location(f"{backend}_ramp", path)
    assert found is not None
    assert found.loader is not None
    module: Any = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    steps = range(len(METRICS))
    match backend:
        case "numpy":
            return list(module.ramp(METRICS, steps) if step else module.ramp(METRICS))
        case "jax":
            schedule = module.ramp(dtype=jnp.float32)
            state, result = schedule.init(), []
            for number, metric in enumerate(METRICS):
                state = schedule.update(state, metric)
                result.append(float(schedule.rate(state, number) if step else schedule.rate(state)))
            return result
        case "torch":
            optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
            scheduler = module.RampLR(optimizer)
            result = []
            for metric in METRICS:
                optimizer.step()
                scheduler.observe(metric) if step else scheduler.step(metric)
                result.append(optimizer.param_groups[0]["lr"])
                if step:
                    scheduler.step()
            return result
    automaton = module.Ramp()
    return [
        automaton.observe(m, n) if step else automaton.observe(m) for n, m in enumerate(METRICS)
    ]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All that emitted modules of both kinds bind themselves."""
    folder = tmp_path_factory.mktemp("names")
    found: set[str] = set()
    for step in (False, True):
        for text in built(spec(["plain"], "state", step), folder).values():
            found |= used_names(text)
    return sorted(found - {"plain", "cuts", "score", "base_lr", "ramp"})


@pytest.mark.parametrize("step", [False, True], ids=["metric alone", "with steps"])
@pytest.mark.parametrize("role", ["state", "local", "parameter"])
def test_a_name_of_emitted_code_is_refused_or_means_what_the_author_says(
    role: str, step: bool, names: list[str], tmp_path: Path
) -> None:
    free = [name for name in names if is_allowed(name, role, tmp_path)]
    assert len(free) >= 5
    for start in range(0, len(free), MOST):
        some = free[start : start + MOST]
        plain = [f"plain_{k}" for k in range(len(some))]
        expected = built(spec(plain, role, step), tmp_path)
        found = built(spec(some, role, step), tmp_path)
        for backend in ("python", "numpy", "jax", "torch"):
            wanted = rates(backend, expected[backend], tmp_path, step)

            assert wanted == rates(backend, found[backend], tmp_path, step), (backend, some)
        # Keras is not imported here; its callback is text like Python's class.
        compile(found["keras"], "ramp.py", "exec")


@pytest.mark.parametrize("name", ["rates", "Ramp", "RampLR", "spec", "on_epoch_end", "pairs"])
@pytest.mark.parametrize("role", ROLES)
def test_what_would_meet_emitted_code_is_refused(name: str, role: str, tmp_path: Path) -> None:
    assert not is_allowed(name, role, tmp_path)


# -- functions that a formula brings along -----------------------------------------------------


@pytest.mark.parametrize("value", ["uniform(seed, step)", "0.5 ** cycle(step, 2, 1.5)"])
def test_functions_that_a_formula_needs_come_with_it(value: str, tmp_path: Path) -> None:
    plain = spec(["seed"], "parameter", True)
    texts = built(plain.replace("/ (1 + step)", f"* (1 + {value})"), tmp_path)

    expected = rates("python", texts["python"], tmp_path, True)

    assert len(set(expected)) > 1
    assert expected == rates("numpy", texts["numpy"], tmp_path, True)
    assert expected == rates("torch", texts["torch"], tmp_path, True)
    rounded = [float(np.float32(rate)) for rate in expected]
    assert rounded == rates("jax", texts["jax"], tmp_path, True)
    compile(texts["keras"], "ramp.py", "exec")
    assert used_names(texts["python"]) - {"Ramp"} <= used_names(texts["keras"])
