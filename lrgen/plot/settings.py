"""What a ``NAME=VALUE`` of the command line means, and for which schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import did_you_mean, quoted
from ..expr import Kind
from ..schedule import Schedule


def with_label(argument: str) -> tuple[str, str]:
    """Label and spec of ``LABEL=SPEC``; of ``SPEC`` alone the label is empty."""
    label, equals, spec = argument.partition("=")
    if equals and label.isascii() and label.isidentifier() and not Path(argument).exists():
        return label, spec
    return "", argument


def dealt_out(
    settings: Sequence[str], schedules: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """The settings of each schedule: ``NAME=VALUE`` goes to all that have such a parameter,
    ``LABEL.NAME=VALUE`` to one of them and counts for more.

    Args:
        settings: As they were given.
        schedules: Label of each schedule, and the names of its parameters.

    Raises:
        ValueError: For a label or a parameter that none has; one line with a way out.
    """
    general: dict[str, list[str]] = {label: [] for label in schedules}
    own: dict[str, list[str]] = {label: [] for label in schedules}
    for setting in settings:
        name, equals, _ = setting.partition("=")
        if not equals:
            raise ValueError(f"'{setting}' is not NAME=VALUE, as in warmup_steps=0.")
        label, dot, parameter = name.rpartition(".")
        if dot:
            if label not in schedules:
                hint = did_you_mean(label, schedules) or f"Shown are {', '.join(schedules)}."
                raise ValueError(f"{quoted(setting)}: no schedule {quoted(label)}. {hint}")
            _check(f"{label} has no", parameter, schedules[label])
            own[label].append(setting.removeprefix(f"{label}."))
            continue
        having = [label for label, parameters in schedules.items() if name in parameters]
        if not having:
            known = dict.fromkeys(p for parameters in schedules.values() for p in parameters)
            labels = ", ".join(schedules)
            fact = f"{labels} has no" if len(schedules) == 1 else f"none of {labels} has a"
            _check(fact, name, list(known))
        for label in having:
            general[label].append(setting)
    return {label: general[label] + own[label] for label in schedules}


def _check(fact: str, parameter: str, known: Sequence[str]) -> None:
    if parameter not in known:
        hint = did_you_mean(parameter, known)
        hint = hint or (f"Known here: {', '.join(known)}." if known else "There are none.")
        raise ValueError(f"{fact} parameter {quoted(parameter)}. {hint}")


def values_of(schedule: Schedule, settings: Sequence[str]) -> dict[str, object]:
    """``name=value`` texts as values of their parameters' types, still unchecked.

    Raises:
        ValueError: For a setting that is no ``NAME=VALUE``; one line with a way out.
    """
    return typed_values({p.name: p.kind for p in schedule.parameters}, settings)


def typed_values(kinds: Mapping[str, Kind], settings: Sequence[str]) -> dict[str, object]:
    """The same for parameters of these kinds.

    Raises:
        ValueError: For a setting that is no ``NAME=VALUE``; one line with a way out.
    """
    given: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"'{setting}' is not NAME=VALUE, as in warmup_steps=0.")
        try:
            match kinds.get(name):
                case Kind.INT:
                    given[name] = int(text)
                case Kind.REAL:
                    given[name] = float(text)
                case Kind.INTS:
                    given[name] = [int(entry) for entry in _entries(text)]
                case Kind.REALS:
                    given[name] = [float(entry) for entry in _entries(text)]
                case Kind.BOOL:
                    given[name] = {"true": True, "false": False}.get(text.lower(), text)
                case _:
                    given[name] = text
        except ValueError:
            given[name] = text
    return given


def _entries(text: str) -> list[str]:
    """``10,20`` or ``[10, 20]`` as its entries."""
    inside = text.strip().removeprefix("[").removesuffix("]")
    return [entry for entry in inside.split(",") if entry.strip()]
