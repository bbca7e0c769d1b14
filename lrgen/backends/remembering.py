"""What backends share for schedules that remember: lines of state, update and rate.

State and parameters may be spelt anew, as ``self.best`` in a class and ``state.best`` in JAX; the
text of a formula is the author's otherwise. Host Python spells updates with :data:`.python.STYLE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..expr import Kind, names_in
from ..schedule import Schedule
from .base import PYTHON_TYPES, STDLIB, Spelled, Style
from .checks import check_lines
from .companions import PYTHON, Companions, needed, uses_module
from .layout import COLUMNS, fitting
from .wording import escaped, header, parameter_lines, quantity, source_lines, wrapped

STATE_TYPES: dict[Kind, str] = {Kind.INT: "int", Kind.REAL: "float", Kind.BOOL: "bool"}
_SAVED = {Kind.INT: "self.{0}", Kind.REAL: "_plain(self.{0})", Kind.BOOL: "self.{0}"}


@dataclass(frozen=True, slots=True)
class RememberingView:
    """What a template of a schedule that remembers places.

    Attributes:
        schedule: For its names, and for ``fingerprint`` and ``uses_step``.
        header: The comment that says where the file comes from.
        summary: The module's docstring.
        quantity: What the schedule yields, as a sentence's beginning.
        imports: Lines that only some schedules need.
        docstring: Of the class or function that people call.
        signature: ``name: type = default,`` for each parameter.
        names: The parameters.
        call_check: The call of ``_check``.
        check_fields: ``name: type,`` for each parameter of ``_check``.
        check: Its body.
        observes: What is observed.
        clock: ``step`` where the rate depends on it, else nothing.
        no_clock: One entry where the rate does not depend on the step, else none.
        state: (name, Python type) of each state.
        saved: ``"name": value,`` for each state, as strict JSON holds it.
        reals: One entry where a state holds real numbers, else none.
        initial: ``name = value`` for each state.
        update: The lines of the update.
        rate: The body of the function that computes the rate.
        rate_names: States and parameters that ``rate`` needs, in that order.
        rate_fields: ``name: type,`` for each of them.
        companions: Functions that the module brings along.
        more: What only this framework's template places.
    """

    schedule: Schedule
    header: str
    summary: str
    quantity: str
    imports: tuple[str, ...]
    docstring: tuple[str, ...]
    signature: tuple[str, ...]
    names: tuple[str, ...]
    call_check: tuple[str, ...]
    check_fields: tuple[str, ...]
    check: tuple[str, ...]
    observes: str
    clock: tuple[str, ...]
    no_clock: tuple[str, ...]
    state: tuple[tuple[str, str], ...]
    saved: tuple[str, ...]
    reals: tuple[str, ...]
    initial: tuple[str, ...]
    update: tuple[str, ...]
    rate: tuple[str, ...]
    rate_names: tuple[str, ...]
    rate_fields: tuple[str, ...]
    companions: tuple[str, ...] = ()
    more: object = None

    @property
    def keywords(self) -> tuple[str, ...]:
        """The parameters of a function that takes all of them by name, if there are any."""
        return ("*,", *self.signature) if self.signature else ()


def remembering_view(
    schedule: Schedule,
    *,
    framework: str,
    docstring: Sequence[str],
    initial: Sequence[str],
    update: Sequence[str],
    rate: Sequence[str],
    types: Mapping[str, str] = PYTHON_TYPES,
    check_types: Mapping[str, str] = PYTHON_TYPES,
    imports: Sequence[str] = (),
    more_code: Sequence[str] = (),
    companions: Companions = PYTHON,
    more: object = None,
) -> RememberingView:
    """A view, with what all frameworks have in common filled in.

    Args:
        schedule: After rewriting.
        framework: As people write its name.
        docstring: Lines of the docstring of what people call.
        initial: See :func:`initial_lines`.
        update: See :func:`update_lines`.
        rate: Lines of the function that computes the rate.
        types: Of parameters in the signature that people see, by parameter type.
        check_types: Of parameters of ``_check``.
        imports: Lines besides those of the standard library that other lines need.
        more_code: Further lines that may need ``math``.
        companions: Functions that the module may bring along.
        more: See :class:`RememberingView`.
    """
    assert schedule.observes is not None
    names = tuple(p.name for p in schedule.parameters)
    check = tuple(check_lines(schedule))
    lines = (*initial, *update, *rate, *check, *more_code)
    brought = needed(companions, lines)
    modules = [name for name in STDLIB if uses_module(name, (*lines, *brought))]
    call = fitting([f"_check({', '.join(names)})"], schedule, COLUMNS - 8) if names else ()
    used = rate_names(schedule)
    fields = {s.name: STATE_TYPES[s.kind] for s in schedule.state}
    fields |= {p.name: types[p.type] for p in schedule.parameters}
    return RememberingView(
        schedule=schedule,
        header=header(schedule),
        summary=f"{escaped(schedule.title)} ({framework}).",
        quantity=quantity(schedule),
        imports=(*(f"import {name}" for name in modules), *imports),
        docstring=tuple(docstring),
        signature=tuple(f"{p.name}: {types[p.type]} = {p.spelling}," for p in schedule.parameters),
        names=names,
        call_check=call,
        check_fields=tuple(f"{p.name}: {check_types[p.type]}," for p in schedule.parameters),
        check=check,
        observes=schedule.observes,
        clock=("step",) if schedule.uses_step else (),
        no_clock=() if schedule.uses_step else ("",),
        state=tuple((s.name, STATE_TYPES[s.kind]) for s in schedule.state),
        saved=tuple(f'"{s.name}": {_SAVED[s.kind].format(s.name)},' for s in schedule.state),
        reals=("",) if any(s.kind is Kind.REAL for s in schedule.state) else (),
        initial=tuple(initial),
        update=tuple(update),
        rate=tuple(rate),
        rate_names=used,
        rate_fields=tuple(f"{name}: {fields[name]}," for name in used),
        companions=brought,
        more=more,
    )


# -- names -----------------------------------------------------------------------------------


def prefixed(schedule: Schedule, state: str = "", parameters: str = "") -> dict[str, str]:
    """Spellings such as ``{"best": "self.best", "factor": "self.factor"}``.

    Local names of an update and what is observed keep theirs.
    """
    spelt = {name: f"{state}{name}" for name in schedule.state_names}
    return spelt | {p.name: f"{parameters}{p.name}" for p in schedule.parameters}


def rate_names(schedule: Schedule) -> tuple[str, ...]:
    """The states, then the parameters, that the rate needs; ``step`` is not among them."""
    used: set[str] = set()
    for piece in schedule.pieces:
        used |= names_in(piece.value)
        if piece.condition is not None:
            used |= names_in(piece.condition)
    for let in schedule.lets:
        used |= names_in(let.value)
    order = (*schedule.state_names, *(p.name for p in schedule.parameters))
    return tuple(name for name in order if name in used)


# -- lines -----------------------------------------------------------------------------------


def initial_lines(
    schedule: Schedule,
    style: Style,
    names: Mapping[str, str] | None = None,
    width: int = COLUMNS - 8,
) -> tuple[str, ...]:
    """``best = math.inf`` for each state.

    Args:
        schedule: After rewriting.
        style: How the framework spells operators.
        names: Spellings of names that are not the author's, see :func:`prefixed`.
        width: Columns that are left for a line.
    """
    spelt = names or {}
    spelled = Spelled(schedule, (), style, spelt)
    lines = [f"{spelt.get(s.name, s.name)} = {spelled.text(s.initial)}" for s in schedule.state]
    return fitting(lines, schedule, width)


def update_lines(
    schedule: Schedule,
    style: Style,
    names: Mapping[str, str] | None = None,
    width: int = COLUMNS - 8,
) -> tuple[str, ...]:
    """``bad = 0 if improved else bad + 1`` for each line of the update.

    The arguments are those of :func:`initial_lines`. A line for a state assigns to it, so that
    later lines see the new value.
    """
    spelt = names or {}
    spelled = Spelled(schedule, (), style, spelt)
    lines = [f"{spelt.get(u.name, u.name)} = {spelled.text(u.value)}" for u in schedule.update]
    return fitting(lines, schedule, width)


# -- words -----------------------------------------------------------------------------------


def memory_lines(schedule: Schedule) -> list[str]:
    """The automaton as its author wrote it: what is remembered, and what an observation does."""
    lines = ["It remembers, at first:", ""]
    for state in schedule.state:
        lines += wrapped(f"- ``{state.name} = {state.text}``", rest="  ")
    lines += ["", f"An observation of ``{schedule.observes}`` then does, in this order:", ""]
    for line in schedule.update:
        lines += wrapped(f"- ``{line.name} = {line.text}``", rest="  ")
    return lines


def closing_lines(schedule: Schedule) -> list[str]:
    """``Args:``, ``Raises:`` and ``Source:`` of a docstring."""
    return [
        "Args:",
        *parameter_lines(schedule),
        "",
        "Raises:",
        "    ValueError: For a value out of its range, naming it and the rule.",
        *source_lines(schedule),
    ]
