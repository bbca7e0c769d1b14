"""Noise by seed and step: the same bits in every framework, and as random as it looks.

Run as a program, it prints what Keras makes of it: Keras fixes its backend when it is imported.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from operator_specs import load

from lrgen.hashing import mixed, uniform
from lrgen.pipeline import emit, library

GENERATED = Path(os.environ.get("LRGEN_GENERATED", Path(__file__).parents[2] / "generated"))
SEEDS = (0, 1, -1, 42, -7, 2**31, -(2**63), 2**63 - 1, 0x1E37_79B9_7F4A_7C15)
STEPS = (0, 1, 2, 3, 1_000, 2**24 + 1, 2**31 - 1, 2**31, 2**53 + 1, 2**62, 2**63 - 1)
SPEC = """
name  = "evenly"
title = "Noise between 0 and 1"
value = "uniform(seed, step)"

[parameters]
seed = { type = "count", default = 42, doc = "Which noise." }
"""
BACKENDS = ("python", "numpy", "torch", "jax", "keras")


def by_definition(seed: int, step: int) -> float:
    """Moremur over the seed, then over the step, written out on unbounded integers."""
    bits = 0
    for number in (seed + 0x1E3779B97F4A7C15, step):
        bits = (bits + number) & (2**64 - 1)
        bits ^= bits >> 27
        bits = bits * 0x3C79AC492BA7B653 & (2**64 - 1)
        bits ^= bits >> 33
        bits = bits * 0x1C69B3F74AC4AE35 & (2**64 - 1)
        bits ^= bits >> 27
    return (2 * (bits >> 12) + 1) / 2**53


EXPECTED = [[by_definition(seed, step) for step in STEPS] for seed in SEEDS]


# -- the same bits everywhere ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("random")
    (found / "evenly.toml").write_text(SPEC)
    specs, _ = library([found / "evenly.toml"])
    for path, text in emit(specs.schedule("evenly"), BACKENDS)[0].items():
        (found / path).parent.mkdir(exist_ok=True)
        (found / path).write_text(text)
    return found


def python_noise(module: ModuleType, seed: int) -> list[float]:
    return [module.evenly(step, seed=seed) for step in STEPS]


def numpy_noise(module: ModuleType, seed: int) -> list[float]:
    with np.errstate(all="raise"):
        found: list[float] = module.evenly(np.array(STEPS), seed=seed).tolist()
    return found


def torch_noise(module: ModuleType, seed: int) -> list[float]:
    import torch

    found: list[float] = module.evenly(torch.tensor(STEPS), seed=seed, dtype=torch.float64).tolist()
    return found


def jax_noise(module: ModuleType, seed: int) -> list[float]:
    import jax

    with jax.enable_x64(True):
        schedule = jax.jit(module.evenly(seed=seed, dtype="float64"))
        found: list[float] = schedule(jax.numpy.asarray(STEPS)).tolist()
    return found


NOISES: dict[str, Callable[[ModuleType, int], list[float]]] = {
    "python": python_noise,
    "numpy": numpy_noise,
    "torch": torch_noise,
    "jax": jax_noise,
}


def test_the_exact_value_is_the_definition() -> None:
    exact = [[uniform(seed, step) for step in STEPS] for seed in SEEDS]

    assert [[Fraction(value) for value in row] for row in EXPECTED] == exact


@pytest.mark.parametrize("backend", NOISES)
def test_every_backend_draws_the_same_bits(backend: str, folder: Path) -> None:
    module = load(folder / f"{backend}_schedules" / "evenly.py")

    assert EXPECTED == [NOISES[backend](module, seed) for seed in SEEDS]


@pytest.mark.parametrize(
    "keras_backend",
    [
        "tensorflow",
        # Their rows of the vector files of noise are compared elsewhere.
        pytest.param("jax", marks=pytest.mark.slow),
        pytest.param("torch", marks=pytest.mark.slow),
    ],
)
def test_every_backend_of_keras_draws_the_same_bits(keras_backend: str, folder: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": keras_backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, __file__, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-3000:]
    rounded = [[float(np.float32(value)) for value in row] for row in EXPECTED]

    assert rounded == json.loads(done.stdout.splitlines()[-1])


def keras_noise(folder: Path) -> list[list[float]]:
    """Rates as float32, from the backend's own 64-bit steps."""
    import keras

    module = load(folder / "keras_schedules" / "evenly.py")
    found = []
    for seed in SEEDS:
        rates = module.Evenly(seed=seed)(whole(STEPS))
        found.append([float(rate) for rate in keras.ops.convert_to_numpy(rates)])
    return found


def whole(steps: Sequence[int]) -> Any:
    """64-bit integers; keras.ops would make 32 of them on its JAX backend."""
    import keras

    match keras.backend.backend():
        case "jax":
            import jax

            with jax.enable_x64(True):
                return jax.numpy.asarray(steps)
        case "torch":
            import torch

            return torch.tensor(steps)
        case _:
            import tensorflow

            return tensorflow.constant(steps, "int64")


def test_a_hash_with_another_shift_is_noticed(folder: Path) -> None:
    text = (folder / "numpy_schedules" / "evenly.py").read_text()
    module = ModuleType("evenly_broken")
    assert "27" in text
    exec(text.replace("27", "28"), module.__dict__)

    assert EXPECTED != [numpy_noise(module, seed) for seed in SEEDS]


# -- as random as it looks: fixed seeds, so that these hold or do not, always ----------------------

COUNT = 20_000
CELLS = 100
# Of chi-squared with 99 degrees of freedom: one in a million lies beyond each.
LEAST, MOST = 42.0, 178.0


@cache
def noise(seed: int) -> np.ndarray:
    found: np.ndarray = load(GENERATED / "numpy_schedules" / "normal_noise.py")._uniforms(
        seed, np.arange(COUNT)
    )
    return found


def chi_squared(cells: np.ndarray, count: int) -> float:
    """How far ``cells``, numbers below ``count``, are from equally frequent."""
    mean = len(cells) / count
    found: float = np.sum((np.bincount(cells, minlength=count) - mean) ** 2 / mean)
    return found


def in_cells(values: np.ndarray, count: int) -> np.ndarray:
    found: np.ndarray = np.floor(values * count).astype(np.int64)
    return found


@pytest.mark.parametrize("seed", [0, 1, -1, 42, 2**62])
def test_steps_are_spread_evenly(seed: int) -> None:
    assert LEAST < chi_squared(in_cells(noise(seed), CELLS), CELLS) < MOST


@pytest.mark.parametrize("lag", [1, 2, 16])
def test_steps_that_follow_are_independent(lag: int) -> None:
    first, later = in_cells(noise(42)[:-lag], 10), in_cells(noise(42)[lag:], 10)

    assert LEAST < chi_squared(10 * first + later, CELLS) < MOST


@pytest.mark.parametrize("other", [1, -1, 43, 42 + 2**32, -42])
def test_seeds_are_independent_at_the_same_steps(other: int) -> None:
    pairs = 10 * in_cells(noise(42), 10) + in_cells(noise(other), 10)

    assert LEAST < chi_squared(pairs, CELLS) < MOST


def test_neighboring_seeds_do_not_repeat_each_other_one_step_later() -> None:
    pairs = 10 * in_cells(noise(42)[1:], 10) + in_cells(noise(43)[:-1], 10)

    assert LEAST < chi_squared(pairs, CELLS) < MOST
    assert 2 * COUNT == len(set(noise(42)) | set(noise(43)))


def test_seeds_at_one_step_are_spread_evenly() -> None:
    values = np.array([float(uniform(seed, 1_000)) for seed in range(5_000)])

    assert LEAST < chi_squared(in_cells(values, CELLS), CELLS) < MOST


def test_the_spread_notices_a_poor_generator() -> None:
    slopes = np.array(
        [(seed * 2**-53 + step / COUNT) % 1 for seed, step in [(42, s) for s in range(COUNT)]]
    )

    assert chi_squared(in_cells(slopes, CELLS), CELLS) < LEAST  # far too even
    assert MOST < chi_squared(10 * in_cells(slopes, 10) + in_cells(slopes, 10), CELLS)


def test_each_bit_of_the_input_turns_half_of_the_output() -> None:
    generator = random.Random(0)
    for bit in range(64):
        turned = [
            (mixed(number) ^ mixed(number ^ 1 << bit)).bit_count()
            for number in (generator.getrandbits(64) for _ in range(400))
        ]

        # The mean of 400 sums of 64 fair bits has a deviation of 0.2.
        assert abs(sum(turned) / len(turned) - 32) < 1.2, f"bit {bit}"


def test_no_draw_is_zero_or_one() -> None:
    assert Fraction(1, 2**53) == Fraction(2 * 0 + 1, 2**53)
    for seed, step in itertools.product(SEEDS, STEPS):
        value = uniform(seed, step)

        assert Fraction(1, 2**53) <= value <= 1 - Fraction(1, 2**53)
        assert value == Fraction(float(value))


# -- normal noise ----------------------------------------------------------------------------------


@cache
def normal(seed: int) -> np.ndarray:
    found: np.ndarray = load(GENERATED / "numpy_schedules" / "normal_noise.py").normal_noise(
        np.arange(COUNT), seed=seed
    )
    return found


@pytest.mark.parametrize("seed", [0, 42, -1])
def test_normal_noise_has_the_moments_of_a_normal(seed: int) -> None:
    values = normal(seed)

    # Five deviations of each moment over that many draws.
    assert abs(np.mean(values)) < 5 / math.sqrt(COUNT)
    assert abs(np.mean(values**2) - 1) < 5 * math.sqrt(2 / COUNT)
    assert abs(np.mean(values**3)) < 5 * math.sqrt(15 / COUNT)
    assert abs(np.mean(values**4) - 3) < 5 * math.sqrt(96 / COUNT)


def test_normal_noise_lies_where_a_normal_does() -> None:
    shares = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in normal(42)])

    assert LEAST < chi_squared(in_cells(shares, CELLS), CELLS) < MOST


def test_normal_noise_of_two_steps_or_seeds_is_uncorrelated() -> None:
    values, others = normal(42), normal(43)

    assert abs(np.mean(values[1:] * values[:-1])) < 5 / math.sqrt(COUNT)
    assert abs(np.mean(values * others)) < 5 / math.sqrt(COUNT)
    assert abs(np.mean(values**2 * others**2) - 1) < 5 * math.sqrt(8 / COUNT)


def test_the_moments_notice_noise_that_is_not_normal() -> None:
    flat = (noise(42) - 0.5) * math.sqrt(12)

    assert abs(np.mean(flat**2) - 1) < 5 * math.sqrt(2 / COUNT)
    assert abs(np.mean(flat**4) - 3) > 5 * math.sqrt(96 / COUNT)


# -- noise on a schedule ---------------------------------------------------------------------------


def cosine_noise(kind: str, reach: float = 0.67, std: float = 1.0) -> np.ndarray:
    """The noise alone, as a fraction of the rate."""
    function = load(GENERATED / "numpy_schedules" / "cosine_noise.py").cosine_noise
    flat = {"base_lr": 0.1, "end_lr": 0.1, "total_steps": 1, "noise_start": 0, "noise_end": COUNT}
    rates = function(np.arange(COUNT), **flat, noise=kind, reach=reach, std=std)
    found: np.ndarray = rates / 0.1 - 1
    return found


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_on_a_schedule_stays_within_its_reach(kind: str) -> None:
    found = cosine_noise(kind)

    assert 0.6 < np.max(np.abs(found)) < 0.67
    assert abs(np.mean(found)) < 5 * np.std(found) / math.sqrt(COUNT)


def test_a_reach_of_many_deviations_leaves_the_noise_normal() -> None:
    found = cosine_noise("normal", reach=0.9, std=0.1)

    assert abs(np.mean(found**2) / 0.01 - 1) < 5 * math.sqrt(2 / COUNT)
    assert abs(np.mean(found**4) / 0.0001 - 3) < 5 * math.sqrt(96 / COUNT)


def test_there_is_no_noise_outside_of_its_range() -> None:
    function = load(GENERATED / "python_schedules" / "cosine_noise.py").cosine_noise
    plain = load(GENERATED / "python_schedules" / "cosine.py").cosine
    parameters = {"base_lr": 0.1, "total_steps": 100, "end_lr": 0.01}
    noisy = [
        step
        for step in range(120)
        if function(step, **parameters, noise_start=40, noise_end=60) != plain(step, **parameters)
    ]

    assert list(range(40, 60)) == noisy


if __name__ == "__main__":
    print(json.dumps(keras_noise(Path(sys.argv[1]))))
