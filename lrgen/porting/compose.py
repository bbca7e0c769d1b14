"""Schedules one after another, and products of them: a call within a call as one document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest
from typing import Any

from ..document import MOST_TITLE, AccuracyShape, CautionShape, Document, ParameterShape, PieceShape
from ..naming import function_name
from .calls import Asked

_LATER = re.compile(r"\[(step - [^\[\]]+)\]")
_AT = re.compile(r"\b([A-Za-z_]\w*)\[([^\[\]]+)\]")
_WORD = re.compile(r"'[^']*'|\"[^\"]*\"|[A-Za-z_]\w*(?:\.\w+)*|\d[\w.]*")


@dataclass(frozen=True, slots=True)
class Written:
    """A formula of the user's own in ``step``: what the base rate is multiplied by.

    Attributes:
        factor: The formula.
        base: The rate, where it is known.
    """

    factor: str
    base: float | None = None


@dataclass(frozen=True, slots=True)
class Succession:
    """Members one after another.

    Attributes:
        members: In their order.
        milestones: The update at which the next one takes over, one fewer than members.
        running: Those members, by their places, that count from update 0; the others count from
            their own beginning.
    """

    members: tuple[Member, ...]
    milestones: tuple[int, ...]
    running: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Product:
    """The base rate times the factor of each member.

    Attributes:
        members: Each of them at a base rate of 1.
        base: The rate, where it is known.
    """

    members: tuple[Member, ...]
    base: float | None = None


@dataclass(frozen=True, slots=True)
class Nested:
    """Each member with the rate of the one before it for its base rate."""

    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """A number, where others have a schedule.

    Attributes:
        name: Of the parameter that it is.
        value: The number.
    """

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Ahead:
    """A member that is one step further than the count says."""

    member: Member


@dataclass(frozen=True, slots=True)
class Slow:
    """A member that steps once in so many updates.

    Attributes:
        member: Which.
        name: Of the parameter that says how many.
        updates: How many.
    """

    member: Member
    name: str
    updates: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of a :class:`Ruled` schedule.

    Attributes:
        name: Of the stretch.
        value: A formula of the rule's parameters, in which ``after[step]`` is the member ``after``
            at that step.
        until: The update before which it holds, as a formula; None for the last one.
    """

    name: str
    value: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Ruled:
    """A library's own rule around members.

    Attributes:
        name: What the library calls it.
        members: By the names that the rule has for them.
        parameters: The rule's own; their defaults are what was given.
        stages: One after another.
        require: What must hold of the parameters.
        notes: What the reader should know, in sentences.
    """

    name: str
    members: Mapping[str, Member]
    parameters: Mapping[str, ParameterShape]
    stages: tuple[Stage, ...]
    require: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Single = Asked | Written | Level | Slow | Ruled
Member = Single | Succession | Product | Nested | Ahead


@dataclass(frozen=True, slots=True)
class Composed:
    """What a composition became.

    Attributes:
        document: A spec that calls the dialects of its members.
        notes: What the reader should know, in sentences.
    """

    document: Document
    notes: tuple[str, ...]


def compose(name: str, called: str, member: Member) -> Composed:
    """``member`` as a document of its own.

    Every argument that was given is a parameter, under its own name where only one member has it,
    else with that of its member before it; the others stay at the library's defaults.

    Args:
        name: Of the document.
        called: What the library calls such a composition.
        member: What it is made of.
    """
    return _Composer(name, called).compose(member)


class _Composer:
    def __init__(self, name: str, called: str) -> None:
        self.name = name
        self.called_by = called
        self.parameters: dict[str, ParameterShape] = {}
        self.require: list[str] = []
        self.cautions: dict[tuple[str, str | None], CautionShape] = {}
        self.titles: dict[int, str] = {}
        self.lets: dict[str, str] = {}
        self.taken: set[str] = set()
        self.shared: Counter[str] = Counter()

    def compose(self, member: Member) -> Composed:
        """``member`` as a document."""
        singles = list(_singles(member))
        self.entitle(singles)
        self.shared = Counter(name for one in singles for name in _given(one))
        pieces = self.stretches(member)
        rates = [n for n, p in self.parameters.items() if p.type == "rate"]
        cites = (c for s in singles if isinstance(s, Asked) for c in s.document.cites)
        base = "base_lr" if "base_lr" in rates else rates[0] if len(rates) == 1 else None
        alone = len(pieces) == 1
        document = Document(
            name=self.name,
            title=self.title(singles),
            base=base,
            cites=list(dict.fromkeys(cites)),
            require=list(dict.fromkeys(self.require)),
            parameters=self.parameters,
            accuracy=_accuracy(singles),
            let=self.lets,
            piece=[] if alone else pieces,
            value=pieces[0].value if alone else None,
            caution=list(self.cautions.values()),
        )
        notes = dict.fromkeys(n for s in singles if isinstance(s, Asked | Ruled) for n in s.notes)
        return Composed(document, tuple(notes))

    def stretches(self, member: Member) -> list[PieceShape]:
        """The pieces of the document."""
        if isinstance(member, Ruled):
            names = self.own_of(member)
            return [
                PieceShape(
                    name=stage.name,
                    value=self.staged(member, stage.value, names, "step", None),
                    until=None if stage.until is None else _renamed(stage.until, names),
                )
                for stage in member.stages
            ]
        spans = _spans(member, 0, 0, None)
        pieces: list[PieceShape] = []
        starts = [begin for _, begin, _ in spans]
        milestones = self.milestones([s for s in starts if s])
        taken: set[str] = set()
        for (one, _, counted), after in zip(spans, [*starts[1:], None]):
            step = "step" if not counted else f"step - {milestones[counted]}"
            value = self.value(one, step, None)
            piece = _free(self.piece_name(one), taken)
            until = None if after is None else milestones[after]
            pieces.append(PieceShape(name=piece, value=value, until=until))
        return pieces

    def title(self, singles: Sequence[Single]) -> str:
        """``SequentialLR of LinearLR and CosineAnnealingLR``, where that is a line."""
        names = [_title(one) for one in singles if not isinstance(one, Slow)]
        names = [name for name in names if name != self.called_by] or names
        listed = " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])
        title = f"{self.called_by} of {listed}"
        return title if len(title) <= MOST_TITLE else f"{self.called_by} of {len(names)} schedules"

    def entitle(self, singles: Sequence[Single]) -> None:
        """A name of its own for each member: ``linear_lr``, ``linear_lr_2``."""
        met: set[str] = set()
        for one in singles:
            self.titles[id(one)] = _free(_own_name(one), met)

    def milestones(self, starts: Sequence[int]) -> dict[int, str]:
        """A parameter for each update at which another member takes over."""
        numbered = [f"milestone_{number}" for number in range(1, len(starts) + 1)]
        names = numbered if len(starts) > 1 else ["milestone"]
        for name, start in zip(names, starts):
            doc = "Update at which the next schedule takes over."
            self.parameters[name] = ParameterShape(type="steps", default=start, doc=doc)
        self.require += [f"{a} <= {b}" for a, b in pairwise(names)]
        return dict(zip(starts, names))

    def piece_name(self, member: Member) -> str:
        match member:
            case Asked() | Written() | Level() | Ruled():
                return self.titles[id(member)]
            case Ahead(member=one) | Slow(member=one):
                return self.piece_name(one)
            case Product() | Nested():
                return "product"
            case Succession():
                return "sequence"

    def value(self, member: Member, step: str, base: str | None) -> str:
        """The formula of ``member`` at ``step``; of the base rate ``base`` where that is given."""
        match member:
            case Asked():
                return self.called(member, step, base)
            case Written():
                return self.written(member, step, base)
            case Product(members=members, base=rate):
                self.declare_base(rate)
                factors = [self.let(one, step, "1.0") for one in members]
                return " * ".join([*([base or "base_lr"] if base != "1.0" else []), *factors])
            case Nested(members=members):
                self.declare_base()
                inner = base
                for one in members[:-1]:
                    inner = self.let(one, step, inner)
                return self.value(members[-1], step, inner)
            case Level(name=name, value=level):
                shape = ParameterShape(type="rate", default=level, doc="The constant rate.")
                return self.declare(member, name, shape, level)
            case Ahead(member=one):
                return self.value(one, f"{step} + 1", base)
            case Slow(member=one, name=name, updates=updates):
                shape = ParameterShape(type="steps", default=updates, doc="Updates of an epoch.")
                length = self.declare(member, name, shape, updates)
                self.require.append(f"1 <= {length} <= 2**40")
                return self.value(one, f"{_within(step)} // {length}", base)
            case Succession():
                return self.in_one(member, step, base)
            case Ruled():
                return self.ruled(member, step, base)

    def ruled(self, member: Ruled, step: str, base: str | None) -> str:
        """A rule within something else, as choices between its stages."""
        names = {**self.own_of(member), "step": _within(step)}
        value = ""
        for stage in reversed(member.stages):
            # A choice is computed on both sides, and no schedule has steps below 0.
            formula = _LATER.sub(r"[max(\1, 0)]", stage.value)
            own = self.staged(member, formula, names, step, base)
            if stage.until is not None:
                own = f"{own} if {step} < {_renamed(stage.until, names)} else {value}"
            value = own
        return f"({value})"

    def own_of(self, member: Ruled) -> dict[str, str]:
        """The rule's own parameters, by what they are called here."""
        names = {
            name: self.declare(member, name, shape, shape.default)
            for name, shape in member.parameters.items()
        }
        self.require += [_renamed(rule, names) for rule in member.require]
        return names

    def staged(
        self, member: Ruled, formula: str, names: Mapping[str, str], step: str, base: str | None
    ) -> str:
        """A formula of the rule, with its members written out."""

        inside = {**names, "step": _within(step)}

        def of_member(found: re.Match[str]) -> str:
            at = step if found[2] == "step" else _renamed(found[2], inside)
            return self.value(member.members[found[1]], at, base)

        outside = [_renamed(text, inside) for text in _AT.split(formula)[::3]]
        written = [of_member(found) for found in _AT.finditer(formula)]
        return "".join(chain.from_iterable(zip_longest(outside, written, fillvalue="")))

    def called(self, member: Asked, step: str, base: str | None) -> str:
        """A call of the dialect with the parameters that were given."""
        names: dict[str, str] = {}
        for name, shape in member.document.parameters.items():
            if name == "base_lr":
                if base is None or name in member.values:
                    self.declare_base(member.values.get(name), shape)
                names[name] = base or "base_lr"
            elif name in member.values:
                names[name] = self.declare(member, name, shape, member.values[name])
        self.require_of(member, names)
        self.caution_of(member, names)
        words = ", ".join([step, *(f"{name}={own}" for name, own in names.items())])
        return f"{member.library}.{member.document.name}({words})"

    def let(self, member: Member, step: str, base: str | None) -> str:
        """A let for ``member`` at the base rate ``base``.

        Lets hold at every step: of a member that begins later the formula itself is given.
        """
        value = self.value(member, step, base)
        if step != "step":
            return f"({value})"
        name = _free(self.piece_name(member), self.taken)
        self.lets[name] = value
        return name

    def written(self, member: Written, step: str, base: str | None) -> str:
        self.declare_base(member.base)
        factor = _renamed(member.factor, {"step": _within(step)})
        return f"{base or 'base_lr'} * ({factor})"

    def in_one(self, member: Succession, step: str, base: str | None) -> str:
        """A sequence within a product, as choices between its members."""
        spans = _spans(member, 0, 0, None)
        value = ""
        for place, (one, _, counted) in reversed(list(enumerate(spans))):
            own = self.value(one, f"max({step} - {counted}, 0)" if counted else step, base)
            last = place + 1 == len(spans)
            value = own if last else f"{own} if {step} < {spans[place + 1][1]} else {value}"
        return f"({value})"

    def declare_base(self, value: Any = None, shape: ParameterShape | None = None) -> None:
        """The rate that all members share."""
        if "base_lr" not in self.parameters:
            doc = shape.doc if shape is not None else "Rate that the optimizer was made with."
            default = value if value is not None else shape.default if shape is not None else 0.1
            base = ParameterShape(type="rate", default=default, doc=doc)
            self.parameters = {"base_lr": base, **self.parameters}
        elif value is not None:
            base = self.parameters["base_lr"].model_copy(update={"default": value})
            self.parameters["base_lr"] = base

    def declare(self, member: Single, name: str, shape: ParameterShape, value: Any) -> str:
        own = name if self.shared[name] == 1 else f"{self.titles[id(member)]}_{name}"
        self.parameters[own] = shape.model_copy(update={"default": value})
        return own

    def require_of(self, member: Asked, names: Mapping[str, str]) -> None:
        """What the dialect requires of the parameters that are open here."""
        fixed = {n: _literal(p.default) for n, p in member.document.parameters.items()}
        for rule in member.document.require:
            if set(_WORD.findall(rule)) & names.keys():
                self.require.append(_renamed(rule, {**fixed, **names}))

    def caution_of(self, member: Asked, names: Mapping[str, str]) -> None:
        """The dialect's cautions, on what is open here."""
        fixed = {n: _literal(p.default) for n, p in member.document.parameters.items()}
        for one in member.document.caution:
            when = None if one.when is None else _renamed(one.when, {**fixed, **names})
            if when is not None and not set(_WORD.findall(when)) & set(self.parameters):
                continue  # it hangs on what is fixed here
            self.cautions[one.text, when] = CautionShape(text=one.text, when=when)


def _singles(member: Member) -> Iterator[Single]:
    match member:
        case Asked() | Written() | Level():
            yield member
        case Slow(member=one):
            yield member
            yield from _singles(one)
        case Ahead(member=one):
            yield from _singles(one)
        case Ruled(members=named):
            yield member
            for one in named.values():
                yield from _singles(one)
        case Succession(members=members) | Product(members=members) | Nested(members=members):
            for one in members:
                yield from _singles(one)


def _accuracy(singles: Sequence[Single]) -> AccuracyShape | None:
    """What each of several schedules may round, together."""
    if len(singles) < 2:
        return None
    budgets = [
        one.document.accuracy.ulps if isinstance(one, Asked) and one.document.accuracy else 8
        for one in singles
    ]
    return AccuracyShape(ulps=sum(budgets), why="Each schedule in it rounds on its own.")


def _given(member: Single) -> list[str]:
    """The names of the parameters that the member brings, but for the rate that all share."""
    match member:
        case Asked(values=values):
            return [name for name in values if name != "base_lr"]
        case Level(name=name) | Slow(name=name):
            return [name]
        case Ruled(parameters=parameters):
            return list(parameters)
        case Written():
            return []


def _own_name(member: Single) -> str:
    match member:
        case Asked():
            return function_name(member.document.name)
        case Ruled(name=name):
            return function_name(name)
        case Level() | Slow():
            return "constant" if isinstance(member, Level) else "epochs"
        case Written():
            return "formula"


def _title(member: Single) -> str:
    match member:
        case Asked():
            return member.document.name
        case Ruled(name=name):
            return name
        case Level() | Slow():
            return "a constant"
        case Written():
            return "a formula"


def _within(step: str) -> str:
    return step if step.isidentifier() else f"({step})"


def _free(name: str, taken: set[str]) -> str:
    """``name``, or with a number behind it."""
    candidates: Iterator[str] = (name if n == 1 else f"{name}_{n}" for n in range(1, 1_000))
    chosen = next(c for c in candidates if c not in taken)
    taken.add(chosen)
    return chosen


def _spans(
    member: Member, counted: int, begin: int, end: int | None
) -> list[tuple[Member, int, int]]:
    """The members that hold one after another within ``begin`` and ``end``.

    Each with the update from which it holds, and that from which it counts; ``member`` itself
    counts from ``counted``.
    """
    if not isinstance(member, Succession):
        return [(member, begin, counted)]
    starts = [counted, *(counted + milestone for milestone in member.milestones)]
    found: list[tuple[Member, int, int]] = []
    for place, (one, start, after) in enumerate(zip(member.members, starts, [*starts[1:], None])):
        first = max(start, begin)
        last = after if end is None else end if after is None else min(after, end)
        if last is not None and first >= last:
            continue  # the next one begins at once
        found += _spans(one, counted if place in member.running else start, first, last)
    return found


def _renamed(formula: str, names: Mapping[str, str]) -> str:
    """``formula`` with other names, words in quotes left alone."""
    return _WORD.sub(lambda found: names.get(found[0], found[0]), formula)


def _literal(value: Any) -> str:
    match value:
        case bool():
            return str(value)
        case list() | tuple():
            return f"[{', '.join(_literal(entry) for entry in value)}]"
        case str():
            return f"'{value}'"
        case float():
            return getattr(value, "text", None) or repr(value)
        case _:
            return str(value)
