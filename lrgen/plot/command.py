"""What ``lrgen plot`` was asked for, and doing it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import SpecError
from .columns import COLUMNS
from .curves import Panel, notes, reach
from .metrics import read_metrics
from .pictures import NoMatplotlib, check_output, figure, save
from .scale import whole
from .schedules import Observed, Shown, over_observations, over_updates
from .terminal import Screen, columns_of, picture

MOST_LINES = 28
"""Of a picture in a terminal: on a tall one it would be stretched."""


class Unusable(Exception):
    """What was asked for cannot be drawn: one line that says why, and a way out."""

    def __str__(self) -> str:
        # As for specs: a stranger's file may hold control characters.
        return str(SpecError(super().__str__()))


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command, read and checked as far as that goes without a schedule."""

    last: int | None
    log: bool
    output: Path | None
    observed: Observed | None

    @classmethod
    def read(
        cls,
        *,
        steps: str | None,
        log: bool,
        output: Path | None,
        metrics: Path | None,
        column: str | None,
        every: str | None,
    ) -> Request:
        """The options as they stand on the command line.

        Raises:
            Unusable: For one that cannot be meant, a file of metrics that cannot be read, and a
                picture that could not be written.
        """
        last, between = _number("--steps", steps), _number("--every", every)
        if metrics is None and (column is not None or between):
            raise Unusable("--column and --every say how to read --metrics FILE: give that too.")
        if metrics is not None and last:
            raise Unusable("--metrics says how many observations there are: leave out --steps.")
        try:
            if output is not None:
                check_output(output)
            if metrics is None:
                return cls(last, log, output, None)
            found = read_metrics(metrics, column)
        except (OSError, ValueError, NoMatplotlib) as error:
            raise _unusable(error, output) from None
        return cls(last, log, output, Observed(found.name, found.values, between or 1))


def _number(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    number = whole(text)
    if number is None:
        raise Unusable(
            f"{option} must be a whole number from 1 to 2**62, as 100_000, 1e6 or 20k, got '{text}'"
        )
    return number


def _unusable(error: Exception, output: Path | None) -> Unusable:
    match error:
        case NoMatplotlib():
            return Unusable(f"{error}, or leave out -o for a picture in the terminal.")
        case OSError():
            return Unusable(
                f"{output}: cannot be written: {error.strerror}. Give another file to -o."
            )
    return Unusable(str(error))


def draw(request: Request, shown: Sequence[Shown], *, color: bool, encoding: str) -> str:
    """The picture of ``shown``, or where it was written; lines that end with a new line.

    Raises:
        Unusable: When it cannot be drawn or written.
    """
    size = shutil.get_terminal_size()
    screen = Screen(size.columns, min(size.lines, MOST_LINES), color, encoding)
    output = request.output
    columns = COLUMNS if output else columns_of(screen)
    try:
        panels = _panels(request, shown, columns)
        if output is None:
            behind = [panels[0].behind] if panels[0].behind else []
            return picture([*panels, *behind], screen, notes(panels))
        title = shown[0].schedule.title if len(shown) == 1 else ""
        below = "\n".join([*_settings(shown), *notes(panels)])
        save(figure(panels, title=title, note=below), output)
    except (OSError, ValueError, NoMatplotlib) as error:
        raise _unusable(error, output) from None
    return "\n".join([f"{output}: {reach(panels)}.", *notes(panels)]) + "\n"


def _panels(request: Request, shown: Sequence[Shown], columns: int) -> list[Panel]:
    if request.observed is not None:
        return over_observations(shown, request.observed, log=request.log, columns=columns)
    return over_updates(shown, request.last, log=request.log, columns=columns)


def _settings(shown: Sequence[Shown]) -> Iterator[str]:
    """The parameters that are not at their defaults, and whose they are."""
    labels: dict[str, list[str]] = {}
    for one in shown:
        values = ", ".join(f"{name} = {_short(value)}" for name, value in one.changed.items())
        labels.setdefault(values, []).append(one.label)
    for values, own in labels.items():
        if values:
            yield values if len(own) == len(shown) else f"{', '.join(own)}: {values}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."
