"""Text to tree: a whitelist over Python's own expression grammar. Nothing is ever evaluated."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .errors import SpecError, did_you_mean, quoted
from .expr import Apply, Expr, Invoke, Kind, Name, Number, Word, walk
from .ops import MOST_ENTRIES, OPERATORS, ROUNDINGS, Form, OperandError, apply

MOST_CHARACTERS = 2_000
MOST_NODES = 400
MOST_DEPTH = 40
MOST_INTEGER = 2**63 - 1
MOST_EXPONENT = 1_000

_BINARY = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARE = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_FUNCTIONS = {row.name for row in OPERATORS.values() if row.form is Form.CALL}
_CYCLES = ("cycle", "cycle_start", "cycle_length")
_CONSTANTS = {row.name for row in OPERATORS.values() if row.form is Form.CONSTANT}


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a name stands for in a formula: its kind, and the words of a choice."""

    kind: Kind
    words: tuple[str, ...] = ()


def parse(text: str, symbols: Mapping[str, Symbol], schedules: Collection[str]) -> Expr:
    """Read one formula.

    Args:
        text: The formula, at most 2,000 characters; line breaks count as spaces.
        symbols: The names that may occur.
        schedules: Names of the schedules that may be called.

    Raises:
        SpecError: With the column, for everything outside the formula language.
    """
    text = " ".join(text.split())
    if not text:
        raise SpecError("the formula is empty", "Write an expression.")
    if len(text) > MOST_CHARACTERS:
        raise SpecError(
            f"the formula has {len(text):,} characters, the limit is {MOST_CHARACTERS:,}",
            "Name its parts in [let].",
        )
    for place, character in enumerate(text, 1):
        if not (character.isascii() and character.isprintable()):
            raise SpecError(
                f"the character {character!r} is not part of the formula language",
                "Use plain ASCII.",
                column=place,
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that of an unknown escape in a word
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = error.offset or 1
        raise SpecError(
            f"not a formula: {error.msg}", "Check the brackets and operators.", column=column
        ) from None
    except (ValueError, MemoryError, RecursionError):
        raise SpecError("the formula is nested too deeply", "Name its parts in [let].") from None
    if sum(1 for _ in ast.walk(tree)) > 3 * MOST_NODES:
        raise SpecError(f"more than {MOST_NODES} operations", "Name its parts in [let].")
    return _Reader(symbols, schedules).read(tree, 0)


class _Reader:
    def __init__(self, symbols: Mapping[str, Symbol], schedules: Collection[str]) -> None:
        self.symbols = symbols
        self.schedules = schedules

    def read(self, node: ast.expr, depth: int) -> Expr:
        if depth > MOST_DEPTH:
            raise self.error(node, "the formula is nested too deeply", "Name its parts in [let].")
        depth += 1
        match node:
            case ast.Constant():
                return self.literal(node)
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.apply(node, "neg", self.read(operand, depth))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, depth)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.apply(node, "not", self.read(operand, depth))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self.binary(
                    node, _BINARY[type(op)], self.read(left, depth), self.read(right, depth)
                )
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                result = self.read(values[0], depth)
                for value in values[1:]:
                    result = self.apply(node, word, result, self.read(value, depth))
                return result
            case ast.Compare():
                return self.comparison(node, depth)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.apply(
                    node,
                    "if",
                    self.read(test, depth),
                    self.read(body, depth),
                    self.read(orelse, depth),
                )
            case ast.Call():
                return self.call(node, depth)
            case ast.List(elts=entries):
                return self.entries(node, entries, depth)
            case ast.Subscript(value=values, slice=index) if not isinstance(index, ast.Slice):
                return self.apply(node, "at", self.read(values, depth), self.read(index, depth))
            case _:
                raise self.error(
                    node,
                    f"{_THING.get(type(node), type(node).__name__)} is not part of the "
                    "formula language",
                    "A formula has numbers, names, operators, comparisons, `a if c else b` "
                    "and calls.",
                )

    def entries(self, node: ast.expr, entries: list[ast.expr], depth: int) -> Expr:
        if not 1 <= len(entries) <= MOST_ENTRIES:
            raise self.error(
                node,
                f"a list of {len(entries)} entries",
                f"Write 1 to {MOST_ENTRIES}, or use a parameter.",
            )
        return self.apply(node, "list", *(self.read(entry, depth) for entry in entries))

    def literal(self, node: ast.Constant) -> Expr:
        match node.value:
            case bool() as value:
                return apply(str(value), column=node.col_offset + 1)
            case int() as value:
                if value > MOST_INTEGER:
                    raise self.error(
                        node, "the integer is larger than 2**63 - 1", "Write it as a real number."
                    )
                return Number(value)
            case float() as value:
                if value == float("inf"):
                    raise self.error(
                        node, "the number is larger than binary64 can hold", "Write a smaller one."
                    )
                return Number(value)
            case str():
                raise self.error(
                    node,
                    "a word stands only beside a choice",
                    "Compare a choice with it, as in `mode == 'min'`.",
                )
            case _:
                raise self.error(
                    node, f"{node.value!r} is not part of the formula language", "Use a number."
                )

    def name(self, node: ast.expr, name: str) -> Expr:
        if name in _CONSTANTS:
            return apply(name, column=node.col_offset + 1)
        if name not in self.symbols:
            known = [*self.symbols, *_CONSTANTS, *_FUNCTIONS]
            hint = did_you_mean(name, known) or "Declare it in [parameters] or [let]."
            raise self.error(node, f"unknown name {quoted(name)}", hint)
        return Name(name, self.symbols[name].kind)

    def binary(self, node: ast.expr, op: str, left: Expr, right: Expr) -> Expr:
        if op == "**" and isinstance(right, Number) and right.value > MOST_EXPONENT:
            raise self.error(
                node, f"the exponent is larger than {MOST_EXPONENT:,}", "Use exp or a smaller one."
            )
        if op == "**" and _is_literal(left) and _is_tower(right):
            raise self.error(node, "a tower of powers of numbers", "Write its value.")
        return self.apply(node, op, left, right)

    def comparison(self, node: ast.Compare, depth: int) -> Expr:
        operands = [node.left, *node.comparators]
        result: Expr | None = None
        for op, left, right in zip(node.ops, operands, operands[1:]):
            if type(op) not in _COMPARE:
                raise self.error(
                    node, "'in' and 'is' are not part of the formula language", "Use == or !=."
                )
            pair = self.word_pair(left, right, depth) or (
                self.read(left, depth),
                self.read(right, depth),
            )
            one = self.apply(node, _COMPARE[type(op)], *pair)
            result = one if result is None else self.apply(node, "and", result, one)
        assert result is not None
        return result

    def word_pair(self, left: ast.expr, right: ast.expr, depth: int) -> tuple[Expr, Expr] | None:
        """A choice and one of its words, in the author's order."""
        for choice, word in ((left, right), (right, left)):
            if isinstance(word, ast.Constant) and isinstance(word.value, str):
                read = self.read(choice, depth)
                if not isinstance(read, Name) or read.kind is not Kind.WORD:
                    raise self.error(
                        word,
                        "a word is compared with something that is no choice",
                        "Only a parameter of type 'choice' is compared with a word.",
                    )
                words = self.symbols[read.id].words
                if word.value not in words:
                    listed = ", ".join(f"'{w}'" for w in words)
                    raise self.error(
                        word,
                        f"{quoted(word.value)} is not a word of the choice {quoted(read.id)}",
                        did_you_mean(word.value, words) or f"It is one of {listed}.",
                    )
                pair: tuple[Expr, Expr] = (read, Word(word.value))
                return pair if choice is left else (pair[1], pair[0])
        return None

    def call(self, node: ast.Call, depth: int) -> Expr:
        name = self.called(node)
        if any(isinstance(arg, ast.Starred) for arg in node.args) or any(
            keyword.arg is None for keyword in node.keywords
        ):
            raise self.error(node, "'*' and '**' do not unpack here", "Write each argument.")
        if name in _FUNCTIONS and name not in self.schedules:
            if node.keywords:
                raise self.error(node, f"'{name}' takes no named arguments", "Leave the name out.")
            least, most = OPERATORS[name].arity
            if not least <= len(node.args) <= most:
                wanted = f"{least}" if least == most else f"{least} to {most}"
                raise self.error(
                    node,
                    f"'{name}' takes {wanted} arguments, but got {len(node.args)}",
                    f"Give it {wanted}.",
                )
            args = [self.read(arg, depth) for arg in node.args[:3]]
            if len(node.args) > 3 and name in _CYCLES:
                args.append(self.rounding(node.args[3], depth))
            else:
                args += [self.read(arg, depth) for arg in node.args[3:]]
            return self.apply(node, name, *args)
        if name in self.schedules:
            return self.invoke(node, name, depth)
        hint = did_you_mean(name, [*_FUNCTIONS, *self.schedules]) or (
            "Call an operator, a schedule of the catalogue, or one built together with this one."
        )
        raise self.error(node, f"unknown function or schedule {quoted(name)}", hint)

    def called(self, node: ast.Call) -> str:
        """What a call calls: a plain name, or that of a dialect after its library and a dot."""
        parts: list[str] = []
        here = node.func
        while isinstance(here, ast.Attribute):
            parts.append(here.attr)
            here = here.value
        match here:
            case ast.Name(id=name) if not parts or self.is_library(name):
                return ".".join([name, *reversed(parts)])
            case _:
                raise self.error(
                    node,
                    "only operators and schedules are called",
                    "Call them by their plain name, or a dialect as in torch.StepLR(step).",
                )

    def is_library(self, name: str) -> bool:
        """Whether schedules of a library of this name may be called."""
        return any(schedule.startswith(f"{name}.") for schedule in self.schedules)

    def rounding(self, node: ast.expr, depth: int) -> Expr:
        """How growing cycles come to whole steps: one of two words, or a choice of them."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words: tuple[str, ...] = (node.value,)
            result: Expr = Word(node.value)
        else:
            result = self.read(node, depth)
            words = self.symbols[result.id].words if isinstance(result, Name) else ()
        for word in words:
            if word not in ROUNDINGS:
                raise self.error(
                    node,
                    f"{quoted(word)} is no way to round the lengths of cycles",
                    f"It is one of {', '.join(repr(r) for r in ROUNDINGS)}.",
                )
        return result

    def invoke(self, node: ast.Call, name: str, depth: int) -> Expr:
        if len(node.args) != 1:
            raise self.error(
                node,
                f"the schedule '{name}' takes one argument without a name, its step, "
                f"but got {len(node.args)}",
                f"Write `{name}(step, ...)` and name the others.",
            )
        step = self.read(node.args[0], depth)
        if step.kind is not Kind.INT:
            raise self.error(
                node.args[0], f"the step of '{name}' is {step.kind.value}", "Steps are integers."
            )
        arguments: dict[str, Expr] = {}
        for keyword in node.keywords:
            assert keyword.arg is not None
            if keyword.arg in arguments:
                raise self.error(node, f"'{keyword.arg}' is given twice", "Give it once.")
            value = keyword.value
            arguments[keyword.arg] = (
                Word(value.value)
                if isinstance(value, ast.Constant) and isinstance(value.value, str)
                else self.read(value, depth)
            )
        return Invoke(name, step, tuple(arguments.items()), node.col_offset + 1)

    def apply(self, node: ast.expr, op: str, *args: Expr) -> Expr:
        try:
            return apply(op, *args, column=node.col_offset + 1)
        except OperandError as error:
            raise self.error(node, error.fact, error.hint) from None

    def error(self, node: ast.expr, fact: str, hint: str) -> SpecError:
        return SpecError(fact, hint, column=node.col_offset + 1)


def _is_tower(expr: Expr) -> bool:
    """Whether ``expr`` is itself a power, of numbers only: 9 ** 9 ** 9 names nothing."""
    return _is_literal(expr) and any(isinstance(n, Apply) and n.op == "**" for n in walk(expr))


def _is_literal(expr: Expr) -> bool:
    match expr:
        case Number():
            return True
        case Name() | Word() | Invoke():
            return False
        case _:
            return all(_is_literal(arg) for arg in expr.args)


_THING: dict[type, str] = {
    ast.Attribute: "an attribute",
    ast.Subscript: "a slice",
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.JoinedStr: "a format string",
    ast.Tuple: "a tuple",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.NamedExpr: "an assignment",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.BinOp: "this operator",
    ast.UnaryOp: "this operator",
}
