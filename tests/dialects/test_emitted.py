"""Modules made of dialects: every row of their vectors, in every framework, equal to the bit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrgen import catalogue
from lrgen.backends import BACKENDS
from lrgen.pipeline import build, library
from lrgen.schedule import Schedule

# One copy of what turns a module into a function of steps, that of the catalogue's own tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))

import conformance
from emitted import load_broken, load_emitted

FEW = ["torch/CyclicLR", "torch/OneCycleLR.momentum"]


def resolved(name: str) -> Schedule:
    specs, (key,) = library([catalogue.dialects()[name]])
    return specs.schedule(key)


def emitted(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Schedule:
    """The dialect called ``name``, its modules in ``folder`` and ready to be loaded."""
    build([catalogue.dialects()[name]], folder, list(BACKENDS), whole=False)
    schedule = resolved(name)
    monkeypatch.setenv("LRGEN_GENERATED", str(folder))
    monkeypatch.setattr(conformance, "budget", lambda _: schedule.ulps)
    conformance.cases.cache_clear()
    return schedule


def keras_runner(schedule: Schedule) -> conformance.Runner:
    """The emitted Keras schedule, on the backend of this process."""
    import keras

    kind = getattr(load_emitted("keras", schedule.name), schedule.class_name)

    def run(parameters: Mapping[str, Any], steps: Any) -> Any:
        return keras.ops.convert_to_numpy(kind(**parameters)(steps))

    return run


def hold(schedule: Schedule) -> None:
    """Accurate in binary64, and in every framework the same float32."""
    name = schedule.name
    python = conformance.python_runner(load_emitted("python", name), name)
    numpy = conformance.numpy_runner(load_emitted("numpy", name), name)
    torch = conformance.torch_runner(load_emitted("torch", name), name)
    conformance.check_all_binary64(name, python)
    conformance.check_all_binary64(name, numpy)
    conformance.check_all_float32(name, conformance.float32_of(numpy))
    conformance.check_all_float32(name, torch)
    for runner in (conformance.jax_runner(load_emitted("jax", name), name), keras_runner(schedule)):
        for case in conformance.cases(name):
            near = case.until(2**31 - 1)  # JAX was not asked for steps of 64 bits
            conformance.check_flushed(near, runner(near.parameters, near.steps))


@pytest.mark.parametrize("name", FEW)
def test_a_few_dialects_give_one_float32_everywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(emitted(name, tmp_path, monkeypatch))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(catalogue.dialects()))
def test_every_dialect_gives_one_float32_everywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if resolved(name).observes is not None:
        pytest.skip("a trace, not a curve")
    hold(emitted(name, tmp_path, monkeypatch))


def test_a_wrong_module_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = emitted("torch/StepLR", tmp_path, monkeypatch).name
    late = load_broken("numpy", name, "step // step_size", "(step + 1) // step_size")
    right, wrong = (
        conformance.float32_of(conformance.numpy_runner(module, name))
        for module in (load_emitted("numpy", name), late)
    )

    assert conformance.check_all_float32(name, right) > 20
    with pytest.raises(AssertionError):
        conformance.check_all_float32(name, wrong)


def test_what_decides_between_pieces_is_not_guarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A knot before step 0 is negative, though the rise divides by it where there is one."""
    name = emitted("torch/OneCycleLR.momentum", tmp_path, monkeypatch).name
    steps = np.arange(12)
    settings = {"total_steps": 10, "pct_start": 0.0}
    rows = [
        conformance.float32_of(runner)(settings, steps)
        for runner in (
            conformance.python_runner(load_emitted("python", name), name),
            conformance.numpy_runner(load_emitted("numpy", name), name),
        )
    ]

    assert list(rows[0]) == list(rows[1])
    assert rows[0][0] == pytest.approx(0.8524471741852423, rel=1e-7)
