"""The dialect of PyTorch, held against torch.optim.lr_scheduler at every step."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import peers
import pytest
import torch
from numpy.typing import NDArray
from peers import Deviation, Draw, Parameters
from torch.optim import lr_scheduler, swa_utils

from lrgen import catalogue

STEPS = 160
DRAWS = 25
MANY = 400


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 60)]))


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, source.random()])


CLOSED: dict[str, Draw] = {
    "StepLR": lambda s: {"base_lr": rate(s), "step_size": length(s, 1), "gamma": share(s)},
}


def made(name: str, optimizer: torch.optim.Optimizer, parameters: Parameters) -> Any:
    own = {key: value for key, value in parameters.items() if key != "base_lr"}
    kind = getattr(lr_scheduler, name, None) or getattr(swa_utils, name)
    return kind(optimizer, **own)


def driven(name: str, parameters: Parameters, steps: int) -> NDArray[np.float64]:
    """What ``optimizer`` holds at each step while PyTorch's own scheduler drives it."""
    name, _, quantity = name.removeprefix("torch/").partition(".")
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=parameters.get("base_lr", 0.1), momentum=0.5)
    key = quantity or "lr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = made(name, optimizer, parameters)
        found = [optimizer.param_groups[0][key]]
        for _ in range(steps - 1):
            scheduler.step()
            found.append(optimizer.param_groups[0][key])
    return np.asarray(found, np.float64)


@pytest.mark.parametrize("name", list(CLOSED))
def test_every_step_is_that_of_pytorch(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CLOSED))
def test_every_step_is_that_of_pytorch_over_many_draws(name: str) -> None:
    hold(name, MANY)


def hold(name: str, count: int) -> None:
    for parameters in peers.draws(f"torch/{name}", CLOSED[name], count):
        peers.assert_same(f"torch/{name}", parameters, driven(name, parameters, STEPS))
