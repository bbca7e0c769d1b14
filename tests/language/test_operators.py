"""Every operator means the same in every backend as in exact arithmetic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import operator_specs
import pytest
from operator_specs import RUNS, STEPS, USES, VALUES, uses

from lrgen import exact
from lrgen.backends import BACKENDS, jax, keras, numpy, torch
from lrgen.backends.host import spelt
from lrgen.document import read_source
from lrgen.errors import SpecError
from lrgen.evaluate import Arithmetic
from lrgen.ops import OPERATORS, Form
from lrgen.pipeline import emit
from lrgen.recheck import ulps
from lrgen.resolve import Library
from lrgen.schedule import Schedule
from lrgen.vectors import exact_value, nearest_float32

MOST_ULPS = 8
BINARY64 = ("python", "numpy")
ARRAYS = {"numpy": numpy.ARRAY, "torch": torch.ARRAY, "keras": keras.ARRAY, "jax": jax.ARRAY}


def resolved(folder: Path, name: str, value: str) -> Schedule:
    path = folder / f"{name}.toml"
    path.write_text(operator_specs.spec(name, value))
    return Library([read_source(path, path.name)]).schedule(name)


def write(folder: Path, schedule: Schedule, backends: list[str]) -> None:
    for path, text in emit(schedule, backends)[0].items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)


def truth(schedule: Schedule, values: dict[str, Any]) -> list[Any]:
    return [exact_value(schedule, values, step, 40) for step in STEPS]


def differences(backend: str, found: list[float], expected: list[Any]) -> list[str]:
    """The steps at which a backend is wrong: in binary64 by ulps, in float32 at all."""
    wrong = []
    for step, value, true in zip(STEPS, found, expected):
        if backend in BINARY64:
            if not ulps(value, true) <= MOST_ULPS:
                wrong.append(f"step {step}: {value!r}, not {true}")
        elif not np.float32(value) == nearest_float32(true):
            wrong.append(f"step {step}: {value!r}, not {nearest_float32(true)!r}")
    return wrong


def wrong_values(folder: Path, name: str, value: str, backend: str) -> list[str]:
    """What ``backend`` gets wrong of one formula, or how it fails."""
    schedule = resolved(folder, name, value)
    wrong: list[str] = []
    try:
        write(folder, schedule, [backend])
        module = operator_specs.load(folder / f"{backend}_schedules" / f"{name}.py")
        for values in VALUES:
            expected = truth(schedule, values)
            wrong += differences(backend, RUNS[backend](module, name, values), expected)
        if backend == "jax":
            traced = operator_specs.traced_values(module, name, values)
            wrong += [f"traced, {one}" for one in differences("jax", traced, expected)]
    except Exception as error:  # one formula that fails hides no other
        wrong.append(f"{type(error).__name__}: {error}")
    return wrong


# -- an entry everywhere ---------------------------------------------------------------------


def missing_entries() -> list[str]:
    """Operators without an entry in a table that needs all of them."""
    evaluated = {*Arithmetic().table, "if", "and", "or"}
    missing = [f"evaluate lacks {name}" for name in OPERATORS if name not in evaluated]
    missing += [f"exact lacks {name}" for name in OPERATORS if name not in exact._TABLE]
    missing += [f"the tests lack {name}" for name in OPERATORS if name not in USES]
    # Infix operators and signs are spelt alike in Python and over arrays; all else is not.
    needed = [r.name for r in OPERATORS.values() if r.form in (Form.CALL, Form.TERNARY)]
    needed += ["and", "or", "not", "inf"]
    for backend, table in ARRAYS.items():
        missing += [
            f"{backend} lacks {name}"
            for name in needed
            if name not in table and (backend, name) != ("numpy", "abs")
        ]
    return missing


def test_every_operator_has_an_entry_in_every_table() -> None:
    assert missing_entries() == []


def test_the_tables_have_no_entry_for_what_is_no_operator() -> None:
    known = {*OPERATORS, "min:host", "max:host", "real", "fill"}

    for table in (Arithmetic().table, exact._TABLE, *ARRAYS.values()):
        assert set(table) <= known


@pytest.mark.parametrize(
    ("table", "name", "says"),
    [
        (exact._TABLE, "tanh", "exact lacks tanh"),
        (torch.ARRAY, "floor", "torch lacks floor"),
        (jax.ARRAY, "or", "jax lacks or"),
        (USES, "//", "the tests lack //"),
    ],
)
def test_a_missing_entry_is_found(
    table: dict[str, Any], name: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(table, name)

    assert missing_entries() == [says]


def test_a_new_operator_is_missing_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATORS, "sinh", OPERATORS["tanh"])
    monkeypatch.setattr("lrgen.ops.OPERATORS", OPERATORS)

    found = missing_entries()

    assert "evaluate lacks sinh" in found
    assert "exact lacks sinh" in found
    assert "the tests lack sinh" in found


# -- right everywhere ------------------------------------------------------------------------


@pytest.mark.parametrize("backend", RUNS)
@pytest.mark.parametrize("op", OPERATORS)
def test_an_operator_is_right(op: str, backend: str, tmp_path: Path) -> None:
    wrong = {
        value: found
        for own, name, value in uses()
        if own == op and (found := wrong_values(tmp_path, name, value, backend))
    }

    assert wrong == {}


def test_every_operator_is_right_in_keras(tmp_path: Path) -> None:
    schedules = {name: resolved(tmp_path, name, value) for _, name, value in uses()}
    wrong: dict[str, Any] = {}
    for name, schedule in schedules.items():
        try:
            write(tmp_path, schedule, ["keras"])
        except SpecError as error:
            wrong[name] = str(error)
    done = subprocess.run(
        [sys.executable, operator_specs.__file__, str(tmp_path), *(schedules.keys() - wrong.keys())],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )

    assert done.returncode == 0, done.stderr
    for name, found in json.loads(done.stdout).items():
        if isinstance(found, str):
            wrong[schedules[name].pieces[0].text] = found
            continue
        for values, own in zip(VALUES, found):
            different = differences("keras", own, truth(schedules[name], values))
            if different:
                wrong[schedules[name].pieces[0].text] = different
    assert wrong == {}


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_an_operator_without_its_row_is_red(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ARRAYS[backend], "tanh")  # type: ignore[arg-type]

    found = wrong_values(tmp_path, "op_tanh_9", USES["tanh"][1], backend)

    assert found == ["NameError: name 'tanh' is not defined"]


@pytest.mark.parametrize(
    ("backend", "op", "spelling"),
    [
        ("numpy", "tanh", "np.tan({0})"),
        ("torch", "floor", "torch.ceil({0}).long()"),
        ("jax", "max", "jnp.minimum({0}, {1})"),
        ("jax", "exp", "jnp.exp(jnp.asarray({0}, jnp.float32))"),
    ],
)
def test_a_wrong_spelling_is_red(
    backend: str, op: str, spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = USES[op][1]

    assert wrong_values(tmp_path, "op_right_0", value, backend) == []

    monkeypatch.setitem(ARRAYS[backend], op, spelt(spelling))  # type: ignore[index]

    assert wrong_values(tmp_path, "op_wrong_0", value, backend) != []


def test_every_backend_is_run_here() -> None:
    assert set(BACKENDS) == {*RUNS, "keras"}
