"""The function of an emitted NumPy module, run in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends import BACKENDS
from .render import render
from .rewrite import known_of
from .schedule import Schedule


def numpy_function(schedule: Schedule) -> Callable[..., NDArray[np.float64]]:
    """What the NumPy module of ``schedule`` defines: a function of (steps, parameters by name).

    The text comes from our own printer over a tree of known operators; no text of a spec's author
    is in it but names that were checked.

    Args:
        schedule: As it is to be computed: rewritten, or only lowered.
    """
    emitted = render(schedule, BACKENDS["numpy"], known_of(schedule))
    scope: dict[str, Any] = {"__name__": emitted.path}
    exec(compile(emitted.text, f"<{emitted.path}>", "exec"), scope)
    function: Callable[..., NDArray[np.float64]] = scope[schedule.name]
    return function
