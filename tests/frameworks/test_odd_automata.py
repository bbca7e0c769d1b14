"""Automata that the catalogue has none of: each is emitted, and held to its exact traces."""

import subprocess
import sys
from pathlib import Path

import conformance
import emitted
import pytest
import test_jax_traces
import test_remembering_rows
import test_torch_traces
from emitted import load_emitted
from traces import check_all_traces, some_cases

from lrgen.backends import BACKENDS
from lrgen.pipeline import emit, library

HEAD = """
name = "{name}"
title = "An odd automaton"
base = "base_lr"
observes = "loss"
[parameters]
base_lr = {{ type = "rate", default = 0.1, doc = "Rate at first." }}
share = {{ type = "real", default = 0.3, doc = "A real number." }}
length = {{ type = "steps", default = 3, doc = "A length." }}
kind = {{ type = "choice", of = ["slow", "fast"], default = "slow", doc = "A choice." }}
on = {{ type = "flag", default = true, doc = "A flag." }}
[[example]]
name = "fast"
doc = "The other choice."
set = {{ base_lr = 0.7, share = 0.9, length = 0, kind = "fast", on = false }}
"""
ODD = {
    "one_counter": """
        value = "base_lr / (1 + seen)"
        [state]
        seen = "0"
        [update]
        seen = "seen + 1"
    """,
    "one_flag": """
        value = "base_lr if fell else base_lr / 2"
        [state]
        fell = "on"
        [update]
        fell = "not fell and loss < 1 or on"
    """,
    "one_metric": """
        value = "base_lr if last < 0.5 else base_lr / 2 if last < 1.0 else base_lr / 4"
        [state]
        last = "-inf"
        [update]
        last = "loss"
    """,
    "a_choice": """
        value = "base_lr if kind == 'slow' else base_lr / (1 + bad)"
        [state]
        bad = "length"
        best = "inf if on else 0.0"
        [update]
        bad = "bad + 1 if loss >= best and kind == 'fast' else 0 if on else bad"
        best = "loss if on else best"
    """,
    "a_margin_by_name": """
        value = "base_lr / (1 + bad)"
        require = ["0 <= share < 1"]
        [state]
        best = "8.0"
        bad = "0"
        [update]
        margin = "share * abs(best)"
        better = "loss < best - margin"
        worse = "loss > -(-share * best) + best"
        best = "loss if better and not worse else best"
        bad = "bad + 1 if worse else bad - 1 if better and bad > 0 else bad"
    """,
    "pieces_of_memory": """
        [state]
        cuts = "0"
        [update]
        cuts = "cuts if loss < inf else cuts + 1 if cuts < length else cuts"
        [let]
        ratio = "cuts / (length + 1)"
        [[piece]]
        name = "fresh"
        when = "cuts == 0"
        value = "base_lr"
        [[piece]]
        name = "cut"
        value = "base_lr * (1 - ratio)"
    """,
    "pieces_of_both": """
        [state]
        cuts = "0"
        [update]
        cuts = "cuts + 1"
        [[piece]]
        name = "start"
        until = "length"
        value = "base_lr * step / length"
        [[piece]]
        name = "middle"
        when = "step < 3 * length and cuts < 7"
        value = "base_lr / (1 + cuts)"
        [[piece]]
        name = "rest"
        value = "0.0"
    """,
    "noise_and_cycles": """
        require = ["0 <= share < 1"]
        [state]
        seen = "0"
        [update]
        seen = "seen + 1 if loss > 0.25 else seen"
        [let]
        shaken = "1 + share * uniform(seen + length, step)"
        place = "step - cycle_start(step, length + 2, 2.0)"
        [[piece]]
        name = "shaking"
        value = "base_lr * shaken / (1 + place + seen)"
    """,
    "entries_by_memory": """
        value = "base_lr * [1.0, share, 0.25][place]"
        [state]
        cuts = "0"
        [update]
        cuts = "cuts + 1 if loss >= 0.5 else cuts"
        [let]
        place = "min(cuts, 2)"
    """,
    "no_group_rate": """
        drives = "momentum"
        value = "share / (1 + seen)"
        require = ["0 <= share < 1"]
        [state]
        seen = "0"
        [update]
        seen = "seen + 1"
    """,
}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything emitted, in the place of the catalogue."""
    folder = tmp_path_factory.mktemp("odd")
    paths = []
    for name, text in ODD.items():
        tables = text.index("\n        [")
        head, parameters, rest = HEAD.format(name=name).partition("[parameters]")
        base = head.replace('base = "base_lr"\n', "") if "drives" in text else head
        paths.append(folder / f"{name}.toml")
        paths[-1].write_text(base + text[:tables] + "\n" + parameters + rest + text[tables:])
    specs, names = library(paths)
    for name in names:
        texts, _ = emit(specs.schedule(name), list(BACKENDS))
        for path, text in texts.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
    patch = pytest.MonkeyPatch()
    patch.setenv("LRGEN_GENERATED", str(folder))
    patch.setattr(conformance, "SPECS", folder)
    yield folder
    patch.undo()


each = pytest.mark.parametrize("name", ODD)
driving = pytest.mark.parametrize("name", [n for n, text in ODD.items() if "drives" not in text])


@each
def test_plain_python_and_numpy_follow_every_trace(name: str) -> None:
    for rates in (test_remembering_rows.python_rates, test_remembering_rows.numpy_rates):
        backend = rates.__name__.removesuffix("_rates")
        rows, _ = check_all_traces(name, rates(load_emitted(backend, name), name))
        assert rows > 100


@driving
def test_torch_follows_every_trace_and_goes_on_after_any_row(name: str) -> None:
    module = load_emitted("torch", name)

    rows, _ = check_all_traces(name, test_torch_traces.rates_of(module, name))
    for case in some_cases(name):
        test_torch_traces.check_resumed_everywhere(module, case, test_torch_traces.through_json)

    assert rows > 100


@each
def test_jax_follows_every_trace(name: str) -> None:
    assert test_jax_traces.check_scanned(load_emitted("jax", name), name) > 100


@driving
def test_keras_computes_with_the_very_lines_of_plain_python(name: str) -> None:
    """The callback itself is tested on the catalogue, in processes of its own."""
    plain = emitted.emitted_path("python", name).read_text()
    methods, found, _ = plain.partition("    def observe")[2].partition("\n\n\ndef ")
    starts = plain.partition("        _check(")[2].partition("    def observe")[0].splitlines()[1:]

    text = emitted.emitted_path("keras", name).read_text()
    assert found
    assert methods in text
    assert [] == [line for line in starts if line not in text.splitlines()]


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_where_no_rate_is_driven_the_class_is_that_of_plain_python(backend: str) -> None:
    """There is no ``lr`` to write, so the value is handed to whoever wants it."""
    text = emitted.emitted_path(backend, "no_group_rate").read_text()
    plain = emitted.emitted_path("python", "no_group_rate").read_text()

    assert plain.partition("import")[2] == text.partition("import")[2]


@pytest.mark.parametrize("arguments", [["format", "--check"], ["check", "--ignore", "B007"]])
def test_every_module_is_as_the_formatter_and_the_linter_want_it(
    folder: Path, arguments: list[str]
) -> None:
    """B007 alone asks for another name of a metric that an update does not look at."""
    settings = Path(__file__).parents[2] / "pyproject.toml"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--config", settings, folder],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stdout
