"""Exponential decay with burn-in, in the two readings of it.

The document gave 0.01, 1,000, 0.96 and 500 for the base, the updates per factor, the factor and the
burn-in, and two formulas. As TensorFlow's object detection reads them, the base is held for 500
updates and decays afterwards, which it does in stairs unless told otherwise; read the other way
round, the rate decays for 500 updates and is then held.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from command import keep, options, table
from numpy.typing import NDArray
from numpy_schedules.decay_then_hold import decay_then_hold
from numpy_schedules.exponential_burnin import exponential_burnin

from lrgen.plot import Curve, Panel, figure
from lrgen.plot.curves import Style

BASE_LR, DECAY_STEPS, DECAY_RATE, BURNIN_STEPS = 0.01, 1_000, 0.96, 500


def curves(updates: int) -> dict[str, NDArray[np.float64]]:
    """Rates of the updates 0 to ``updates`` - 1."""
    steps = np.arange(updates)
    hold_then_decay: dict[str, Any] = {
        "base_lr": BASE_LR,
        "decay_steps": DECAY_STEPS,
        "decay_rate": DECAY_RATE,
        "burnin_lr": BASE_LR,
        "burnin_steps": BURNIN_STEPS,
    }
    return {
        "hold, then decay": exponential_burnin(steps, **hold_then_decay, staircase=False),
        "hold, then stairs": exponential_burnin(steps, **hold_then_decay, staircase=True),
        "decay, then hold": decay_then_hold(
            steps,
            base_lr=BASE_LR,
            decay_rate=DECAY_RATE ** (BURNIN_STEPS / DECAY_STEPS),  # over the burn-in alone
            total_steps=BURNIN_STEPS,
        ),
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, NDArray[np.float64]]:
    chosen = options(__doc__, arguments, updates=4_000)
    found = curves(chosen.updates)

    shown = [step for step in (0, 250, 499, 500, 501, 1_499, 1_500, 2_500) if step < chosen.updates]
    table(["update", *found], [[f"{step:,}", *(c[step] for c in found.values())] for step in shown])
    draw(found, chosen.out)
    return found


def draw(found: dict[str, NDArray[np.float64]], folder: Path) -> None:
    styles: tuple[Style, ...] = ("line", "stairs", "dashed")
    curves = [
        Curve(name, range(len(values)), values, marks=[BURNIN_STEPS], style=style)
        for (name, values), style in zip(found.items(), styles, strict=True)
    ]
    made = figure(Panel(curves), title="Exponential decay with burn-in")
    keep(made, folder, "burnin")


if __name__ == "__main__":
    main()
