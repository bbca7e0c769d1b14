"""The benchmarks that need no framework run, at a tiny size, and say when a goal is missed."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import build_cost  # noqa: E402
import numpy_cost  # noqa: E402
import python_cost  # noqa: E402
from measure import Row, fastest, line  # noqa: E402
from speed_page import TITLES, page  # noqa: E402

TINY: dict[str, Callable[[], Iterator[Row]]] = {
    "curve": partial(numpy_cost.numpy_curve, steps=1_000, rounds=1),
    "memory": partial(numpy_cost.numpy_memory, steps=1_000),
    "call": partial(python_cost.python_call, rounds=1, number=1),
    "specs": partial(build_cost.many_specs, most=4),
}
ROW = Row("a thing", 3e-6, 2e-6, "another", "at most 1 x", reached=False)


@pytest.mark.parametrize("name", TINY)
def test_every_row_is_a_positive_number_beside_another(name: str) -> None:
    rows = list(TINY[name]())

    assert rows
    assert [row for row in rows if not (row.ours > 0 and row.peer > 0)] == []


def test_a_missed_goal_is_said() -> None:
    assert "3 us" in line(ROW)
    assert line(ROW).endswith("NOT REACHED")
    assert "NOT REACHED" not in line(replace(ROW, reached=True))


def test_the_least_of_all_rounds_counts() -> None:
    ticks = iter([0.0, 5.0, 10.0, 12.0, 20.0, 27.0])

    assert fastest({"it": lambda: None}, rounds=3, clock=lambda: next(ticks)) == {"it": 2.0}


def test_the_table_is_written_as_json_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--only", "python_call"]
    done = subprocess.run([*command, "--json", str(path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "plain Python call, cosine, plan in a dictionary" in done.stdout
    assert len(json.loads(path.read_text(encoding="utf-8"))["rows"]) == 6


def run_of(*rows: Row) -> dict[str, Any]:
    """What a run of such rows writes as JSON."""
    machine = {"python": "3.11", "processors": 2}
    return {"machine": machine, "rows": [{**asdict(row), "ratio": row.ratio} for row in rows]}


def test_a_run_becomes_a_page_with_each_row_in_its_section() -> None:
    named = [replace(ROW, name=f"{word} of a kind") for word in reversed(TITLES)]
    lines = list(page(run_of(*named)))

    assert [f"\n## {title}\n" for title in TITLES.values()] == [
        line for line in lines if "##" in line
    ]
    assert len(TITLES) == sum(line.startswith("| ") and " of a kind | " in line for line in lines)


def test_the_page_says_which_goals_were_missed() -> None:
    missed = replace(ROW, name="JAX thing", note="for a reason", floor=1e-6, floor_is="nothing")
    lines = list(page(run_of(missed, replace(missed, reached=True, note=""))))

    assert "2 rows, 1 of them with a goal that was missed." in lines
    assert [
        "| JAX thing | 3 us | 2 us, another | 1.50 | at most 1 x "
        "| **missed**; floor 1 us: nothing; for a reason |",
        "| JAX thing | 3 us | 2 us, another | 1.50 | at most 1 x | floor 1 us: nothing |",
    ] == lines[-2:]


def test_the_committed_page_has_every_section() -> None:
    text = (BENCHMARKS.parent / "docs" / "speed.md").read_text(encoding="utf-8")

    assert [*TITLES.values()] == re.findall(r"^## (.*)$", text, re.MULTILINE)
