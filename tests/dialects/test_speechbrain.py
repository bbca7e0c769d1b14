"""The dialect of SpeechBrain, held against speechbrain.nnet.schedulers of SpeechBrain 1.1.2.

That module needs PyTorch alone: it is loaded from its file, with stand-ins for the parts of
SpeechBrain that it imports, so that a folder with ``speechbrain/nnet/schedulers.py`` is enough.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import hold
import peers
import pytest
from hold import length, rate, share
from peers import Deviation, Draw, Parameters

torch = pytest.importorskip("torch")

FILES = hold.files("speechbrain", "nnet", "schedulers.py")
if not FILES:
    pytest.skip("needs speechbrain/nnet/schedulers.py of speechbrain", allow_module_level=True)
MARKS = ["register_checkpoint_hooks", "mark_as_saver", "mark_as_loader"]
MARKING = SimpleNamespace(**{mark: lambda marked: marked for mark in MARKS})
schedulers = hold.load_alone(
    FILES[0],
    {
        "speechbrain": {},
        "speechbrain.utils": {
            "checkpoints": type("checkpoints", (), {m: lambda x: x for m in MARKS})
        },
        "speechbrain.utils.logger": {"get_logger": logging.getLogger},
    },
)
NEWBOB = "NewBobScheduler"
# SpeechBrain takes a step that the dialect calls by its number.
NUMBERED = {"WarmCoolDecayLRSchedule", "TriStageLRSchedule"}
# A share of the largest rate: SpeechBrain subtracts what the line has lost from its start.
LOOSE = {"WarmCoolDecayLRSchedule": {"of_scale": 1e-14}}


def noam(source: Random) -> Parameters:
    return {
        "lr_initial": rate(source),
        "n_warmup_steps": length(source, 1),
        "model_size": source.choice([0, source.randrange(1, 2000)]),
    }


def intervals(source: Random) -> Parameters:
    places = sorted(source.sample(range(hold.STEPS), source.randrange(6)))
    return {**noam(source), "anneal_steps": places, "anneal_rates": [share(source) for _ in places]}


def warm_cool(source: Random) -> Parameters:
    whole = length(source, 1) + 20
    return {
        "base_lr": rate(source),
        "warmup_steps": source.choice([0, length(source)]),
        "cooldown": source.randint(1, whole),
        "total_steps": whole,
        "decay_factor": share(source),
        "decay_every": length(source, 1),
    }


def tri_stage(source: Random) -> Parameters:
    return {
        "base_lr": rate(source),
        "warmup_steps": length(source, 1),
        "hold_steps": length(source),
        "decay_steps": length(source, 1),
        "init_lr_scale": source.choice([0.0, 0.01, share(source)]),
        "final_lr_scale": source.choice([0.05, share(source)]),
    }


def warm_exponential(source: Random) -> Parameters:
    warmup = source.choice([0, length(source)])
    rates = {"base_lr": rate(source), "decay_factor": share(source)}
    return {**rates, "n_warmup_steps": warmup, "total_steps": warmup + length(source, 1)}


def stairs(source: Random) -> Parameters:
    if source.random() < 0.4:
        halves = source.choice([1.0, 7.5, source.uniform(0.5, 40)])
        return {"initial_value": rate(source), "half_life": halves}
    drop = source.choice([2.0, 2.5, float(length(source, 1))])
    return {"initial_value": rate(source), "decay_factor": share(source), "decay_drop": drop}


def newbob(source: Random) -> Parameters:
    return {
        "initial_value": rate(source),
        "annealing_factor": share(source),
        "improvement_threshold": source.choice([0.0025, 0.0, source.random()]),
        "patient": source.randrange(4),
    }


CURVES: dict[str, Draw] = {
    "NoamScheduler": noam,
    "NoamIntervalScheduler": intervals,
    "LinearNoamScheduler": lambda s: {
        "lr_initial": rate(s),
        "n_warmup_steps": length(s, 1),
        "n_keep_steps": length(s),
    },
    "LinearWarmupScheduler": lambda s: {
        "initial_value": rate(s),
        "num_warmup_steps": length(s),
        "num_training_steps": length(s) + s.choice([0, 40]),
    },
    "StepScheduler": stairs,
    "WarmAndExpDecayLRSchedule": warm_exponential,
    "WarmCoolDecayLRSchedule": warm_cool,
    "TriStageLRSchedule": tri_stage,
    "InverseSquareRootScheduler": lambda s: {"warmup_steps": length(s, 1)},
}


def made(name: str, parameters: Parameters) -> Any:
    own = dict(parameters)
    if name.startswith("Warm") or name in NUMBERED:
        own["lr"] = own.pop("base_lr")
    if name == "WarmCoolDecayLRSchedule":
        own["warmup"] = own.pop("warmup_steps")
    if name == "TriStageLRSchedule":
        own["total_steps"] = 0
    if own.get("model_size") == 0:
        own["model_size"] = None
    return getattr(schedulers, name)(**own)


def driven(name: str, parameters: Parameters, steps: Sequence[int]) -> list[float]:
    """The rate after each call; the first is that of step 0."""
    scheduler = made(name, parameters)
    if name == "StepScheduler":
        return [scheduler(epoch)[1] for epoch in steps]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=7.0)
    found = []
    for step in steps:
        scheduler(optimizer, step) if name in NUMBERED else scheduler(optimizer)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def observed(name: str, parameters: Parameters, seen: Sequence[float]) -> list[float]:
    scheduler = made(name, parameters)
    return [scheduler(metric)[1] for metric in seen]


def held(name: str, count: int) -> None:
    hold.hold(f"speechbrain/{name}", CURVES[name], driven, count, **LOOSE.get(name, {}))


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_speechbrain(name: str) -> None:
    held(name, hold.DRAWS)


def test_every_cut_is_that_of_speechbrain() -> None:
    hold.hold_trace(f"speechbrain/{NEWBOB}", newbob, observed)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_speechbrain_over_many_draws(name: str) -> None:
    held(name, hold.MANY)


@pytest.mark.slow
def test_every_cut_is_that_of_speechbrain_over_many_draws() -> None:
    hold.hold_trace(f"speechbrain/{NEWBOB}", newbob, observed, hold.MANY)


def test_every_dialect_of_speechbrain_is_compared() -> None:
    assert {*CURVES, NEWBOB} == hold.dialects("speechbrain")


@pytest.mark.parametrize("name", [*CURVES, NEWBOB])
def test_speechbrain_is_called_as_its_dialect_says(name: str) -> None:
    hold.assert_called_as(f"speechbrain/{name}", getattr(schedulers, name))


def test_stairs_have_the_defaults_of_speechbrain() -> None:
    own = peers.loaded("speechbrain/StepScheduler").parameters

    assert schedulers.StepScheduler.DEFAULT_DECAY_FACTOR == own["decay_factor"].default
    assert schedulers.StepScheduler.DEFAULT_DECAY_DROP == own["decay_drop"].default


def test_a_deviation_that_has_vanished_is_red() -> None:
    settings = {"lr_initial": 0.1, "n_warmup_steps": 4}
    gone = Deviation("speechbrain/NoamScheduler", "none", "none", settings, 7)

    assert not hold.deviates(gone, driven)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"lr_initial": 0.1, "n_warmup_steps": 4}
    late = driven("NoamScheduler", parameters, range(20))
    late[1:] = late[:-1]

    with pytest.raises(AssertionError, match=r"NoamScheduler with .*, step 1: 0\.05 against 0\.02"):
        peers.assert_same("speechbrain/NoamScheduler", parameters, late)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("NoamScheduler", {"lr_initial": 0.1, "n_warmup_steps": 0}),
        ("WarmCoolDecayLRSchedule", {"base_lr": 0.1, "cooldown": 0, "total_steps": 9}),
        ("WarmAndExpDecayLRSchedule", {"base_lr": 0.1, "n_warmup_steps": 9, "total_steps": 9}),
        (
            "TriStageLRSchedule",
            {"base_lr": 0.1, "warmup_steps": 0, "hold_steps": 3, "decay_steps": 3},
        ),
    ],
)
def test_what_a_dialect_refuses_fails_in_speechbrain(name: str, parameters: Parameters) -> None:
    more = {"warmup_steps": 2} if name == "WarmCoolDecayLRSchedule" else {}
    with pytest.raises(ZeroDivisionError):
        driven(name, {**parameters, **more}, range(hold.STEPS))
    with pytest.raises(ValueError, match="does not hold"):
        peers.bound(f"speechbrain/{name}", parameters)
