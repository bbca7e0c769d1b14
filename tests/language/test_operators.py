"""Every operator means the same in every backend as in exact arithmetic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import operator_specs
import pytest
from operator_specs import RUNS, STEPS, USES, VALUES, uses

from lrgen import exact
from lrgen.backends import BACKENDS, jax, keras, numpy, torch
from lrgen.backends.host import WHOLE_LISTS, spelt
from lrgen.errors import SpecError
from lrgen.evaluate import Arithmetic
from lrgen.lower import LOWERED
from lrgen.ops import OPERATORS, Form
from lrgen.pipeline import emit, library
from lrgen.recheck import ulps
from lrgen.schedule import Schedule
from lrgen.vectors import exact_value, nearest_float32

MOST_ULPS = 8
BINARY64 = ("python", "numpy")
ARRAYS = {"numpy": numpy.ARRAY, "torch": torch.ARRAY, "keras": keras.ARRAY, "jax": jax.ARRAY}


@dataclass(frozen=True)
class Case:
    """One use of an operator: resolved, emitted to ``folder``, or the reason why not."""

    op: str
    name: str
    value: str
    schedule: Schedule
    folder: Path
    failure: str = ""

    @cached_property
    def truth(self) -> list[list[Any]]:
        """The exact values, for each set of parameters at each step."""
        return [[exact_value(self.schedule, v, step, 40) for step in STEPS] for v in VALUES]


def emitted(folder: Path, found: list[tuple[str, str, str]], backends: list[str]) -> list[Case]:
    """A case for each (operator, name, formula)."""
    paths = []
    for _, name, value in found:
        paths.append(folder / f"{name}.toml")
        paths[-1].write_text(operator_specs.spec(name, value))
    specs, names = library(paths)
    return [
        write(Case(*use, specs.schedule(name), folder), backends) for use, name in zip(found, names)
    ]


def write(case: Case, backends: list[str]) -> Case:
    try:
        texts, _ = emit(case.schedule, backends)
    except SpecError as error:
        return replace(case, failure=str(error))
    for path, text in texts.items():
        (case.folder / path).parent.mkdir(exist_ok=True)
        (case.folder / path).write_text(text)
    return case


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    return emitted(tmp_path_factory.mktemp("operators"), uses(), list(BACKENDS))


def differences(backend: str, found: list[float], expected: list[Any]) -> list[str]:
    """The steps at which a backend is wrong: in binary64 by ulps, in float32 at all."""
    wrong = []
    for step, value, true in zip(STEPS, found, expected):
        if backend in BINARY64:
            if not ulps(value, true) <= MOST_ULPS:
                wrong.append(f"step {step}: {value!r}, not {true}")
        elif np.float32(value) != nearest_float32(true):
            wrong.append(f"step {step}: {value!r}, not {nearest_float32(true)!r}")
    return wrong


def wrong_values(case: Case, backend: str) -> list[str]:
    """What ``backend`` gets wrong of one formula, or how it fails."""
    if case.failure:
        return [case.failure]
    path = case.folder / f"{backend}_schedules" / f"{case.name}.py"
    wrong: list[str] = []
    try:
        module = operator_specs.load(path)
        for values, expected in zip(VALUES, case.truth):
            wrong += differences(backend, RUNS[backend](module, case.name, values), expected)
        if backend == "jax":
            # The tables of growing cycles are made by Python.
            plain = ["n", "m", "growth"] if case.op.startswith("cycle") else []
            traced = operator_specs.traced_values(module, case.name, VALUES[0], plain)
            wrong += [f"traced, {one}" for one in differences("jax", traced, case.truth[0])]
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
    needed += ["and", "or", "not", "inf", "at"]
    for backend, table in ARRAYS.items():
        # Lists are Python's own but in JAX, where they may be traced.
        without = {*LOWERED, *(WHOLE_LISTS if backend != "jax" else ["len"])}
        missing += [f"{backend} lacks {name}" for name in needed if name not in {*table, *without}]
    return missing


def test_every_operator_has_an_entry_in_every_table() -> None:
    assert missing_entries() == []


def test_the_tables_have_no_entry_for_what_is_no_operator() -> None:
    known = {
        *OPERATORS,
        "min:host",
        "max:host",
        "if:real",
        "real",
        "fill",
        "scalar",
        "at:real",
        "total:real",
        "cycle_tables",
    }

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
def test_an_operator_is_right(op: str, backend: str, cases: list[Case]) -> None:
    own = [case for case in cases if case.op == op]

    wrong = {case.value: found for case in own if (found := wrong_values(case, backend))}

    assert wrong == {}


def test_every_operator_is_right_in_keras(cases: list[Case]) -> None:
    by_name = {case.name: case for case in cases}
    done = subprocess.run(
        [sys.executable, operator_specs.__file__, str(cases[0].folder), *by_name],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )

    assert done.returncode == 0, done.stderr
    wrong: dict[str, Any] = {}
    for name, found in json.loads(done.stdout).items():
        case = by_name[name]
        if isinstance(found, str):
            wrong[case.value] = found
            continue
        for own, expected in zip(found, case.truth):
            different = differences("keras", own, expected)
            if different:
                wrong[case.value] = different
    assert wrong == {}


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_an_operator_without_its_row_is_red(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ARRAYS[backend], "tanh")  # type: ignore[arg-type]
    (case,) = emitted(tmp_path, [("tanh", "op_tanh_9", "tanh(u)")], [backend])

    assert wrong_values(case, backend) == ["NameError: name 'tanh' is not defined"]


@pytest.mark.parametrize(
    ("backend", "op", "spelling"),
    [
        ("numpy", "tanh", "np.tan({0})"),
        ("torch", "sin", "torch.cos({0})"),
        ("jax", "cos", "jnp.sin({0})"),
        ("jax", "exp", "jnp.exp(jnp.asarray({0}, jnp.float32))"),
    ],
)
def test_a_wrong_spelling_is_red(
    backend: str, op: str, spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (right,) = emitted(tmp_path, [(op, "op_right_0", f"{op}(u)")], [backend])

    assert wrong_values(right, backend) == []

    monkeypatch.setitem(ARRAYS[backend], op, spelt(spelling))  # type: ignore[index]
    (wrong,) = emitted(tmp_path, [(op, "op_wrong_0", f"{op}(u)")], [backend])

    assert wrong_values(wrong, backend) != []


def test_every_backend_is_run_here() -> None:
    assert set(BACKENDS) == {*RUNS, "keras"}
