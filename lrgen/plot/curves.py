"""What is drawn: curves, and the panels that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .scale import LEAST_POSITIVE

Style = Literal["line", "dashed", "stairs", "points", "faint"]
Reals = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """From ``low`` to ``high`` between each two of ``edges``; NaN where there is a line instead."""

    edges: Integers
    low: Reals
    high: Reals


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line through ``values`` at ``steps``, which are equally long; NaN leaves a gap.

    Attributes:
        label: Its name in the legend; one label has one color in all of a figure.
        steps: Places on the horizontal axis, ascending.
        values: The driven quantity there.
        marks: Steps at which a thin vertical line is drawn.
        style: How it is drawn; "stairs" holds each value until the next, "faint" lies behind.
        band: Where the curve goes up and down within a column of pixels.
        note: What a reader should know of how it was sampled, a sentence, or empty.
    """

    label: str
    steps: ArrayLike
    values: ArrayLike
    marks: Sequence[float] = ()
    style: Style = "line"
    band: Band | None = None
    note: str = ""
    xs: Reals = field(init=False, repr=False)
    ys: Reals = field(init=False, repr=False)

    def __post_init__(self) -> None:
        xs, ys = np.asarray(self.steps, np.float64), np.asarray(self.values, np.float64)
        if xs.ndim != 1 or xs.shape != ys.shape:
            raise ValueError(
                f"'{self.label}': steps and values must be equally long, "
                f"got shapes {xs.shape} and {ys.shape}"
            )
        object.__setattr__(self, "xs", xs)
        object.__setattr__(self, "ys", np.where(np.isfinite(ys), ys, np.nan))

    def noted(self, note: str) -> Curve:
        """The same curve with one more sentence."""
        return replace(self, note=f"{self.note} {note}".strip())

    def drawn(self) -> Reals:
        """Every height that the curve has."""
        band = [] if self.band is None else [self.band.low, self.band.high]
        heights: Reals = np.concatenate([self.ys, *band])
        finite: Reals = heights[np.isfinite(heights)]
        return finite


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Curves on common axes.

    Attributes:
        curves: At least one.
        quantity: What the vertical axis shows.
        over: What the horizontal axis counts.
        log: Whether the vertical axis is logarithmic.
        title: Above it.
        behind: Curves drawn pale on an axis of their own to the right.
    """

    curves: Sequence[Curve]
    quantity: str = "learning rate"
    over: str = "update"
    log: bool = False
    title: str = ""
    behind: Panel | None = None

    def heights(self) -> tuple[float, float] | None:
        """The lowest and highest value that can be drawn; None where none can."""
        found = np.concatenate([curve.drawn() for curve in self.curves])
        found = found[found >= LEAST_POSITIVE] if self.log else found
        return (float(found.min()), float(found.max())) if found.size else None

    def width(self) -> tuple[float, float]:
        """The first and last step."""
        xs = [curve.xs for curve in self.curves if curve.xs.size]
        return (min(float(x[0]) for x in xs), max(float(x[-1]) for x in xs)) if xs else (0.0, 1.0)


def notes(panels: Sequence[Panel]) -> list[str]:
    """What a reader should know of each curve, and of values that an axis cannot hold."""
    several = sum(len(panel.curves) for panel in panels) > 1
    found = []
    for panel in panels:
        for curve in panel.curves:
            note = curve.note
            if panel.log and (curve.drawn() < LEAST_POSITIVE).any():
                note += " 0 has no place on a logarithmic axis."
            if note:
                found.append(f"{curve.label}: {note.strip()}" if several else note.strip())
    return found


def reach(panels: Sequence[Panel]) -> str:
    """From where to where ``panels`` go, as ``updates 0 to 105,001``."""
    ends = [panel.width() for panel in panels]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return f"{panels[0].over}s {int(low):,} to {int(high):,}"
