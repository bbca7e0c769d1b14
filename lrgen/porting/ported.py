"""What a schedule from elsewhere became: a spec, and with it everything that lrgen makes of one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from ..bound import Bound, Loaded, bound_values
from ..catalogue import catalogue, dialects
from ..describe import cautions
from ..document import Document, Source, source_of_text
from ..errors import did_you_mean, quoted
from ..naming import function_name
from ..pipeline import emit, library_of_sources
from ..plot.settings import typed_values
from ..schedule import KIND_OF_TYPE, Schedule
from .calls import Asked, shape
from .compose import (
    Ahead,
    Level,
    Member,
    Nested,
    Product,
    Ruled,
    Slow,
    Succession,
    Written,
    compose,
)
from .pasted import NotPortable
from .writing import spec_text

Settings = Mapping[str, Any] | Sequence[str]
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?=\s*\()")


@dataclass(frozen=True)
class Ported:
    """A schedule that was read from a call, from settings or from an object.

    Attributes:
        spec: A spec file, in TOML, whose defaults are the numbers that were given.
        notes: What the reader should know, in sentences.
    """

    spec: str
    notes: tuple[str, ...]
    origin: str

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule of the spec, resolved but not proved yet."""
        specs, names = library_of_sources([self._source])
        return replace(specs.schedule(names[0]), origin=self.origin)

    @cached_property
    def _source(self) -> Source:
        name = re.search(r'(?m)^name\s*= "([^"]*)"', self.spec)
        assert name is not None, "we wrote it"
        return source_of_text(self.spec, f"{name[1]}.toml")

    @cached_property
    def bound(self) -> Bound:
        """The schedule at the numbers that were given.

        Raises:
            SpecError: When they break a rule of the schedule, or it cannot be computed accurately.
        """
        return Loaded(self.schedule).bind()

    @property
    def cautions(self) -> tuple[str, ...]:
        """What hurts people who use it, of what holds for these numbers."""
        found = cautions(self.schedule, bound_values(self.schedule, {}))
        return tuple(caution.text for caution, holds in found if holds)

    def code(self, backend: str) -> str:
        """The module of ``backend``: python, numpy, torch, keras or jax.

        Raises:
            SpecError: As for :attr:`bound`.
        """
        texts, _ = emit(self.schedule, [backend])
        return next(text for path, text in texts.items() if path.endswith(".py"))


def ported(
    member: Member | Document,
    origin: str,
    called: str,
    *,
    name: str = "",
    settings: Settings = MappingProxyType({}),
) -> Ported:
    """``member`` as a spec.

    Args:
        member: A dialect with its parameters, a composition of some, or a whole document.
        origin: What it was read from, in a line.
        called: What a composition is called, by its library.
        name: What to call it instead; a dialect has its library's name otherwise.
        settings: Parameters of the spec that count for more than what was read: their values, or
            texts such as ``base_lr=0.1``.

    Raises:
        NotPortable: For a setting that is no parameter of it.
    """
    notes: list[str] = []
    if isinstance(member, Document):
        document = member.model_copy(update={"name": name or member.name})
    elif isinstance(member, Asked):
        document, notes = _own(member, name or _name(member)), list(member.notes)
    else:
        composed = compose(name or function_name(called), called, member)
        document, notes = composed.document, list(composed.notes)
    given = _typed(document, settings)
    if "base_lr" in document.parameters and not _has_base(member) and "base_lr" not in given:
        base = document.parameters["base_lr"].default
        notes.append(f"base_lr is {base}, for no rate was given: set base_lr to say another.")
    if isinstance(member, Asked):
        notes += [
            f"{one} is {document.parameters[one].default}, for the call does not say: set {one}."
            for one in shape(member.source).run
            if one not in given and one not in member.values
        ]
    text = spec_text(_with(document, given), why=f"From {origin}")
    return Ported(text, tuple(dict.fromkeys(notes)), origin)


def _has_base(member: Member | Document) -> bool:
    match member:
        case Asked(values=values):
            return "base_lr" in values
        case Written(base=base):
            return base is not None
        case Product(base=base) if base is not None:
            return True
        case Succession(members=members) | Product(members=members) | Nested(members=members):
            return any(_has_base(one) for one in members)
        case Ahead(member=one) | Slow(member=one):
            return _has_base(one)
        case Ruled(members=named):
            return any(_has_base(one) for one in named.values())
        case Document() | Level():
            return True


def _name(member: Asked) -> str:
    """What the library calls it; after the library's own name where the catalogue has it too."""
    own = function_name(member.document.name)
    return f"{member.library}_{own}" if own in catalogue() else own


def _own(member: Asked, name: str) -> Document:
    """The dialect itself, at these defaults and under this name."""
    document = member.document
    siblings = {key.partition("/")[2] for key in dialects(member.library)} - {document.name}

    def qualified(formula: str) -> str:
        return _CALLED.sub(
            lambda found: f"{member.library}.{found[0]}" if found[0] in siblings else found[0],
            formula,
        )

    return document.model_copy(
        update={
            "name": name,
            "parameters": {
                n: p.model_copy(update={"default": member.values.get(n, p.default)})
                for n, p in document.parameters.items()
            },
            "let": {n: qualified(text) for n, text in document.let.items()},
            "piece": [p.model_copy(update={"value": qualified(p.value)}) for p in document.piece],
            "value": None if document.value is None else qualified(document.value),
            "example": [],
            "call": None,
        }
    )


def _typed(document: Document, settings: Settings) -> Mapping[str, Any]:
    if isinstance(settings, Mapping):
        return settings
    kinds = {n: KIND_OF_TYPE[p.type] for n, p in document.parameters.items()}
    try:
        return typed_values(kinds, settings)
    except ValueError as error:
        raise NotPortable(str(error)) from None


def _with(document: Document, settings: Mapping[str, Any]) -> Document:
    parameters = dict(document.parameters)
    for name, value in settings.items():
        if name not in parameters:
            hint = did_you_mean(name, parameters) or f"It has {', '.join(parameters)}."
            raise NotPortable(f"{document.name} has no parameter {quoted(name)}. {hint}")
        parameters[name] = parameters[name].model_copy(update={"default": value})
    return document.model_copy(update={"parameters": parameters})
