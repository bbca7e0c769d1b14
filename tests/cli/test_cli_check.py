"""``lrgen check``: exit code 1 and a name for each file that is not as the specs say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import RAMP

from lrgen.cli import main


def check(root: Path, *specs: Path) -> int:
    return main(["check", *map(str, specs or (root / "specs",)), "--out", str(root / "out")])


def test_what_was_built_is_as_the_specs_say(built: Path, capsys) -> None:
    assert check(built) == 0
    assert "as the specs say" in capsys.readouterr().out


def test_check_writes_nothing(built: Path) -> None:
    shutil.rmtree(built / "out" / "vectors")

    assert check(built) == 1
    assert not (built / "out" / "vectors").exists()


def edit(root: Path) -> None:
    path = root / "out" / "torch_schedules" / "ramp.py"
    path.write_text(path.read_text().replace("math.pi", "3.14159"))


def outdate(root: Path) -> None:
    (root / "specs" / "ramp.toml").write_text(RAMP.replace("= 100,", "= 200,"), encoding="utf-8")


def lose(root: Path) -> None:
    (root / "out" / "vectors" / "twice.json").unlink()


def drop_in(root: Path) -> None:
    (root / "out" / "keras_schedules" / "handmade.py").write_text("value = 1\n")


def forget(root: Path) -> None:
    (root / "specs" / "twice.toml").unlink()


def lose_lock(root: Path) -> None:
    (root / "out" / "lrgen.lock").unlink()


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (edit, "torch_schedules/ramp.py: edited"),
        (outdate, "numpy_schedules/ramp.py: stale"),
        (lose, "vectors/twice.json: missing"),
        (drop_in, "keras_schedules/handmade.py: stray"),
        (forget, "jax_schedules/twice.py: stray"),
        (lose_lock, "lrgen.lock: missing"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named(built: Path, spoil, line, capsys) -> None:
    spoil(built)

    assert check(built) == 1
    captured = capsys.readouterr()
    assert f"{built.as_posix()}/out/{line}" in captured.out.splitlines()
    assert "Run `lrgen build`" in captured.err


def test_every_difference_is_named_and_nothing_else(built: Path, capsys) -> None:
    edit(built)
    drop_in(built)

    assert check(built) == 1
    assert [line.split("/out/")[1] for line in capsys.readouterr().out.splitlines()] == [
        "torch_schedules/ramp.py: edited",
        "keras_schedules/handmade.py: stray",
    ]


@pytest.mark.parametrize("spoil", [edit, outdate, lose, drop_in, forget, lose_lock])
def test_a_build_puts_it_right(built: Path, spoil) -> None:
    spoil(built)
    if spoil is lose_lock:
        (built / "out" / "lrgen.lock").unlink(missing_ok=True)

    assert main(["build", str(built / "specs"), "--out", str(built / "out")]) == 0
    assert check(built) == 0


def test_a_single_spec_is_checked_without_calling_the_others_strays(built: Path, capsys) -> None:
    assert check(built, built / "specs" / "ramp.toml") == 0

    edit(built)
    assert check(built, built / "specs" / "ramp.toml") == 1
    assert "torch_schedules/ramp.py: edited" in capsys.readouterr().out


def test_a_missing_output_folder_does_not_hold(specs: Path, tmp_path: Path, capsys) -> None:
    assert main(["check", str(specs), "--out", str(tmp_path / "none")]) == 1
    assert "missing" in capsys.readouterr().err


def test_a_bad_spec_does_not_hold(built: Path, capsys) -> None:
    (built / "specs" / "ramp.toml").write_text("name = 3\n", encoding="utf-8")

    assert check(built) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
