"""What is wrong with the shape of a spec, in the words of its author rather than of a validator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import SpecError, did_you_mean, quoted

_WANTED = {
    "string_type": "a text in quotes",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "bool_type": "true or false",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
}
_GOT = {str: "a text", bool: "true or false", int: "a number", list: "a list", dict: "a table"}


def shape_error(
    data: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    fields_at: Callable[[Sequence[str]], list[str]],
) -> SpecError:
    """One error for a document of the wrong shape: unknown keys first, for they explain the rest.

    Args:
        data: What the file holds.
        found: The validator's findings: ``type``, ``loc``, ``msg`` and perhaps ``ctx``.
        fields_at: The keys that are known at a place.
    """
    first = min(found, key=lambda one: one["type"] != "extra_forbidden")
    place: tuple[str | int, ...] = first["loc"]
    names = [str(part) for part in place]
    limits: Mapping[str, Any] = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            known = fields_at(names[:-1])
            hint = did_you_mean(names[-1], known) or f"Known here: {', '.join(known)}."
            return SpecError(f"unknown key {quoted(names[-1])}", hint, key=_key(data, place[:-1]))
        case "missing":
            return SpecError(
                f"the key '{names[-1]}' is missing", "Add it.", key=_key(data, place[:-1])
            )
        case kind if kind in _WANTED:
            wanted = _WANTED[kind]
            fact, hint = f"expected {wanted}, but got {_got(data, place)}", f"Write {wanted}."
        case "literal_error":
            fact, hint = "not one of the words known here", f"It is {limits.get('expected')}."
        case "string_too_short" | "too_short":
            least = limits.get("min_length", 1)
            fact = "the text is empty" if least == 1 else f"fewer than {least} entries"
            hint = "Write something." if least == 1 else f"Give {least}."
            if first["type"] == "too_short" and least == 1:
                fact, hint = "the list is empty", "Give an entry, or leave it out."
        case "string_too_long" | "too_long":
            most = limits.get("max_length", 0)
            fact, hint = f"longer than {most:,}", "Shorten it."
        case "greater_than_equal" | "less_than_equal":
            limit = limits.get("ge", limits.get("le"))
            word = "at least" if "ge" in limits else "at most"
            fact, hint = f"the number is not {word} {limit:,}", f"Give {word} {limit:,}."
        case _:
            message = str(first["msg"])
            fact, hint = message[0].lower() + message[1:], "Correct the value."
    return SpecError(fact, hint, key=_key(data, place))


def _key(data: Mapping[str, Any], place: Sequence[str | int]) -> str:
    """``piece "hold".value``: entries of lists by their names, or by number from 1."""
    words: list[str] = []
    here: Any = data
    for part in place:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            here = None
        if isinstance(part, int):
            name = here.get("name") if isinstance(here, dict) else None
            words[-1] += f' "{name}"' if isinstance(name, str) else f" {part + 1}"
        else:
            words.append(part)
    return ".".join(words)


def _got(data: Any, place: Sequence[str | int]) -> str:
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return "nothing"
    if isinstance(data, float):
        return "a number"
    return _GOT.get(type(data), f"a {type(data).__name__}")
