"""Document to Schedule: every name known, every formula parsed and typed, calls inlined."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from .document import Document, ParameterShape, Source, SpelledFloat, check_identifier
from .errors import SpecError, did_you_mean, quoted
from .expr import (
    STEP,
    Apply,
    Expr,
    Invoke,
    Kind,
    Name,
    Number,
    Word,
    names_in,
    rebuild,
    substitute,
    walk,
)
from .linear import linear
from .ops import OPERATORS, apply
from .parse import Symbol, parse
from .printer import literal, show
from .ranges import Facts
from .schedule import (
    DEFAULT_ULPS,
    Claims,
    Example,
    Let,
    Obligation,
    Parameter,
    Piece,
    Requirement,
    Schedule,
    Value,
    depends_on_step,
    expand,
    type_facts,
    varying_names,
)
from .simplify import simplify

T = TypeVar("T")
MOST_INLINED_NODES = 4_000


class Library:
    """The specs that may call each other, resolved on demand and once."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources: dict[str, Source] = {}
        for source in sources:
            name = source.document.name
            if name in OPERATORS:
                raise SpecError(
                    f"'{name}' is the name of an operator", "Rename it.", file=source.file
                )
            # A user's own spec hides one of the catalogue that has the same name.
            self._sources[name] = source
        self._done: dict[str, Schedule] = {}
        self._open: list[str] = []

    @property
    def names(self) -> frozenset[str]:
        """Every schedule that can be called."""
        return frozenset(self._sources)

    def source(self, name: str) -> Source:
        """The spec called ``name``; KeyError when there is none."""
        return self._sources[name]

    def schedule(self, name: str) -> Schedule:
        """The resolved schedule called ``name``.

        Raises:
            SpecError: With file, key and column, when it cannot be resolved.
        """
        if name in self._done:
            return self._done[name]
        source = self._sources[name]
        if name in self._open:
            circle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise SpecError(
                f"the schedules call each other in a circle: {circle}",
                "Write one of them out.",
                file=source.file,
            )
        self._open.append(name)
        try:
            resolved = _Resolver(source, self).resolve()
        except SpecError as error:
            raise error.at(file=source.file) from None
        finally:
            self._open.pop()
        self._done[name] = resolved
        return resolved


class _Resolver:
    def __init__(self, source: Source, library: Library) -> None:
        self.source = source
        self.document: Document = source.document
        self.library = library
        self.parameters = tuple(
            _at(f"parameters.{name}", lambda n=name, s=shape: _parameter(n, s))
            for name, shape in self.document.parameters.items()
        )
        self.symbols: dict[str, Symbol] = {p.name: p.symbol for p in self.parameters}
        self.symbols["step"] = Symbol(Kind.INT)
        self.lets: list[Let] = []
        self.taken = {
            *self.symbols,
            *self.document.let,
            self.document.name,
            *(piece.name for piece in self.document.piece),
        }
        self.obligations: list[tuple[str, Obligation]] = []
        self.key = ""
        self.piece_name = ""
        self.known = Facts()

    def resolve(self) -> Schedule:
        document = self.document
        requirements = tuple(
            _at(f"require {number}", lambda t=text: self.requirement(t))
            for number, text in enumerate(document.require, 1)
        )
        self.known = type_facts(self.parameters)
        for rule in requirements:
            self.known = self.known.given(rule.condition)
        self.resolve_lets()
        pieces = self.resolve_pieces()
        self.check_conditions(pieces)
        base = self.base()
        lets = _used(tuple(self.lets), pieces)
        schedule = Schedule(
            name=document.name,
            title=document.title,
            base=base,
            drives=document.drives,
            cites=tuple(document.cites),
            file=self.source.file,
            fingerprint="",
            parameters=self.parameters,
            requirements=requirements,
            lets=lets,
            pieces=pieces,
            claims=self.claims(),
            examples=(),
            ulps=document.accuracy.ulps if document.accuracy else DEFAULT_ULPS,
            ulps_why=document.accuracy.why if document.accuracy else "",
            written_lets=tuple((let.name, let.text) for let in lets),
            written_pieces=tuple((p.name, p.condition_text, p.text) for p in pieces),
            obligations=tuple(self.obligations),
        )
        examples = tuple(
            _at(f"example {quoted(shape.name)}", lambda s=shape: self.example(s.name, s.doc, s.set))
            for shape in document.example
        )
        return replace(schedule, examples=examples, fingerprint=_fingerprint(schedule))

    # -- parts ------------------------------------------------------------------------------

    def requirement(self, text: str) -> Requirement:
        condition = parse(text, self.parameter_symbols(), frozenset())
        if condition.kind is not Kind.BOOL:
            raise SpecError(
                f"a requirement is {condition.kind.value}",
                "Compare something, as in `warmup_steps <= total_steps`.",
            )
        return Requirement(condition, " ".join(text.split()))

    def parameter_symbols(self) -> dict[str, Symbol]:
        return {name: symbol for name, symbol in self.symbols.items() if name != "step"}

    def base(self) -> str | None:
        base = self.document.base
        if base is None:
            return None
        rates = [p.name for p in self.parameters if p.type == "rate"]
        if base not in rates:
            raise SpecError(
                f"{quoted(base)} is not a parameter of type 'rate'",
                did_you_mean(base, rates)
                or "Name the rate that frameworks scale, or leave it out.",
                key="base",
            )
        return base

    def claims(self) -> Claims:
        shape = self.document.claims

        def read(key: str, text: str | None, kinds: tuple[Kind, ...]) -> Requirement | None:
            if text is None:
                return None

            def one() -> Requirement:
                expr = parse(text, self.parameter_symbols(), frozenset())
                if expr.kind not in kinds:
                    raise SpecError(f"expected a number, but got {expr.kind.value}", "")
                return Requirement(expr, " ".join(text.split()))

            return _at(f"claims.{key}", one)

        bounds = None
        if shape.bounds is not None:
            low, high = (read("bounds", b, (Kind.INT, Kind.REAL)) for b in shape.bounds)
            assert low is not None and high is not None
            bounds = (low, high)
        return Claims(
            continuous=shape.continuous,
            bounds=bounds,
            non_increasing_from=read("non_increasing_from", shape.non_increasing_from, (Kind.INT,)),
            non_decreasing_until=read(
                "non_decreasing_until", shape.non_decreasing_until, (Kind.INT,)
            ),
        )

    def example(self, name: str, doc: str, given: Mapping[str, Any]) -> Example:
        values: dict[str, Value] = {p.name: p.default for p in self.parameters}
        for key, value in given.items():
            if key not in values:
                raise SpecError(
                    f"unknown parameter {quoted(key)}", did_you_mean(key, values) or "Declare it."
                )
            parameter = next(p for p in self.parameters if p.name == key)
            values[key] = _value(parameter, value)
        return Example(name, doc, values)

    def resolve_lets(self) -> None:
        later = list(self.document.let)
        for name, text in self.document.let.items():
            self.key = f"let '{name}'"
            later.remove(name)
            expr = _at(self.key, lambda t=text: self.read(t, later))
            if expr.kind in (Kind.BOOL, Kind.WORD):
                # A condition may well have a name; it is spelt like any other let.
                if expr.kind is Kind.WORD:
                    raise SpecError("a let is a number or a condition", "", key=self.key)
            called = _calls(expr)
            value = _at(self.key, lambda e=expr: self.inline(e))
            self.lets.append(Let(name, value, show(value) if called else " ".join(text.split())))
            self.symbols[name] = Symbol(value.kind)

    def resolve_pieces(self) -> tuple[Piece, ...]:
        document = self.document
        shapes = document.piece
        if (document.value is None) == (not shapes):
            fact = "there is no formula" if document.value is None else "both 'value' and pieces"
            raise SpecError(fact, "Write either `value` or `[[piece]]` tables.")
        if document.value is not None:
            self.key = "value"
            return _at("value", lambda: self.piece("value", None, "", document.value or ""))
        result: list[Piece] = []
        for number, shape in enumerate(shapes, 1):
            self.key = f'piece "{shape.name}"'
            last = number == len(shapes)
            if shape.until is not None and shape.when is not None:
                raise SpecError("both 'until' and 'when'", "Keep one of them.", key=self.key)
            if last and (shape.until is not None or shape.when is not None):
                raise SpecError(
                    "the last piece ends, so nothing is said of what comes after it",
                    "Add a piece without `until`, such as a floor.",
                    key=self.key,
                )
            if not last and shape.until is None and shape.when is None:
                raise SpecError(
                    "a piece without 'until' or 'when' never ends, so those after it never hold",
                    "Say until which step it holds.",
                    key=self.key,
                )
            condition, text = _at(self.key, lambda s=shape: self.condition(s.until, s.when))
            pieces = _at(
                self.key, lambda s=shape, c=condition, t=text: self.piece(s.name, c, t, s.value)
            )
            result.extend(pieces)
            if condition is not None:
                self.known = self.known.given(self.full(condition), holds=False)
        return tuple(result)

    def condition(self, until: str | None, when: str | None) -> tuple[Expr | None, str]:
        if until is not None:
            end = self.read(until, [])
            if end.kind is not Kind.INT:
                raise SpecError(
                    f"'until' is {end.kind.value}", "A piece ends at an integer step: floor(...)."
                )
            if depends_on_step(end, tuple(self.lets)):
                raise SpecError("'until' depends on the step", "Use `when` for a condition.")
            return apply("<", STEP, end), f"step < {show(end)}"
        if when is not None:
            condition = self.read(when, [])
            if condition.kind is not Kind.BOOL:
                raise SpecError(
                    f"'when' is {condition.kind.value}", "Compare something, as in `step < 10`."
                )
            return condition, " ".join(when.split())
        return None, ""

    def piece(
        self, name: str, condition: Expr | None, condition_text: str, text: str
    ) -> tuple[Piece, ...]:
        self.piece_name = name
        expr = self.read(text, [])
        if expr.kind not in (Kind.INT, Kind.REAL):
            raise SpecError(f"the value is {expr.kind.value}", "A schedule yields a number.")
        if not isinstance(expr, Invoke):
            called = _calls(expr)
            value = self.inline(expr)
            written = show(value) if called else " ".join(text.split())
            return (Piece(name, condition, value, condition_text, written),)
        # The whole piece is another schedule: its pieces become pieces of this one.
        branches = self.branches(expr)
        known = self.known if condition is None else self.known.given(self.full(condition))
        kept: list[tuple[str, Expr | None, Expr]] = []
        for inner_name, inner, value in branches:
            holds = None if inner is None else known.decided(self.full(inner))
            if holds is False:
                continue
            if inner is None or holds:
                both = condition
            elif condition is None or self.known.given(self.full(inner)).decided(
                self.full(condition)
            ):
                both = inner
            else:
                both = apply("and", condition, inner)
            kept.append((inner_name, both, value))
            if both is condition:
                break
            known = known.given(self.full(inner), holds=False) if inner is not None else known
        return tuple(
            Piece(
                name if len(kept) == 1 else self.free(inner_name, expr.schedule),
                both,
                value,
                show(both) if both else "",
                show(value),
            )
            for inner_name, both, value in kept
        )

    def full(self, expr: Expr) -> Expr:
        return expand(expr, tuple(self.lets))

    def read(self, text: str, later: list[str]) -> Expr:
        try:
            return parse(text, self.symbols, self.library.names)
        except SpecError as error:
            for name in later:
                if error.fact == f"unknown name '{name}'":
                    raise SpecError(
                        f"'{name}' is declared further down in [let]",
                        "Move it up.",
                        column=error.column,
                    ) from None
            raise

    def check_conditions(self, pieces: tuple[Piece, ...]) -> None:
        """Conditions that change with the step compare integers, or a boundary could move."""
        varying = varying_names(tuple(self.lets))
        keyed = [(f"let '{let.name}'", let.value) for let in self.lets]
        keyed += [(f'piece "{p.name}"', e) for p in pieces for e in (p.condition, p.value) if e]
        for key, expr in keyed:
            for node in walk(expr):
                if not isinstance(node, Apply) or node.op not in ("<", "<=", ">", ">=", "==", "!="):
                    continue
                if any(a.kind is Kind.REAL for a in node.args) and not varying.isdisjoint(
                    names_in(node)
                ):
                    raise SpecError(
                        "a condition on the step compares real numbers, so its boundary could move "
                        "by rounding",
                        "Compare integers: floor(...), ceil(...), or a parameter of type 'steps'.",
                        key=key,
                        column=node.column or None,
                    )

    # -- calls ------------------------------------------------------------------------------

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
        name = self.free(expr.schedule, expr.schedule)
        self.lets.append(Let(name, value, show(value)))
        self.symbols[name] = Symbol(value.kind)
        return Name(name, value.kind)

    def branches(self, call: Invoke) -> list[tuple[str, Expr | None, Expr]]:
        """The pieces of the called schedule in the caller's terms."""
        callee = self.library.schedule(call.schedule)
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
                value = constant(parameter.default)
            else:
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
        rules = [
            (
                f"{p.name} {p.rule().removeprefix('must be ')}",
                apply(">=", mapping[p.name], Number(0)),
            )
            for p in callee.parameters
            if p.type in ("steps", "rate")
        ]
        rules.append(("step >= 0", apply(">=", mapping["step"], Number(0))))
        rules += [(r.text, simplify(substitute(r.condition, mapping))) for r in callee.requirements]
        for text, condition in rules:
            if not isinstance(condition, Apply) or condition.op != "True":
                self.obligations.append(
                    (
                        self.key,
                        Obligation(
                            callee.name,
                            text,
                            replace(condition, column=call.column)
                            if isinstance(condition, Apply)
                            else condition,
                        ),
                    )
                )
        for key, obligation in callee.obligations:
            condition = simplify(substitute(obligation.condition, mapping))
            self.obligations.append((self.key, replace(obligation, condition=condition)))

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


def constant(value: Value) -> Expr:
    """A parameter's value as an expression."""
    match value:
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


def _calls(expr: Expr) -> bool:
    return any(isinstance(node, Invoke) for node in walk(expr))


def _used(lets: tuple[Let, ...], pieces: tuple[Piece, ...]) -> tuple[Let, ...]:
    """The lets that something needs, in the order in which they were declared."""
    needed: set[str] = set()
    for piece in pieces:
        needed |= names_in(piece.value) | (names_in(piece.condition) if piece.condition else set())
    for let in reversed(lets):
        if let.name in needed:
            needed |= names_in(let.value)
    return tuple(let for let in lets if let.name in needed)


def _at(key: str, run: Callable[[], T]) -> T:
    try:
        return run()
    except SpecError as error:
        raise error.at(key=key) from None


def _parameter(name: str, shape: ParameterShape) -> Parameter:
    words = tuple(shape.of or ())
    if (shape.type == "choice") != bool(words):
        raise SpecError("'of' lists the words of a choice", "A choice needs it, others do not.")
    for word in words:
        check_identifier(word, "the word")
    if len(set(words)) != len(words):
        raise SpecError("a word of the choice stands twice", "Keep one of them.")
    bare = Parameter(name, shape.type, 0, "", shape.doc, words)
    default = _value(bare, shape.default)
    return replace(bare, default=default, spelling=_spelling(bare, default, shape.default))


def _value(parameter: Parameter, value: Any) -> Value:
    """``value`` as ``parameter`` holds it: a plain int, float, bool or str."""
    if not parameter.accepts(value):
        shown = value if isinstance(value, str | int | float | bool) else type(value).__name__
        raise SpecError(f"'{parameter.name}' {parameter.rule()}, got {quoted(repr(shown))}", "")
    if parameter.kind is Kind.REAL:
        return float(value)
    result: Value = value
    return result


def _spelling(parameter: Parameter, default: Value, written: Any) -> str:
    if isinstance(written, SpelledFloat):
        text = written.text.lower().lstrip("+")
        return text
    if isinstance(default, bool | str):
        return f'"{default}"' if isinstance(default, str) else str(default)
    return f"-{literal(-default)}" if default < 0 else literal(default)


def _fingerprint(schedule: Schedule) -> str:
    """A digest of what gives the curve its meaning; titles, defaults and claims do not."""
    lines = [schedule.name, schedule.base or "", schedule.drives]
    lines += [f"{p.name}: {p.type} {p.words}" for p in schedule.parameters]
    lines += [show(r.condition) for r in schedule.requirements]
    lines += [f"{let.name} = {show(let.value)}" for let in schedule.lets]
    lines += [
        f"{show(p.condition) if p.condition else ''} -> {show(p.value)}" for p in schedule.pieces
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
