"""Llama 3 405B, the published schedule: 8e-5 after 8,000 updates, 8e-7 after 1,200,000."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import conformance
import mpmath
import numpy as np
import pytest
from conformance import Case
from emitted import load_broken, load_emitted

from lrgen.vectors import nearest_float32

HERE = Path(__file__).parent
NAME = "cosine_warmup"
PLAN = {"peak_lr": 8e-5, "warmup_steps": 8_000, "total_steps": 1_200_000, "end_lr": 8e-7}
PUBLISHED = {0: 0.0, 4_000: 4e-5, 8_000: 8e-5, 604_000: 4.04e-5, 1_200_000: 8e-7}


def exact(step: int) -> mpmath.mpf:
    """The recipe, written anew: nothing of lrgen or of its spec is used."""
    with mpmath.workdps(50):
        peak, end = mpmath.mpf(8e-5), mpmath.mpf(8e-7)
        if step < 8_000:
            return peak * step / 8_000
        if step < 1_200_000:
            progress = mpmath.mpf(step - 8_000) / (1_200_000 - 8_000)
            return end + (peak - end) * (1 + mpmath.cos(mpmath.pi * progress)) / 2
        return end


def llama() -> Case:
    """Thousands of steps: all over the run, and each one around its boundaries."""
    around = [place + offset for place in (8_000, 1_200_000) for offset in range(-150, 150)]
    steps = sorted({*range(0, 1_300_000, 389), *around, *range(100), 2**24 + 1, 2**31 - 1})
    values = [exact(step) for step in steps]
    bits = np.array([nearest_float32(value) for value in values], np.float32).view(np.uint32)
    fractions = [Fraction(int(v.man_exp[0])) * Fraction(2) ** v.man_exp[1] for v in values]
    return Case(NAME, "llama_3_405b", PLAN, np.array(steps, np.int64), fractions, bits)


LLAMA = llama()


def test_the_exact_curve_is_the_published_one() -> None:
    rates = {step: float(exact(step)) for step in PUBLISHED}

    assert rates == pytest.approx(PUBLISHED, rel=1e-15)
    assert len(LLAMA.steps) > 4_000


@pytest.mark.parametrize("backend", ["python", "numpy"])
def test_host_code_is_accurate(backend: str) -> None:
    runner = getattr(conformance, f"{backend}_runner")(load_emitted(backend, NAME), NAME)

    conformance.check_binary64(LLAMA, runner)
    conformance.check_float32(LLAMA, conformance.float32_of(runner))


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_array_code_is_equal_to_the_bit(backend: str) -> None:
    runner = getattr(conformance, f"{backend}_runner")(load_emitted(backend, NAME), NAME)

    conformance.check_float32(LLAMA, runner)


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_keras_is_equal_to_the_bit(backend: str) -> None:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"{len(LLAMA.steps)} steps" in done.stdout


def test_a_floor_of_zero_is_noticed() -> None:
    module = load_broken("numpy", NAME, "warmup, anneal], end_lr)", "warmup, anneal], 0.0)")

    with pytest.raises(AssertionError):
        conformance.check_binary64(LLAMA, conformance.numpy_runner(module, NAME))


if __name__ == "__main__":  # the process of one Keras backend
    found = conformance.keras_runner(load_emitted("keras", NAME), NAME)
    print(f"{conformance.check_float32(LLAMA, found)} steps")
