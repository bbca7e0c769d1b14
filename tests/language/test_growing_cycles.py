"""Growing cycles: exact at every boundary, where the closed form with a logarithm is not."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from operator_specs import load

from lrgen.cycles import LEAST_GROWTH, UNIT, cycles

GENERATED = Path(os.environ.get("LRGEN_GENERATED", Path(__file__).parents[2] / "generated"))
END = 2**63
FIRSTS = (1, 7, 10, 1_000, 3_910)
GROWTHS = ("1", "1.01", "1.1", "1.5", "2", "3", "1.000001e3")
MOST_CYCLES = 4_500
grown = pytest.mark.parametrize("growth", GROWTHS)


@cache
def emitted(backend: str, name: str) -> ModuleType:
    return load(GENERATED / f"{backend}_schedules" / f"{name}.py")


# -- the definition, in fractions, one cycle after another -----------------------------------------


def kept(first: int, growth: Fraction) -> Iterator[int]:
    """First steps of cycles whose lengths are real: the sum of the lengths before, rounded up."""
    end, length = Fraction(0), Fraction(first)
    while end < END:
        yield math.ceil(end)
        end += length
        length *= growth


def cut(first: int, growth: Fraction) -> Iterator[int]:
    """First steps of cycles whose lengths are whole: the one before times growth, cut."""
    start, length = 0, first
    while start < END:
        yield start
        start += length
        length = math.floor(length * growth)


DEFINITIONS = {"boundary": kept, "length": cut}


@cache
def starts_of(first: int, growth: str, rounding: str) -> list[int]:
    return list(islice(DEFINITIONS[rounding](first, Fraction(growth)), MOST_CYCLES))


# -- the tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounding", DEFINITIONS)
@grown
@pytest.mark.parametrize("first", FIRSTS)
def test_every_boundary_below_two_to_the_63_is_exact(
    first: int, growth: str, rounding: str
) -> None:
    table = cycles(first, float(growth), rounding)
    expected = starts_of(first, growth, rounding)

    for number, (start, after) in enumerate(zip(expected, [*expected[1:], END])):
        length = after - start if after < END else table.holding(start)[2]
        assert (number, start, length) == table.holding(start)
        assert (number, start, length) == table.holding(min(start + length, END) - 1)


@pytest.mark.parametrize("rounding", DEFINITIONS)
@grown
@pytest.mark.parametrize("first", FIRSTS)
def test_a_table_has_few_entries_however_far_the_steps_are(
    first: int, growth: str, rounding: str
) -> None:
    table = cycles(first, float(growth), rounding)

    assert len(table.starts) == len(table.lengths)
    if growth == "1":
        assert 1 == len(table.starts)
    else:
        assert len(table.starts) <= math.log(2.0**63) / math.log(float(growth)) + 300
    assert len(cycles(1, LEAST_GROWTH, rounding).starts) < MOST_CYCLES


def test_a_length_that_no_longer_grows_repeats() -> None:
    # 7 * 1.1 is 7.7, cut to 7: all cycles are as long as the first.
    table = cycles(7, 1.1, "length")

    assert ((0,), (7,)) == (table.starts, table.lengths)
    assert ((END - 1) // 7, (END - 1) // 7 * 7, 7) == table.holding(END - 1)


def test_growth_counts_as_its_author_wrote_it() -> None:
    """1.1 is eleven tenths: the second boundary from 10 steps on is 21, not 22."""
    beside = list(islice(kept(10, Fraction(1.1)), 3))

    assert (0, 10, 21) == cycles(10, 1.1, "boundary").starts[:3]
    assert [0, 10, 22] == beside
    assert UNIT == 10**12


# -- the usual closed form -------------------------------------------------------------------------


def by_logarithm(step: int, first: int, growth: float) -> int:
    """The index as torch, Keras and timm compute it."""
    return math.floor(math.log(1 + step * (growth - 1) / first) / math.log(growth))


def wrong_boundaries(index: Callable[[int, int, float], int], first: int, growth: str) -> list[int]:
    """Boundaries of whole growths at which ``index`` is not that of the new cycle."""
    return [
        number
        for number, start in enumerate(starts_of(first, growth, "boundary"))
        if start < 2**53 and number != index(start, first, float(growth))
    ]


@pytest.mark.parametrize(("first", "growth"), [(10, "3"), (1, "3"), (1_000, "3"), (10, "1.1")])
def test_the_closed_form_is_off_by_one_where_the_table_is_not(first: int, growth: str) -> None:
    assert [] != wrong_boundaries(by_logarithm, first, growth)
    assert [] == wrong_boundaries(
        lambda step, first, growth: cycles(first, growth, "boundary").holding(step)[0],
        first,
        growth,
    )


def test_the_emitted_schedule_has_its_peak_where_the_closed_form_ends_a_cycle() -> None:
    """Update 1,210 of 10, 30, 90, 270, 810, ...: torch's step(1210) gives the floor there."""
    schedule = emitted("python", "cosine_warm_restarts").cosine_warm_restarts
    parameters = {"base_lr": 0.1, "first_steps": 10, "growth": 3.0}

    assert 4 == by_logarithm(1_210, 10, 3.0)
    assert 1_210 == starts_of(10, "3", "boundary")[5]
    assert 0.1 == schedule(1_210, **parameters)
    assert schedule(1_209, **parameters) < 1e-6


# -- the emitted schedules, by the peaks that mark their cycles ------------------------------------


def cosine(position: Fraction) -> float:
    return math.sin(math.pi / 2 * float(1 - position)) ** 2


def far_steps(first: int, growth: str, rounding: str, parts: int = 1) -> list[int]:
    """Steps around the first and the last boundaries below 2**53."""
    starts = [
        start // parts
        for start in starts_of(parts * first, growth, rounding)
        if start < parts * 2**53
    ]
    near = {start + shift for start in (*starts[:5], *starts[-2:]) for shift in (-1, 0, 1)}
    return sorted(step for step in near if step >= 0)


def by_definition(step: int, first: int, growth: str, rounding: str, parts: int) -> float:
    """Half a cosine from 1 to 0 over the cycle that holds ``step``."""
    starts = starts_of(parts * first, growth, rounding)
    index = sum(start <= parts * step for start in starts) - 1
    start = starts[index]
    if index + 1 < len(starts):
        return cosine(Fraction(parts * step - start, starts[index + 1] - start))
    length = cycles(parts * first, float(growth), rounding).holding(parts * step)[2]
    return cosine(Fraction((parts * step - start) % length, length))


@pytest.mark.parametrize("parts", [1, 1_000])
@pytest.mark.parametrize("rounding", DEFINITIONS)
@pytest.mark.parametrize("growth", ["1.01", "1.1", "1.5", "2", "3"])
def test_the_emitted_cycles_are_the_definition_near_every_boundary(
    growth: str, rounding: str, parts: int
) -> None:
    first = 10 if rounding == "boundary" else 100  # 10 * 1.01 is cut to 10 again
    steps = far_steps(first, growth, rounding, parts)
    parameters: dict[str, Any] = {"base_lr": 1.0, "first_steps": first, "growth": float(growth)}
    parameters |= {"rounding": rounding, "parts": parts}
    expected = [by_definition(step, first, growth, rounding, parts) for step in steps]
    python = emitted("python", "cosine_warm_restarts").cosine_warm_restarts
    numpy = emitted("numpy", "cosine_warm_restarts").cosine_warm_restarts

    found = [python(step, **parameters) for step in steps]

    assert float32(expected) == float32(found)
    assert float32(expected) == float32(numpy(np.array(steps), **parameters))


def float32(found: Any) -> list[float]:
    return [float(rate) for rate in np.asarray(found, np.float64).astype(np.float32)]


def test_equal_cycles_repeat_up_to_the_last_step() -> None:
    schedule = emitted("python", "cosine_warm_restarts").cosine_warm_restarts
    last = END - 1

    found = [schedule(last - last % 7 + n, base_lr=0.1, first_steps=7, growth=1.0) for n in (0, 1)]

    assert [schedule(n, base_lr=0.1, first_steps=7, growth=1.0) for n in (0, 1)] == found


def test_cycles_between_updates_are_where_keras_has_them() -> None:
    """Lengths of 10, 15, 22.5: the third boundary is 47.5, and update 48 is half a step in."""
    schedule = emitted("python", "cosine_warm_restarts").cosine_warm_restarts
    parameters = {"base_lr": 0.1, "first_steps": 10, "growth": 1.5}

    real = schedule(48, **parameters, parts=1_000)
    whole = schedule(48, **parameters, parts=1)

    assert abs(real - 0.1 * cosine(Fraction(1, 2) / Fraction(135, 4))) <= 1e-17
    assert 0.1 == whole


def test_epochs_and_updates_count_the_same_cycles() -> None:
    """With whole lengths, cycles of epochs are cycles of updates."""
    epochs = emitted("python", "cosine_restarts_epochs").cosine_restarts_epochs
    updates = emitted("python", "cosine_warm_restarts").cosine_warm_restarts
    steps = [0, 1, 69, 70, 71, 209, 210, 211, 2**40]

    found = [epochs(s, base_lr=0.1, first_epochs=10, steps_per_epoch=7, growth=2.0) for s in steps]

    assert [updates(s, base_lr=0.1, first_steps=70, growth=2.0) for s in steps] == found


@pytest.mark.parametrize("growth", [0.5, 1.0001, 0.0, -1.0, math.nan])
def test_a_growth_that_is_not_allowed_is_named(growth: float) -> None:
    schedule = emitted("python", "cosine_warm_restarts").cosine_warm_restarts

    with pytest.raises(ValueError, match="growth"):
        schedule(3, growth=growth)
    if not math.isnan(growth):
        with pytest.raises(ValueError, match="grow"):
            cycles(10, growth, "boundary")
