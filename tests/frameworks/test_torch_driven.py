"""What the emitted schedulers of momentum and weight decay promise."""

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import conformance
import numpy as np
import pytest
import torch
from conformance import NAMES, cases, class_name, spec
from emitted import load_broken, load_emitted
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

DRIVEN = [name for name in NAMES if spec(name).get("drives") in ("momentum", "weight_decay")]
MOMENTUM = load_emitted("torch", "one_cycle_momentum")
DECAY = load_emitted("torch", "weight_decay_cosine")
CYCLE = {"warmup_steps": 3, "total_steps": 10}
UPDATES = 12


def weights(count: int = 1) -> list[dict[str, Any]]:
    return [{"params": [torch.zeros(2, requires_grad=True)]} for _ in range(count)]


def adam(count: int = 1) -> Adam:
    return Adam(weights(count), lr=0.1)


def adam_of_tensors() -> Adam:
    return Adam(weights(), lr=torch.tensor(0.1), betas=(torch.tensor(0.9), torch.tensor(0.999)))


def sgd(count: int = 1) -> SGD:
    return SGD(weights(count), lr=0.1, momentum=0.9)


def first_of_betas(group: Mapping[str, Any]) -> Any:
    return group["betas"][0]


def own_momentum(group: Mapping[str, Any]) -> Any:
    return group["momentum"]


def walk(
    optimizer: Optimizer, scheduler: LRScheduler, read: Callable[[Any], Any], steps: int = UPDATES
) -> list[list[float]]:
    """What each update of each group uses."""
    used = []
    for _ in range(steps):
        used.append([float(read(group)) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return used


def expected(name: str, steps: range = range(UPDATES), **parameters: Any) -> list[list[float]]:
    python = getattr(load_emitted("python", name), name)
    return [[python(step, **parameters)] for step in steps]


def test_every_such_schedule_has_a_scheduler() -> None:
    assert ["momentum_warmup", "one_cycle_momentum", "weight_decay_cosine"] == DRIVEN


@pytest.mark.parametrize("name", DRIVEN)
def test_a_scheduler_that_goes_on_anywhere_writes_the_binary64_value(name: str) -> None:
    kind = getattr(load_emitted("torch", name), class_name(name))
    key = spec(name)["drives"]

    def resumed(parameters: Mapping[str, Any], steps: Any) -> Any:
        values = []
        for step in steps:
            group = {"params": [torch.zeros(1)], "initial_lr": 0.1}
            optimizer = SGD([group], lr=0.1)
            kind(optimizer, **parameters, last_epoch=int(step) - 1)
            values.append(optimizer.param_groups[0][key])
        return np.array(values)

    for case in cases(name):
        conformance.check_binary64(case, resumed)


@pytest.mark.parametrize(("build", "read"), [(adam, first_of_betas), (sgd, own_momentum)])
def test_momentum_goes_where_the_optimizer_has_it(build: Any, read: Any) -> None:
    optimizer = build()
    scheduler = MOMENTUM.OneCycleMomentum(optimizer, **CYCLE)

    assert expected("one_cycle_momentum", **CYCLE) == walk(optimizer, scheduler, read)
    assert [0.1] == scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    assert [0.95] == scheduler.get_last_momentum()


def test_the_other_beta_stays() -> None:
    optimizer = Adam(weights(), lr=0.1, betas=(0.9, 0.123))
    walk(optimizer, MOMENTUM.OneCycleMomentum(optimizer, **CYCLE), first_of_betas)

    assert (0.95, 0.123) == optimizer.param_groups[0]["betas"]


def test_a_momentum_of_the_wrong_beta_is_noticed() -> None:
    module = load_broken(
        "torch", "one_cycle_momentum", "first, *others = group", "*others, first = group"
    )
    optimizer = Adam(weights(), lr=0.1, betas=(0.9, 0.123))
    module.OneCycleMomentum(optimizer, **CYCLE)

    assert (0.95, 0.123) != optimizer.param_groups[0]["betas"]


def test_tensors_are_filled_in_place() -> None:
    optimizer = adam_of_tensors()
    betas = optimizer.param_groups[0]["betas"]
    scheduler = MOMENTUM.OneCycleMomentum(optimizer, **CYCLE)
    used = walk(optimizer, scheduler, first_of_betas)

    assert betas[0] is optimizer.param_groups[0]["betas"][0]
    assert [
        [float(np.float32(value)) for value in row]
        for row in expected("one_cycle_momentum", **CYCLE)
    ] == used


def test_a_scheduler_one_update_early_is_noticed() -> None:
    module = load_broken(
        "torch", "one_cycle_momentum", "epoch = self.last_epoch + 1", "epoch = self.last_epoch + 2"
    )
    optimizer = sgd()
    used = walk(optimizer, module.OneCycleMomentum(optimizer, **CYCLE), own_momentum)

    assert expected("one_cycle_momentum", **CYCLE) != used


def test_each_group_has_its_own_values() -> None:
    optimizer = AdamW(weights(3), lr=0.1)
    decays = {"start_decay": [0.04, 0.0, 0.04], "end_decay": [0.4, 0.0, 0.4], "total_steps": 8}
    scheduler = DECAY.WeightDecayCosine(optimizer, **decays)
    plan = [(0.04, 0.4), (0.0, 0.0), (0.04, 0.4)]
    python = load_emitted("python", "weight_decay_cosine").weight_decay_cosine

    assert [
        [python(step, start_decay=a, end_decay=b, total_steps=8) for a, b in plan]
        for step in range(UPDATES)
    ] == walk(optimizer, scheduler, lambda group: group["weight_decay"])


def test_rate_and_momentum_go_together_without_a_warning() -> None:
    optimizer = sgd()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rate = load_emitted("torch", "one_cycle").OneCycleLR(optimizer, **CYCLE)
        momentum = MOMENTUM.OneCycleMomentum(optimizer, **CYCLE)
        used = []
        for _ in range(UPDATES):
            group = optimizer.param_groups[0]
            used.append([group["lr"], group["momentum"]])
            optimizer.step()
            rate.step()
            momentum.step()

    rates = expected("one_cycle", peak_lr=0.1, **CYCLE)
    assert [[*a, *b] for a, b in zip(rates, expected("one_cycle_momentum", **CYCLE))] == used


def test_a_step_before_the_first_update_is_warned_of_once() -> None:
    optimizer = sgd()
    scheduler = MOMENTUM.OneCycleMomentum(optimizer, **CYCLE)
    with pytest.warns(UserWarning, match="optimizer.step") as caught:
        scheduler.step()
        scheduler.step()

    assert 1 == len(caught)


# -- resuming --------------------------------------------------------------------------------------


def test_a_resumed_run_equals_one_that_was_not() -> None:
    optimizer, other = sgd(2), sgd(2)
    scheduler = MOMENTUM.OneCycleMomentum(optimizer, **CYCLE)
    walk(optimizer, scheduler, own_momentum, 5)
    file = io.BytesIO()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    resumed = MOMENTUM.OneCycleMomentum(other, **CYCLE)
    other.load_state_dict(states[0])
    resumed.load_state_dict(states[1])

    rest = walk(other, resumed, own_momentum, UPDATES - 5)
    assert [2 * row for row in expected("one_cycle_momentum", range(5, UPDATES), **CYCLE)] == rest


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_goes_on_alone(duplicate: Callable[[Any], Any]) -> None:
    optimizer = sgd()
    scheduler = MOMENTUM.OneCycleMomentum(optimizer, **CYCLE)
    walk(optimizer, scheduler, own_momentum, 2)
    other = duplicate(scheduler)
    walk(optimizer, scheduler, own_momentum, 4)

    rest = walk(other.optimizer, other, own_momentum, UPDATES - 2)
    assert expected("one_cycle_momentum", range(2, UPDATES), **CYCLE) == rest


def test_other_values_are_refused_kept_or_restored() -> None:
    optimizer = sgd()
    scheduler = MOMENTUM.OneCycleMomentum(optimizer, **CYCLE)
    walk(optimizer, scheduler, own_momentum, 4)
    state = scheduler.state_dict()
    longer = CYCLE | {"total_steps": 20}

    with pytest.raises(ValueError, match="total_steps: saved 10, present 20"):
        MOMENTUM.OneCycleMomentum(sgd(), **longer).load_state_dict(state)
    for choice, plan in (("keep", longer), ("restore", CYCLE)):
        other = sgd()
        MOMENTUM.OneCycleMomentum(other, **longer, on_change=choice).load_state_dict(state)
        assert expected("one_cycle_momentum", range(4, 5), **plan) == [
            [own_momentum(group) for group in other.param_groups]
        ]


def test_a_state_of_another_spec_cannot_be_restored() -> None:
    scheduler = MOMENTUM.OneCycleMomentum(sgd(), **CYCLE, on_change="restore")
    with pytest.raises(ValueError, match="a state of another spec cannot be restored"):
        scheduler.load_state_dict(scheduler.state_dict() | {"spec": "sha256:other"})


def test_a_group_added_later_joins() -> None:
    optimizer = sgd()
    scheduler = MOMENTUM.OneCycleMomentum(optimizer, **CYCLE)
    walk(optimizer, scheduler, own_momentum, 2)
    optimizer.add_param_group(weights()[0])
    optimizer.step()
    scheduler.step()

    assert [2 * row for row in expected("one_cycle_momentum", range(3, 6), **CYCLE)] == walk(
        optimizer, scheduler, own_momentum, 3
    )


# -- what is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: MOMENTUM.OneCycleMomentum(Adagrad(weights(), lr=0.1)),
            "parameter group 0 has neither 'betas' nor 'momentum'",
        ),
        (
            lambda: DECAY.WeightDecayCosine(torch.optim.Rprop(weights(), lr=0.1)),
            "parameter group 0 has no 'weight_decay'",
        ),
        (
            lambda: MOMENTUM.OneCycleMomentum(sgd(2), low_momentum=[0.8, 0.96]),
            r"low_momentum <= high_momentum < 1 does not hold.*\(parameter group 1\)",
        ),
        (
            lambda: MOMENTUM.OneCycleMomentum(sgd(2), low_momentum=[0.8]),
            "low_momentum has 1 values for 2 parameter groups",
        ),
        (lambda: MOMENTUM.OneCycleMomentum(sgd(), last_epoch=-2), "last_epoch must be an integer"),
        (lambda: MOMENTUM.OneCycleMomentum(sgd(), on_change="no"), "on_change must be 'error'"),
    ],
)
def test_what_is_wrong_is_said(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
