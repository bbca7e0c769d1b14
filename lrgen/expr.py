"""The formula tree: frozen, typed, in the author's order.

Four kinds of node. :class:`Apply` carries every operator, from ``+`` to ``a if c else b``; what an
operator means stands in :mod:`lrgen.ops`. :class:`Invoke` is the call of another schedule and is
gone after it has been inlined.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache


class Kind(enum.Enum):
    """What an expression yields."""

    INT = "an integer"
    REAL = "a real number"
    BOOL = "a condition"
    WORD = "a word"
    INTS = "a list of integers"
    REALS = "a list of real numbers"

    # Every tree's hash asks for this one; an enumeration's own is Python code.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, never negative: an exact integer or a binary64."""

    value: int | float

    @property
    def kind(self) -> Kind:
        return Kind.INT if isinstance(self.value, int) else Kind.REAL

    # 1 == 1.0 in Python, but 1 is exact and 1.0 is real: they are different literals.
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Number)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Word:
    """One of the words of a choice."""

    text: str
    kind: Kind = Kind.WORD


@dataclass(frozen=True, slots=True)
class Name:
    """A parameter, a ``[let]`` or ``step``."""

    id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator with its operands; ``column`` is where the author wrote it (0: not by hand)."""

    op: str
    args: tuple[Expr, ...]
    kind: Kind
    column: int = field(default=0, compare=False)
    digest: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Trees are keys of many tables: a hash that walked the tree each time took a third of a
        # build.
        object.__setattr__(self, "digest", hash((self.op, self.args, self.kind)))

    def __hash__(self) -> int:
        return self.digest

    # Equal trees mostly are one tree, and unequal ones differ in their hash: either is told
    # without a walk. Where both hashes agree, the trees are compared all the same.
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Apply)
            and self.digest == other.digest
            and self.op == other.op
            and self.args == other.args
            and self.kind is other.kind
        )

    def __reduce__(self) -> tuple[type[Apply], tuple[str, tuple[Expr, ...], Kind, int]]:
        # Hashes of strings differ from process to process.
        return Apply, (self.op, self.args, self.kind, self.column)


@dataclass(frozen=True, slots=True)
class Invoke:
    """Another schedule by name, at the integer ``step`` and with these arguments."""

    schedule: str
    step: Expr
    arguments: tuple[tuple[str, Expr], ...]
    column: int = field(default=0, compare=False)
    kind: Kind = Kind.REAL


Expr = Number | Word | Name | Apply | Invoke

ENTRY = {Kind.INTS: Kind.INT, Kind.REALS: Kind.REAL}
"""The kind of a list's entries."""

STEP = Name("step", Kind.INT)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct operands of a node."""
    match expr:
        case Apply(args=args):
            return args
        case Invoke(step=step, arguments=arguments):
            return (step, *(value for _, value in arguments))
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """Every node, the root first."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def rebuild(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The same node over changed operands; the very node where nothing changed."""
    match expr:
        case Apply(args=args):
            new = tuple(change(a) for a in args)
            if all(n is a for n, a in zip(new, args)):
                return expr
            return Apply(expr.op, new, expr.kind, expr.column)
        case Invoke(step=step, arguments=arguments):
            return replace(
                expr,
                step=change(step),
                arguments=tuple((name, change(value)) for name, value in arguments),
            )
        case _:
            return expr


def substitute(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    """``expr`` with names replaced by expressions."""
    if isinstance(expr, Name):
        return values.get(expr.id, expr)
    return rebuild(expr, lambda child: substitute(child, values))


def names_in(expr: Expr) -> set[str]:
    """The names that occur."""
    return set(_names_in(expr))


@lru_cache(maxsize=1 << 14)
def _names_in(expr: Expr) -> frozenset[str]:
    if isinstance(expr, Name):
        return frozenset((expr.id,))
    return frozenset[str]().union(*map(_names_in, children(expr)))
