"""A schedule for each layer: what SGD applied to each, in every framework."""

import pytest
from closeness import exact, float32, furthest
from mpmath import cos, mpf, pi

UPDATES = 120


def lower(step: int) -> mpf:
    half, peak = UPDATES // 2, exact(0.1)
    if step < half:
        return peak * step / half
    return peak * (1 + cos(pi * mpf(step - half) / (UPDATES - half))) / 2


def upper(step: int) -> mpf:
    rise, peak = UPDATES // 10, exact(0.2)
    height = mpf(step) / rise if step < rise else 1 - mpf(step - rise) / (UPDATES - rise)
    return peak * (1 + height * 31) / 32


def head(step: int) -> mpf:
    return exact(0.4) * exact(0.99) ** step


LAYERS = {"lower": lower, "upper": upper, "head": head}
FRAMEWORKS = ("PyTorch", "JAX", "Keras")


def curve(layer: str) -> list[mpf]:
    return [LAYERS[layer](step) for step in range(UPDATES)]


@pytest.mark.parametrize("layer", LAYERS)
def test_torch_applies_each_layer_s_own_rates_in_binary64(results, layer):
    assert furthest(results["per_group"]["PyTorch"][layer], curve(layer)) <= 8


@pytest.mark.parametrize("framework", ["JAX", "Keras"])
@pytest.mark.parametrize("layer", LAYERS)
def test_jax_and_keras_apply_the_float32_of_them(results, framework, layer):
    expected = float32(curve(layer))

    assert expected == results["per_group"][framework][layer]
    assert expected[1:] != results["per_group"][framework][layer][:-1]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("other", LAYERS)
def test_a_schedule_on_the_wrong_layer_is_noticed(results, framework, layer, other):
    found = float32(results["per_group"][framework][layer])

    assert (layer == other) == (float32(curve(other)) == found)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_loss_falls_and_is_that_of_the_others(results, framework):
    loss = results["per_group"][framework]["loss"]

    assert loss[-1] < 0.6 * loss[0]
    assert loss == pytest.approx(results["per_group"]["PyTorch"]["loss"], rel=1e-5, abs=0)
