"""How Python itself spells operators over numbers that it holds."""

from __future__ import annotations

from collections.abc import Mapping

from ..expr import Apply, Kind
from ..ops import OPERATORS, Form, Precedence
from ..printer import Dialect, Spelling

Table = Mapping[str, Spelling]


def spelt(text: str, precedence: Precedence = Precedence.ATOM, operand: int = 1) -> Spelling:
    """A row of a table: ``{0}`` and ``{1}`` stand for the operands."""
    return Spelling(text, precedence, Precedence(operand))


_BUILTIN = ("abs", "min", "max", "len")
_LISTS = ("increasing", "least", "greatest", "reached", "product", "total")
_OTHERS = ("cycle", "cycle_start", "cycle_length", "uniform", *_LISTS)

MATH: Table = {
    **{
        row.name: spelt(f"math.{row.name}({{all}})")
        for row in OPERATORS.values()
        if row.form is Form.CALL and row.name not in (*_BUILTIN, *_OTHERS)
    },
    **{name: spelt(f"{name}({{all}})") for name in _BUILTIN},
    "increasing": spelt("all(a < b for a, b in itertools.pairwise({0}))"),
    "least": spelt("min({0}, default=math.inf)"),
    "greatest": spelt("max({0}, default=-math.inf)"),
    "reached": spelt("bisect.bisect_right({0}, {1})"),
    "product": Spelling("math.prod({0}[:{1}])", operand=Precedence.ATOM),
    "total": Spelling("sum({0}[:{1}])", operand=Precedence.ATOM),
    "total:real": Spelling("math.fsum({0}[:{1}])", operand=Precedence.ATOM),
    "cycle_tables": spelt("_cycles({all})"),
    "uniform": spelt("_uniform({0}, {1})"),
    "inf": spelt("math.inf"),
    "pi": spelt("math.pi"),
    "real": spelt("float({0})"),
}
"""Operators over numbers that Python holds; the others are spelt as in formulas."""

WHOLE_LISTS = ("len", "increasing", "least", "greatest")
"""Of a list that Python holds: never an array themselves."""
LISTS = (*_LISTS, "len", "total:real", "cycle_tables", "uniform")
"""What array code leaves to Python where Python holds the operands."""


def spelling_in(table: Table, node: Apply) -> Spelling | None:
    """The row for ``node``, that for real results before the general one."""
    if node.kind is Kind.REAL and f"{node.op}:real" in table:
        return table[f"{node.op}:real"]
    return table.get(node.op)


def _spelling(node: Apply) -> Spelling | None:
    return spelling_in(MATH, node)


PYTHON_DIALECT = Dialect(_spelling)
