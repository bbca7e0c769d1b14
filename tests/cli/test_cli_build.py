"""``lrgen build``: what is written where, what is left alone, and what is refused."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RAMP, tree, write_specs

from lrgen import progress
from lrgen.catalogue import catalogue
from lrgen.cli import main

PACKAGES = ("python", "numpy", "torch", "keras", "jax")
BAD = 'name = "bad"\ntitle = "Unknown name"\nvalue = "peek_lr"\n'


def lines(text: str) -> list[str]:
    return text.splitlines()


# -- layout ------------------------------------------------------------------------------------


def test_a_folder_of_specs_is_built_for_every_backend(built: Path) -> None:
    expected = {f"{p}_schedules/{name}.py" for p in PACKAGES for name in ("ramp", "twice")}
    expected |= {"vectors/ramp.json", "vectors/twice.json", "lrgen.lock"}

    assert expected == set(tree(built / "out"))


def test_one_backend_alone_can_be_built(specs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    assert main(["build", str(specs), "--out", str(out), "--backend", "numpy"]) == 0
    assert set(tree(out)) == {
        "lrgen.lock",
        *(f"{folder}/{name}" for folder, name in (
            ("numpy_schedules", "ramp.py"),
            ("numpy_schedules", "twice.py"),
            ("vectors", "ramp.json"),
            ("vectors", "twice.json"),
        )),
    }  # fmt: skip


def test_building_one_backend_leaves_the_others_alone(built: Path) -> None:
    before = set(tree(built / "out"))
    arguments = ["build", str(built / "specs"), "--out", str(built / "out"), "--backend", "numpy"]

    assert main(arguments) == 0
    assert set(tree(built / "out")) == before


def test_the_output_goes_to_generated_when_nothing_else_is_said(run, tmp_path: Path) -> None:
    done = run("build", "constant", cwd=tmp_path)

    assert done.returncode == 0
    assert (tmp_path / "generated" / "python_schedules" / "constant.py").is_file()


def test_a_name_of_the_catalogue_is_a_spec(tmp_path: Path) -> None:
    assert main(["build", "constant", "--out", str(tmp_path)]) == 0
    assert {path.split("/")[-1] for path in tree(tmp_path)} == {"constant.py", "constant.json"}


def test_a_single_spec_adds_to_what_is_there(built: Path) -> None:
    before = tree(built / "out")

    assert main(["build", "constant", "--out", str(built / "out")]) == 0

    after = tree(built / "out")
    assert {**after, **before} == after
    assert "python_schedules/constant.py" in after


def test_emitted_code_of_a_users_spec_runs_and_holds_the_catalogues_values(built: Path) -> None:
    sys.path.insert(0, str(built / "out" / "python_schedules"))
    try:
        import ramp
        import twice
    finally:
        sys.path.pop(0)

    assert ramp.ramp(5) == 5e-4
    assert ramp.ramp(100) == 0.0
    assert twice.twice(10) == 2e-3


def test_a_users_spec_hides_the_one_of_the_catalogue(tmp_path: Path) -> None:
    own = tmp_path / "constant.toml"
    own.write_text('name = "constant"\ntitle = "Mine"\nvalue = "0.25"\n', encoding="utf-8")

    assert main(["build", str(own), "--out", str(tmp_path / "out")]) == 0
    assert "Mine" in (tmp_path / "out" / "python_schedules" / "constant.py").read_text()


# -- the summary -------------------------------------------------------------------------------


def test_a_build_tells_what_it_did_in_one_line(specs: Path, tmp_path: Path, capsys) -> None:
    main(["build", str(specs), "--out", str(tmp_path / "out")])
    first = capsys.readouterr().out
    (specs / "twice.toml").unlink()
    main(["build", str(specs), "--out", str(tmp_path / "out")])
    second = capsys.readouterr().out
    main(["build", str(specs), "--out", str(tmp_path / "out")])
    third = capsys.readouterr().out

    assert [len(lines(text)) for text in (first, second, third)] == [1, 1, 1]
    assert first.startswith("2 schedules, ")
    assert "13 files written" in first and "0 removed, 0 unchanged" in first
    assert second.startswith("1 schedule, ")
    assert "1 file written" in second and "6 removed, 6 unchanged" in second
    assert third.startswith("Nothing to do: 7 files")


def test_a_second_build_touches_no_file(built: Path) -> None:
    out = built / "out"
    (out / "lrgen.lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.py")}

    assert main(["build", str(built / "specs"), "--out", str(out)]) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.py")} == before


def test_an_edited_file_is_written_again(built: Path) -> None:
    before = tree(built / "out")
    (built / "out" / "jax_schedules" / "ramp.py").write_text("# mine now\n")

    assert main(["build", str(built / "specs"), "--out", str(built / "out")]) == 0
    assert other_files(tree(built / "out"), before) == []


def test_a_file_that_no_spec_gives_any_more_is_removed(built: Path) -> None:
    (built / "specs" / "twice.toml").unlink()

    assert main(["build", str(built / "specs"), "--out", str(built / "out")]) == 0
    assert not [path for path in tree(built / "out") if "twice" in path]


def test_files_of_somebody_else_are_never_removed(specs: Path, tmp_path: Path, capsys) -> None:
    data = tmp_path / "out" / "vectors" / "measurements.json"
    data.parent.mkdir(parents=True)
    data.write_text("[1, 2, 3]")

    assert main(["build", str(specs), "--out", str(tmp_path / "out")]) == 1
    assert tree(tmp_path / "out") == {"vectors/measurements.json": b"[1, 2, 3]"}
    assert "vectors/measurements.json" in capsys.readouterr().err


# -- the same bytes everywhere -----------------------------------------------------------------


def other_files(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


def test_builds_differ_in_no_byte(run, tmp_path: Path) -> None:
    """Under other hash seeds, locales, time zones, folders and ways to name the specs."""
    outputs = []
    surroundings = (
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "PYTHONUTF8": "1"},
        {"PYTHONHASHSEED": "3", "LC_ALL": "tr_TR.UTF-8", "PYTHONIOENCODING": "latin-1"},
    )
    for number, environment in enumerate(surroundings):
        root = tmp_path / f"place {number}"
        folder = write_specs(root / "mine" / "specs")
        shutil.copy(catalogue()["warmup_stable_decay"], folder)
        elsewhere = root / "elsewhere"
        elsewhere.mkdir()
        named, cwd = (
            (folder, elsewhere),
            ("specs", root / "mine"),
            ("../mine/specs", elsewhere),
        )[number]
        done = run("build", named, "--out", root / "out", cwd=cwd, **environment)

        assert (done.returncode, done.stderr) == (0, "")
        outputs.append(tree(root / "out"))

    assert other_files(outputs[0], outputs[1]) == []
    assert other_files(outputs[0], outputs[2]) == []


def test_another_spec_does_change_the_bytes(specs: Path, tmp_path: Path) -> None:
    main(["build", str(specs), "--out", str(tmp_path / "one")])
    (specs / "ramp.toml").write_text(RAMP.replace("1e-3", "2e-3"), encoding="utf-8")
    main(["build", str(specs), "--out", str(tmp_path / "two")])

    assert "torch_schedules/ramp.py" in other_files(tree(tmp_path / "one"), tree(tmp_path / "two"))


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "COMMAND"),
        (["bild"], 2, "bild"),
        (["build", "--backend", "mxnet"], 2, "mxnet"),
        (["build", "cosine_warmp"], 2, "Did you mean 'cosine_warmup'?"),
        (["build", "there_is_none.toml"], 2, "there_is_none.toml"),
        (["check", "there_is_none/none.toml"], 2, "none.toml"),
        (["build", "a" * 5_000], 2, "File name too long"),
        (["build", "/dev/null"], 1, "not a regular file"),
        (["show", "cosine_warmp"], 2, "Did you mean 'cosine_warmup'?"),
        (["show", "."], 2, "one schedule is wanted"),
        (["show", "cosine", "--set", "base_lr"], 2, "NAME=VALUE"),
        (["show", "cosine", "--set", "base_lr=-1"], 2, "base_lr must be a finite number >= 0"),
        (["show", "cosine", "--set", "base_l=1"], 2, "Did you mean 'base_lr'?"),
        (["show", "cosine", "--after", "lunch"], 2, "lunch"),
    ],
)
def test_wrong_usage_is_told_with_its_exit_code(
    arguments: list[str], code: int, message: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        found = main(arguments)
    except SystemExit as leaving:
        found = leaving.code
    captured = capsys.readouterr()

    assert found == code
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_wrong_usage(tmp_path: Path, capsys) -> None:
    assert main(["build", str(tmp_path)]) == 2
    assert "no .toml file" in capsys.readouterr().err


def test_one_bad_spec_stops_the_whole_build(run, specs: Path, tmp_path: Path) -> None:
    (specs / "bad.toml").write_text(BAD, encoding="utf-8")
    done = run("build", specs, "--out", tmp_path / "out")

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(lines(done.stderr)) == 1
    assert "bad.toml: value, column 1: unknown name 'peek_lr'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_bad_spec_leaves_an_earlier_build_as_it_was(built: Path) -> None:
    before = tree(built / "out")
    (built / "specs" / "bad.toml").write_text(BAD, encoding="utf-8")
    (built / "specs" / "twice.toml").unlink()

    assert main(["build", str(built / "specs"), "--out", str(built / "out")]) == 1
    assert other_files(tree(built / "out"), before) == []


def test_a_false_claim_names_its_file(tmp_path: Path, capsys) -> None:
    spec = tmp_path / "ramp.toml"
    spec.write_text(RAMP + '\n[claims]\nbounds = ["0", "peak_lr / 2"]\n', encoding="utf-8")

    assert main(["build", str(spec), "--out", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert len(lines(message)) == 1
    assert message.startswith("ramp.toml") or "/ramp.toml" in message.split(":")[0]
    assert "claims.bounds" in message


def test_a_pipe_is_not_waited_for(run, specs: Path, tmp_path: Path) -> None:
    os.mkfifo(specs / "pipe.toml")
    for arguments in (["build", specs, "--out", tmp_path / "out"], ["show", specs / "pipe.toml"]):
        done = run(*arguments)

        assert done.returncode == 1
        assert "pipe.toml: not a regular file" in done.stderr


def test_an_output_folder_that_is_a_file_is_told_in_one_line(
    specs: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "out").write_text("not a folder")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        assert main(["build", str(specs), "--out", str(out)]) == 2
        message = capsys.readouterr().err
        assert len(lines(message)) == 1
        assert str(out) in message

    assert (tmp_path / "out").read_text() == "not a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_output_folder_is_told_in_one_line(specs: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "out").mkdir(mode=0o555)

    assert main(["build", str(specs), "--out", str(tmp_path / "out")]) == 2
    assert "cannot be written: Permission denied" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_in_one_line(specs: Path, capsys) -> None:
    assert main(["build", str(specs), "--out", "/proc/lrgen"]) == 2
    assert len(lines(capsys.readouterr().err)) == 1


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lrgen", "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()

    assert process.stderr.read() == ""
    assert process.wait() == 0
    process.stderr.close()


# -- terminals ---------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_for(stream: str, monkeypatch) -> Terminal:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, stream, screen)
    return screen


def test_long_work_shows_a_bar_on_a_terminal(specs, tmp_path, monkeypatch) -> None:
    terminal = terminal_for("stderr", monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    main(["build", str(specs), "--out", str(tmp_path / "out")])

    assert "1/2 twice" in terminal.getvalue()
    # It is wiped out at the end, so that the summary stands alone.
    assert terminal.getvalue().endswith(" \r")


def test_short_work_shows_no_bar(specs, tmp_path, monkeypatch) -> None:
    terminal = terminal_for("stderr", monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", 1e9)
    main(["build", str(specs), "--out", str(tmp_path / "out")])

    assert terminal.getvalue() == ""


def test_no_bar_goes_to_a_file(specs, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    main(["build", str(specs), "--out", str(tmp_path / "out")])

    assert capsys.readouterr().err == ""


def test_color_is_for_terminals_that_want_it(monkeypatch, capsys) -> None:
    main(["show", "constant"])
    plain = capsys.readouterr().out
    screen = terminal_for("stdout", monkeypatch)
    main(["show", "constant"])
    colored = screen.getvalue()
    screen.truncate(0)
    screen.seek(0)
    monkeypatch.setenv("NO_COLOR", "1")
    main(["show", "constant"])

    assert "\x1b[" not in plain
    assert "\x1b[1mconstant\x1b[0m" in colored
    assert screen.getvalue() == plain
