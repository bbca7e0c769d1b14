"""A function of the step, as users pass to LambdaLR, in the language of specs."""

from __future__ import annotations

import ast
from typing import Any

from .pasted import Function, NotPortable

_MODULES = ("math", "np", "numpy", "torch", "jnp")
_SPELLED = {"power": "pow", "maximum": "max", "minimum": "min", "absolute": "abs"}
MOST_CHARACTERS = 2_000


def formula(function: Function) -> str:
    """The body of ``function`` with ``step`` for its argument, and numbers for the names it knows.

    Raises:
        NotPortable: For a name whose value is not known, and for anything that is no formula.
    """
    body = _Spelled(function).visit(ast.parse(ast.unparse(function.body), mode="eval").body)
    text = ast.unparse(body)
    if len(text) > MOST_CHARACTERS:
        raise NotPortable(f"a function of {len(text):,} characters. Write it as a spec.")
    return text


class _Spelled(ast.NodeTransformer):
    def __init__(self, function: Function) -> None:
        self.function = function

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id == self.function.step:
            return ast.Name("step")
        if node.id not in self.function.names:
            return node
        value: Any = self.function.names[node.id]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise NotPortable(f"'{node.id}' is no number in this function. Write its value there.")
        number = ast.Constant(abs(value))
        return number if value >= 0 else ast.UnaryOp(ast.USub(), number)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """``math.cos(x)`` as ``cos(x)``, ``float(step)`` as ``step``, ``pow(a, b)`` as a power."""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)) if (
                module in _MODULES
            ):
                name = _SPELLED.get(name, name)
            case ast.Call(func=ast.Name(id=name)):
                pass
            case _:
                raise NotPortable(
                    f"{ast.unparse(node.func)}(...) is no function that formulas have. See the "
                    "page on the language."
                )
        arguments = [self.visit(argument) for argument in node.args]
        match name, arguments:
            case "float", [argument]:
                result: ast.expr = argument
                return result
            case "int", [argument]:
                name = "floor"
            case "pow", [base, exponent]:
                return ast.BinOp(base, ast.Pow(), exponent)
        return ast.Call(ast.Name(name), arguments, [])

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id in _MODULES and node.attr == "pi":
            return ast.Name("pi")
        raise NotPortable(f"{ast.unparse(node)} is not known here. Write its value.")
