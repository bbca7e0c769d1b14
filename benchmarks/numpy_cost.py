"""What a whole curve costs in NumPy: its time, and the memory of one call and of chunks."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from measure import Row, fastest, load

PLAN = {"peak_lr": 3e-4, "warmup_steps": 100_000, "total_steps": 9_000_000, "end_lr": 1e-6}


def by_hand(
    step: Any, *, peak_lr: float, warmup_steps: int, total_steps: int, end_lr: float
) -> Any:
    import numpy as np

    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    warmup = peak_lr * step / warmup_steps
    anneal = end_lr + (peak_lr - end_lr) * (1 + np.cos(np.pi * progress)) / 2
    return np.where(step < warmup_steps, warmup, np.where(step < total_steps, anneal, end_lr))


def numpy_curve(steps: int = 10_000_000, rounds: int = 5) -> Iterator[Row]:
    """Of 10^7 updates, where the goal says 10^8: these take 6 GB at once."""
    import numpy as np

    emitted = load("numpy", "cosine_warmup").cosine_warmup
    step = np.arange(steps)
    np.testing.assert_allclose(emitted(step, **PLAN), by_hand(step, **PLAN), rtol=1e-6, atol=1e-12)
    found = fastest(
        {
            "ours": lambda: emitted(step, **PLAN),
            "peer": lambda: by_hand(step, **PLAN),
            "floor": lambda: np.sin(step),
        },
        rounds=rounds,
        clock=time.process_time,
    )
    yield Row(
        f"NumPy curve of {steps:,} updates",
        found["ours"],
        found["peer"],
        "the formula by hand",
        "at most 1.2 x",
        found["ours"] <= 1.2 * found["peer"],
        floor=found["floor"],
        floor_is="one sine of each",
        note="processor time; the goal says 10^8 updates",
    )


def numpy_memory(steps: int = 10_000_000) -> Iterator[Row]:
    """Bytes at the peak, beside the steps themselves."""
    import numpy as np

    import lrgen

    emitted = load("numpy", "cosine_warmup").cosine_warmup
    bound = lrgen.load("cosine_warmup").bind(**PLAN)
    step = np.arange(steps)
    theirs = peak(lambda: by_hand(step, **PLAN))
    for name, call, goal in (
        ("at once", lambda: emitted(step, **PLAN), theirs),
        ("in chunks", lambda: sum(map(len, bound.chunks(range(steps)))), 100e6),
    ):
        ours = peak(call)
        yield Row(
            f"NumPy memory of {steps:,} updates, {name}",
            ours / 1e6,
            theirs / 1e6,
            "the formula by hand",
            "none" if name == "at once" else "at most 100 MB, whatever the number",
            name == "at once" or ours <= goal,
            unit="MB",
            floor=8 * steps / 1e6 if name == "at once" else None,
            floor_is="the result" if name == "at once" else "",
        )


def peak(call: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


COMPARISONS = (numpy_curve, numpy_memory)
