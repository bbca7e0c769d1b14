"""What a call costs in plain Python, against the formula by hand, which checks nothing."""

from __future__ import annotations

import math
import timeit
from collections.abc import Iterator

from measure import Row, fastest, load

PLAN = {"peak_lr": 3e-4, "warmup_steps": 100_000, "total_steps": 9_000_000, "end_lr": 1e-6}
STEPS = {"warm-up": 5_000, "cosine": 5_000_000, "floor": 10_000_000}
CALLS = {
    "plan in a dictionary": "call(step, **plan)",
    "plan spelt out": "call(step, " + ", ".join(f"{n}={v!r}" for n, v in PLAN.items()) + ")",
}


def by_hand(
    step: int,
    *,
    peak_lr: float = 1e-3,
    warmup_steps: int = 1_000,
    total_steps: int = 100_000,
    end_lr: float = 0.0,
) -> float:
    if step < warmup_steps:
        return peak_lr * step / warmup_steps
    if step < total_steps:
        progress = (step - warmup_steps) / (total_steps - warmup_steps)
        return end_lr + (peak_lr - end_lr) * (1 + math.cos(math.pi * progress)) / 2
    return end_lr


def python_call(rounds: int = 300, number: int = 1_000) -> Iterator[Row]:
    emitted = load("python", "cosine_warmup").cosine_warmup
    for way, text in CALLS.items():
        for piece, step in STEPS.items():
            names = {"step": step, "plan": PLAN}
            found = fastest(
                {
                    "ours": timeit.Timer(text, globals={**names, "call": emitted}),
                    "peer": timeit.Timer(text, globals={**names, "call": by_hand}),
                    "floor": timeit.Timer(text, globals={**names, "call": nothing}),
                },
                rounds=rounds,
                number=number,
            )
            reached = found["ours"] <= 1.5 * found["peer"]
            yield Row(
                f"plain Python call, {piece}, {way}",
                found["ours"],
                found["peer"],
                "by hand, unchecked",
                "at most 1.5 x",
                reached,
                floor=found["floor"],
                floor_is="a call that returns 0.0",
                note="" if reached else "the rules take as long whatever the formula takes",
            )


def nothing(
    step: int, *, peak_lr: float, warmup_steps: int, total_steps: int, end_lr: float
) -> float:
    return 0.0


COMPARISONS = (python_call,)
