"""Requirements, finiteness and claims: proved where they can be, sampled exactly where not.

Proofs come from :mod:`lrgen.ranges` (bounds and trends) and from sympy (what vanishes at a
boundary). What they leave open is tried at many parameters and steps in exact arithmetic; a single
counterexample stops the build, and the findings say for each statement which of the two happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

from .errors import SpecError
from .evaluate import LARGEST, Arithmetic, At, NotFinite
from .exact import vanishes
from .expr import STEP, Apply, Expr, Number, names_in, substitute, walk
from .finite import is_finite
from .ops import apply
from .ranges import Facts
from .rewrite import known_of
from .sampling import allowed, arguments, boundaries, draws, steps_near
from .schedule import Schedule, Value, expand

DRAWS = 16
STEPS = 4
DIGITS = 40


def prove(schedule: Schedule) -> Schedule:
    """``schedule`` with its findings.

    Raises:
        SpecError: When defaults or examples break a requirement, a piece is not finite, a call
            breaks what the called schedule requires, or a claim is false.
    """
    return replace(schedule, findings=tuple(filter(None, Prover(schedule).findings())))


@dataclass(frozen=True, slots=True)
class _Open:
    """A statement that no proof was found for: ``check`` raises or returns False where it fails."""

    key: str
    piece: int | None
    fact: str
    hint: str
    column: int | None
    holds: Callable[[Point], bool]


class Point:
    """A step at one set of parameters, with what was found there; neighbours are shared."""

    def __init__(self, prover: Prover, value_at: At, step: int, known: _Known) -> None:
        self.prover = prover
        self.value_at = value_at
        self.step = step
        self.known = known

    @property
    def place(self) -> str:
        """Where it is, for a message."""
        return f"step = {self.step}"

    def moved(self, by: int) -> Point:
        """The point ``by`` steps later."""
        step = self.step + by
        if step not in self.known:
            self.known[step] = Point(self.prover, self.value_at, step, self.known)
        return self.known[step]

    def value(self, expr: Expr) -> Any:
        """The exact value of a formula, with lets or without."""
        return self.value_at(expr, self.step)

    @cached_property
    def piece(self) -> int:
        """The piece that holds here."""
        for index, condition in enumerate(self.prover.conditions):
            try:
                if condition is None or self.value(condition):
                    return index
            except NotFinite as error:
                raise SpecError(
                    f"the condition has no value: {error.fact} at {self.place}",
                    "Add a requirement that excludes it.",
                    key=self.prover.key(index),
                    column=error.node.column or None,
                    file=self.prover.schedule.file,
                ) from None
        raise AssertionError("the last piece has no condition")

    @cached_property
    def curve(self) -> Any:
        """The exact value of the schedule."""
        return self.value(self.prover.schedule.pieces[self.piece].value)


_Known = dict[int, Point]


class Prover:
    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.exact = Arithmetic(DIGITS)
        known = known_of(schedule)
        self.always, self.facts = known.always, known.pieces
        self.values = [expand(p.value, schedule.lets) for p in schedule.pieces]
        self.conditions = [
            None if p.condition is None else expand(p.condition, schedule.lets)
            for p in schedule.pieces
        ]

    def findings(self) -> Iterable[str]:
        self.check_parameters()
        yield self.conclude(
            "the calls' requirements", self.open_obligations(), bool(self.schedule.obligations)
        )
        yield self.conclude("finite", self.open_finiteness())
        claims = self.schedule.claims
        if claims.continuous:
            yield self.conclude(
                "continuous wherever neighboring pieces both hold", self.open_continuity()
            )
        if claims.bounds is not None:
            low, high = claims.bounds
            text = f"between {low.text} and {high.text}"
            yield self.conclude(text, self.open_bounds(low.condition, high.condition))
        if claims.non_increasing_from is not None:
            start = claims.non_increasing_from
            yield self.conclude(
                f"never rises from {start.text} on", self.open_trend(start.condition, None, -1)
            )
        if claims.non_decreasing_until is not None:
            end = claims.non_decreasing_until
            yield self.conclude(
                f"never falls until {end.text}", self.open_trend(None, end.condition, 1)
            )

    # -- parameters -------------------------------------------------------------------------

    def check_parameters(self) -> None:
        sets = [("the defaults", self.schedule.defaults)]
        sets += [(f"the example '{e.name}'", dict(e.values)) for e in self.schedule.examples]
        for name, values in sets:
            broken = allowed(self.schedule, values, self.exact)
            if broken is not None:
                raise SpecError(
                    f"{name} break the requirement `{broken}`"
                    if name == "the defaults"
                    else f"{name} breaks the requirement `{broken}`",
                    "Change the values or the rule.",
                    key="require",
                    file=self.schedule.file,
                )

    # -- sampling ---------------------------------------------------------------------------

    def conclude(self, text: str, statements: list[_Open], spoken: bool = True) -> str:
        """Try what is open; the sentence that says how it was shown."""
        if not statements:
            return f"{text}: proved" if spoken else ""
        tried = 0
        for values, points in self.points:
            for point in points:
                for statement in statements:
                    if statement.piece is None or statement.piece == point.piece:
                        tried += 1
                        self.hold(statement, point, values)
        return f"{text}: sampled, {tried:,} exact points"

    @cached_property
    def points(self) -> list[tuple[dict[str, Value], list[Point]]]:
        """Every set of parameters that is tried, with the steps at which it is."""
        result = []
        for values in draws(self.schedule, DRAWS, self.exact):
            lets = [(let.name, let.value) for let in self.schedule.lets]
            value_at = self.exact.along(arguments(self.schedule, values, self.exact), lets)
            start = Point(self, value_at, 0, {})
            places = boundaries(self.schedule, values, self.exact)
            steps = steps_near(places, self.schedule.name, STEPS)
            result.append((values, [start.moved(step) for step in steps]))
        return result

    def hold(self, statement: _Open, point: Point, values: Mapping[str, Value]) -> None:
        column = statement.column
        fact = statement.fact
        try:
            if statement.holds(point):
                return
        except NotFinite as error:
            fact = error.fact
            column = error.node.column or None
        exprs = [*self.values, *(c for c in self.conditions if c is not None)]
        used = {name for expr in exprs for name in names_in(expr)}
        shown = ", ".join(f"{k} = {v!r}" for k, v in values.items() if k in used)
        raise SpecError(
            f"{fact} at {point.place}" + (f" with {shown}" if shown else ""),
            statement.hint,
            key=statement.key,
            column=column,
            file=self.schedule.file,
        )

    def truth(self, condition: Expr, point: Point) -> bool:
        return bool(point.value(condition))

    def has_value(self, expr: Expr, point: Point) -> bool:
        return bool(abs(point.value(expr)) <= LARGEST)

    def at_least_zero(self, gap: Expr, point: Point) -> bool:
        return bool(point.value(gap) >= -1e-30)

    def is_settled(self, expr: Expr) -> bool:
        """Whether facts may speak of ``expr``."""
        return True

    def key(self, index: int) -> str:
        if len(self.schedule.pieces) == 1:
            return "value"
        return f'piece "{self.schedule.pieces[index].name}"'

    # -- obligations ------------------------------------------------------------------------

    def open_obligations(self) -> list[_Open]:
        result = []
        for key, obligation in self.schedule.obligations:
            condition = expand(obligation.condition, self.schedule.lets)
            for index, facts in enumerate(self.facts):
                own = key == self.key(index) or not key.startswith("piece")
                if not own or facts.decided(condition) is True or facts.contradictory():
                    continue
                column = condition.column if isinstance(condition, Apply) else 0
                result.append(
                    _Open(
                        key,
                        index,
                        f"'{obligation.schedule}' requires `{obligation.text}`, which fails",
                        "Add to `require` what makes it hold.",
                        column or None,
                        partial(self.truth, condition),
                    )
                )
        return result

    # -- finiteness -------------------------------------------------------------------------

    def open_finiteness(self) -> list[_Open]:
        result = []
        for index, (value, facts) in enumerate(zip(self.values, self.facts)):
            shown = self.is_settled(value) and is_finite(value, facts)
            if not shown and not facts.contradictory():
                result.append(
                    _Open(
                        self.key(index),
                        index,
                        "not finite",
                        "Add a requirement that excludes it, or another piece.",
                        None,
                        partial(self.has_value, value),
                    )
                )
        before = self.always
        for index, condition in enumerate(self.conditions):
            if condition is None:
                break
            if not (self.is_settled(condition) and is_finite(condition, before)):
                result.append(
                    _Open(
                        self.key(index),
                        None,
                        "the condition has no value",
                        "Add a requirement that excludes it.",
                        None,
                        partial(self.can_be_asked, index, condition),
                    )
                )
            before = before.given(condition, holds=False)
        return result

    def can_be_asked(self, index: int, condition: Expr, point: Point) -> bool:
        """Whether a condition has a value where no piece before it holds."""
        earlier = any(c is not None and point.value(c) for c in self.conditions[:index])
        return earlier or self.has_value(condition, point)

    # -- claims -----------------------------------------------------------------------------

    def open_bounds(self, low: Expr, high: Expr) -> list[_Open]:
        result = []
        for index, (value, facts) in enumerate(zip(self.values, self.facts)):
            for gap, word in (
                (apply("-", value, low), "below"),
                (apply("-", high, value), "above"),
            ):
                if (self.is_settled(gap) and facts.nonnegative(gap)) or facts.contradictory():
                    continue
                result.append(
                    _Open(
                        "claims.bounds",
                        index,
                        f"the value is {word} its bound",
                        "Correct the claim or the formula.",
                        None,
                        partial(self.at_least_zero, gap),
                    )
                )
        return result

    def joints(self) -> Iterable[tuple[int, int, Expr]]:
        """(left piece, right piece, step) for every boundary that can come to pass."""
        for index, condition in enumerate(self.conditions):
            match condition:
                case Apply(op="<", args=(a, end)) if a == STEP:
                    yield index, index + 1, end
                case None:
                    pass
                case _:
                    yield index, index + 1, Number(-1)

    def open_continuity(self) -> list[_Open]:
        """Neighbouring pieces meet wherever both hold; within a piece nothing jumps."""
        result = []
        for left, right, end in self.joints():
            if end == Number(-1):
                result.append(self.no_jump(None))
                continue
            gap = apply("-", *(substitute(self.values[i], {"step": end}) for i in (left, right)))
            if not vanishes(gap):
                result.append(self.meeting(left, right))
        result += [self.no_jump(i) for i, value in enumerate(self.values) if _may_jump(value)]
        return result

    def meeting(self, left: int, right: int) -> _Open:
        """The left formula, carried on to the first step of the right one, has its value."""

        def holds(point: Point) -> bool:
            if point.step < 1 or point.moved(-1).piece != left:
                return True
            before, after = point.value(self.values[left]), point.curve
            return bool(abs(before - after) <= 1e-25 * max(abs(before), abs(after)))

        return _Open(
            "claims.continuous",
            right,
            f"pieces {left + 1} and {right + 1} do not meet",
            "Correct the claim or the formula.",
            None,
            holds,
        )

    def no_jump(self, index: int | None) -> _Open:
        """A jump stands out against the changes just before and after it, where those are small."""

        def holds(point: Point) -> bool:
            if point.step < 3:
                return True
            around = [point.moved(by) for by in (-3, -2, -1, 0, 1, 2)]
            if index is not None and {near.piece for near in around} != {index}:
                return True
            near = [one.curve for one in around]
            moves = [abs(b - a) for a, b in pairwise(near)]
            usual = max(moves[0], moves[1], moves[3], moves[4])
            scale = max(abs(v) for v in near)
            return bool(usual > 1e-3 * scale or moves[2] <= 8 * usual + 1e-9 * scale)

        return _Open(
            "claims.continuous",
            None,
            "the value jumps",
            "Correct the claim or the formula.",
            None,
            holds,
        )

    def open_trend(self, start: Expr | None, end: Expr | None, wanted: int) -> list[_Open]:
        def within(facts: Facts) -> Facts:
            if start is not None:
                facts = facts.given(apply(">=", STEP, start))
            return facts if end is None else facts.given(apply("<", STEP, end))

        proved = True
        for value, facts in zip(self.values, self.facts):
            inside = within(facts)
            if inside.contradictory():
                continue
            trend = inside.trend(value)
            proved = proved and trend in (0, wanted)
        for left, right, place in self.joints():
            if within(self.facts[left]).contradictory():
                continue
            gap = apply(
                "-",
                substitute(self.values[left], {"step": place}),
                substitute(self.values[right], {"step": place}),
            )
            if wanted > 0:
                gap = apply("neg", gap)
            fine = place != Number(-1) and (self.always.nonnegative(gap) or vanishes(gap))
            proved = proved and fine
        if proved:
            return []

        def holds(point: Point) -> bool:
            if start is not None and point.step < point.value(start):
                return True
            if end is not None and point.step >= point.value(end):
                return True
            gap = point.moved(1).curve - point.curve
            return bool(gap * wanted >= -1e-30)

        word = "falls" if wanted > 0 else "rises"
        key = "claims.non_increasing_from" if wanted < 0 else "claims.non_decreasing_until"
        return [
            _Open(key, None, f"the value {word}", "Correct the claim or the formula.", None, holds)
        ]


def _may_jump(expr: Expr) -> bool:
    jumps = {"floor", "ceil", "//", "%", "if"}
    return any(
        isinstance(node, Apply) and node.op in jumps and "step" in names_in(node)
        for node in walk(expr)
    )
