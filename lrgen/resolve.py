"""Document to Schedule: every name known, every formula parsed and typed, calls inlined."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .cycles import LEAST_GROWTH
from .document import Document, Source
from .errors import SpecError, did_you_mean, quoted
from .expr import (
    STEP,
    Apply,
    Expr,
    Invoke,
    Kind,
    Name,
    Number,
    names_in,
    walk,
)
from .inline import MOST_INLINED_NODES, Scope
from .ops import OPERATORS, apply
from .parameters import located, read_parameter, read_value
from .parse import Symbol, parse
from .printer import show
from .ranges import Facts
from .remember import resolve_state, resolve_update
from .schedule import (
    DEFAULT_ULPS,
    Caution,
    Claims,
    Example,
    Let,
    Piece,
    Requirement,
    Schedule,
    Value,
    depends_on_step,
    expand,
    type_facts,
    varying_names,
)


class Library:
    """The specs that may call each other, resolved on demand and once.

    Dialects go by ``library/name``, and any formula calls them as ``library.name``. One of them
    calls a schedule of its own library by its name alone, and that hides one of the catalogue; the
    one that bears the name itself calls the latter.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources: dict[str, Source] = {}
        for source in sources:
            name = source.document.name
            if name in OPERATORS:
                raise SpecError(
                    f"'{name}' is the name of an operator", "Rename it.", file=source.file
                )
            # A user's own spec hides one of the catalogue that has the same name.
            self._sources[source.key] = source
        # One for all, since a build may have thousands of specs.
        self._callable = {name.replace("/", "."): name for name in self._sources}
        self._done: dict[str, Schedule] = {}
        self._open: list[str] = []

    def callable_by(self, caller: Source) -> Mapping[str, str]:
        """What ``caller`` may call: the name in a formula, and that in this library."""
        if not caller.library:
            return self._callable
        own = f"{caller.library}/"
        beside = [key for key in self._sources if key.startswith(own) and key != caller.key]
        return self._callable | {key.removeprefix(own): key for key in beside}

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
        self.callable = library.callable_by(source)
        self.parameters = tuple(
            read_parameter(name, shape) for name, shape in self.document.parameters.items()
        )
        symbols = {p.name: p.symbol for p in self.parameters} | {"step": Symbol(Kind.INT)}
        taken = {
            *symbols,
            *self.document.let,
            self.document.emitted_name,
            *(piece.name for piece in self.document.piece),
            *self.document.state,
            *self.document.update,
            *((self.document.observes,) if self.document.observes is not None else ()),
        }
        self.scope = Scope(symbols, taken, self.called)
        self.known = Facts()

    def called(self, name: str) -> Schedule:
        """The schedule that a formula here calls ``name``."""
        return self.library.schedule(self.callable[name])

    def resolve(self) -> Schedule:
        document = self.document
        requirements = tuple(
            self.requirement(number, text) for number, text in enumerate(document.require, 1)
        )
        self.known = type_facts(self.parameters)
        for rule in requirements:
            self.known = self.known.given(rule.condition)
        states = resolve_state(document, self.parameter_symbols())
        update = resolve_update(document, self.parameter_symbols(), states)
        self.scope.symbols |= {state.name: Symbol(state.kind) for state in states}
        self.resolve_lets()
        pieces = self.resolve_pieces()
        self.check_size(pieces)
        self.check_conditions(pieces)
        self.check_lists(pieces)
        base = self.base()
        lets = _used(tuple(self.scope.lets), pieces)
        schedule = Schedule(
            name=document.emitted_name,
            title=document.title,
            base=base,
            drives=document.drives,
            cites=tuple(document.cites),
            file=self.source.file,
            origin=self.source.origin,
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
            obligations=tuple(self.scope.obligations),
            observes=document.observes,
            state=states,
            update=update,
            cautions=tuple(
                self.caution(number, one.text, one.when)
                for number, one in enumerate(document.caution, 1)
            ),
            spec_name=document.name,
            library=self.source.library,
        )
        examples = tuple(
            self.example(shape.name, shape.doc, shape.set, shape.metrics or ())
            for shape in document.example
        )
        return replace(schedule, examples=examples, fingerprint=_fingerprint(schedule))

    # -- parts ------------------------------------------------------------------------------

    def requirement(self, number: int, text: str) -> Requirement:
        with located(f"require {number}"):
            if re.search(r"\bstep\b", text):
                raise SpecError(
                    "a requirement holds between parameters, and 'step' is none",
                    "Use `until` or `when` of a piece.",
                )
            condition = parse(text, self.parameter_symbols(), frozenset())
            if condition.kind is not Kind.BOOL:
                raise SpecError(
                    f"a requirement is {condition.kind.value}",
                    "Compare something, as in `warmup_steps <= total_steps`.",
                )
        return Requirement(condition, " ".join(text.split()))

    def caution(self, number: int, text: str, when: str | None) -> Caution:
        if when is None:
            return Caution(text, None, "")
        with located(f"caution {number}"):
            if re.search(r"\bstep\b", when):
                raise SpecError(
                    "a caution holds between parameters, and 'step' is none",
                    "Say in `text` at which updates.",
                )
            condition = parse(when, self.parameter_symbols(), frozenset())
            if condition.kind is not Kind.BOOL:
                raise SpecError(
                    f"'when' is {condition.kind.value}",
                    "Compare something, as in `warmup_steps == 0`.",
                )
        return Caution(text, condition, " ".join(when.split()))

    def parameter_symbols(self) -> dict[str, Symbol]:
        apart = {"step", *self.document.state}
        return {name: symbol for name, symbol in self.scope.symbols.items() if name not in apart}

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

            with located(f"claims.{key}"):
                expr = parse(text, self.parameter_symbols(), frozenset())
                if expr.kind not in kinds:
                    wanted = "an integer" if Kind.REAL not in kinds else "a number"
                    raise SpecError(
                        f"expected {wanted}, but got {expr.kind.value}", "Give a step or a value."
                    )
            return Requirement(expr, " ".join(text.split()))

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

    def example(
        self, name: str, doc: str, given: Mapping[str, Any], metrics: Sequence[float]
    ) -> Example:
        values: dict[str, Value] = {p.name: p.default for p in self.parameters}
        by_name = {p.name: p for p in self.parameters}
        for key, value in given.items():
            with located(f"example {quoted(name)}"):
                if key not in by_name:
                    hint = did_you_mean(key, by_name) or "Declare it in [parameters]."
                    raise SpecError(f"unknown parameter {quoted(key)}", hint)
                values[key] = read_value(by_name[key], value)
        return Example(name, doc, values, tuple(float(metric) for metric in metrics))

    def resolve_lets(self) -> None:
        later = list(self.document.let)
        for name, text in self.document.let.items():
            self.scope.key = f"let '{name}'"
            later.remove(name)
            with located(self.scope.key):
                expr = self.read(text, later, name)
            if expr.kind is Kind.WORD:
                raise SpecError("a let is a word", "Use the choice itself.", key=self.scope.key)
            called = _calls(expr)
            with located(self.scope.key):
                value = self.scope.inline(expr)
            if isinstance(expr, Invoke):
                value = self.scope.untitled(value)
            self.scope.lets.append(
                Let(name, value, show(value) if called else " ".join(text.split()))
            )
            self.scope.symbols[name] = Symbol(value.kind)

    def resolve_pieces(self) -> tuple[Piece, ...]:
        document = self.document
        shapes = document.piece
        if (document.value is None) == (not shapes):
            fact = "there is no formula" if document.value is None else "both 'value' and pieces"
            raise SpecError(fact, "Write either `value` or `[[piece]]` tables.")
        if document.value is not None:
            self.scope.key = "value"
            with located(self.scope.key):
                return self.piece("value", None, "", document.value)
        result: list[Piece] = []
        for number, shape in enumerate(shapes, 1):
            self.scope.key = f'piece "{shape.name}"'
            last = number == len(shapes)
            if shape.until is not None and shape.when is not None:
                raise SpecError("both 'until' and 'when'", "Keep one of them.", key=self.scope.key)
            if last and (shape.until is not None or shape.when is not None):
                raise SpecError(
                    "the last piece ends, so nothing is said of what comes after it",
                    "Add a piece without `until`, such as a floor.",
                    key=self.scope.key,
                )
            if not last and shape.until is None and shape.when is None:
                raise SpecError(
                    "a piece without 'until' or 'when' never ends, so those after it never hold",
                    "Say until which step it holds.",
                    key=self.scope.key,
                )
            with located(self.scope.key):
                condition, text = self.condition(shape.until, shape.when)
                pieces = self.piece(shape.name, condition, text, shape.value)
            result.extend(pieces)
            if condition is not None:
                self.known = self.known.given(self.full(condition), holds=False)
        return tuple(result)

    def condition(self, until: str | None, when: str | None) -> tuple[Expr | None, str]:
        if until is not None:
            end = self.read(until)
            if end.kind is not Kind.INT:
                raise SpecError(
                    f"'until' is {end.kind.value}", "A piece ends at an integer step: floor(...)."
                )
            if depends_on_step(end, tuple(self.scope.lets)):
                raise SpecError("'until' depends on the step", "Use `when` for a condition.")
            return apply("<", STEP, end), f"step < {show(end)}"
        if when is not None:
            condition = self.read(when)
            if condition.kind is not Kind.BOOL:
                raise SpecError(
                    f"'when' is {condition.kind.value}", "Compare something, as in `step < 10`."
                )
            return condition, " ".join(when.split())
        return None, ""

    def piece(
        self, name: str, condition: Expr | None, condition_text: str, text: str
    ) -> tuple[Piece, ...]:
        self.scope.piece_name = name
        expr = self.read(text)
        if expr.kind not in (Kind.INT, Kind.REAL):
            raise SpecError(f"the value is {expr.kind.value}", "A schedule yields a number.")
        if not isinstance(expr, Invoke):
            called = _calls(expr)
            value = self.scope.inline(expr)
            written = show(value) if called else " ".join(text.split())
            return (Piece(name, condition, value, condition_text, written),)
        # The whole piece is another schedule: its pieces become pieces of this one.
        branches = self.scope.branches(expr)
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
        if len(kept) > 1:  # then no piece keeps the caller's name, and one of them may have it
            self.scope.taken.discard(name)
        return tuple(
            Piece(
                name if len(kept) == 1 else self.scope.free(inner_name, expr.schedule),
                both,
                value,
                show(both) if both else "",
                show(value),
            )
            for inner_name, both, value in kept
        )

    def full(self, expr: Expr) -> Expr:
        return expand(expr, tuple(self.scope.lets))

    def read(self, text: str, later: Sequence[str] = (), own: str = "") -> Expr:
        try:
            return parse(text, self.scope.symbols, self.callable)
        except SpecError as error:
            if own and error.fact == f"unknown name '{own}'":
                raise SpecError(
                    f"the let '{own}' needs itself", "Write it out.", column=error.column
                ) from None
            if error.fact == f"unknown name '{self.document.observes}'":
                raise SpecError(
                    f"'{self.document.observes}' is there only while it is observed",
                    "Keep it in [state].",
                    column=error.column,
                ) from None
            for name in self.document.update:
                if error.fact == f"unknown name '{name}'":
                    raise SpecError(
                        f"'{name}' is a local name of [update]",
                        "Keep it in [state].",
                        column=error.column,
                    ) from None
            for name in later:
                if error.fact == f"unknown name '{name}'":
                    if re.search(rf"\b{own}\b", self.document.let[name]):
                        raise SpecError(
                            f"the lets '{own}' and '{name}' need each other",
                            "Write one of them out.",
                            column=error.column,
                        ) from None
                    raise SpecError(
                        f"'{name}' is declared further down in [let]",
                        "Move it up.",
                        column=error.column,
                    ) from None
            raise

    def check_size(self, pieces: tuple[Piece, ...]) -> None:
        """Formulas stay small also when every let is written out, which lets can double."""
        sizes: dict[str, int] = {}
        keyed = [(f"let '{let.name}'", let.name, let.value) for let in self.scope.lets]
        keyed += [(f'piece "{p.name}"', "", e) for p in pieces for e in (p.value, p.condition) if e]
        for key, name, expr in keyed:
            size = sum(sizes.get(n.id, 1) if isinstance(n, Name) else 1 for n in walk(expr))
            if size > MOST_INLINED_NODES:
                raise SpecError(
                    f"with its lets written out it has more than {MOST_INLINED_NODES:,} operations",
                    "Build fewer lets on each other.",
                    key=key,
                )
            sizes[name] = size

    def formulas(self, pieces: tuple[Piece, ...]) -> list[tuple[str, Expr]]:
        """Every formula of the curve with its key."""
        keyed = [(f"let '{let.name}'", let.value) for let in self.scope.lets]
        whole = self.document.value is not None
        keyed += [
            ("value" if whole else f'piece "{p.name}"', e)
            for p in pieces
            for e in (p.condition, p.value)
            if e
        ]
        return keyed

    def check_lists(self, pieces: tuple[Piece, ...]) -> None:
        """What is searched rises, cycles grow noticeably, and no list changes with the step."""
        facts = type_facts(self.parameters)
        for text in self.document.require:
            facts = facts.given(parse(text, self.parameter_symbols(), frozenset()))
        varying = varying_names(tuple(self.scope.lets))
        for key, expr in self.formulas(pieces):
            for node in walk(expr):
                match node:
                    case Apply(op="list") if not varying.isdisjoint(names_in(node)):
                        raise SpecError(
                            "the list changes with the step",
                            "Choose between its entries with `a if c else b`.",
                            key=key,
                            column=node.column or None,
                        )
                    case Apply(op="reached", args=(places, _)):
                        if facts.decided(apply("increasing", self.full(places))) is not True:
                            raise self.not_rising(node, self.full(places), key)
                    case Apply(op="cycle" | "cycle_start" | "cycle_length") as cycle:
                        self.check_growth(cycle, facts, varying, key)

    def not_rising(self, node: Apply, places: Expr, key: str) -> SpecError:
        hint = "Write its entries in increasing order."
        if isinstance(places, Name):
            hint = f'Add "increasing({places.id})" to `require`.'
        return SpecError(
            f"'reached' counts in a rising list, and {show(places)} may not be one",
            hint,
            key=key,
            column=node.column or None,
        )

    def check_growth(self, cycle: Apply, facts: Facts, varying: frozenset[str], key: str) -> None:
        _, first, growth, *_ = cycle.args
        column = cycle.column or None
        if not varying.isdisjoint(names_in(first) | names_in(growth)):
            raise SpecError(
                "the first length and the growth of cycles change with the step",
                "Make them depend on parameters only.",
                key=key,
                column=column,
            )
        if not self.remembered().isdisjoint(names_in(first) | names_in(growth)):
            raise SpecError(
                "the first length and the growth of cycles change with what is remembered",
                "Make them depend on parameters only.",
                key=key,
                column=column,
            )
        growth = self.full(growth)
        if isinstance(growth, Number) and (growth.value == 1 or growth.value >= LEAST_GROWTH):
            return
        if growth.kind is Kind.INT and facts.range(growth).at_least(1):
            return
        steady = apply("==", growth, Number(1))
        noticeable = apply(">=", growth, Number(LEAST_GROWTH))
        fine = any(facts.decided(c) is True for c in (steady, noticeable))
        if not fine and facts.decided(apply("or", steady, noticeable)) is not True:
            shown = show(cycle.args[2])
            raise SpecError(
                f"cycles grow by 1 or by at least {LEAST_GROWTH}, and {shown} may be another",
                f'Add "{shown} == 1 or {shown} >= {LEAST_GROWTH}" to `require`.',
                key=key,
                column=column,
            )

    def remembered(self) -> set[str]:
        """States, and lets that change with them."""
        names = set(self.document.state)
        for let in self.scope.lets:
            if not names.isdisjoint(names_in(let.value)):
                names.add(let.name)
        return names

    def check_conditions(self, pieces: tuple[Piece, ...]) -> None:
        """Conditions that change with the step compare integers, or a boundary could move."""
        varying = varying_names(tuple(self.scope.lets))
        for key, expr in self.formulas(pieces):
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


def _fingerprint(schedule: Schedule) -> str:
    """A digest of what gives the curve its meaning; titles, defaults and claims do not."""
    lines = [schedule.name, schedule.base or "", schedule.drives]
    lines += [f"{p.name}: {p.type} {p.words}" for p in schedule.parameters]
    lines += [show(r.condition) for r in schedule.requirements]
    lines += [f"{let.name} = {show(let.value)}" for let in schedule.lets]
    lines += [
        f"{show(p.condition) if p.condition else ''} -> {show(p.value)}" for p in schedule.pieces
    ]
    if schedule.observes is not None:
        lines.append(f"observes {schedule.observes}")
        lines += [f"{s.name} starts as {show(s.initial)}" for s in schedule.state]
        lines += [f"{u.name} becomes {show(u.value)}" for u in schedule.update]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
