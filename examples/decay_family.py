"""The family of decays, and a gradual warm-up before any of them.

The document listed piecewise constant decay, with a factor ``beta_m`` from the update ``T_m`` on,
inverse time ``base / (1 + slope * t)``, exponential ``base * beta ** t`` and cosine decay; and the
warm-up ``t / T'``, after which each of them begins. The decays are schedules of the catalogue; "a
warm-up, then any of them" is one spec that calls them, ``examples/specs/warmup_then.toml``.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from command import keep, options, table
from numpy.typing import NDArray
from numpy_schedules.cosine import cosine
from numpy_schedules.exponential import exponential
from numpy_schedules.inverse_time import inverse_time
from numpy_schedules.multi_step_factors import multi_step_factors

import lrgen
from lrgen.plot import Curve, Panel, figure

SPEC = Path(__file__).parent / "specs" / "warmup_then.toml"
BASE_LR, SLOPE, BETA, TOTAL_STEPS, WARMUP_STEPS = 0.1, 0.01, 0.995, 1_000, 100

Curves = dict[str, NDArray[np.float64]]


def decays(updates: int) -> Curves:
    """Rates of the updates 0 to ``updates`` - 1."""
    steps = np.arange(updates)
    return {
        "piecewise": multi_step_factors(
            steps, base_lr=BASE_LR, milestones=[200, 400, 700], factors=[0.5, 0.4, 0.25]
        ),
        "inverse_time": inverse_time(steps, base_lr=BASE_LR, decay_steps=1, decay_rate=SLOPE),
        "exponential": exponential(steps, base_lr=BASE_LR, gamma=BETA),
        "cosine": cosine(steps, base_lr=BASE_LR, total_steps=TOTAL_STEPS),
    }


def warmed_up(updates: int) -> Curves:
    """The same after a warm-up: each decay starts at its end."""
    schedule = lrgen.load(SPEC)
    return {
        decay: schedule.bind(
            peak_lr=BASE_LR,
            warmup_steps=WARMUP_STEPS,
            decay=decay,
            slope=SLOPE,
            beta=BETA,
            decay_steps=TOTAL_STEPS - WARMUP_STEPS,
        ).curve(range(updates))
        for decay in schedule.parameters["decay"].words
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, Curves]:
    chosen = options(__doc__, arguments, updates=TOTAL_STEPS + 1)
    found = {"at once": decays(chosen.updates), "after a warm-up": warmed_up(chosen.updates)}

    shown = [step for step in (0, 50, 99, 100, 101, 199, 200, 500, 1_000) if step < chosen.updates]
    for title, curves in found.items():
        table(
            [f"update, {title}", *curves],
            [[f"{step:,}", *(c[step] for c in curves.values())] for step in shown],
        )
        print()
    draw(found, chosen.out)
    return found


def draw(found: dict[str, Curves], folder: Path) -> None:
    panels = [
        Panel(
            [
                Curve(name.replace("_", " "), range(len(values)), values)
                for name, values in curves.items()
            ],
            title=title,
        )
        for title, curves in found.items()
    ]
    made = figure(panels, title="Decays, and a gradual warm-up before each", columns=2)
    keep(made, folder, "decay_family")


if __name__ == "__main__":
    main()
