"""Pieces that parameters choose between, twice in one schedule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import operator_specs
import pytest

from lrgen.pipeline import emit, library
from lrgen.vectors import exact_value, nearest_float32

TEXT = """
name  = "twice"
title = "Two choices in a row"

[parameters]
early = { type = "flag", default = true, doc = "One choice." }
late  = { type = "flag", default = true, doc = "Another." }

[[piece]]
name  = "alpha"
when  = "step < 5 and early"
value = "1.0"

[[piece]]
name  = "beta"
until = "5"
value = "1 / 2"

[[piece]]
name  = "gamma"
when  = "late"
value = "1 / 4"

[[piece]]
name  = "delta"
value = "1 / 8"
"""


@pytest.mark.parametrize("backend", ["python", "numpy", "torch", "jax"])
def test_names_without_a_common_word_stay_apart(backend: str, tmp_path: Path) -> None:
    (tmp_path / "twice.toml").write_text(TEXT)
    specs, _ = library([tmp_path / "twice.toml"])
    texts, _ = emit(specs.schedule("twice"), [backend])
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    module = operator_specs.load(tmp_path / f"{backend}_schedules" / "twice.py")

    found = {
        early: operator_specs.RUNS[backend](module, "twice", {"early": early, "late": early})
        for early in (True, False)
    }

    expected = {True: (1.0, 0.25), False: (0.5, 0.125)}
    assert {
        early: [first if step < 5 else later for step in operator_specs.STEPS]
        for early, (first, later) in expected.items()
    } == found


NESTED = """
name  = "nested"
title = "A choice within a choice, and a let and a piece of one name"

[parameters]
early = { type = "flag", default = true, doc = "One choice." }
late  = { type = "flag", default = true, doc = "Another." }

[let]
warmup = "(step + 1) / 8 if early else (step + 2) / 8"

[[piece]]
name  = "warmup"
until = "5"
value = "warmup / 2"

[[piece]]
name  = "hold"
when  = "late"
value = "(2.0 * warmup if early else 4.0 * warmup) / (step + 1)"

[[piece]]
name  = "rest"
value = "warmup if early else 1 / 8"
"""


@pytest.mark.parametrize("backend", ["python", "numpy", "torch", "jax"])
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("early", [True, False])
def test_a_choice_within_a_choice(backend: str, late: bool, early: bool, tmp_path: Path) -> None:
    (tmp_path / "nested.toml").write_text(NESTED)
    specs, _ = library([tmp_path / "nested.toml"])
    schedule = specs.schedule("nested")
    texts, _ = emit(schedule, [backend])
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    module = operator_specs.load(tmp_path / f"{backend}_schedules" / "nested.py")
    values = {"early": early, "late": late}

    found = operator_specs.RUNS[backend](module, "nested", values)

    exact = [exact_value(schedule, values, step, 40) for step in operator_specs.STEPS]
    assert [nearest_float32(value) for value in exact] == [np.float32(value) for value in found]
