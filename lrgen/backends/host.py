"""How Python itself spells operators over numbers that it holds."""

from __future__ import annotations

from collections.abc import Mapping

from ..expr import Apply
from ..ops import OPERATORS, Form, Precedence
from ..printer import Dialect, Spelling

Table = Mapping[str, Spelling]


def spelt(text: str, precedence: Precedence = Precedence.ATOM, operand: int = 1) -> Spelling:
    """A row of a table: ``{0}`` and ``{1}`` stand for the operands."""
    return Spelling(text, precedence, Precedence(operand))


_BUILTIN = ("abs", "min", "max")

MATH: Table = {
    **{
        row.name: spelt(f"math.{row.name}({{all}})")
        for row in OPERATORS.values()
        if row.form is Form.CALL and row.name not in _BUILTIN
    },
    **{name: spelt(f"{name}({{all}})") for name in _BUILTIN},
    "inf": spelt("math.inf"),
    "pi": spelt("math.pi"),
    "real": spelt("float({0})"),
}
"""Operators over numbers that Python holds; the others are spelt as in formulas."""


def _spelling(node: Apply) -> Spelling | None:
    return MATH.get(node.op)


PYTHON_DIALECT = Dialect(_spelling)
