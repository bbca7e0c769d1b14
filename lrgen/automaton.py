"""A schedule that remembers, run exactly: what its emitted code is held to.

Integers and flags are Python's own. What is observed enters exactly, and an update computes with it
as IEEE 754 does, save that nothing is rounded: comparisons with NaN are false, inf - inf is NaN.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from .evaluate import Arithmetic, NotFinite
from .expr import Apply, Expr, Name, Number, Word
from .sampling import arguments
from .schedule import Piece, Schedule, Value

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Automaton:
    """The author's own formulas at one set of parameters.

    Attributes:
        values: Parameters and states by name: integers, flags, words and mpmath reals.
        line: The name of the line of the update that was computed last.
    """

    def __init__(
        self, schedule: Schedule, values: Mapping[str, Value], exact: Arithmetic | None = None
    ) -> None:
        assert schedule.observes is not None
        self.schedule = schedule
        self.observes = schedule.observes
        self.exact = exact or Arithmetic()
        self.values = arguments(schedule, values, self.exact)
        self.values |= {s.name: self._value(s.initial, self.values) for s in schedule.state}
        self.line = ""
        self._lets = [(let.name, let.value) for let in schedule.lets]

    @property
    def state(self) -> dict[str, Any]:
        """What is remembered now."""
        return {name: self.values[name] for name in self.schedule.state_names}

    def observe(self, observation: float) -> None:
        """Take in an observation, NaN and infinities too.

        Raises:
            NotFinite: Where an operator has no value, such as a division by 0.
        """
        at = {**self.values, self.observes: self.exact.real(observation)}
        for line in self.schedule.update:
            self.line = line.name
            at[line.name] = self._value(line.value, at)
        self.values |= {name: at[name] for name in self.schedule.state_names}

    def rate(self, step: int = 0) -> Any:
        """The value now, at ``step`` where it depends on it, as an mpmath real.

        Raises:
            NotFinite: Where the formula has no finite value.
        """
        return self.exact.real(self.exact.value(self.piece(step).value, self.at(step), self._lets))

    def piece(self, step: int = 0) -> Piece:
        """The piece that holds now."""
        at = self.at(step)
        for piece in self.schedule.pieces:
            if piece.condition is None or self.exact.value(piece.condition, at, self._lets):
                return piece
        raise AssertionError("the last piece has no condition")

    def at(self, step: int) -> dict[str, Any]:
        """Parameters, states and ``step``, as the exact evaluator takes them."""
        return {**self.values, "step": step}

    def _value(self, expr: Expr, at: Mapping[str, Any]) -> Any:
        match expr:
            case Number(value=value):
                return value if isinstance(value, int) else self.exact.real(value)
            case Word(text=text):
                return text
            case Name(id=name):
                return at[name]
            case Apply(op="if", args=(condition, yes, no)):
                return self._value(yes if self._value(condition, at) else no, at)
            case Apply(op="and", args=(a, b)):
                return self._value(a, at) and self._value(b, at)
            case Apply(op="or", args=(a, b)):
                return self._value(a, at) or self._value(b, at)
            case Apply(op=op, args=(a, b)) if op in _COMPARE:
                return _COMPARE[op](self._value(a, at), self._value(b, at))
            case Apply(op=op, args=args):
                return self._operation(expr, [self._value(arg, at) for arg in args])
        raise TypeError(f"{type(expr).__name__} has no value before it is inlined")

    def _operation(self, node: Apply, operands: list[Any]) -> Any:
        mp = self.exact.context
        if node.op == "/" and operands[1] == 0:
            raise NotFinite(node, "the division is by 0")
        try:
            result = self.exact.table[node.op](*operands)
        except ZeroDivisionError:
            raise NotFinite(node, "the division is by 0") from None
        except (OverflowError, ValueError, TypeError):
            raise NotFinite(node, f"'{node.op}' has no value") from None
        if isinstance(result, bool | int | str):
            return result
        if isinstance(result, complex | mp.mpc):
            raise NotFinite(node, f"'{node.op}' has no real value")
        if abs(result) > self.exact.largest:  # false for NaN
            return mp.inf if result > 0 else -mp.inf
        return result
