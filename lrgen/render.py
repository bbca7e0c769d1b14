"""A view in its template, as text. Only door of jinja2; templates place text and never decide."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cache

import jinja2

from .backends import Backend
from .backends.base import Observer
from .catalogue import data_folder
from .rewrite import Known
from .schedule import Schedule


@dataclass(frozen=True, slots=True)
class Emitted:
    """A file of the output: its path below the output folder, and its text."""

    path: str
    text: str


def render(schedule: Schedule, backend: Backend, known: Known) -> Emitted:
    """The module of ``schedule``, of which this is ``known``, for ``backend``; not written.

    Raises:
        SpecError: When an emitted line would be too long to read.
    """
    maker: Backend | Observer = backend if schedule.observes is None else backend.observer
    view = maker.view(schedule, known.pieces, known.always)
    text = _environment().get_template(maker.template).render(view=view)
    return Emitted(f"{backend.package}/{schedule.name}.py", text)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("templates")),
        undefined=jinja2.StrictUndefined,
        auto_reload=False,  # a build finds them as it has begun
        autoescape=False,  # the output is Python, and stranger's text is escaped in the view
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["indented"] = lambda line, columns: textwrap.indent(line, " " * columns)
    return environment
