"""What ``[call.given]`` of a dialect may call: functions of dictionaries, lists and texts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from ..errors import quoted
from .pasted import NotPortable, told


def _keys(table: Any) -> Any:
    return [key for key, _ in _pairs(table)]


def _values(table: Any) -> Any:
    return [value for _, value in _pairs(table)]


def _pairs(table: Any) -> list[tuple[Any, Any]]:
    """A dictionary, or a list of pairs; none of None."""
    match table:
        case dict():
            return list(table.items())
        case None:
            return []
        case list() if all(isinstance(entry, list) and len(entry) == 2 for entry in table):
            return [(key, value) for key, value in table]
        case _:
            raise NotPortable(f"{told(table)} is no dictionary. Write it as one.")


def _entries(table: Any, *key_and_otherwise: Any) -> Any:
    key, *otherwise = key_and_otherwise
    if not isinstance(table, list) or not all(isinstance(entry, dict) for entry in table):
        raise NotPortable(f"{told(table)} is no list of dictionaries. Write it as one.")
    missing = [entry for entry in table if key not in entry and not otherwise]
    if missing:
        raise NotPortable(f"an entry has no {quoted(str(key))}. Add it.")
    return [entry.get(key, *otherwise) for entry in table]


def _sums(entries: Any) -> Any:
    return list(itertools.accumulate(entries))


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _rules(text: Any) -> tuple[list[int], list[float]]:
    """Where the rules ``'1:10,0.1:20,0.01'`` of diffusers cut, and the shares between."""
    try:
        *pairs, last = str(text).split(",")
        split = [pair.split(":") for pair in pairs]
        return [int(step) for _, step in split], [
            *(float(share) for share, _ in split),
            float(last),
        ]
    except ValueError:
        raise NotPortable(
            f"{told(text)} has no rules of steps. Write it as '1:10,0.1:20,0.01'."
        ) from None


# What the call of a dialect may say of its arguments.
TABLES: dict[str, Callable[..., Any]] = {
    "keys": _keys,
    "values": _values,
    "entries": _entries,
    "sums": _sums,
    "first": _first,
    "rule_steps": lambda text: _rules(text)[0],
    "rule_shares": lambda text: _rules(text)[1],
    "floor": math.floor,
    "ceil": math.ceil,
}
