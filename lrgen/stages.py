"""What ``lrgen show --after STAGE`` tells of the stages behind the first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .pipeline import emit, proved, sampled
from .printer import show
from .rewrite import rewrite
from .schedule import Schedule


def after(schedule: Schedule, stage: str, backends: Sequence[str], *, as_json: bool) -> str:
    """What ``stage`` makes of a resolved ``schedule``: lines that end with a new line.

    Raises:
        SpecError: When it does not hold what it claims, or cannot be computed accurately.
    """
    match stage:
        case "resolve":
            return _formula(schedule, as_json)
        case "prove":
            findings = proved(schedule).findings
            return _json(list(findings)) if as_json else _lines(findings)
        case "sample":
            return sampled(schedule).text()
        case "rewrite":
            return _formula(rewrite(proved(schedule)), as_json)
        case "render":
            texts, _ = emit(schedule, backends)
            modules = {path: text for path, text in texts.items() if path.endswith(".py")}
            if as_json:
                return _json(modules)
            return "".join(f"# ==> {path} <==\n{text}\n" for path, text in modules.items())
    raise ValueError(f"{stage} is no stage behind the first")


def _formula(schedule: Schedule, as_json: bool) -> str:
    return _json(_entry(schedule)) if as_json else _lines(_told(schedule))


def _entry(schedule: Schedule) -> dict[str, Any]:
    memory = {
        "observes": schedule.observes,
        "state": {s.name: show(s.initial) for s in schedule.state},
        "update": {u.name: show(u.value) for u in schedule.update},
    }
    return {
        **(memory if schedule.observes is not None else {}),
        "lets": [
            {"name": let.name, "value": show(let.value), "reasons": list(let.reasons)}
            for let in schedule.lets
        ],
        "pieces": [
            {
                "name": piece.name,
                "condition": show(piece.condition) if piece.condition else None,
                "value": show(piece.value),
                "reasons": list(piece.reasons),
            }
            for piece in schedule.pieces
        ],
    }


def _told(schedule: Schedule) -> Iterator[str]:
    if schedule.state:
        yield "[at first]"
        yield from (f"{s.name} = {show(s.initial)}" for s in schedule.state)
        yield ""
    if schedule.update:
        yield f"[at each {schedule.observes}]"
        yield from (f"{u.name} = {show(u.value)}" for u in schedule.update)
        yield ""
    for let in schedule.lets:
        yield from (f"# {reason}" for reason in let.reasons)
        yield f"{let.name} = {show(let.value)}"
    for piece in schedule.pieces:
        yield ""
        yield f"[{piece.name}] " + (
            f"while {show(piece.condition)}" if piece.condition else "afterwards"
        )
        yield from (f"# {reason}" for reason in piece.reasons)
        yield show(piece.value)


def _lines(lines: Sequence[str] | Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
