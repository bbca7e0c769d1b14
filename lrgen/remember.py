"""What a schedule remembers: ``observes``, ``[state]`` and ``[update]``, parsed and typed."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from .document import Document
from .errors import SpecError
from .expr import Apply, Expr, Kind, Name, Number, names_in, walk
from .parameters import located
from .parse import Symbol, parse
from .schedule import State, Update, observed_names

_IEEE = {"+", "-", "*", "/", "neg", "abs", "if", "inf"}
_COMPARE = {"<", "<=", ">", ">=", "==", "!="}


def resolve_state(document: Document, parameters: Mapping[str, Symbol]) -> tuple[State, ...]:
    """The states of ``document`` with their initial values.

    Raises:
        SpecError: When parts are missing, or an initial value is none.
    """
    _check_parts(document)
    result = []
    for name, text in document.state.items():
        with located(f"state '{name}'"):
            initial = parse(text, parameters, frozenset())
            _check_initial(initial)
        result.append(State(name, initial, " ".join(text.split())))
    return tuple(result)


def resolve_update(
    document: Document, parameters: Mapping[str, Symbol], states: tuple[State, ...]
) -> tuple[Update, ...]:
    """The lines of the update of ``document``, in their order.

    Raises:
        SpecError: For what an update cannot say, and for a state of another kind than its initial
            value.
    """
    if document.observes is None:
        return ()
    kinds = {state.name: state.kind for state in states}
    symbols = dict(parameters) | {name: Symbol(kind) for name, kind in kinds.items()}
    symbols[document.observes] = Symbol(Kind.REAL)
    result: list[Update] = []
    for name, text in document.update.items():
        key = f"update '{name}'"
        with located(key):
            value = _read(document, text, symbols)
            if value.kind is Kind.WORD:
                raise SpecError("an update is a word", "Use the choice itself.")
            observed = observed_names(document.observes, states, tuple(result))
            _check_operators(value, observed)
            if name in kinds:
                _check_state(name, value, kinds, document.observes)
        result.append(Update(name, value, " ".join(text.split())))
        symbols[name] = Symbol(value.kind)
    for name in kinds:
        if name not in document.update:
            raise SpecError(
                f"the state '{name}' never changes",
                "Give it a line in [update], or make it a parameter.",
                key=f"state '{name}'",
            )
    return tuple(result)


def _check_parts(document: Document) -> None:
    """``observes``, ``[state]`` and ``[update]`` stand together or not at all."""
    given = {
        "observes": document.observes is not None,
        "[state]": bool(document.state),
        "[update]": bool(document.update),
    }
    if any(given.values()) and not all(given.values()):
        there = next(part for part, is_there in given.items() if is_there)
        missing = next(part for part, is_there in given.items() if not is_there)
        hints = {
            "observes": 'Say what is observed, as in `observes = "metric"`.',
            "[state]": "Say what is remembered, as in `best = 'inf'`.",
            "[update]": "Say what an observation changes.",
        }
        raise SpecError(f"{there} without {missing}", hints[missing], key=there.strip("[]"))
    if document.observes is None:
        for example in document.example:
            if example.metrics is not None:
                raise SpecError(
                    "metrics for a schedule that observes nothing",
                    "Leave them out.",
                    key=f"example '{example.name}'",
                )
        return
    for name, shape in document.parameters.items():
        if shape.type.endswith("[]"):
            raise SpecError(
                "a list in a schedule that remembers",
                "Give its entries as parameters of their own.",
                key=f"parameters.{name}",
            )
    claims = document.claims
    for key, claimed in (
        ("continuous", claims.continuous),
        ("non_increasing_from", claims.non_increasing_from is not None),
        ("non_decreasing_until", claims.non_decreasing_until is not None),
    ):
        if claimed:
            raise SpecError(
                "a schedule that remembers is no curve of the step alone",
                "Claim `bounds`, or nothing.",
                key=f"claims.{key}",
            )


def _check_initial(initial: Expr) -> None:
    if initial.kind is Kind.WORD:
        raise SpecError("a state is a word", "Use the choice itself.")
    if initial.kind is not Kind.REAL:
        return
    for node in _values(initial):
        match node:
            case Apply(op="inf" | "neg" | "if"):
                continue
            case Number(value=value) if float(np.float32(value)) == value:
                continue
        raise SpecError(
            "a state that holds a real number starts at inf or at a number that float32 holds",
            "Start at inf, or remember in a flag whether there was an observation.",
            column=(node.column or None) if isinstance(node, Apply) else None,
        )


def _values(expr: Expr) -> list[Expr]:
    """Every node but those inside conditions."""
    match expr:
        case Apply(op="if", args=(_, yes, no)):
            return [expr, *_values(yes), *_values(no)]
        case Apply(args=args):
            return [expr, *(node for arg in args for node in _values(arg))]
    return [expr]


def _read(document: Document, text: str, symbols: Mapping[str, Symbol]) -> Expr:
    try:
        return parse(text, symbols, frozenset())
    except SpecError as error:
        for name, hint in (
            ("step", "It counts observations, so keep a counter in [state]."),
            *(
                (let, "A let belongs to the value: write a line of [update].")
                for let in document.let
            ),
            *((later, "Move it up.") for later in document.update),
        ):
            if error.fact == f"unknown name '{name}'":
                fact = {"step": "an update may not use the step"}.get(
                    name,
                    f"'{name}' is a let"
                    if name in document.let
                    else f"'{name}' is computed further down in [update]",
                )
                raise SpecError(fact, hint, column=error.column) from None
        called = re.match(r"unknown function or schedule", error.fact)
        if called:
            raise SpecError(
                error.fact, "An update calls operators only, no schedules.", column=error.column
            ) from None
        raise


def _check_operators(value: Expr, observed: frozenset[str]) -> None:
    """What is observed may be NaN or infinite, and every framework must decide alike."""
    for node in walk(value):
        if not isinstance(node, Apply) or observed.isdisjoint(names_in(node)):
            continue
        if node.op in _IEEE or node.op in _COMPARE or node.kind is Kind.BOOL:
            continue
        if node.kind is Kind.REAL or any(arg.kind is Kind.REAL for arg in node.args):
            raise SpecError(
                f"'{node.op}' of an observed number is not the same everywhere, for it may be NaN "
                "or infinite",
                "Use + - * / abs, comparisons and `a if c else b`.",
                column=node.column or None,
            )


def _check_state(name: str, value: Expr, kinds: Mapping[str, Kind], observes: str) -> None:
    kind = kinds[name]
    if value.kind is not kind:
        raise SpecError(
            f"the state '{name}' starts as {kind.value}, and its update is {value.kind.value}",
            "Give both the same kind, as 0.0 and 0 differ.",
        )
    if kind is not Kind.REAL:
        return
    held = {observes, *(n for n, k in kinds.items() if k is Kind.REAL)}
    for node in _values(value):
        match node:
            case Name(id=found) if found in held:
                continue
            case Apply(op="if" | "inf"):
                continue
            case Apply(op="neg", args=(Apply(op="inf"),)):
                continue
        raise SpecError(
            f"the state '{name}' would hold a computed number, and its rounding would accumulate",
            f"Keep '{observes}' or another state in it, chosen by `a if c else b`, and compute in "
            "the value.",
            column=(node.column or None) if isinstance(node, Apply) else None,
        )
