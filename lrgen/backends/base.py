"""What every backend shares: how operators are spelt, and how lets and pieces become lines."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from ..expr import ENTRY, Apply, Expr, Kind, Name, Number, children, names_in, rebuild
from ..guard import Guards, uses_of
from ..printer import Dialect, Spelling, show
from ..ranges import Facts
from ..schedule import KIND_OF_TYPE, Let, Parameter, Piece, Schedule, expand, varying_names
from .checks import check_lines
from .companions import Companions, needed, uses_module
from .host import Table, spelling_in
from .layout import COLUMNS, fitting
from .wording import escaped, header, quantity

if TYPE_CHECKING:
    from .remembering import RememberingView


@dataclass(frozen=True, slots=True)
class View:
    """What a template places: words and lines, nothing to decide.

    Attributes:
        schedule: For its names and texts.
        header: The comment that says where the file comes from.
        summary: The module's docstring.
        quantity: What the schedule yields, as a sentence's beginning.
        imports: Lines that only some schedules need.
        docstring: Of the function or class that people call.
        signature: ``name: type = default,`` for each parameter.
        names: The parameters.
        call_check: The call of ``_check``.
        check_fields: ``name: type,`` for each parameter of ``_check``.
        check: Its body.
        rate_fields: ``name: type,`` for each parameter of ``_rate``.
        casts: Each parameter as ``_rate`` wants it.
        body: Of the function that computes.
        schedulers: One entry where a torch ``LRScheduler`` is emitted, else none.
        prelude: Lines between imports and code.
        companions: Lines of functions below the rest.
        stores: ``self.name = name`` for each parameter; lists are copied.
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
    rate_fields: tuple[str, ...]
    casts: tuple[str, ...]
    body: tuple[str, ...]
    schedulers: tuple[object, ...] = ()
    prelude: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()

    @property
    def keywords(self) -> tuple[str, ...]:
        """The parameters of a function that takes all of them by name, if there are any."""
        return ("*,", *self.signature) if self.signature else ()


def view_of(
    schedule: Schedule,
    *,
    framework: str,
    docstring: Sequence[str],
    body: Sequence[str],
    types: Mapping[str, str],
    rate_types: Mapping[str, str],
    casts: Mapping[str, str],
    call_check: Sequence[str] | None = None,
    schedulers: Sequence[object] = (),
    more_code: Sequence[str] = (),
    first: str | None = None,
    companions: Companions | None = None,
    always: Sequence[str] = (),
    own_types: Mapping[str, str] | None = None,
    own_casts: Mapping[str, str] | None = None,
    check_types: Mapping[str, str] | None = None,
) -> View:
    """A view, with what all frameworks have in common filled in.

    Args:
        schedule: After rewriting.
        framework: As people write its name.
        docstring: Lines of the docstring.
        body: Lines of the function that computes.
        types: Of parameters in the signature that people see, by parameter type.
        rate_types: Of parameters of the function that computes.
        casts: How a parameter is handed to it, over ``{0}``.
        call_check: The call of ``_check``, when it is not unconditional.
        schedulers: See :class:`View`.
        more_code: Further lines that may need imports.
        check_types: Of parameters of ``_check``, when they are not Python's own.
        companions: Functions that the module may bring along.
        always: Modules of the standard library that it imports in any case.
        own_types: Of single parameters, by name, wherever they occur.
        own_casts: Of single parameters, by name.
        first: The parameter that ``_check`` and ``_rate`` take first.
    """
    parameters = sorted(schedule.parameters, key=lambda p: p.name != (first or p.name))
    names = tuple(p.name for p in parameters)
    check = tuple(check_lines(schedule))
    brought = needed(companions or {}, (*body, *more_code))
    code = (*body, *check, *more_code, *brought)
    modules = sorted({*always, *(name for name in STDLIB if uses_module(name, code))})
    own_types, own_casts = own_types or {}, own_casts or {}
    call = fitting([f"_check({', '.join(names)})"], schedule, COLUMNS - 8) if names else ()
    return View(
        schedule=schedule,
        header=header(schedule),
        summary=f"{escaped(schedule.title)} ({framework}).",
        quantity=quantity(schedule),
        imports=(*(f"import {name}" for name in modules), *_sequence(schedule, brought)),
        docstring=tuple(docstring),
        signature=tuple(
            f"{p.name}: {own_types.get(p.name, types[p.type])} = {p.spelling},"
            for p in schedule.parameters
        ),
        names=names,
        call_check=call if call_check is None else tuple(call_check),
        check_fields=tuple(
            f"{p.name}: {(check_types or PYTHON_TYPES)[p.type]}," for p in parameters
        ),
        check=check,
        rate_fields=tuple(
            f"{p.name}: {own_types.get(p.name, rate_types[p.type])}," for p in parameters
        ),
        casts=tuple(f"{own_casts.get(p.name, casts[p.type]).format(p.name)}," for p in parameters),
        body=tuple(body),
        schedulers=tuple(schedulers),
        companions=brought,
        stores=tuple(_stored(p) for p in schedule.parameters),
    )


STDLIB = ("bisect", "functools", "itertools", "math", "operator")
AS_IT_IS: dict[str, str] = dict.fromkeys(KIND_OF_TYPE, "{0}")


def _sequence(schedule: Schedule, brought: Sequence[str]) -> list[str]:
    """The import that a list among the parameters needs."""
    has_list = any(p.entry is not None for p in schedule.parameters)
    has_list = has_list or any("Sequence[" in line for line in brought)
    return ["from collections.abc import Sequence"] if has_list else []


def _stored(parameter: Parameter) -> str:
    value = parameter.name if parameter.entry is None else f"list({parameter.name})"
    return f"self.{parameter.name} = {value}"


@dataclass(frozen=True, slots=True)
class Backend:
    """A framework: its folder under the output, its template, and how a view is made."""

    name: str
    package: str
    template: str
    view: Callable[[Schedule, Sequence[Facts], Facts], View]
    observer: Observer


@dataclass(frozen=True, slots=True)
class Observer:
    """How a backend emits a schedule that remembers: its template, and how a view is made."""

    template: str
    view: Callable[[Schedule, Sequence[Facts], Facts], RememberingView]


@dataclass(frozen=True, slots=True)
class Style:
    """How a framework spells operators.

    Attributes:
        array: For operands that change with the step (or may be arrays).
        host: For numbers that Python holds.
        pi: The circle number.
        casts: Whether integers that enter real arithmetic need ``array["real"]``.
        fills: How many host numbers of a choice inside a formula need ``array["fill"]``: none,
            one of two, since the other then follows its type, or each.
        wraps: Whether host numbers that vary need ``array["scalar"]`` as an operand of a choice, of
            an extreme, or of a power.
        host_kinds: Parameters of these kinds are numbers that Python holds.
    """

    array: Table
    host: Table
    pi: str
    casts: bool = False
    fills: Literal["none", "one", "each"] = "none"
    wraps: bool = False
    host_kinds: frozenset[Kind] = frozenset(Kind)


class Spelled:
    """A schedule in one style: which names are arrays, and how expressions read."""

    def __init__(
        self,
        schedule: Schedule,
        lets: Sequence[Let],
        style: Style,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.style = style
        self.varying = varying_names(tuple(lets))
        # What is remembered and what is observed changes while a program runs, as the step does.
        memory = {schedule.observes, *schedule.state_names, *(u.name for u in schedule.update)}
        self.arrays = (
            {"step"}
            | {name for name in memory if name is not None}
            | {p.name for p in schedule.parameters if p.kind not in style.host_kinds}
        )
        self.arrays -= table_names(lets)
        for let in lets:
            if not self.is_host(let.value):
                self.arrays.add(let.name)
        # The two tables of growing cycles are made together.
        self.lengths = {
            let.value.args: let.name
            for let in lets
            if isinstance(let.value, Apply) and let.value.op == "cycle_lengths"
        }
        self.dialect = Dialect(self._spelling, names or {})

    def is_host(self, expr: Expr) -> bool:
        """Whether Python itself holds the value."""
        if Kind.INTS not in self.style.host_kinds and any(
            isinstance(node, Apply) and node.kind in ENTRY for node in _values_in(expr)
        ):
            return False
        return self.arrays.isdisjoint(_names_of_values(expr))

    def text(self, expr: Expr) -> str:
        """``expr`` as code."""
        return show(self._lowered(expr), self.dialect)

    def branch(self, expr: Expr, kind: Kind) -> str:
        """``expr`` as code where a value of ``kind`` is wanted."""
        lowered = self._lowered(expr)
        return show(self._cast(lowered) if kind is Kind.REAL else lowered, self.dialect)

    def number(self, expr: Expr) -> Expr:
        """``expr`` as a real number or array: integers are cast, whole literals spelt as reals."""
        match expr:
            case Apply(op="if", args=(condition, yes, no)):
                branches = (condition, self.number(yes), self.number(no))
                return Apply("if", branches, Kind.REAL, expr.column)
            case Number(value=value):
                return Number(float(value))
        return expr if expr.kind is Kind.REAL else Apply("real", (expr,), Kind.REAL)

    def filled(self, expr: Expr) -> Expr:
        """``expr`` as a binary64 array of the shape of ``step``, whatever Python decides."""
        match expr:
            case Apply(op="if", args=(condition, yes, no)) if self.is_host(condition):
                branches = (condition, self.filled(yes), self.filled(no))
                return Apply("if", branches, Kind.REAL, expr.column)
        number = self.number(expr)
        if self.varying.isdisjoint(names_in(expr)):
            return Apply("fill", (number,), Kind.REAL)
        return number

    def operand(self, expr: Expr) -> Expr:
        """``expr`` where the framework takes an array or a number that Python holds."""
        varies = expr.kind is Kind.REAL and self.is_host(expr) and names_in(expr)
        if self.style.wraps and varies and _is_plain(expr):
            return Apply("scalar", (expr,), Kind.REAL)
        return expr

    def _spelling(self, node: Apply) -> Spelling | None:
        if node.op == "pi":
            return Spelling(self.style.pi)
        if node.op in ("fill", "scalar"):
            return self.style.array[node.op]
        if node.op == "if" and self.is_host(node.args[0]):
            return None  # Python decides
        table = self.style.host if self.is_host(node) else self.style.array
        if self._mixed(node) and f"{node.op}:host" in table:
            return table[f"{node.op}:host"]
        return spelling_in(table, node)

    def _mixed(self, node: Apply) -> bool:
        return len(node.args) == 2 and self.is_host(node.args[1]) != self.is_host(node.args[0])

    def _cast(self, expr: Expr) -> Expr:
        if self.style.casts and expr.kind is Kind.INT and not self.is_host(expr):
            return Apply("real", (expr,), Kind.REAL)
        return expr

    def _lowered(self, expr: Expr) -> Expr:
        """``expr`` with casts, with extremes of two, and with whole bases of real powers real."""
        expr = rebuild(expr, self._lowered)
        if not isinstance(expr, Apply):
            return expr
        if expr.op in ("min", "max"):
            first, *others = expr.args
            for other in others:
                pair = (first, other)
                if self.is_host(first) and not self.is_host(other):
                    pair = (other, first)
                kind = Kind.INT if first.kind is other.kind is Kind.INT else Kind.REAL
                if kind is Kind.REAL:
                    pair = (self._cast(pair[0]), self._cast(pair[1]))
                if not self.is_host(pair[0]):
                    pair = (pair[0], self.operand(pair[1]))
                first = Apply(expr.op, pair, kind)
            return expr if self.is_host(expr) else first
        if expr.op == "list" and expr.kind is Kind.REALS:
            return replace(expr, args=tuple(_as_real(entry) for entry in expr.args))
        if expr.op == "**" and expr.kind is Kind.REAL and expr.args[0].kind is Kind.INT:
            base, exponent = expr.args
            if isinstance(base, Number):
                base = Number(float(base.value))
            elif self.is_host(base):
                base = Apply("real", (base,), Kind.REAL)
            expr = replace(expr, args=(self._cast(base), exponent))
        if expr.op == "**" and expr.kind is Kind.REAL and not self.is_host(expr):
            expr = replace(expr, args=tuple(self.operand(a) for a in expr.args))
        if expr.op == "if" and expr.kind is Kind.REAL:
            condition, yes, no = expr.args
            if not self.is_host(condition):
                yes, no = (self.operand(side) for side in self._alike(yes, no))
            return replace(expr, args=(condition, self._cast(yes), self._cast(no)))
        if expr.kind is Kind.REAL and expr.op not in _WHOLE_OPERANDS:
            return replace(expr, args=tuple(self._cast(a) for a in expr.args))
        if expr.op in ("floor", "ceil"):
            return replace(expr, args=tuple(self._cast(a) for a in expr.args))
        return expr

    def _alike(self, yes: Expr, no: Expr) -> tuple[Expr, Expr]:
        """Both sides of a choice, so that a framework's own type for numbers does not enter."""
        hosts = [self.is_host(side) and _is_plain(side) for side in (yes, no)]
        if self.style.fills == "each":
            pair = [Apply("fill", (s,), Kind.REAL) if h else s for s, h in zip((yes, no), hosts)]
            return pair[0], pair[1]
        if self.style.fills == "one" and all(hosts):
            return Apply("fill", (yes,), Kind.REAL), no
        return yes, no


def _as_real(entry: Expr) -> Expr:
    return Number(float(entry.value)) if isinstance(entry, Number) else entry


_WHOLE_OPERANDS = ("real", "fill", "scalar", "at", "product", "total", "uniform")
"""Operators that yield reals from integers."""
_TABLES = ("cycle_starts", "cycle_lengths")


def _values_in(expr: Expr) -> Iterator[Expr]:
    """Every node whose value counts; the length of a list is known whatever is in it."""
    yield expr
    if not (isinstance(expr, Apply) and expr.op == "len"):
        for child in children(expr):
            yield from _values_in(child)


@lru_cache(maxsize=1 << 12)
def _names_of_values(expr: Expr) -> frozenset[str]:
    return frozenset(node.id for node in _values_in(expr) if isinstance(node, Name))


def table_names(lets: Sequence[Let]) -> set[str]:
    """Names that tables of growing cycles are made from, which Python has to know."""
    names: set[str] = set()
    for let in reversed(lets):
        is_table = isinstance(let.value, Apply) and let.value.op in _TABLES
        if is_table or let.name in names:
            names |= names_in(let.value)
    return names


# -- lines -----------------------------------------------------------------------------------


def comment(reasons: Sequence[str], indent: str) -> list[str]:
    """Each reason as a comment, wrapped."""
    lines: list[str] = []
    for reason in reasons:
        lines += textwrap.wrap(
            reason, COLUMNS - 4, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
    return lines


def branches(expr: Expr) -> list[tuple[Expr | None, Expr]]:
    """``a if c else b if d else e`` as (c, a), (d, b), (None, e)."""
    match expr:
        case Apply(op="if", args=(condition, yes, no)):
            return [(condition, yes), *branches(no)]
    return [(None, expr)]


def assignment(name: str, value: Expr, spelled: Spelled, indent: str) -> list[str]:
    """``name = value``; a choice that Python makes becomes if, elif and else."""
    match value:
        case Apply(op="cycle_starts", args=series):
            tables = spelled.text(Apply("cycle_tables", series, value.kind))
            return [f"{indent}{name}, {spelled.lengths[series]} = {tables}"]
        case Apply(op="cycle_lengths"):
            return []
    parts = branches(value)
    if len(parts) > 1 and all(c is None or spelled.is_host(c) for c, _ in parts):
        one = f"{indent}{name} = {spelled.text(value)}"
        if len(parts) == 2 and len(one) <= COLUMNS - 4 and not _may_differ(parts, spelled):
            return [one]
        lines = []
        for number, (condition, branch) in enumerate(parts):
            word = "else" if condition is None else "if" if number == 0 else "elif"
            head = word if condition is None else f"{word} {spelled.text(condition)}"
            lines.append(f"{indent}{head}:")
            lines.append(f"{indent}    {name} = {spelled.branch(branch, value.kind)}")
        return lines
    return [f"{indent}{name} = {spelled.text(value)}"]


def _may_differ(parts: Sequence[tuple[Expr | None, Expr]], spelled: Spelled) -> bool:
    """Whether one branch is an array and the other is not, which a line of its own shows better."""
    return len({spelled.is_host(value) for _, value in parts}) > 1


def guarded_parts(
    schedule: Schedule,
    facts: Sequence[Facts],
    always: Facts,
    is_host: Callable[[Expr], bool],
) -> tuple[tuple[Let, ...], tuple[Piece, ...]]:
    """Lets and pieces for code that computes all of them at every step."""
    pairs = [(p.condition, p.value) for p in schedule.pieces]
    # What decides between pieces is computed at every step.
    uses = uses_of(schedule.lets, pairs, facts, [always] * len(pairs))
    guards = Guards(schedule.lets, uses, always, is_host)
    pieces = []
    before = always
    for piece, meant in zip(schedule.pieces, facts):
        value = guards.guarded(piece.value, always, meant)
        condition = piece.condition
        if condition is not None:
            condition = guards.guarded(condition, always, before)
            before = before.given(expand(condition, schedule.lets), holds=False)
        pieces.append(replace(piece, condition=condition, value=value))
    return tuple(guards.lets.values()), tuple(pieces)


def array_body(
    schedule: Schedule, lets: Sequence[Let], pieces: Sequence[Piece], spelled: Spelled
) -> tuple[list[str], list[tuple[Expr | None, str, Expr]]]:
    """Lines for lets and pieces, and what is left to choose from: (condition, text, value)."""
    lines: list[str] = []
    for let in lets:
        lines += comment(let.reasons, "")
        lines += assignment(let.name, let.value, spelled, "")
    if lets and len(pieces) > 1:
        lines.append("")
    if len(pieces) == 1:
        value = spelled.filled(pieces[0].value)
        lines += comment(pieces[0].reasons, "")
        if len(branches(value)) == 1:
            return lines, [(None, spelled.text(value), value)]
        lines += assignment(pieces[0].name, value, spelled, "")
        return lines, [(None, pieces[0].name, value)]
    chosen: list[tuple[Expr | None, str, Expr]] = []
    taken = {let.name for let in lets} | {p.name for p in schedule.parameters}
    for piece in pieces:
        value = spelled.number(piece.value)
        lines += comment(piece.reasons, "")
        if isinstance(value, Name | Number):
            chosen.append((piece.condition, spelled.text(value), value))
        else:
            # A let of this name may still be needed.
            own = (f"{piece.name}{ending}" for ending in ("", "_lr", "_rate", "_value", "_piece"))
            name = next(n for n in own if n not in taken)
            taken.add(name)
            lines += assignment(name, value, spelled, "")
            chosen.append((piece.condition, name, value))
    return lines, chosen


def _is_plain(expr: Expr) -> bool:
    return not (isinstance(expr, Apply) and expr.op in ("fill", "scalar"))


PYTHON_TYPES: dict[str, str] = {
    "steps": "int",
    "count": "int",
    "rate": "float",
    "real": "float",
    "flag": "bool",
    "choice": "str",
    "steps[]": "Sequence[int]",
    "count[]": "Sequence[int]",
    "rate[]": "Sequence[float]",
    "real[]": "Sequence[float]",
}
