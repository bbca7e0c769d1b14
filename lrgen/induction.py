"""What holds of a state after any number of observations.

A condition that holds at first, and after an update whenever it held before, holds for ever.
"""

from __future__ import annotations

from dataclasses import replace

from .expr import Apply, Expr, Kind, Name, Number, names_in, rebuild, substitute, walk
from .finite import is_finite
from .ops import apply
from .ranges import Facts
from .rewrite import facts_of
from .schedule import Schedule

MOST_NODES = 400


def with_invariants(schedule: Schedule) -> Schedule:
    """``schedule`` with the conditions ``state >= 0`` that induction shows, of whole states."""
    start = facts_of(schedule)
    # Of real numbers whole states learn nothing that they need, and they are slow to reason about.
    after = _Update(schedule, every_real=True).after
    candidates = {
        s.name: apply(">=", Name(s.name, Kind.INT), Number(0))
        for s in schedule.state
        if s.kind is Kind.INT and start.decided(apply(">=", s.initial, Number(0))) is True
    }
    while True:
        facts = start
        for condition in candidates.values():
            facts = facts.given(condition)
        kept = {
            name: condition
            for name, condition in candidates.items()
            if name in after and _never_negative(after[name], facts)
        }
        if kept == candidates:
            return replace(schedule, invariants=tuple(kept.values()))
        candidates = kept


def _never_negative(expr: Expr, facts: Facts) -> bool:
    """Whether ``expr >= 0`` follows; branch by branch, so that each needs only its own facts."""
    match expr:
        case Apply(op="if", args=(condition, yes, no)):
            return _never_negative(yes, facts.given(condition)) and _never_negative(
                no, facts.given(condition, holds=False)
            )
        case Apply(op="+", args=(a, b)):
            if _never_negative(a, facts) and _never_negative(b, facts):
                return True
    return facts.range(expr).at_least(0)


def always_computable(schedule: Schedule) -> bool:
    """Whether every operator of state and update surely has operands that it can take.

    ``schedule`` has its invariants.
    """
    facts = facts_of(schedule)
    update = _Update(schedule)
    initial = [state.initial for state in schedule.state]
    exprs = [*initial, *update.after.values(), *update.compared]
    return not update.lost and all(is_finite(_without_infinity(expr), facts) for expr in exprs)


class _Update:
    """An update in terms of parameters and of the state before it.

    What compares observed numbers becomes a flag of its own: of NaN neither ``a < b`` nor its
    opposite says anything. With ``every_real`` so does what compares any real numbers.

    Attributes:
        after: Every line, by its name.
        compared: The operands of such comparisons.
        lost: Lines that would be too long, which are left out.
    """

    def __init__(self, schedule: Schedule, every_real: bool = False) -> None:
        self.after: dict[str, Expr] = {}
        self.compared: list[Expr] = []
        self.lost: set[str] = set()
        self._observed = schedule.observed_names
        self._every_real = every_real
        for line in schedule.update:
            self._flags: dict[Expr, Name] = {}
            if self._is_long(line.value):
                self.after.pop(line.name, None)
                self.lost.add(line.name)
            else:
                self.after[line.name] = substitute(self._opaque(line.value, line.name), self.after)

    def _is_long(self, expr: Expr) -> bool:
        if not self.lost.isdisjoint(names_in(expr)):
            return True
        parts = [node.id for node in walk(expr) if isinstance(node, Name)]
        inside = sum(_size(self.after[name]) for name in parts if name in self.after)
        return _size(expr) + inside > MOST_NODES

    def _opaque(self, expr: Expr, line: str) -> Expr:
        match expr:
            case Apply(op="<" | "<=" | ">" | ">=" | "==" | "!=", args=args) if (
                not self._observed.isdisjoint(names_in(expr))
                or (self._every_real and any(arg.kind is Kind.REAL for arg in args))
            ):
                self.compared += [substitute(arg, self.after) for arg in args]
                return self._flags.setdefault(expr, Name(f"{line}:{len(self._flags)}", Kind.BOOL))
        return rebuild(expr, lambda child: self._opaque(child, line))


def _size(expr: Expr) -> int:
    return sum(1 for _ in walk(expr))


def _without_infinity(expr: Expr) -> Expr:
    """``inf`` is a value like any other in an update."""
    if isinstance(expr, Apply) and expr.op == "inf":
        return Number(1.0)
    return rebuild(expr, _without_infinity)
