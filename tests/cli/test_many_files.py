"""Output of many files: kept outside memory, told to be up to date by several processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from conftest import tree

from lrgen import files
from lrgen.catalogue import catalogue
from lrgen.cli import main
from lrgen.pipeline import library
from lrgen.resolve import Library

UP_TO_DATE = """
import sys
from pathlib import Path
from lrgen import files, uptodate

uptodate.TOGETHER = 1  # file, so that the few that there are go to two processes
out = Path(sys.argv[1])
print(uptodate.is_as_built(out, files.read_lock(out), workers=2))
"""


def test_texts_too_many_for_memory_are_the_same_texts(monkeypatch) -> None:
    expected = {"b.py": "one\n", "a.py": "zw\N{LATIN SMALL LETTER O WITH DIAERESIS}lf\n", "c": ""}
    for most in (1, 1_000):
        monkeypatch.setattr(files, "MOST_IN_MEMORY", most)
        with files.texts_by_path() as texts:
            texts.update(expected)
            texts["b.py"] = expected["b.py"]
            texts["gone.py"] = "nothing"
            del texts["gone.py"]

            assert expected == dict(texts)
            assert list(expected) == list(texts)


def test_a_build_too_large_for_memory_writes_the_same_files(
    built: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(files, "MOST_IN_MEMORY", 1)

    assert main(["build", str(built / "specs"), "--out", str(tmp_path / "out")]) == 0
    assert tree(built / "out") == tree(tmp_path / "out")
    assert main(["check", str(built / "specs"), "--out", str(tmp_path / "out")]) == 0


def test_a_full_disk_for_what_memory_does_not_hold_is_told_in_one_line(
    built: Path, specs: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", full)

    assert main(["build", str(specs), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
    assert main(["check", str(built / "specs"), "--out", str(built / "out")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "cannot be written: No space left on device" in first
    assert "cannot be checked: No space left on device" in second


def edit(path: Path) -> None:
    path.write_text(path.read_text().replace("math.pi", "math.pj"))  # of the same size


@pytest.mark.parametrize("spoil", [None, edit, Path.unlink], ids=["as built", "edited", "missing"])
def test_several_processes_tell_what_is_up_to_date(built: Path, spoil: Any) -> None:
    if spoil is not None:
        spoil(built / "out" / "python_schedules" / "ramp.py")
    command = [sys.executable, "-c", UP_TO_DATE, str(built / "out")]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert f"{spoil is None}\n" == done.stdout


def test_what_may_be_called_is_listed_once_for_all_specs() -> None:
    known: Library = library(catalogue().values())[0]
    first, *others = (known.callable_by(known.source(name)) for name in catalogue())

    assert all(other is first for other in others)
