"""What a curve does, told from exact values: a table, and in words what people get wrong.

Nothing here is said of all parameters, as the findings are: it is said of the values given.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .document import Document
from .evaluate import Arithmetic, NotFinite
from .sampling import arguments, boundaries
from .schedule import Caution, Piece, Schedule, Value

DIGITS = 50
SHOWN_DIGITS = 6
BETWEEN = 48
MOST_NAMED = 3
LAST_STEP = 2**62
# Values that differ by less are one value, computed on two ways.
SAME = 1e-30


@dataclass(frozen=True, slots=True)
class Point:
    """A line of the table: the ``value`` at ``step``, and the piece that gives it."""

    step: int
    value: Any
    piece: str
    place: str


class Curve:
    """The author's own formula at one set of parameters, exact."""

    def __init__(self, schedule: Schedule, values: Mapping[str, Value]) -> None:
        self.schedule = schedule
        self.values = values
        self.exact = Arithmetic(DIGITS)
        self._at = arguments(schedule, values, self.exact)
        self._lets = [(let.name, let.value) for let in schedule.lets]
        self._known: dict[int, Any] = {}
        self.boundaries = [
            place for place in boundaries(schedule, values, self.exact) if 0 < place < LAST_STEP
        ]

    def __call__(self, step: int) -> Any:
        """The value at ``step``."""
        if step not in self._known:
            self._known[step] = self.of(self.piece(step), step)
        return self._known[step]

    def of(self, piece: Piece, step: int) -> Any:
        """The value of ``piece`` at ``step``, whether it holds there or not."""
        value = self.exact.value(piece.value, {**self._at, "step": step}, self._lets)
        return self.exact.real(value)

    def piece(self, step: int) -> Piece:
        """The piece that holds at ``step``."""
        at = {**self._at, "step": step}
        for piece in self.schedule.pieces:
            if piece.condition is None or self.exact.value(piece.condition, at, self._lets):
                return piece
        raise AssertionError("the last piece has no condition")

    @property
    def end(self) -> int | None:
        """The last step at which something changes, if any does."""
        return self.boundaries[-1] if self.boundaries else None

    def shown(self, value: Any, digits: int = SHOWN_DIGITS) -> str:
        """``value`` with as many digits as people read."""
        text = str(self.exact.context.nstr(value, digits, min_fixed=-5, max_fixed=7))
        return text.replace(".0e", "e").removesuffix(".0")

    def same(self, a: Any, b: Any) -> bool:
        """Whether two exact values are one."""
        return bool(abs(a - b) <= SAME * max(abs(a), abs(b)))


def table(curve: Curve) -> list[Point]:
    """The curve at update 0, around each boundary, at the end and past it."""
    end = curve.end
    places: dict[int, str] = {0: "first update"}
    places.setdefault(highest(curve), "highest")
    if end is None:
        for exponent in range(7):
            places.setdefault(10**exponent, "")
    else:
        for place in curve.boundaries:
            places[place] = "end" if place == end else "boundary"
        for place in curve.boundaries:
            places.setdefault(place - 1, "")
            places.setdefault(place + 1, "past the end" if place == end else "")
        places.setdefault(2 * end, "past the end")
    return [
        Point(step, curve(step), curve.piece(step).name, place)
        for step, place in sorted(places.items())
    ]


def written_pieces(document: Document) -> list[tuple[str, str, str]]:
    """(name, when it holds, value) of each piece, as the author wrote them."""
    if document.value is not None:
        return [("value", "always", one_line(document.value))]
    result = []
    for piece in document.piece:
        holds = "afterwards"
        if piece.until is not None:
            holds = f"while step < {one_line(piece.until)}"
        elif piece.when is not None:
            holds = f"while {one_line(piece.when)}"
        result.append((piece.name, holds, one_line(piece.value)))
    return result


def one_line(text: str) -> str:
    """A formula of several lines as one."""
    return " ".join(text.split()).replace("( ", "(").replace(" )", ")")


def cautions(schedule: Schedule, values: Mapping[str, Value]) -> list[tuple[Caution, bool]]:
    """Every caution of the author's, and whether it holds at ``values``."""
    exact = Arithmetic(DIGITS)
    at = arguments(schedule, values, exact)
    return [
        (c, c.condition is None or bool(exact.value(c.condition, at))) for c in schedule.cautions
    ]


def remarks(curve: Curve, values: Mapping[str, Value]) -> list[str]:
    """Sentences on what this curve does at ``values``, where people expect something else."""
    found: list[str] = []
    for part in (_first, _highest, _lowest, _jumps, _rises_again, _last_update, _past_end):
        found += part(curve, values)
    return found


def _quantity(curve: Curve) -> str:
    drives = curve.schedule.drives
    return "rate" if drives == "lr" else drives.replace("_", " ")


def _first(curve: Curve, values: Mapping[str, Value]) -> Iterator[str]:
    if curve(0) == 0:
        yield f"The first update has {_quantity(curve)} 0: it changes nothing."


def _highest(curve: Curve, values: Mapping[str, Value]) -> Iterator[str]:
    top = highest(curve)
    changes = any(curve(step) != curve(0) for step in _grid(curve))
    where = f"at step {top:,}" if changes else "at every step"
    yield f"The highest {_quantity(curve)} is {curve.shown(curve(top))}, {where}."
    base = curve.schedule.base
    if base is None:
        return
    wanted = curve.exact.real(float(values[base]))  # type: ignore[arg-type]
    if curve(top) < wanted and not curve.same(curve(top), wanted):
        gap = curve.shown(wanted - curve(top))
        yield f"The base is never reached: {base} = {curve.shown(wanted)} is missed by {gap}."


def _lowest(curve: Curve, values: Mapping[str, Value]) -> Iterator[str]:
    low = _extreme(curve, lambda step: -curve(step))
    if curve(low) < 0:
        word = _quantity(curve)
        yield f"The {word} gets negative: it is {curve.shown(curve(low))} at step {low:,}."


def _jumps(curve: Curve, values: Mapping[str, Value]) -> Iterator[str]:
    found = [(place, gap) for place in curve.boundaries if (gap := _jump(curve, place))]
    for place, gap in found[:MOST_NAMED]:
        word = "up" if gap > 0 else "down"
        yield (
            f"Jumps {word} by {curve.shown(abs(gap))} at step {place:,}, from "
            f"{curve.shown(curve(place - 1))} to {curve.shown(curve(place))}."
        )
    if len(found) > MOST_NAMED:
        yield f"Jumps at {len(found) - MOST_NAMED} more boundaries."


def _rises_again(curve: Curve, values: Mapping[str, Value]) -> Iterator[str]:
    steps = _grid(curve)
    fallen = False
    for before, after in itertools.pairwise(steps):
        if curve(after) < curve(before) and not curve.same(curve(after), curve(before)):
            fallen = True
        elif (
            fallen and curve(after) > curve(before) and not curve.same(curve(after), curve(before))
        ):
            index = steps.index(before)
            lowest = _sharpened(lambda step: -curve(step), steps[max(index - 1, 0)], before, after)
            yield f"Rises again after step {lowest:,}, from {curve.shown(curve(lowest))}."
            return


def _last_update(curve: Curve, values: Mapping[str, Value]) -> Iterator[str]:
    end = curve.end
    if end is None or end < 2 or not _settled(curve) or curve(end) >= curve(end - 1):
        return
    last, floor = curve.shown(curve(end - 1)), curve.shown(curve(end))
    if last != floor:
        yield f"A run of {end:,} updates never uses {floor}: the last, {end - 1:,}, has {last}."


def _past_end(curve: Curve, values: Mapping[str, Value]) -> Iterator[str]:
    end = curve.end
    if end is None:
        if len({curve(step) for step in _grid(curve)}) > 1:
            yield "There is no end: it goes on changing for ever."
    elif _settled(curve):
        tail = curve(end)
        why = ", and nothing is learned any more" if tail == 0 and _is_rate(curve) else ""
        yield f"From step {end:,} on it stays at {curve.shown(tail)}{why}."
    else:
        yield f"It does not stop at step {end:,}, the last boundary listed: it goes on changing."


def _is_rate(curve: Curve) -> bool:
    return curve.schedule.drives == "lr"


def _settled(curve: Curve) -> bool:
    """Whether the value stays what it is at the end."""
    end = curve.end
    assert end is not None
    past = [end + 1, end + 2, end + 3, 2 * end + 1, 3 * end + 2, 10 * end + 7, 1_000 * end + 11]
    return all(curve.same(curve(step), curve(end)) for step in past)


def _jump(curve: Curve, place: int) -> Any:
    """By how much the curve jumps at ``place``; 0 where it goes on as before.

    At the joint of two pieces the left formula, carried on by one step, is compared with the
    right one. Within a piece a jump stands out against the changes before and after it.
    """
    left, right = curve.piece(place - 1), curve.piece(place)
    before = abs(curve(place - 1) - curve(max(place - 2, 0)))
    after = abs(curve(place + 1) - curve(place))
    move = curve(place) - curve(place - 1)
    if left.name != right.name:
        try:
            gap = curve(place) - curve.of(left, place)
        except NotFinite:
            gap = move
        alike = abs(gap) <= SAME * max(abs(curve(place)), abs(curve(place - 1)))
        if alike or abs(gap) <= 1.5 * before or abs(gap) <= 2 * after:
            return 0
        return move
    return move if abs(move) > 4 * max(before, after) and place > 1 else 0


def _grid(curve: Curve) -> list[int]:
    """Steps close enough to see every turn: around boundaries, evenly between, and past the end."""
    edges = [0, *curve.boundaries]
    last = edges[-1] or 10_000
    edges += [3 * last, 12 * last]
    found = {0, 1, 2}
    for left, right in itertools.pairwise(edges):
        found |= {left + (right - left) * k // BETWEEN for k in range(BETWEEN + 1)}
    for place in curve.boundaries:
        found |= {place - 2, place - 1, place, place + 1, place + 2}
    return sorted(step for step in found if step >= 0)


def highest(curve: Curve) -> int:
    """The first step with the greatest value."""
    return _extreme(curve, curve)


def _extreme(curve: Curve, height: Callable[[int], Any]) -> int:
    """The first step at which ``height`` is greatest."""
    steps = _grid(curve)
    index = max(range(len(steps)), key=lambda k: (height(steps[k]), -k))
    left, right = steps[max(index - 1, 0)], steps[min(index + 1, len(steps) - 1)]
    return _sharpened(height, left, steps[index], right)


def _sharpened(height: Callable[[int], Any], left: int, middle: int, right: int) -> int:
    """The step between ``left`` and ``right`` at which ``height`` is greatest, near ``middle``."""
    best = middle
    for low, high in ((left, middle), (middle, right)):
        while high - low > 2:
            third = (high - low) // 3
            a, b = low + third, high - third
            if height(a) < height(b):
                low = a
            else:
                high = b
        best = _first_highest(height, [*range(low, high + 1), best])
    return best


def _first_highest(height: Callable[[int], Any], steps: Sequence[int]) -> int:
    return max(steps, key=lambda step: (height(step), -step))
