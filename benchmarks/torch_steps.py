"""What ``scheduler.step()`` costs, against torch's own class of the same curve.

Each row is processor time, the least of several rounds: other programs lengthen it less than the
clock's. Beside the peer stands what a person would write into the training loop: one cosine, and a
rate for each group; for tensors a ``fill_`` for each group. The floor of tensors is what torch
takes to write numbers that are there already into them: one ``fill_``, or one copy for all.

Every class of torch's whose curve is in the catalogue is here, and two compositions. The others:
``ReduceLROnPlateau`` observes a metric (torch_plateau_steps.py), ``SWALR`` is a cosine,
``LambdaLR`` and ``MultiplicativeLR`` are the caller's own functions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as native

LENGTH = 1_000_000
WARMUP = 100
BASE_LR = 0.1
Load = Callable[[str], ModuleType]


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule: the emitted one and torch's own, each from an optimizer and its base rates.

    ``ours`` is given the class of each schedule that ``emitted`` names.
    """

    emitted: str
    peer: str
    ours: Callable[..., Any]
    theirs: Callable[[Optimizer, Sequence[float]], Any]
    start: float = 1.0
    """What the optimizer of ours begins with, as a share of the peer's base rate."""


def warmed(optimizer: Optimizer) -> native.ChainedScheduler:
    return native.ChainedScheduler(
        [
            native.LinearLR(optimizer, 0.01, total_iters=LENGTH // 10),
            native.ExponentialLR(optimizer, 0.999999),
        ]
    )


class Fractions:
    """Torch's warm restarts as its documentation steps them: by the fraction of an epoch."""

    def __init__(self, scheduler: native.CosineAnnealingWarmRestarts, steps_per_epoch: int) -> None:
        self.scheduler, self.steps_per_epoch, self.steps = scheduler, steps_per_epoch, 0

    def step(self) -> None:
        self.steps += 1
        self.scheduler.step(self.steps / self.steps_per_epoch)


@dataclass(frozen=True, slots=True)
class Both:
    """Two schedulers of one optimizer, stepped one after the other."""

    first: native.LRScheduler
    second: native.LRScheduler

    def step(self) -> None:
        self.first.step()
        self.second.step()


def warmed_cosine(optimizer: Optimizer) -> native.SequentialLR:
    members = [
        native.LinearLR(optimizer, 1e-15, total_iters=WARMUP),  # torch refuses to start at 0
        native.CosineAnnealingLR(optimizer, LENGTH - WARMUP),
    ]
    return native.SequentialLR(optimizer, members, [WARMUP])


PRODUCT = """
name  = "warmed_exponential"
title = "Exponential decay times a linear warm-up"
base  = "base_lr"
require = ["0 < gamma", "gamma <= 1"]

[parameters]
base_lr      = { type = "rate", default = 1e-3, doc = "What is multiplied." }
warmup_steps = { type = "steps", default = 1_000, doc = "Updates of linear warm-up." }
gamma        = { type = "real", default = 0.999, doc = "Factor of each update." }

[[piece]]
name  = "warmup"
until = "warmup_steps"
value = "base_lr * gamma ** step * (0.01 + 0.99 * step / warmup_steps)"

[[piece]]
name  = "decay"
value = "base_lr * gamma ** step"
"""

PLANS = (
    Plan(
        "cosine",
        "CosineAnnealingLR",
        lambda kind, own, lrs: kind(own, total_steps=LENGTH),
        lambda own, lrs: native.CosineAnnealingLR(own, LENGTH),
    ),
    Plan(
        "one_cycle",
        "OneCycleLR",
        lambda kind, own, lrs: kind(
            own,
            warmup_steps=LENGTH * 3 // 10 - 1,
            total_steps=LENGTH - 1,
            start_lr=[lr / 25 for lr in lrs],
            end_lr=[lr / 25e4 for lr in lrs],
        ),
        lambda own, lrs: native.OneCycleLR(own, list(lrs), LENGTH, cycle_momentum=False),
    ),
    Plan(
        "one_cycle and one_cycle_momentum",
        "OneCycleLR with momentum",
        lambda kind, momentum, own, lrs: Both(
            kind(
                own,
                warmup_steps=LENGTH * 3 // 10 - 1,
                total_steps=LENGTH - 1,
                start_lr=[lr / 25 for lr in lrs],
                end_lr=[lr / 25e4 for lr in lrs],
            ),
            momentum(own, warmup_steps=LENGTH * 3 // 10 - 1, total_steps=LENGTH - 1),
        ),
        lambda own, lrs: native.OneCycleLR(own, list(lrs), LENGTH),
    ),
    Plan(
        "step_decay",
        "StepLR",
        lambda kind, own, lrs: kind(own, decay_steps=50, gamma=0.99),
        lambda own, lrs: native.StepLR(own, 50, 0.99),
    ),
    Plan(
        "multi_step",
        "MultiStepLR",
        lambda kind, own, lrs: kind(own, milestones=[50, LENGTH // 2], gamma=0.1),
        lambda own, lrs: native.MultiStepLR(own, [50, LENGTH // 2]),
    ),
    Plan(
        "exponential",
        "ExponentialLR",
        lambda kind, own, lrs: kind(own, gamma=0.999999),
        lambda own, lrs: native.ExponentialLR(own, 0.999999),
    ),
    Plan(
        "linear",
        "LinearLR",
        lambda kind, own, lrs: kind(own, total_steps=LENGTH, end_lr=list(lrs)),
        lambda own, lrs: native.LinearLR(own, 0.25, total_iters=LENGTH),
        start=0.25,
    ),
    Plan(
        "linear_warmup",
        "LinearLR",
        lambda kind, own, lrs: kind(own, warmup_steps=LENGTH, start_lr=[lr / 4 for lr in lrs]),
        lambda own, lrs: native.LinearLR(own, 0.25, total_iters=LENGTH),
    ),
    Plan(
        "constant_warmup",
        "ConstantLR",
        lambda kind, own, lrs: kind(own, warmup_steps=100, start_lr=[lr / 4 for lr in lrs]),
        lambda own, lrs: native.ConstantLR(own, 0.25, total_iters=100),
    ),
    Plan(
        "polynomial",
        "PolynomialLR",
        lambda kind, own, lrs: kind(own, total_steps=LENGTH, power=2.0),
        lambda own, lrs: native.PolynomialLR(own, LENGTH, 2.0),
    ),
    Plan(
        "cosine_warm_restarts",
        "CosineAnnealingWarmRestarts",
        lambda kind, own, lrs: kind(own, first_steps=30, growth=2.0),
        lambda own, lrs: native.CosineAnnealingWarmRestarts(own, 30, 2),
    ),
    Plan(
        "cosine_restarts",
        "CosineAnnealingWarmRestarts",
        lambda kind, own, lrs: kind(own, cycle_steps=30),
        lambda own, lrs: native.CosineAnnealingWarmRestarts(own, 30),
    ),
    Plan(
        "cosine_restarts_epochs",
        "CosineAnnealingWarmRestarts, fractions",
        lambda kind, own, lrs: kind(own, first_epochs=3, steps_per_epoch=10, growth=2.0),
        lambda own, lrs: Fractions(native.CosineAnnealingWarmRestarts(own, 3, 2), 10),
    ),
    Plan(
        "cyclic",
        "CyclicLR",
        lambda kind, own, lrs: kind(
            own, low_lr=[lr / 4 for lr in lrs], up_steps=40, down_steps=40, mode="triangular"
        ),
        lambda own, lrs: native.CyclicLR(
            own, [lr / 4 for lr in lrs], list(lrs), 40, cycle_momentum=False
        ),
    ),
    Plan(
        "cosine_warmup",
        "SequentialLR of two",
        lambda kind, own, lrs: kind(own, warmup_steps=WARMUP, total_steps=LENGTH),
        lambda own, lrs: warmed_cosine(own),
    ),
    Plan(
        "warmed_exponential",
        "ChainedScheduler of two",
        lambda kind, own, lrs: kind(own, warmup_steps=LENGTH // 10, gamma=0.999999),
        lambda own, lrs: warmed(own),
    ),
)


def make_optimizer(lrs: Sequence[Any]) -> Optimizer:
    made = SGD([{"params": [torch.zeros(1)], "lr": lr} for lr in lrs])
    made.step()  # schedulers expect an update before their own step
    return made


def apart(lrs: Sequence[float]) -> list[torch.Tensor]:
    return [torch.tensor(lr) for lr in lrs]


def elements(lrs: Sequence[float]) -> list[torch.Tensor]:
    return list(torch.tensor(lrs).unbind())


def bare_loop(groups: list[dict[str, Any]]) -> Callable[[], None]:
    bases = [group["lr"] for group in groups]
    step = 0

    def update() -> None:
        nonlocal step
        step += 1
        factor = (1 + math.cos(math.pi * step / LENGTH)) / 2
        for group, base in zip(groups, bases):
            group["lr"] = base * factor

    return update


def filled_at_once(lrs: Sequence[torch.Tensor]) -> Callable[[], object]:
    if len(lrs) == 1:
        return lambda: lrs[0].fill_(0.3)
    numbers = elements([0.3] * len(lrs))
    return lambda: torch._foreach_copy_(lrs, numbers)


def fill_loop(groups: list[dict[str, Any]]) -> Callable[[], None]:
    def update() -> None:
        for group in groups:
            group["lr"].fill_(0.3)

    return update


def least(calls: Mapping[str, Callable[[], object]], number: int, rounds: int) -> dict[str, float]:
    """Processor seconds of one call of each, run by turns in batches of ``number``."""
    found = dict.fromkeys(calls, math.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            for _ in range(number):
                call()
            found[name] = min(found[name], (time.process_time() - start) / number)
    return found


def check_curve(plan: Plan, kinds: Sequence[Any]) -> None:
    """Hold both to the same curves: a comparison of different ones says nothing."""
    lrs = [BASE_LR, 0.2]
    ours, theirs = make_optimizer([lr * plan.start for lr in lrs]), make_optimizer(lrs)
    schedulers = plan.ours(*kinds, ours, lrs), plan.theirs(theirs, lrs)
    for optimizer in (ours, theirs):
        optimizer.step()
    for step in range(200):
        found = [
            [group[key] for group in optimizer.param_groups for key in ("lr", "momentum")]
            for optimizer in (ours, theirs)
        ]
        if not all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-15) for a, b in zip(*found)):
            raise AssertionError(f"{plan.emitted} and {plan.peer} differ at {step}: {found}")
        for scheduler in schedulers:
            scheduler.step()


def emitted_class(load: Load, name: str) -> Any:
    """The scheduler of the emitted module ``name``."""
    words = "".join(word.capitalize() for word in name.split("_"))
    module = load(name)
    return getattr(module, f"{words}LR", None) or getattr(module, words)


def measured(load: Load, rounds: int) -> Iterator[tuple[Plan, int, bool, dict[str, float]]]:
    """(plan, groups, whether ``lr`` is a tensor, seconds of each) for every comparison."""
    for plan in PLANS:
        kinds = [emitted_class(load, name) for name in plan.emitted.split(" and ")]
        check_curve(plan, kinds)
        for tensor in (False, True):
            for count in (1, 8, 64):
                bases = [BASE_LR * (1 + index / 100) for index in range(count)]
                held = apart if tensor else list
                ours = {"ours": (bases, held), "one base rate": ([BASE_LR] * count, held)}
                if tensor and count > 1:
                    ours["one vector"] = (bases, elements)
                calls: dict[str, Callable[[], object]] = {}
                for row, (lrs, hold) in ours.items():
                    own = make_optimizer(hold([lr * plan.start for lr in lrs]))
                    calls[row] = plan.ours(*kinds, own, lrs).step
                    own.step()
                own = make_optimizer(held(bases))
                calls["peer"] = plan.theirs(own, bases).step
                own.step()
                groups = make_optimizer(held(bases)).param_groups
                if tensor:
                    calls["bare"] = fill_loop(groups)
                    calls["floor"] = filled_at_once(apart(bases))
                else:
                    calls["bare"] = bare_loop(groups)
                number = max(20, (300 if tensor else 3_000) // count)
                yield plan, count, tensor, least(calls, number, rounds)
