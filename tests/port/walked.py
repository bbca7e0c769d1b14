"""A scheduler of PyTorch, walked as a training loop walks it."""

from __future__ import annotations

import warnings
from typing import Any

import torch


def optimizer_of(rate: float) -> torch.optim.Optimizer:
    """One that a scheduler of rates or of momentum may drive."""
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate, momentum=0.9)


def rates(scheduler: Any, steps: int) -> list[float]:
    """What the optimizer is stepped with, at each update."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(steps):
            found.append(float(scheduler.optimizer.param_groups[0]["lr"]))
            scheduler.optimizer.step()
            scheduler.step()
    return found
