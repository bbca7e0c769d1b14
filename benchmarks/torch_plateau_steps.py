"""What an observation of a metric costs in PyTorch, against torch's own ReduceLROnPlateau.

Each row is processor time. The floor is what a person would write into the training loop, where the
rule is known beforehand: two variables, and a loop over the groups where a rate changes.
"""

from __future__ import annotations

import math
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from measure import Row, fastest, groups_of, load

GROUPS = (1, 8, 64)
RATES = {"": 1 / 64, ", one base rate": 0.0}
METRICS = (1.0, 0.5, 0.5, 0.75, 0.75, 0.75, 0.25, 0.25, 0.5, 0.25, 0.25, 0.125)
NEVER = 10**9
ASKS = "asks each group for its rate at every observation, torch where a cut is due"
ANEW = "a rate is computed from its base, torch's is multiplied"


def torch_plateau(rounds: int = 150) -> Iterator[Row]:
    for name, kind in (("plateau", "PlateauLR"), ("plateau_torch", "PlateauTorchLR")):
        module = load("torch", name)
        ours = getattr(module, kind)
        check_curve(ours)
        for tensor in (False, True):
            for count in GROUPS:
                for same, spread in RATES.items():
                    lrs = [0.1 + spread * index for index in range(count)]
                    kinds = f"{name}{', tensor lr' * tensor}"
                    title = f"torch {kinds}, {groups_of(count)}{same}"
                    yield measured(ours, title, lrs, tensor, rounds, NEVER)
        for count in GROUPS:
            title = f"torch {name}, a cut each time, {groups_of(count)}"
            yield measured(ours, title, [0.1] * count, False, rounds, 0)


def measured(
    ours: Any, title: str, lrs: Sequence[float], tensor: bool, rounds: int, patience: int
) -> Row:
    """One observation that improves nothing: of each, by turns."""
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    rule = {"factor": 0.999999, "patience": patience, "threshold": 0.0}
    calls = {
        "ours": ours(make_optimizer(lrs, tensor), **rule).step,
        "peer": ReduceLROnPlateau(make_optimizer(lrs, tensor), **rule, eps=0.0).step,
        "floor": bare(make_optimizer(lrs, tensor).param_groups, **rule),
    }
    for call in calls.values():
        call(0.5)
    timers = {
        name: timeit.Timer("call(0.5)", globals={"call": call}, timer=time.process_time)
        for name, call in calls.items()
    }
    found = fastest(timers, rounds=rounds, number=50 if tensor else 200)
    share = 1.0 if patience == 0 else 0.15 if tensor else 0.30
    asks = ours.__name__ == "PlateauTorchLR" and len(set(lrs)) > 1
    return Row(
        title,
        found["ours"],
        found["peer"],
        "ReduceLROnPlateau",
        f"at most {share:.2f} x",
        found["ours"] <= share * found["peer"],
        floor=found["floor"],
        floor_is="a bare comparison",
        note=ANEW if patience == 0 else ASKS if asks else "",
    )


def make_optimizer(lrs: Sequence[float], tensor: bool) -> Any:
    import torch

    return torch.optim.SGD(
        [{"params": [torch.zeros(1)], "lr": torch.tensor(lr) if tensor else lr} for lr in lrs]
    )


def bare(
    groups: list[dict[str, Any]], factor: float, patience: int, threshold: float
) -> Callable[[float], None]:
    best, bad = math.inf, 0

    def observe(metric: float) -> None:
        nonlocal best, bad
        if metric < best * (1 - threshold):
            best, bad = metric, 0
            return
        bad += 1
        if bad > patience:
            bad = 0
            for group in groups:
                group["lr"] *= factor

    return observe


def check_curve(ours: Any) -> None:
    """Hold both to the same rates: a comparison of different rules says nothing."""
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    rule = {"factor": 0.5, "patience": 1, "threshold": 0.0}
    optimizers = [make_optimizer([0.1, 0.4], False) for _ in range(2)]
    schedulers = ours(optimizers[0], **rule), ReduceLROnPlateau(optimizers[1], **rule)
    for metric in METRICS:
        for scheduler in schedulers:
            scheduler.step(metric)
        rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
        if rates[0] != rates[1]:
            raise AssertionError(f"{ours.__name__} and ReduceLROnPlateau differ: {rates}")


COMPARISONS = (torch_plateau,)
