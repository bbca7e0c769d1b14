"""What holds for the dialects of every library: they are found, shown, drawn and built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import lrgen
from lrgen import catalogue
from lrgen.backends import BACKENDS
from lrgen.cli import main
from lrgen.document import read_source
from lrgen.errors import SpecError
from lrgen.naming import function_name
from lrgen.pipeline import fill, library, read

FEW = ["torch/StepLR", "torch/CyclicLR.momentum", "torch/ReduceLROnPlateau"]
BY_LIBRARY = {name: list(catalogue.dialects(name)) for name in catalogue.libraries()}
ALL = [name for names in BY_LIBRARY.values() for name in names]
CALLER = """
name  = "{name}"
title = "A call"
base  = "base_lr"
value = "{value}"

[parameters]
base_lr = {{ type = "rate", default = 0.5, doc = "Rate." }}
"""


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert 0 == main(list(arguments))
    return capsys.readouterr().out


@pytest.fixture
def dialects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a library ``mine``, beside the whole catalogue."""
    root = tmp_path / "spec"
    shutil.copytree(catalogue.data_folder("spec") / "schedules", root / "schedules")
    folder = root / "dialects" / "mine"
    folder.mkdir(parents=True)
    found = catalogue.data_folder
    monkeypatch.setattr(catalogue, "data_folder", lambda n: root if n == "spec" else found(n))
    return folder


def write(folder: Path, name: str, value: str) -> None:
    (folder / f"{name}.toml").write_text(CALLER.format(name=name, value=value))


# -- found -------------------------------------------------------------------------------------


def test_a_dialect_is_loaded_by_its_library_and_name() -> None:
    bound = lrgen.load("torch/StepLR").bind(base_lr=0.5, step_size=3, gamma=0.5)

    assert [0.5, 0.5, 0.5, 0.25] == [bound(step) for step in range(4)]
    assert "<lrgen schedule StepLR(base_lr=0.5, step_size=3, gamma=0.5)>" == repr(bound)


def test_a_library_is_no_schedule() -> None:
    with pytest.raises(SpecError, match="That is a library: `lrgen list torch` names its sch"):
        lrgen.load("torch")


def test_a_dialect_nearly_named_is_suggested() -> None:
    with pytest.raises(SpecError, match=r"Did you mean 'torch/StepLR'\?"):
        lrgen.load("torch/StepLr")


def test_list_names_the_catalogue_a_library_or_all_of_them(capsys) -> None:
    own, torch, every = (
        [line.split()[0] for line in told(capsys, "list", *more).splitlines()]
        for more in ((), ("torch",), ("--dialects",))
    )

    assert list(catalogue.catalogue()) == own
    assert BY_LIBRARY["torch"] == torch
    assert ALL == every


def test_list_tells_machines_the_names_that_load(capsys) -> None:
    entries = json.loads(told(capsys, "list", "torch", "--json"))

    assert BY_LIBRARY["torch"] == [entry["name"] for entry in entries]


def test_an_unknown_library_is_wrong_usage(capsys) -> None:
    assert 2 == main(["list", "torhc"])
    assert "no library 'torhc'. Did you mean 'torch'?\n" == capsys.readouterr().err


# -- called ------------------------------------------------------------------------------------


def test_a_dialect_calls_the_catalogue_and_its_own_library(dialects: Path) -> None:
    write(dialects, "cosine", "2 * cosine(step, base_lr=base_lr, total_steps=4)")
    write(dialects, "again", "cosine(step // 2, base_lr=base_lr)")

    assert 0.5 == pytest.approx(lrgen.load("mine/cosine").bind()(2), rel=1e-15)
    assert 0.5 == pytest.approx(lrgen.load("mine/again").bind()(4), rel=1e-15)


def test_the_catalogue_never_calls_a_dialect_of_the_same_name(dialects: Path) -> None:
    write(dialects, "cosine", "base_lr / 3")
    specs, _ = library([dialects / "cosine.toml"])

    assert "cosine" not in specs.callable_by(specs.source("mine/cosine")).get("mine/cosine", "")
    assert "cosine" == specs.callable_by(specs.source("flat_cosine"))["cosine"]
    assert "cosine" == specs.callable_by(specs.source("mine/cosine"))["cosine"]


def test_a_dialect_does_not_call_another_library(dialects: Path) -> None:
    other = dialects.parent / "other"
    other.mkdir()
    write(other, "theirs", "base_lr")
    write(dialects, "ours", "theirs(step, base_lr=base_lr)")

    with pytest.raises(SpecError, match=r"unknown .*'theirs'"):
        lrgen.load("mine/ours")


# -- shown and drawn ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FEW)
def test_a_few_dialects_can_be_shown(name: str, capsys) -> None:
    assert_shown(name, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_dialect_can_be_shown(name: str, capsys) -> None:
    assert_shown(name, capsys)


def assert_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(told(capsys, "show", name, "--json"))

    assert name == document["name"]
    assert f"spec/dialects/{name}.toml" == document["file"]


def test_cautions_are_shown_with_the_parameters_they_hold_for(dialects: Path, capsys) -> None:
    write(dialects, "hurts", "base_lr")
    spec = dialects / "hurts.toml"
    both = (
        '\n[[caution]]\ntext = "It hurts."\n\n[[caution]]\ntext = "A lot."\nwhen = "base_lr > 1"\n'
    )
    spec.write_text(spec.read_text() + both)
    text = told(capsys, "show", "mine/hurts")
    small, large = (
        json.loads(told(capsys, "show", "mine/hurts", "--json", "--set", f"base_lr={value}"))
        for value in (1, 2)
    )

    assert "\nCaution\n  It hurts.\n  A lot. [base_lr > 1]\n" in text
    assert ("It hurts.", "A lot. [base_lr > 1]") == lrgen.load("mine/hurts").cautions
    assert [True, False] == [caution["holds"] for caution in small["cautions"]]
    assert [True, True] == [caution["holds"] for caution in large["cautions"]]


def test_a_dialect_is_drawn(capsys) -> None:
    assert told(capsys, "plot", "torch/StepLR").startswith("learning rate\n")
    both = told(capsys, "plot", "torch/StepLR", "torch/ExponentialLR")
    assert "torch/StepLR" in both
    assert "torch/ExponentialLR" in both


# -- built -------------------------------------------------------------------------------------


def test_capitals_and_dots_become_names_of_python() -> None:
    names = {
        read(catalogue.dialects()[name]).document.emitted_name
        for name in ("torch/OneCycleLR.momentum", "torch/ReduceLROnPlateau", "torch/SWALR")
    }

    assert {"one_cycle_lr_momentum", "reduce_lr_on_plateau", "swalr"} == names


def test_lower_case_names_stay_as_they_are() -> None:
    for name, path in catalogue.catalogue().items():
        assert name == read_source(path, name).document.emitted_name


def built(names: list[str]) -> dict[str, str]:
    known = catalogue.dialects()
    texts: dict[str, str] = {}
    fill(texts, [known[name] for name in names], list(BACKENDS))
    for path, text in texts.items():
        if path.endswith(".py"):
            compile(text, path, "exec")
    return texts


def apart(names: list[str]) -> list[list[str]]:
    """``names`` in groups without two whose files have one name, as CosineDecay, cosine_decay."""
    groups: list[dict[str, str]] = []
    for name in names:
        emitted = function_name(name.split("/")[1])
        group = next((one for one in groups if emitted not in one), None)
        if group is None:
            groups.append(group := {})
        group[emitted] = name
    return [list(group.values()) for group in groups]


def test_a_few_dialects_build_for_every_framework() -> None:
    texts = built(FEW)

    assert (len(BACKENDS) + 1) * len(FEW) == len(texts)
    assert "class StepLR(LRScheduler):" in texts["torch_schedules/step_lr.py"]
    assert "class ReduceLROnPlateau(" in texts["keras_schedules/reduce_lr_on_plateau.py"]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BY_LIBRARY))
def test_every_dialect_builds_for_every_framework(name: str) -> None:
    groups = apart(BY_LIBRARY[name])

    assert len(BY_LIBRARY[name]) == sum(map(len, groups))
    for group in groups:
        assert (len(BACKENDS) + 1) * len(group) == len(built(group))


def test_a_build_without_names_is_the_catalogue_alone() -> None:
    from lrgen.cli import _specs

    paths, whole = _specs([])

    assert (list(catalogue.catalogue().values()), True) == (paths, whole)
