"""Pictures of schedules: what ``lrgen plot`` draws, and the same look for anyone's own curves.

Only :func:`figure` and :func:`save` need matplotlib; the picture for a terminal needs NumPy alone.
"""

from __future__ import annotations

from .columns import sampled
from .curves import Band, Curve, Panel
from .pictures import NoMatplotlib, figure, save
from .terminal import Screen, picture

__all__ = [
    "Band",
    "Curve",
    "NoMatplotlib",
    "Panel",
    "Screen",
    "figure",
    "picture",
    "sampled",
    "save",
]
