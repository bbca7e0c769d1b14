"""``lrgen fit FILE``: what a person at a terminal sees, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lrgen.cli import main
from lrgen.fitting import finder

LAST = 1000
PAGE = Path(__file__).parents[2] / "docs" / "fit.md"


def rates(steps: np.ndarray) -> np.ndarray:
    """Warm-up of 100 updates to 0.1, then a cosine to 0.001 at 900."""
    fall = 0.001 + 0.099 * (1 + np.cos(np.pi * np.clip((steps - 100) / 800, 0, 1))) / 2
    return np.where(steps < 100, 0.1 * steps / 100, fall)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    steps = np.arange(0, LAST, 10)
    rows = [f"{s},{1 / (s + 1):.3f},{r:.6g}" for s, r in zip(steps, rates(steps))]
    path = tmp_path / "curve.csv"
    path.write_text("\n".join(["step,loss,lr", *rows]), encoding="utf-8")
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int) -> str:
    assert code == main(["fit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return err if code == 2 else out


AMONG = ("--among", "cosine_warmup", "warmup_linear")


def test_the_schedule_is_named_with_a_line_to_paste(log, capsys) -> None:
    out = told(capsys, log, *AMONG, code=0)

    assert "100 steps from 0 to 990." in out
    assert "The rate is 'lr' at 'step'." in out
    assert "read as 6 significant digits" in out
    assert "Found: cosine_warmup." in out
    line = (
        'lrgen.load("cosine_warmup")'
        ".bind(peak_lr=0.1, warmup_steps=100, total_steps=900, end_lr=0.001)"
    )
    assert line in out
    settings = "--set peak_lr=0.1 warmup_steps=100 total_steps=900 end_lr=0.001"
    assert f"lrgen plot cosine_warmup {settings}" in out
    assert "lrgen build cosine_warmup" in out


def test_the_command_it_gives_is_understood(log, capsys) -> None:
    out = told(capsys, log, *AMONG, code=0)
    command = next(line for line in out.splitlines() if "lrgen plot" in line)

    assert main(command.split()[1:]) == 0


def test_a_table_has_the_residual_of_each(log, capsys) -> None:
    out = told(capsys, log, *AMONG, code=0)

    (good,) = [line for line in out.splitlines() if line.startswith("  fits")]
    (bad,) = [line for line in out.splitlines() if " warmup_linear" in line]
    assert "cosine_warmup" in good
    assert "all" in good
    assert "of the peak" in bad


def test_none_is_said_plainly_and_exits_with_1(log, capsys) -> None:
    out = told(capsys, log, "--among", "warmup_linear", "step_decay", code=1)

    assert "Unknown: none of 2 schedules draws this curve." in out
    assert "Nearest is warmup_linear" in out
    assert "lrgen.load" not in out


def test_what_the_log_leaves_open_is_said_and_exits_with_1(tmp_path, capsys) -> None:
    path = tmp_path / "warm.csv"
    path.write_text("".join(f"{s},{s / 1000:.6g}\n" for s in range(0, 90, 3)), encoding="utf-8")

    out = told(capsys, path, "--among", "linear_warmup", code=1)

    assert "Ambiguous: linear_warmup fits, but the log leaves" in out
    assert "warmup_steps open" in out


def test_json_has_the_same_for_machines(log, capsys) -> None:
    entry = json.loads(told(capsys, log, *AMONG, "--json", code=0))

    assert entry["status"] == "found"
    assert entry["rows"] == 100
    best = entry["findings"][0]
    assert best["name"] == "cosine_warmup"
    assert best["fits"] is True
    assert best["changed"] == {
        "peak_lr": 0.1,
        "warmup_steps": 100,
        "total_steps": 900,
        "end_lr": 0.001,
    }
    assert best["residual"] < 1e-6


def test_a_library_has_its_own_names(tmp_path, capsys) -> None:
    path = tmp_path / "steps.csv"
    rows = [f"{s},{0.1 * 0.5 ** (s // 30):.6g}\n" for s in range(150)]
    path.write_text("".join(rows), encoding="utf-8")

    out = told(capsys, path, "--from", "keras", code=0)

    assert "Found: keras/ExponentialDecay." in out
    assert "decay_steps=30, decay_rate=0.5, staircase=True" in out


def test_the_page_shows_what_is_printed(tmp_path, capsys, monkeypatch) -> None:
    page = PAGE.read_text(encoding="utf-8")
    snippet = page.partition("```python\n")[2].partition("```")[0]
    shown = page.partition("$ lrgen fit curve.csv\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})

    among = ("--among", "cosine_warmup", "warmup_stable_decay")
    out = told(capsys, "curve.csv", *among, code=0)

    top, _, rest = shown.partition("...\n")
    assert out.splitlines() == [*top.splitlines(), "", *rest.splitlines()]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--column", "los"], "no column 'los'. Did you mean 'loss'?"),
        (["--from", "torchh"], "no library 'torchh'. Did you mean 'torch'?"),
    ],
)
def test_wrong_usage_is_one_line(log, capsys, arguments: list[str], said: str) -> None:
    err = told(capsys, log, *arguments, code=2)

    assert said in err
    assert err.count("\n") == 1


def test_a_file_that_is_not_there_is_one_line(tmp_path, capsys) -> None:
    err = told(capsys, tmp_path / "none.csv", code=2)

    assert "cannot be read: No such file or directory. Check the path." in err


def test_a_schedule_that_is_not_there_is_one_line(log, capsys) -> None:
    assert main(["fit", str(log), "--among", "cosine_warmpu"]) == 1
    assert "Did you mean 'cosine_warmup'?" in capsys.readouterr().err


def test_what_there_was_no_time_for_is_said(log, capsys, monkeypatch) -> None:
    monkeypatch.setattr(finder, "SECONDS", 0.0)

    out = told(capsys, log, *AMONG, code=1)

    assert "There was no time for 2 schedules." in out


def test_one_row_is_no_curve(tmp_path, capsys) -> None:
    path = tmp_path / "one.csv"
    path.write_text("step,lr\n0,0.1\n", encoding="utf-8")

    assert "one step is no curve" in told(capsys, path, code=2)
