"""The two files of a run: the same bytes whenever the same machine finds the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .parts import Part


@dataclass(slots=True)
class Outcome:
    """What became of one part.

    Attributes:
        part: Which.
        schedules: How many it was asked for.
        reported: Those that it came to.
        tally: The last that it said, by the names of ``judge.Tally``.
        device: What its framework calls the device.
        versions: Of what it ran with.
        errors: What went wrong, by schedule; under "" what ended the part.
        left_out: Why the part was not started, or what it did not come to.
    """

    part: Part
    schedules: Sequence[str]
    reported: list[str] = field(default_factory=list)
    tally: Mapping[str, Any] = field(default_factory=dict)
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    left_out: str = ""

    def count(self, name: str) -> int:
        """A number of the tally, 0 where the part said nothing."""
        number: int = self.tally.get(name, 0)
        return number

    @property
    def failed(self) -> bool:
        return bool(self.errors) or self.count("unequal") > 0 or self.count("inexact") > 0

    @property
    def result(self) -> str:
        """``"differs"``, ``"failed"``, ``"left out"``, ``"equal, in part"`` or ``"equal"``."""
        if self.count("unequal") or self.count("inexact"):
            return "differs"
        if self.errors:
            return "failed"
        if not self.reported:
            return "left out"
        return "equal, in part" if self.left_out else "equal"


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run.

    Attributes:
        device: Its name.
        gpu: Whether it is one.
        facts: Driver, processor and versions, in the order in which they are shown.
        asked: Counts of schedules, sets of parameters and rows that there are.
        outcomes: Of each part.
    """

    device: str
    gpu: bool
    facts: Mapping[str, str]
    asked: Mapping[str, int]
    outcomes: Sequence[Outcome]

    @property
    def failed(self) -> bool:
        return any(outcome.failed for outcome in self.outcomes) or not any(
            outcome.reported for outcome in self.outcomes
        )

    @property
    def result(self) -> str:
        """In one sentence."""
        if not any(outcome.reported for outcome in self.outcomes):
            return "Nothing was run."
        if self.failed:
            return "Something differs or failed."
        if any(outcome.left_out for outcome in self.outcomes):
            return "Equal to the bit, in all that was run; something was left out."
        return "Equal to the bit."


def write(run: Run, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.md`` and ``<stem>.json`` into ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{stem}.md": page(run), folder / f"{stem}.json": data(run)}
    for path, text in files.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(files)


def data(run: Run) -> str:
    """The run as JSON."""
    parts = [
        {
            "part": outcome.part.name,
            "what": outcome.part.what,
            "result": outcome.result,
            "asked": len(outcome.schedules),
            **outcome.tally,
            "errors": dict(sorted(outcome.errors.items())),
            "left_out": outcome.left_out,
        }
        for outcome in run.outcomes
    ]
    whole = {
        "device": run.device,
        "facts": run.facts,
        "result": run.result,
        "asked": run.asked,
        "parts": parts,
    }
    return json.dumps(whole, indent=1) + "\n"


def page(run: Run) -> str:
    """The run as Markdown."""
    lines = [
        f"# Conformance on {run.device}",
        "",
        f"**{run.result}**{'' if run.gpu else ' Run on a CPU alone: no GPU took part.'}",
        "",
        "Every float32 is held to the exact value in its row, rounded once, and between rows to",
        "that of the emitted NumPy module on the CPU. Written by `python -m on_device`.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in run.facts.items()),
        *(f"| {name} asked for | {number:,} |" for name, number in run.asked.items()),
        "",
        "| part | result | schedules | sets | rows | other steps | flushed | unequal |"
        " worst float32 | worst binary64 |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(_row(outcome) for outcome in run.outcomes),
        "",
        "Worst float32: how many float32 the worst value is away. Worst binary64: units in the",
        "last place between a row and its exact value, before the rounding. Flushed: smaller than",
        "every normal float32 and 0 under XLA, as all such float32 are.",
        "",
        *(f"- `{outcome.part.name}`: {outcome.part.what}." for outcome in run.outcomes),
        *_section(
            "Wrong",
            (
                f"`{outcome.part.name}`: {line}"
                for outcome in run.outcomes
                for line in [
                    *(
                        f"{schedule}: {error}" if schedule else error
                        for schedule, error in sorted(outcome.errors.items())
                    ),
                    *outcome.tally.get("shown", []),
                ]
            ),
        ),
        *_section(
            "Left out",
            (
                f"`{outcome.part.name}`: {outcome.left_out}"
                for outcome in run.outcomes
                if outcome.left_out
            ),
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(outcome: Outcome) -> str:
    worst = outcome.tally.get("worst_float64")
    numbers = [
        f"{outcome.count(name):,}"
        for name in (
            "schedules",
            "sets",
            "rows",
            "steps",
            "flushed",
            "unequal",
            "worst_float32",
        )
    ]
    cells = [outcome.part.name, outcome.result, *numbers, "" if worst is None else f"{worst:.3g}"]
    return f"| {' | '.join(cells)} |"


def _section(title: str, items: Any) -> list[str]:
    found = [f"- {item}" for item in items]
    return ["", f"## {title}", "", *found] if found else []
