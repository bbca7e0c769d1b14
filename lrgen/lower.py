"""Growing cycles as the lists and whole-number arithmetic that emitted code computes.

``cycle(step, first, growth)`` and its relatives become lookups in two tables, the first steps of
the cycles and their lengths, which Python makes once. A step costs a search in a table of at most
some thousand entries, however far it is.
"""

from __future__ import annotations

from dataclasses import replace

from .expr import Apply, Expr, Kind, Name, Number, children, rebuild
from .ops import apply
from .schedule import Let, Schedule

LOWERED = ("cycle", "cycle_start", "cycle_length")


def lowered(schedule: Schedule) -> Schedule:
    """``schedule`` without the operators of growing cycles; the same values."""
    tables = _Tables(schedule)
    lets: list[Let] = []
    for let in schedule.lets:
        if let.name not in tables.placed:
            tables.place(let)
        lets += tables.taken_out()
    pieces = []
    for piece in schedule.pieces:
        condition = None if piece.condition is None else tables.lowered(piece.condition)
        pieces.append(replace(piece, condition=condition, value=tables.lowered(piece.value)))
    return replace(schedule, lets=(*lets, *tables.taken_out()), pieces=tuple(pieces))


class _Tables:
    def __init__(self, schedule: Schedule) -> None:
        self.taken = {p.name for p in schedule.parameters} | {let.name for let in schedule.lets}
        self.taken |= {p.name for p in schedule.pieces} | {schedule.name, "step"}
        self.known: dict[Expr, Name] = {}
        self.new: list[Let] = []
        self.placed: set[str] = set()
        # A length that the author named keeps that name, and is computed before what needs it.
        self.lengths = {
            let.value: let
            for let in schedule.lets
            if isinstance(let.value, Apply) and let.value.op == "cycle_length"
        }

    def taken_out(self) -> list[Let]:
        """The lets that were placed since this was last asked."""
        new, self.new = self.new, []
        return new

    def place(self, let: Let) -> None:
        """``let``, after what it needs."""
        self.placed.add(let.name)
        if isinstance(let.value, Apply) and let.value in self.lengths:
            step, *series = let.value.args
            value = self.length(step, tuple(series))
            self.known[value] = Name(let.name, Kind.INT)
        else:
            value = self.lowered(let.value)
        self.new.append(replace(let, value=value))

    def lowered(self, expr: Expr) -> Expr:
        match expr:
            case Apply(op="-", args=(a, Apply(op="cycle_start", args=(b, *_)) as start)) if a == b:
                return children(self.lowered(start))[1]  # of `step - position`
        expr = rebuild(expr, self.lowered)
        if not (isinstance(expr, Apply) and expr.op in LOWERED):
            return expr
        step, *series = expr.args
        own = self.lengths.get(replace(expr, op="cycle_length"))
        if own is not None and own.name not in self.placed:
            self.place(own)
        length: Expr = self.named("length", self.length(step, tuple(series)))
        row, starts = self.row(step, tuple(series))
        if expr.op == "cycle_length":
            return length
        elapsed = self.named("elapsed", apply("-", step, apply("at", starts, row)))
        if expr.op == "cycle":
            return apply("+", row, apply("//", elapsed, length))
        return apply("-", step, apply("%", elapsed, length))

    def length(self, step: Expr, series: tuple[Expr, ...]) -> Expr:
        row, _ = self.row(step, series)
        return apply("at", self.named("lengths", Apply("cycle_lengths", series, Kind.INTS)), row)

    def row(self, step: Expr, series: tuple[Expr, ...]) -> tuple[Name, Name]:
        """The row of the tables for ``step``, and the table of first steps."""
        starts = self.named("starts", Apply("cycle_starts", series, Kind.INTS))
        self.named("lengths", Apply("cycle_lengths", series, Kind.INTS))
        return self.named("row", apply("-", apply("reached", starts, step), Number(1))), starts

    def named(self, name: str, value: Expr) -> Name:
        """``value`` under a name of its own."""
        if value not in self.known:
            numbered = (f"{name}_{number}" for number in range(2, 1_000))
            free = next(n for n in (name, f"cycle_{name}", *numbered) if n not in self.taken)
            self.taken.add(free)
            self.known[value] = Name(free, value.kind)
            self.new.append(Let(free, value, ""))
        return self.known[value]
