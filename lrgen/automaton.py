"""A schedule that remembers, run exactly: what its emitted code is held to.

Integers and flags are Python's own. What is observed enters exactly, and an update computes with it
as IEEE 754 does, save that nothing is rounded: comparisons with NaN are false, inf - inf is NaN.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from .errors import SpecError
from .evaluate import Arithmetic, NotFinite
from .expr import Apply, Expr, Kind, Name, Number, Word, names_in
from .sampling import arguments
from .schedule import Piece, Schedule, Value

BEYOND_INT64 = 2**63

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
        observations: How many there were.
    """

    def __init__(
        self, schedule: Schedule, values: Mapping[str, Value], exact: Arithmetic | None = None
    ) -> None:
        assert schedule.observes is not None
        self.schedule = schedule
        self.observes = schedule.observes
        self.exact = exact or Arithmetic()
        self.values = arguments(schedule, values, self.exact)
        self.observations = 0
        self._given = values
        for state in schedule.state:
            try:
                self.values[state.name] = self._value(state.initial, self.values)
            except NotFinite as error:
                raise self._failed(f"state '{state.name}'", error.fact, error.node) from None
        self._lets = [(let.name, let.value) for let in schedule.lets]

    @property
    def state(self) -> dict[str, Any]:
        """What is remembered now."""
        return {name: self.values[name] for name in self.schedule.state_names}

    def observe(self, observation: float) -> None:
        """Take in an observation, NaN and infinities too.

        Raises:
            SpecError: Where an operator has no value, such as a division by 0, and where an integer
                grows beyond 64 bits.
        """
        self.observations += 1
        at = {**self.values, self.observes: self.exact.real(observation)}
        for line in self.schedule.update:
            try:
                value = self._value(line.value, at)
            except NotFinite as error:
                fact = f"{error.fact} at observation {self.observations}, of {observation!r}"
                raise self._failed(f"update '{line.name}'", fact, error.node) from None
            if line.value.kind is Kind.INT and not (
                isinstance(value, int) and abs(value) < BEYOND_INT64
            ):
                place = f"at observation {self.observations}, of {observation!r}"
                fact = f"the integer is larger than 2**63 - 1 {place}"
                raise self._failed(f"update '{line.name}'", fact, line.value)
            at[line.name] = value
        self.values |= {name: at[name] for name in self.schedule.state_names}

    def _failed(self, key: str, fact: str, node: Expr) -> SpecError:
        schedule = self.schedule
        exprs = [*(s.initial for s in schedule.state), *(u.value for u in schedule.update)]
        used = {name for expr in exprs for name in names_in(expr)}
        shown = [f"{name} = {value!r}" for name, value in self._given.items() if name in used]
        return SpecError(
            fact + (f", with {', '.join(shown)}" if shown else ""),
            "Guard it with `a if c else b`, or add a requirement that excludes it.",
            key=key,
            column=(node.column or None) if isinstance(node, Apply) else None,
            file=schedule.file,
        )

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
