"""Doing what ``lrgen diff`` and ``lrgen verify`` were asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..plot.command import Request, draw
from ..plot.scale import whole
from ..plot.schedules import Shown
from ..plot.settings import with_label
from .code import NotThere, named
from .deviations import Precision, hold
from .report import compare
from .subjects import NotASchedule, made_by, subject_of


def labeled(a: str, b: str) -> list[str]:
    """Both with a label: ``A`` and ``B`` where the user gave none."""
    return [
        argument if with_label(argument)[0] else f"{label}={argument}"
        for label, argument in (("A", a), ("B", b))
    ]


def diff(
    both: Sequence[Shown], request: Request, *, as_json: bool, picture: tuple[bool, str] | None
) -> tuple[str, bool]:
    """The report on two schedules, and whether they differ.

    Args:
        both: The schedules.
        request: How far, or along which metrics.
        as_json: For machines.
        picture: Whether in color and in which encoding they are drawn as well, if they are.

    Raises:
        ValueError: For schedules that cannot be compared, and what was asked for in vain.
        Unusable: When they cannot be drawn.
    """
    if as_json and picture is not None:
        raise ValueError("--json is for machines: leave out --plot.")
    found = compare(both, request.last, request.observed)
    if as_json:
        return json.dumps(found.entry, indent=1) + "\n", found.differ
    drawn = ""
    if picture is not None:
        color, encoding = picture
        drawn = "\n" + draw(request, both, color=color, encoding=encoding)
    return found.text + drawn, found.differ


def verify(
    code: str,
    against: Shown,
    *,
    factory: bool,
    steps: str | None,
    precision: Precision | None,
    ulps: float | None,
    as_json: bool,
) -> tuple[str, bool]:
    """The report on ``code``, and whether it is ``against`` at every step compared.

    Raises:
        ValueError: For code that cannot be had or asked, and options that cannot be meant.
    """
    schedule = against.schedule
    if schedule.observes is not None:
        raise ValueError(
            f"{schedule.name} observes a {schedule.observes}: it has traces, and no rate at a step "
            "to compare."
        )
    last = None if steps is None else whole(steps)
    if steps is not None and last is None:
        raise ValueError(f"--steps must be a whole number, as 100_000, 1e6 or 20k, got '{steps}'")
    if ulps is not None and not 0 <= ulps < 2**24:
        raise ValueError(f"--ulps must be from 0 to 2**24, got {ulps!r}")
    try:
        thing = named(code)
        subject = subject_of(made_by(thing) if factory else thing)
    except (NotThere, NotASchedule) as error:
        raise ValueError(str(error)) from None
    verdict = hold(
        subject, schedule, against.bound.values, last=last, precision=precision, ulps=ulps
    )
    right = bool(verdict.compared) and not verdict.deviations
    if not as_json:
        spelled = repr(against.bound).removeprefix("<lrgen schedule ").removesuffix(">")
        head = f"{code} is {'' if right else 'not '}{spelled}."
        return "".join(f"{line}\n" for line in [head, verdict.summary, *verdict.lines]), right
    entry: dict[str, Any] = {
        "code": code,
        "against": {"name": schedule.name, "values": dict(against.bound.values)},
        "holds": right,
        "tolerance": str(verdict.tolerance),
        "compared": list(verdict.compared),
        "left_out": verdict.left_out,
        "walked": verdict.walked,
        "deviations": [one.entry for one in verdict.deviations],
        "guess": verdict.guess,
    }
    return json.dumps(entry, indent=1) + "\n", right
