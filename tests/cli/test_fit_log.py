"""Logs as trainers write them: which column is the rate, which steps count, how exact it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lrgen.fitting import log as reading
from lrgen.fitting.log import Log, Unreadable, log_of, read_log
from lrgen.fitting.rounding import levels

ROWS = [(0, "0.1"), (10, "0.05"), (20, "0.025")]


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def pairs(log: Log) -> list[tuple[int, float]]:
    return [(int(step), float(rate)) for step, rate in zip(log.steps, log.rates)]


EXPECTED = [(step, float(rate)) for step, rate in ROWS]


@pytest.mark.parametrize("mark", [",", "\t", ";", " "])
@pytest.mark.parametrize("header", ["step{}lr\n", "# step{}lr\n", ""])
def test_columns_apart_by_any_mark_with_or_without_a_header(
    tmp_path: Path, mark: str, header: str
) -> None:
    body = "".join(f"{step}{mark}{rate}\n" for step, rate in ROWS)

    assert pairs(read_log(written(tmp_path, header.format(mark) + body))) == EXPECTED


@pytest.mark.parametrize(
    "names",
    [
        ("step", "lr"),
        ("global_step", "train/learning_rate"),
        ("trainer/global_step", "lr-AdamW"),
        ("iteration", "Learning Rate"),
        ("_step", "group/rate"),
    ],
)
def test_columns_are_known_by_their_names(tmp_path: Path, names: tuple[str, str]) -> None:
    body = "".join(f"{1 / (k + 1)},{s},{k},{r}\n" for k, (s, r) in enumerate(ROWS))

    log = read_log(written(tmp_path, f"loss,{names[0]},accuracy,{names[1]}\n{body}"))

    assert pairs(log) == EXPECTED


def test_the_only_number_left_is_the_rate(tmp_path: Path) -> None:
    body = "".join(f"{s},{r},warm\n" for s, r in ROWS)

    assert pairs(read_log(written(tmp_path, f"step,alpha,phase\n{body}"))) == EXPECTED


def test_rates_alone_are_updates_from_0(tmp_path: Path) -> None:
    log = read_log(written(tmp_path, "0.1\n0.05\n0.025\n"))

    assert pairs(log) == [(0, 0.1), (1, 0.05), (2, 0.025)]
    assert "No column counts steps" in log.remarks[0]


def test_columns_can_be_chosen_by_name_and_number(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,c\n0,1,0.1\n10,2,0.05\n20,3,0.025\n")

    assert pairs(read_log(path, "c", "a")) == EXPECTED
    assert pairs(read_log(path, "3", "1")) == EXPECTED


def test_a_resume_counts_for_the_steps_it_repeats(tmp_path: Path) -> None:
    log = read_log(written(tmp_path, "step,lr\n0,0.1\n10,0.9\n20,0.9\n10,0.05\n20,0.025\n"))

    assert pairs(log) == EXPECTED
    assert log.remarks[-1].startswith("2 steps are logged again, as after a resume, 2 of them")


def test_rows_without_a_rate_and_headers_again_are_left_out(tmp_path: Path) -> None:
    text = "step,lr,loss\n0,0.1,\n0,,3\n10,0.05,\nstep,lr,loss\n20,0.025,1\n"

    assert pairs(read_log(written(tmp_path, text))) == EXPECTED


def records() -> list[dict[str, object]]:
    return [{"step": s, "loss": 1.0, "learning_rate": float(r)} for s, r in ROWS]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(one) for one in records()),
        json.dumps(records()),
        json.dumps({"best_metric": None, "log_history": [*records(), {"step": 20, "eval": 1}]}),
        json.dumps({"step": [s for s, _ in ROWS], "lr": [float(r) for _, r in ROWS]}),
        json.dumps([{"step": s, "lr": [float(r), 1.0]} for s, r in ROWS]),
    ],
    ids=["lines", "list", "trainer_state", "columns", "groups"],
)
def test_json_of_trainers(tmp_path: Path, text: str) -> None:
    assert pairs(read_log(written(tmp_path, text, "log.json"))) == EXPECTED


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "there is nothing in it"),
        ("step,lr\n0,0.1\n1,fast\n", "line 3: 'fast' is no rate"),
        ("step,lr\n0,0.1\n1,-0.1\n", "line 3: '-0.1' is no rate"),
        ("step,lr\n0,0.1\n1,nan\n", "line 3: 'nan' is no rate"),
        ("step,lr\n0.5,0.1\n1,0.1\n", "line 2: '0.5' is no step"),
        ("step,a,b\n0,1,2\n", "which is the rate, of 'step', 'a', 'b'? Say --column"),
        ("step,lr,lr\n0,1,2\n", "which is the rate"),
        ("a,b\nx,y\n", "no column has a number"),
        ('{"step": 1, "lr": 2}\n{"step"\n', "line 2: not JSON"),
        ("[1, 2]", "record 1: not an object"),
        ('step,lr\n"0,1\n', "line 2: unexpected end of data"),
    ],
)
def test_a_log_that_cannot_be_read_says_why_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(Unreadable) as caught:
        read_log(path)

    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_wrong_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, "step,lr,loss\n0,0.1,1\n")

    with pytest.raises(Unreadable, match=r"no column 'lss'\. Did you mean 'loss'\?"):
        read_log(path, "lss")


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 10)

    with pytest.raises(Unreadable, match=r"the limit is 10\. Keep only"):
        read_log(written(tmp_path, "step,lr\n0,0.1\n"))


def test_too_many_steps_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 2)

    with pytest.raises(Unreadable, match="more than 2 steps"):
        read_log(written(tmp_path, "step,lr\n0,0.1\n1,0.1\n2,0.1\n"))


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(Unreadable, match="Give one rate for each step"):
        log_of([1, 2], [0.1])


CURVE = 0.1 * (1 + np.cos(np.pi * np.arange(450) / 500)) / 2


@pytest.mark.parametrize(
    "texts, first",
    [
        ([f"{one:.6g}" for one in CURVE], "6 significant digits"),
        ([f"{one:.3e}" for one in CURVE], "4 significant digits"),
        ([f"{one:.4f}" for one in CURVE], "4 places after the point"),
        ([f"{one:.8f}" for one in CURVE], "8 places after the point"),
        ([str(round(float(one), 7)) for one in CURVE], "7 places after the point"),
        ([str(np.float32(one)) for one in CURVE], "float32"),
        ([repr(float(np.float32(one))) for one in CURVE], "float32"),
        ([repr(float(one)) for one in CURVE], "binary64"),
        (["0.1", "0.1", "0.01", "0.001"], "6 significant digits"),
    ],
)
def test_how_a_log_was_rounded_is_read_off_it(texts: list[str], first: str) -> None:
    rates = np.array([float(one) for one in texts])

    assert levels(rates, texts)[0].words == first


@pytest.mark.parametrize("form", [".6g", ".3e", ".4f", ".8f"])
def test_every_logged_rate_is_within_its_width_of_the_truth(form: str) -> None:
    texts = [format(one, form) for one in CURVE]
    rates = np.array([float(one) for one in texts])

    strict = levels(rates, texts)[0].widths(rates, 0.1)

    assert (np.abs(rates - CURVE) <= strict).all()
    assert not (np.abs(rates * 1.001 + 1e-4 - CURVE) <= strict).all()
