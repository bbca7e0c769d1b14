"""Tree to text, with the author's names and the fewest brackets.

A dialect says how an operator is spelt; what it leaves out is spelt as in the formula language, so
that ``parse(show(tree)) == tree``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .expr import Apply, Expr, Invoke, Name, Number, Word
from .ops import OPERATORS, Form, Precedence


@dataclass(frozen=True, slots=True)
class Spelling:
    """``{0}``, ``{1}`` are the operands, ``{all}`` is the list of them; operands that bind looser
    than ``operand`` get brackets."""

    text: str
    precedence: Precedence = Precedence.ATOM
    operand: Precedence = Precedence.TERNARY


@dataclass(frozen=True, slots=True)
class Dialect:
    """How operators are spelt.

    ``spelling`` is asked first and may depend on the whole node, since array code spells an
    operator in one way on the host and in another on the device. ``names`` are spelt anew, such as
    ``best`` as ``self.best``.
    """

    spelling: Callable[[Apply], Spelling | None] = lambda node: None
    names: Mapping[str, str] = field(default_factory=dict)


FORMULA = Dialect()


def literal(value: int | float) -> str:
    """A number as code: ``repr``, with thousands of integers set apart."""
    if isinstance(value, int):
        return f"{value:_}" if value >= 1_000 else str(value)
    return repr(value).replace("e+", "e")


def show(expr: Expr, dialect: Dialect = FORMULA) -> str:
    """``expr`` as one line of text."""
    return _show(expr, dialect)[0]


def _show(expr: Expr, dialect: Dialect) -> tuple[str, Precedence]:
    match expr:
        case Number(value=value):
            return literal(value), Precedence.ATOM
        case Word(text=text):
            return f'"{text}"' if dialect is not FORMULA else f"'{text}'", Precedence.ATOM
        case Name(id=name):
            return dialect.names.get(name, name), Precedence.ATOM
        case Invoke(schedule=schedule, step=step, arguments=arguments):
            inner = [show(step, dialect), *(f"{k}={show(v, dialect)}" for k, v in arguments)]
            return f"{schedule}({', '.join(inner)})", Precedence.ATOM
        case Apply():
            return _apply(expr, dialect)


def _apply(node: Apply, dialect: Dialect) -> tuple[str, Precedence]:
    spelling = dialect.spelling(node)
    if spelling is not None:
        parts = [_operand(arg, spelling.operand, dialect) for arg in node.args]
        return spelling.text.format(*parts, all=", ".join(parts)), spelling.precedence
    row = OPERATORS[node.op]
    own = row.precedence
    match row.form:
        case Form.CONSTANT:
            return row.name, own
        case Form.CALL | Form.TABLE:
            return f"{row.name}({', '.join(show(arg, dialect) for arg in node.args)})", own
        case Form.PREFIX:
            inner = _operand(node.args[0], own, dialect)
            return (f"not {inner}" if node.op == "not" else f"-{inner}"), own
        case Form.LIST:
            return f"[{', '.join(show(arg, dialect) for arg in node.args)}]", own
        case Form.INDEX:
            values, index = node.args
            return f"{_operand(values, own, dialect)}[{show(index, dialect)}]", own
        case Form.TERNARY:
            condition, yes, no = node.args
            return (
                f"{_operand(yes, Precedence.OR, dialect)} if "
                f"{_operand(condition, Precedence.OR, dialect)} else {show(no, dialect)}",
                own,
            )
        case Form.INFIX:
            return _infix(node, own, dialect), own


def _infix(node: Apply, own: Precedence, dialect: Dialect) -> str:
    left, right = node.args
    if node.op == "**":
        # ** binds to the right, and tighter than a sign on its left only.
        base = _operand(left, Precedence.ATOM, dialect)
        exponent = _operand(right, Precedence.SIGN, dialect)
        if _is_simple(base) and _is_simple(exponent):
            return f"{base}**{exponent}"
        return f"{base} ** {exponent}"
    if node.op == "and":
        chained = _chain(node, dialect)
        if chained:
            return chained
    # Comparisons do not associate; the others do to the left.
    first = Precedence(own + 1) if own is Precedence.COMPARE else own
    texts = [
        _operand(left, first, dialect),
        _operand(right, Precedence(own + 1), dialect),
    ]
    if node.op == "or" and dialect is not FORMULA:  # linters ask for brackets that are not needed
        texts = [f"({x})" if _is_and(a, dialect) else x for x, a in zip(texts, node.args)]
    return f"{texts[0]} {node.op} {texts[1]}"


def _is_and(expr: Expr, dialect: Dialect) -> bool:
    match expr:
        case Apply(op="and"):
            return dialect.spelling(expr) is None and not _chain(expr, dialect)
    return False


def _chain(node: Apply, dialect: Dialect) -> str:
    """``0 < gamma <= 1`` for two comparisons that share their middle, else nothing."""
    left, right = node.args
    match left, right:
        case Apply(op=a, args=(x, y)), Apply(op=b, args=(z, w)) if y == z:
            orders = {"<", "<=", ">", ">="}
            if a in orders and b in orders and not any(dialect.spelling(n) for n in (left, right)):
                tight = Precedence.SUM
                parts = [_operand(part, tight, dialect) for part in (x, y, w)]
                return f"{parts[0]} {a} {parts[1]} {b} {parts[2]}"
    return ""


def _operand(expr: Expr, least: Precedence, dialect: Dialect) -> str:
    text, precedence = _show(expr, dialect)
    return text if precedence >= least else f"({text})"


def _is_simple(text: str) -> bool:
    """What ruff's formatter calls simple: it sets ``**`` without spaces between such operands."""
    return text.lstrip("-").replace(".", "").replace("_", "").isalnum() and "e-" not in text
