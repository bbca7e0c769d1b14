"""What a user pastes: a few lines of Python, read through a whitelist and never evaluated."""

from __future__ import annotations

import ast
import copy
import math
import operator
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..document import SpelledFloat
from ..errors import quoted

_PROMPT = re.compile(r"^(>>>|\.\.\.) ?", re.MULTILINE)  # of Python's own examples
MOST_CHARACTERS = 64 * 1024
MOST_NODES = 5_000
MOST_DEPTH = 60
MOST_EXPONENT = 1_000

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
# What people write around their numbers.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "int": int,
    "float": float,
    "round": round,
    "min": min,
    "max": max,
    "abs": abs,
    "len": len,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.sqrt": math.sqrt,
}


class NotPortable(ValueError):
    """What was given is no schedule that lrgen can read: one line, with a way out."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was pasted: ``path`` is what was called, with imports followed."""

    path: str
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that is no number, text, list or call, such as ``optimizer``."""

    text: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the step, as an expression: ``lambda epoch: 0.95 ** epoch``."""

    step: str
    body: ast.expr
    names: dict[str, Any]


def read(text: str) -> list[Any]:
    """The value of each line that has one, in order: calls, numbers, texts, lists, dictionaries.

    Names stand for what an earlier line assigned to them; others are :class:`Unknown`.

    Raises:
        NotPortable: For anything but imports, assignments, functions of one line and values.
    """
    if len(text) > MOST_CHARACTERS:
        raise NotPortable(
            f"{len(text):,} characters were pasted, the limit is {MOST_CHARACTERS:,}. Paste only "
            "the lines that make the schedule."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = _PROMPT.sub("", textwrap.dedent(text)).strip()
            tree = ast.parse(text + "\n")
    except SyntaxError as error:
        raise NotPortable(
            f"line {error.lineno}: not Python: {error.msg}. Paste whole lines, with their brackets."
        ) from None
    except (ValueError, MemoryError, RecursionError):
        raise NotPortable("not Python, or nested too deeply. Paste fewer lines.") from None
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise NotPortable(
            f"more than {MOST_NODES:,} operations were pasted. Paste only the lines that make the "
            "schedule."
        )
    reader = _Reader(text, {})
    values = list(reader.read(tree.body))
    if not values and reader.skipped is not None:
        raise NotPortable(
            f"line {reader.skipped}: only imports, assignments and calls are read. Paste only the "
            "lines that make the schedule."
        )
    return values


def computed(
    formula: str, values: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]
) -> Any:
    """``formula`` over ``values``, as a pasted line would be read.

    Args:
        formula: Of what people write around their numbers, and of calls of ``functions``.
        values: What its names stand for.
        functions: By the name that they are called with.

    Raises:
        NotPortable: For anything else.
    """
    return _Reader(formula, dict(values), functions).value(ast.parse(formula, mode="eval").body, 0)


def number_text(node: ast.Constant, text: str) -> Any:
    """A real number that remembers how it was written."""
    written = ast.get_source_segment(text, node)
    return node.value if written is None else SpelledFloat(written.replace("_", ""))


class _Reader:
    def __init__(
        self,
        text: str,
        values: dict[str, Any],
        tables: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
    ) -> None:
        self.text = text
        self.values = values
        self.tables = tables
        self.imports: dict[str, str] = {}
        self.skipped: int | None = None

    def read(self, body: list[ast.stmt]) -> Iterator[Any]:
        for statement in body:
            match statement:
                case ast.Import(names=names):
                    for one in names:
                        if one.asname:
                            self.imports[one.asname] = one.name
                case ast.ImportFrom(module=module, names=names):
                    for one in names:
                        self.imports[one.asname or one.name] = f"{module or ''}.{one.name}"
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if (
                    len(names) == len(values)
                ):
                    for target, value in zip(names, [self.value(value, 0) for value in values]):
                        self.values[ast.unparse(target)] = value
                        yield value
                case ast.Assign(targets=[ast.Name() | ast.Attribute() as target], value=value):
                    yield self.assigned(target, value)
                case ast.AnnAssign(
                    target=ast.Name() | ast.Attribute() as target, value=ast.expr() as value
                ):
                    yield self.assigned(target, value)
                case ast.Expr(value=value) | ast.Return(value=ast.expr() as value):
                    yield self.value(value, 0)
                case ast.FunctionDef(name=name):
                    self.values[name] = self.function(statement)
                    yield from self.inside(statement)
                    yield self.values[name]
                case _:
                    self.skip(statement)

    def assigned(self, target: ast.expr, value: ast.expr) -> Any:
        """The value of an assignment, which ``config.lr`` may be the target of too."""
        name = ast.unparse(target)
        self.values[name] = self.value(value, 0)
        return self.values[name]

    def inside(self, function: ast.FunctionDef) -> Iterator[Any]:
        """The values of a function that makes schedules, whose arguments are not known."""
        own = _Reader(self.text, dict(self.values), self.tables)
        own.imports = dict(self.imports)
        for argument in [*function.args.args, *function.args.kwonlyargs]:
            own.values[argument.arg] = Unknown(argument.arg)
        yield from own.read(function.body)
        self.skipped = self.skipped or own.skipped

    def skip(self, statement: ast.stmt) -> None:
        """A loop or the like: nothing of it runs, so what it assigns is not known."""
        self.skipped = self.skipped or statement.lineno
        for node in ast.walk(statement):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                self.values[ast.unparse(node)] = Unknown(ast.unparse(node))

    def value(self, node: ast.expr, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise NotPortable(f"line {node.lineno}: nested too deeply. Name its parts first.")
        depth += 1
        match node:
            case ast.Constant(value=float()):
                return number_text(node, self.text)
            case ast.Constant(value=value) if value is None or isinstance(value, bool | int | str):
                return value
            case ast.Name(id=name):
                return self.values.get(name, Unknown(name))
            case ast.Attribute() if ast.unparse(node) in self.values:
                return self.values[ast.unparse(node)]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                value = self.value(operand, depth)
                if not _is_number(value):
                    return Unknown(ast.unparse(node))
                return -value if isinstance(sign, ast.USub) else value
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self.binary(node, self.value(left, depth), self.value(right, depth))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.holds(test, depth) else orelse, depth)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return self.holds(node, depth)
            case ast.List(elts=entries) | ast.Tuple(elts=entries):
                return [self.value(entry, depth) for entry in entries]
            case ast.Dict(keys=keys, values=values) if all(keys):
                return self.dictionary(node, keys, values, depth)
            case ast.Lambda(args=ast.arguments(args=[ast.arg(arg=step)]), body=body):
                return Function(step, body, self.values)
            case ast.Call():
                return self.call(node, depth)
            case ast.Subscript(value=whole, slice=place):
                return self.entry(node, self.value(whole, depth), self.value(place, depth))
            case _:
                return Unknown(ast.unparse(node))

    def entry(self, node: ast.Subscript, whole: Any, place: Any) -> Any:
        """``config["lr"]`` and ``shares[0]``, of what was written above."""
        match whole, place:
            case (dict(), int() | str()) if place in whole:
                return whole[place]
            case (list(), int()) if -len(whole) <= place < len(whole):
                return whole[place]
            case _:
                return Unknown(ast.unparse(node))

    def holds(self, node: ast.expr, depth: int) -> bool:
        """Whether a condition between known values holds."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.holds(operand, depth)
            case ast.BoolOp(op=op, values=values):
                every = (self.holds(value, depth) for value in values)
                return all(every) if isinstance(op, ast.And) else any(every)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                pair = self.value(left, depth), self.value(right, depth)
                if not any(isinstance(one, Unknown | Call | Function) for one in pair):
                    try:
                        return bool(_COMPARE[type(op)](*pair))
                    except TypeError:
                        pass  # a text with a number
            case _:
                value = self.value(node, depth)
                if isinstance(value, bool):
                    return value
        raise NotPortable(
            f"line {node.lineno}: whether {ast.unparse(node)} is not known here. Write what holds."
        )

    def dictionary(
        self, node: ast.Dict, keys: list[ast.expr | None], values: list[ast.expr], depth: int
    ) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in zip(keys, values):
            assert key is not None
            read = self.value(key, depth)
            if not isinstance(read, int | float | str):
                raise NotPortable(
                    f"line {node.lineno}: the key {ast.unparse(key)} is no number and no text. "
                    "Write its value."
                )
            result[read] = self.value(value, depth)
        return result

    def binary(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        if not (_is_number(left) and _is_number(right)):
            return Unknown(ast.unparse(node))
        if isinstance(node.op, ast.Pow) and not abs(right) <= MOST_EXPONENT:
            raise NotPortable(f"line {node.lineno}: the exponent is larger than {MOST_EXPONENT:,}.")
        try:
            result = _BINARY[type(node.op)](left, right)
        except ArithmeticError as error:
            raise NotPortable(f"line {node.lineno}: {error}. Write its value.") from None
        if not _is_number(result):
            raise NotPortable(f"line {node.lineno}: the number is too large. Write a smaller one.")
        return result

    def call(self, node: ast.Call, depth: int) -> Any:
        path = self.path(node.func)
        arguments = [self.value(argument, depth) for argument in node.args]
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            return Unknown(ast.unparse(node))
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, depth)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
                keywords |= value
            else:
                raise NotPortable(
                    f"line {node.lineno}: **{ast.unparse(keyword.value)} is not known here. Write "
                    "its arguments out."
                )
        if path == "dict" and not arguments:
            return keywords
        # Rounding to a billion digits would take as long.
        if path in FUNCTIONS and not keywords and (path != "round" or len(arguments) == 1):
            return self.applied(node, path, arguments)
        if path in self.tables:
            return self.tables[path](*arguments)
        return Unknown(ast.unparse(node)) if not path else Call(path, tuple(arguments), keywords)

    def applied(self, node: ast.Call, path: str, arguments: list[Any]) -> Any:
        flat = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
        if path != "len" and not all(_is_number(argument) for argument in flat):
            return Unknown(ast.unparse(node))
        if path == "len" and not isinstance(arguments[0] if arguments else None, list):
            return Unknown(ast.unparse(node))
        try:
            return FUNCTIONS[path](*arguments)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise NotPortable(f"line {node.lineno}: {error}. Write its value.") from None

    def path(self, node: ast.expr) -> str:
        """``torch.optim.SGD`` of what is called, with imports followed; empty for no such path."""
        parts: list[str] = []
        match node:
            case ast.Call(func=ast.Name(id="L" | "LazyCall"), args=[ast.expr() as called]):
                node = called  # detectron2's lazy configuration
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        first = self.imports.get(node.id, node.id)
        return ".".join([first, *reversed(parts)])

    def function(self, node: ast.FunctionDef) -> Any:
        """A function of the step whose lines are `if ...: return` and `return`, as one formula."""
        arguments = node.args.args
        body = _as_expression(node.body)
        if len(arguments) != 1 or arguments[0].arg == "self" or body is None:
            return Unknown(node.name)
        return Function(arguments[0].arg, body, self.values)


class _Inlined(ast.NodeTransformer):
    """What a line assigned, in the lines below it."""

    def __init__(self, name: str, value: ast.expr) -> None:
        self.name = name
        self.value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        stands = node.id == self.name and isinstance(node.ctx, ast.Load)
        return self.value if stands else node


def _as_expression(body: list[ast.stmt]) -> ast.expr | None:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())) | ast.Assert(), *rest]:
            return _as_expression(rest)
        case [ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value), *rest]:
            found = _as_expression(rest)
            if found is None or _is_too_large(found, value):
                return None
            inlined: ast.expr = _Inlined(name, value).visit(copy.deepcopy(found))
            return inlined
        case [ast.Return(value=ast.expr() as value), *_]:
            return value
        case [ast.If(test=test, body=then, orelse=otherwise), *rest]:
            first, second = _as_expression(then), _as_expression([*otherwise, *rest])
            if first is None or second is None:
                return None
            return ast.copy_location(ast.IfExp(test, first, second), test)
        case _:
            return None


def _is_too_large(body: ast.expr, value: ast.expr) -> bool:
    """Whether ``body`` with ``value`` in it may have more than an expression's worth of parts."""
    return sum(1 for _ in ast.walk(body)) * sum(1 for _ in ast.walk(value)) > MOST_NODES


def _is_number(value: Any) -> bool:
    # The bound before all else: an integer may be too large to become a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**1000


def told(value: Any) -> str:
    """How a message names a value."""
    match value:
        case Unknown(text=text):
            return quoted(text)
        case Call(path=path):
            return f"{path}(...)"
        case Function():
            return "a function"
        case _:
            return quoted(repr(value))
