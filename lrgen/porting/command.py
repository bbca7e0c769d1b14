"""Doing what ``lrgen port`` was asked for, from the command line and from Python."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..bound import bound_values
from ..files import write
from . import mmengine
from .live import call_of_object
from .members import is_schedule, schedule_of
from .pasted import Call, Function, NotPortable, read
from .ported import Ported, Settings, ported

MOST_BYTES = 1024 * 1024
MOST_ORIGIN = 90


def port(source: Any, *, quantity: str = "", name: str = "", **settings: Any) -> Ported:
    """A schedule that you have already, as a spec and as code for every backend.

    Args:
        source: The text of a call, or of the lines that make the schedule; a dictionary or a list
            of a configuration; a scheduler of torch, transformers or timm; a schedule of Keras.
        quantity: What else the library drives with it, such as ``"momentum"``; the rate if empty.
        name: What the ported schedule is called; by default what its library calls it.
        **settings: Parameters of the ported schedule that count for more, such as ``base_lr``.

    Raises:
        ValueError: When it is no schedule that lrgen can read, or its numbers break a rule; one
            line with a way out.
        SpecError: For a function that is no formula of the language.
    """
    return _ported(source, quantity, name, settings)


def _ported(source: Any, quantity: str, name: str, settings: Settings) -> Ported:
    match source:
        case str():
            values = _values(source)
            functions = [value for value in values if isinstance(value, Function)]
            otherwise = (functions or values)[-1]
            found = next(
                (one for value in reversed(values) for one in _schedules(value)), otherwise
            )
            if not isinstance(found, Call) and is_schedule(found):
                found = mmengine.with_the_run(found, values)
            origin = _origin(source, found)
        case dict() | list():
            found, origin = source, "a configuration"
        case _:
            found = call_of_object(source)
            origin = f"a {type(source).__module__}.{type(source).__name__}"
    called = found.name if isinstance(found, Call) else "configuration"
    called = "formula" if isinstance(found, Function) else called
    called = "param_scheduler" if mmengine.is_configuration(found) else called
    member = schedule_of(found, quantity)
    result = ported(member, origin, called, name=name, settings=settings)
    try:
        bound_values(result.schedule, {})
    except ValueError as error:
        raise NotPortable(f"{called}: {error}. Change the call.") from None
    return result


def _schedules(value: Any) -> Iterator[Any]:
    """``value``, if it is a schedule; else those that are given to what it makes."""
    match value:
        case _ if is_schedule(value):
            yield value
        case Call(arguments=arguments, keywords=keywords):
            yield from (
                one for part in [*arguments, *keywords.values()] for one in _schedules(part)
            )
        case dict():
            yield from (one for one in value.values() if isinstance(one, Call) and is_schedule(one))
        case list():
            yield from (one for part in value for one in _schedules(part))


def _values(text: str) -> list[Any]:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return [json.loads(text)]
        except ValueError:
            pass  # a list or a dictionary of Python's
    values = read(text)
    if not values:
        raise NotPortable("nothing was given. Paste the call that makes the schedule.")
    return values


def _origin(text: str, found: Any) -> str:
    """What was pasted, where that is a short line; else what was called."""
    line = " ".join(text.split())
    if "\n" not in text.strip() and len(line) <= MOST_ORIGIN and line.isascii():
        return line
    return found.path if isinstance(found, Call) else "a configuration"


def run(options: argparse.Namespace, standard_input: Any) -> tuple[str, list[str]]:
    """The text that ``lrgen port`` gives, and what the reader should know.

    Args:
        options: Those of :func:`.options.add_port`.
        standard_input: Read when the source is ``-``.

    Raises:
        NotPortable: When it is no schedule that lrgen can read.
        SpecError: For a function that is no formula of the language.
        OSError: When a file cannot be read or written.
    """
    source = _text(options.source, standard_input)
    found = _ported(source, options.quantity, options.name, options.set)
    told = [*found.notes, *(f"Caution: {caution}" for caution in found.cautions)]
    text = found.spec if options.to == "spec" else found.code(options.to)
    if options.output is not None:
        write(options.output.parent, {options.output.name: text}, [])
        text = ""
    return text, told


def _text(source: str, standard_input: Any) -> str:
    if source == "-":
        text: str = standard_input.read(MOST_BYTES + 1)
    elif source.endswith((".py", ".json")) and "(" not in source:
        path = Path(source)
        if not path.is_file():
            raise NotPortable(f"{source}: no such file. Give a call, or a file that there is.")
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MOST_BYTES + 1)
    else:
        text = source
    if len(text) > MOST_BYTES:
        raise NotPortable(f"more than {MOST_BYTES:,} characters. Give the part with the schedule.")
    return text
