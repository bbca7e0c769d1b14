"""``lrgen list`` and ``lrgen show``: what people and machines are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lrgen.catalogue import catalogue
from lrgen.cli import main


def told(capsys, *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def told_json(capsys, *arguments: str):
    return json.loads(told(capsys, *arguments))


# -- list --------------------------------------------------------------------------------------


def test_every_schedule_is_listed_with_its_title(capsys) -> None:
    text = told(capsys, "list")

    assert [line.split()[0] for line in text.splitlines()] == list(catalogue())
    assert "Linear warm-up, then cosine annealing to a floor" in text


def test_the_list_is_there_for_machines(capsys) -> None:
    entries = {entry["name"]: entry for entry in told_json(capsys, "list", "--json")}

    assert list(entries) == list(catalogue())
    assert entries["cosine_warmup"]["base"] == "peak_lr"
    assert entries["cosine_warmup"]["observes"] is None
    assert entries["plateau"]["observes"] == "metric"
    assert entries["cosine_warmup"]["parameters"][1] == "warmup_steps"


# -- show --------------------------------------------------------------------------------------


def test_a_schedule_is_shown_as_its_author_wrote_it(capsys) -> None:
    text = told(capsys, "show", "cosine_warmup")

    assert text.startswith("cosine_warmup: Linear warm-up, then cosine annealing to a floor\n")
    assert "end_lr + (peak_lr - end_lr) * (1 + cos(pi * progress)) / 2" in text
    assert "where progress = (step - warmup_steps) / (total_steps - warmup_steps)" in text
    assert "while step < warmup_steps:" in text
    assert "warmup_steps  1_000    updates  Updates of linear warm-up; 0 for none." in text
    assert "warmup_steps <= total_steps" in text
    assert "finite: proved" in text
    assert "Goyal et al. 2017, section 2.2" in text


def test_a_called_schedule_is_shown_as_a_call(specs: Path, capsys) -> None:
    text = told(capsys, "show", str(specs / "twice.toml"))

    assert "2.0 * ramp(step, peak_lr=peak_lr, total_steps=total_steps)" in text


def test_values_are_shown_at_the_start_around_boundaries_at_the_end_and_past_it(capsys) -> None:
    document = told_json(capsys, "show", "warmup_linear", "--json")
    rows = {row["step"]: row for row in document["table"]}

    assert list(rows) == [0, 999, 1_000, 1_001, 99_999, 100_000, 100_001, 200_000]
    assert rows[0]["place"] == "first update"
    assert rows[1_000]["value"].startswith("0.000100000000000000004")
    assert (rows[100_000]["value"], rows[100_000]["place"]) == ("0", "end")
    assert rows[200_000]["place"] == "past the end"


def test_what_is_shown_is_there_for_machines(capsys) -> None:
    document = told_json(capsys, "show", "step_decay", "--json", "--set", "at_zero=true")

    assert document["values"]["at_zero"] is True
    assert document["parameters"][1]["unit"] == "updates"
    assert document["lets"]["decays"] == "step // decay_steps + (1 if at_zero else 0)"
    assert document["findings"][0] == "finite: proved"
    assert "The base is never reached: base_lr = 0.1 is missed by 0.09." in document["remarks"]


def test_parameters_can_be_set(capsys) -> None:
    arguments = ("warmup_steps=3", "total_steps=10", "tail=cosine", "end_lr=1e-5", "decay_steps=5")
    document = told_json(capsys, "show", "warmup_stable_decay", "--json", "--set", *arguments)

    assert document["values"]["end_lr"] == 1e-5
    assert [row["step"] for row in document["table"]] == [0, 2, 3, 4, 5, 6, 9, 10, 11, 20]
    assert document["table"][5]["piece"] == "cosine_tail"


def test_values_that_were_set_are_told(capsys) -> None:
    assert "Values with warmup_steps = 3\n" in told(
        capsys, "show", "cosine_warmup", "--set", "warmup_steps=3"
    )


def test_a_broken_requirement_is_wrong_usage(capsys) -> None:
    assert main(["show", "cosine_warmup", "--set", "total_steps=10"]) == 2
    assert capsys.readouterr().err == (
        "warmup_steps <= total_steps does not hold: warmup_steps = 1000, total_steps = 10\n"
    )


@pytest.mark.parametrize("name", list(catalogue()))
def test_every_schedule_of_the_catalogue_can_be_shown(name: str, capsys) -> None:
    document = told_json(capsys, "show", name, "--json")

    assert document["table"][0]["step"] == 0
    assert document["remarks"]


def test_letters_that_a_terminal_lacks_are_escaped(run) -> None:
    done = run("show", "warmup_stable_decay", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert (done.returncode, done.stderr) == (0, "")
    assert "H\\xe4gele et al. 2024" in done.stdout
    assert "Hägele et al. 2024" in run("show", "warmup_stable_decay", PYTHONUTF8="1").stdout


# -- stages ------------------------------------------------------------------------------------


def test_after_reading_there_is_the_document(capsys) -> None:
    document = told_json(capsys, "show", "cosine_warmup", "--after", "read")

    assert document["piece"][0]["until"] == "warmup_steps"
    assert document["parameters"]["peak_lr"]["default"] == 1e-3


def test_after_resolving_calls_are_inlined(specs: Path, capsys) -> None:
    text = told(capsys, "show", str(specs / "ramp.toml"), "--after", "resolve")

    assert "[warmup] while step < 10\npeak_lr * step / 10\n" in text
    assert "cosine_warmup(" not in text


def test_after_proving_there_are_findings(capsys) -> None:
    assert "finite: proved\n" in told(capsys, "show", "cosine", "--after", "prove")
    assert "finite: proved" in told_json(capsys, "show", "cosine", "--after", "prove", "--json")


def test_after_sampling_there_are_vectors(capsys) -> None:
    vectors = told_json(capsys, "show", "cosine", "--after", "sample")

    assert vectors["cases"][0]["rows"][0]["step"] == 0


def test_after_rewriting_there_are_reasons(capsys) -> None:
    text = told(capsys, "show", "cosine_warmup", "--after", "rewrite")

    assert "remaining = (total_steps - step) / (total_steps - warmup_steps)" in text
    assert "# (1 + cos(pi * u)) / 2 == sin(pi / 2 * (1 - u))**2" in text
    pieces = told_json(capsys, "show", "cosine_warmup", "--after", "rewrite", "--json")["pieces"]
    assert [len(piece["reasons"]) for piece in pieces] == [0, 1, 0]


def test_after_rendering_there_is_the_code_of_every_backend(capsys) -> None:
    modules = told_json(capsys, "show", "constant", "--after", "render", "--json")
    text = told(capsys, "show", "constant", "--after", "render")

    folders = ("python", "numpy", "torch", "keras", "jax")
    assert list(modules) == [f"{folder}_schedules/constant.py" for folder in folders]
    for path, module in modules.items():
        assert f"# ==> {path} <==\n{module}" in text


def test_a_schedule_that_fails_at_a_later_stage_is_told_in_one_line(tmp_path, capsys) -> None:
    spec = tmp_path / "wrong.toml"
    spec.write_text(
        'name = "wrong"\ntitle = "Wrong"\nvalue = "0.5"\n[claims]\nbounds = ["0", "0.25"]\n',
        encoding="utf-8",
    )

    assert main(["show", str(spec)]) == 1
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert "wrong.toml: claims.bounds" in message


# -- schedules that remember -------------------------------------------------------------------


def test_what_is_remembered_is_shown_as_its_author_wrote_it(capsys) -> None:
    text = told(capsys, "show", "plateau", "--set", "patience=1")

    assert "Remembered, at first\n  best           = inf if mode == 'min' else -inf\n" in text
    assert "Then, at each metric\n  finite         = -inf < metric < inf\n" in text
    assert "patience   10     observations     Observations without improvement" in text
    assert "bad >= 0 and cooldown_left >= 0 and reductions >= 0: proved by induction" in text
    assert "Values with patience = 1, while the metric stays at 1\n" in text
    assert "  3  0.0001  observation 3\n" in text
    assert "A metric that stays at -1: the rate changes after observation 3, 5" in text
    assert "A metric that falls: 8 observations change nothing." in text


def test_what_is_remembered_is_there_for_machines(capsys) -> None:
    entry = told_json(capsys, "show", "newbob", "--json")

    assert entry["observes"] == "metric"
    assert entry["state"]["left"] == "patience"
    assert list(entry["update"])[-2:] == ["previous", "seen"]
    assert entry["table"][0].keys() == {"observation", "step", "value", "piece"}
    assert float(entry["table"][1]["value"]) == 0.5 * float(entry["table"][0]["value"])
    assert "observes" not in told_json(capsys, "show", "cosine", "--json")


@pytest.mark.parametrize("stage", ["resolve", "rewrite"])
def test_stages_print_the_automaton(stage: str, capsys) -> None:
    text = told(capsys, "show", "newbob", "--after", stage)

    assert "[at first]\nseen = False\n" in text
    assert "[at each metric]\n" in text
    assert "reduced = small and left == 0\n" in text
    assert (
        told_json(capsys, "show", "newbob", "--after", stage, "--json")["state"]["left"]
        == "patience"
    )


def test_vectors_of_traces_are_printed(capsys) -> None:
    cases = told_json(capsys, "show", "newbob", "--after", "sample")["cases"]

    assert cases[0]["trace"] == "falling"
    assert cases[0]["rows"][0]["metric"] is None


def test_a_spec_with_its_memory_is_read(capsys) -> None:
    document = told_json(capsys, "show", "newbob", "--after", "read")

    assert document["observes"] == "metric"
    assert document["state"]["previous"] == "0.0"
