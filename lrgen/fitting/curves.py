"""Candidates as NumPy functions: compiled once, asked for many curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalogue import catalogue, dialects, find, libraries, library_of
from ..errors import did_you_mean, quoted
from ..evaluate import Arithmetic, NotFinite
from ..expr import Apply, walk
from ..lower import lowered
from ..numpy_code import numpy_function
from ..pipeline import library
from ..sampling import boundaries
from ..schedule import Parameter, Schedule, Value
from ..vectors import exact_value

Array = NDArray[np.float64]
Steps = NDArray[np.int64]
Values = Mapping[str, Value]


@dataclass(frozen=True)
class Candidate:
    """A schedule that may have drawn the curve, by the name that ``lrgen.load`` takes."""

    name: str
    schedule: Schedule

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.schedule.parameters

    @cached_property
    def _function(self) -> Callable[..., Any]:
        """The function of a NumPy module of the formula as its author wrote it.

        What a rewritten form gains, the last bits, is far below what a log tells, and finding it
        takes longer than the search.
        """
        return numpy_function(lowered(self.schedule))

    def __reduce__(self) -> tuple[type[Candidate], tuple[str, Schedule]]:
        # Compiled code stays in its process.
        return Candidate, (self.name, self.schedule)

    def curve(self, values: Values, steps: Steps) -> Array | None:
        """The rate at each of ``steps``; None for values that the schedule does not allow."""
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused below
                found = np.asarray(self._function(steps, **values), np.float64)
        except (ValueError, OverflowError, IndexError, ZeroDivisionError):
            return None
        return found if np.isfinite(found).all() else None

    def exactly(self, values: Values, step: int) -> float:
        """The binary64 nearest to the author's own formula."""
        return float(exact_value(self.schedule, values, step, 30))

    def boundaries(self, values: Values) -> list[int]:
        """Steps at which something changes."""
        try:
            return boundaries(self.schedule, values, Arithmetic())
        except (NotFinite, ValueError, OverflowError):
            return []


def candidates(
    among: Iterable[str] = (), own: Iterable[str] = (), every: bool = False
) -> list[Candidate]:
    """Schedules to try, those with few parameters first.

    Left out is what cannot be found again from a curve of rates: what observes a metric, what
    drives something else, and what is noise.

    Args:
        among: Names and spec files: nothing else is tried.
        own: Libraries whose dialects are tried, and nothing else.
        every: Every library's dialects, and the catalogue.

    Raises:
        ValueError: For a library that is not known.
        SpecError: For a name that is none, and a spec that cannot be resolved.
    """
    paths = {} if among or own else dict(catalogue())
    for name in own:
        if name not in libraries():
            hint = did_you_mean(name, libraries()) or f"Known here: {', '.join(libraries())}."
            raise ValueError(f"no library {quoted(name)}. {hint}")
        paths |= dialects(name)
    if every:
        paths |= dialects()
    named = find(list(among)) if among else []
    known = {path: name for name, path in (catalogue() | dialects()).items()}
    groups: dict[str, list[Path]] = {}
    for path in dict.fromkeys([*paths.values(), *named]):
        groups.setdefault(library_of(path), []).append(path)
    found = []
    for group in groups.values():
        specs, keys = library(group)
        for path, key in zip(group, keys):
            schedule = specs.schedule(key)
            wanted = schedule.observes is None and not _is_noise(schedule)
            if wanted and (schedule.drives == "lr" or path in named):
                found.append(Candidate(known.get(path, path.as_posix()), schedule))
    return sorted(found, key=lambda one: (len(one.parameters), one.name))


def _is_noise(schedule: Schedule) -> bool:
    formulas = [let.value for let in schedule.lets] + [piece.value for piece in schedule.pieces]
    parts = (node for formula in formulas for node in walk(formula))
    return any(isinstance(node, Apply) and node.op == "uniform" for node in parts)
