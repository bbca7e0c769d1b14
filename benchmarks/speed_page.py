"""The rows of one run as a page: what there was to see on one machine.

    python benchmarks/speed_page.py benchmarks/results.json > docs/speed.md

A run is that of ``make bench``. Nothing is measured here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from measure import Row, shown

TITLES = {
    "lrgen": "The command",
    "build": "Builds",
    "torch": "PyTorch",
    "import": "Imports",
    "plain": "Plain Python",
    "NumPy": "NumPy",
    "JAX": "JAX",
    "Keras": "Keras",
}
HEAD = """# What it costs

Ours and the peer by turns in one run of `make bench`; ratios travel between machines, times do not.
A goal that was missed is said to be, with the reason where it is known. The floor is what no
implementation could go below. This page is one run, kept as a sample:
{machine}, packages as in `constraints.txt`.
"""


def main() -> int:
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} RESULTS.json", file=sys.stderr)
        return 2
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join(page(found)))
    return 0


def page(found: Mapping[str, Any]) -> Iterator[str]:
    """The lines of the page for what a run wrote as JSON."""
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    yield HEAD.format(machine=machine)
    rows = [
        Row(**{name: value for name, value in row.items() if name != "ratio"})
        for row in found["rows"]
    ]
    missed = sum(not row.reached for row in rows)
    yield f"{len(rows):,} rows, {missed:,} of them with a goal that was missed."
    for title, group in groupby(sorted(rows, key=place_of), key=title_of):
        yield f"\n## {title}\n"
        yield "| what | lrgen | peer | ratio | goal | |"
        yield "|---|--:|--:|--:|---|---|"
        yield from map(cells, group)


def title_of(row: Row) -> str:
    """The section of a row: what its name begins with."""
    return TITLES[row.name.partition(" ")[0]]


def place_of(row: Row) -> int:
    """Where its section stands."""
    return [*TITLES.values()].index(title_of(row))


def cells(row: Row) -> str:
    """A row of a table; what was missed stands out."""
    said = "" if row.reached else "**missed**"
    more = [f"floor {shown(row.floor, row.unit)}: {row.floor_is}"] if row.floor is not None else []
    more += [row.note] if row.note else []
    return " | ".join(
        (
            f"| {row.name}",
            shown(row.ours, row.unit),
            f"{shown(row.peer, row.unit)}, {row.peer_is}",
            f"{row.ratio:.2f}",
            row.goal,
            f"{'; '.join([said, *more] if said else more)} |",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
