"""How a PyTorch scheduler writes the rates of all parameter groups in one loop.

What no step changes is computed once, for all steps; what depends on the step alone once a step,
before the loop. In it stands only what differs between groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..expr import Apply, Expr, Kind, Name, Number, children, names_in, rebuild
from ..finite import is_finite
from ..ranges import Facts
from ..schedule import Let, Schedule, expand
from .base import Spelled, branches, comment
from .layout import COLUMNS
from .python import STYLE, Part, float_text, let_lines, rate_parts

_SHARES = ("share", "other_share", "third_share", "fourth_share")
"""What a part of a formula is called that all groups have in common."""


def own_names(schedule: Schedule) -> tuple[str, ...]:
    """The parameters that may differ between groups, the base first."""
    rates = [p.name for p in schedule.parameters if p.type == "rate"]
    return tuple(sorted(rates, key=lambda name: name != schedule.base))


def writing_lines(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> list[str]:
    """The body of a function that returns one: it writes the rate of each row of ``groups``."""
    parts = rate_parts(schedule, facts, always)
    planned = _planned(schedule, parts, always)
    parts = [
        replace(
            part,
            before=tuple(let for let in part.before if let not in planned),
            lets=tuple(let for let in part.lets if let not in planned),
        )
        for part in parts
    ]
    spelled = Spelled(schedule, schedule.lets, STYLE)
    found = _found_again(planned, parts, spelled)
    writer = _Writer(schedule, own_names(schedule), parts, spelled, found)
    rows: list[str] = []
    if writer.is_shared():
        writer, rows = _with_span(writer)
        lines = writer.lines()
    else:
        lines = writer.lines_of_one_loop()
    return [
        *let_lines(planned, spelled, ""),
        *(f"{name} = 0  # where the last step was, and mostly the next one is" for name in found),
        *rows,
        "",
        "def write(step: int) -> None:",
        *(f"    nonlocal {name}" for name in found),
        *(f"    {line}" for line in lines),
        "",
        "return write",
    ]


def _planned(schedule: Schedule, parts: Sequence[Part], always: Facts) -> list[Let]:
    """The lets that no step and no group changes, and that can be computed whatever the step."""
    changing = {"step", *own_names(schedule)}
    planned = []
    for let in schedule.lets:
        forms = [
            (form, form in part.before and not index)
            for index, part in enumerate(parts)
            for form in (*part.before, *part.lets)
            if form.name == let.name
        ]
        match forms:
            case [(form, is_first)] if names_in(form.value).isdisjoint(changing) and (
                is_first or is_finite(expand(form.value, schedule.lets), always)
            ):
                planned.append(form)
            case _:
                changing.add(let.name)
    return planned


def _found_again(planned: Sequence[Let], parts: Sequence[Part], spelled: Spelled) -> dict[str, str]:
    """The places in tables of cycles, each with the condition that the one of the last step holds.

    A table has some sixty cycles: a search in it takes longer than anything else of a step.
    """
    lengths = {
        let.name: spelled.lengths[let.value.args]
        for let in planned
        if isinstance(let.value, Apply) and let.value.op == "cycle_starts"
    }
    found = {}
    for let in (let for part in parts for let in (*part.before, *part.lets)):
        match let.value:
            case Apply(
                op="-",
                args=(Apply(op="reached", args=(Name(id=starts), Name(id=place))), Number(1)),
            ) if starts in lengths:
                elapsed = f"{place} - {starts}[{let.name}]"
                found[let.name] = f"0 <= {elapsed} < {lengths[starts]}[{let.name}]"
    return found


def _with_span(writer: _Writer) -> tuple[_Writer, list[str]]:
    """The writer of rows that hold the one difference of a group's values, and what makes them."""
    spans: set[Expr] = set()

    def change(expr: Expr) -> Expr:
        match expr:
            case Apply(op="-", args=(Name(id=a), Name(id=b))) if {a, b} <= writer.own:
                spans.add(expr)
                return Name("span", expr.kind)
        return rebuild(expr, change)

    parts = [
        replace(
            part,
            lets=tuple(replace(let, value=change(let.value)) for let in part.lets),
            value=change(part.value),
        )
        for part in writer.parts
    ]
    named = {p.name for p in writer.schedule.parameters} | {t.name for t in writer.schedule.lets}
    if len(spans) != 1 or "span" in named:
        return writer, []  # with more, rows would be hard to read
    (span,) = spans
    values = [value for part in parts for value in (part.value, *(t.value for t in part.lets))]
    needed = set[str]().union(*map(names_in, values))
    columns = tuple(name for name in (*writer.columns, "span") if name in needed)
    held = ", ".join(["group", *columns[:-1], writer.spelled.text(span)])
    line = f"groups = [({held}) for {writer.row(needed | names_in(span))} in groups]"
    if len(line) > COLUMNS - 4:
        return writer, []
    return replace(writer, columns=columns, parts=parts), [line]


@dataclass(frozen=True, slots=True)
class _Writer:
    """The pieces of a schedule, and the names in a row, whose values may differ between groups."""

    schedule: Schedule
    columns: tuple[str, ...]
    parts: Sequence[Part]
    spelled: Spelled
    found: Mapping[str, str]
    """Lets that need not be computed anew where a condition holds."""

    @property
    def own(self) -> frozenset[str]:
        return frozenset(self.columns)

    def is_shared(self) -> bool:
        """Whether which piece holds, and how it is computed, is the same for all groups."""
        for part in self.parts:
            own = self.own_with(part.lets)
            asked = [part.condition, *(condition for condition, _ in branches(part.value))]
            if any(let for let in part.before if names_in(let.value) & self.own):
                return False
            if any(condition and names_in(condition) & own for condition in asked):
                return False
        return True

    def lines(self) -> list[str]:
        """A loop for each piece."""
        lines: list[str] = []
        for part in self.parts:
            lines += self.let_lines(part.before, "")
            indent = ""
            if part.condition is not None:
                lines.append(f"if {self.spelled.text(part.condition)}:")
                indent = "    "
            own = self.own_with(part.lets)
            lines += self.let_lines([t for t in part.lets if t.name not in own], indent)
            lets = [let for let in part.lets if let.name in own]
            reasons = comment(part.reasons, indent)
            for condition, value in branches(part.value):
                inner = indent
                if condition is not None:
                    lines.append(f"{indent}if {self.spelled.text(condition)}:")
                    inner += "    "
                last = part is self.parts[-1] and condition is None
                lines += self.loop(lets, value, own, inner, reasons)
                lines += [] if last else [f"{inner}return"]
                reasons = []
        return lines

    def loop(
        self, lets: Sequence[Let], value: Expr, own: set[str], indent: str, reasons: Sequence[str]
    ) -> list[str]:
        """The loop over the groups for one formula, after what they share."""
        taken = {p.name for p in self.schedule.parameters} | {t.name for t in self.schedule.lets}
        free = (name for name in _SHARES if name not in taken)
        shares: dict[str, Expr] = {}
        if own:
            shared = [_hoisted(let.value, own, free, shares) for let in lets]
            value = _hoisted(value, own, free, shares)
            lets = [
                Let(let.name, moved, let.text, let.reasons)
                for let, moved in zip(lets, shared, strict=True)
            ]
        spelled = self.spelled
        needed = names_in(value).union(*(names_in(let.value) for let in lets))
        return [
            *(indent + line.lstrip() for line in reasons),
            *(f"{indent}{name} = {spelled.text(expr)}" for name, expr in shares.items()),
            *self.head(needed, indent),
            *self.let_lines(lets, indent + "    "),
            f'{indent}    group["{self.schedule.drives}"] = {float_text(value, spelled)}',
        ]

    def let_lines(self, lets: Sequence[Let], indent: str) -> list[str]:
        lines: list[str] = []
        for let in lets:
            if let.name in self.found:
                lines.append(f"{indent}if not {self.found[let.name]}:")
                lines += let_lines([let], self.spelled, indent + "    ")
            else:
                lines += let_lines([let], self.spelled, indent)
        return lines

    def lines_of_one_loop(self) -> list[str]:
        """One loop, with the choice between the pieces inside."""
        spelled = self.spelled
        lines = self.head(self.own, "")
        for part in self.parts:
            lines += self.let_lines(part.before, "    ")
            indent = "    "
            if part.condition is not None:
                lines.append(f"    if {spelled.text(part.condition)}:")
                indent += "    "
            lines += self.let_lines(part.lets, indent)
            lines += comment(part.reasons, indent)
            for condition, value in branches(part.value):
                inner = indent
                if condition is not None:
                    lines.append(f"{indent}if {spelled.text(condition)}:")
                    inner += "    "
                lines.append(
                    f'{inner}group["{self.schedule.drives}"] = {float_text(value, spelled)}'
                )
                last = part is self.parts[-1] and condition is None
                lines += [] if last else [f"{inner}continue"]
        return lines

    def head(self, needed: set[str] | frozenset[str], indent: str) -> list[str]:
        """The head of a loop over the rows."""
        line = f"{indent}for {self.row(needed)} in groups:"
        if len(line) <= COLUMNS - 8:
            return [line]
        names = self.row(needed).split(", ")
        return [
            f"{indent}for (",
            *(f"{indent}    {name}," for name in names),
            f"{indent}) in groups:",
        ]

    def row(self, needed: set[str] | frozenset[str]) -> str:
        """The names of a row; those that are not needed are blank."""
        own = [name if name in needed else "_" for name in self.columns]
        return ", ".join(["group", *own]) if own else "(group,)"

    def own_with(self, lets: Sequence[Let]) -> set[str]:
        """The names that may differ between groups, lets among them."""
        own = set(self.own)
        for let in lets:
            if names_in(let.value) & own:
                own.add(let.name)
        return own


def _hoisted(expr: Expr, own: set[str], free: Iterator[str], shares: dict[str, Expr]) -> Expr:
    """``expr`` with the parts that all groups share under names of their own."""

    def change(part: Expr) -> Expr:
        if names_in(part).isdisjoint(own):
            if not _is_work(part):
                return part
            known = next((name for name, value in shares.items() if value == part), None)
            if known is None:
                known = next(free, None)
                if known is None:
                    return part
                shares[known] = part
            return Name(known, part.kind)
        return rebuild(part, change)

    return change(expr)


def _is_work(expr: Expr) -> bool:
    """Whether computing ``expr`` for each group anew would take time."""
    if isinstance(expr, Name | Number) or not names_in(expr):
        return False
    if isinstance(expr, Apply) and expr.op in ("if", "at") and expr.kind is not Kind.REAL:
        return False
    return bool(children(expr))
