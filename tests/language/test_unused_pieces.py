"""Array code computes the pieces that it does not use too: at what they exclude as well."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import operator_specs
import pytest

from lrgen import guard
from lrgen.pipeline import emit, library

ULPS = 8  # of every schedule that names no other budget
STEPS = [0, 1, 2, 3, 9, 10, 50]
HEAD = """
name    = "unused"
title   = "Pieces that exclude what others divide by"
require = [{require}]

[parameters]
base_lr = {{ type = "rate",    default = 0.1,        doc = "Rate." }}
share   = {{ type = "real",    default = 0.5,        doc = "A share." }}
places  = {{ type = "steps[]", default = [3, 10],    doc = "Updates." }}
values  = {{ type = "rate[]",  default = [0.5, 0.2], doc = "Rates." }}
"""
ENTRIES = (
    HEAD.format(require='"increasing(places)", "len(values) == len(places)"')
    + """
[let]
last   = "len(places) - 1"
number = "min(reached(places, step), last)"

[[piece]]
name  = "none"
when  = "len(places) == 0"
value = "base_lr"

[[piece]]
name  = "before"
when  = "step < places[last]"
value = "values[number]"

[[piece]]
name  = "end"
value = "base_lr * values[last]"
"""
)
DIVISORS = (
    HEAD.format(require='"0 <= share <= 1"')
    + """
[[piece]]
name  = "none"
when  = "share == 0 or len(places) == 0"
value = "base_lr / 2"

[[piece]]
name  = "jump"
when  = "places[0] == 0"
value = "base_lr / 3"

[[piece]]
name  = "line"
until = "places[0]"
value = "base_lr * step / places[0] / share"

[[piece]]
name  = "end"
value = "base_lr"
"""
)
LEVEL = (
    HEAD.format(require="")
    + """
[[piece]]
name  = "curve"
when  = "len(values) == 0"
value = "base_lr / (1 + step)"

[[piece]]
name  = "level"
value = "base_lr / 2"
"""
)
OPEN = (
    HEAD.format(require='"-1 <= share <= 1"')
    + """
[let]
length = "floor(2 * share * step)"

[[piece]]
name  = "none"
when  = "step > 40 or length == 0"
value = "base_lr / 2"

[[piece]]
name  = "line"
value = "base_lr / length"
"""
)
CASES = [
    (ENTRIES, {}),
    (ENTRIES, {"places": [], "values": []}),
    (DIVISORS, {}),
    (DIVISORS, {"share": 0.0}),
    (DIVISORS, {"places": []}),
    (DIVISORS, {"places": [0, 4]}),
    (OPEN, {}),
    (LEVEL, {}),
    (LEVEL, {"values": []}),
]
NAMES = ["entries", "no entries", "divisors", "no share", "no places", "a place at 0"]
NAMES += ["a divisor of either sign", "level", "curve"]


def module(folder: Path, text: str, backend: str) -> ModuleType:
    """What ``backend`` makes of the spec ``text``."""
    path = folder / "unused.toml"
    path.write_text(text)
    specs, _ = library([path])
    texts, _ = emit(specs.schedule("unused"), [backend])
    (code,) = (code for name, code in texts.items() if name.endswith("unused.py"))
    emitted = folder / f"{backend}_unused.py"
    emitted.write_text(code)
    return operator_specs.load(emitted)


def curve(emitted: ModuleType, backend: str, parameters: dict[str, Any]) -> Any:
    """Its rates at STEPS, in binary64."""
    steps = np.array(STEPS)
    match backend:
        case "numpy":
            return emitted.unused(steps, **parameters)
        case "torch":
            import torch

            return emitted.unused(torch.from_numpy(steps), **parameters, dtype=torch.float64)
        case "jax":
            import jax

            with jax.enable_x64(True):
                return np.asarray(emitted.unused(**parameters, dtype="float64")(steps))
    return [emitted.unused(step, **parameters) for step in STEPS]


@pytest.fixture
def strict() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize(("text", "parameters"), CASES, ids=NAMES)
def test_what_a_piece_excludes_hurts_no_other(
    text: str, parameters: dict[str, Any], backend: str, tmp_path: Path
) -> None:
    expected = curve(module(tmp_path, text, "python"), "python", parameters)
    found = curve(module(tmp_path, text, backend), backend, parameters)

    assert (len(STEPS),) == tuple(found.shape)
    np.testing.assert_array_max_ulp(np.asarray(expected), np.asarray(found), ULPS)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(("text", "parameters"), [CASES[1], *CASES[3:7]])
def test_without_guards_it_hurts(
    text: str, parameters: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard.Guards, "_guard", lambda self, expr, scope: expr)
    emitted = module(tmp_path, text, "numpy")

    with pytest.raises((IndexError, RuntimeWarning)):
        curve(emitted, "numpy", parameters)
