"""What ``lrgen fit`` says: a table of the nearest, then the line of Python for the best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .verdict import Finding, Fit, spelled

MOST_ROWS = 6
MOST_NAMES = 8


def text(found: Fit, where: str) -> str:
    """The report on the log called ``where``, for people."""
    lines = [f"{where}: {found.rows:,} steps from {found.first:,} to {found.last:,}."]
    lines += [*found.remarks, f"Rates are read as {found.rounding}.", ""]
    lines += [*_table(found), ""]
    best = found.best
    lines += _sentences(found)
    if best is not None:
        lines += ["", f"  {best.code}", *_command(best)]
    return "".join(f"{line}\n" for line in lines)


def entry(found: Fit) -> dict[str, Any]:
    """The same for machines."""
    return {
        "status": found.status,
        "rows": found.rows,
        "first": found.first,
        "last": found.last,
        "rounding": found.rounding,
        "shift": found.shift,
        "open": list(found.open),
        "ranges": {name: list(pair) for name, pair in found.ranges.items()},
        "tried": found.tried,
        "left_out": list(found.left_out),
        "remarks": list(found.remarks),
        "findings": [
            {
                "name": one.name,
                "values": dict(one.values),
                "changed": dict(one.changed),
                "code": one.code,
                "fits": one.fits,
                "residual": one.residual,
                "at": one.at,
                "share": one.share,
                "same": one.same,
                "parts": one.parts,
            }
            for one in found.findings
        ],
    }


def _table(found: Fit) -> Iterator[str]:
    """The nearest, with how far off they are as a share of the peak, and their rows inside."""
    rows = [("", "schedule", "largest difference", "at step", "rows within")]
    for one in found.findings[:MOST_ROWS]:
        share = f"{100 * one.share:.1f} %" if one.share < 1 else "all"
        mark = "fits" if one.fits else ""
        rows.append((mark, one.name, f"{one.residual:.1e} of the peak", f"{one.at:,}", share))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip()
    more = len(found.findings) - MOST_ROWS
    if more > 0:
        yield f"  ... {more:,} more, with --json"


def _sentences(found: Fit) -> Iterator[str]:
    """What that means."""
    best = found.best
    if best is None:
        yield f"Unknown: none of {found.tried:,} schedules draws this curve."
        if found.findings:
            near = found.findings[0]
            off = f"{near.residual:.1e} of the peak off at step {near.at:,}"
            yield f"Nearest is {near.name}, {off}."
            yield "Cut the log where the plan was changed, or try libraries too, with --dialects."
        yield from _left_out(found)
        return
    yield _verdict(found, best)
    if found.shift:
        yield f"The log's step n is update n {found.shift:+d}.".replace("+", "+ ").replace(
            "-", "- "
        )
    same = [one.name for one in found.findings if one.same]
    if same:
        yield f"The same curve has other names: {_listed(same)}."
    later = [one for one in found.findings[1:] if one.fits and one.parts is not None]
    for one in later[:3]:
        assert one.parts is not None, "chosen so"
        if one.parts > found.last + found.shift:
            yield f"{one.name} fits as well, and parts from it at step {one.parts:,}."
        else:
            yield f"{one.name} fits as well; a row at step {one.parts:,} would tell them apart."
    if found.status == "found":
        for name in found.open:
            value = spelled(best.values[name.partition("[")[0]])
            yield f"{name} is taken as its default, {value}: the log does not tell."
    for name, (low, high) in found.ranges.items():
        yield f"The log has {name} from {low:,} to {high:,} only."
    yield from _left_out(found)


def _verdict(found: Fit, best: Finding) -> str:
    if found.status == "found":
        return f"Found: {best.name}. Every row is within the log's rounding."
    if found.open:
        names = _listed(found.open)
        return (
            f"Ambiguous: {best.name} fits, but the log leaves {names} open. Steps past "
            f"{found.last:,} would tell."
        )
    return f"Ambiguous: {best.name} fits, and so do others that are as plain."


def _left_out(found: Fit) -> Iterator[str]:
    if found.left_out:
        count = len(found.left_out)
        yield f"There was no time for {count:,} schedules. Name those you think of with --among."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _command(best: Finding) -> list[str]:
    """How the command line spells it."""
    given = []
    for name, value in best.changed.items():
        shown = spelled(value).replace('"', "").replace(" ", "").replace("_", "")
        given.append(f"{name}={value if isinstance(value, str) else shown}")
    sets = f" --set {' '.join(given)}" if given else ""
    return [f"  lrgen plot {best.name}{sets}", f"  lrgen build {best.name}"]
