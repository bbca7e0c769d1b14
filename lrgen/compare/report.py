"""What ``lrgen diff`` tells: for people, and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..describe import Curve, cautions
from ..plot.schedules import Observed, Shown
from .curves import Pair, Parted
from .observers import MOST_OBSERVED, Along, compare_traces
from .places import Place, shown, table_steps

MOST_ROWS = 30
SHOWN_DIGITS = 30


class Difference:
    """Two schedules compared.

    Attributes:
        differ: Whether they do anywhere.
        text: The report for people, lines that end with a new line.
        entry: The same for machines.
    """

    differ: bool
    text: str
    entry: Mapping[str, Any]


class CurveDifference(Difference):
    """Two schedules that count updates alone."""

    def __init__(self, both: Sequence[Shown], last: int | None) -> None:
        pair = Pair(both)
        parted = pair.compare(last)
        labels = (both[0].label, both[1].label)
        steps = table_steps(pair.a, pair.b, labels, parted.end, last)
        rows = [pair.place(step, word) for step, word in steps.items()]
        self.differ = parted.first is not None
        self.text = _lines([*_heads(both), "", *_sentences(parted, pair.a, labels), ""]) + _table(
            rows, pair.a, ("step", *labels)
        )
        self.entry = {
            **_head(both),
            "differ": self.differ,
            "first": _entry(parted.first, pair.a),
            "largest": _entry(parted.largest, pair.a),
            "largest_relative": _entry(parted.share, pair.a),
            "first_float32": parted.float32,
            "compared": parted.words,
            "table": [_entry(row, pair.a) for row in rows],
        }


class TraceDifference(Difference):
    """Two schedules that remember."""

    def __init__(self, both: Sequence[Shown], observed: Observed | None) -> None:
        found = compare_traces(both, observed)
        # To spell values only: what is remembered has no curve.
        curve = Curve(both[0].schedule, both[0].bound.values)
        labels = (both[0].label, both[1].label)
        self.differ = any(along.first is not None for along in found)
        lines = [*_heads(both), ""]
        count = sum(len(along.places) - 1 for along in found)
        words = f"{count:,} observations of {len(found)} traces, exactly"
        if observed is not None:
            words = f"{count:,} observations, exactly"
            if len(observed.values) > MOST_OBSERVED:
                words += f", of {len(observed.values):,}"
        parted = sum(along.first is not None for along in found)
        if not self.differ:
            lines.append("They are equal after every observation compared.")
        elif observed is None:
            lines.append(f"They part on {parted} of {len(found)} traces.")
        lines += [f"Compared: {words}.", ""]
        width = max(len(along.trace.name) for along in found)
        lines += [f"  {a.trace.name:<{width}}  {_along(a, curve, labels)}" for a in found]
        self.text = _lines(lines)
        self.entry = {
            **_head(both),
            "differ": self.differ,
            "compared": words,
            "traces": [
                {
                    "name": along.trace.name,
                    "observations": len(along.trace.metrics),
                    "first": _entry(along.first, curve, "observation"),
                    "largest": _entry(along.largest if along.first else None, curve, "observation"),
                }
                for along in found
            ],
        }


def compare(both: Sequence[Shown], last: int | None, observed: Observed | None) -> Difference:
    """Two schedules at their parameters.

    Raises:
        ValueError: When one observes a metric and the other none, and for metrics that neither
            observes.
        SpecError: Where an update has no value at one of the metrics.
    """
    remembering = [one for one in both if one.observes is not None]
    if len(remembering) == 1:
        one = remembering[0]
        raise ValueError(
            f"{one.label} observes {one.observes} and the other does not: they have no updates in "
            "common to compare."
        )
    if not remembering:
        if observed is not None:
            raise ValueError("neither observes a metric: leave out --metrics.")
        return CurveDifference(both, last)
    if last is not None:
        raise ValueError("both observe a metric: leave out --steps, which counts updates.")
    return TraceDifference(both, observed)


def _heads(both: Sequence[Shown]) -> Iterator[str]:
    width = max(len(one.label) for one in both)
    for one in both:
        yield f"{one.label:<{width}}  {_spelled(one)}"
    a, b = both
    if a.quantity != b.quantity:
        yield f"Mind: {a.label} drives a {a.quantity}, {b.label} a {b.quantity}."
    for one in both:
        for caution in _cautions(one):
            yield f"Caution, {one.label}: {caution}"


def _cautions(one: Shown) -> list[str]:
    """What hurts people who use it at these parameters."""
    found = cautions(one.schedule, one.bound.values)
    return [caution.text for caution, holds in found if holds]


def _spelled(one: Shown) -> str:
    schedule = one.schedule
    values = repr(one.bound).removeprefix(f"<lrgen schedule {schedule.spec_name}")
    return schedule.key + values.removesuffix(">")


def _head(both: Sequence[Shown]) -> dict[str, Any]:
    return {
        "schedules": {
            one.label: {
                "name": one.schedule.key,
                "values": dict(one.bound.values),
                "cautions": _cautions(one),
            }
            for one in both
        }
    }


def _sentences(parted: Parted, curve: Curve, labels: tuple[str, str]) -> Iterator[str]:
    first, largest, share = parted.first, parted.largest, parted.share
    if first is None or largest is None or share is None:
        yield "They are equal at every step compared."
    else:
        yield f"They part at step {first.at:,}: {_values(first, curve, labels)}."
        yield (
            f"Largest difference: {curve.shown(largest.gap)} at step {largest.at:,}: "
            f"{_values(largest, curve, labels)}."
        )
        yield (
            f"Largest relative difference: {_percent(share, curve)} at step {share.at:,}: "
            f"{_values(share, curve, labels)}."
        )
        if parted.float32 is None:
            yield "Rounded to float32 they are equal at every step compared."
        elif parted.float32 != first.at:
            yield f"Rounded to float32 they part at step {parted.float32:,}."
    yield f"Compared: {parted.words}."


def _values(place: Place, curve: Curve, labels: tuple[str, str]) -> str:
    return ", ".join(f"{label} {value}" for label, value in zip(labels, shown(curve, place)))


def _percent(place: Place, curve: Curve) -> str:
    return f"{curve.shown(100 * place.share, 3)} %"


def _along(along: Along, curve: Curve, labels: tuple[str, str]) -> str:
    first, largest, count = along.first, along.largest, len(along.trace.metrics)
    if first is None:
        return f"equal over {count:,} observations"
    when = f"part at observation {first.at:,}" if first.at else "part before any observation"
    text = f"{when}: {_values(first, curve, labels)}"
    if largest.at == first.at:
        return text
    gap = curve.shown(largest.gap)
    return f"{text}; differ most at {largest.at:,}, by {gap}"


def _table(rows: Sequence[Place], curve: Curve, head: tuple[str, ...]) -> str:
    chosen = rows
    if len(rows) > MOST_ROWS:
        chosen = [*rows[: MOST_ROWS - 6], *rows[-6:]]
    cells = [(*head, "difference", "")]
    for row in chosen:
        gap = curve.shown(row.gap, 3) if row.gap else "0"
        cells.append((f"{row.at:,}", *shown(curve, row), gap, row.word))
    widths = [max(len(row[k]) for row in cells) for k in range(5)]
    lines = [
        "  ".join(
            [row[0].rjust(widths[0]), *(cell.ljust(w) for cell, w in zip(row[1:], widths[1:]))]
        ).rstrip()
        for row in cells
    ]
    if len(chosen) < len(rows):
        lines.insert(MOST_ROWS - 5, f"... {len(rows) - len(chosen):,} more, with --json")
    return _lines(f"  {line}" for line in lines)


def _entry(place: Place | None, curve: Curve, counted: str = "step") -> dict[str, Any] | None:
    if place is None:
        return None
    return {
        counted: place.at,
        "a": curve.shown(place.a, SHOWN_DIGITS),
        "b": curve.shown(place.b, SHOWN_DIGITS),
        "difference": curve.shown(place.gap, SHOWN_DIGITS),
        "relative": curve.shown(place.share, SHOWN_DIGITS),
        **({"place": place.word} if place.word else {}),
    }


def _lines(lines: Sequence[str] | Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
