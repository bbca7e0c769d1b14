"""Parameters from their entries in a spec: types, defaults, and how a default is spelt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .document import ParameterShape, SpelledFloat, check_identifier
from .errors import SpecError, quoted
from .expr import Kind
from .printer import literal
from .schedule import Parameter, Value


@contextlib.contextmanager
def located(key: str) -> Iterator[None]:
    """Errors raised inside stand at ``key``."""
    try:
        yield
    except SpecError as error:
        raise error.at(key=key) from None


def read_parameter(name: str, shape: ParameterShape) -> Parameter:
    with located(f"parameters.{name}"):
        words = tuple(shape.of or ())
        if (shape.type == "choice") != bool(words):
            raise SpecError("'of' lists the words of a choice", "A choice needs it, others do not.")
        for word in words:
            check_identifier(word, "the word")
        if len(set(words)) != len(words):
            raise SpecError("a word of the choice stands twice", "Keep one of them.")
        bare = Parameter(name, shape.type, 0, "", shape.doc, words)
        default = read_value(bare, shape.default)
    return replace(bare, default=default, spelling=_spelling(default, shape.default))


def read_value(parameter: Parameter, value: Any) -> Value:
    """``value`` as ``parameter`` holds it: a plain int, float, bool or str."""
    if not parameter.accepts(value):
        shown = value if isinstance(value, str | int | float | bool) else type(value).__name__
        raise SpecError(
            f"'{parameter.name}' {parameter.rule()}, got {quoted(str(shown))}",
            f"Give {parameter.units}." if parameter.type == "choice" else "Correct the value.",
        )
    if parameter.kind is Kind.REAL:
        return float(value)
    if parameter.kind is Kind.REALS:
        return tuple(float(entry) for entry in value)
    if parameter.kind is Kind.INTS:
        return tuple(value)
    result: Value = value
    return result


def _spelling(default: Value, written: Any) -> str:
    if isinstance(default, tuple):
        entries = [_spelling(d, w) for d, w in zip(default, written)]
        return f"({', '.join(entries)}{',' if len(entries) == 1 else ''})"
    if isinstance(written, SpelledFloat):
        text = written.text.lower().lstrip("+")
        return text
    if isinstance(default, bool | str):
        return f'"{default}"' if isinstance(default, str) else str(default)
    return f"-{literal(-default)}" if default < 0 else literal(default)
