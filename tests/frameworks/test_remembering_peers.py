"""The automata that follow somebody else's code do what that code does, on random metrics.

Factors, rates, thresholds and metrics are sums of powers of two, so that the others' products of
rates have no rounding either, and a metric hits a threshold exactly now and then.
"""

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.contrib
import pytest
import torch
from conformance import class_name
from emitted import load_broken, load_emitted

from lrgen.automaton import Automaton
from lrgen.catalogue import catalogue
from lrgen.pipeline import library
from lrgen.schedule import Schedule

HERE = Path(__file__).parent
Parameters = Mapping[str, Any]
AWKWARD = (math.nan, math.inf, -math.inf, 0.0, -0.0)


@dataclass(frozen=True)
class Sequence:
    """Parameters, and the metrics that are observed in turn."""

    parameters: Parameters
    metrics: tuple[float, ...]


def metrics(source: random.Random, count: int) -> tuple[float, ...]:
    """A walk over eighths, with plateaus, that comes down to below 0; awkward ones at times."""
    found, metric = [], 2.0
    awkward = source.choice([0.0, 0.1])
    for _ in range(count):
        metric += source.choice([0.0, 0.0, 0.125, -0.125, -0.25, 0.25])
        found.append(source.choice(AWKWARD) if source.random() < awkward else metric)
    return tuple(found)


def sequences(name: str, count: int, **choices: tuple[Any, ...]) -> list[Sequence]:
    """Reproducible sets of parameters, each with metrics of its own."""
    source = random.Random(name)
    return [
        Sequence(
            {key: source.choice(values) for key, values in choices.items()}, metrics(source, 40)
        )
        for _ in range(count)
    ]


def emitted_rates(name: str, one: Sequence, module: Any = None) -> list[float]:
    """Those of the emitted class."""
    make = getattr(module or load_emitted("python", name), class_name(name))
    automaton = make(**one.parameters)
    return [automaton.observe(metric) for metric in one.metrics]


@pytest.fixture(scope="module")
def schedules() -> dict[str, Schedule]:
    names = ("plateau_torch", "plateau_keras", "plateau_optax", "newbob", "greedy")
    specs, found = library([catalogue()[name] for name in names])
    return {name: specs.schedule(name) for name in found}


def exact_rates(schedule: Schedule, one: Sequence) -> list[float]:
    """Those of the exact automaton, which shares no code with emitted classes."""
    automaton = Automaton(schedule, {**schedule.defaults, **one.parameters})
    found = []
    for metric in one.metrics:
        automaton.observe(metric)
        found.append(float(automaton.rate()))
    return found


def differing(name: str, expected: list[float], one: Sequence, module: Any = None) -> Iterator[str]:
    """Where the emitted class departs from ``expected``; empty when it does not."""
    found = emitted_rates(name, one, module)
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True), 1):
        if ours != theirs:
            yield f"{one}: {ours} != {theirs} after observation {number}"
            return


# -- PyTorch ---------------------------------------------------------------------------------

TORCH = sequences(
    "torch",
    150,
    base_lr=(1.0, 0.25),
    factor=(0.5, 0.25, 0.0),
    patience=(0, 1, 2, 3),
    threshold=(0.0, 0.125, 0.25, 1.0),
    threshold_mode=("rel", "abs"),
    cooldown=(0, 1, 3),
    min_lr=(0.0, 0.0625, 0.5),
    eps=(0.0, 0.125, 1e-8),
    mode=("min", "max"),
)


def torch_rates(one: Sequence) -> list[float]:
    """Those of torch.optim.lr_scheduler.ReduceLROnPlateau."""
    parameters = dict(one.parameters)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=parameters.pop("base_lr"))
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **parameters)
    found = []
    for metric in one.metrics:
        scheduler.step(metric)
        found.append(float(optimizer.param_groups[0]["lr"]))
    return found


def test_torch_is_followed_to_the_letter(schedules: dict[str, Schedule]) -> None:
    for one in TORCH:
        expected = torch_rates(one)

        assert expected == emitted_rates("plateau_torch", one), one
        assert expected == exact_rates(schedules["plateau_torch"], one), one


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("misses > self.patience", "misses >= self.patience"),
        ("old - new > self.eps", "old - new >= self.eps"),
        ("metric < below", "metric <= below"),
        ("metric > above", "metric >= above"),
        ("0 if improved or resting", "0 if improved"),
    ],
)
def test_a_departure_from_torch_is_found(before: str, after: str) -> None:
    module = load_broken("python", "plateau_torch", before, after)

    assert any(any(differing("plateau_torch", torch_rates(o), o, module)) for o in TORCH)


# -- Keras -----------------------------------------------------------------------------------

KERAS = sequences(
    "keras",
    150,
    base_lr=(1.0, 0.25),
    factor=(0.5, 0.25, 0.0),
    patience=(0, 1, 2, 3),
    min_delta=(0.0, 0.125, 0.25, -0.125),
    cooldown=(0, 1, 2, 3),
    min_lr=(0.0, 0.0625, 0.5),
    mode=("min", "max"),
)


@pytest.fixture(scope="module")
def keras_rates() -> list[list[float]]:
    """Those of keras.callbacks.ReduceLROnPlateau, for each of the sequences."""
    cases = [{"parameters": o.parameters, "metrics": [str(m) for m in o.metrics]} for o in KERAS]
    done = subprocess.run(
        [sys.executable, HERE / "keras_plateau_peer.py"],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
    )
    found: list[list[float]] = json.loads(done.stdout)
    return found


def test_keras_is_followed_to_the_letter(
    schedules: dict[str, Schedule], keras_rates: list[list[float]]
) -> None:
    for one, expected in zip(KERAS, keras_rates, strict=True):
        assert expected == emitted_rates("plateau_keras", one), one
        assert expected == exact_rates(schedules["plateau_keras"], one), one


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("misses >= self.patience", "misses > self.patience"),
        (" and current > self.min_lr", ""),
        ("not self.seen or better", "better"),
        ("abs(self.min_delta) < self.best", "abs(self.min_delta) <= self.best"),
        ("improved and resting == 0", "improved and self.cooldown_left == 0"),
    ],
)
def test_a_departure_from_keras_is_found(
    before: str, after: str, keras_rates: list[list[float]]
) -> None:
    module = load_broken("python", "plateau_keras", before, after)

    pairs = zip(KERAS, keras_rates, strict=True)
    assert any(any(differing("plateau_keras", rates, one, module)) for one, rates in pairs)


# -- optax -----------------------------------------------------------------------------------

# Compiled once for each threshold and factor, which optax wants to know when it compiles.
OPTAX = [
    Sequence({**one.parameters, "factor": factor, "rtol": rtol, "atol": atol}, one.metrics)
    for factor, rtol, atol in (
        (0.5, 0.125, 0.0),
        (0.25, 0.0, 0.125),
        (0.5, 0.25, 0.25),
        (0.5, 1.0, 0.0),
    )
    for one in sequences(
        f"optax {factor} {rtol} {atol}",
        30,
        base_lr=(1.0, 0.25),
        patience=(0, 1, 2, 3),
        cooldown=(0, 1, 3),
        min_scale=(0.0, 0.0625, 0.5, 1.0),
    )
]


@pytest.fixture(scope="module")
def optax_rates() -> list[list[float]]:
    """Those of optax.contrib.reduce_on_plateau, for each of the sequences, in binary64."""
    compiled: dict[tuple[float, ...], Any] = {}

    def scales(key: tuple[float, ...], one: Sequence) -> Any:
        factor, rtol, atol = key

        def run(patience: Any, cooldown: Any, min_scale: Any, observed: Any) -> Any:
            transform = optax.contrib.reduce_on_plateau(
                factor, patience, rtol, atol, cooldown, min_scale=min_scale
            )
            weights = jnp.zeros((), jnp.float64)

            def step(state: Any, metric: Any) -> Any:
                _, state = transform.update(weights, state, weights, value=metric)
                return state, state.scale

            return jax.lax.scan(step, transform.init(weights), observed)[1]

        if key not in compiled:
            compiled[key] = jax.jit(run)
        p = one.parameters
        return compiled[key](p["patience"], p["cooldown"], p["min_scale"], np.array(one.metrics))

    found = []
    with jax.enable_x64(True):
        for one in OPTAX:
            p = one.parameters
            scale = np.asarray(scales((p["factor"], p["rtol"], p["atol"]), one))
            found.append((p["base_lr"] * scale).tolist())
    return found


def test_optax_is_followed_to_the_letter(
    schedules: dict[str, Schedule], optax_rates: list[list[float]]
) -> None:
    for one, expected in zip(OPTAX, optax_rates, strict=True):
        assert expected == emitted_rates("plateau_optax", one), one
        assert expected == exact_rates(schedules["plateau_optax"], one), one


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("misses == self.patience", "misses >= self.patience"),
        ("0 if resting or reduced else misses", "0 if reduced else misses"),
        ("metric < (1 - self.rtol)", "metric <= (1 - self.rtol)"),
    ],
)
def test_a_departure_from_optax_is_found(
    before: str, after: str, optax_rates: list[list[float]]
) -> None:
    module = load_broken("python", "plateau_optax", before, after)

    pairs = zip(OPTAX, optax_rates, strict=True)
    assert any(any(differing("plateau_optax", rates, one, module)) for one, rates in pairs)


# -- code that is not installed here, told again in other words ------------------------------


def newbob_rates(one: Sequence) -> list[float]:
    """As speechbrain.nnet.schedulers.NewBobScheduler documents itself, with its rate as a number.

    An improvement is relative to the metric before; one from 0 counts as none. Too small ones are
    forgiven as often as ``patience`` says, and then the rate is annealed.
    """
    p = one.parameters
    rate, forgiven, found = p["base_lr"], 0, []
    for number, metric in enumerate(one.metrics):
        if number > 0:
            before = one.metrics[number - 1]
            improvement = 1 - metric / before if before not in (0, math.inf, -math.inf) else 0.0
            if before in (math.inf, -math.inf):  # inf - x is inf or NaN, and so is its share
                improvement = math.nan
            if improvement < p["threshold"]:
                if forgiven == p["patience"]:
                    rate, forgiven = rate * p["factor"], 0
                else:
                    forgiven += 1
        found.append(rate)
    return found


NEWBOB = sequences(
    "newbob",
    150,
    base_lr=(1.0, 0.25),
    factor=(0.5, 0.25),
    # None of these is a ratio of two metrics, since 1 - a / b rounds otherwise than (b - a) / b.
    threshold=(0.0025, 0.1234, 0.0101),
    patience=(0, 1, 3),
)


def test_newbob_is_speechbrains(schedules: dict[str, Schedule]) -> None:
    for one in NEWBOB:
        expected = newbob_rates(one)

        assert expected == emitted_rates("newbob", one), one
        assert expected == exact_rates(schedules["newbob"], one), one


def test_newbob_agrees_with_the_example_in_its_documentation() -> None:
    one = Sequence({"base_lr": 1.0}, (10.0, 2.0, 2.5))

    assert [1.0, 1.0, 0.5] == emitted_rates("newbob", one)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("small and self.left == 0", "small and self.left <= 1"),
        ("0.0 if self.previous == 0 else", "1.0 if self.previous == 0 else"),
        ("/ self.previous", "/ abs(self.previous)"),
    ],
)
def test_a_departure_from_newbob_is_found(before: str, after: str) -> None:
    module = load_broken("python", "newbob", before, after)

    assert any(any(differing("newbob", newbob_rates(o), o, module)) for o in NEWBOB)


class Greedy:
    """GreedyLR as transformers 5.23 has it, without smoothing, with its rate as a number."""

    def __init__(self, parameters: Parameters) -> None:
        self.p = parameters
        self.start()

    def start(self) -> None:
        self.rate: float = self.p["base_lr"]
        self.best = math.inf if self.p["mode"] == "min" else -math.inf
        self.streak = {True: 0, False: 0}
        self.pause = 0
        self.chances = self.p["reset_start"]

    def is_better(self, metric: float) -> bool:
        size, relative = self.p["threshold"], self.p["threshold_mode"] == "rel"
        if self.p["mode"] == "min":
            return metric < (self.best * (1.0 - size) if relative else self.best - size)
        return metric > (self.best * (1.0 + size) if relative else self.best + size)

    def observe(self, metric: float) -> float:
        if self.pause > 0:  # a pause of either kind ignores the metric and ends every streak
            self.pause -= 1
            self.streak = {True: 0, False: 0}
            return self.rate
        better = self.is_better(metric)
        if better:
            self.best = metric
        self.streak = {better: self.streak[better] + 1, not better: 0}
        if self.streak[better] > self.p["patience"]:
            pause = self.p["warmup"] if better else self.p["cooldown"]
            self.climb() if better else self.descend()
            self.pause = pause
            self.streak[better] = 0
        return self.rate

    def climb(self) -> None:
        higher = min(self.rate / self.p["factor"], self.p["max_lr"])
        if higher - self.rate > self.p["eps"]:
            self.rate = higher
        self.chances = self.p["reset_start"]

    def descend(self) -> None:
        lower = max(self.rate * self.p["factor"], self.p["min_lr"])
        if self.rate - lower > self.p["eps"]:
            self.rate = lower
        if self.rate <= self.p["min_lr"]:
            self.chances -= 1
            if self.chances <= 0:
                self.start()


GREEDY = sequences(
    "greedy",
    300,
    base_lr=(1.0, 0.25, 0.0625, 0.03125),
    mode=("min", "max"),
    factor=(0.5, 0.25),
    patience=(0, 0, 1, 2),
    threshold=(0.0, 0.125),
    threshold_mode=("rel", "abs"),
    cooldown=(0, 0, 2),
    warmup=(0, 0, 1),
    min_lr=(0.0625, 0.1875),
    max_lr=(0.75, 4.0),
    eps=(0.0, 0.0625),
    reset_start=(0, 1, 3),
)


def greedy_rates(one: Sequence) -> list[float]:
    automaton = Greedy(one.parameters)
    return [automaton.observe(metric) for metric in one.metrics]


def test_greedy_is_transformers(schedules: dict[str, Schedule]) -> None:
    for one in GREEDY:
        expected = greedy_rates(one)

        assert expected == emitted_rates("greedy", one), one
        assert expected == exact_rates(schedules["greedy"], one), one


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("remaining <= 0", "remaining < 0"),
        ("higher - old > self.eps", "higher - old >= self.eps"),
        ("old - lower > self.eps", "old - lower >= self.eps"),
        ("1 if top else self.limit", "0 if top else self.limit"),
        ("-1 if bottom", "0 if bottom"),
        ("self.reset_start if rise", "self.resets_left if rise"),
        ("0 if rise else hits", "hits"),
    ],
)
def test_a_departure_from_greedy_is_found(before: str, after: str) -> None:
    module = load_broken("python", "greedy", before, after)

    assert any(any(differing("greedy", greedy_rates(o), o, module)) for o in GREEDY)


# -- our own ---------------------------------------------------------------------------------


def test_a_flat_negative_metric_is_a_plateau_for_us_and_for_torch_never() -> None:
    flat = Sequence({"patience": 2, "factor": 0.5, "base_lr": 1.0}, (-1.0,) * 8)

    assert [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25] == emitted_rates("plateau", flat)
    assert [1.0] * 8 == emitted_rates("plateau_torch", flat)


def test_on_positive_finite_metrics_ours_is_torchs() -> None:
    for one in (one for one in TORCH if one.parameters["threshold"] < 1.0):
        parameters = {**one.parameters, "threshold_mode": "rel", "mode": "min", "eps": 0.0}
        parameters |= {"factor": 0.5, "min_lr": 0.0}
        positive = tuple(abs(m) + 0.125 for m in one.metrics if math.isfinite(m))
        ours = {k: v for k, v in parameters.items() if k not in ("threshold_mode", "eps")}

        expected = torch_rates(Sequence(parameters, positive))

        assert expected == emitted_rates("plateau", Sequence(ours, positive)), one


def test_a_first_nan_does_not_poison_ours() -> None:
    one = Sequence({"patience": 0, "factor": 0.5, "base_lr": 1.0}, (math.nan, 1.0, 0.5, 0.25))

    assert [0.5, 0.5, 0.5, 0.5] == emitted_rates("plateau", one)
    keras = Sequence(one.parameters, one.metrics)
    assert [1.0, 0.5, 0.25, 0.125] == emitted_rates("plateau_keras", keras)
