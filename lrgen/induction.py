"""What holds of a state after any number of observations.

A condition that holds at first, and after an update whenever it held before, holds for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    after = _after(schedule)
    candidates = {
        s.name: apply(">=", Name(s.name, Kind.INT), Number(0))
        for s in schedule.state
        if s.kind is Kind.INT and start.decided(apply(">=", s.initial, Number(0))) is True
    }
    while True:
        facts = _given(start, candidates.values())
        kept = {
            name: condition
            for name, condition in candidates.items()
            if name in after and facts.range(after[name]).at_least(0)
        }
        if kept == candidates:
            return replace(schedule, invariants=tuple(kept.values()))
        candidates = kept


def always_computable(schedule: Schedule) -> bool:
    """Whether every operator of the update surely has operands that it can take.

    ``schedule`` has its invariants.
    """
    facts = facts_of(schedule)
    after = _after(schedule)
    names = {line.name for line in schedule.update}
    return names <= after.keys() and all(
        is_finite(_without_infinity(after[name]), facts) for name in names
    )


def _after(schedule: Schedule) -> dict[str, Expr]:
    """Lines of the update in terms of parameters and of the state before it.

    What compares observed numbers becomes a flag of its own: of NaN neither ``a < b`` nor its
    opposite says anything. Lines that would become too long are left out.
    """
    observed = schedule.observed_names
    result: dict[str, Expr] = {}
    lost: set[str] = set()
    for line in schedule.update:
        flags: dict[Expr, Name] = {}
        value = _opaque(line.value, observed, line.name, flags)
        if not lost.isdisjoint(names_in(value)):
            lost.add(line.name)
            continue
        value = substitute(value, result)
        if sum(1 for _ in walk(value)) > MOST_NODES:
            lost.add(line.name)
            result.pop(line.name, None)
            continue
        result[line.name] = value
    return result


def _opaque(expr: Expr, observed: frozenset[str], line: str, flags: dict[Expr, Name]) -> Expr:
    match expr:
        case Apply(op="<" | "<=" | ">" | ">=" | "==" | "!=") if not observed.isdisjoint(
            names_in(expr)
        ):
            return flags.setdefault(expr, Name(f"{line}:{len(flags)}", Kind.BOOL))
    return rebuild(expr, lambda child: _opaque(child, observed, line, flags))


def _without_infinity(expr: Expr) -> Expr:
    """``inf`` is a value like any other in an update."""
    if isinstance(expr, Apply) and expr.op == "inf":
        return Number(1.0)
    return rebuild(expr, _without_infinity)


def _given(facts: Facts, conditions: Iterable[Expr]) -> Facts:
    for condition in conditions:
        facts = facts.given(condition)
    return facts
