"""Every row of every vector file, in every framework: the float32 equal to the bit."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import conformance
import pytest
import torch
from conformance import NAMES, cases, check_all_binary64, check_flushed
from emitted import load_broken, load_emitted

HERE = Path(__file__).parent
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]
each = pytest.mark.parametrize("name", NAMES)


@each
def test_plain_python_is_accurate_and_rounds_right(name: str) -> None:
    runner = conformance.python_runner(load_emitted("python", name), name)

    check_all_binary64(name, runner)
    conformance.check_all_float32(name, conformance.float32_of(runner))


@each
def test_numpy_is_accurate_and_rounds_right_without_a_warning(name: str) -> None:
    runner = conformance.numpy_runner(load_emitted("numpy", name), name)

    check_all_binary64(name, runner)
    conformance.check_all_float32(name, conformance.float32_of(runner))


@pytest.mark.parametrize("device", DEVICES)
@each
def test_torch_is_accurate_and_rounds_right(name: str, device: str) -> None:
    module = load_emitted("torch", name)

    check_all_binary64(name, conformance.torch_runner(module, name, device, double=True))
    conformance.check_all_float32(name, conformance.torch_runner(module, name, device))


@each
def test_jax_rounds_right_when_compiled(name: str) -> None:
    import jax

    module = load_emitted("jax", name)

    def compiled(schedule: Any) -> Any:
        def run(steps: Any) -> Any:
            with jax.enable_x64(True):  # so that steps beyond 2**31 reach the schedule
                steps = jax.numpy.asarray(steps)
            return jax.jit(schedule)(steps)

        return run

    runner = conformance.jax_runner(module, name, compiled)
    for case in cases(name):
        check_flushed(case, runner(case.parameters, case.steps))


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_keras_rounds_right_trains_and_is_saved_on_every_backend(backend: str) -> None:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, HERE / "keras_rows.py"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{len(NAMES)} schedules" in done.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("torch.where(step < warmup_steps", "torch.where(step < warmup_steps - 1"),
        ("torch.sin(", "torch.cos("),
        (".double() / max(total", ".float() / max(total"),
    ],
    ids=["a broken boundary", "a wrong operator", "a narrowed cast"],
)
def test_a_broken_module_is_noticed(before: str, after: str) -> None:
    module = load_broken("torch", "cosine_warmup", before, after)

    with pytest.raises(AssertionError):
        conformance.check_all_float32(
            "cosine_warmup", conformance.torch_runner(module, "cosine_warmup")
        )
