"""Hold your own schedule against exact values, in a test.

from lrgen import load
from lrgen.testing import assert_matches

def test_my_schedule_is_the_one_of_the_paper():
    assert_matches(my_schedule, load("cosine_warmup").bind(peak_lr=3e-4, total_steps=50_000))
"""

from __future__ import annotations

from typing import Any

from .bound import Bound
from .compare.deviations import Precision, Verdict, hold
from .compare.subjects import NotASchedule, subject_of

__all__ = ["NotASchedule", "assert_matches", "compared"]


def assert_matches(
    schedule: Any,
    bound: Bound,
    *,
    last_step: int | None = None,
    dtype: Precision | None = None,
    ulps: float | None = None,
) -> None:
    """Pass when ``schedule`` gives the exact values of ``bound``, rounded once.

    It is asked at update 0, at each boundary and its neighbors, near the end and past it, at random
    updates between, and where float32 and 32-bit integers no longer hold a step. A scheduler with
    ``step()`` and ``get_last_lr()`` is walked from where it is, up to 200,000 steps, and is not put
    back: give a new one. Of several parameter groups the first is compared.

    Args:
        schedule: A function of the step; a scheduler of torch, alone or in a tuple with its
            optimizer; a schedule of Keras or optax; a class that makes one of these.
        bound: A schedule at its parameters that observes nothing, as ``load(name).bind(...)``.
        last_step: Ask nothing past this, and every step up to it where they are up to 20,000.
        dtype: What the rates are rounded to before they are compared: float32; or float64, which is
            meant where ``ulps`` are given.
        ulps: The budget in units in the last place; 0 in float32, which is equality to the bit, and
            in float64 what the spec claims for its own code (8 unless it says less or more).

    Raises:
        AssertionError: A line for each step that deviates (20 of them, then a count) with what came
            back, what is exact, and the mistake that such a step catches.
        NotASchedule: For a ``schedule`` that cannot be asked for a rate.
        ValueError: For a ``bound`` that observes a metric, or a budget that is none.
    """
    verdict = compared(schedule, bound, last_step=last_step, dtype=dtype, ulps=ulps)
    if verdict.deviations or not verdict.compared:
        head = f"not {bound!r}".replace("<lrgen schedule ", "").removesuffix(">")
        raise AssertionError("\n".join([f"{head}: {verdict.summary}", *verdict.lines]))


def compared(
    schedule: Any,
    bound: Bound,
    *,
    last_step: int | None = None,
    dtype: Precision | None = None,
    ulps: float | None = None,
) -> Verdict:
    """What :func:`assert_matches` finds out, as data.

    Raises:
        NotASchedule: For a ``schedule`` that cannot be asked for a rate.
        ValueError: For a ``bound`` that observes a metric, or a budget that is none.
    """
    if bound.schedule.observes is not None:
        raise ValueError(
            f"{bound.schedule.name} observes a {bound.schedule.observes}: it has traces, and no "
            "rate at a step to compare."
        )
    if ulps is not None and not 0 <= ulps < 2**24:
        raise ValueError(f"ulps must be from 0 to 2**24, got {ulps!r}")
    if last_step is not None and not 0 <= last_step < 2**63:
        raise ValueError(f"last_step must be from 0 to 2**63 - 1, got {last_step!r}")
    return hold(
        subject_of(schedule),
        bound.schedule,
        bound.values,
        last=last_step,
        precision=dtype,
        ulps=ulps,
    )
