"""Families of schedules: calls that say one sentence in the words of a library, and their curves.

A family is a file of `families/`: the sentence, the calls, and what its table shows in any case.
Calls are read as `lrgen.port` reads them, and their rates are those of the author's own formula,
exact: no number of the page is typed, and no call stands there that does not work.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from lrgen.automaton import Automaton
from lrgen.bound import bound_values
from lrgen.catalogue import dialects
from lrgen.describe import Curve, cautions
from lrgen.document import source_of_text
from lrgen.errors import SpecError
from lrgen.evaluate import NotFinite
from lrgen.expr import Kind
from lrgen.pipeline import library_of_sources, read
from lrgen.porting.calls import Asked
from lrgen.porting.compose import Nested, Product, Succession
from lrgen.porting.members import schedule_of
from lrgen.porting.pasted import Call as PastedCall
from lrgen.porting.pasted import read as read_lines
from lrgen.porting.ported import ported
from lrgen.resolve import Library
from lrgen.schedule import Schedule, Value

FOLDER = Path(__file__).parent / "families"
# Two curves are one when they differ nowhere by more than this share of the highest rate.
SAME = 1e-12
# What a parameter of 0 is set to, to see whether it moves the end of the curve.
RAISED = 0.003


@dataclass(frozen=True, slots=True)
class Call:
    """A call as a user types it.

    Attributes:
        text: The call; or the name of a dialect that nothing calls by itself.
        library: Whose it is.
        dialect: Which one it is, such as ``torch/StepLR``; empty for a composition.
        settings: What the library takes from elsewhere, such as the length of the run.
        schedule: What it computes.
        values: The parameters of the schedule.
        rates: The exact rate at each step, or after each observation.
    """

    text: str
    library: str
    dialect: str
    settings: Mapping[str, Any]
    schedule: Schedule
    values: Mapping[str, Value]
    rates: tuple[Any, ...]

    def cautions(self) -> list[str]:
        """What hurts people who use it, of what holds at these values."""
        return [c.text for c, holds in cautions(self.schedule, self.values) if holds]

    def saying(self, wanted: Sequence[Any]) -> list[tuple[str, Any]]:
        """The parameters that have one of the values ``wanted``, with that value."""
        found = [
            parameter
            for parameter in self.schedule.parameters
            if parameter.kind not in (Kind.BOOL, Kind.WORD)
            and _plain(self.values[parameter.name]) in wanted
            and (self.values[parameter.name] != 0 or self._ends_at(parameter.name))
        ]
        # A share may happen to be the number of the rate that is meant.
        meant = [p for p in found if p.type == "rate"] or found
        return [(p.name, _plain(self.values[p.name])) for p in meant]

    def _ends_at(self, name: str) -> bool:
        """Whether the parameter ``name``, which is 0, is what the curve ends at."""
        if self.schedule.parameter(name).kind is not Kind.REAL:
            return False
        last = len(self.rates) - 1
        try:
            raised = rates(self.schedule, {**self.values, name: RAISED}, range(last, last + 1))
        except NotFinite:
            return False
        return bool(abs(raised[0] - self.rates[last]) > SAME)


@dataclass(frozen=True, slots=True)
class Group:
    """Calls whose curves are one.

    Attributes:
        letter: What the page calls the curve.
        calls: At least one.
    """

    letter: str
    calls: tuple[Call, ...]

    @property
    def rates(self) -> tuple[Any, ...]:
        """The exact rate at each step."""
        return self.calls[0].rates


@dataclass(frozen=True, slots=True)
class Family:
    """Calls that say one sentence.

    Attributes:
        title: What the field calls it.
        sentence: What a user would say.
        quantities: What the sentence names, each with the values that a parameter may say it by.
        steps: The steps that the table shows in any case.
        observed: What is observed before each step but the first, where rates depend on that.
        groups: The calls by their curves, the most frequent one first.
        tolerance: By how much two values of one curve may differ.
    """

    title: str
    sentence: str
    quantities: Mapping[str, Sequence[Any]]
    steps: tuple[int, ...]
    observed: tuple[float, ...]
    groups: tuple[Group, ...]
    tolerance: float

    @property
    def calls(self) -> list[Call]:
        """Every call, by its curve."""
        return [call for group in self.groups for call in group.calls]

    @property
    def libraries(self) -> list[str]:
        """Every library that has a call here."""
        return sorted({call.library for call in self.calls})

    def parting(self, one: Group, other: Group) -> int:
        """The first step at which the curves of two groups part."""
        pairs = enumerate(zip(one.rates, other.rates))
        return next(step for step, (a, b) in pairs if abs(a - b) > self.tolerance)


def families(folder: Path = FOLDER) -> list[Family]:
    """Every family, in the order of their files' names.

    Raises:
        ValueError: For a call that is no schedule, or whose numbers break a rule; it is named.
    """
    written = [tomllib.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.toml"))]
    number = count()
    rows = [
        [_read(entry, data["base_lr"], f"call_{next(number)}") for entry in data["calls"]]
        for data in written
    ]
    # All at once: what they call is then read once, not for each of them.
    specs, _ = library_of_sources(
        source_of_text(one.spec, f"{one.name}.toml") for row in rows for one in row
    )
    return [_family(data, row, specs) for data, row in zip(written, rows)]


@dataclass(frozen=True, slots=True)
class _Read:
    """A call that was read: the spec called ``name``, and whose it is."""

    name: str
    text: str
    library: str
    dialect: str
    settings: Mapping[str, Any]
    spec: str


def _read(entry: Mapping[str, Any], base: float, name: str) -> _Read:
    """An entry of a family's file."""
    settings = entry.get("set", {})
    if "dialect" in entry:
        source = read(dialects()[entry["dialect"]])
        spec = ported(Asked(source, {}), source.key, "", name=name, settings=settings).spec
        return _Read(name, source.key, source.library, source.key, settings, spec)
    text, given, dialect, library = entry["call"], dict(settings), "", entry.get("library", "")
    try:
        value = read_lines(with_optimizer(text, base))[-1]
        member = schedule_of(value, entry.get("quantity", ""))
        if isinstance(member, Asked):
            dialect, library = member.source.key, member.library
            if "base_lr" in member.document.parameters and "base_lr" not in member.values:
                given.setdefault("base_lr", base)
        called = value.name if isinstance(value, PastedCall) else "configuration"
        spec = ported(member, text.replace("\n", " "), called, name=name, settings=given).spec
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None
    return _Read(name, text, library or _library(member), dialect, settings, spec)


def with_optimizer(text: str, base: float) -> str:
    """``text`` after the line that makes the optimizer, whose rate PyTorch's schedules change."""
    made = f"optimizer = torch.optim.SGD(parameters, lr={base})\n"
    return made + text if re.search(r"\boptimizer\b", text) else text


def _library(member: Any) -> str:
    """Whose composition ``member`` is: that of its first dialect."""
    match member:
        case Asked():
            return member.library
        case Succession() | Product() | Nested():
            return next((found for one in member.members if (found := _library(one))), "")
    return ""


def _family(data: Mapping[str, Any], row: Sequence[_Read], specs: Library) -> Family:
    metrics = tuple(float(metric) for metric in data.get("metrics", ()))
    steps = range(len(metrics) + 1 if metrics else data["last"] + 1)
    calls = []
    for one in row:
        try:
            schedule = specs.schedule(one.name)
            values = bound_values(schedule, {})
            found = rates(schedule, values, steps, metrics)
        except (SpecError, ValueError, NotFinite) as error:
            raise ValueError(f"{one.text}: {error}") from None
        calls.append(
            Call(one.text, one.library, one.dialect, one.settings, schedule, values, found)
        )
    tolerance = SAME * max(abs(float(rate)) for call in calls for rate in call.rates)
    return Family(
        data["title"],
        data["sentence"],
        {n: v if isinstance(v, list) else [v] for n, v in data.get("quantities", {}).items()},
        tuple(data.get("steps", ())),
        metrics,
        tuple(_groups(calls, tolerance)),
        tolerance,
    )


def rates(
    schedule: Schedule,
    values: Mapping[str, Value],
    steps: Sequence[int],
    metrics: Sequence[float] = (),
) -> tuple[Any, ...]:
    """The exact rate at each of ``steps``; of a schedule that remembers, after each observation.

    Raises:
        NotFinite: Where the formula has no finite value.
    """
    if schedule.observes is None:
        curve = Curve(schedule, values)
        return tuple(curve(step) for step in steps)
    automaton = Automaton(schedule, values)
    found = [automaton.rate(0)]
    for step, metric in enumerate(metrics, 1):
        automaton.observe(metric)
        found.append(automaton.rate(step))
    return tuple(found)


def _groups(calls: Sequence[Call], tolerance: float) -> list[Group]:
    found: list[list[Call]] = []
    for call in calls:
        for group in found:
            if all(abs(a - b) <= tolerance for a, b in zip(group[0].rates, call.rates)):
                group.append(call)
                break
        else:
            found.append([call])
    found.sort(key=len, reverse=True)
    return [
        Group(_letter(place), tuple(sorted(group, key=lambda call: call.library)))
        for place, group in enumerate(found)
    ]


def _letter(place: int) -> str:
    """A to Z, then AA, AB."""
    before, own = divmod(place, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + own)


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value
