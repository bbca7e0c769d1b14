"""mmengine's ``param_scheduler`` lists as ``port`` reads them, held against its recursions.

Each scheduler of a list changes the rate that the ones before it have left. Where mmengine is
installed, its own objects are driven as its runner drives them; test_mmengine holds the recursions
of each scheduler alone.
"""

from __future__ import annotations

import warnings
from random import Random
from typing import Any

import numpy as np
import peers
import pytest
import test_mmengine as recursions

import lrgen

STEPS = 120
DRAWS = 3
MANY = 100
EPOCH = 7
RATE = 0.25
OF_SCALE = 1e-13  # each rate is the last one times a factor, and rounding adds up
Entries = list[dict[str, Any]]

# -- draws --------------------------------------------------------------------------------------


def warmup(source: Random, end: int, **more: Any) -> dict[str, Any]:
    first = source.choice([0.001, 0.1, 0.5])
    return {"type": "LinearLR", "start_factor": first, "begin": 0, "end": end, **more}


def factors(source: Random) -> Entries:
    """Schedulers that multiply, whenever they are."""
    begin = source.randint(0, 30)
    closed = {"begin": begin, "end": begin + source.randint(2, 60)}
    every: Entries = [
        {"type": "ConstantLR", "factor": source.choice([0.5, 0.1]), **closed},
        {"type": "LinearLR", "start_factor": 0.25, "end_factor": source.random(), **closed},
        {"type": "StepLR", "step_size": source.randint(1, 20), "gamma": 0.5},
        {"type": "MultiStepLR", "milestones": sorted(source.sample(range(1, 90), 3))},
        {"type": "ExponentialLR", "gamma": 0.97, **closed},
        {"type": "PolyLR", "power": 0.9, "begin": begin, "end": STEPS},
        {"type": "CosineAnnealingLR", "begin": begin, "end": STEPS},
    ]
    return source.sample(every, source.randint(2, 3))


def then_floor(source: Random) -> Entries:
    """A warm-up, then one with a floor, then steps."""
    end, last = source.randint(2, 30), source.randint(50, 90)
    low = source.choice([{"eta_min": 0.01}, {"eta_min_ratio": 0.1}, {"eta_min": 0.02, "T_max": 20}])
    main = source.choice(
        [{"type": "CosineAnnealingLR", **low}, {"type": "PolyLR", "eta_min": 0.01}]
    )
    gap = source.choice([0, 3])
    steps = {"type": "StepLR", "begin": last, "step_size": 5}
    return [warmup(source, end), {**main, "begin": end + gap, "end": last}, steps]


def then_restarts(source: Random) -> Entries:
    end = source.randint(2, 30)
    periods = [source.randint(1, 30) for _ in range(3)]
    main = {"type": "CosineRestartLR", "periods": periods, "restart_weights": [1, 0.5, 2]}
    low = source.choice([{"eta_min": 0.01}, {"eta_min_ratio": 0.1}])
    held = {"type": "ConstantLR", "factor": 0.5, "begin": 0, "end": end + 1}
    first = source.choice([warmup(source, end), {**held, "end": end}])
    return [first, {**main, **low, "begin": end}]


def by_epoch(source: Random) -> Entries:
    """A warm-up in updates, and the rest in epochs."""
    steps = {"type": "MultiStepLR", "milestones": sorted(source.sample(range(1, 15), 2))}
    fall = {"type": "CosineAnnealingLR", "begin": 0, "end": 15}
    low = {"type": "PolyLR", "eta_min": 0.01, "begin": 3, "end": 15}
    end = source.randint(2, 3 * EPOCH)
    return [warmup(source, end, by_epoch=False), source.choice([steps, fall, low])]


def converted(source: Random) -> Entries:
    """In epochs, but stepping at every update."""
    changed = {"convert_to_iter_based": True}
    first = source.randint(1, 4)
    main = {"type": "CosineAnnealingLR", "T_max": 14 - first, "eta_min": 0.01}
    steps = {"type": "MultiStepLR", "milestones": [5, 11], "gamma": 0.1}
    other = source.choice([{**main, **changed}, {**steps, **changed}, main])
    return [warmup(source, first, **changed), {**other, "begin": first, "end": 14}]


LISTS = {
    "factors": factors,
    "a floor": then_floor,
    "restarts": then_restarts,
    "epochs and updates": by_epoch,
    "converted": converted,
}

# -- both ways ----------------------------------------------------------------------------------


def pasted(entries: Entries) -> str:
    return (
        f"train_cfg = dict(max_epochs={STEPS}, epoch_length={EPOCH})\n"
        f"optim_wrapper = dict(optimizer=dict(type='SGD', lr={RATE}))\n"
        f"param_scheduler = {entries!r}\n"
    )


def mixed(entries: Entries) -> bool:
    """Whether some step at every update, so that a step of the curve is one."""
    return any(one.get("convert_to_iter_based") or not one.get("by_epoch", True) for one in entries)


def in_updates(one: dict[str, Any]) -> dict[str, Any]:
    """Its lengths as ``build_iter_from_epoch`` makes them."""
    lengths = {"begin", "end", "T_max", "step_size"}
    made = {key: value * EPOCH if key in lengths else value for key, value in one.items()}
    if "milestones" in one:
        made["milestones"] = [place * EPOCH for place in one["milestones"]]
    return made


def rates(entries: Entries) -> list[float]:
    """The rate at each step, every scheduler in its turn."""
    every = []
    for one in entries:
        slow = mixed(entries) and one.get("by_epoch", True)
        if one.get("convert_to_iter_based"):
            slow, one = False, in_updates(one)
        own = {k: v for k, v in one.items() if k not in ("type", "by_epoch")}
        own.pop("convert_to_iter_based", None)
        every.append(
            (one["type"], recursions.completed(one["type"], own | {"base_lr": RATE}), slow)
        )
    found, last = [], RATE
    for step in range(STEPS):
        for name, own, slow in sorted(every, key=lambda entry: entry[2] and step > 0):
            now = step // EPOCH if slow else step
            if own["begin"] <= now < own["end"] and (not slow or step % EPOCH == 0):
                last = recursions.NEXT[name](own, now - own["begin"], last)
        found.append(last)
    return found


def ported(entries: Entries) -> Any:
    return lrgen.port(pasted(entries)).bound.curve(range(STEPS))


def hold(kind: str, count: int) -> None:
    source = Random(kind)
    for _ in range(count):
        entries = LISTS[kind](source)
        ours = ported(entries)

        assert peers.first_difference(ours, rates(entries), of_scale=OF_SCALE) is None, entries


@pytest.mark.parametrize("kind", list(LISTS))
def test_every_rate_of_a_list_is_mmengines(kind: str) -> None:
    hold(kind, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(LISTS))
def test_every_rate_of_a_list_is_mmengines_over_many_draws(kind: str) -> None:
    hold(kind, MANY)


@pytest.mark.parametrize("kind", list(LISTS))
@pytest.mark.parametrize("place", [0, 1])
def test_a_boundary_that_is_one_off_is_red(kind: str, place: int) -> None:
    entries = LISTS[kind](Random("moved"))
    moved = [dict(one) for one in entries]
    key = next(
        k for k in ("milestones", "step_size", "periods", "T_max", "end") if k in moved[place]
    )
    value = moved[place][key]
    moved[place][key] = value + 1 if isinstance(value, int) else [value[0] + 1, *value[1:]]

    assert peers.first_difference(ported(entries), rates(moved), of_scale=OF_SCALE) is not None


# -- what is not read ---------------------------------------------------------------------------

TURNS = {"type": "CosineAnnealingLR", "eta_min": 0.1, "begin": 0, "end": 50}
REFUSED: dict[str, tuple[Any, str]] = {
    "a floor among others": ([TURNS, {"type": "StepLR", "step_size": 5}], "at the same time"),
    "no end": ([{"type": "LinearLR"}], "mmengine takes the length of the run"),
    "no length of an epoch": (
        [{"type": "LinearLR", "by_epoch": False, "end": 5}, {**TURNS, "begin": 5}],
        "how many updates an epoch has",
    ),
    "one cycle among others": (
        [{"type": "OneCycleLR", "eta_max": 0.1, "end": 50}, {"type": "StepLR", "step_size": 5}],
        "Port it alone",
    ),
    "a rise after a fall": (
        [{"type": "StepLR", "step_size": 5, "end": 9}, {**TURNS, "T_max": 9, "begin": 9}],
        "which those before it have changed",
    ),
    "only momentum": (
        [{"type": "CosineAnnealingMomentum", "end": 9}, {"type": "StepLR", "param_name": "x"}],
        "none of them drives the rate",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_list_that_has_no_formula_is_refused(case: str) -> None:
    entries, expected = REFUSED[case]
    with pytest.raises(ValueError, match=expected) as caught:
        lrgen.port({"param_scheduler": entries})

    assert 1 == len(str(caught.value).splitlines())


def test_epochs_of_unknown_length_are_a_parameter() -> None:
    first = {"type": "LinearLR", "by_epoch": False, "end": 5}
    found = lrgen.port([first, {"type": "StepLR", "step_size": 3}], epoch_length=10)

    assert ["epoch_length is 1000, for the configuration does not say: set epoch_length."] == [
        note for note in found.notes if "epoch" in note
    ]
    assert [0.1, pytest.approx(0.01)] == [found.bound(29), found.bound(30)]


def test_what_drives_something_else_is_left_out() -> None:
    alone = {"type": "StepLR", "step_size": 5}
    other = {"type": "CosineAnnealingMomentum", "end": 9, "begin": 0}

    assert lrgen.port([alone]).spec == lrgen.port([alone, other]).spec


# -- where mmengine is installed ----------------------------------------------------------------


def driven(entries: Entries) -> list[float]:
    """What an optimizer holds at each update, driven as the runner's hook does."""
    import torch

    schedulers = pytest.importorskip("mmengine.optim.scheduler")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    every = []
    for one in entries:
        own = {k: v for k, v in one.items() if k not in ("type", "convert_to_iter_based")}
        kind = getattr(schedulers, one["type"])
        if one.get("convert_to_iter_based"):
            every.append(kind.build_iter_from_epoch(optimizer, epoch_length=EPOCH, **own))
        else:
            every.append(kind(optimizer, **own))
    found = [optimizer.param_groups[0]["lr"]]
    for step in range(1, STEPS):
        due = [one for one in every if not one.by_epoch or not mixed(entries)]
        if mixed(entries) and step % EPOCH == 0:
            due += [one for one in every if one.by_epoch]
        for one in due:
            one.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize("kind", list(LISTS))
def test_the_turns_are_those_of_mmengine(kind: str) -> None:
    pytest.importorskip("mmengine.optim.scheduler")
    source = Random(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no update is made between two steps
        for _ in range(MANY):
            entries = LISTS[kind](source)
            theirs = np.asarray(driven(entries), np.float64)

            assert peers.first_difference(rates(entries), theirs, relative=1e-14) is None, entries
