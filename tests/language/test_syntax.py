"""Text to tree and back: precedence, literals, and every tree prints as what it was read from."""

from __future__ import annotations

import ast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lrgen import parse as reader
from lrgen.errors import SpecError
from lrgen.expr import Apply, Expr, Invoke, Kind, Name, Number, Word, walk
from lrgen.ops import MOST_OPERANDS, OPERATORS, Form, OperandError, apply
from lrgen.parse import Symbol, parse
from lrgen.printer import literal, show

WORDS = ("linear", "cosine")
SYMBOLS = {
    "step": Symbol(Kind.INT),
    "n": Symbol(Kind.INT),
    "x": Symbol(Kind.REAL),
    "y": Symbol(Kind.REAL),
    "on": Symbol(Kind.BOOL),
    "mode": Symbol(Kind.WORD, WORDS),
}
SCHEDULES = frozenset({"cosine", "warmup"})


def read(text: str) -> Expr:
    return parse(text, SYMBOLS, SCHEDULES)


# -- random trees ----------------------------------------------------------------------------

integers = st.integers(0, 2**63 - 1) | st.sampled_from([0, 1, 2, 999, 1_000, 2**53 + 1])
reals = st.floats(0, allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, 5e-324, 1e-8, 0.1, 1e16, 1e22, 1.7976931348623157e308]
)


def leaves(kind: Kind) -> st.SearchStrategy[Expr]:
    names = [Name(n, s.kind) for n, s in SYMBOLS.items() if s.kind is kind]
    constants = [apply(r.name) for r in OPERATORS.values() if r.form is Form.CONSTANT]
    constants = [c for c in constants if c.kind is kind]
    found: st.SearchStrategy[Expr] = st.sampled_from([*names, *constants])
    if kind is Kind.INT:
        found |= integers.map(Number)
    if kind is Kind.REAL:
        found |= reals.map(Number)
    return found


@st.composite
def trees(draw: st.DrawFn, kind: Kind, depth: int) -> Expr:
    """A tree over all operators that yields ``kind``."""
    if depth == 0:
        return draw(leaves(kind))
    if kind is Kind.BOOL and draw(st.integers(0, 5)) == 0:
        pair: tuple[Expr, Expr] = (
            Name("mode", Kind.WORD),
            Word(draw(st.sampled_from(WORDS))),
        )
        return apply(draw(st.sampled_from(["==", "!="])), *draw(st.permutations(pair)))
    if kind is Kind.REAL and draw(st.integers(0, 9)) == 0:
        step = draw(trees(Kind.INT, depth - 1))
        return Invoke("cosine", step, (("base", draw(trees(Kind.REAL, depth - 1))),))
    rows = [row for row in OPERATORS.values() if row.form is not Form.CONSTANT]
    row = draw(st.sampled_from(rows))
    least, most = row.arity
    kinds = draw(st.sampled_from([Kind.INT, Kind.REAL, Kind.BOOL]))
    args = [draw(trees(kinds, depth - 1)) for _ in range(draw(st.integers(least, min(most, 3))))]
    if row.name == "if":
        args[0] = draw(trees(Kind.BOOL, depth - 1))
    if row.name == "**" and isinstance(args[1], Number) and args[1].value > 1_000:
        args[1] = Number(2)
    try:
        node = apply(row.name, *args)
    except OperandError:
        return draw(leaves(kind))
    return node if node.kind is kind else draw(leaves(kind))


def is_a_tower(expr: Expr) -> bool:
    """What the reader refuses on purpose: powers of numbers in the exponent of a number."""
    return any(
        isinstance(node, Apply)
        and node.op == "**"
        and not any(isinstance(inner, Name) for inner in walk(node))
        for node in walk(expr)
    )


any_tree = st.sampled_from([Kind.INT, Kind.REAL, Kind.BOOL]).flatmap(lambda kind: trees(kind, 4))


@settings(max_examples=250, deadline=None)
@given(any_tree.filter(lambda tree: not is_a_tower(tree)))
def test_what_is_printed_reads_back_as_the_same_tree(tree: Expr) -> None:
    text = show(tree)
    if len(text) > reader.MOST_CHARACTERS:
        return

    assert read(text) == tree


@settings(max_examples=120, deadline=None)
@given(any_tree.filter(lambda tree: not is_a_tower(tree)))
def test_what_is_printed_has_no_bracket_too_many(tree: Expr) -> None:
    """Without any one pair of its brackets a text is another formula, or none."""
    text = show(tree)
    if len(text) > 300:
        return
    for opening, closing in groups(text):
        shorter = text[:opening] + " " + text[opening + 1 : closing] + " " + text[closing + 1 :]
        try:
            other = read(shorter)
        except SpecError:
            continue
        assert other != tree, shorter


def groups(text: str) -> list[tuple[int, int]]:
    """Pairs of brackets that group, so none of a call."""
    found, opened = [], []
    for place, character in enumerate(text):
        if character == "(":
            opened.append(place)
        elif character == ")":
            start = opened.pop()
            if start == 0 or not (text[start - 1].isalnum() or text[start - 1] == "_"):
                found.append((start, place))
    return found


def test_a_printer_that_forgets_brackets_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = read("(x + y) * x")

    assert read(show(tree)) == tree

    monkeypatch.setattr("lrgen.printer._operand", lambda expr, least, dialect: show(expr, dialect))

    assert read(show(tree)) != tree


# -- precedence ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("x + y * x", "x + (y * x)"),
        ("x - y - x", "(x - y) - x"),
        ("x / y / x", "(x / y) / x"),
        ("x / y * x", "(x / y) * x"),
        ("x ** y ** x", "x ** (y ** x)"),
        ("-x ** 2", "-(x ** 2)"),
        ("x ** -y", "x ** (-y)"),
        ("-x * y", "(-x) * y"),
        ("-step // n", "(-step) // n"),
        ("-(-x)", "--x"),
        ("step % n // n", "(step % n) // n"),
        ("not on and on", "(not on) and on"),
        ("on or on and on", "on or (on and on)"),
        ("not x < y", "not (x < y)"),
        ("0 < x < y", "0 < x and x < y"),
        ("0 < x <= y != 3", "(0 < x and x <= y) and y != 3"),
        ("x if on else y if on else x", "x if on else (y if on else x)"),
        ("x + y if on else y", "(x + y) if on else y"),
        ("x if on and x < y else y", "x if (on and (x < y)) else y"),
        ("+x", "x"),
        ("x +\n   y", "x + y"),
        ("'linear' == mode", "('linear' == mode)"),
        ("max(x, y, 1)", "max(x,y,1)"),
    ],
)
def test_operators_bind_as_in_python(text: str, means: str) -> None:
    assert read(text) == read(means)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("(x - y) - x", "x - (y - x)"),
        ("(x / y) / x", "x / (y / x)"),
        ("(x ** y) ** x", "x ** y ** x"),
        ("(-x) ** 2", "-x ** 2"),
        ("-(step // n)", "-step // n"),
        ("(not on) and on", "not (on and on)"),
        ("(on or on) and on", "on or on and on"),
        ("(x if on else y) + y", "x if on else y + y"),
        ("1", "1.0"),
        ("x * 2", "2 * x"),
    ],
)
def test_brackets_order_and_kind_of_number_matter(text: str, other: str) -> None:
    assert read(text) != read(other)


@pytest.mark.parametrize(
    "text",
    [
        "end + (x - y) * (1 + cos(pi * step / n)) / 2",
        "-(x + y)",
        "-x**2",
        "(-x) ** 2",
        "x**-y",
        "2.0 ** -(step // n)",
        "x if on else y",
        "0 < x <= 1",
        "0 <= step < n or on",
        "mode == 'linear'",
        "cosine(step - n, base=x)",
        "max(x, y) if step % n == 0 else min(x, y)",
        "1_000 * x",
        "1e-08 * x",
    ],
)
def test_a_formula_prints_as_people_write_it(text: str) -> None:
    symbols = {**SYMBOLS, "end": Symbol(Kind.REAL)}

    assert show(parse(text, symbols, SCHEDULES)) == text


# -- literals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1_000", 1000),
        ("9_223_372_036_854_775_807", 2**63 - 1),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("0x10", 16),
        ("5e-324", 5e-324),
        ("0.1", 0.1),
        ("1e-400", 0.0),
    ],
)
def test_a_literal_has_pythons_value(text: str, value: float) -> None:
    assert read(text) == Number(value)
    assert type(value) is type(ast.literal_eval(text))


@given(integers | reals)
def test_a_literal_prints_as_what_reads_back(value: float) -> None:
    assert ast.literal_eval(literal(value)) == value
    assert type(ast.literal_eval(literal(value))) is type(value)


def test_integers_and_reals_are_different_literals() -> None:
    assert Number(1) != Number(1.0)
    assert hash(Number(1)) != hash(Number(1.0))
    assert Number(0.0) == Number(0.0)


# -- kinds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("step + n", Kind.INT),
        ("step + 1.0", Kind.REAL),
        ("step / n", Kind.REAL),
        ("step // n", Kind.INT),
        ("step ** 2", Kind.INT),
        ("step ** n", Kind.REAL),
        ("floor(x)", Kind.INT),
        ("max(step, 1)", Kind.INT),
        ("max(step, 1.0)", Kind.REAL),
        ("abs(-step)", Kind.INT),
        ("exp(step)", Kind.REAL),
        ("1 if on else 0", Kind.INT),
        ("1 if on else 0.5", Kind.REAL),
        ("on if on else x < y", Kind.BOOL),
        ("not on", Kind.BOOL),
        ("cosine(step)", Kind.REAL),
    ],
)
def test_every_expression_has_a_kind(text: str, kind: Kind) -> None:
    assert read(text).kind is kind


# -- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("legal", "refused"),
    [
        ("x" + " " * 0 + "+1" * 18, "x" + "+1" * 60),
        ("(" * 30 + "x" + ")" * 30, "(" * 300 + "x" + ")" * 300),
        ("x ** 1000", "x ** 1001"),
        (str(2**63 - 1), str(2**63)),
        (f"max({', '.join('x' * MOST_OPERANDS)})", f"max({', '.join('x' * (MOST_OPERANDS + 1))})"),
        ("x + 1.7e308", "x + 1.8e308"),
    ],
)
def test_limits_let_pass_what_people_write(legal: str, refused: str) -> None:
    read(legal)

    with pytest.raises(SpecError):
        read(refused)


def test_an_error_says_the_column_counted_from_one() -> None:
    with pytest.raises(SpecError) as caught:
        read("x + gama * y")

    assert caught.value.column == 5


@pytest.mark.filterwarnings("error")
@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60) | st.text(alphabet="()[]{}+-*/%<>=!~^&|@:,.'\"#\\x1e_ if or", max_size=40)
)
@example("'\\<'")
def test_any_text_is_a_formula_or_a_spec_error(text: str) -> None:
    try:
        tree = read(text)
    except SpecError as error:
        assert "\n" not in str(error)
    else:
        assert read(show(tree)) == tree
