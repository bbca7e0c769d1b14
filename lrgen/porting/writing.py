"""A document as the text of a spec file, in the layout of those of the catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..document import Document, ParameterShape

COLUMNS = 100
_FLOAT = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


def spec_text(document: Document, *, why: str = "") -> str:
    """``document`` as TOML that reads back to the same.

    Args:
        document: Of any spec; its ``[call]`` is left out, for a user's spec has none.
        why: A comment on the first line.
    """
    return "".join(f"{line}\n" for line in [*([f"# {why}"] if why else []), *_lines(document)])


def _lines(document: Document) -> Iterator[str]:
    head: list[tuple[str, Any]] = [("name", document.name), ("title", document.title)]
    optional: list[tuple[str, Any, Any]] = [
        ("base", document.base, None),
        ("drives", document.drives, "lr"),
        ("observes", document.observes, None),
        ("cites", document.cites, []),
        ("require", document.require, []),
        ("value", document.value, None),
    ]
    head += [(key, value) for key, value, usual in optional if value != usual]
    yield from _entries(head)
    if document.parameters:
        yield from ("", "[parameters]")
        yield from _aligned((n, _parameter(p)) for n, p in document.parameters.items())
    for key, table in (
        ("let", document.let),
        ("state", document.state),
        ("update", document.update),
    ):
        if table:
            yield from ("", f"[{key}]")
            yield from _entries(list(table.items()))
    for piece in document.piece:
        yield from ("", "[[piece]]")
        yield from _entries(_given(piece.model_dump(), ("name", "until", "when", "value")))
    claims = _given(document.claims.model_dump(exclude_defaults=True))
    if claims:
        yield from ("", "[claims]")
        yield from _entries(claims)
    if document.accuracy is not None:
        yield from ("", "[accuracy]")
        yield from _entries(_given(document.accuracy.model_dump()))
    for example in document.example:
        yield from ("", "[[example]]")
        yield from _entries(_given(example.model_dump()))
    for caution in document.caution:
        yield from ("", "[[caution]]")
        yield from _entries(_given(caution.model_dump()))


def _given(table: Mapping[str, Any], order: Sequence[str] = ()) -> list[tuple[str, Any]]:
    return [(key, table[key]) for key in order or table if table[key] is not None]


def _entries(pairs: Sequence[tuple[str, Any]]) -> Iterator[str]:
    yield from _aligned((key, value_text(value)) for key, value in pairs)


def _aligned(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """``key = value`` with the equals signs in one column."""
    known = list(pairs)
    width = max(len(key) for key, _ in known)
    yield from (f"{key:<{width}} = {text}" for key, text in known)


def _parameter(shape: ParameterShape) -> str:
    pairs: list[tuple[str, Any]] = [("type", shape.type), *([("of", shape.of)] if shape.of else [])]
    pairs += [("default", shape.default), ("doc", shape.doc)]
    return f"{{ {', '.join(f'{key} = {value_text(value)}' for key, value in pairs)} }}"


def value_text(value: Any) -> str:
    """``value`` as TOML writes it; a real number as its author did, where TOML allows that."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            texts = [value_text(entry) for entry in value]
            line = f"[{', '.join(texts)}]"
            long = len(line) > COLUMNS - 10 and all(isinstance(entry, str) for entry in value)
            return "[\n" + "".join(f"    {text},\n" for text in texts) + "]" if long else line
        case dict():
            return f"{{ {', '.join(f'{k} = {value_text(v)}' for k, v in value.items())} }}"
        case int():
            return f"{value:_}"
        case float():
            return _real(value)
        case _:
            raise TypeError(f"not a value of a spec: {value!r}")


def _real(value: float) -> str:
    text: str = getattr(value, "text", "")
    if not (_FLOAT.fullmatch(text) and re.search(r"[.e]", text, re.IGNORECASE)):
        text = repr(value)
    return text
