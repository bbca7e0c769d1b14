"""The same curve without cancellation: rules applied to every let and piece.

Rules are tried from the outside in. What a rule leaves of a let's complement gets a name of its
own: ``1 - progress`` becomes the let ``remaining``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from .expr import Apply, Expr, Kind, Name, Number, names_in, rebuild, substitute
from .linear import difference
from .lower import lowered
from .match import Found, find
from .ops import apply
from .ranges import Facts
from .rules import RULES, Rule
from .schedule import Let, Piece, Schedule, expand, type_facts, varying_names
from .terms import product, sum_of, sum_terms

MOST_USES = 60


def facts_of(schedule: Schedule) -> Facts:
    """What holds at every step: parameter types, requirements, and what is known of the state."""
    facts = type_facts(schedule.parameters)
    for requirement in schedule.requirements:
        facts = facts.given(requirement.condition)
    for condition in schedule.invariants:
        facts = facts.given(condition)
    return facts


@dataclass(frozen=True, slots=True)
class Known:
    """What holds at every step, and what holds while each piece does."""

    always: Facts
    pieces: tuple[Facts, ...]


def known_of(schedule: Schedule) -> Known:
    """While a piece holds so does its own condition, and none of those before it."""
    always = facts = facts_of(schedule)
    result = []
    for piece in schedule.pieces:
        if piece.condition is None:
            result.append(facts)
            break
        condition = expand(piece.condition, schedule.lets)
        result.append(facts.given(condition))
        facts = facts.given(condition, holds=False)
    return Known(always, tuple(result))


def rewrite(schedule: Schedule) -> Schedule:
    """``schedule`` with every rule applied; its curve is the same real function."""
    schedule = lowered(schedule)
    writer = _Rewriter(schedule, known_of(schedule))
    for let in schedule.lets:
        writer.add_let(let)
    pieces = _merged(
        [writer.piece(piece, index) for index, piece in enumerate(schedule.pieces)], schedule
    )
    lets = _ordered(writer.lets, pieces)
    return replace(schedule, lets=lets, pieces=pieces)


class _Rewriter:
    def __init__(self, schedule: Schedule, known: Known) -> None:
        self.schedule = schedule
        self.always = known.always
        self.facts = known.pieces
        self.lets: list[Let] = []
        self.taken = (
            {p.name for p in schedule.parameters}
            | {let.name for let in schedule.lets}
            | {p.name for p in schedule.pieces}
            | {schedule.name, "step", *schedule.state_names}
        )
        self.reasons: list[str] = []
        self.uses = 0

    def add_let(self, let: Let) -> None:
        users = [
            index
            for index, piece in enumerate(self.schedule.pieces)
            if let.name in self.reach(piece)
        ]
        facts = self.facts[users[0]] if len(users) == 1 else self.always
        self.reasons = []
        value = self.rewrite(let.value, facts)
        self.lets.append(replace(let, value=value, reasons=_distinct(self.reasons)))

    def reach(self, piece: Piece) -> set[str]:
        """Every let that the piece's value or condition needs, directly or not."""
        needed = names_in(piece.value) | (names_in(piece.condition) if piece.condition else set())
        for let in reversed(self.schedule.lets):
            if let.name in needed:
                needed |= names_in(let.value)
        return needed

    def piece(self, piece: Piece, index: int) -> Piece:
        self.reasons = []
        value = self.rewrite(piece.value, self.facts[index])
        condition = piece.condition
        if condition is not None:
            condition = self.rewrite(condition, self.always)
        return replace(piece, value=value, condition=condition, reasons=_distinct(self.reasons))

    def rewrite(self, expr: Expr, facts: Facts) -> Expr:
        if isinstance(expr, Apply) and expr.op == "if":
            condition, yes, no = expr.args
            branches = (
                self.rewrite(condition, facts),
                self.rewrite(yes, facts.given(self.full(condition))),
                self.rewrite(no, facts.given(self.full(condition), False)),
            )
            return expr if branches == expr.args else replace(expr, args=branches)
        if self.uses < MOST_USES:
            definitions = {let.name: let.value for let in self.lets}
            for rule in RULES:
                found = find(rule.pattern, expr, definitions)
                changed = self.use(rule, expr, found, facts) if found else None
                if changed is not None:
                    return changed
        result = rebuild(expr, lambda child: self.rewrite(child, facts))
        if result == expr:
            return expr
        # What changed inside may have brought a pattern to light here.
        return self.rewrite(_tidy(result), facts)

    def use(self, rule: Rule, expr: Expr, found: Found, facts: Facts) -> Expr | None:
        """``expr`` after ``rule``, or None where it does not apply or is not needed."""
        if not self.fits(rule, found, facts):
            return None
        if rule.name in ("one minus quotient", "quotient minus one"):
            return self.complement(rule, expr, found)
        self.uses += 1
        replaced = _tidy(_cancelled(substitute(rule.result, found.binding)))
        self.reasons.append(rule.why)
        inner = self.rewrite(replaced, facts)
        return self.joined(found, inner, facts)

    def joined(self, found: Found, inner: Expr, facts: Facts) -> Expr:
        """The replacement among the terms that the pattern left over."""
        if not found.rest:
            return inner
        terms = [(sign, self.rewrite(term, facts)) for sign, term in found.rest]
        terms[found.position : found.position] = sum_terms(inner)
        return sum_of(terms)

    def fits(self, rule: Rule, found: Found, facts: Facts) -> bool:
        binding = {letter: self.full(value) for letter, value in found.binding.items()}
        if rule.name == "whole powers first":
            # Only an exponent that grows with the step magnifies its rounding; i % j does not.
            match found.binding["i"]:
                case Apply(op="%", args=(_, divisor)) if divisor == found.binding["j"]:
                    return False
            if "step" not in names_in(binding["i"]):
                return False
        if rule.name == "logarithm of one plus" and binding["x"].kind is Kind.INT:
            return False
        if rule.exception is None:
            return True
        return facts.decided(substitute(rule.exception, binding)) is not True

    def full(self, expr: Expr) -> Expr:
        return expand(expr, tuple(self.lets))

    def complement(self, rule: Rule, expr: Expr, found: Found) -> Expr | None:
        """``1 - i / j`` from integers; that of a let becomes a let of its own."""
        self.uses += 1
        i, j = found.binding["i"], found.binding["j"]
        top = difference(j, i) if rule.name == "one minus quotient" else difference(i, j)
        value = apply("/", top, j)
        let = self.named_term(expr)
        if let is None:
            self.reasons.append(rule.why)
            return self.joined(found, value, self.always)
        if rule.name == "quotient minus one":
            return self.joined(
                found,
                apply("neg", self.complement_of(let, apply("/", difference(j, i), j))),
                self.always,
            )
        return self.joined(found, self.complement_of(let, value), self.always)

    def named_term(self, expr: Expr) -> Let | None:
        """The let whose complement ``expr`` is, when a term of it is that let and nothing else."""
        for _, term in sum_terms(expr):
            for let in self.lets:
                if term == Name(let.name, let.value.kind) and product(let.value).below:
                    return let
        return None

    def complement_of(self, let: Let, value: Expr) -> Name:
        for known in self.lets:
            if known.value == value:
                return Name(known.name, Kind.REAL)
        if "progress" in let.name:
            name = let.name.replace("progress", "remaining")
        else:
            name = f"one_minus_{let.name}"
        if name in self.taken:
            name = f"one_minus_{let.name}"
        self.taken.add(name)
        self.lets.append(Let(name, value, f"1 - {let.name}"))
        return Name(name, Kind.REAL)


def _merged(pieces: list[Piece], schedule: Schedule) -> tuple[Piece, ...]:
    """Neighbours that differ only in what a parameter decides become one piece.

    ``step < n and tail == 'linear'`` before ``step < n`` is one piece until ``n``, whose value is
    a choice that is made once.
    """
    varying = varying_names(schedule.lets)
    result: list[Piece] = []
    groups: list[list[str]] = []
    for piece in reversed(pieces):
        after = result[-1] if result else None
        if after is not None and piece.condition is not None:
            decides = _decided_by(piece.condition, after.condition, varying)
            if decides is not None:
                value = apply("if", decides, piece.value, after.value)
                reasons = _distinct([*piece.reasons, *after.reasons])
                result[-1] = replace(after, value=value, reasons=reasons)
                groups[-1].append(piece.name)
                continue
        result.append(piece)
        groups.append([piece.name])
    taken = {p.name for p in schedule.parameters} | {let.name for let in schedule.lets}
    taken |= {names[0] for names in groups if len(names) == 1} | {"step", "lr", schedule.name}
    named = []
    for piece, names in zip(result, groups):
        if len(names) > 1:
            piece = replace(piece, name=_common_name(names[::-1], taken))
        named.append(piece)
    return tuple(reversed(named))


def _decided_by(condition: Expr, rest: Expr | None, varying: frozenset[str]) -> Expr | None:
    """What of ``condition`` parameters alone decide, when all else of it is ``rest``."""
    if rest is None:
        return condition if varying.isdisjoint(names_in(condition)) else None
    match condition:
        case Apply(op="and", args=(a, b)):
            for decides, other in ((a, b), (b, a)):
                if other == rest and varying.isdisjoint(names_in(decides)):
                    return decides
    return None


def _common_name(names: list[str], taken: set[str]) -> str:
    """The words that all names end or begin with; ``value`` where they share none."""
    words = [name.split("_") for name in names]
    for ending in (True, False):
        common: list[str] = []
        for column in zip(*(w[::-1] if ending else w for w in words)):
            if len(set(column)) > 1:
                break
            common.append(column[0])
        name = "_".join(common[::-1] if ending else common)
        for candidate in (name, f"{name}_lr"):
            if name and candidate not in taken:
                taken.add(candidate)
                return candidate
    name = "value" if "value" not in taken else names[0]
    taken.add(name)
    return name


def _cancelled(expr: Expr) -> Expr:
    """Terms of a sum that cancel each other are taken out: ``1 - (1 - u)`` is ``u``."""
    expr = rebuild(expr, _cancelled)
    if isinstance(expr, Apply) and expr.op in ("+", "-"):
        terms = sum_terms(expr)
        kept: list[tuple[int, Expr]] = []
        for sign, term in terms:
            opposite = (-sign, term)
            if opposite in kept:
                kept.remove(opposite)
            else:
                kept.append((sign, term))
        if len(kept) < len(terms):
            return sum_of(kept)
    return expr


def _tidy(expr: Expr) -> Expr:
    """Halves against twos, and signs that cancel, in the product at the root and below it."""
    expr = (
        rebuild(expr, _tidy) if isinstance(expr, Apply) and expr.op in ("*", "/", "neg") else expr
    )
    if not (isinstance(expr, Apply) and expr.op in ("*", "/", "neg")):
        return expr
    match expr:
        case Apply(op="*", args=(a, Apply(op="/", args=(b, c)))):
            # A quotient that took a letter's place needs no brackets: a * (b / c) is a * b / c.
            return _tidy(apply("/", apply("*", a, b), c))
        case Apply(op="*", args=(a, Apply(op="*", args=(b, c)))):
            return _tidy(apply("*", apply("*", a, b), c))
    flat = product(expr)
    numbers = [
        node for node in _factors(expr) if isinstance(node, Number) and product(node).above == ()
    ]
    signs = sum(1 for node in _nested_signs(expr))
    if numbers and _shorter(flat.coefficient, numbers):
        return flat.expr()
    if signs >= 2 or (signs == 1 and expr.op != "neg" and flat.sign < 0):
        return flat.expr()
    return expr


def _shorter(coefficient: Fraction, numbers: list[Number]) -> bool:
    spelled = (coefficient.numerator != 1) + (coefficient.denominator != 1)
    return spelled < len(numbers)


def _factors(expr: Expr) -> list[Expr]:
    match expr:
        case Apply(op="*" | "/", args=(a, b)):
            return _factors(a) + _factors(b)
        case Apply(op="neg", args=(a,)):
            return _factors(a)
    return [expr]


def _nested_signs(expr: Expr) -> list[Expr]:
    match expr:
        case Apply(op="*" | "/", args=(a, b)):
            return _nested_signs(a) + _nested_signs(b)
        case Apply(op="neg", args=(a,)):
            return [expr, *_nested_signs(a)]
    return []


def _distinct(reasons: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reasons))


def _ordered(lets: list[Let], pieces: tuple[Piece, ...]) -> tuple[Let, ...]:
    """The lets that are still needed, each after those it needs."""
    by_name = {let.name: let for let in lets}
    placed: dict[str, Let] = {}

    def place(name: str) -> None:
        if name in placed or name not in by_name:
            return
        for inner in sorted(names_in(by_name[name].value), key=_rank):
            place(inner)
        placed[name] = by_name[name]

    ranks = {let.name: number for number, let in enumerate(lets)}

    def _rank(name: str) -> int:
        return ranks.get(name, -1)

    needed: set[str] = set()
    for piece in pieces:
        needed |= names_in(piece.value) | (names_in(piece.condition) if piece.condition else set())
    for let in lets:
        if let.name in needed:
            place(let.name)
    # What is needed only through another let was placed before it.
    return tuple(placed.values())
