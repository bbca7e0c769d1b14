"""What puts schedules together: which call does, and what it says of its members."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..document import ParameterShape
from .calls import is_path_of, plain, signature
from .compose import Level, Member
from .pasted import Call, NotPortable

Inner = Callable[[Any], Member]
Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A call that takes schedules, or a function, and makes another schedule.

    Attributes:
        paths: What is called, the usual one first.
        signature: As of a dialect's ``[call]``; all of it is the reader's to judge.
        reader: The member that a call is, from the call, its arguments and their defaults by name,
            and what reads a schedule among them.
    """

    paths: tuple[str, ...]
    signature: str
    reader: Callable[[Call, Given, Inner], Member]

    def takes(self, call: Call) -> bool:
        """Whether ``call`` has all arguments that have to be there, and no others."""
        own = signature(self.signature)
        try:
            given = own.bound(call)
        except NotPortable:
            return False
        return all(name in given or name in own.defaults for name in own.names)

    def read(self, call: Call, inner: Inner) -> Member:
        """``call`` as a member.

        Raises:
            NotPortable: When it is none.
        """
        own = signature(self.signature)
        given = own.bound(call)
        missing = [name for name in own.names if name not in given and name not in own.defaults]
        if missing:
            raise NotPortable(f"{call.path}: the argument {missing[0]} is missing. Add it.")
        return self.reader(call, {**own.defaults, **given}, inner)


def wrapper_of(call: Call, wrappers: Sequence[Wrapper]) -> Wrapper | None:
    """That of ``wrappers`` which ``call`` calls: the first that takes its arguments."""
    known = [w for w in wrappers if any(is_path_of(call.path, path) for path in w.paths)]
    return next((one for one in known if one.takes(call)), known[0] if known else None)


def members(call: Call, value: Any, inner: Inner) -> list[Member]:
    """The schedules in the list ``value``."""
    if not isinstance(value, list) or not value:
        raise NotPortable(f"{call.path}: expected a list of schedules. Give at least one.")
    return [inner(one) for one in value]


def updates(call: Call, name: str, value: Any) -> list[int]:
    """``value`` as a list of updates that do not decrease."""
    whole = isinstance(value, list) and all(type(entry) is int and entry >= 0 for entry in value)
    if not whole or list(value) != sorted(value):
        raise NotPortable(f"{call.path}: {name} must be a list of updates that do not decrease.")
    entries: list[int] = value
    return entries


def matching(call: Call, name: str, entries: Sequence[Any], wanted: int) -> None:
    """Refuses more or fewer ``entries`` than ``wanted``."""
    if len(entries) != wanted:
        raise NotPortable(
            f"{call.path}: {name} has {len(entries)} entries, the schedules want {wanted}. Give "
            "as many."
        )


def level_or(call: Call, name: str, value: Any, inner: Inner) -> Member:
    """The schedule that ``value`` is, or the constant."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Level(name, plain(call, name, value, "rate"))
    return inner(value)


def parameter(call: Call, name: str, kind: Any, given: Any, doc: str) -> ParameterShape:
    """A parameter that a call gives a value."""
    return ParameterShape(type=kind, default=plain(call, name, given, kind), doc=doc)
