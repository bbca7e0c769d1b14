"""The schedule inside of a compiled update: a rate on the device that nothing is compiled anew for.

``Optimizer.step`` breaks the graph, so that an update is several graphs; what counts is that they
are made once.
"""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from emitted import load_emitted
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

schedule = load_emitted("torch", "cosine_warmup").cosine_warmup
momentum_schedule = load_emitted("torch", "one_cycle_momentum").one_cycle_momentum
PLAN = {"peak_lr": 0.1, "warmup_steps": 100, "total_steps": 900}
MOMENTUM_PLAN = {"warmup_steps": 100, "total_steps": 900}
UPDATES = 1_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Profiler record function"),
]


def make_weights() -> list[Tensor]:
    weights = [torch.linspace(0.5, 1.5, size).requires_grad_() for size in (3, 4, 5)]
    for weight in weights:
        weight.grad = torch.linspace(-1.0, 1.0, len(weight))
    return weights


def sgd(weights: list[Tensor], lr: Any, momentum: Any) -> Optimizer:
    return SGD(weights, lr=lr, foreach=True)


def adamw(weights: list[Tensor], lr: Any, momentum: Any) -> Optimizer:
    return AdamW(weights, lr=lr, foreach=True, capturable=isinstance(lr, Tensor))


def sgd_with_momentum(weights: list[Tensor], lr: Any, momentum: Any) -> Optimizer:
    return SGD(weights, lr=lr, momentum=momentum, foreach=True)


def adamw_with_betas(weights: list[Tensor], lr: Any, momentum: Any) -> Optimizer:
    # Without foreach, torch divides by the rate: at a rate of 0 a gradient of 0 becomes NaN.
    second = torch.tensor(0.999) if isinstance(momentum, Tensor) else 0.999
    betas = (momentum, second)
    return AdamW(weights, lr=lr, betas=betas, foreach=True, capturable=isinstance(lr, Tensor))


OPTIMIZERS = [sgd, adamw, sgd_with_momentum, adamw_with_betas]


def rates(step: Tensor) -> tuple[Tensor, Tensor]:
    return schedule(step, **PLAN), momentum_schedule(step, **MOMENTUM_PLAN)


def compiled_run(
    build: Callable[..., Optimizer], backend: str, wrapped: bool = True
) -> tuple[list[int], list[float], list[Tensor]]:
    """Compilations until each update, the rate of each, and the weights at the end."""
    torch._dynamo.reset()
    weights = make_weights()
    lr, momentum, step = torch.tensor(0.0), torch.tensor(0.9), torch.tensor(0)
    optimizer = build(weights, lr, momentum)
    counter = CompileCounterWithBackend(backend)
    bare_step = inspect.unwrap(type(optimizer).step)

    @torch.compile(backend=counter, fullgraph=not wrapped)
    @torch.no_grad()
    def update() -> None:
        new_lr, new_momentum = rates(step)
        lr.copy_(new_lr)
        momentum.copy_(new_momentum)
        step.add_(1)
        if wrapped:
            optimizer.step()
        else:
            bare_step(optimizer)

    counts, applied = [], []
    for _ in range(UPDATES):
        update()
        counts.append(counter.frame_count)
        applied.append(lr.item())
    return counts, applied, weights


def plain_run(build: Callable[..., Optimizer]) -> list[Tensor]:
    """The weights after the same updates, with floats that Python sets before each."""
    weights = make_weights()
    optimizer = build(weights, 0.1, 0.9)
    (group,) = optimizer.param_groups
    for step in range(UPDATES):
        lr, momentum = (number.item() for number in rates(torch.tensor(step)))
        group["lr"] = lr
        if build is sgd_with_momentum:
            group["momentum"] = momentum
        if build is adamw_with_betas:
            group["betas"] = (momentum, 0.999)
        optimizer.step()
    return weights


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize("build", OPTIMIZERS)
def test_nothing_is_compiled_after_the_first_two_updates(build: Any, backend: str) -> None:
    counts, applied, weights = compiled_run(build, backend)

    assert [counts[1]] * (UPDATES - 2) == counts[2:]
    assert schedule(torch.arange(UPDATES), **PLAN).tolist() == applied
    for expected, found in zip(plain_run(build), weights, strict=True):
        torch.testing.assert_close(found, expected, rtol=2e-5, atol=1e-6)


# SGD looks at a momentum that is a tensor from the host, which breaks the graph.
@pytest.mark.parametrize("build", [sgd, adamw, adamw_with_betas])
def test_without_the_wrapper_of_the_optimizer_s_step_an_update_is_one_graph(build: Any) -> None:
    counts, applied, weights = compiled_run(build, "aot_eager", wrapped=False)

    assert [1] * UPDATES == counts
    assert schedule(torch.arange(UPDATES), **PLAN).tolist() == applied
    for expected, found in zip(plain_run(build), weights, strict=True):
        torch.testing.assert_close(found, expected, rtol=2e-5, atol=1e-6)


def test_torch_s_own_scheduler_compiles_for_each_rate_until_the_limit() -> None:
    torch._dynamo.reset()
    optimizer = SGD(make_weights(), lr=0.1, foreach=True)
    scheduler = CosineAnnealingLR(optimizer, UPDATES)
    counter = CompileCounterWithBackend("aot_eager")
    update = torch.compile(optimizer.step, backend=counter)
    counts = []
    for _ in range(12):
        update()
        scheduler.step()
        counts.append(counter.frame_count)

    assert counts[1] + 5 < counts[-1]  # and from then on it runs uncompiled
    assert counts[-2] == counts[-1]


@pytest.mark.parametrize("kind", ["floats", "tensors"])
def test_a_scheduler_of_tensors_leaves_the_compiled_step_alone(kind: str) -> None:
    torch._dynamo.reset()
    groups = [
        {"params": [weight], "lr": torch.tensor(0.1) if kind == "tensors" else 0.1}
        for weight in make_weights()
    ]
    optimizer = SGD(groups, foreach=True)
    scheduler = load_emitted("torch", "cosine_warmup").CosineWarmupLR(
        optimizer, warmup_steps=100, total_steps=900
    )
    counter = CompileCounterWithBackend("aot_eager")
    update = torch.compile(optimizer.step, backend=counter)
    counts = []
    for _ in range(20):
        update()
        scheduler.step()
        counts.append(counter.frame_count)

    # Floats are the sibling that must recompile.
    assert (kind == "tensors") == ([counts[1]] * 18 == counts[2:])


def test_the_function_is_exported_and_follows_the_step() -> None:
    class Rate(torch.nn.Module):
        def forward(self, step: Tensor) -> Tensor:
            return schedule(step, **PLAN)

    exported = torch.export.export(Rate(), (torch.tensor(0),)).module()

    steps = [0, 1, 99, 100, 500, 899, 900, 2**40]
    expected = [schedule(torch.tensor(step), **PLAN).item() for step in steps]
    assert expected == [exported(torch.tensor(step)).item() for step in steps]


def test_a_batch_of_any_length_can_be_exported() -> None:
    class Rates(torch.nn.Module):
        def forward(self, steps: Tensor) -> Tensor:
            return schedule(steps, **PLAN)

    length = torch.export.Dim("length", min=2, max=10_000)
    exported = torch.export.export(
        Rates(), (torch.arange(10),), dynamic_shapes={"steps": {0: length}}
    ).module()

    steps = torch.arange(0, 2_000, 3)
    assert schedule(steps, **PLAN).tolist() == exported(steps).tolist()


def test_a_compiled_map_over_steps_gives_the_same_bits() -> None:
    torch._dynamo.reset()
    steps = torch.arange(0, 2_000, 3)
    mapped = torch.vmap(lambda step: schedule(step, **PLAN))

    expected = schedule(steps, **PLAN).tolist()
    assert expected == mapped(steps).tolist()
    assert expected == torch.compile(mapped, fullgraph=True)(steps).tolist()
