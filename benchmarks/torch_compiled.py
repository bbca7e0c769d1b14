"""A compiled update with a schedule in it: how often it is compiled, and what it takes then.

torch's own schedulers change what the compiled code holds as a constant: it is compiled for each
value, until the limit, and runs uncompiled from then on.

What a schedule adds is the time of a compiled region with it, less that of the same region with a
constant rate. ``Optimizer.step`` of torch comes in a wrapper, for hooks and profiles, that breaks
the graph before and after itself; without the wrapper all of the region is one graph.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from measure import fastest
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

UPDATES = 1_000
APART = "torch's wrapper of step() leaves the schedule in a graph of its own, with one tensor more"
Load = Callable[[str], ModuleType]


@dataclass(frozen=True, slots=True)
class Found:
    """Of the first updates, and of those that follow.

    Attributes:
        compilations: During the first updates.
        later: Those of them after the second update.
        seconds: Processor time of one of those that follow.
    """

    compilations: int
    later: int
    seconds: float


def make_weights() -> list[Tensor]:
    weights = [torch.ones(4, requires_grad=True) for _ in range(4)]
    for weight in weights:
        weight.grad = torch.ones(4)
    return weights


def measured(update: Callable[[], object], after: Callable[[], object]) -> Found:
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("inductor")
    compiled = torch.compile(update, backend=counter)
    early = 0
    for index in range(UPDATES):
        compiled()
        after()
        if index == 1:
            early = counter.frame_count
    seconds = []
    for _ in range(7):
        start = time.process_time()
        for _ in range(200):
            compiled()
            after()
        seconds.append((time.process_time() - start) / 200)
    return Found(counter.frame_count, counter.frame_count - early, min(seconds))


def ours(load: Load, build: Callable[[list[Tensor], Tensor, Tensor], Optimizer]) -> Found:
    rate = load("cosine").cosine
    momentum_rate = load("one_cycle_momentum").one_cycle_momentum
    lr, momentum, step = torch.tensor(0.1), torch.tensor(0.9), torch.tensor(0)
    optimizer = build(make_weights(), lr, momentum)
    driven = isinstance(optimizer.param_groups[0].get("betas", (0.9,))[0], Tensor)

    def update() -> None:
        lr.copy_(rate(step, base_lr=0.1, total_steps=100_000))
        if driven:
            momentum.copy_(momentum_rate(step))
        step.add_(1)  # before the optimizer, which would leave it in a graph of its own
        optimizer.step()

    return measured(update, lambda: None)


def native(optimizer: Optimizer, build: Callable[[Optimizer], Any]) -> Found:
    scheduler = build(optimizer)
    return measured(optimizer.step, scheduler.step)


def comparisons(load: Load) -> Iterator[tuple[str, str, Found, Found]]:
    """(what, peer, ours, theirs) of each comparison."""
    yield (
        "SGD",
        "CosineAnnealingLR, float lr",
        ours(load, lambda weights, lr, _: SGD(weights, lr=lr, foreach=True)),
        native(SGD(make_weights(), lr=0.1, foreach=True), lambda o: CosineAnnealingLR(o, 100_000)),
    )
    yield (
        "AdamW",
        "CosineAnnealingLR, float lr",
        ours(load, lambda weights, lr, _: AdamW(weights, lr=lr, foreach=True, capturable=True)),
        native(
            AdamW(make_weights(), lr=0.1, foreach=True), lambda o: CosineAnnealingLR(o, 100_000)
        ),
    )
    second = torch.tensor(0.999)
    yield (
        "AdamW and betas",
        "OneCycleLR, tensor lr",
        ours(
            load,
            lambda weights, lr, momentum: AdamW(
                weights, lr=lr, betas=(momentum, second), foreach=True, capturable=True
            ),
        ),
        native(
            AdamW(make_weights(), lr=torch.tensor(0.1), foreach=False),
            lambda o: OneCycleLR(o, 0.1, 100_000),
        ),
    )


# --- what the schedule adds ---------------------------------------------------------------------


def regions(load: Load, rounds: int = 150) -> Iterator[tuple[str, dict[str, float]]]:
    """Processor seconds of compiled regions: with the schedule, and with a constant rate."""
    for name, build in (("SGD", sgd), ("AdamW", adamw)):
        for way, wrapped in (("", True), (", one graph", False)):
            torch._dynamo.reset()
            calls = {
                "ours": scheduled(load("cosine").cosine, build, wrapped),
                "peer": constant(build, wrapped),
            }
            for call in calls.values():
                call()
            yield (
                f"{name}{way}",
                fastest(calls, rounds=rounds, number=50, clock=time.process_time),
            )


def sgd(lr: Tensor) -> Optimizer:
    return SGD(make_weights(), lr=lr, foreach=True)


def adamw(lr: Tensor) -> Optimizer:
    return AdamW(make_weights(), lr=lr, foreach=True, capturable=True)


def step_of(optimizer: Optimizer, wrapped: bool) -> Callable[[], object]:
    bare = inspect.unwrap(type(optimizer).step)
    return optimizer.step if wrapped else lambda: bare(optimizer)


def scheduled(
    rate: Callable[..., Tensor], build: Callable[[Tensor], Optimizer], wrapped: bool
) -> Callable[[], object]:
    lr, done = torch.tensor(0.1), torch.tensor(0)
    step = step_of(build(lr), wrapped)

    @torch.compile(fullgraph=not wrapped)
    @torch.no_grad()
    def update() -> None:
        lr.copy_(rate(done, base_lr=0.1, total_steps=100_000))
        done.add_(1)
        step()

    return update


def constant(build: Callable[[Tensor], Optimizer], wrapped: bool) -> Callable[[], object]:
    done = torch.tensor(0)
    step = step_of(build(torch.tensor(0.1)), wrapped)

    @torch.compile(fullgraph=not wrapped)
    @torch.no_grad()
    def update() -> None:
        done.add_(1)
        step()

    return update
