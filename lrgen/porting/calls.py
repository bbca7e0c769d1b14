"""A pasted call as a dialect with its parameters: whose it is, and what each argument means."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..catalogue import dialects
from ..document import CallShape, Document, Source
from ..errors import did_you_mean, quoted
from ..pipeline import read as read_spec
from .pasted import Call, Function, NotPortable, Unknown, computed, read, told
from .tables import TABLES
from .times import batches

# Where two libraries have a class of one name, and the call does not say whose it is.
_ORDER = ("torch", "keras", "optax", "tensorflow", "transformers", "timm", "megatron")
_ALIASES = {"tf": "tensorflow", "tfm": "tensorflow", "tf_keras": "keras", "pd": "paddle"}
# Where they were once, or are for some.
_LEFT_OUT = ("experimental", "python", "_src")
# Whose a package is, where it is not called as the library is here.
_LIBRARIES = {"official": "tensorflow", "tf_keras": "keras"}
REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Asked:
    """A dialect at the parameters that a call gives it.

    Attributes:
        source: The dialect's spec.
        values: Those parameters that the call gives.
        notes: What the reader should know, in sentences.
    """

    source: Source
    values: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def document(self) -> Document:
        """The dialect's document."""
        return self.source.document

    @property
    def library(self) -> str:
        """Whose it is."""
        return self.source.library

    def value(self, name: str) -> Any:
        """The value of the parameter ``name``, given or not."""
        return self.values.get(name, self.document.parameters[name].default)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a call takes: names with their defaults, of which the first may be positional."""

    names: tuple[str, ...]
    positional: int
    defaults: Mapping[str, Any]
    rest: bool

    def bound(self, call: Call) -> dict[str, Any]:
        """The arguments of ``call`` by name, those that it gives.

        Raises:
            NotPortable: For an argument that it does not take.
        """
        if len(call.arguments) > self.positional:
            raise NotPortable(
                f"{call.path} takes {self.positional} arguments without names, but got "
                f"{len(call.arguments)}. Name them."
            )
        given = dict(zip(self.names, call.arguments))
        for name, value in call.keywords.items():
            if name in given:
                raise NotPortable(f"{call.path}: {name} is given twice. Give it once.")
            if name not in self.names:
                if self.rest:
                    continue
                hint = did_you_mean(name, self.names) or f"It has {', '.join(self.names)}."
                raise NotPortable(f"{call.path} has no argument {quoted(name)}. {hint}")
            given[name] = value
        return given


@cache
def signature(text: str) -> Signature:
    """The signature ``optimizer, factor=0.5, *, total_iters=5``.

    Raises:
        NotPortable: When it is none.
    """
    try:
        arguments = ast.parse(f"def f({text}): pass").body[0].args  # type: ignore[attr-defined]
    except SyntaxError:
        raise NotPortable(f"not a signature: {text}. Write it as Python does.") from None
    placed = [*arguments.posonlyargs, *arguments.args]
    named = [*placed, *arguments.kwonlyargs]
    nodes = [*([None] * (len(placed) - len(arguments.defaults))), *arguments.defaults]
    nodes += arguments.kw_defaults
    defaults = {
        argument.arg: read(ast.unparse(node))[0]
        for argument, node in zip(named, nodes)
        if node is not None
    }
    names = tuple(argument.arg for argument in named)
    return Signature(names, len(placed), defaults, arguments.kwarg is not None)


@cache
def _by_last_part() -> dict[str, list[tuple[str, Source]]]:
    """Every path that a dialect is called by, under its last part, with the dialect."""
    found: dict[str, list[tuple[str, Source]]] = {}
    for path in dialects().values():
        source = read_spec(path)
        if source.document.call is not None:
            for called in source.document.call.paths:
                found.setdefault(called.rpartition(".")[2], []).append((called, source))
    return found


def known_names() -> list[str]:
    """What may be called, each by the last part of its path."""
    return list(_by_last_part())


def is_known(call: Call) -> bool:
    """Whether ``call`` calls a dialect."""
    return bool(_matching(call))


def dialect_of(call: Call, quantity: str = "") -> tuple[Source, tuple[str, ...]]:
    """The dialect that ``call`` calls, and what the reader should know about the choice.

    Args:
        call: As it was pasted.
        quantity: What else the library drives, such as ``momentum``; empty for the rate.

    Raises:
        NotPortable: When there is none.
    """
    matching = _matching(call)
    if not matching:
        near = did_you_mean(call.name, known_names())
        raise NotPortable(
            f"no schedule {quoted(call.path)} is known. "
            + (near or "See `lrgen list --dialects` for those that are.")
        )
    others = [s for s in matching if s.document.name.partition(".")[2] == quantity]
    if not others:
        driven = [s.document.name.partition(".")[2] for s in matching]
        has = ", ".join(word for word in driven if word) or "nothing"
        raise NotPortable(
            f"{call.path} drives no {quoted(quantity)}. Beside the rate it drives {has}."
        )
    chosen = next((s for s in others if _accepts(s, call)), others[0])
    notes = []
    rivals = [s for s in others if s.library != chosen.library and _accepts(s, call)]
    if rivals:
        other = rivals[0].document.call
        assert other is not None
        notes.append(f"Read as that of {chosen.library}; for another write {other.paths[0]}(...).")
    return chosen, tuple(notes)


def _matching(call: Call) -> list[Source]:
    """The dialects that ``call`` may call, the likeliest library first."""
    parts = _parts(call.path)
    found: dict[str, Source] = {}
    for path, source in _by_last_part().get(parts[-1], []):
        if _is_within(parts, [source.library, *path.split(".")]):
            found.setdefault(source.key, source)
    return sorted(found.values(), key=lambda source: (*_rank(source.library), source.document.name))


def _rank(library: str) -> tuple[int, str]:
    return (_ORDER.index(library) if library in _ORDER else len(_ORDER)), library


def _parts(path: str) -> list[str]:
    """What was called, by the library's own name: ``tf.keras`` is Keras."""
    parts = path.split(".")
    parts[0] = _ALIASES.get(parts[0], parts[0])
    if parts[:2] == ["tensorflow", "keras"]:
        del parts[0]
    return [part for part in parts[:-1] if part not in _LEFT_OUT] + parts[-1:]


def is_path_of(called: str, path: str) -> bool:
    """Whether ``called`` is ``path``, with modules left out, or an alias for its library."""
    parts = _parts(called)
    own = path.split(".")
    return parts[-1] == own[-1] and _is_within(parts, [_LIBRARIES.get(own[0], own[0]), *own])


def _is_within(parts: Iterable[str], path: Iterable[str]) -> bool:
    """Whether ``parts`` are some of those of ``path``, in order: users leave modules out."""
    rest = iter(path)
    return all(part in rest for part in parts)


def _accepts(source: Source, call: Call) -> bool:
    try:
        signature(shape(source).signature).bound(call)
    except NotPortable:
        return False
    return True


def shape(source: Source) -> CallShape:
    """How the library of ``source`` is asked for it."""
    assert source.document.call is not None, "only dialects that can be called are looked up"
    return source.document.call


def asked(call: Call, quantity: str = "") -> Asked:
    """``call`` as a dialect and its parameters.

    Raises:
        NotPortable: For an unknown call, an argument that is no value, and one without counterpart.
    """
    source, notes = dialect_of(call, quantity)
    return asked_of(source, call, notes)


def asked_of(source: Source, call: Call, notes: tuple[str, ...] = ()) -> Asked:
    """The dialect ``source`` with the parameters that ``call`` gives it.

    Raises:
        NotPortable: For an argument that is no value, and one without counterpart.
    """
    document, how = source.document, shape(source)
    taken = signature(how.signature)
    given = taken.bound(call)
    # What goes into **kw is an argument all the same: one that the dialect has, or refused below.
    given |= call.keywords
    missing = [n for n in taken.names if n not in given and n not in taken.defaults]
    values: dict[str, Any] = {}
    used = {*document.parameters, *how.beside}
    # A text such as '1dur' that the spec has a number for: its default.
    given = {n: v for n, v in given.items() if not isinstance(v, str) or v != taken.defaults.get(n)}
    for name in document.parameters:
        value = given.get(name)
        formula = how.given.get(name, "")
        names = _names(formula) if formula else set()
        used |= names
        if name in given and value is not None and name not in {*how.beside, *names}:
            word = how.words.get(value, value) if isinstance(value, str) else value
            values[name] = plain(call, name, word, document.parameters[name].type)
        elif names and any(n in given for n in names):
            of_the_run = names.intersection(how.run)
            if of_the_run:
                raise NotPortable(
                    f"{call.path}: {name} depends on {', '.join(sorted(of_the_run))}, which the "
                    f"call does not say. Give {name} itself, in updates."
                )
            every = {n: given.get(n, taken.defaults.get(n)) for n in names}
            if name in names or all(value is not None for value in every.values()):
                found = _computed(call, formula, every)
                values[name] = plain(call, name, found, document.parameters[name].type)
        elif name in missing:
            raise NotPortable(f"{call.path}: the argument {name} is missing. Add it.")
    for name, value in given.items():
        if name not in used and value != taken.defaults.get(name, REQUIRED):
            raise NotPortable(
                f"{call.path}: {name}={_spelled(value)} changes the curve in a way that "
                f"{source.key} does not know. Leave it out, and see `lrgen show {source.key}`."
            )
    values |= {n: v for n, v in of_the_optimizer(given.get("optimizer")).items() if n not in values}
    return Asked(source, {n: v for n, v in values.items() if n in document.parameters}, notes)


def chosen(
    call: Call, library: str, name: Any, given: dict[str, Any], *, every: bool = False
) -> Call:
    """The call of the schedule that ``library`` calls ``name``, with what it takes of ``given``.

    Args:
        call: What chooses.
        library: Whose schedule.
        name: Which.
        given: Arguments.
        every: Whether those that it does not take are handed on, to be refused.

    Raises:
        NotPortable: When there is none.
    """
    paths = dialects(library)
    key = f"{library}/{name}"
    if key not in paths:
        known = [path.partition("/")[2] for path in paths]
        hint = did_you_mean(str(name), known) or f"It knows {', '.join(known)}."
        raise NotPortable(f"{call.path}: {library} has no schedule {quoted(str(name))}. {hint}")
    how = read_spec(paths[key]).document.call
    assert how is not None, "every dialect can be called"
    taken = signature(how.signature)
    return Call(how.paths[0], (), {n: v for n, v in given.items() if every or n in taken.names})


def of_the_optimizer(value: Any) -> dict[str, Any]:
    """The rate of ``torch.optim.SGD(parameters, lr=0.1)``, of which it is the second argument."""
    if not isinstance(value, Call):
        return {}
    rate = value.keywords.get("lr", value.arguments[1] if len(value.arguments) > 1 else None)
    return {} if rate is None or isinstance(rate, Unknown) else {"base_lr": rate}


def _names(formula: str) -> set[str]:
    """The arguments that ``formula`` is over; one may have a function's name, as praxis' max."""
    nodes = list(ast.walk(ast.parse(formula, mode="eval")))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called}


def _computed(call: Call, formula: str, values: Mapping[str, Any]) -> Any:
    """``formula`` over arguments: through the reader of pasted lines, so never evaluated."""
    for name, value in values.items():
        if isinstance(value, Unknown | Call | Function):
            raise _unknown(call, name, value)
    result = computed(formula, values, TABLES)
    if isinstance(result, Unknown):
        raise NotPortable(f"{call.path}: {result.text} is no number. Give its value.")
    return result


def plain(call: Call, name: str, value: Any, wanted: str) -> Any:
    """``value`` as the parameter ``name`` takes it."""
    match value:
        case Unknown() | Call() | Function():
            raise _unknown(call, name, value)
        case list():
            return [plain(call, name, entry, wanted.removesuffix("[]")) for entry in value]
        case float() if wanted in ("steps", "count") and value.is_integer():
            return int(value)
        case str() if wanted in ("steps", "count"):
            return batches(f"{call.path}: {name}", value)
        case int() if wanted in ("rate", "real") and not isinstance(value, bool):
            return float(value)
        case _:
            return value


def _unknown(call: Call, name: str, value: Any) -> NotPortable:
    return NotPortable(
        f"{call.path}: {name} is {told(value)}, whose value is not known here. Put the value in "
        f"its place{_assignment(value)}."
    )


def _assignment(value: Any) -> str:
    """The line that would make ``value`` known, where it has a name."""
    named = isinstance(value, Unknown) and value.text.replace(".", "").isidentifier()
    return f", or add a line above: {value.text} = 1000" if named else ""


def _spelled(value: Any) -> str:
    match value:
        case Unknown(text=text):
            return text
        case Call() | Function():
            return told(value)
        case _:
            return repr(value)
