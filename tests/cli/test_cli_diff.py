"""``lrgen diff``: where two schedules part, decided by exact values."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from lrgen.bound import Loaded, open_spec
from lrgen.cli import main
from lrgen.compare import curves
from lrgen.compare.curves import Pair, Parted
from lrgen.plot.schedules import Shown

HALVES = """\
name  = "halves"
title = "{title}"
base  = "base_lr"
value = "{value}"

[parameters]
base_lr     = {{ type = "rate",  default = 0.5, doc = "Rate at update 0." }}
total_steps = {{ type = "steps", default = 40,  doc = "Updates until the floor is reached." }}
"""


def shown(label: str, spec: str | os.PathLike[str], **values: object) -> Shown:
    specs, name = open_spec(os.fspath(spec))
    schedule = specs.schedule(name)
    return Shown(label, schedule, Loaded(schedule).bind(**values))


def parted(a: Shown, b: Shown, last: int | None = None) -> Parted:
    return Pair([a, b]).compare(last)


def told(capsys, *arguments: str | os.PathLike[str], code: int = 1) -> str:
    assert main(["diff", *map(os.fspath, arguments)]) == code
    return capsys.readouterr().out


def refused(capsys, *arguments: str | os.PathLike[str]) -> str:
    """The one line that is said, without its end."""
    assert main(["diff", *map(os.fspath, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removesuffix("\n")


def halves(folder: Path, value: str) -> Path:
    """A spec of one formula."""
    path = folder / "halves.toml"
    folder.mkdir(exist_ok=True)
    path.write_text(HALVES.format(title="A formula", value=value), encoding="utf-8")
    return path


# -- where they part ---------------------------------------------------------------------------


def test_the_first_step_and_the_largest_differences_are_told(capsys) -> None:
    lines = told(capsys, "linear", "cosine", "--set", "total_steps=100").splitlines()

    assert lines[3:7] == [
        "They part at step 1: A 0.00099, B 0.000999753.",
        "Largest difference: 0.000105257 at step 22: A 0.00078, B 0.000885257.",
        "Largest relative difference: 97.5 % at step 99: A 1e-5, B 2.4672e-7.",
        "Compared: every step from 0 to 106, and 8 beyond it up to 9,007,199,254,740,992.",
    ]


def test_the_largest_differences_are_those_of_all_exact_values() -> None:
    pair = Pair(
        [shown("A", "cosine", total_steps=90), shown("B", "k_decay_cosine", total_steps=80)]
    )
    found = pair.compare(None)
    every = [pair.place(step) for step in range(200)]

    assert next(place for place in every if place.gap) == found.first
    assert max(every, key=lambda place: (place.gap, -place.at)) == found.largest
    assert max(every, key=lambda place: (place.share, -place.at)) == found.share


def test_a_curve_that_is_late_parts_at_its_first_change(tmp_path) -> None:
    on_time = halves(tmp_path / "a", "base_lr if step < total_steps else 0.5 * base_lr")
    late = halves(tmp_path / "b", "base_lr if step <= total_steps else 0.5 * base_lr")
    found = parted(shown("A", on_time), shown("B", late))

    assert found.first is not None and found.first == found.largest
    assert (40, 0.25, 0.5) == (found.first.at, found.first.a, found.first.b)


def test_both_are_shown_at_the_boundaries_of_both_and_past_the_end(capsys) -> None:
    text = told(capsys, "warmup_constant", "cosine", "--set", "warmup_steps=10", "total_steps=30")
    rows = {row.split()[0]: row for row in text.splitlines() if row.startswith("  ")}

    assert rows["0"].endswith("first update")
    assert rows["10"].endswith("boundary of A")
    assert rows["30"].endswith("boundary of B")
    assert rows["31"].endswith("past the end")
    assert {"9", "29", "60"} <= set(rows)


# -- where they do not -------------------------------------------------------------------------


def test_a_schedule_is_equal_to_itself(capsys) -> None:
    text = told(capsys, "cosine_warmup", "cosine_warmup", code=0)

    assert "They are equal at every step compared.\n" in text
    assert "they are one formula at the same values" in text


def test_two_formulas_of_one_curve_are_equal(tmp_path, capsys) -> None:
    a = halves(tmp_path / "a", "base_lr * (1 + cos(pi * min(step, 40) / 40)) / 2")
    b = halves(tmp_path / "b", "base_lr * sin(pi / 2 * (40 - min(step, 40)) / 40) ** 2")
    text = told(capsys, a, b, code=0)

    assert "They are equal at every step compared.\n" in text
    assert "to 50 digits" in text


def test_a_difference_that_binary64_cannot_see_is_found(tmp_path) -> None:
    a = halves(tmp_path / "a", "base_lr")
    b = halves(tmp_path / "b", "base_lr + base_lr * 1e-25 * (1 if step == 17 else 0)")
    found = parted(shown("A", a), shown("B", b))

    assert found.first is not None
    assert 17 == found.first.at
    assert found.float32 is None


def test_neighbors_in_binary64_differ_and_their_float32_do_not(capsys) -> None:
    near = math.nextafter(1e-3, 1)
    settings = ["--set", "total_steps=50", f"B.base_lr={near!r}"]
    text = told(capsys, "cosine", "cosine", *settings)

    assert "They part at step 0: A 0.001, B 0.0010000000000000002.\n" in text
    assert "Rounded to float32 they are equal at every step compared.\n" in text


def test_steps_that_only_binary64_compared_are_counted(monkeypatch) -> None:
    monkeypatch.setattr(curves, "MOST_EXACT", 100)
    a = shown("A", "linear", start_lr=0.1, total_steps=1_000)
    b = shown("B", "polynomial", base_lr=0.1, total_steps=1_000, power=1.0)
    found = parted(a, b)

    assert found.first is None
    assert "of them in binary64 only, the others to 50 digits" in found.words


def test_the_first_step_is_found_between_those_that_were_looked_at(tmp_path, monkeypatch) -> None:
    a = halves(tmp_path / "a", "base_lr")
    b = halves(tmp_path / "b", "base_lr + base_lr * 1e-25 * max(step - 517, 0)")
    monkeypatch.setattr(curves, "MOST_EXACT", 60)
    found = parted(shown("A", a), shown("B", b), last=1_000)

    assert found.first is not None
    assert 518 == found.first.at


# -- what is compared --------------------------------------------------------------------------


def test_nothing_past_the_steps_asked_for_is_compared(capsys) -> None:
    text = told(capsys, "warmup_constant", "cosine", "--steps", "5")

    assert "Compared: every step from 0 to 5.\n" in text
    assert "the last compared" in text


def test_a_long_run_is_compared_at_boundaries_and_random_steps() -> None:
    a = shown("A", "cosine", base_lr=0.1, total_steps=10**9)
    b = shown("B", "cosine", base_lr=0.1, total_steps=10**9 + 1)
    found = parted(a, b)

    assert "random steps from 0 to 1,050,000,00" in found.words
    assert found.first is not None and found.share is not None
    assert 10**9 == found.share.at


def test_lists_with_more_boundaries_than_are_compared_exactly(monkeypatch) -> None:
    monkeypatch.setattr(curves, "MOST_EXACT", 50)
    at = tuple(range(10, 1_000, 10))
    a, b = (
        shown(label, "multi_step", milestones=at, base_lr=1.0, gamma=gamma)
        for label, gamma in (("A", 0.5), ("B", math.nextafter(0.5, 1)))
    )
    found = parted(a, b)

    assert found.first is not None
    assert 10 == found.first.at


def test_a_parameter_is_set_in_both_or_in_one(capsys) -> None:
    text = told(capsys, "old=cosine", "cosine", "--set", "total_steps=70", "old.base_lr=0.5")

    assert "old  cosine(base_lr=0.5, total_steps=70, end_lr=0.0)\n" in text
    assert "B    cosine(base_lr=0.001, total_steps=70, end_lr=0.0)\n" in text


def test_different_quantities_are_pointed_out(capsys) -> None:
    text = told(capsys, "one_cycle", "one_cycle_momentum")

    assert "Mind: A drives a learning rate, B a momentum.\n" in text


def test_what_a_library_does_to_its_users_is_told(capsys) -> None:
    text = told(capsys, "torch/CosineAnnealingLR", "cosine", "--set", "total_steps=1000")

    assert "\nCaution, A: " in text
    assert "\nCaution, B: " not in text


# -- schedules that remember -------------------------------------------------------------------


def test_schedules_that_remember_are_compared_over_standard_traces(capsys) -> None:
    text = told(capsys, "plateau_torch", "plateau_optax", "--set", "base_lr=1.0")

    assert "They part on 3 of 9 traces.\n" in text
    assert "  flat           part at observation 11: A 1, B 0.1" in text
    assert "  falling        equal over 8 observations\n" in text


def test_patience_that_is_one_longer_is_found_along_given_metrics(tmp_path, capsys) -> None:
    metrics = tmp_path / "loss.csv"
    metrics.write_text("loss\n" + "1.0\n" * 6, encoding="utf-8")
    arguments = ["plateau", "plateau", "--metrics", str(metrics), "--set", "patience=2"]

    assert "equal over 6 observations" in told(capsys, *arguments, code=0)
    assert "part at observation" in told(capsys, *arguments, "B.patience=3")


def test_a_schedule_that_remembers_is_equal_to_itself(capsys) -> None:
    text = told(capsys, "cosine_plateau", "cosine_plateau", code=0)

    assert "They are equal after every observation compared.\n" in text


# -- what is compared, by its name -------------------------------------------------------------


def test_a_dialect_is_named_with_its_library(capsys) -> None:
    arguments = [
        "torch/ExponentialLR",
        "exponential",
        "--steps",
        "2",
        "--set",
        "base_lr=0.5",
        "gamma=0.5",
    ]
    heads = told(capsys, *arguments, code=0).splitlines()[:2]
    found = json.loads(told(capsys, *arguments, "--json", code=0))

    assert ["A  torch/ExponentialLR(base_lr=0.5", "B  exponential(base_lr=0.5"] == [
        head.partition(",")[0] for head in heads
    ]
    assert ["torch/ExponentialLR", "exponential"] == [
        one["name"] for one in found["schedules"].values()
    ]


def test_a_dialect_that_remembers_is_named_with_its_library(capsys) -> None:
    name = "torch/ReduceLROnPlateau"

    assert told(capsys, name, name, code=0).startswith(f"A  {name}(base_lr=0.1, mode='min', ")


# -- for machines, and as a picture ------------------------------------------------------------


def test_the_report_is_there_for_machines(capsys) -> None:
    found = json.loads(told(capsys, "cosine", "linear", "--set", "total_steps=10", "--json"))

    assert found["differ"]
    assert 1 == found["first"]["step"]
    assert ["A", "B"] == list(found["schedules"])
    assert 0.25 > float(found["largest"]["difference"])
    assert 10 in [row["step"] for row in found["table"]]


def test_traces_are_there_for_machines(capsys) -> None:
    found = json.loads(told(capsys, "plateau", "plateau", "--set", "B.patience=1", "--json"))

    assert found["differ"]
    assert "flat" in [trace["name"] for trace in found["traces"] if trace["first"]]


def test_both_are_drawn_when_asked_for(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = told(capsys, "cosine", "linear", "--plot")

    assert text.splitlines()[-1] == "  * A   + B"


# -- what cannot be meant ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cosine", "cosin"), "no schedule 'cosin'. Did you mean 'cosine'?"),
        (("cosine", "cosine", "--set", "bas_lr=1"), "none of A, B has a parameter 'bas_lr'."),
        (("cosine", "cosine", "--set", "C.base_lr=1"), "no schedule 'C'."),
        (("cosine", "cosine", "--set", "A.base_lr=-1"), "A: base_lr must be"),
        (("cosine", "plateau"), "B observes metric and the other does not"),
        (("cosine", "cosine", "--steps", "-3"), "--steps must be a whole number"),
        (("plateau", "plateau", "--steps", "5"), "leave out --steps"),
        (("plateau", "plateau", "--plot"), "give --metrics FILE.csv"),
        (("cosine", "cosine", "--plot", "--json"), "leave out --plot"),
        (("x=cosine", "x=linear"), "'x' is there twice"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line(arguments, said: str, capsys) -> None:
    assert said in refused(capsys, *arguments)


def test_metrics_that_neither_observes_are_refused(tmp_path, capsys) -> None:
    metrics = tmp_path / "loss.csv"
    metrics.write_text("1.0\n", encoding="utf-8")

    assert "leave out --metrics" in refused(capsys, "cosine", "linear", "--metrics", metrics)
