"""The dialects of small recipes, held against their functions at every step.

`make test` installs none of these: the formulas are transcribed below from
``scripts/base_train.py`` of nanochat, commit 00255c194d47; ``litgpt/pretrain.py`` of LitGPT 0.5.13;
``torchtune/training/lr_schedulers.py`` of torchtune 0.6.1; ``diffusers/optimization.py`` of
diffusers 0.42.1; ``llmfoundry/optim/scheduler.py`` of LLM Foundry, commit 047b320904e4; and
``ultralytics/utils/torch_utils.py`` of Ultralytics 8.4.190. Where one of them is there all the
same, its own function is compared as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import by_path
import called
import peers
import pytest
from peers import Draw, Parameters

from lrgen import catalogue

STEPS = range(160)
DRAWS = 25
MANY = 400
# Waves that go on for a hundred turns lose this share of their height in the libraries.
TURNS = 4e-13


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 90)]))


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, 0.0, source.random()])


# -- nanochat ------------------------------------------------------------------------------------


def multiplied(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "num_iterations": length(source),
        "warmup_steps": length(source),
        "warmdown_ratio": share(source),
        "final_lr_frac": share(source),
    }


def get_lr_multiplier(it: int, p: Parameters) -> float:
    warmdown = round(p["warmdown_ratio"] * p["num_iterations"])
    if it < p["warmup_steps"]:
        return p["base_lr"] * (it + 1) / p["warmup_steps"]
    if it <= p["num_iterations"] - warmdown:
        return p["base_lr"]
    progress = (p["num_iterations"] - it) / warmdown
    return p["base_lr"] * (progress * 1.0 + (1 - progress) * p["final_lr_frac"])


def moved(source: Random) -> Parameters:
    run = source.choice([length(source), source.randrange(300, 900)])
    return {"num_iterations": run, "warmdown_ratio": share(source)}


def get_muon_momentum(it: int, p: Parameters) -> float:
    warmdown = round(p["warmdown_ratio"] * p["num_iterations"])
    begun = p["num_iterations"] - warmdown
    if it < 400:
        return (1 - it / 400) * 0.85 + it / 400 * 0.97
    if it >= begun:
        progress = (it - begun) / warmdown
        return 0.97 * (1 - progress) + 0.90 * progress
    return 0.97


def get_weight_decay(it: int, p: Parameters) -> float:
    return p["weight_decay_scaled"] * 0.5 * (1 + math.cos(math.pi * it / p["num_iterations"]))


# -- the others ----------------------------------------------------------------------------------


def get_lr(it: int, p: Parameters) -> float:
    warmup, last = p["warmup_iters"], p["max_iters"]
    if it < warmup:
        return p["learning_rate"] * it / warmup
    if it > last:
        return p["min_lr"]
    height = 0.5 * (1.0 + math.cos(math.pi * (it - warmup) / (last - warmup)))
    return p["min_lr"] + height * (p["learning_rate"] - p["min_lr"])


def waves(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "num_warmup_steps": length(source),
        "num_training_steps": length(source),
    }


def progress(step: int, p: Parameters) -> float:
    """Of transformers' schedules, which torchtune and diffusers copied."""
    warmup = p["num_warmup_steps"]
    return (step - warmup) / max(1, p["num_training_steps"] - warmup)


def torchtune_cosine(step: int, p: Parameters) -> float:
    if step < p["num_warmup_steps"]:
        return p["base_lr"] * (step / max(1, p["num_warmup_steps"]))
    angle = math.pi * p["num_cycles"] * 2.0 * progress(step, p)
    return p["base_lr"] * max(0.0, 0.5 * (1.0 + math.cos(angle)))


def hard_restarts(step: int, p: Parameters) -> float:
    if step < p["num_warmup_steps"]:
        return p["base_lr"] * (float(step) / float(max(1, p["num_warmup_steps"])))
    if progress(step, p) >= 1.0:
        return 0.0
    place = (float(p["num_cycles"]) * progress(step, p)) % 1.0
    return p["base_lr"] * max(0.0, 0.5 * (1.0 + math.cos(math.pi * place)))


def ruled(source: Random) -> Parameters:
    boundaries = sorted(source.sample(range(90), source.randrange(6)))
    factors = [source.random() for _ in (0, *boundaries)]
    return {"base_lr": rate(source), "boundaries": boundaries, "factors": factors}


def rules(step: int, p: Parameters) -> float:
    *factors, last = p["factors"]
    found = (f for place, f in zip(p["boundaries"], factors, strict=True) if step < place)
    return p["base_lr"] * next(found, last)


def rooted(source: Random) -> Parameters:
    slow = source.choice([0.0, 0.1, source.random()])
    return {
        "base_lr": rate(source),
        "t_warmup": length(source),
        "t_scale": length(source, 1),
        "t_cooldown": length(source),
        "t_max": source.choice([0, length(source)]),
        "max_duration": length(source, 1),
        "alpha_f_decay": slow,
        "alpha_f_cooldown": source.choice([0.0, slow]),
    }


def inverse_square_root(t: int, p: Parameters) -> float:
    warmup, scale, cooldown = p["t_warmup"], p["t_scale"], p["t_cooldown"]
    if t < warmup:
        return p["base_lr"] * min(1.0, t / warmup)
    begun = max((p["t_max"] or p["max_duration"]) - cooldown, warmup)
    height = 1 / ((min(t, begun) + scale - warmup) / scale) ** 0.5
    factor = p["alpha_f_decay"] + height * (1.0 - p["alpha_f_decay"])
    if t >= begun and cooldown != 0:
        factor += min(1.0, (t - begun) / cooldown) * (p["alpha_f_cooldown"] - factor)
    return p["base_lr"] * factor


def one_cycle(x: int, p: Parameters) -> float:
    height = max((1 - math.cos(x * math.pi / p["steps"])) / 2, 0)
    return p["base_lr"] * (height * (p["y2"] - p["y1"]) + p["y1"])


FORMULAS: dict[str, tuple[Draw, Callable[[int, Parameters], float]]] = {
    "nanochat/get_lr_multiplier": (multiplied, get_lr_multiplier),
    "nanochat/get_muon_momentum": (moved, get_muon_momentum),
    "nanochat/get_weight_decay": (
        lambda s: {"weight_decay_scaled": rate(s), "num_iterations": length(s, 1)},
        get_weight_decay,
    ),
    "litgpt/get_lr": (
        lambda s: {
            "learning_rate": rate(s),
            "warmup_iters": length(s),
            "max_iters": length(s),
            "min_lr": s.choice([0.0, rate(s)]),
        },
        get_lr,
    ),
    "torchtune/get_cosine_schedule_with_warmup": (
        lambda s: {**waves(s), "num_cycles": s.choice([0.5, 1.0, 1.5, s.uniform(0, 3)])},
        torchtune_cosine,
    ),
    "diffusers/cosine_with_restarts": (
        lambda s: {**waves(s), "num_cycles": s.randrange(1, 8)},
        hard_restarts,
    ),
    "diffusers/piecewise_constant": (ruled, rules),
    "llm_foundry/InverseSquareRootWithWarmupScheduler": (rooted, inverse_square_root),
    "ultralytics/one_cycle": (
        lambda s: {
            "base_lr": rate(s),
            "y1": s.choice([1.0, 0.0, s.uniform(-1, 1)]),
            "y2": s.choice([0.01, 1.0, s.uniform(-1, 1)]),
            "steps": length(s, 1),
        },
        one_cycle,
    ),
}


def steps_of(name: str, p: Parameters) -> range:
    """All steps, but those after the end where nanochat without a line down divides by 0."""
    if name.startswith("nanochat") and round(p.get("warmdown_ratio", 1) * p["num_iterations"]) == 0:
        return range(max(p["num_iterations"], 1))
    return range(900) if name.endswith("momentum") else STEPS


def hold(name: str, count: int, formula: Callable[[int, Parameters], float]) -> None:
    for parameters in peers.draws(name, FORMULAS[name][0], count):
        steps = steps_of(name, parameters)
        theirs = [formula(step, parameters) for step in steps]
        peers.assert_same(name, parameters, theirs, steps, of_scale=TURNS)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_step_is_that_of_the_formula(name: str) -> None:
    hold(name, DRAWS, FORMULAS[name][1])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_step_is_that_of_the_formula_over_many_draws(name: str) -> None:
    hold(name, MANY, FORMULAS[name][1])


def test_a_formula_one_step_late_is_red() -> None:
    with pytest.raises(AssertionError, match=r"litgpt/get_lr with .*, step \d+: .* against"):
        hold("litgpt/get_lr", DRAWS, lambda step, p: get_lr(max(step - 1, 0), p))


# -- the libraries themselves --------------------------------------------------------------------


def lambda_of(file: str, name: str) -> Callable[..., Any]:
    """The function ``name`` of ``file``, which makes a LambdaLR: what that multiplies by."""
    return by_path.function_of(file, name, LambdaLR=lambda _, share, *__, **___: share, math=math)


DIFFUSERS = "diffusers/optimization.py"
RESTARTS = "get_cosine_with_hard_restarts_schedule_with_warmup"
OWN: dict[str, Callable[[], Callable[..., Any]]] = {
    "litgpt/get_lr": lambda: by_path.function_of("litgpt/pretrain.py", "get_lr", math=math),
    "torchtune/get_cosine_schedule_with_warmup": lambda: lambda_of(
        "torchtune/training/lr_schedulers.py", "get_cosine_schedule_with_warmup"
    ),
    "diffusers/cosine_with_restarts": lambda: lambda_of(DIFFUSERS, RESTARTS),
    "diffusers/piecewise_constant": lambda: lambda_of(DIFFUSERS, "get_piecewise_constant_schedule"),
    "ultralytics/one_cycle": lambda: by_path.function_of(
        "ultralytics/utils/torch_utils.py", "one_cycle", math=math
    ),
}


def run(name: str, function: Callable[..., Any], parameters: Parameters) -> list[float]:
    """What the library's own ``function`` gives at every step."""
    own = dict(parameters)
    base = own.pop("base_lr", 1.0)
    if name == "litgpt/get_lr":
        return [function(it=step, **own) for step in STEPS]
    if name == "diffusers/piecewise_constant":
        *factors, last = own["factors"]
        pairs = zip(factors, own["boundaries"], strict=True)
        own = {"step_rules": ",".join([*(f"{f}:{place}" for f, place in pairs), str(last)])}
    share = function(**own) if name == "ultralytics/one_cycle" else function(None, **own)
    return [base * share(step) for step in STEPS]


@pytest.mark.parametrize("name", list(OWN))
def test_every_step_is_that_of_the_library_where_there_is_one(name: str) -> None:
    function = OWN[name]()
    for parameters in peers.draws(name, FORMULAS[name][0], DRAWS):
        peers.assert_same(name, parameters, run(name, function, parameters), of_scale=TURNS)


@pytest.mark.parametrize("name", list(OWN))
def test_a_call_is_that_of_the_library_where_there_is_one(name: str) -> None:
    assert called.arguments(OWN[name](), {"it"}) == called.written(name)


# -- what the specs say --------------------------------------------------------------------------


def test_every_dialect_of_these_libraries_is_compared() -> None:
    libraries = {name.split("/")[0] for name in FORMULAS}

    assert set(FORMULAS) == {name for one in libraries for name in catalogue.dialects(one)}


@pytest.mark.parametrize("name", list(FORMULAS))
def test_every_parameter_is_an_argument_or_the_rate_of_the_optimizer(name: str) -> None:
    arguments = {key for key, _ in called.written(name)}
    more = {
        "diffusers/piecewise_constant": {"boundaries", "factors"},  # in one text, step_rules
        "llm_foundry/InverseSquareRootWithWarmupScheduler": {"max_duration"},  # of the trainer
    }

    assert set(peers.loaded(name).parameters) - arguments <= {"base_lr", *more.get(name, ())}
