"""Ported compositions of PyTorch, held against PyTorch's own objects at every step."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from torch.optim import lr_scheduler
from walked import optimizer_of, rates

import lrgen

STEPS = 60
DRAWS = 25
MANY = 400


def share(source: Random) -> float:
    return source.choice([0.1, 0.5, 0.9, 1.0, round(source.uniform(0.05, 1), 3)])


def factor(source: Random) -> str:
    """The call of a scheduler that multiplies the rate."""
    length = source.choice([1, 2, 5, 10, 30])
    milestones = sorted(source.sample(range(1, 40), 3))
    return source.choice(
        [
            f"LinearLR(optimizer, start_factor={share(source)}, total_iters={length})",
            f"LinearLR(optimizer, {share(source)}, {share(source)}, {length})",
            f"ConstantLR(optimizer, factor={share(source)}, total_iters={length})",
            f"ExponentialLR(optimizer, gamma={share(source)})",
            f"StepLR(optimizer, step_size={length}, gamma={share(source)})",
            f"MultiStepLR(optimizer, {milestones}, gamma={share(source)})",
            f"PolynomialLR(optimizer, total_iters={length}, power=2.0)",
        ]
    )


def absolute(source: Random) -> str:
    length = source.choice([2, 7, 20])
    return source.choice(
        [
            f"CosineAnnealingLR(optimizer, T_max={length}, eta_min=0.001)",
            f"CosineAnnealingWarmRestarts(optimizer, {length}, T_mult=2)",
            "LambdaLR(optimizer, lambda epoch: 0.95 ** epoch)",
        ]
    )


def sequential(source: Random) -> str:
    members = [source.choice([factor, absolute])(source) for _ in range(source.randrange(1, 5))]
    milestones = sorted(source.choices(range(1, 50), k=len(members) - 1))
    return f"SequentialLR(optimizer, [{', '.join(members)}], milestones={milestones})"


def chained(source: Random) -> str:
    members = [factor(source) for _ in range(source.randrange(1, 4))]
    if source.random() < 0.3:
        members.append(absolute(source).replace("eta_min=0.001", "eta_min=0.0"))
    return f"ChainedScheduler([{', '.join(members)}])"


COMPOSITIONS: dict[str, Callable[[Random], str]] = {"sequential": sequential, "chained": chained}


def compared(call: str, rate: float = 0.1) -> None:
    """Fail unless the port of ``call`` gives what PyTorch does."""
    names = {**vars(lr_scheduler), "optimizer": optimizer_of(rate)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = rates(eval(call, names), STEPS)
    ours = lrgen.port(call, base_lr=rate).bound.curve(range(STEPS))

    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15 * rate, err_msg=call)


@pytest.mark.parametrize("kind", COMPOSITIONS)
def test_a_composition_is_that_of_pytorch(kind: str) -> None:
    source = Random(f"port {kind}")
    for _ in range(DRAWS):
        compared(COMPOSITIONS[kind](source))


@pytest.mark.parametrize("backend", ["python", "numpy", "torch", "keras", "jax"])
def test_tables_of_cycles_with_long_names_are_laid_out(backend: str) -> None:
    restarts = "CosineAnnealingWarmRestarts(optimizer, {}, T_mult={})"
    members = f"[{restarts.format(2, 3)}, {restarts.format(3, 2)}]"
    code = lrgen.port(f"SequentialLR(optimizer, {members}, milestones=[9])").code(backend)

    assert "starts, lengths = " in code
    compile(code, backend, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMPOSITIONS)
def test_many_compositions_are_those_of_pytorch(kind: str) -> None:
    source = Random(f"port many {kind}")
    for _ in range(MANY):
        compared(COMPOSITIONS[kind](source), rate=source.choice([0.1, 3e-4, 1.0]))


@pytest.mark.parametrize("shape", ["", ", anneal_strategy='linear'", ", three_phase=True"])
def test_the_momentum_of_one_cycle_is_driven_as_by_pytorch(shape: str) -> None:
    call = f"OneCycleLR(optimizer, 0.1, total_steps=30{shape})"
    scope: dict[str, type] = {}
    exec(lrgen.port(call, quantity="momentum").code("torch"), scope)
    theirs = eval(call, {**vars(lr_scheduler), "optimizer": optimizer_of(0.1)})
    ours = scope["OneCycleLrMomentum"](optimizer_of(0.1))

    for _ in range(29):
        for scheduler in (ours, theirs):
            scheduler.optimizer.step()
            scheduler.step()
        expected = theirs.optimizer.param_groups[0]["momentum"]
        found = ours.optimizer.param_groups[0]["momentum"]
        assert expected == pytest.approx(found, rel=1e-12)


def test_a_milestone_one_update_late_is_found() -> None:
    call = "SequentialLR(optimizer, [ConstantLR(optimizer), StepLR(optimizer, 5)], milestones=[9])"
    ours = lrgen.port(call).bound.curve(range(STEPS))
    late = eval(call.replace("9", "10"), {**vars(lr_scheduler), "optimizer": optimizer_of(0.1)})

    assert not np.allclose(ours, rates(late, STEPS), rtol=1e-12)
