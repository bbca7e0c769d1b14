"""A formula without parameters is a spec as well."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import operator_specs
import pytest

from lrgen.backends import BACKENDS
from lrgen.pipeline import emit, library

CLOSED = 'name = "bare"\ntitle = "A hyperbola"\nvalue = "1e-3 / (1 + step)"\n'
OBSERVING = """
name     = "bare"
title    = "Halved when a loss grows"
observes = "loss"
value    = "0.5 ** cuts"

[state]
best = "inf"
cuts = "0"

[update]
cuts = "cuts if loss < best else cuts + 1"
best = "loss if loss < best else best"
"""


def modules(folder: Path, text: str) -> dict[str, str]:
    path = folder / "bare.toml"
    path.write_text(text)
    specs, _ = library([path])
    texts, _ = emit(specs.schedule("bare"), list(BACKENDS))
    for name, code in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    return {name: code for name, code in texts.items() if name.endswith(".py")}


def loaded(folder: Path, backend: str) -> ModuleType:
    return operator_specs.load(folder / f"{backend}_schedules" / "bare.py")


@pytest.mark.parametrize("text", [CLOSED, OBSERVING], ids=["closed form", "observing"])
def test_every_module_is_python(text: str, tmp_path: Path) -> None:
    found = modules(tmp_path, text)

    assert len(BACKENDS) == len(found)
    for name, code in found.items():
        compile(code, name, "exec")


@pytest.mark.parametrize("backend", ["python", "numpy"])
def test_it_is_called_with_a_step_alone(backend: str, tmp_path: Path) -> None:
    modules(tmp_path, CLOSED)

    assert 2.5e-4 == float(loaded(tmp_path, backend).bare(3))


def test_it_observes(tmp_path: Path) -> None:
    modules(tmp_path, OBSERVING)
    memory = loaded(tmp_path, "python").Bare()

    assert [1.0, 0.5, 0.5] == [memory.observe(loss) for loss in (2.0, 3.0, 1.0)]
