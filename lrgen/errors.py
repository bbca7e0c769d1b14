"""The one exception that a spec can cause: a place, a fact and a way out, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class SpecError(Exception):
    """A spec that cannot be built.

    Reads ``FILE: PLACE, column N: FACT. WAY OUT`` in one line. The parts are known at different
    depths of the pipeline, so each layer adds its own with :meth:`at` while the error passes.

    Attributes:
        fact: What is wrong, without a full stop.
        hint: What to do about it, a full sentence, or empty.
        file: Path of the spec as the user gave it, or empty.
        key: The part of the spec, such as ``piece "anneal"``, or empty.
        column: Column in the formula, counted from 1, or None.
    """

    def __init__(
        self, fact: str, hint: str = "", *, file: str = "", key: str = "", column: int | None = None
    ) -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint
        self.file = file
        self.key = key
        self.column = column

    def __reduce__(self) -> tuple[Any, ...]:
        where = (self.file, self.key, self.column)
        return _restored, (self.fact, self.hint, *where)

    def at(self, *, file: str = "", key: str = "", column: int | None = None) -> SpecError:
        """The same error with what the caller knows of its place; what is known already stays."""
        return SpecError(
            self.fact,
            self.hint,
            file=self.file or file,
            key=self.key or key,
            column=self.column if self.column is not None else column,
        )

    def __str__(self) -> str:
        column = f"column {self.column}" if self.column is not None else ""
        place = ", ".join(part for part in (self.key, column) if part)
        head = ": ".join(part for part in (self.file, place, self.fact) if part)
        text = f"{head}. {self.hint}" if self.hint else head
        # One line whatever a stranger wrote into a name: control characters are shown, not sent.
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _restored(fact: str, hint: str, file: str, key: str, column: int | None) -> SpecError:
    """A SpecError from another process."""
    return SpecError(fact, hint, file=file, key=key, column=column)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``Did you mean 'gamma'?`` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean '{near[0]}'?" if near else ""


def quoted(text: str, limit: int = 40) -> str:
    """``'text'`` for a message, cut to ``limit`` characters."""
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}...'"
