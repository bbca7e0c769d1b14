"""Objects that a framework has made are read by their attributes, from the first step on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler, swa_utils
from walked import optimizer_of, rates

import lrgen

STEPS = 40
Make = Callable[[torch.optim.Optimizer], Any]
TORCH: dict[str, Make] = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 7, gamma=0.5),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [3, 9, 20], gamma=0.5),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, factor=0.25, total_iters=4),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.1, 0.9, 12),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, total_iters=30, power=2.0),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 15, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, 2),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.5, 5, 8, mode="triangular2"),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(
        o, 0.7, 50, pct_start=0.21, div_factor=7.0, final_div_factor=300.0, anneal_strategy="linear"
    ),
    "OneCycleLR of three phases": lambda o: lr_scheduler.OneCycleLR(
        o, 0.7, total_steps=45, pct_start=0.3, three_phase=True
    ),
    "SWALR": lambda o: swa_utils.SWALR(o, 0.05, anneal_epochs=6, anneal_strategy="linear"),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1, total_iters=5), lr_scheduler.CosineAnnealingLR(o, 30)],
        [5],
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.StepLR(o, 7), lr_scheduler.ExponentialLR(o, 0.99)]
    ),
}
KERAS = {
    "CosineDecay": keras.optimizers.schedules.CosineDecay(
        0.01, 30, warmup_target=0.5, warmup_steps=5
    ),
    "ExponentialDecay": keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True),
    "PiecewiseConstantDecay": keras.optimizers.schedules.PiecewiseConstantDecay(
        [5, 9], [0.5, 0.25, 0.1]
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_a_scheduler_of_torch_is_read(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = TORCH[name](optimizer_of(0.3))
    found = lrgen.port(scheduler)

    np.testing.assert_allclose(
        found.bound.curve(range(STEPS)), rates(scheduler, STEPS), rtol=1e-12, atol=1e-16
    )
    assert () == found.notes


@pytest.mark.parametrize("name", TORCH)
def test_a_scheduler_is_read_from_its_first_step_wherever_it_is(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fresh, stepped = TORCH[name](optimizer_of(0.3)), TORCH[name](optimizer_of(0.3))
    rates(stepped, 3)

    assert lrgen.port(fresh).spec == lrgen.port(stepped).spec


def test_a_plateau_of_torch_is_read() -> None:
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer_of(0.3), factor=0.5, patience=1, min_lr=0.1
    )
    theirs = []
    for metric in [1.0] * 9:
        scheduler.step(metric)
        theirs.append(scheduler.get_last_lr()[0])
    fresh = lr_scheduler.ReduceLROnPlateau(optimizer_of(0.3), factor=0.5, patience=1, min_lr=0.1)

    assert theirs == lrgen.port(fresh).bound.trace([1.0] * 9).tolist()


@pytest.mark.parametrize("name", KERAS)
def test_a_schedule_of_keras_is_read(name: str) -> None:
    ours = lrgen.port(KERAS[name]).bound.curve(range(STEPS))
    theirs = [float(keras.ops.convert_to_numpy(KERAS[name](step))) for step in range(STEPS)]

    # Keras computes in float32, and so loses a share of its largest rate.
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-7)


def test_what_keras_serializes_is_read() -> None:
    kept = keras.optimizers.schedules.serialize(KERAS["CosineDecay"])

    assert 0.5 == lrgen.port(kept).bound(5)


def test_a_function_within_a_scheduler_is_asked_for_as_text() -> None:
    scheduler = lr_scheduler.LambdaLR(optimizer_of(0.3), lambda step: 0.5)
    with pytest.raises(ValueError, match="Give its text"):
        lrgen.port(scheduler)


def test_an_object_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match=r"builtins\.object cannot be read"):
        lrgen.port(object())
