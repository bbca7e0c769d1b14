"""Test vectors: exact values of the author's own formula, before any rewriting."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from .evaluate import Arithmetic
from .sampling import arguments, boundaries
from .schedule import Schedule, Value

DIGITS = 80
SHOWN_DIGITS = 30
SMALLEST_NORMAL = 2.0**-126

FLAGS: dict[str, str] = {
    "first": "Counting updates from 1, or a first update that is not the formula's.",
    "second": "A schedule that is one update late.",
    "before_boundary": "A piece that ends one update early.",
    "boundary": "A piece that ends one update late.",
    "after_boundary": "A clock that restarts one update off after a boundary.",
    "inside": "A wrong shape, and a formula computed in float32.",
    "near_end": "Cancellation: 1 + cos(x) near x = pi has no correct digit left in float32.",
    "past_end": "Rising again, going negative or failing after the end.",
    "float32_steps": "Steps held in float32, which cannot tell 2**24 from 2**24 + 1.",
    "int32_steps": "Steps held in 32-bit integers.",
    "binary64_steps": "Steps held in binary64, which cannot tell 2**53 from 2**53 + 1.",
    "subnormal": "None: a float32 below 2**-126, which XLA and TensorFlow flush to 0.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The value at one step: ``exact`` in decimal, ``float32`` correctly rounded from it.

    ``value`` has all of ``DIGITS``, for checks that follow.
    """

    step: int
    exact: str
    float32: float
    flag: str
    value: Any = field(repr=False, compare=False)

    @property
    def bits(self) -> str:
        """The float32 as eight hexadecimal digits."""
        return f"{np.float32(self.float32).view(np.uint32):08x}"

    @property
    def entry(self) -> dict[str, object]:
        """The row as it stands in the file."""
        return {
            "step": self.step,
            "exact": self.exact,
            "float32": self.float32,
            "bits": self.bits,
            "flag": self.flag,
        }


@dataclass(frozen=True, slots=True)
class Case:
    """One set of parameters with its rows."""

    name: str
    doc: str
    values: Mapping[str, Value]
    rows: tuple[Row, ...]

    @property
    def head(self) -> dict[str, object]:
        """What stands before the rows."""
        return {"name": self.name, "doc": self.doc, "parameters": dict(self.values)}


@dataclass(frozen=True, slots=True)
class Vectors:
    """All cases of a schedule."""

    schedule: Schedule
    cases: tuple[Case, ...]

    def text(self) -> str:
        """As JSON, one row a line; floats read back exactly."""
        schedule = self.schedule
        used = {row.flag for case in self.cases for row in case.rows}
        head = {
            "schedule": schedule.name,
            "title": schedule.title,
            "spec": f"sha256:{schedule.fingerprint}",
            "columns": "exact: decimal value of the formula at the binary64 parameters; float32: "
            "that, correctly rounded; bits: the float32 in hexadecimal; flag: see flags",
            "flags": {flag: text for flag, text in FLAGS.items() if flag in used},
        }
        return json_text(head, [(case.head, [r.entry for r in case.rows]) for case in self.cases])


def json_text(
    head: Mapping[str, object],
    cases: Sequence[tuple[Mapping[str, object], Sequence[Mapping[str, object]]]],
) -> str:
    """A vector file: ``head``, then each case's own head and its rows, one row a line."""
    lines = [json.dumps(head, indent=1)[:-2] + ',\n "cases": [']
    for number, (case, rows) in enumerate(cases):
        entries = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in case.items()]
        # The parameters have a line of their own.
        lines += [f"  {{{', '.join(entries[:-1])},", f'   {entries[-1]},\n   "rows": [']
        lines.append(",\n".join(f"    {json.dumps(row)}" for row in rows))
        lines.append("   ]}" + ("," if number < len(cases) - 1 else ""))
    lines.append(" ]\n}\n")
    return "\n".join(lines)


def sample(schedule: Schedule) -> Vectors:
    """Vectors of ``schedule`` at its defaults and examples."""
    exact = Arithmetic(DIGITS)
    cases = [_case(schedule, "default", "The defaults.", schedule.defaults, exact)]
    cases += [_case(schedule, e.name, e.doc, e.values, exact) for e in schedule.examples]
    return Vectors(schedule, tuple(cases))


def exact_value(schedule: Schedule, values: Mapping[str, Value], step: int, digits: int) -> Any:
    """The value at ``step`` to ``digits`` decimal digits, as an mpmath float.

    Raises:
        NotFinite: Where the formula has no finite value.
    """
    exact = Arithmetic(digits + 30)
    return +Curve(schedule, arguments(schedule, values, exact), exact).value(step)


class Curve:
    """The exact values of a schedule at steps, at these values of all other names."""

    def __init__(self, schedule: Schedule, env: Mapping[str, Any], exact: Arithmetic) -> None:
        self._pieces = schedule.pieces
        self._real = exact.real
        self._at = exact.along(env, [(let.name, let.value) for let in schedule.lets])

    def piece(self, step: int) -> int:
        """The piece that holds.

        Raises:
            NotFinite: Where a condition has no value.
        """
        for index, piece in enumerate(self._pieces):
            if piece.condition is None or self._at(piece.condition, step):
                return index
        raise AssertionError("the last piece has no condition")

    def value(self, step: int) -> Any:
        """The value, as an mpmath float.

        Raises:
            NotFinite: Where the formula has no finite value.
        """
        return self._real(self._at(self._pieces[self.piece(step)].value, step))


def _case(
    schedule: Schedule, name: str, doc: str, values: Mapping[str, Value], exact: Arithmetic
) -> Case:
    curve = Curve(schedule, arguments(schedule, values, exact), exact)
    rows = []
    for step, bug in sorted(conformance_steps(schedule, values, exact).items()):
        rows.append(row(step, curve.value(step), bug, exact))
    plain = {p.name: values[p.name] for p in schedule.parameters}
    return Case(name, doc, plain, tuple(rows))


def row(step: int, value: Any, flag: str, exact: Arithmetic) -> Row:
    """The row of an exact ``value``."""
    rounded = float(nearest_float32(value))
    if 0 < abs(rounded) < SMALLEST_NORMAL:
        flag = "subnormal"
    return Row(step, exact.decimal(value, SHOWN_DIGITS), rounded, flag, value)


def conformance_steps(
    schedule: Schedule, values: Mapping[str, Value], exact: Arithmetic
) -> dict[int, str]:
    """Steps with the flag of the bug that each catches; the first flag given to a step stays."""
    places = boundaries(schedule, values, exact)
    last = places[-1] if places else 1_000
    flagged: dict[int, str] = {0: "first"}
    for place in places:
        flagged.setdefault(place, "boundary" if place < last else "past_end")
    flagged.setdefault(1, "second")
    for place in places:
        flagged.setdefault(place - 1, "before_boundary" if place < last else "near_end")
        flagged.setdefault(place + 1, "after_boundary" if place < last else "past_end")
    for step in (last - 2, last - 3):
        flagged.setdefault(step, "near_end")
    for step in (2**24 - 1, 2**24, 2**24 + 1):
        flagged.setdefault(step, "float32_steps")
    flagged.setdefault(2**31 - 1, "int32_steps")
    flagged.setdefault(2**53, "binary64_steps")
    for step in (2 * last, 2 * last + 1, 10 * last + 7):
        flagged.setdefault(step, "past_end")
    source = random.Random(f"lrgen vectors {schedule.name}")
    edges = [0, *places] if places else [0, last]
    for left, right in pairwise(edges):
        for _ in range(4 if len(edges) < 5 else 2):
            if right - left > 1:
                flagged.setdefault(source.randrange(left, right), "inside")
    return {step: flag for step, flag in flagged.items() if 0 <= step <= 2**53}


def nearest_float32(value: Any) -> np.float32:
    """The float32 nearest to an exact value, ties to even: rounded once, not through binary64."""
    exact = _fraction(value)
    guess = np.float32(float(value))
    candidates = [
        guess,
        np.nextafter(guess, np.float32(-np.inf)),
        np.nextafter(guess, np.float32(np.inf)),
    ]
    finite = [c for c in candidates if np.isfinite(c)]

    def distance(candidate: np.float32) -> tuple[Fraction, int]:
        odd = int(candidate.view(np.uint32)) & 1
        return abs(Fraction(float(candidate)) - exact), odd

    return min(finite, key=distance)


def _fraction(value: Any) -> Fraction:
    sign, mantissa, exponent, width = value._mpf_
    # What is far below the least float32 rounds like 2**-1200 does.
    if width + exponent < -1200:
        mantissa, exponent = 1, -1200
    size: Fraction = Fraction(int(mantissa)) * Fraction(2) ** exponent
    return -size if sign else size
