"""Schedulers of formulas without a base rate: what the optimizer was built with does not matter."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from emitted import load_emitted
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

MODULE = load_emitted("torch", "piecewise_constant")


def optimizer(*lrs: float) -> SGD:
    return SGD([{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in lrs])


def scheduler(own: SGD, **values: Any) -> LRScheduler:
    given = {"boundaries": [2, 4], "values": [0.5, 0.25, 0.125], **values}
    built: LRScheduler = MODULE.PiecewiseConstantLR(own, **given)
    return built


def rates(own: SGD, plan: LRScheduler, count: int) -> list[list[float]]:
    found = []
    for _ in range(count):
        found.append([float(group["lr"]) for group in own.param_groups])
        own.step()
        plan.step()
    return found


def test_every_group_has_the_rate_of_the_formula() -> None:
    own = optimizer(1.0, 7.0)

    found = rates(own, scheduler(own), 6)

    assert [[r, r] for r in (0.5, 0.5, 0.25, 0.25, 0.125, 0.125)] == found


def test_a_group_added_later_joins() -> None:
    own = optimizer(1.0)
    plan = scheduler(own)
    rates(own, plan, 2)
    own.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 9.0})
    own.step()
    plan.step()

    assert [0.25, 0.25] == [group["lr"] for group in own.param_groups]


def test_a_state_survives_json() -> None:
    own = optimizer(1.0)
    plan = scheduler(own)
    rates(own, plan, 3)
    state = json.loads(json.dumps(plan.state_dict()))
    other = optimizer(3.0)
    resumed = scheduler(other)

    resumed.load_state_dict(state)

    assert rates(own, plan, 4) == rates(other, resumed, 4)


def test_a_state_of_other_boundaries_is_refused() -> None:
    own = optimizer(1.0)
    state = scheduler(own, boundaries=[2, 5]).state_dict()

    with pytest.raises(ValueError, match=r"boundaries: saved \(2, 5\), present \(2, 4\)"):
        scheduler(optimizer(1.0)).load_state_dict(state)


def test_other_boundaries_can_be_restored() -> None:
    own = optimizer(1.0)
    state = scheduler(own, boundaries=[1, 5]).state_dict()
    other = optimizer(1.0)
    plan = scheduler(other, on_change="restore")

    plan.load_state_dict(json.loads(json.dumps(state)))

    assert [[0.5], [0.25]] == rates(other, plan, 2)
