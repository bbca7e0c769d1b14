"""Keras 3, for schedules that remember: a callback that monitors a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..expr import Kind
from ..ranges import Facts
from ..schedule import Schedule
from .base import Observer
from .layout import COLUMNS, fitting
from .python import STYLE, observer_view, rate_lines
from .remembering import (
    RememberingView,
    closing_lines,
    initial_lines,
    memory_lines,
    prefixed,
    remembering_view,
    update_lines,
)
from .wording import formula_lines, wrapped


@dataclass(frozen=True, slots=True)
class CallbackView:
    """What the template of the callback places.

    Attributes:
        template: The callback's; plain Python's where it is not the rate that is driven.
        hooks: The template of what it does when ``fit`` calls it.
    """

    template: str
    hooks: str = ""


def _observer(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> RememberingView:
    if schedule.drives != "lr":
        view = observer_view(schedule, facts, always)
        return replace(
            view,
            summary=view.summary.replace("(plain Python)", "(Keras 3)"),
            more=CallbackView("python_schedules/observer.py.jinja"),
        )
    names = prefixed(schedule, state="self.", parameters="self.")
    return remembering_view(
        schedule,
        framework="Keras 3",
        docstring=_docstring(schedule),
        initial=initial_lines(schedule, STYLE, names),
        update=update_lines(schedule, STYLE, names),
        rate=fitting(rate_lines(schedule, facts, always, names), schedule, COLUMNS - 8),
        imports=("from typing import Any",),
        more_code=("math.inf",) if any(s.kind is Kind.REAL for s in schedule.state) else (),
        more=CallbackView("keras_schedules/callback.py.jinja", _HOOKS[schedule.uses_step]),
    )


def _docstring(schedule: Schedule) -> list[str]:
    closing = closing_lines(schedule)
    end = closing.index("")
    return [
        *wrapped(f"{schedule.title}: writes the rate into the optimizer.", "", "", 93),
        "",
        *formula_lines(schedule),
        "",
        *memory_lines(schedule),
        "",
        *wrapped(_INTRO[schedule.uses_step]),
        "",
        *closing[:end],
        *_MONITOR,
        *closing[end:],
    ]


_HOOKS = {
    False: "keras_schedules/epochs.py.jinja",
    True: "keras_schedules/updates.py.jinja",
}
_EPOCHS = (
    "The end of each epoch of ``fit`` is an observation. The rate is computed in binary64 and "
    "rounded when the optimizer takes it in. "
)
_UPDATES = (
    "The end of each epoch of ``fit`` is an observation, and each batch begins with the rate of "
    "its update, or of the first one where ``steps_per_execution`` is more than 1. The rate is "
    "computed in binary64 and rounded when the optimizer takes it in. "
)
_RESUMED = (
    "A further ``fit`` goes on from what is remembered; to go on in another process, keep "
    "``state_dict()`` with the model and hand it to ``load_state_dict`` before ``fit``."
)
_INTRO = {False: _EPOCHS + _RESUMED, True: _UPDATES + _RESUMED}
_MONITOR = (
    "    monitor: What is observed, by its name in the logs of an epoch.",
    "    validation_freq: As for ``fit``: epochs from one observation to the next.",
    "    optimizer: One of those of a ``MultiOptimizer``; by default the model's own.",
)

KERAS_OBSERVER = Observer("keras_schedules/observer.py.jinja", _observer)
