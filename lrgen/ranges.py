"""What is known of an expression: between which bounds it lies, and whether it rises or falls.

Facts are linear inequalities between parts of formulas: what parameter types say (``rate >= 0``),
what ``require`` and a piece's place on the step axis say, and what operators say of their results
(``0 <= a % b <= b - 1``). Whether they imply a bound is decided exactly, by eliminating the parts
one by one (Fourier and Motzkin), over rationals. Answers are one-sided: a bound that is found
holds; one that is not found may hold all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from .expr import Apply, Expr, Kind, Name, Number, walk
from .inequalities import (
    IMPOSSIBLE,
    Effort,
    Group,
    Row,
    around,
    connected,
    eliminate,
    grouped,
    inequality,
    row,
    rows_of,
)
from .intervals import ANYTHING, Bound, Range, inverse, join, meet, times
from .linear import ONE, added, linear, scaled
from .ops import apply
from .terms import (
    constant_of,
    folded,
    is_linear_in,
    length_of,
    replaced,
    turns_of,
    with_quotients,
)

MOST_ROUNDS = 4
"""Of asking again what depends on itself, with the answers of the round before."""
MOST_SPLITS = 400
"""Sets of facts in which a choice within a choice is looked into; one choice in hand is always.
Specs of the catalogue need up to 55."""
MOST_EFFORT = 400_000
"""Rows added up by all sets of a family, before nothing more is found: a few seconds. Specs of the
catalogue need up to 28,000."""
MOST_DEPTH = 60
"""Of questions that ask one another, before nothing more is found: Python's own stack is small."""
MOST_TRIES = 600
"""Ends of parts that are put into one formula to show its sign."""


class Facts:
    """A set of facts. Immutable: :meth:`given` returns a larger set.

    Sets that grow out of one another are made once each, so that what one use has found out is
    known to the next.
    """

    def __init__(self) -> None:
        self._rows: tuple[Row, ...] = ()
        self._equal: tuple[tuple[Expr, Expr], ...] = ()
        self._split: frozenset[Expr] = frozenset()  # choices whose branches are being looked into
        self._family = _Family()
        self._larger: dict[tuple[Expr, bool], Facts] = {}
        self._ranges: dict[Expr, Range] = {}
        self._signs: dict[tuple[Expr, int], bool] = {}
        self._passing: dict[Expr, Range] = {}
        self._guesses: dict[Expr, Range] = {}
        self._open: set[Expr] = set()
        self._cut: set[Expr] = set()
        self._too_deep = False
        self._unsettled = 0  # answers that a later round may better
        self._said: dict[Expr, list[Row]] = {}
        self._groups: dict[Expr, Group] | None = None
        self._impossible: bool | None = None

    def _with(
        self,
        rows: Iterable[Row] = (),
        equal: Iterable[tuple[Expr, Expr]] = (),
        split: Iterable[Expr] = (),
    ) -> Facts:
        """These facts and more: the one set of its family that says so."""
        key = (
            tuple(dict.fromkeys((*self._rows, *rows))),
            tuple(dict.fromkeys((*self._equal, *equal))),
            self._split.union(split),
        )
        known = self._family.made.get(key)
        if known is None:
            known = Facts()
            known._rows, known._equal, known._split = key
            known._family = self._family
            self._family.made[key] = known
            self._family.splits += bool(known._split)
        return known

    def at_least(self, expr: Expr, low: int) -> Facts:
        """Also ``expr >= low``."""
        return self._with([inequality(expr, Number(low), False)])

    def given(self, condition: Expr, holds: bool = True) -> Facts:
        """Also ``condition``, or its opposite. What is not linear is left out, which is safe."""
        known = self._larger.get((condition, holds))
        if known is not None:
            return known
        rows, equal = rows_of(condition, holds)
        match condition:
            case Apply(op="and" | "or" as op, args=(a, b)) if (op == "and") == holds:
                return self.given(a, holds).given(b, holds)
            case Apply(op="not", args=(a,)):
                return self.given(a, not holds)
            case Apply(op="==" | "!=" as op, args=(a, b)) if (op == "!=") == holds and {
                a.kind,
                b.kind,
            } <= {Kind.INT, Kind.REAL}:
                # An integer >= 0 that is not 0 is at least 1, a real number above 0.
                whole = a.kind is b.kind is Kind.INT
                if self.range(apply("-", a, b)).at_least(0):
                    rows = (inequality(apply("-", a, b), Number(int(whole)), not whole),)
                elif self.range(apply("-", b, a)).at_least(0):
                    rows = (inequality(apply("-", b, a), Number(int(whole)), not whole),)
                equal = (*equal, (apply("==", a, b), apply("False")))
        known = self._larger[condition, holds] = self._with(rows, equal)
        return known

    def decided(self, condition: Expr) -> bool | None:
        """Whether ``condition`` surely holds (True), surely does not (False), or is open."""
        for known, value in self._equal:
            if known == condition and isinstance(value, Apply):
                return value.op == "True"
        match condition:
            case Apply(op="True"):
                return True
            case Apply(op="False"):
                return False
            case Apply(op="increasing", args=(Apply(op="list", args=entries),)):
                pairs = pairwise(entries)
                return True if all(self._rises(a, b) for a, b in pairs) else None
            case Apply(op="increasing", args=(Apply(op="cycle_starts"),)):
                return True
            case Apply(op="not", args=(a,)):
                inner = self.decided(a)
                return None if inner is None else not inner
            case Apply(op="and" | "or" as op, args=(a, b)):
                both = (self.decided(a), self.decided(b))
                deciding = op == "or"
                if deciding in both:
                    return deciding
                return (not deciding) if both == (not deciding, not deciding) else None
            case Apply(op="==" | "!=" as op, args=(a, b)) if Kind.WORD in (a.kind, b.kind):
                for x, y in self._equal:
                    if x in (a, b):
                        other = b if x == a else a
                        if type(other) is type(y):
                            return (other == y) == (op == "==")
                return None
            case Apply(op="<" | "<=" | ">" | ">=" as op, args=(a, b)):
                gap = self.range(apply("-", b, a) if op[0] == "<" else apply("-", a, b))
                strictly = len(op) == 1
                if gap.at_least(0, strictly):
                    return True
                return False if gap.at_most(0, not strictly) else None
        return None

    def _rises(self, a: Expr, b: Expr) -> bool:
        return self.range(apply("-", b, a)).at_least(0, True)

    def contradictory(self) -> bool:
        """Whether nothing can satisfy all facts (an empty piece, say)."""
        if self._impossible is None:
            groups = {id(group): group for group in self._grouped().values()}
            self._impossible = any(
                eliminate(self._learned(group.rows), None, self._family.effort) is IMPOSSIBLE
                for group in groups.values()
            )
        return self._impossible

    def range(self, expr: Expr) -> Range:
        """The bounds of ``expr`` under these facts."""
        known = self._ranges.get(expr)
        if known is not None:
            return known
        self._unsettled += 1
        known = self._passing.get(expr)
        if known is not None:
            return known
        if self._family.effort.spent > MOST_EFFORT:
            return ANYTHING
        if self._family.depth >= MOST_DEPTH:
            self._too_deep = True
            return ANYTHING
        if expr in self._open:
            # What asks for itself while it is computed gets what the round before found.
            self._cut.add(expr)
            return self._guesses.get(expr, ANYTHING)
        if self._open:
            return self._round(expr)
        for _ in range(MOST_ROUNDS):
            self._cut.clear()
            self._passing.clear()
            self._too_deep = False
            known = self._round(expr)
            found = {part: self._passing[part] for part in self._cut}
            if all(self._guesses.get(part, ANYTHING) == now for part, now in found.items()):
                break
            self._guesses = found
        # Each round is right if the one before it was, so that the last one is in any case.
        # What was asked too far down is asked again when it is wanted for itself.
        self._ranges |= {expr: self._passing[expr]} if self._too_deep else self._passing
        self._passing.clear()
        self._guesses.clear()
        return self._ranges[expr]

    def _round(self, expr: Expr) -> Range:
        self._open.add(expr)
        self._family.depth += 1
        known = self._passing[expr] = self._compute(expr)
        self._family.depth -= 1
        self._open.discard(expr)
        return known

    def _compute(self, expr: Expr) -> Range:
        if isinstance(expr, Number):
            if expr.value == float("inf"):
                return ANYTHING
            value = (Fraction(expr.value), False)
            return Range(value, value)
        parts = linear(expr)
        if not parts:
            return Range((Fraction(0), False), (Fraction(0), False))
        shape = self._shape(expr) if parts == {expr: 1} else ANYTHING
        rows = self._learned(self._about(parts), parts, expr)
        target = Name("", Kind.REAL)
        definition = added({target: 1}, scaled(parts, -1))
        rows.append(row(definition, False))
        rows.append(row(scaled(definition, -1), False))
        found = eliminate(connected(rows, target), target, self._family.effort)
        return meet(shape, found) if isinstance(found, Range) else shape

    def _grouped(self) -> dict[Expr, Group]:
        if self._groups is None:
            self._groups = grouped(self._rows)
        return self._groups

    def _about(self, parts: Iterable[Expr]) -> list[Row]:
        """The facts that may share parts with ``parts``, directly or not."""
        groups = self._grouped()
        found = [groups.get(near) for part in parts if part != ONE for near in around(part)]
        return [
            one
            for group in {id(g): g for g in found if g is not None}.values()
            for one in group.rows
        ]

    def _learned(
        self, facts: list[Row], parts: Iterable[Expr] = (), expr: Expr | None = None
    ) -> list[Row]:
        """``facts``, with what operators say of their parts, and of ``parts`` but ``expr``."""
        rows = list(facts)
        seen: set[Expr] = set() if expr is None else {expr}
        for part in parts:
            self._learn(part, rows, seen)
        for one in facts:
            for part in one.unknowns:
                self._learn(part, rows, seen)
        return rows

    def _learn(self, part: Expr, rows: list[Row], seen: set[Expr]) -> None:
        """Add what operators say of their own results."""
        if not isinstance(part, Apply) or part in seen:
            return
        seen.add(part)
        said = self._said.get(part)
        if said is None:
            before = self._unsettled
            said = self._says(part)
            if self._unsettled == before:
                self._said[part] = said
        if part.op == "at":
            values, index = part.args
            said = [*said, *self._of_entry(part, values, index, seen)]
        rows += said
        for one in said:
            for inner in one.unknowns:
                self._learn(inner, rows, seen)

    def _says(self, part: Apply) -> list[Row]:
        """What the operator at its root says of ``part``, whatever else is known."""
        rows: list[Row] = []
        shape = self._shape(part)
        if shape.low is not None:
            rows.append(row(added({part: 1}, {ONE: -shape.low[0]}), shape.low[1]))
        if shape.high is not None:
            rows.append(row(added({part: -1}, {ONE: shape.high[0]}), shape.high[1]))
        match part:
            case Apply(op="%", args=(_, b)) if self.range(b).at_least(1):
                rows.append(inequality(apply("-", b, part), Number(1), False))
            case Apply(op="//", args=(a, b)) if self.range(b).at_least(1):
                if self.range(a).at_least(0):
                    rows.append(inequality(a, part, False))
            case Apply(op="min", args=args):
                rows.extend(inequality(a, part, False) for a in args)
            case Apply(op="max", args=args):
                rows.extend(inequality(part, a, False) for a in args)
            case Apply(op="reached", args=(places, _)):
                rows.append(inequality(length_of(places), part, False))
                if isinstance(places, Apply) and places.op == "cycle_starts":
                    rows.append(inequality(part, Number(1), False))
            case Apply(op="cycle_start", args=(step, *_)):
                rows.append(inequality(step, part, False))
                length = Apply("cycle_length", part.args, Kind.INT)
                rows.append(inequality(apply("+", part, length), step, True))
            case Apply(op="cycle_length", args=(_, first, *_)):
                rows.append(inequality(part, first, False))
            case Apply(op="floor", args=(a,)):
                rows.append(inequality(a, part, False))
                rows.append(inequality(apply("+", part, Number(1)), a, True))
            case Apply(op="ceil", args=(a,)):
                rows.append(inequality(part, a, False))
                rows.append(inequality(apply("+", a, Number(1)), part, True))
        return rows

    def _of_entry(self, entry: Apply, values: Expr, index: Expr, seen: set[Expr]) -> Iterator[Row]:
        """What is known of ``values[index]``, from its list and from its place in it."""
        yield inequality(entry, apply("least", values), False)
        yield inequality(apply("greatest", values), entry, False)
        rising = self.decided(apply("increasing", values)) is True
        if not rising:
            return
        place = self._unclamped(index, values)
        for other in seen:
            match other:
                case Apply(op="at", args=(same, elsewhere)) if same == values and other != entry:
                    gap = linear(apply("-", place, self._unclamped(elsewhere, values)))
                    by = gap.get(ONE, 0)
                    if set(gap) == {ONE} and entry.kind is Kind.INT:
                        above, below = (entry, other) if by > 0 else (other, entry)
                        yield inequality(apply("-", above, below), Number(abs(int(by))), False)
        for part, factor in linear(place).items():
            match part:
                case Apply(op="reached", args=(same, step)) if same == values and factor == 1:
                    by = linear(apply("-", place, part)).get(ONE, 0)
                    if linear(apply("-", place, part)) in ({}, {ONE: by}):
                        if by >= 0:
                            yield inequality(entry, step, True)
                        else:
                            yield inequality(step, entry, False)

    def _unclamped(self, index: Expr, values: Expr) -> Expr:
        """``max(i, 0)`` as ``i`` where that is what it surely is; so for the list's end."""
        match index:
            case Apply(op="max", args=(a, Number(value=0))) if self.range(a).at_least(0):
                return self._unclamped(a, values)
            case Apply(op="min", args=(a, end)) if self.range(apply("-", end, a)).at_least(0):
                return self._unclamped(a, values)
        return index

    def _shape(self, expr: Expr) -> Range:
        """Bounds from the operator at the root alone."""
        match expr:
            case Apply(op="pi"):
                return Range((Fraction(314, 100), True), (Fraction(315, 100), True))
            case Apply(op="if", args=(condition, yes, no)):
                if expr in self._split:
                    return ANYTHING
                if self._split and self._family.splits >= MOST_SPLITS:
                    return join(self.range(yes), self.range(no))
                inside = self._with(split=[expr])
                when, otherwise = inside.given(condition), inside.given(condition, holds=False)
                decided = inside.decided(condition)
                if decided is True or otherwise.contradictory():
                    return when.range(yes)
                if decided is False or when.contradictory():
                    return otherwise.range(no)
                return join(when.range(yes), otherwise.range(no))
            case Apply(op="*", args=(a, b)):
                if a == b:
                    size = self._absolute(a)
                    return times(size, size)
                return times(self.range(a), self.range(b))
            case Apply(op="/", args=(a, b)):
                return self._quotient(a, b)
            case Apply(op="//", args=(a, b)):
                exact = self._quotient(a, b)
                low = None if exact.low is None else (Fraction(exact.low[0].__floor__()), False)
                high = None if exact.high is None else (Fraction(exact.high[0].__floor__()), False)
                return Range(low, high)
            case Apply(op="%", args=(a, b)):
                top = self.range(b)
                if not top.at_least(1):
                    return ANYTHING
                high = None if top.high is None else (top.high[0] - 1, False)
                return Range((Fraction(0), False), high)
            case Apply(op="**", args=(a, b)):
                return self._power(a, b)
            case Apply(op="exp", args=(a,)):
                inner = self.range(a)
                low = (Fraction(1), False) if inner.at_least(0) else (Fraction(0), True)
                high = (Fraction(1), inner.at_most(0, True)) if inner.at_most(0) else None
                if high is None and inner.high is not None and inner.high[0] <= 700:
                    high = (Fraction(3) ** inner.high[0].__ceil__(), True)
                return Range(low, high)
            case Apply(op="expm1", args=(a,)):
                return self._odd(a, above=None, below=Fraction(-1))
            case Apply(op="log", args=(a,)):
                inner = self.range(a)
                low = (Fraction(0), inner.at_least(1, True)) if inner.at_least(1) else None
                high = (Fraction(0), inner.at_most(1, True)) if inner.at_most(1) else None
                return Range(low, high)
            case Apply(op="log1p", args=(a,)):
                return self._odd(a, above=None, below=None)
            case Apply(op="tanh", args=(a,)):
                return self._odd(a, above=Fraction(1), below=Fraction(-1))
            case Apply(op="sqrt", args=(a,)):
                inner = self.range(a)
                low = (Fraction(0), inner.at_least(0, True))
                if inner.at_least(1):
                    low = (Fraction(1), inner.at_least(1, True))
                high = (Fraction(1), inner.at_most(1, True)) if inner.at_most(1) else None
                return Range(low, high)
            case Apply(op="sin" | "cos" as op, args=(a,)):
                return self._wave(op, a)
            case Apply(op="abs", args=(a,)):
                return self._absolute(a)
            case Apply(op="min", args=args):
                ranges = [self.range(a) for a in args]
                lows = [r.low for r in ranges]
                highs = [r.high for r in ranges if r.high is not None]
                low = None if None in lows else min(b for b in lows if b is not None)
                return Range(low, min(highs, key=lambda b: (b[0], not b[1])) if highs else None)
            case Apply(op="max", args=args):
                ranges = [self.range(a) for a in args]
                tops = [r.high for r in ranges]
                known = [r.low for r in ranges if r.low is not None]
                high = None if None in tops else max(b for b in tops if b is not None)
                return Range(max(known) if known else None, high)
            case Apply(op="least" | "greatest", args=(Apply(op="list", args=()),)):
                return ANYTHING
            case Apply(op="least" | "greatest" as op, args=(Apply(op="list", args=entries),)):
                return self._shape(Apply("min" if op == "least" else "max", entries, Kind.REAL))
            case Apply(op="least", args=(Apply(op="cycle_lengths"),)):
                return Range((Fraction(1), False), None)
            case Apply(op="len" | "reached" | "cycle" | "cycle_start"):
                return Range((Fraction(0), False), None)
            case Apply(op="least", args=(Apply(op="cycle_starts"),)):
                return Range((Fraction(0), False), None)
            case Apply(op="cycle_length"):
                return Range((Fraction(1), False), None)
            case Apply(op="uniform"):
                return Range((Fraction(0), True), (Fraction(1), True))
            case Apply(op="product" | "total" as op, args=(values, _)):
                if not self.range(apply("least", values)).at_least(0):
                    return ANYTHING
                small = op == "product" and self.range(apply("greatest", values)).at_most(1)
                return Range((Fraction(0), False), (Fraction(1), False) if small else None)
            case Apply(op="floor" | "ceil" as op, args=(a,)):
                inner = self.range(a)
                turn = Fraction.__floor__ if op == "floor" else Fraction.__ceil__
                low = None if inner.low is None else (Fraction(turn(inner.low[0])), False)
                high = None if inner.high is None else (Fraction(turn(inner.high[0])), False)
                return Range(low, high)
        return ANYTHING

    def _absolute(self, a: Expr) -> Range:
        inner = self.range(a)
        if inner.at_least(0):
            return inner
        flipped = times(inner, Range((Fraction(-1), False), (Fraction(-1), False)))
        if inner.at_most(0):
            return flipped
        high = max(inner.high, flipped.high) if inner.high and flipped.high else None
        return Range((Fraction(0), False), high)

    def _odd(self, a: Expr, above: Fraction | None, below: Fraction | None) -> Range:
        """An increasing function through the origin, with its limits."""
        inner = self.range(a)
        low: Bound | None = None if below is None else (below, True)
        high: Bound | None = None if above is None else (above, True)
        if inner.at_least(0):
            low = (Fraction(0), inner.at_least(0, True))
        if inner.at_most(0):
            high = (Fraction(0), inner.at_most(0, True))
        return Range(low, high)

    def _quotient(self, a: Expr, b: Expr) -> Range:
        below = self.range(b)
        if below.at_most(0, True):
            return self._quotient(apply("neg", a), apply("neg", b))
        if not below.at_least(0, True):
            return ANYTHING
        above = self.range(a)
        result = times(above, inverse(below))
        # a / b against 1 needs no numbers, only a against b.
        gap = self.range(apply("-", b, a))
        if gap.at_least(0):
            result = meet(result, Range(None, (Fraction(1), gap.at_least(0, True))))
        if gap.at_most(0):
            result = meet(result, Range((Fraction(1), gap.at_most(0, True)), None))
        both = self.range(apply("+", b, a))
        if both.at_least(0):
            result = meet(result, Range((Fraction(-1), both.at_least(0, True)), None))
        return result

    def _power(self, a: Expr, b: Expr) -> Range:
        base, exponent = self.range(a), self.range(b)
        if isinstance(b, Number) and b.value == 0:
            return Range((Fraction(1), False), (Fraction(1), False))
        if isinstance(b, Number) and b.kind is Kind.INT and int(b.value) % 2 == 0:
            size = self._absolute(a)
            result = Range(size.low and (size.low[0] ** int(b.value), size.low[1]), None)
            if size.high is not None and size.high[0] <= 1:
                result = Range(result.low, (Fraction(1), size.high[0] < 1 or size.high[1]))
            return result
        if not base.at_least(0):
            return ANYTHING
        low: Bound = (Fraction(0), base.at_least(0, True))
        high: Bound | None = None
        rising = exponent.at_least(0)
        falling = exponent.at_most(0)
        if (base.at_most(1) and rising) or (base.at_least(1) and falling):
            strictly = base.at_most(1, True) or base.at_least(1, True)
            moved = exponent.at_least(0, True) or exponent.at_most(0, True)
            high = (Fraction(1), strictly and moved)
        if (base.at_least(1) and rising) or (base.at_most(1) and falling and low[1]):
            low = (Fraction(1), False)
        small = base.high and exponent.high and base.high[0] <= 2**64 and exponent.high[0] <= 64
        if high is None and rising and small and base.high and exponent.high:
            high = (max(Fraction(1), base.high[0]) ** exponent.high[0].__ceil__(), False)
        return Range(low, high)

    def _wave(self, op: str, a: Expr) -> Range:
        """sin and cos of ``pi * u``: their sign where u stays within half a turn."""
        low, high = Fraction(-1), Fraction(1)
        turns = turns_of(a)
        if turns is not None:
            u = self.range(turns)
            if op == "sin" and u.at_least(0) and u.at_most(1):
                low = Fraction(0)
            if op == "cos":
                twice = self.range(apply("*", Number(2), turns))
                if twice.at_least(-1) and twice.at_most(1):
                    low = Fraction(0)
        return Range((low, False), (high, False))

    # -- signs and trends -------------------------------------------------------------------

    def nonnegative(self, expr: Expr, depth: int = 4) -> bool:
        """Whether ``expr >= 0`` is implied.

        Beyond plain bounds: an expression that is linear in a bounded part is least at one of
        that part's bounds, so ``end + (peak - end) * s`` with s in [0, 1] needs only s = 0 and 1.
        """
        known = self._signs.get((expr, depth))
        if known is None:
            known = self._signs[expr, depth] = self._nonnegative(expr, depth, {})
        return known

    def _nonnegative(self, expr: Expr, depth: int, tried: dict[tuple[Expr, int], bool]) -> bool:
        # The same is left whichever part is replaced first.
        known = tried.get((expr, depth))
        if known is None:
            known = tried[expr, depth] = self._is_at_ends(expr, depth, tried)
        return known

    def _is_at_ends(self, expr: Expr, depth: int, tried: dict[tuple[Expr, int], bool]) -> bool:
        if self.range(expr).at_least(0):
            return True
        if depth == 0 or len(tried) > MOST_TRIES:
            return False
        expr = with_quotients(expr)
        for part in dict.fromkeys(walk(expr)):
            if part is expr or not isinstance(part, Apply) or not is_linear_in(expr, part):
                continue
            bounds = self.range(part)
            if bounds.low is None or bounds.high is None:
                continue
            ends = [constant_of(bounds.low[0]), constant_of(bounds.high[0])]
            below = (folded(replaced(expr, part, end)) for end in ends)
            if all(self._nonnegative(one, depth - 1, tried) for one in below):
                return True
        return False

    def trend(self, expr: Expr, varying: str = "step") -> int | None:
        """1: never falls as ``varying`` grows, -1: never rises, 0: does not change, None: open."""
        if not any(isinstance(n, Name) and n.id == varying for n in walk(expr)):
            return 0
        match expr:
            case Name():
                return 1
            case Apply(op="neg", args=(a,)):
                return _flip(self.trend(a, varying))
            case Apply(op="+", args=(a, b)):
                return _agree(self.trend(a, varying), self.trend(b, varying))
            case Apply(op="-", args=(a, b)):
                return _agree(self.trend(a, varying), _flip(self.trend(b, varying)))
            case Apply(op="*", args=(a, b)):
                return _agree(
                    _signed(self.trend(a, varying), self._sign(b)),
                    _signed(self.trend(b, varying), self._sign(a)),
                )
            case Apply(op="/" | "//", args=(a, b)):
                if not self.range(b).at_least(0, True):
                    return None
                return _agree(
                    self.trend(a, varying),
                    _signed(_flip(self.trend(b, varying)), self._sign(a)),
                )
            case Apply(op="min" | "max", args=args):
                result: int | None = 0
                for arg in args:
                    result = _agree(result, self.trend(arg, varying))
                return result
            case Apply(op="exp" | "expm1" | "log" | "log1p" | "sqrt" | "tanh" | "floor" | "ceil"):
                return self.trend(expr.args[0], varying)
            case Apply(op="reached", args=(_, place)):
                return self.trend(place, varying)
            case Apply(op="cycle" | "cycle_start", args=(place, *others)):
                if all(self.trend(other, varying) == 0 for other in others):
                    return self.trend(place, varying)
            case Apply(op="**", args=(a, b)):
                return self._power_trend(a, b, varying)
            case Apply(op="cos" | "sin" as op, args=(a,)):
                turns = turns_of(a)
                if turns is None:
                    return None
                u, trend = self.range(turns), self.trend(turns, varying)
                if op == "cos" and u.at_least(0) and u.at_most(1):
                    return _flip(trend)
                if op == "cos" and u.at_least(-1) and u.at_most(0):
                    return trend
                twice = self.range(apply("*", Number(2), turns))
                if op == "sin" and twice.at_least(-1) and twice.at_most(1):
                    return trend
        return None

    def _power_trend(self, a: Expr, b: Expr, varying: str) -> int | None:
        base, exponent = self.range(a), self.range(b)
        if not base.at_least(0):
            return None
        grows, moves = self.trend(a, varying), self.trend(b, varying)
        by_base = _signed(grows, 1 if exponent.at_least(0) else -1 if exponent.at_most(0) else None)
        by_exponent = _signed(moves, 1 if base.at_least(1) else -1 if base.at_most(1) else None)
        return _agree(by_base, by_exponent)

    def _sign(self, expr: Expr) -> int | None:
        if self.nonnegative(expr, 2):
            return 1
        return -1 if self.nonnegative(apply("neg", expr), 2) else None


_Key = tuple[tuple[Row, ...], tuple[tuple[Expr, Expr], ...], frozenset[Expr]]


@dataclass(slots=True)
class _Family:
    """Sets of facts that grew out of one another, and what finding out about them has cost."""

    made: dict[_Key, Facts] = field(default_factory=dict)
    splits: int = 0
    depth: int = 0
    effort: Effort = field(default_factory=Effort)


def _flip(trend: int | None) -> int | None:
    return None if trend is None else -trend


def _signed(trend: int | None, sign: int | None) -> int | None:
    if trend == 0:
        return 0
    return None if trend is None or sign is None else trend * sign


def _agree(a: int | None, b: int | None) -> int | None:
    if a == 0:
        return b
    if b == 0 or a == b:
        return a
    return None
