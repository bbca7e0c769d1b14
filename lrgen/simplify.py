"""What a person crosses out after putting arguments into a formula: ``0.0 + x``, ``1 * x``,
``step - w < total - w``, and branches that cannot be taken. An author's own text is left alone."""

from __future__ import annotations

from .expr import STEP, Apply, Expr, Kind, Number, Word, rebuild, walk
from .linear import ONE, added, difference, linear, scaled, spelled
from .ops import apply

_ORDERS = ("<", "<=", ">", ">=")


def simplify(expr: Expr) -> Expr:
    """``expr`` with what is plainly superfluous crossed out; the value stays the very same."""
    expr = rebuild(expr, simplify)
    if not isinstance(expr, Apply):
        return expr
    match expr.op, expr.args:
        case "+", (a, b):
            if _is(a, 0):
                return _as(expr.kind, b)
            if _is(b, 0):
                return _as(expr.kind, a)
        case "-", (a, b):
            if _is(b, 0):
                return _as(expr.kind, a)
            if a == b:
                return Number(0) if expr.kind is Kind.INT else Number(0.0)
            if expr.kind is Kind.INT:
                return difference(a, b)
        case "*", (a, b):
            for x, y in ((a, b), (b, a)):
                if _is(x, 1):
                    return _as(expr.kind, y)
                if _is(x, 0):
                    return Number(0) if expr.kind is Kind.INT else Number(0.0)
        case "/", (a, b):
            if _is(b, 1) and a.kind is Kind.REAL:
                return a
            if _is(a, 0):
                return Number(0.0)
        case "**", (a, b):
            if _is(b, 1):
                return _as(expr.kind, a)
        case ("max" | "min") as op, args:
            return _extreme(op, args, expr)
        case "if", (condition, yes, no):
            if _truth(condition) is not None:
                return _as(expr.kind, yes if _truth(condition) else no)
            if yes == no:
                return yes
        case "not", (a,):
            if _truth(a) is not None:
                return apply(str(not _truth(a)))
        case ("and" | "or") as op, (a, b):
            for x, y in ((a, b), (b, a)):
                truth = _truth(x)
                if truth is not None:
                    return y if truth == (op == "and") else x
        case ("==" | "!=") as op, (Word(text=a), Word(text=b)):
            return apply(str((a == b) == (op == "==")))
        case op, (a, b) if op in _ORDERS and a.kind is b.kind is Kind.INT:
            return _comparison(op, a, b, expr)
    return expr


def _extreme(op: str, args: tuple[Expr, ...], expr: Apply) -> Expr:
    """Numbers among the operands of min and max are folded into one."""
    numbers = [a for a in args if isinstance(a, Number)]
    if len(numbers) == len(args):
        chosen = (min if op == "min" else max)(numbers, key=lambda n: n.value)
        return _as(expr.kind, chosen)
    return expr


def _comparison(op: str, a: Expr, b: Expr, expr: Apply) -> Expr:
    """What stands on both sides is taken away, where that makes the comparison shorter."""
    parts = added(linear(a), scaled(linear(b), -1))
    if set(parts) <= {ONE}:
        gap = parts.get(ONE, 0)
        truth = {"<": gap < 0, "<=": gap <= 0, ">": gap > 0, ">=": gap >= 0}[op]
        return apply(str(truth))
    if len(parts) >= len(linear(a)) + len(linear(b)):
        return expr
    left = spelled({p: f for p, f in parts.items() if f > 0})
    right = spelled({p: -f for p, f in parts.items() if f < 0})
    if left is None or right is None:
        return expr
    if any(_has_step(n) for n in (right,)) and not _has_step(left):
        mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[op]
        return apply(mirrored, right, left)
    return apply(op, left, right)


def _has_step(expr: Expr) -> bool:
    return any(node == STEP for node in walk(expr))


def _is(expr: Expr, value: int) -> bool:
    return isinstance(expr, Number) and expr.value == value


def _as(kind: Kind, expr: Expr) -> Expr:
    """``expr`` where ``kind`` is wanted: a whole literal becomes the real it stands for."""
    if kind is Kind.REAL and isinstance(expr, Number) and expr.kind is Kind.INT:
        return Number(float(expr.value))
    return expr


def _truth(expr: Expr) -> bool | None:
    match expr:
        case Apply(op="True"):
            return True
        case Apply(op="False"):
            return False
    return None
