"""A schedule as the pipeline knows it: parameters, requirements, lets, pieces, state, claims."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .expr import STEP, Expr, Kind, Name, names_in, substitute
from .naming import class_name, scheduler_name
from .ops import apply
from .parse import Symbol
from .ranges import Facts

Scalar = int | float | bool | str
Value = Scalar | tuple[int, ...] | tuple[float, ...]
ParameterType = Literal[
    "steps", "count", "rate", "real", "flag", "choice", "steps[]", "count[]", "rate[]", "real[]"
]
MOST_ENTRIES = 10_000

KIND_OF_TYPE: dict[ParameterType, Kind] = {
    "steps": Kind.INT,
    "count": Kind.INT,
    "rate": Kind.REAL,
    "real": Kind.REAL,
    "flag": Kind.BOOL,
    "choice": Kind.WORD,
    "steps[]": Kind.INTS,
    "count[]": Kind.INTS,
    "rate[]": Kind.REALS,
    "real[]": Kind.REALS,
}
DEFAULT_ULPS = 8


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter; ``spelling`` is its default as code, as the author wrote it."""

    name: str
    type: ParameterType
    default: Value
    spelling: str
    doc: str
    words: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return KIND_OF_TYPE[self.type]

    @property
    def symbol(self) -> Symbol:
        return Symbol(self.kind, self.words)

    @property
    def units(self) -> str:
        """What a number of this parameter counts, for people."""
        return {
            "steps": "updates",
            "count": "a whole number",
            "rate": "in units of the driven quantity",
            "real": "a real number",
            "flag": "yes or no",
            "choice": "one of " + ", ".join(self.words),
            "steps[]": "updates, a list",
            "count[]": "whole numbers, a list",
            "rate[]": "in units of the driven quantity, a list",
            "real[]": "real numbers, a list",
        }[self.type]

    @property
    def entry(self) -> Parameter | None:
        """What each entry of a list is; None for a single value."""
        match self.type:
            case "steps[]":
                return replace(self, type="steps")
            case "count[]":
                return replace(self, type="count")
            case "rate[]":
                return replace(self, type="rate")
            case "real[]":
                return replace(self, type="real")
        return None

    def rule(self) -> str:
        """What a value must be, as a sentence's end: ``must be an integer >= 0``."""
        match self.type:
            case "steps":
                return "must be an integer >= 0"
            case "count":
                return "must be an integer"
            case "rate":
                return "must be a finite number >= 0"
            case "real":
                return "must be a finite number"
            case "flag":
                return "must be True or False"
            case "choice":
                return "must be one of " + ", ".join(repr(word) for word in self.words)
            case "steps[]":
                return f"must be a list of at most {MOST_ENTRIES:,} integers >= 0"
            case "count[]":
                return f"must be a list of at most {MOST_ENTRIES:,} integers"
            case "rate[]":
                return f"must be a list of at most {MOST_ENTRIES:,} finite numbers >= 0"
            case "real[]":
                return f"must be a list of at most {MOST_ENTRIES:,} finite numbers"

    def accepts(self, value: object) -> bool:
        """Whether ``value`` has this parameter's type and range."""
        if self.entry is not None:
            return (
                isinstance(value, list | tuple)
                and len(value) <= MOST_ENTRIES
                and all(self.entry.accepts(entry) for entry in value)
            )
        match self.type:
            case "steps" | "count":
                whole = isinstance(value, int) and not isinstance(value, bool)
                low = 0 if self.type == "steps" else -(2**63)
                return whole and low <= value < 2**63  # type: ignore[operator]
            case "rate" | "real":
                if isinstance(value, bool) or not isinstance(value, int | float):
                    return False
                low_real = 0.0 if self.type == "rate" else -math.inf
                return math.isfinite(value) and value >= low_real
            case "flag":
                return isinstance(value, bool)
            case "choice":
                return value in self.words
        return False


@dataclass(frozen=True, slots=True)
class Requirement:
    """A rule between parameters, and its text."""

    condition: Expr
    text: str


@dataclass(frozen=True, slots=True)
class Let:
    """A named part of a formula; ``reasons`` say where the computed form differs from the text."""

    name: str
    value: Expr
    text: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A formula and the condition under which it holds, after those before it do not.

    The last piece has no condition. ``condition_text`` and ``text`` are the author's.
    """

    name: str
    condition: Expr | None
    value: Expr
    condition_text: str
    text: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Obligation:
    """What an inlined schedule requires of its arguments, in the caller's terms."""

    schedule: str
    text: str
    condition: Expr


@dataclass(frozen=True, slots=True)
class Claims:
    """What the author says of the curve."""

    continuous: bool = False
    bounds: tuple[Requirement, Requirement] | None = None
    non_increasing_from: Requirement | None = None
    non_decreasing_until: Requirement | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A set of parameters, complete, and where it comes from; ``metrics`` are a trace to try."""

    name: str
    doc: str
    values: Mapping[str, Value]
    metrics: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What a schedule remembers under ``name``; ``initial`` is a formula of parameters."""

    name: str
    initial: Expr
    text: str

    @property
    def kind(self) -> Kind:
        return self.initial.kind


@dataclass(frozen=True, slots=True)
class Update:
    """A line of an update: ``name`` becomes ``value``, for this update alone if no state has it."""

    name: str
    value: Expr
    text: str


@dataclass(frozen=True, slots=True)
class Caution:
    """What hurts people, in a sentence; ``condition`` says for which parameters, if not all."""

    text: str
    condition: Expr | None
    condition_text: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A resolved schedule: every name known, every formula typed, calls inlined.

    ``name`` is that of emitted functions and modules, ``spec_name`` the one the author gave: they
    differ where that has capitals or a dot. ``library`` is the one whose dialect it is, empty for
    any other. ``fingerprint`` is a digest of everything that gives the curve its meaning, that of
    called schedules included. A schedule that remembers names what it ``observes``; at each
    observation the lines of ``update`` run in their order. ``invariants`` are conditions on its
    state that hold after any number of observations.
    """

    name: str
    title: str
    base: str | None
    drives: str
    cites: tuple[str, ...]
    file: str
    origin: str
    fingerprint: str
    parameters: tuple[Parameter, ...]
    requirements: tuple[Requirement, ...]
    lets: tuple[Let, ...]
    pieces: tuple[Piece, ...]
    claims: Claims
    examples: tuple[Example, ...]
    ulps: int
    ulps_why: str
    written_lets: tuple[tuple[str, str], ...]
    written_pieces: tuple[tuple[str, str, str], ...]
    obligations: tuple[tuple[str, Obligation], ...] = ()
    findings: tuple[str, ...] = field(default=())
    observes: str | None = None
    state: tuple[State, ...] = ()
    update: tuple[Update, ...] = ()
    invariants: tuple[Expr, ...] = ()
    cautions: tuple[Caution, ...] = ()
    spec_name: str = ""
    library: str = ""

    @property
    def key(self) -> str:
        """What it is called for: ``cosine``, or ``torch/OneCycleLR``."""
        return f"{self.library}/{self.spec_name}" if self.library else self.spec_name

    def parameter(self, name: str) -> Parameter:
        """The parameter called ``name``; KeyError when there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    @property
    def defaults(self) -> dict[str, Value]:
        """Every parameter's default."""
        return {p.name: p.default for p in self.parameters}

    @property
    def state_names(self) -> tuple[str, ...]:
        """What is remembered, in the author's order."""
        return tuple(state.name for state in self.state)

    @property
    def observed_names(self) -> frozenset[str]:
        """Names that may hold an observed number, so NaN or an infinity too."""
        return observed_names(self.observes, self.state, self.update)

    @property
    def uses_step(self) -> bool:
        """Whether the rate changes from step to step, not only from observation to observation."""
        exprs = [e for p in self.pieces for e in (p.value, p.condition) if e is not None]
        return any(depends_on_step(expr, self.lets) for expr in exprs)

    @property
    def class_name(self) -> str:
        """``cosine_warmup`` as ``CosineWarmup``, ``OneCycleLR`` as it is."""
        return class_name(self.spec_name)

    @property
    def scheduler_name(self) -> str:
        """``cosine_warmup`` as ``CosineWarmupLR``: what PyTorch calls its schedulers."""
        return scheduler_name(self.spec_name)


def expand(expr: Expr, lets: tuple[Let, ...]) -> Expr:
    """``expr`` with every let written out, so that only parameters and ``step`` are left."""
    for let in reversed(lets):
        if let.name in names_in(expr):
            expr = substitute(expr, {let.name: let.value})
    return expr


def observed_names(
    observes: str | None, state: tuple[State, ...], update: tuple[Update, ...]
) -> frozenset[str]:
    """What is observed, states of real numbers, and real names of an update built of these."""
    if observes is None:
        return frozenset()
    found = {observes, *(s.name for s in state if s.kind is Kind.REAL)}
    for line in update:
        if line.value.kind is Kind.REAL and not found.isdisjoint(names_in(line.value)):
            found.add(line.name)
    return frozenset(found)


def type_facts(parameters: tuple[Parameter, ...]) -> Facts:
    """What parameter types alone say, and that steps are counted from 0."""
    facts = Facts().at_least(STEP, 0)
    for parameter in parameters:
        if parameter.type in ("steps", "rate"):
            facts = facts.at_least(Name(parameter.name, parameter.kind), 0)
        if parameter.type in ("steps[]", "rate[]"):
            facts = facts.at_least(apply("least", Name(parameter.name, parameter.kind)), 0)
    return facts


def depends_on_step(expr: Expr, lets: tuple[Let, ...]) -> bool:
    """Whether ``expr`` changes from step to step."""
    varying = varying_names(lets)
    return not varying.isdisjoint(names_in(expr))


def varying_names(lets: tuple[Let, ...]) -> frozenset[str]:
    """``step`` and every let that changes with it."""
    varying = {"step"}
    for let in lets:
        if not varying.isdisjoint(names_in(let.value)):
            varying.add(let.name)
    return frozenset(varying)
