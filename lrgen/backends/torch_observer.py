"""PyTorch, for schedules that remember: a scheduler that is fed a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..expr import Kind, names_in
from ..ranges import Facts
from ..schedule import Parameter, Schedule
from .base import PYTHON_TYPES, Observer
from .layout import COLUMNS, fitting
from .python import STYLE, observer_view, rate_lines
from .remembering import (
    RememberingView,
    initial_lines,
    memory_lines,
    prefixed,
    rate_names,
    remembering_view,
    update_lines,
)
from .wording import formula_lines, source_lines, wrapped


@dataclass(frozen=True, slots=True)
class SchedulerView:
    """What the template of the scheduler places.

    Attributes:
        template: The scheduler's own; plain Python's where no parameter is a group's ``lr``.
        base: The parameter that each group's ``initial_lr`` gives.
        signature: ``name: type = default,`` for each other parameter.
        parameters: The dictionary of their values, as lines.
        fields: ``name: type`` of each parameter of one group.
        repack: Puts the state together.
        alike: What is equal in groups that an observation finds the same in.
        deciding: The states that the rate depends on.
        joined: What follows where groups were added.
        planned: What follows where memories are shared anew.
        rate_head: The first lines of the function that computes a rate.
    """

    template: str
    base: str = ""
    signature: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    repack: tuple[str, ...] = ()
    alike: str = ""
    deciding: str = ""
    joined: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()
    rate_head: str = ""


def _observer(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> RememberingView:
    if schedule.base is None or schedule.drives != "lr":
        view = observer_view(schedule, facts, always)
        return replace(
            view,
            summary=view.summary.replace("(plain Python)", "(PyTorch)"),
            more=SchedulerView("python_schedules/observer.py.jinja"),
        )
    remembered = prefixed(schedule, state="state.", parameters="values.")
    others = [p for p in schedule.parameters if p.name != schedule.base]
    listed = ", ".join(schedule.state_names)
    entries = [
        f'    "{p.name}": {f"_numbers({p.name})" if p.type == "rate" else p.name},' for p in others
    ]
    view = remembering_view(
        schedule,
        framework="PyTorch",
        docstring=_docstring(schedule, schedule.base, others),
        initial=initial_lines(
            schedule, STYLE, prefixed(schedule, parameters="values."), COLUMNS - 4
        ),
        update=update_lines(schedule, STYLE, remembered, COLUMNS - 4),
        rate=fitting(rate_lines(schedule, facts, always, remembered), schedule),
        more_code=("math.inf",) if any(s.kind is Kind.REAL for s in schedule.state) else (),
        more=SchedulerView(
            template=_TEMPLATES[schedule.uses_step],
            base=schedule.base,
            signature=tuple(f"{p.name}: {_group_type(p)} = {p.spelling}," for p in others),
            parameters=("{", *entries, "}") if others else ("{}",),
            fields=tuple(f"{p.name}: {PYTHON_TYPES[p.type]}" for p in schedule.parameters),
            repack=fitting([f"return State({listed})"], schedule),
            alike=_alike(schedule),
            deciding=_deciding(schedule),
            joined=_JOINED[schedule.uses_step],
            planned=_PLANNED[schedule.uses_step],
            rate_head=_RATE_HEADS[schedule.uses_step],
        ),
    )
    plain = sorted(("import copy", *(line for line in view.imports if line.startswith("import "))))
    rest = [line for line in view.imports if line not in plain]
    return replace(view, imports=(*plain, *rest))


def _alike(schedule: Schedule) -> str:
    """Groups differ in rates alone, and most rules ask for none of them."""
    asked = [
        f"own.{p.name}"
        for p in schedule.parameters
        if p.type == "rate" and any(p.name in names_in(u.value) for u in schedule.update)
    ]
    if not asked:
        return "astuple(state)"
    return f"(*astuple(state), {', '.join(asked)})"


def _deciding(schedule: Schedule) -> str:
    """What is compared before and after an observation: unless it changes, no rate does."""
    needed = rate_names(schedule)
    states = [f"state.{name}" for name in schedule.state_names if name in needed]
    if len(states) == 1:
        return states[0]
    together = f"({', '.join(states)})"
    return together if len(together) <= COLUMNS - len(_COMPARED) else "astuple(state)"


def _docstring(schedule: Schedule, base: str, others: Sequence[Parameter]) -> list[str]:
    call, base_class, joins = _WORDS[schedule.uses_step]
    return [
        *wrapped(f"{schedule.title}: {call}", "", "", 93),
        "",
        *formula_lines(schedule),
        "",
        *memory_lines(schedule),
        "",
        *wrapped(_INTRO.format(base=base, joins=joins)),
        "",
        *wrapped(base_class),
        "",
        "Args:",
        "    optimizer: The optimizer whose ``lr`` is driven.",
        *(
            line
            for p in others
            for line in wrapped(
                f"{p.name}: {p.doc}{_PER_GROUP.get(p.type, '')}", "    ", "        "
            )
        ),
        *_ON_CHANGE,
        "",
        "Raises:",
        "    ValueError: For a value out of its range, naming it and the rule.",
        *source_lines(schedule),
    ]


def _group_type(parameter: Parameter) -> str:
    if parameter.type == "rate":
        return "float | Sequence[float]"
    return PYTHON_TYPES[parameter.type]


_COMPARED = "            if  != before:"
_TEMPLATES = {
    False: "torch_schedules/plateau.py.jinja",
    True: "torch_schedules/observing.py.jinja",
}
_JOINED = {
    False: ("self._write(self._rates())",),
    True: (
        "if self.last_epoch >= 0:  # else a SequentialLR has not come to this member yet",
        "    self._write(self._rates())",
    ),
}
_PLANNED: dict[bool, tuple[str, ...]] = {False: (), True: ("self._plan_updates()",)}
_RATE_HEADS = {
    False: "def _rate(state: State, values: Values) -> float:",
    True: "def _rate(step: int, state: State, values: Values) -> float:",
}
_WORDS = {
    False: (
        "call ``step(metric)`` after each evaluation.",
        "It is a ``ReduceLROnPlateau`` by type alone: trainers hand a metric to such a scheduler. "
        "Nothing of torch's own rule is in use. Rates are written where they change, so that one "
        "that was set by hand, as in a warm-up, stays until the next change.",
        "``step()``",
    ),
    True: (
        "call ``step()`` after each update and ``observe(metric)`` after each evaluation.",
        "What is observed holds at once: ``observe`` writes the rates of the next update anew.",
        "``step()`` or ``observe()``",
    ),
}
_INTRO = (
    "Each parameter group has a memory of its own, and rates are binary64; a tensor ``lr`` is "
    "filled in place. ``{base}`` of a group is its ``initial_lr``: the ``lr`` that it had when its "
    "first scheduler was built, which ``optimizer.load_state_dict`` brings back. A group added "
    "later joins at the next {joins}, with its own ``lr`` as ``{base}`` and an empty memory."
)
_PER_GROUP = {"rate": " One value, or one per parameter group."}
_ON_CHANGE = (
    "    on_change: What ``load_state_dict`` does with a state that was made with other values:",
    '        raise ``"error"``, ``"keep"`` the present values and go on from what is remembered,',
    '        or ``"restore"`` the saved values.',
)

TORCH_OBSERVER = Observer("torch_schedules/observer.py.jinja", _observer)
