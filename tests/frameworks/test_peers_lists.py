"""Schedules with lists and cycles against the peers' own code, at the peers' own precision.

torch computes in Python floats, each rate from the last; optax runs in binary64 here, as its own
switch allows; Keras and TensorFlow in float32, in a process of their own: run as a program, this
file prints their rates.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from emitted import load_emitted

UPDATES = 400
FLOAT32_UPDATES = 130  # TensorFlow is slow, one update at a time
# A chain of products or of cosines in binary64 loses some units per update.
BINARY64: dict[str, Any] = {"rel": 1e-11, "abs": 1e-15}
# Of float32: a cosine near -1 is right to 2**-24 of the peak, a step to 2**-24 of itself.
FLOAT32: dict[str, Any] = {"rel": 2e-6, "abs": 3e-7}


def ours(name: str, steps: Sequence[int], **parameters: Any) -> list[float]:
    function = getattr(load_emitted("python", name), name)
    return [function(step, **parameters) for step in steps]


# -- torch -----------------------------------------------------------------------------------------


def torch_rates(kind: str, lr: float, updates: int = UPDATES, **options: Any) -> list[float]:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = getattr(torch.optim.lr_scheduler, kind)(optimizer, **options)
    found = []
    for _ in range(updates):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("milestones", [[], [0], [1], [7, 8, 9], [30, 80, 399]])
def test_multi_step_is_that_of_torch(milestones: list[int]) -> None:
    theirs = torch_rates("MultiStepLR", 0.1, milestones=milestones, gamma=0.3)

    found = ours("multi_step", range(UPDATES), base_lr=0.1, milestones=milestones, gamma=0.3)

    assert pytest.approx(theirs, **BINARY64) == found


@pytest.mark.parametrize(("first", "growth"), [(1, 1), (7, 1), (10, 2), (3, 3), (1, 2)])
def test_warm_restarts_are_those_of_torch(first: int, growth: int) -> None:
    options: dict[str, Any] = {"T_0": first, "T_mult": growth, "eta_min": 1e-3}
    theirs = torch_rates("CosineAnnealingWarmRestarts", 0.1, **options)

    found = ours(
        "cosine_warm_restarts",
        range(UPDATES),
        base_lr=0.1,
        first_steps=first,
        growth=float(growth),
        end_lr=1e-3,
    )

    assert pytest.approx(theirs, **BINARY64) == found


def test_restarts_in_epochs_are_those_of_torch_with_fractions_of_them() -> None:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=4, T_mult=2)
    optimizer.step()
    theirs = []
    for step in range(UPDATES):
        scheduler.step(step // 8 + step % 8 / 8)
        theirs.append(optimizer.param_groups[0]["lr"])

    found = ours(
        "cosine_restarts_epochs",
        range(UPDATES),
        base_lr=0.1,
        first_epochs=4,
        steps_per_epoch=8,
        growth=2.0,
    )

    assert pytest.approx(theirs, **BINARY64) == found


def test_torch_ends_a_cycle_where_its_logarithm_is_off() -> None:
    """``step(1210)`` of cycles of 10, 30, 90, ...: torch gives the floor, the peak is meant."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=3)
    optimizer.step()
    scheduler.step(1_210)

    assert 0.0 == optimizer.param_groups[0]["lr"]
    assert [0.1] == ours("cosine_warm_restarts", [1_210], base_lr=0.1, first_steps=10, growth=3.0)


@pytest.mark.parametrize(("mode", "shrink"), [("triangular", 1.0), ("triangular2", 0.5)])
def test_triangles_with_bounds_are_those_of_torch(mode: str, shrink: float) -> None:
    theirs = torch_rates(
        "CyclicLR", 0.1, base_lr=0.01, max_lr=0.1, step_size_up=20, mode=mode, cycle_momentum=False
    )
    peaks = [0.01 + 0.09 * shrink**number for number in range(UPDATES // 40 + 1)]

    found = ours("triangular_bounds", range(UPDATES), half_steps=20, peaks=peaks, lows=[0.01])

    assert pytest.approx(theirs, **BINARY64) == found


# -- optax -----------------------------------------------------------------------------------------


def optax_rates(kind: str, *operands: Any) -> list[float]:
    import jax
    import optax

    with jax.enable_x64(True):
        schedule = getattr(optax, kind)(*operands)
        return [float(x) for x in jax.vmap(schedule)(jax.numpy.arange(UPDATES))]


SCALES = [{}, {1: 0.5}, {7: 0.5, 8: 0.4, 9: 0.25}, {50: 0.1, 300: 0.9}]


@pytest.mark.parametrize("scales", SCALES)
def test_multi_step_factors_are_those_of_optax(scales: dict[int, float]) -> None:
    theirs = optax_rates("piecewise_constant_schedule", 0.1, scales)

    found = ours(
        "multi_step_factors",
        range(UPDATES),
        base_lr=0.1,
        milestones=list(scales),
        factors=list(scales.values()),
    )

    assert pytest.approx(theirs, **BINARY64) == found


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize("scales", SCALES[1:])
def test_interpolation_is_that_of_optax(scales: dict[int, float], shape: str) -> None:
    theirs = optax_rates("piecewise_interpolate_schedule", shape, 0.1, scales)
    values = [0.1 * math.prod(list(scales.values())[:count]) for count in range(len(scales) + 1)]

    found = ours(f"piecewise_{shape}", range(UPDATES), places=[0, *scales], values=values)

    assert pytest.approx(theirs, **BINARY64) == found


def test_restarts_with_bounds_are_those_of_optax() -> None:
    peaks, lows, lengths = [0.1, 0.06, 0.04], [0.01, 0.008, 0.006], [60, 120, 240]
    cycles = [
        {
            "init_value": peak,
            "peak_value": peak,
            "warmup_steps": 0,
            "decay_steps": length,
            "end_value": low,
        }
        for peak, low, length in zip(peaks, lows, lengths, strict=True)
    ]

    theirs = optax_rates("sgdr_schedule", cycles)

    found = ours(
        "cosine_restarts_bounds",
        range(UPDATES),
        first_steps=60,
        growth=2.0,
        peaks=peaks,
        lows=lows,
    )
    assert pytest.approx(theirs, **BINARY64) == found


def test_constant_pieces_are_joined_constants_of_optax() -> None:
    import jax
    import optax

    values = [0.1, 0.3, 0.05]
    with jax.enable_x64(True):
        schedule = optax.join_schedules([optax.constant_schedule(x) for x in values], [7, 8])
        theirs = [float(schedule(step)) for step in range(12)]

    found = ours("piecewise_constant", range(12), boundaries=[7, 8], values=values)

    assert theirs == found


# -- NumPy, fairseq --------------------------------------------------------------------------------


def test_lines_are_those_of_numpy() -> None:
    places, values = [3, 10, 11, 250], [0.1, 0.5, 0.02, 0.3]
    theirs = np.interp(range(UPDATES), places, values).tolist()

    found = ours("piecewise_linear", range(UPDATES), places=places, values=values)

    assert pytest.approx(theirs, **BINARY64) == found


def fairseq(update: int, peak: float, lengths: tuple[int, int, int]) -> float:
    """tri_stage as fairseq 0.12.2 computes it, with its defaults of 0.01."""
    warmup, hold, decay = lengths
    first = last = 0.01 * peak
    if update < warmup:
        return first + (peak - first) / warmup * update
    if update < warmup + hold:
        return peak
    elapsed = update - warmup - hold
    return peak * math.exp(math.log(0.01) / decay * elapsed) if elapsed <= decay else last


def test_three_stages_are_those_of_fairseq() -> None:
    theirs = [fairseq(update, 5e-4, (40, 100, 200)) for update in range(UPDATES)]

    found = ours(
        "tri_stage",
        range(UPDATES),
        peak_lr=5e-4,
        warmup_steps=40,
        hold_steps=100,
        decay_steps=200,
    )

    assert pytest.approx(theirs, **BINARY64) == found


# -- Keras and TensorFlow --------------------------------------------------------------------------

PIECES = {"boundaries": [0, 7, 8, 100], "values": [0.5, 0.1, 0.3, 0.2, 0.05]}
RESTARTS: list[dict[str, float]] = [
    {"first_decay_steps": 10, "t_mul": 2.0, "m_mul": 1.0, "alpha": 0.0},
    {"first_decay_steps": 10, "t_mul": 1.5, "m_mul": 0.8, "alpha": 0.01},
    {"first_decay_steps": 7, "t_mul": 1.0, "m_mul": 0.5, "alpha": 0.1},
]
WAVES: list[dict[str, float]] = [
    {"num_periods": 0.5, "alpha": 0.0, "beta": 0.001},
    {"num_periods": 3.5, "alpha": 0.1, "beta": 0.01},
    {"num_periods": 2.0, "alpha": 0.2, "beta": 0.0},
]


def keras_report() -> dict[str, Any]:
    import keras
    import tensorflow

    schedules = keras.optimizers.schedules
    steps = np.arange(FLOAT32_UPDATES, dtype=np.int32)
    pieces = schedules.PiecewiseConstantDecay(**PIECES)
    restarts = [schedules.CosineDecayRestarts(0.1, **options) for options in RESTARTS]
    train = tensorflow.compat.v1.train
    return {
        "pieces": [float(pieces(step)) for step in steps],
        "restarts": [[float(one(step)) for step in steps] for one in restarts],
        "waves": [
            [float(train.linear_cosine_decay(0.1, step, 100, **options)()) for step in steps]
            for options in WAVES
        ],
        "silent": [
            [
                float(train.noisy_linear_cosine_decay(0.1, step, 100, 0.0, **options)())
                for step in steps
            ]
            for options in WAVES
        ],
    }


@cache
def reported() -> dict[str, Any]:
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_constant_pieces_are_those_of_keras_after_each_boundary() -> None:
    found = ours("piecewise_constant", range(FLOAT32_UPDATES), **PIECES, switch="after")

    assert reported()["pieces"] == [float(np.float32(rate)) for rate in found]


def test_constant_pieces_at_each_boundary_differ_from_keras_there_alone() -> None:
    found = ours("piecewise_constant", range(FLOAT32_UPDATES), **PIECES)
    theirs = reported()["pieces"]

    assert PIECES["boundaries"] == [
        step for step in range(FLOAT32_UPDATES) if float(np.float32(found[step])) != theirs[step]
    ]


@pytest.mark.parametrize("index", range(len(RESTARTS)))
def test_restarts_between_updates_are_those_of_keras(index: int) -> None:
    options = RESTARTS[index]

    found = ours(
        "cosine_warm_restarts",
        range(FLOAT32_UPDATES),
        base_lr=0.1,
        first_steps=options["first_decay_steps"],
        growth=options["t_mul"],
        shrink=options["m_mul"],
        end_lr=0.1 * options["alpha"],
        parts=1_000,
    )

    # A thousandth of an update apart, at most, and a float32 index of the cycle.
    assert pytest.approx(reported()["restarts"][index], rel=1e-4, abs=1e-5) == found


@pytest.mark.parametrize("index", range(len(WAVES)))
@pytest.mark.parametrize("kind", ["waves", "silent"])
def test_linear_cosine_is_that_of_tensorflow(kind: str, index: int) -> None:
    options = WAVES[index]
    parameters = {"base_lr": 0.1, "decay_steps": 100, "half_waves": int(2 * options["num_periods"])}
    parameters |= {"alpha": options["alpha"], "beta": options["beta"]}
    silent = {"std": 0.0} if kind == "silent" else {}
    name = "noisy_linear_cosine" if kind == "silent" else "linear_cosine"

    found = ours(name, range(FLOAT32_UPDATES), **parameters, **silent)

    assert pytest.approx(reported()[kind][index], **FLOAT32) == found


def test_the_comparison_notices_a_cycle_that_is_one_update_longer() -> None:
    options: dict[str, Any] = {"T_0": 10, "T_mult": 2, "eta_min": 1e-3}
    theirs = torch_rates("CosineAnnealingWarmRestarts", 0.1, **options)

    found = ours(
        "cosine_warm_restarts",
        range(UPDATES),
        base_lr=0.1,
        first_steps=11,
        growth=2.0,
        end_lr=1e-3,
    )

    assert pytest.approx(theirs, **BINARY64) != found


if __name__ == "__main__":
    print(json.dumps(keras_report()))
