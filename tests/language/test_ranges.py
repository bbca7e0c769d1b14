"""What is claimed of a formula holds at every point: bounds, trends, decisions, crossings-out."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from test_syntax import read

from lrgen.evaluate import Arithmetic, NotFinite
from lrgen.expr import Expr, Kind, Name, Number
from lrgen.linear import ONE, difference, linear, spelled
from lrgen.ops import OperandError, apply
from lrgen.printer import show
from lrgen.ranges import Facts
from lrgen.simplify import simplify
from lrgen.terms import product, sum_of, sum_terms

EXACT = Arithmetic(60)
SLACK = EXACT.real("1e-40")
NAMES = {"step": Kind.INT, "n": Kind.INT, "x": Kind.REAL, "y": Kind.REAL, "on": Kind.BOOL}
OPS = {
    Kind.INT: ["neg", "+", "-", "*", "//", "%", "**", "min", "max", "abs", "floor", "ceil", "if"],
    Kind.REAL: [
        *("neg", "+", "-", "*", "/", "**", "min", "max", "abs", "if", "exp", "log", "sqrt"),
        *("sin", "cos", "tan", "tanh", "expm1", "log1p"),
    ],
    Kind.BOOL: ["<", "<=", ">", ">=", "==", "!=", "and", "or", "not"],
}
wholes = st.integers(0, 6).map(Number)
parts = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0]).map(Number)


@st.composite
def formulas(draw: st.DrawFn, kind: Kind, depth: int = 3) -> Expr:
    """A formula of ``kind`` over a few names."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        if kind is Kind.BOOL and draw(st.booleans()) and depth:
            return draw(formulas(Kind.BOOL, depth))
        names = [Name(name, own) for name, own in NAMES.items() if own is kind]
        if kind is Kind.BOOL:
            return draw(st.sampled_from(names))
        numbers = wholes if kind is Kind.INT else parts
        turns = st.just(apply("pi")) if kind is Kind.REAL else numbers
        return draw(st.sampled_from(names) | numbers | turns)
    op = draw(st.sampled_from(OPS[kind]))
    if op in ("and", "or"):
        return apply(op, *(draw(formulas(Kind.BOOL, depth - 1)) for _ in range(2)))
    if op == "not":
        return apply(op, draw(formulas(Kind.BOOL, depth - 1)))
    mixed = kind is not Kind.INT or op in ("floor", "ceil")
    own = draw(st.sampled_from([Kind.INT, Kind.REAL])) if mixed else Kind.INT
    arity = 1 if op in _UNARY else 2
    args = [draw(formulas(own, depth - 1)) for _ in range(arity)]
    if op == "if":
        args.insert(0, draw(formulas(Kind.BOOL, depth - 1)))
    if op == "**":
        args[1] = draw(st.integers(0, 3).map(Number)) if kind is Kind.INT else args[1]
    try:
        node = apply(op, *args)
    except OperandError:
        return draw(formulas(kind, 0))
    return node if node.kind is kind else draw(formulas(kind, 0))


_UNARY = {"neg", "abs", "floor", "ceil", "exp", "log", "sqrt", "sin", "cos", "tan", "tanh"}
_UNARY |= {"expm1", "log1p"}
numeric = st.sampled_from([Kind.INT, Kind.REAL]).flatmap(formulas)

points = st.fixed_dictionaries(
    {
        "step": st.integers(0, 20),
        "n": st.integers(0, 12),
        "x": st.fractions(0, 2, max_denominator=8),
        "y": st.fractions(-3, 3, max_denominator=8),
        "on": st.booleans(),
    }
)


def at(point: dict[str, Any]) -> dict[str, Any]:
    return {
        name: EXACT.real(value.numerator) / value.denominator
        if isinstance(value, Fraction)
        else value
        for name, value in point.items()
    }


def value(expr: Expr, point: dict[str, Any]) -> Any:
    """The exact value; points without one are passed over."""
    try:
        return EXACT.value(expr, at(point))
    except NotFinite:
        assume(False)


def known(point: dict[str, Any], conditions: list[Expr]) -> Facts:
    """Facts that are true at ``point``: names that are never negative, and each condition as it
    stands or its opposite."""
    facts = Facts()
    for name in ("step", "n", "x"):
        facts = facts.at_least(Name(name, NAMES[name]), 0)
    for condition in conditions:
        facts = facts.given(condition, holds=bool(value(condition, point)))
    return facts


conditions = st.lists(formulas(Kind.BOOL, 2), max_size=3)
many = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(numeric, points, conditions)
def test_a_bound_holds_at_every_point(
    expr: Expr, point: dict[str, Any], given_: list[Expr]
) -> None:
    hold_bounds(expr, point, given_)


def hold_bounds(expr: Expr, point: dict[str, Any], given_: list[Expr]) -> None:
    bounds = known(point, given_).range(expr)

    if bounds.low is not None:
        assert value(expr, point) >= _real(bounds.low[0]) - SLACK, show(expr)
    if bounds.high is not None:
        assert value(expr, point) <= _real(bounds.high[0]) + SLACK, show(expr)


@many
@given(numeric, points, conditions)
def test_a_bound_that_is_open_is_never_reached(
    expr: Expr, point: dict[str, Any], given_: list[Expr]
) -> None:
    bounds = known(point, given_).range(expr)
    true = value(expr, point)
    # The rounding of the evaluator can reach what the real value does not.
    assume(not any(op in show(expr) for op in ("exp", "tanh", "log", "sin", "cos", "sqrt", "**")))

    for bound in (bounds.low, bounds.high):
        if bound is not None and bound[1]:
            assert true != _real(bound[0]), show(expr)


@many
@given(formulas(Kind.BOOL, 3), points, conditions)
def test_what_is_decided_is_so(condition: Expr, point: dict[str, Any], given_: list[Expr]) -> None:
    decided = known(point, given_).decided(condition)

    if decided is not None:
        assert decided == bool(value(condition, point)), show(condition)


@many
@given(points, conditions)
@example({"step": 0, "n": 0, "x": Fraction(0), "y": Fraction(0), "on": True}, [read("step < 0**0")])
def test_facts_that_are_true_are_not_contradictory(
    point: dict[str, Any], given_: list[Expr]
) -> None:
    assert not known(point, given_).contradictory()


@many
@given(numeric, points, conditions)
def test_what_is_never_negative_is_not(
    expr: Expr, point: dict[str, Any], given_: list[Expr]
) -> None:
    if known(point, given_).nonnegative(expr):
        assert value(expr, point) >= -SLACK, show(expr)


@many
@given(numeric, points, conditions)
@example(read("2 ** step"), {"step": 0, "n": 0, "x": Fraction(0), "y": Fraction(0), "on": True}, [])
def test_a_trend_holds_from_each_step_to_the_next(
    expr: Expr, point: dict[str, Any], given_: list[Expr]
) -> None:
    after = {**point, "step": point["step"] + 1}
    # Facts that hold at both steps are what a piece says of its steps.
    lasting = [c for c in given_ if bool(value(c, point)) == bool(value(c, after))]
    trend = known(point, lasting).trend(expr)

    if trend is not None:
        change = value(expr, after) - value(expr, point)
        assert change * trend >= -SLACK, show(expr)
        assert trend != 0 or abs(change) <= SLACK, show(expr)


def _real(value: Fraction) -> Any:
    return EXACT.real(value.numerator) / value.denominator


# -- bounds that people need are found -------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "expr", "low", "high"),
    [
        (["step < n"], "step / n", (0, False), (1, True)),
        (["step < n"], "1 - step / n", (0, True), (1, False)),
        (["step < n"], "n - step", (1, False), None),
        (["step < n"], "(1 + cos(pi * (step / n))) / 2", (0, False), (1, False)),
        (["n >= 1"], "step % n", (0, False), None),
        (["n >= 1"], "step % n / n", (0, False), (1, True)),
        (["0 < x <= 1"], "x ** step", (0, True), (1, False)),
        (["0 < x <= 1"], "exp(-x)", (0, True), (1, True)),
        ([], "tanh(y)", (-1, True), (1, True)),
        ([], "max(y, 0)", (0, False), None),
        (["3 <= n", "n <= 5"], "2 * n + 1", (7, False), (11, False)),
        (["y < 2"], "min(y, 3)", None, (2, True)),
        ([], "1 if on else 2", (1, False), (2, False)),
    ],
)
def test_a_bound_is_found(
    facts: list[str], expr: str, low: tuple[int, bool] | None, high: tuple[int, bool] | None
) -> None:
    known_facts = Facts().at_least(read("step"), 0).at_least(read("n"), 0)
    for text in facts:
        known_facts = known_facts.given(read(text))

    found = known_facts.range(read(expr))

    assert found.low == low
    assert found.high == high


@pytest.mark.parametrize(
    ("facts", "expr", "trend"),
    [
        ([], "step", 1),
        ([], "-step", -1),
        ([], "x * y", 0),
        ([], "x * step", 1),
        (["step < n"], "1 - step / n", -1),
        (["step < n"], "(1 + cos(pi * (step / n))) / 2", -1),
        (["0 < x <= 1"], "x ** step", -1),
        ([], "exp(-x * step)", -1),
        ([], "sqrt(1 + step)", 1),
        ([], "y * step", None),
        (["n >= 1"], "step % n", None),
        ([], "sin(step)", None),
    ],
)
def test_a_trend_is_found(facts: list[str], expr: str, trend: int | None) -> None:
    known_facts = Facts().at_least(read("step"), 0).at_least(read("n"), 0)
    known_facts = known_facts.at_least(read("x"), 0)
    for text in facts:
        known_facts = known_facts.given(read(text))

    assert known_facts.trend(read(expr)) == trend


def test_facts_against_each_other_are_contradictory() -> None:
    facts = Facts().given(read("step < n")).given(read("n <= step"))

    assert facts.contradictory()


# -- the same value, written otherwise -------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= SLACK * (1 + abs(a)))


@many
@given(numeric, points)
def test_crossing_out_keeps_the_value(expr: Expr, point: dict[str, Any]) -> None:
    hold_value(expr, point)


def hold_value(expr: Expr, point: dict[str, Any]) -> None:
    true = value(expr, point)
    shorter = simplify(expr)

    assert shorter.kind is expr.kind, show(expr)
    assert same(true, EXACT.value(shorter, at(point))), f"{show(expr)} became {show(shorter)}"


@many
@given(formulas(Kind.BOOL, 3), points)
def test_crossing_out_keeps_a_condition(expr: Expr, point: dict[str, Any]) -> None:
    assert bool(value(expr, point)) == bool(EXACT.value(simplify(expr), at(point))), show(expr)


@many
@given(numeric, points)
def test_parts_and_factors_add_up(expr: Expr, point: dict[str, Any]) -> None:
    true = value(expr, point)
    total = EXACT.real(0)
    for part, factor in linear(expr).items():
        own = EXACT.real(1) if part == ONE else value(part, point)
        total += _real(factor) * own

    assert same(true, total), show(expr)


@many
@given(formulas(Kind.INT), formulas(Kind.INT), points)
def test_a_difference_of_integers_is_one(a: Expr, b: Expr, point: dict[str, Any]) -> None:
    found = difference(a, b)

    assert found.kind is Kind.INT
    assert value(a, point) - value(b, point) == value(found, point)


@many
@given(formulas(Kind.INT), points)
def test_parts_spell_the_same_integer(expr: Expr, point: dict[str, Any]) -> None:
    found = spelled(linear(expr))

    if found is not None:
        assert value(expr, point) == value(found, point), f"{show(expr)}: {show(found)}"


@many
@given(numeric, points)
def test_terms_and_factors_make_the_same_value(expr: Expr, point: dict[str, Any]) -> None:
    true = value(expr, point)

    assert same(true, value(sum_of(sum_terms(expr)), point)), show(expr)
    assert same(true, value(product(expr).expr(), point)), show(expr)


# -- the tests bite --------------------------------------------------------------------------


POINT = {"step": 3, "n": 2, "x": Fraction(1, 2), "y": Fraction(-3), "on": True}


def test_a_bound_that_does_not_hold_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_bounds(read("abs(y)"), POINT, [read("y < 0")])

    monkeypatch.setattr(Facts, "_absolute", lambda self, a: self.range(a))

    with pytest.raises(AssertionError, match=r"abs\(y\)"):
        hold_bounds(read("abs(y)"), POINT, [read("y < 0")])


def test_a_wrong_crossing_out_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_value(read("x - y"), POINT)

    monkeypatch.setattr("test_ranges.simplify", lambda expr: expr.args[0])

    with pytest.raises(AssertionError, match="x - y became x"):
        hold_value(read("x - y"), POINT)
