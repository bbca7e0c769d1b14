"""Every rewrite rule is an identity: sympy proves each once, under what the rule says it needs."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import sympy

from lrgen.evaluate import Arithmetic, NotFinite
from lrgen.exact import to_sympy
from lrgen.expr import Apply, Expr, Kind, Name, walk
from lrgen.parse import Symbol, parse
from lrgen.rules import RULES, Rule

LETTERS = {letter: Symbol(Kind.REAL) for letter in "abguxp"} | {
    letter: Symbol(Kind.INT) for letter in "ij"
}
ASSUMED = {
    "": {},
    "j > 0": {"j": "positive"},
    "u >= 0": {"u": "nonnegative"},
    "u > 0 and p > 0": {"u": "positive", "p": "positive"},
    "g > 0 and j > 0": {"g": "positive", "j": "positive"},
    "x > -1": {},
}
"""What a rule's ``where`` says, as assumptions on its letters."""


def branches(expr: Expr) -> list[Expr]:
    """What ``a if c else b`` may be: an identity has to hold for each."""
    match expr:
        case Apply(op="if", args=(_, yes, no)):
            return branches(yes) + branches(no)
    return [expr]


def assumed(value: Any, where: str) -> Any:
    """``value`` over symbols that hold what ``where`` says."""
    changes = {}
    for symbol in value.free_symbols:
        kind = ASSUMED[where].get(symbol.name)
        more = {kind: True} if kind else {}
        whole = {"integer": True} if symbol.is_integer else {"real": True}
        changes[symbol] = sympy.Symbol(symbol.name, **whole, **more)
    return value.xreplace(changes)


def is_zero(value: Any) -> bool:
    """Whether sympy shows that ``value`` vanishes."""
    value = value.replace(sympy.Mod, lambda a, b: a - b * sympy.floor(a / b))
    value = value.replace(sympy.ceiling, lambda a: -sympy.floor(-a))
    if value.has(sympy.Min, sympy.Max):
        value = sympy.piecewise_fold(value.rewrite(sympy.Piecewise))
    if value.has(sympy.tanh):
        value = value.rewrite(sympy.exp)
    value = sympy.powsimp(sympy.expand(value, power_exp=False, multinomial=False), force=True)
    return sympy.simplify(value) == 0


def is_identity(rule: Rule) -> bool:
    """Whether before and after are the same real function, proved."""
    before = to_sympy(rule.pattern)
    return all(
        is_zero(assumed(before - to_sympy(after), rule.where)) for after in branches(rule.result)
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_is_an_identity(rule: Rule) -> None:
    assert is_identity(rule)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_wrong_rule_is_found(rule: Rule) -> None:
    """Each number and each sign of a rule matters: no mutant of it is an identity."""
    for wrong in mutants(rule):
        assert not is_identity(wrong), wrong.after


def mutants(rule: Rule) -> list[Rule]:
    """The rule with one slip of the pen."""
    slips = [
        ("sin", "cos"),
        (" / 2", " / 3"),
        ("2 * ", "3 * "),
        (" - ", " + "),
        (" + ", " - "),
        ("max(", "min("),
        ("min(", "max("),
        ("expm1(", "exp("),
        ("log1p(", "log("),
        ("//", "%"),
        ("i // j", "i // j + 1"),
        (") ** 2", ") ** 3"),
        ("-expm1(x)", "expm1(x)"),
    ]
    found = []
    for slip, wrong in slips:
        text = rule.after.replace(slip, wrong, 1)
        # The sine at pi / 2 * (1 + u) is the one at pi / 2 * (1 - u): that slip is harmless.
        if text != rule.after and "sin(pi / 2 * (1 + u))" not in text:
            found.append(replace(rule, after=text))
    found.append(replace(rule, after=f"({rule.after}) * 1.0000000001"))
    return found


def test_every_where_is_known_here() -> None:
    """A new side condition needs its assumptions in the proof."""
    assert {rule.where for rule in RULES} <= set(ASSUMED)


def test_names_and_reasons_are_one_each() -> None:
    names = [rule.name for rule in RULES]

    assert len(set(names)) == len(names)
    for rule in RULES:
        assert rule.why.endswith(".")
        assert rule.before != rule.after
        assert len(rule.why) <= 160


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_of_every_letter_what_it_needs(rule: Rule) -> None:
    """After has no letter that before lacks, and neither has the exception."""
    letters = names(rule.pattern)

    assert names(rule.result) <= letters
    if rule.exception is not None:
        assert names(rule.exception) <= letters
        assert rule.exception.kind is Kind.BOOL


def names(expr: Expr) -> set[str]:
    return {node.id for node in walk(expr) if isinstance(node, Name)}


# -- and at random points, exactly: a second opinion -----------------------------------------


def points(rule: Rule, count: int) -> list[dict[str, Any]]:
    """Values of the letters for which ``where`` holds and both sides exist."""
    exact = Arithmetic(60)
    source = random.Random(rule.name)
    needed = parse(rule.where, LETTERS, frozenset()) if rule.where else None
    found: list[dict[str, Any]] = []
    for _ in range(100 * count):
        values: dict[str, Any] = {}
        for letter, symbol in LETTERS.items():
            if symbol.kind is Kind.INT:
                values[letter] = source.choice([source.randrange(-50, 50), source.randrange(10**9)])
            else:
                values[letter] = exact.real(source.choice([source.random(), source.gauss(0, 2)]))
        try:
            if needed is not None and not exact.value(needed, values):
                continue
            exact.value(rule.pattern, values)
        except NotFinite:
            continue
        found.append(values)
        if len(found) == count:
            break
    return found


def largest_gap(rule: Rule) -> float:
    """Between before and after, at random points, at 60 digits."""
    exact = Arithmetic(60)
    gaps = [
        abs(exact.real(exact.value(rule.pattern, at)) - exact.real(exact.value(rule.result, at)))
        for at in points(rule, 40)
    ]

    assert len(gaps) == 40
    return float(max(gaps))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_both_sides_agree_at_random_points(rule: Rule) -> None:
    assert largest_gap(rule) < 1e-40


def test_a_wrong_rule_disagrees_at_random_points() -> None:
    rule = next(rule for rule in RULES if rule.name == "lowered cosine")

    assert largest_gap(replace(rule, after="2 * sin(pi / 2 * u) ** 2 + 1e-30")) > 1e-31
