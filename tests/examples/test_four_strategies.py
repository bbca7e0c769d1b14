"""Four annealing strategies: the rates of each, in every framework, and the plateau replayed."""

import pytest
from closeness import exact, float32, furthest
from mpmath import cos, exp, mpf, pi

EPOCHS = 50
BASE = exact(0.01)
FRAMEWORKS = ("Keras", "PyTorch", "JAX")

STRATEGIES = {
    "fixed step": lambda epoch: BASE * mpf(2) ** -(epoch // 10),
    "exponential": lambda epoch: BASE * exp(-exact(0.1) * epoch),
    "cosine": lambda epoch: BASE * (1 + cos(pi * epoch / 100)) / 2,
}


def curve(strategy: str) -> list[mpf]:
    return [STRATEGIES[strategy](epoch) for epoch in range(EPOCHS)]


def history(results, strategy: str, framework: str) -> dict[str, list[float]]:
    return results["four_strategies"][f"{strategy}, {framework}"]


def reduced_on_plateau(losses: list[float], patience: int) -> list[float]:
    """Rates that the callback of Keras gives: half after ``patience`` losses without a new best."""
    rate, best, waited = 0.01, float("inf"), 0
    rates = [rate]
    for loss in losses[:-1]:
        if loss < best - 1e-4:
            best, waited = loss, 0
        else:
            waited += 1
        if waited >= patience:
            rate, waited = max(rate * 0.5, 1e-6), 0
        rates.append(rate)
    return rates


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_torch_has_each_rate_in_binary64(results, strategy):
    assert furthest(history(results, strategy, "PyTorch")["rate"], curve(strategy)) <= 8


@pytest.mark.parametrize("framework", ["Keras", "JAX"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_keras_and_jax_have_the_float32_of_it(results, strategy, framework):
    assert float32(curve(strategy)) == history(results, strategy, framework)["rate"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rates_that_are_an_epoch_late_are_noticed(results, strategy, framework):
    late = [STRATEGIES[strategy](max(epoch - 1, 0)) for epoch in range(EPOCHS)]

    assert float32(late) != float32(history(results, strategy, framework)["rate"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_plateau_is_that_of_keras_on_the_losses_there_were(results, framework):
    found = history(results, "plateau", framework)
    replayed = reduced_on_plateau(found["val_loss"], patience=5)

    assert min(replayed) < 0.01
    assert float32(replayed) == float32(found["rate"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("patience", [4, 6])
def test_a_patience_that_is_one_off_is_noticed(results, framework, patience):
    found = history(results, "plateau", framework)

    assert float32(reduced_on_plateau(found["val_loss"], patience)) != float32(found["rate"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("strategy", [*STRATEGIES, "plateau"])
def test_the_network_learns_and_starts_alike_everywhere(results, strategy, framework):
    found = history(results, strategy, framework)
    others = history(results, strategy, "PyTorch")

    assert found["loss"][-1] < 0.8 * found["loss"][0]
    assert found["accuracy"][-1] > found["accuracy"][0]
    assert found["loss"][:5] == pytest.approx(others["loss"][:5], rel=1e-4, abs=0)
