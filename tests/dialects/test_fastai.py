"""The dialect of fastai, held against fastai.callback.schedule of fastai 2.8.12 at every step.

fastai asks its functions at the share of the run that is done. What ``fit_one_cycle`` and the like
schedule is taken from a stand-in for the Learner, whose ``fit`` keeps what it is given; one real
run shows that the share of an update is step / (n_epoch * n_iter).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import hold
import numpy as np
import peers
import pytest
from hold import length, rate
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters

torch = pytest.importorskip("torch")
schedule = pytest.importorskip("fastai.callback.schedule")
learner = pytest.importorskip("fastai.learner")

# They take functions, or are no schedule of a run.
NO_DIALECT = {"SchedNo", "combine_scheds"}
PLAIN = ["SchedLin", "SchedCos", "SchedExp", "SchedPoly"]
# fastai keeps the ends of a phase in float32: half an ulp of 1 over the phase's share, times the
# slope pi / 2 of a cosine, and the same again for its begin and for the difference.
OF_SHARE = 3 * 2**-24 * np.pi / 2


def levels(source: Random, least: float = 0.0) -> Parameters:
    return {
        "start": source.choice([1e-3, rate(source)]),
        "end": source.choice([max(1e-5, least), rate(source)]),
        "total_steps": length(source, 1),
    }


def part(source: Random) -> float:
    return source.choice([0.25, 0.5, 0.75, source.uniform(0.1, 0.9)])


def run(source: Random) -> Parameters:
    return {"n_epoch": source.randrange(1, 6), "n_iter": length(source, 1)}


def combined(source: Random) -> Parameters:
    return {**levels(source), "pct": part(source), "middle": rate(source)}


def one_cycle(source: Random) -> Parameters:
    return {
        **run(source),
        "lr_max": rate(source),
        "div": source.choice([25.0, 1.0, source.uniform(1, 100)]),
        "div_final": source.choice([1e5, 1.0, source.uniform(1, 1e6)]),
        "pct_start": part(source),
    }


def momentum(source: Random) -> Parameters:
    values = {name: source.random() for name in ("first", "middle", "last")}
    return {**run(source), **values, "pct_start": part(source)}


def flat(source: Random) -> Parameters:
    ends = {"lr_flat": rate(source), "div_final": source.choice([1e5, 1.0])}
    return {**run(source), **ends, "pct_start": part(source)}


def sgdr(source: Random) -> Parameters:
    return {
        "lr_max": rate(source),
        "n_cycles": source.randrange(1, 5),
        "cycle_len": source.randrange(1, 4),
        "cycle_mult": source.choice([2, 2, 3, 4]),
        "n_iter": source.randrange(1, 8),
    }


CURVES: dict[str, Draw] = {
    "SchedLin": levels,
    "SchedCos": levels,
    "SchedExp": lambda s: levels(s, 1e-6),
    "SchedPoly": lambda s: {**levels(s), "power": s.choice([0.5, 1.0, 2.0, s.uniform(0.1, 4)])},
    "combined_cos": combined,
    "combined_cos.mom": combined,
    "fit_one_cycle": one_cycle,
    "fit_one_cycle.mom": momentum,
    "fit_flat_cos": flat,
    "fit_sgdr": sgdr,
}


def asked(name: str, parameters: Parameters) -> dict[str, Any]:
    """What ``Learner.<name>`` would schedule: a function for each quantity."""
    own = {key: value for key, value in parameters.items() if key != "n_iter"}
    if name.endswith(".mom"):
        own["moms"] = tuple(own.pop(key) for key in ("first", "middle", "last"))
    if "lr_flat" in own:
        own["lr"] = own.pop("lr_flat")
    kept = SimpleNamespace(lr=1e-3, moms=(0.95, 0.85, 0.95))
    hypers: dict[str, float] = {}
    kept.opt = SimpleNamespace(set_hyper=hypers.__setitem__, hypers=[hypers])
    kept.fit = lambda n_epoch, cbs, **_: vars(kept).update(scheds=cbs[0].scheds)
    getattr(learner.Learner, name.partition(".")[0])(kept, **own)
    return kept.scheds


def whole(parameters: Parameters) -> int:
    """The updates of the run."""
    match parameters:
        case {"n_cycles": count, "cycle_len": first, "cycle_mult": growth}:
            return parameters["n_iter"] * first * (growth**count - 1) // (growth - 1)
        case {"n_epoch": epochs, "n_iter": batches}:
            return epochs * batches
    return parameters["total_steps"]


def curve(name: str, parameters: Parameters, steps: Sequence[int]) -> NDArray[np.float64]:
    """fastai's own values at the shares that ``steps`` are of the run."""
    kind, _, quantity = name.partition(".")
    match kind:
        case "SchedLin" | "SchedCos" | "SchedExp" | "SchedPoly" | "combined_cos":
            own = {key: value for key, value in parameters.items() if key != "total_steps"}
            function = getattr(schedule, kind)(**own)
        case _:
            function = asked(name, parameters)[quantity or "lr"]
    total = whole(parameters)
    return np.asarray([np.ravel(function(step / total))[0] for step in steps])


def late(parameters: Parameters, step: int) -> bool:
    """Whether a cycle begins at ``step`` for which fastai finds one before: see deviations.toml."""
    if "n_cycles" not in parameters:
        return False
    lengths = [parameters["cycle_mult"] ** index for index in range(parameters["n_cycles"])]
    shares = [
        parameters["cycle_len"] * one / (whole(parameters) // parameters["n_iter"])
        for one in lengths
    ]
    ends = np.cumsum(np.asarray(shares, np.float32))
    starts = np.cumsum([parameters["n_iter"] * parameters["cycle_len"] * one for one in lengths])
    found = np.flatnonzero(starts == step)
    return bool(found.size and np.float32(step / whole(parameters)) < ends[found[0]])


def held(name: str, count: int) -> None:
    for parameters in peers.draws(f"fastai/{name}", CURVES[name], count):
        # All others hold the end, see deviations.toml.
        last = hold.STEPS if name == "SchedCos" else whole(parameters)
        steps = [step for step in range(last + 1) if not late(parameters, step)]
        shares = [parameters.get(key, 1.0) for key in ("pct", "pct_start")]
        width = min(min(one, 1 - one) if one < 1 else 1 for one in shares)
        if name == "fit_sgdr":
            width = parameters["cycle_len"] * parameters["n_iter"] / whole(parameters)
        loose = {} if name in PLAIN else {"of_scale": OF_SHARE / width}
        theirs = curve(name, parameters, steps)
        peers.assert_same(f"fastai/{name}", parameters, theirs, steps, **loose)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_fastai(name: str) -> None:
    held(name, hold.DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_fastai_over_many_draws(name: str) -> None:
    held(name, hold.MANY)


def test_a_real_run_asks_at_step_over_all_updates() -> None:
    data = torch.utils.data.TensorDataset(torch.ones(12, 1), torch.ones(12, 1))
    batches = torch.utils.data.DataLoader(data, batch_size=4)
    loaders = __import__("fastai.data.core", fromlist=["core"]).DataLoaders(batches, batches)
    run = learner.Learner(loaders, torch.nn.Linear(1, 1), loss_func=torch.nn.MSELoss())
    run.remove_cbs([one for one in run.cbs if one.name == "progress"])
    with run.no_bar(), run.no_logging():
        run.fit_one_cycle(4, 0.1)

    settings = {"n_epoch": 4, "n_iter": 3}
    for name, key, own in (("", "lr", {"lr_max": 0.1}), (".mom", "mom", {})):
        name, theirs = f"fastai/fit_one_cycle{name}", np.ravel(run.recorder.hps[key])
        peers.assert_same(name, {**settings, **own}, theirs, of_scale=OF_SHARE / 0.25)


def test_every_schedule_of_fastai_has_a_dialect_that_is_compared() -> None:
    functions = {name for name in schedule.__all__ if name.startswith(("Sched", "combine"))}
    fits = {name for name in vars(learner.Learner) if name.startswith("fit_")}
    ours = {name.partition(".")[0] for name in hold.dialects("fastai")}

    assert (functions | fits) - NO_DIALECT == ours
    assert set(CURVES) == hold.dialects("fastai")


@pytest.mark.parametrize("name", [name for name in CURVES if not name.endswith(".mom")])
def test_fastai_is_called_as_its_dialect_says(name: str) -> None:
    found = getattr(schedule, name, None) or getattr(learner.Learner, name)
    own = inspect.signature(found)
    plain = own.replace(parameters=[p for key, p in own.parameters.items() if key != "self"])

    assert plain == hold.written(f"fastai/{name}")
    for key, parameter in peers.loaded(f"fastai/{name}").parameters.items():
        default = own.parameters[key].default if key in own.parameters else None
        if default not in (None, inspect.Parameter.empty):
            assert default == parameter.default


@pytest.mark.parametrize("deviation", peers.deviations("fastai/"), ids=lambda d: d.schedule)
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert hold.deviates(deviation, curve)


def test_a_deviation_that_has_vanished_is_red() -> None:
    settings = {"start": 1.0, "end": 0.5, "total_steps": 4}

    assert not hold.deviates(Deviation("fastai/SchedLin", "none", "none", settings, 3), curve)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"start": 1.0, "end": 0.5, "total_steps": 4}
    theirs = curve("SchedLin", parameters, range(5))
    theirs[1:] = theirs[:-1].copy()

    with pytest.raises(AssertionError, match=r"SchedLin with .*, step 1: 0\.875 against 1"):
        peers.assert_same("fastai/SchedLin", parameters, theirs)


def test_what_a_dialect_refuses_fails_in_fastai() -> None:
    with pytest.raises(ZeroDivisionError):
        curve("SchedExp", {"start": 0.0, "end": 1.0, "total_steps": 4}, [1])
    with pytest.raises(ZeroDivisionError):
        curve("fit_sgdr", {"n_cycles": 2, "cycle_len": 1, "cycle_mult": 1, "n_iter": 2}, [1])
    whole_rise = {"pct": 1.0, "start": 0.0, "middle": 1.0, "end": 0.0, "total_steps": 4}
    assert np.isnan(curve("combined_cos", whole_rise, [4])[0])
