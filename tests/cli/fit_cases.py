"""Schedules with parameters drawn at random, and logs of them as trainers write them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAST = 12_000
Draw = Callable[[random.Random], dict[str, Any]]


def rate(source: random.Random, low: float = 1e-3, high: float = 0.1) -> float:
    """A rate of two digits, as people choose them."""
    return float(f"{low * (high / low) ** source.random():.1e}")


def steps(source: random.Random, low: int, high: int) -> int:
    return source.randrange(low, high, 10)


def real(source: random.Random, low: float, high: float) -> float:
    return round(source.uniform(low, high), 2)


DRAWS: dict[str, Draw] = {
    "constant": lambda s: {"base_lr": rate(s)},
    "constant_warmup": lambda s: {
        "peak_lr": rate(s),
        "warmup_steps": steps(s, 500, 4000),
        "start_lr": rate(s, 1e-5, 1e-3),
    },
    "cosine": lambda s: {
        "base_lr": rate(s),
        "total_steps": steps(s, 6000, 11_000),
        "end_lr": rate(s, 1e-5, 1e-3),
    },
    "cosine_restarts": lambda s: {"base_lr": rate(s), "cycle_steps": steps(s, 2000, 4000)},
    "cosine_rise": lambda s: {"peak_lr": rate(s), "total_steps": steps(s, 4000, 9000)},
    "cosine_warm_restarts": lambda s: {
        "base_lr": rate(s),
        "first_steps": steps(s, 1000, 1500),
        "shrink": real(s, 0.5, 0.9),
    },
    "cosine_warmup": lambda s: {
        "peak_lr": rate(s),
        "warmup_steps": steps(s, 400, 2000),
        "total_steps": steps(s, 8000, 11_000),
        "end_lr": rate(s, 1e-5, 1e-3),
    },
    "cyclic": lambda s: {
        "peak_lr": rate(s, 1e-2, 1e-1),
        "low_lr": rate(s, 1e-4, 1e-3),
        "up_steps": steps(s, 500, 1000),
        "down_steps": steps(s, 1000, 2000),
    },
    "decay_then_hold": lambda s: {
        "base_lr": rate(s),
        "decay_rate": real(s, 0.02, 0.3),
        "total_steps": steps(s, 6000, 11_000),
    },
    "exponential": lambda s: {"base_lr": rate(s), "gamma": round(1 - s.uniform(1e-4, 5e-4), 5)},
    "exponential_cooldown": lambda s: {
        "base_lr": rate(s),
        "total_steps": steps(s, 6000, 11_000),
        "steepness": real(s, 1.0, 3.0),
    },
    "exponential_warmup": lambda s: {
        "peak_lr": rate(s),
        "warmup_steps": steps(s, 3000, 9000),
        "start_lr": rate(s, 1e-6, 1e-4),
    },
    "flat_cosine": lambda s: {
        "base_lr": rate(s),
        "flat_steps": steps(s, 3000, 6000),
        "total_steps": steps(s, 9000, 11_000),
    },
    "half_life": lambda s: {"base_lr": rate(s), "half_life_steps": steps(s, 1000, 5000)},
    "inverse_time": lambda s: {"base_lr": rate(s), "decay_rate": real(s, 0.2, 2.0)},
    "k_decay_cosine": lambda s: {
        "base_lr": rate(s),
        "total_steps": steps(s, 6000, 11_000),
        "k": real(s, 1.2, 3.0),
    },
    "linear": lambda s: {
        "start_lr": rate(s),
        "total_steps": steps(s, 6000, 11_000),
        "end_lr": rate(s, 1e-5, 1e-3),
    },
    "linear_warmup": lambda s: {
        "peak_lr": rate(s),
        "warmup_steps": steps(s, 3000, 9000),
        "start_lr": rate(s, 1e-5, 1e-3),
    },
    "multi_step": lambda s: {
        "base_lr": rate(s),
        "milestones": (steps(s, 1000, 4000), steps(s, 5000, 7000), steps(s, 8000, 11_000)),
        "gamma": real(s, 0.1, 0.5),
    },
    "natural_exponential": lambda s: {"base_lr": rate(s), "decay_rate": rate(s, 1e-4, 5e-4)},
    "one_cycle": lambda s: {
        "peak_lr": rate(s, 1e-2, 1e-1),
        "warmup_steps": steps(s, 2000, 4000),
        "total_steps": steps(s, 9000, 11_000),
        "start_lr": rate(s, 1e-4, 1e-3),
        "end_lr": rate(s, 1e-6, 1e-5),
    },
    "one_minus_sqrt": lambda s: {"base_lr": rate(s), "total_steps": steps(s, 6000, 11_000)},
    "piecewise_constant": lambda s: {
        "boundaries": (steps(s, 1000, 4000), steps(s, 5000, 9000)),
        "values": (rate(s), rate(s, 1e-4, 1e-3), rate(s, 1e-5, 1e-4)),
    },
    "piecewise_linear": lambda s: {
        "places": (0, steps(s, 1000, 3000), steps(s, 6000, 9000)),
        "values": (rate(s, 1e-4, 1e-3), rate(s, 1e-2, 1e-1), rate(s, 1e-4, 1e-3)),
    },
    "polynomial": lambda s: {
        "base_lr": rate(s),
        "total_steps": steps(s, 6000, 11_000),
        "power": real(s, 1.2, 3.0),
    },
    "power_law": lambda s: {
        "base_lr": rate(s),
        "hold_steps": steps(s, 1000, 4000),
        "power": real(s, 0.3, 1.5),
    },
    "rex": lambda s: {"base_lr": rate(s), "total_steps": steps(s, 6000, 11_000)},
    "step_decay": lambda s: {
        "base_lr": rate(s),
        "decay_steps": steps(s, 1000, 3000),
        "gamma": real(s, 0.3, 0.8),
    },
    "warmup_inverse_sqrt": lambda s: {"peak_lr": rate(s), "warmup_steps": steps(s, 500, 4000)},
    "warmup_linear": lambda s: {
        "peak_lr": rate(s),
        "warmup_steps": steps(s, 400, 2000),
        "total_steps": steps(s, 8000, 11_000),
    },
    "warmup_polynomial": lambda s: {
        "peak_lr": rate(s),
        "warmup_steps": steps(s, 400, 2000),
        "total_steps": steps(s, 8000, 11_000),
        "power": real(s, 1.5, 3.0),
    },
    "warmup_stable_decay": lambda s: {
        "peak_lr": rate(s),
        "warmup_steps": steps(s, 400, 2000),
        "decay_steps": steps(s, 1000, 3000),
        "total_steps": steps(s, 9000, 11_000),
    },
}

LIKE = ("cosine_warmup", "exponential_decay", "multi_step")
"""Tried beside the right one where the whole catalogue would take too long."""


def drawn(name: str, number: int = 0) -> dict[str, Any]:
    """Parameters of ``name`` that are no defaults."""
    return DRAWS[name](random.Random(f"{name} {number}"))


def every_tenth() -> NDArray[np.int64]:
    return np.arange(0, LAST, 10)


def with_gaps() -> NDArray[np.int64]:
    """Every tenth step, but for two stretches where nobody logged."""
    all_steps = every_tenth()
    return all_steps[~((all_steps > 2500) & (all_steps < 2800)) & ~((all_steps % 130) == 0)]


def resumed() -> NDArray[np.int64]:
    """A run that stopped at 5,030 and went on from its checkpoint at 4,000."""
    return np.concatenate([np.arange(0, 5031, 10), np.arange(4000, LAST, 10)])


def text(value: float, form: str) -> str:
    """``value`` as a log has it."""
    return str(np.float32(value)) if form == "float32" else format(value, form)


FORMS = (".6g", "float32", ".3e")
WALKS = (every_tenth, with_gaps, resumed)
