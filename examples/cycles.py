"""Cycles: triangles and warm restarts, between bounds that fall from cycle to cycle.

The document gave two formulas. Triangular cycles have a number ``m = floor(1 + t / (2 dT))``, and a
rate between the bounds of cycle ``m`` by ``b = |t / dT - 2m + 1|``. In cosine annealing with warm
restarts each cycle is longer than the one before, ``T_m = k * T_(m-1)``, and the time since the
restart, ``T_cur``, is counted in epochs and their fractions: here in updates, of which an epoch has
a whole number.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from command import keep, options, table
from numpy.typing import NDArray
from numpy_schedules.cosine_restarts_bounds import cosine_restarts_bounds
from numpy_schedules.triangular_bounds import triangular_bounds

from lrgen.plot import Curve, Panel, figure

PEAKS, LOWS = (0.1, 0.06, 0.04, 0.03), (0.01, 0.008, 0.006, 0.004)
HALF_STEPS = 375
STEPS_PER_EPOCH, FIRST_EPOCHS, GROWTH = 20, 10, 2.0


def curves(updates: int) -> dict[str, NDArray[np.float64]]:
    """Rates of the updates 0 to ``updates`` - 1."""
    steps = np.arange(updates)
    return {
        "triangles": triangular_bounds(steps, half_steps=HALF_STEPS, peaks=PEAKS, lows=LOWS),
        "warm restarts": cosine_restarts_bounds(
            steps,
            first_steps=FIRST_EPOCHS * STEPS_PER_EPOCH,
            growth=GROWTH,
            peaks=PEAKS,
            lows=LOWS,
        ),
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, NDArray[np.float64]]:
    chosen = options(__doc__, arguments, updates=3_001)
    found = curves(chosen.updates)

    places = (0, 199, 200, 375, 599, 600, 749, 750, 1_399, 1_400, 1_500, 2_999, 3_000)
    shown = [step for step in places if step < chosen.updates]
    table(["update", *found], [[f"{step:,}", *(c[step] for c in found.values())] for step in shown])
    draw(found, chosen.out)
    return found


def draw(found: dict[str, NDArray[np.float64]], folder: Path) -> None:
    starts = {
        "triangles": [2 * HALF_STEPS * m for m in range(1, 5)],
        "warm restarts": [STEPS_PER_EPOCH * FIRST_EPOCHS * (2**m - 1) for m in range(1, 5)],
    }
    panels = [
        Panel(
            [Curve(name, range(len(values)), values, [s for s in starts[name] if s < len(values)])],
            title=name,
        )
        for name, values in found.items()
    ]
    made = figure(panels, title="Cycles whose bounds fall", note="Dotted: where a cycle begins.")
    keep(made, folder, "cycles")


if __name__ == "__main__":
    main()
