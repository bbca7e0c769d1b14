"""Where a schedule changes at one set of parameters, and how far a picture of it should reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from ..evaluate import Arithmetic, NotFinite
from ..expr import Apply, Expr, names_in, walk
from ..ops import apply
from ..sampling import arguments, boundaries
from ..schedule import Piece, Schedule, Value, expand

MOST_MARKS = 40
"""Lines that a picture can hold; more of them would hide the curve."""
LAST_STEP = 2**62
SEEDS = 400
DIGITS = 30
CYCLES = 3
WITHOUT_END = 10_000
_COUNTS = ("//", "cycle")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


class Outline:
    """The pieces and conditions of ``schedule`` at ``values``, followed along the steps."""

    def __init__(self, schedule: Schedule, values: Mapping[str, Value]) -> None:
        self._exact = Arithmetic(DIGITS)
        self._values = arguments(schedule, values, self._exact)
        lengths = [values[p.name] for p in schedule.parameters if p.type == "steps"]
        self._longest = max((n for n in lengths if isinstance(n, int)), default=0)
        pieces = tuple(self._reached(schedule))
        self._pieces = [(p.condition, p.value, list(_turning(p.value))) for p in pieces]
        conditions = [p.condition for p in pieces if p.condition is not None]
        formulas = [*(p.value for p in pieces), *conditions]
        nodes = [node for formula in formulas for node in _turning(formula)]
        self._nodes = list(dict.fromkeys(nodes))
        found = boundaries(replace(schedule, pieces=pieces, lets=()), values, self._exact)
        found = [place for place in found if 0 < place < LAST_STEP]
        self._turned = {place: self._turned_at(place) for place in found}
        self._listed = [place for place in self._entries() if 0 < place < LAST_STEP]
        self.places = sorted({*found, *self._listed})
        """Steps at which something changes; of what comes again and again, the first."""

    def _reached(self, schedule: Schedule) -> Iterator[Piece]:
        """The pieces that can hold at these parameters, without branches that cannot."""
        for piece in schedule.pieces:
            value = self._taken(expand(piece.value, schedule.lets))
            condition = piece.condition
            if condition is not None:
                condition = self._taken(expand(condition, schedule.lets))
                if "step" not in names_in(condition):
                    if not self._value(condition, self._values):
                        continue
                    condition = None
            yield replace(piece, condition=condition, value=value)
            if condition is None:
                return

    def _taken(self, expr: Expr) -> Expr:
        match expr:
            case Apply(op="if", args=(condition, yes, no)) if "step" not in names_in(condition):
                holds = self._value(condition, self._values)
                return self._taken(no if holds is False else yes)
            case Apply(op=op, args=args) if args:
                return apply(op, *map(self._taken, args))
        return expr

    def _value(self, expr: Expr, values: Mapping[str, object]) -> object:
        try:
            return self._exact.value(expr, values)
        except (NotFinite, KeyError):  # KeyError: the formula depends on the step
            return None

    def _entries(self) -> Iterator[int]:
        """The places that stand in lists: ``reached(places, step - start)`` changes at each."""
        for node in self._nodes:
            match node:
                case Apply(op="reached", args=(places, at)):
                    entries = self._value(places, self._values)
                    first, later = (self._value(at, {**self._values, "step": k}) for k in (0, 999))
                    if isinstance(entries, tuple) and isinstance(first, int):
                        yield from (entry - first for entry in entries if later == first + 999)

    def _turned_at(self, place: int) -> list[Expr]:
        """The conditions and whole numbers that are others at ``place`` than just before it."""
        before, after = ({**self._values, "step": step} for step in (place - 1, place))
        return [n for n in self._nodes if self._value(n, before) != self._value(n, after)]

    def _holding(self, step: int) -> tuple[int, dict[str, object]]:
        """The number of the piece that holds at ``step``, and the values of every name there."""
        values = {**self._values, "step": step}
        for number, (condition, _, _) in enumerate(self._pieces):
            if condition is None or self._value(condition, values):
                return number, values
        raise AssertionError("the last piece has no condition")

    def _state(self, step: int) -> tuple[object, ...]:
        """The number of the piece that holds, and its conditions and whole numbers."""
        number, values = self._holding(step)
        return (number, *(self._value(node, values) for node in self._pieces[number][2]))

    def _is_settled(self, end: int) -> bool:
        """Whether the value stays what it is at ``end``, or comes again and again."""
        number, values = self._holding(end)
        _, value, nodes = self._pieces[number]
        if any(isinstance(node, Apply) and node.op in _COUNTS for node in nodes):
            return True
        later = [self._value(value, {**values, "step": k * end}) for k in (1, 2, 3, 10)]
        return len(set(later)) == 1

    def marks(self, last: int) -> tuple[int, ...] | None:
        """The steps up to ``last`` at which something changes; None where they are too many."""
        found = {place for place, nodes in self._turned.items() if place <= last and not nodes}
        near = {step for p in self.places[:SEEDS] for step in (p - 1, p) if step <= last}
        seeds = sorted({0, last, *(last * k // SEEDS for k in range(SEEDS)), *near})
        states = {step: self._state(step) for step in seeds}
        spans = [(a, b) for a, b in pairwise(seeds) if states[a] != states[b]]
        while spans and len(found) <= MOST_MARKS:
            left, right = spans.pop()
            if right - left == 1:
                found.add(right)
                continue
            middle = (left + right) // 2
            states[middle] = self._state(middle)
            halves = ((left, middle), (middle, right))
            spans += [(a, b) for a, b in halves if states[a] != states[b]]
        return tuple(sorted(found)) if len(found) <= MOST_MARKS else None

    def horizon(self) -> int:
        """The last update of a picture.

        A little past the last boundary; far past it where the curve goes on changing, and some
        cycles of what comes again and again.
        """
        times = Counter(node for turned in self._turned.values() for node in turned)
        once = [place for place in self._turned if self._is_early(place, times)]
        if once or self._listed:
            end = max([*once, *self._listed])
            past = end // 20 + 1 if self._is_settled(end) else 4 * end
            return min(end + past, LAST_STEP)
        return min(10 * self._longest or WITHOUT_END, LAST_STEP)

    def _is_early(self, place: int, times: Mapping[Expr, int]) -> bool:
        """Whether something changes at ``place`` that has not changed many times before."""
        if not self._turned[place]:
            return True
        if self._state(place - 1) == self._state(place):
            return False  # it turned in a piece that does not hold there
        at = {**self._values, "step": place}
        for node in self._turned[place]:
            match node:
                case Apply(op=op) if op in _COUNTS:
                    number = self._value(node, at)
                    if isinstance(number, int) and abs(number) <= CYCLES:
                        return True
                # `step == n` turns twice, and so may a condition on each side of a middle.
                case _ if times[node] <= 2:
                    return True
        return False


def _turning(expr: Expr) -> Iterator[Expr]:
    """The conditions in ``expr`` that depend on the step, and its counts of cycles and places."""
    found: dict[Expr, None] = {}
    for node in walk(expr):
        match node:
            case Apply(op=op) if op in _COMPARISONS and "step" in names_in(node):
                found[node] = None
            case Apply(op="//" | "%", args=(a, b)) if "step" in names_in(node):
                found[apply("//", a, b)] = None
            case Apply(op="cycle" | "cycle_start" | "cycle_length", args=args) if (
                "step" in names_in(node)
            ):
                found[apply("cycle", *args)] = None
            case Apply(op="reached") if "step" in names_in(node):
                found[node] = None
    return iter(found)
