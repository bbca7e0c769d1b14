"""What ``lrgen fit`` finds out: which schedule, with which parameters, drew a logged curve."""

from __future__ import annotations

from .finder import fit
from .verdict import Finding, Fit

__all__ = ["Finding", "Fit", "fit"]
