"""Calls written out: a schedule inside another, in the caller's terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from .errors import SpecError, did_you_mean, quoted
from .expr import ENTRY, Apply, Expr, Invoke, Kind, Name, Number, Word, rebuild, substitute, walk
from .linear import linear
from .ops import apply
from .parse import Symbol
from .printer import show
from .schedule import Let, Obligation, Parameter, Schedule, Value
from .simplify import simplify

MOST_INLINED_NODES = 4_000


class Scope:
    """The names of a schedule while it is resolved: what is taken, what calls have added.

    Attributes:
        symbols: What formulas may name so far.
        lets: In their order, those of called schedules among them.
        obligations: What called schedules require of their arguments, with the place of the call.
        key: The place that is being resolved.
        piece_name: The piece that is being resolved, or empty.
    """

    def __init__(
        self,
        symbols: Mapping[str, Symbol],
        taken: set[str],
        schedule: Callable[[str], Schedule],
    ) -> None:
        self.symbols = dict(symbols)
        self.taken = taken
        self.schedule = schedule
        self.lets: list[Let] = []
        self.obligations: list[tuple[str, Obligation]] = []
        self.key = ""
        self.piece_name = ""

    def inline(self, expr: Expr) -> Expr:
        """``expr`` with every call written out; one with several pieces becomes a let."""
        if not isinstance(expr, Invoke):
            return rebuild(expr, self.inline)
        branches = self.branches(expr)
        value = branches[-1][2]
        for _, condition, branch in reversed(branches[:-1]):
            assert condition is not None
            value = apply("if", condition, branch, value)
        if len(branches) == 1:
            return value
        callee = self.schedule(expr.schedule).name
        name = self.free(callee, callee)
        self.lets.append(Let(name, value, show(value)))
        self.symbols[name] = Symbol(value.kind)
        return Name(name, value.kind)

    def untitled(self, value: Expr) -> Expr:
        """What a call became, when that is a let which is about to get a name from its author."""
        if self.lets and value == Name(self.lets[-1].name, value.kind):
            let = self.lets.pop()
            self.taken.discard(let.name)
            del self.symbols[let.name]
            return let.value
        return value

    def branches(self, call: Invoke) -> list[tuple[str, Expr | None, Expr]]:
        """The pieces of the called schedule in the caller's terms."""
        callee = self.schedule(call.schedule)
        if callee.observes is not None:
            raise SpecError(
                f"'{callee.name}' remembers what it observed, so no formula can call it",
                "Write its [state] and [update] in this schedule.",
                column=call.column,
            )
        given = {name: self.inline(value) for name, value in call.arguments}
        for name in given:
            if name not in callee.defaults:
                raise SpecError(
                    f"'{callee.name}' has no parameter {quoted(name)}",
                    did_you_mean(name, callee.defaults) or f"It has {', '.join(callee.defaults)}.",
                    column=call.column,
                )
        uses = Counter(
            node.id
            for expr in (
                *(let.value for let in callee.lets),
                *(e for p in callee.pieces for e in (p.condition, p.value) if e is not None),
            )
            for node in walk(expr)
            if isinstance(node, Name)
        )
        mapping: dict[str, Expr] = {"step": self.inline(call.step)}
        for parameter in callee.parameters:
            value = given.get(parameter.name)
            if value is None:
                value = constant(parameter.default, parameter.kind)
            else:
                value = _as_list(value, parameter)
                self.check_argument(call, parameter, value)
                if uses[parameter.name] > 1 and _is_long(value):
                    value = self.bind(parameter.name, callee.name, value)
            mapping[parameter.name] = value
        for let in callee.lets:
            value = simplify(substitute(let.value, mapping))
            if isinstance(value, Number | Name | Word):
                mapping[let.name] = value
            else:
                mapping[let.name] = self.bind(let.name, callee.name, value, show(value))
        self.oblige(call, callee, mapping)
        result: list[tuple[str, Expr | None, Expr]] = []
        for piece in callee.pieces:
            condition = (
                None if piece.condition is None else simplify(substitute(piece.condition, mapping))
            )
            value = simplify(substitute(piece.value, mapping))
            match condition:
                case Apply(op="False"):
                    continue
                case Apply(op="True"):
                    condition = None
            result.append((piece.name, condition, value))
            if condition is None:
                break
        if sum(1 for _, c, v in result for _ in walk(v)) > MOST_INLINED_NODES:
            raise SpecError(
                f"'{callee.name}' written out is longer than {MOST_INLINED_NODES:,} operations",
                "Call fewer schedules in one formula.",
                column=call.column,
            )
        return result

    def check_argument(self, call: Invoke, parameter: Parameter, value: Expr) -> None:
        wanted, got = parameter.kind, value.kind
        fits = got is wanted or (wanted is Kind.REAL and got is Kind.INT)
        if not fits:
            raise SpecError(
                f"'{parameter.name}' of '{call.schedule}' is {wanted.value}, but got {got.value}",
                "Give an argument of that type.",
                column=call.column,
            )
        words = (
            (value.text,)
            if isinstance(value, Word)
            else self.symbols[value.id].words
            if isinstance(value, Name)
            else ()
        )
        for word in words:
            if wanted is Kind.WORD and word not in parameter.words:
                raise SpecError(
                    f"{quoted(word)} is not a word of the choice '{parameter.name}' of "
                    f"'{call.schedule}'",
                    f"It is one of {', '.join(repr(w) for w in parameter.words)}.",
                    column=call.column,
                )

    def oblige(self, call: Invoke, callee: Schedule, mapping: Mapping[str, Expr]) -> None:
        """Note what the called schedule requires of these arguments."""
        rules: list[tuple[str, Expr]] = [
            (f"{p.name} {p.rule().removeprefix('must be ')}", self.at_least_zero(mapping[p.name]))
            for p in callee.parameters
            if p.type in ("steps", "rate")
        ]
        rules += [
            (
                f"{p.name} {p.rule().removeprefix('must be ')}",
                self.at_least_zero(apply("least", mapping[p.name])),
            )
            for p in callee.parameters
            if p.type in ("steps[]", "rate[]")
        ]
        rules.append(("step >= 0", self.at_least_zero(mapping["step"])))
        rules += [(r.text, simplify(substitute(r.condition, mapping))) for r in callee.requirements]
        for text, condition in rules:
            if isinstance(condition, Apply) and condition.op != "True":
                placed = replace(condition, column=call.column)
                self.obligations.append((self.key, Obligation(callee.name, text, placed)))

    def at_least_zero(self, expr: Expr) -> Expr:
        return apply(">=", expr, Number(0))

    def bind(self, name: str, callee: str, value: Expr, text: str | None = None) -> Name:
        """A let for a part of a called schedule, under its own name where that is free."""
        for let in self.lets:
            if let.value == value:
                return Name(let.name, value.kind)
        name = self.free(name, callee)
        self.lets.append(Let(name, value, text if text is not None else show(value)))
        self.symbols[name] = Symbol(value.kind)
        return Name(name, value.kind)

    def free(self, name: str, callee: str) -> str:
        """``name``, or with the piece or the called schedule before it where that is taken."""
        longer = f"{callee}_{name}" if name != callee else f"{callee}_rate"
        candidates = [name, *([f"{self.piece_name}_{name}"] if self.piece_name else []), longer]
        candidates += [f"{longer}_{number}" for number in range(2, 100)]
        chosen = next(c for c in candidates if c not in self.taken)
        self.taken.add(chosen)
        return chosen


def _as_list(value: Expr, parameter: Parameter) -> Expr:
    """A list of whole numbers where real ones are wanted: the same entries."""
    if isinstance(value, Apply) and value.op == "list" and parameter.kind is Kind.REALS:
        return Apply("list", value.args, Kind.REALS, value.column)
    return value


def constant(value: Value, kind: Kind) -> Expr:
    """A parameter's value as an expression of ``kind``."""
    match value:
        case tuple():
            return Apply("list", tuple(constant(entry, ENTRY[kind]) for entry in value), kind)
        case bool():
            return apply(str(value))
        case str():
            return Word(value)
        case _:
            plain = value if isinstance(value, int) else float(value)
            return Number(plain) if plain >= 0 else apply("neg", Number(-plain))


def _is_long(expr: Expr) -> bool:
    """Whether an argument deserves a name of its own: neither a name, a number nor a plain sum."""
    if isinstance(expr, Name | Number | Word):
        return False
    return not (expr.kind is Kind.INT and all(isinstance(p, Name | Number) for p in linear(expr)))
