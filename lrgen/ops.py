"""The operator table: how each operator is written, what it takes, yields and means.

One row is the only place where an operator is defined; :mod:`lrgen.evaluate` and each backend add
one entry for it, and a test over all operators and all backends stays red until they are there.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .expr import ENTRY, Apply, Expr, Kind, Number

INT, REAL, BOOL, WORD = Kind.INT, Kind.REAL, Kind.BOOL, Kind.WORD
NUMERIC = (INT, REAL)


class Form(enum.Enum):
    """How an operator is written."""

    CONSTANT = "constant"
    PREFIX = "prefix"
    INFIX = "infix"
    CALL = "call"
    TERNARY = "ternary"
    INDEX = "index"
    LIST = "list"
    TABLE = "table"
    """Not written by authors: what :mod:`lrgen.lower` makes."""


class Precedence(enum.IntEnum):
    """Python's own order, loosest first."""

    TERNARY = 1
    OR = 2
    AND = 3
    NOT = 4
    COMPARE = 5
    SUM = 6
    PRODUCT = 7
    SIGN = 8
    POWER = 9
    ATOM = 10


class OperandError(Exception):
    """Operands that an operator does not take: the fact and the way out."""

    def __init__(self, fact: str, hint: str) -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint


Yields = Callable[[str, Sequence[Expr]], Kind]


@dataclass(frozen=True, slots=True)
class Operator:
    """One row: ``arity`` is (least, most); ``yields`` gives the kind or raises OperandError."""

    name: str
    form: Form
    arity: tuple[int, int]
    precedence: Precedence
    yields: Yields
    meaning: str


def _need(op: str, args: Sequence[Expr], allowed: tuple[Kind, ...], hint: str) -> None:
    wanted = {NUMERIC: "numbers", (INT,): "integers", (BOOL,): "conditions"}[allowed]
    for arg in args:
        if arg.kind not in allowed:
            raise OperandError(f"'{op}' needs {wanted}, but got {arg.kind.value}", hint)


def _real(op: str, args: Sequence[Expr]) -> Kind:
    _need(op, args, NUMERIC, "Conditions and words become numbers with `a if condition else b`.")
    return REAL


def _widest(op: str, args: Sequence[Expr]) -> Kind:
    _real(op, args)
    return INT if all(arg.kind is INT for arg in args) else REAL


def _exact(op: str, args: Sequence[Expr]) -> Kind:
    _need(op, args, (INT,), "Use floor(a / b) for real numbers.")
    return INT


def _integer(op: str, args: Sequence[Expr]) -> Kind:
    _real(op, args)
    return INT


def _power(op: str, args: Sequence[Expr]) -> Kind:
    _real(op, args)
    base, exponent = args
    whole = isinstance(exponent, Number) and exponent.kind is INT
    return INT if base.kind is INT and whole else REAL


def _condition(op: str, args: Sequence[Expr]) -> Kind:
    _need(op, args, (BOOL,), "Compare something, as in `step < total_steps`.")
    return BOOL


def _order(op: str, args: Sequence[Expr]) -> Kind:
    _need(op, args, NUMERIC, "Words and flags are only compared with == and !=.")
    return BOOL


def _equality(op: str, args: Sequence[Expr]) -> Kind:
    left, right = (NUMERIC if arg.kind in NUMERIC else (arg.kind,) for arg in args)
    if left != right:
        raise OperandError(
            f"'{op}' compares {args[0].kind.value} with {args[1].kind.value}",
            "A choice is compared with one of its words, as in `mode == 'min'`.",
        )
    return BOOL


def _ternary(op: str, args: Sequence[Expr]) -> Kind:
    condition, yes, no = args
    if condition.kind is not BOOL:
        raise OperandError(
            f"'a if c else b' needs a condition, but got {condition.kind.value}",
            "Compare something, as in `step < total_steps`.",
        )
    if yes.kind is BOOL and no.kind is BOOL:
        return BOOL
    return _widest("if", (yes, no))


def _is_list(op: str, arg: Expr) -> None:
    if arg.kind not in ENTRY:
        raise OperandError(
            f"'{op}' needs a list, but got {arg.kind.value}",
            "Lists are parameters of type `steps[]`, `count[]`, `rate[]` or `real[]`.",
        )


def _is_whole(op: str, arg: Expr, what: str) -> None:
    if arg.kind is not INT:
        raise OperandError(f"{what} of '{op}' is {arg.kind.value}", "Use an integer.")


def _entry(op: str, args: Sequence[Expr]) -> Kind:
    values, index = args
    _is_list("[]", values)
    _is_whole("[]", index, "the index")
    return ENTRY[values.kind]


def _listed(op: str, args: Sequence[Expr]) -> Kind:
    return Kind.INTS if _widest("[]", args) is INT else Kind.REALS


def _length(op: str, args: Sequence[Expr]) -> Kind:
    _is_list(op, args[0])
    return INT


def _extreme(op: str, args: Sequence[Expr]) -> Kind:
    _is_list(op, args[0])
    return REAL


def _rising(op: str, args: Sequence[Expr]) -> Kind:
    _is_list(op, args[0])
    return BOOL


def _reached(op: str, args: Sequence[Expr]) -> Kind:
    places, place = args
    _is_list(op, places)
    if places.kind is not Kind.INTS or place.kind is not INT:
        raise OperandError(
            "'reached' counts the integers of a list that are at most an integer",
            "Give a list of type `steps[]` or `count[]`, and a step.",
        )
    return INT


def _first_ones(op: str, args: Sequence[Expr]) -> Kind:
    _is_list(op, args[0])
    _is_whole(op, args[1], "the number of entries")
    return ENTRY[args[0].kind] if op == "total" else REAL


def _cycle(op: str, args: Sequence[Expr]) -> Kind:
    place, first, growth, *rounding = args
    _is_whole(op, place, "the step")
    _is_whole(op, first, "the first length")
    _need(op, (growth,), NUMERIC, "The growth is a number >= 1.")
    if any(word.kind is not WORD for word in rounding):
        raise OperandError(
            f"the fourth operand of '{op}' says how lengths are rounded",
            "Give 'boundary' or 'length', or a choice of these.",
        )
    return INT


def _random(op: str, args: Sequence[Expr]) -> Kind:
    _need(op, args, (INT,), "A seed and a step are integers.")
    return REAL


def _always(kind: Kind) -> Yields:
    return lambda op, args: kind


def _infix(name: str, precedence: Precedence, yields: Yields, meaning: str) -> Operator:
    return Operator(name, Form.INFIX, (2, 2), precedence, yields, meaning)


def _call(
    name: str, meaning: str, yields: Yields = _real, arity: tuple[int, int] = (1, 1)
) -> Operator:
    return Operator(name, Form.CALL, arity, Precedence.ATOM, yields, meaning)


def _constant(name: str, kind: Kind, meaning: str) -> Operator:
    return Operator(name, Form.CONSTANT, (0, 0), Precedence.ATOM, _always(kind), meaning)


MOST_OPERANDS = 8
MOST_ENTRIES = 100
"""Of a list that is written into a formula; parameters may have 10,000."""
ROUNDINGS = ("boundary", "length")
"""How growing cycles come to whole steps: see :mod:`lrgen.cycles`."""

OPERATORS: dict[str, Operator] = {
    row.name: row
    for row in (
        _constant("pi", REAL, "the circle number, rounded to binary64 only at the end"),
        _constant("inf", REAL, "positive infinity"),
        _constant("True", BOOL, "always holds"),
        _constant("False", BOOL, "never holds"),
        Operator("neg", Form.PREFIX, (1, 1), Precedence.SIGN, _widest, "the negative"),
        Operator("not", Form.PREFIX, (1, 1), Precedence.NOT, _condition, "the opposite condition"),
        _infix("+", Precedence.SUM, _widest, "sum"),
        _infix("-", Precedence.SUM, _widest, "difference"),
        _infix("*", Precedence.PRODUCT, _widest, "product"),
        _infix("/", Precedence.PRODUCT, _real, "quotient, a real number"),
        _infix("//", Precedence.PRODUCT, _exact, "quotient of integers, rounded down, exact"),
        _infix("%", Precedence.PRODUCT, _exact, "a - b * (a // b), exact"),
        _infix("**", Precedence.POWER, _power, "power"),
        _infix("<", Precedence.COMPARE, _order, "less than"),
        _infix("<=", Precedence.COMPARE, _order, "at most"),
        _infix(">", Precedence.COMPARE, _order, "more than"),
        _infix(">=", Precedence.COMPARE, _order, "at least"),
        _infix("==", Precedence.COMPARE, _equality, "equal"),
        _infix("!=", Precedence.COMPARE, _equality, "not equal"),
        _infix("and", Precedence.AND, _condition, "both conditions"),
        _infix("or", Precedence.OR, _condition, "either condition"),
        Operator("if", Form.TERNARY, (3, 3), Precedence.TERNARY, _ternary, "a if c else b"),
        _call("exp", "e ** x"),
        _call("log", "natural logarithm"),
        _call("sqrt", "square root"),
        _call("sin", "sine of radians"),
        _call("cos", "cosine of radians"),
        _call("tan", "tangent of radians"),
        _call("tanh", "hyperbolic tangent"),
        _call("expm1", "exp(x) - 1, accurate near 0"),
        _call("log1p", "log(1 + x), accurate near 0"),
        _call("abs", "absolute value", _widest),
        _call("min", "the least", _widest, (2, MOST_OPERANDS)),
        _call("max", "the greatest", _widest, (2, MOST_OPERANDS)),
        Operator("list", Form.LIST, (0, MOST_ENTRIES), Precedence.ATOM, _listed, "these entries"),
        Operator(
            "at", Form.INDEX, (2, 2), Precedence.ATOM, _entry, "the entry at an index, from 0 on"
        ),
        _call("len", "how many entries a list has", _length),
        _call("increasing", "each entry is greater than the one before it", _rising),
        _call("least", "the least entry; inf of an empty list", _extreme),
        _call("greatest", "the greatest entry; -inf of an empty list", _extreme),
        _call("reached", "how many entries of an increasing list are at most x", _reached, (2, 2)),
        _call("product", "the product of the first n entries", _first_ones, (2, 2)),
        _call("total", "the sum of the first n entries", _first_ones, (2, 2)),
        _call("cycle", "which growing cycle holds a step, from 0 on", _cycle, (3, 4)),
        _call("cycle_start", "the first step of the cycle that holds a step", _cycle, (3, 4)),
        _call("cycle_length", "the steps of the cycle that holds a step", _cycle, (3, 4)),
        Operator(
            "cycle_starts",
            Form.TABLE,
            (2, 3),
            Precedence.ATOM,
            _always(Kind.INTS),
            "the first steps of growing cycles",
        ),
        Operator(
            "cycle_lengths",
            Form.TABLE,
            (2, 3),
            Precedence.ATOM,
            _always(Kind.INTS),
            "their lengths; the last one repeats",
        ),
        _call("uniform", "a random number in (0, 1) fixed by a seed and a step", _random, (2, 2)),
        _call("floor", "x rounded to binary64, then down to an integer", _integer),
        _call("ceil", "x rounded to binary64, then up to an integer", _integer),
    )
}


def apply(op: str, *args: Expr, column: int = 0) -> Apply:
    """``op`` over ``args`` with its kind; raises OperandError for operands it does not take."""
    return Apply(op, args, OPERATORS[op].yields(op, args), column)
