"""Adaptive optimizers: the rate that each applied, found from what it did to a weight."""

import itertools

import pytest
from closeness import exact, float32, furthest
from mpmath import cos, mpf, pi

UPDATES, WARMUP = 60, 6
PEAK_LR = {"AdaGrad": 0.2, "RMSprop": 0.01, "AdaDelta": 5.0, "Adam": 0.03}
FRAMEWORKS = ("PyTorch", "Keras", "JAX")
CASES = list(itertools.product(PEAK_LR, FRAMEWORKS))
ROUNDINGS = 8
"""Units in the last place of binary64 that a quotient of two changes may be off: an optimizer
multiplies by the rate, divides by the root and perhaps corrects the bias, twice, and we divide."""


def cosine_warmup(step: int, peak_lr: float) -> mpf:
    peak = exact(peak_lr)
    if step < WARMUP:
        return peak * step / WARMUP
    return peak * (1 + cos(pi * mpf(step - WARMUP) / (UPDATES - WARMUP))) / 2


def curve(name: str) -> list[mpf]:
    return [cosine_warmup(step, PEAK_LR[name]) for step in range(UPDATES)]


@pytest.mark.parametrize(("name", "framework"), CASES)
def test_the_optimizer_applies_the_schedule_to_the_last_bit_of_float32(results, name, framework):
    applied = float32(results["adaptive"][f"{name}, {framework}"]["rate"])

    assert float32(curve(name)) == applied
    assert float32(curve(name))[1:] != applied[:-1]


@pytest.mark.parametrize(("name", "framework"), CASES)
def test_what_the_probe_finds_has_only_its_own_roundings(results, name, framework):
    applied = results["adaptive"][f"{name}, {framework}"]["rate"]
    given = curve(name) if framework == "PyTorch" else [exact(lr) for lr in float32(curve(name))]

    assert furthest(applied, given) <= (16 if framework == "PyTorch" else ROUNDINGS)


@pytest.mark.parametrize(("name", "framework"), CASES)
def test_the_loss_falls_and_is_that_of_the_others(results, name, framework):
    loss = results["adaptive"][f"{name}, {framework}"]["loss"]
    others = results["adaptive"][f"{name}, PyTorch"]["loss"]

    assert loss[-1] < 0.5 * loss[0]
    assert loss == pytest.approx(others, rel=1e-3, abs=0)
    assert loss[1:] != pytest.approx(others[:-1], rel=1e-3, abs=0)
