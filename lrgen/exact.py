"""Formulas as sympy expressions: their meaning, for proofs and for people. Only door of sympy.

sympy is never given a string and never spells code: expressions are built node by node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from .expr import Apply, Expr, Kind, Name, Number, Word
from .schedule import Schedule, expand

_TABLE: dict[str, Callable[..., Any]] = {
    "neg": lambda a: -a,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: sympy.floor(a / b),
    "%": sympy.Mod,
    "**": lambda a, b: a**b,
    "<": sympy.StrictLessThan,
    "<=": sympy.LessThan,
    ">": sympy.StrictGreaterThan,
    ">=": sympy.GreaterThan,
    "==": sympy.Eq,
    "!=": sympy.Ne,
    "and": sympy.And,
    "or": sympy.Or,
    "not": sympy.Not,
    "if": lambda c, a, b: sympy.Piecewise((a, c), (b, True)),
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "tanh": sympy.tanh,
    "expm1": lambda a: sympy.exp(a) - 1,
    "log1p": lambda a: sympy.log(1 + a),
    "abs": sympy.Abs,
    "min": sympy.Min,
    "max": sympy.Max,
    "list": lambda *entries: sympy.Tuple(*entries),
    "at": sympy.Function("entry"),
    "len": sympy.Function("len", integer=True, nonnegative=True),
    "increasing": sympy.Function("increasing"),
    "least": sympy.Function("least", real=True),
    "greatest": sympy.Function("greatest", real=True),
    "reached": sympy.Function("reached", integer=True, nonnegative=True),
    "product": sympy.Function("product", real=True),
    "total": sympy.Function("total", real=True),
    "cycle": sympy.Function("cycle", integer=True, nonnegative=True),
    "cycle_start": sympy.Function("cycle_start", integer=True, nonnegative=True),
    "cycle_length": sympy.Function("cycle_length", integer=True, positive=True),
    "cycle_starts": sympy.Function("cycle_starts"),
    "cycle_lengths": sympy.Function("cycle_lengths"),
    "uniform": sympy.Function("uniform", real=True),
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "pi": lambda: sympy.pi,
    "inf": lambda: sympy.oo,
    "True": lambda: sympy.true,
    "False": lambda: sympy.false,
}


def to_sympy(expr: Expr) -> Any:
    """``expr`` as a sympy expression over real (integer) symbols of the same names.

    Literals are rationals: 0.1 in a formula is the tenth that its author means, for identities do
    not hang on its binary64 neighbour.
    """
    match expr:
        case Number(value=value):
            return sympy.Integer(value) if isinstance(value, int) else sympy.Rational(repr(value))
        case Word(text=text):
            return sympy.Symbol(f"'{text}'")
        case Name(id=name, kind=Kind.INT):
            return sympy.Symbol(name, integer=True)
        case Name(id=name, kind=Kind.REAL):
            return sympy.Symbol(name, real=True)
        case Name(id=name):
            return sympy.Symbol(name)
        case Apply(op=op, args=args):
            return _TABLE[op](*(to_sympy(arg) for arg in args))
    raise TypeError(f"{type(expr).__name__} has no meaning before it is inlined")


def vanishes(expr: Expr) -> bool:
    """Whether sympy shows at once that ``expr`` is 0; False when it does not."""
    try:
        value = to_sympy(expr)
        return bool(value == 0 or sympy.expand(value) == 0 or sympy.cancel(value) == 0)
    except (TypeError, ValueError, sympy.PolynomialError, RecursionError):
        return False


def formula(schedule: Schedule) -> Any:
    """The whole curve as one sympy expression in ``step`` and the parameters."""
    branches = []
    for piece in schedule.pieces:
        value = to_sympy(expand(piece.value, schedule.lets))
        condition: Any = sympy.true
        if piece.condition is not None:
            condition = to_sympy(expand(piece.condition, schedule.lets))
        branches.append((value, condition))
    return branches[0][0] if len(branches) == 1 else sympy.Piecewise(*branches)


def latex(schedule: Schedule) -> str:
    """The whole curve in LaTeX."""
    return str(sympy.latex(formula(schedule)))
