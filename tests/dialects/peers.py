"""Dialects held against the libraries that speak them: draws, comparison, listed deviations."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import lrgen
from lrgen import Bound, Loaded

DEVIATIONS = Path(__file__).with_name("deviations.toml")
RELATIVE = 1e-12
# A library that subtracts from its largest rate loses this share of it, however small the rest is.
OF_SCALE = 1e-15

Parameters = dict[str, Any]
Draw = Callable[[random.Random], Parameters]


@dataclass(frozen=True, slots=True)
class Deviation:
    """What a library does otherwise, on purpose of ours: it has to show at ``place``.

    Attributes:
        schedule: As ``torch/StepLR``.
        what: The deviation in a sentence.
        reason: Why lrgen does not follow.
        set: Parameters at which it shows.
        step: The step at which it shows; with ``metrics``, the number of the observation.
        metrics: What is observed, for a schedule that does.
    """

    schedule: str
    what: str
    reason: str
    set: Parameters
    step: int
    metrics: tuple[float, ...] = ()


def deviations(library: str = "") -> list[Deviation]:
    """The listed deviations of ``library``, or all of them."""
    entries = tomllib.loads(DEVIATIONS.read_text(encoding="utf-8")).get("deviation", [])
    found = [
        Deviation(**{**entry, "metrics": tuple(entry.get("metrics", ()))}) for entry in entries
    ]
    return [one for one in found if one.schedule.startswith(library)]


@cache
def loaded(name: str) -> Loaded:
    """The dialect called ``name``, proved once for all tests."""
    return lrgen.load(name)


def bound(name: str, parameters: Mapping[str, Any]) -> Bound:
    """The dialect called ``name`` at ``parameters``."""
    return loaded(name).bind(**parameters)


def draws(name: str, draw: Draw, count: int) -> Iterator[Parameters]:
    """``count`` sets of parameters, the same in every run; those that lrgen refuses are skipped.

    Raises:
        AssertionError: When nearly all are refused.
    """
    source = random.Random(f"dialect {name}")
    found = 0
    for _ in range(10 * count):
        parameters = draw(source)
        try:
            bound(name, parameters)
        except ValueError:
            continue
        yield parameters
        found += 1
        if found == count:
            return
    raise AssertionError(f"{name}: only {found} of {10 * count} draws are allowed")


def first_difference(
    ours: ArrayLike, theirs: ArrayLike, *, relative: float = RELATIVE, of_scale: float = OF_SCALE
) -> int | None:
    """The first index at which two curves differ, if any; NaN equals nothing but NaN.

    Args:
        ours: Values of a dialect.
        theirs: Values of the library at the same steps.
        relative: Difference allowed, as a share of the value there.
        of_scale: The same as a share of the curve's largest value.
    """
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert a.shape == b.shape, f"{a.shape} values against {b.shape}"
    scale = max(float(np.max(np.abs(c[np.isfinite(c)]), initial=0.0)) for c in (a, b))
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= relative * np.abs(b) + of_scale * scale
    wrong = ~(near | (a == b) | (np.isnan(a) & np.isnan(b)))
    return int(np.argmax(wrong)) if wrong.any() else None


def assert_same(
    name: str,
    parameters: Mapping[str, Any],
    theirs: Sequence[float] | NDArray[np.float64],
    steps: Sequence[int] | None = None,
    **tolerance: float,
) -> None:
    """The dialect called ``name`` gives ``theirs`` at ``steps``, by default 0, 1, 2, ..."""
    at = range(len(theirs)) if steps is None else steps
    schedule = bound(name, parameters)
    ours = schedule.curve(at)
    for index in {0, len(at) // 2, len(at) - 1}:  # plain Python computes no piece but one
        same = first_difference([ours[index]], [schedule(at[index])], relative=1e-14) is None
        assert same, f"{name} with {dict(parameters)}: NumPy and Python differ at {at[index]}"
    index = first_difference(ours, theirs, **tolerance)
    where = "" if index is None else f"step {at[index]}: {ours[index]} against {theirs[index]}"
    assert index is None, f"{name} with {dict(parameters)}, {where}"


def assert_same_trace(
    name: str,
    parameters: Mapping[str, Any],
    metrics: Sequence[float],
    theirs: Sequence[float] | NDArray[np.float64],
    **tolerance: float,
) -> None:
    """The dialect called ``name`` gives ``theirs``, one after each of ``metrics``."""
    ours = bound(name, parameters).trace(metrics)
    index = first_difference(ours, theirs, **tolerance)
    where = "" if index is None else f"metric {index}: {ours[index]} against {theirs[index]}"
    assert index is None, f"{name} with {dict(parameters)} and {list(metrics)}, {where}"
