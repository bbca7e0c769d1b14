"""Bad specs: each folder of ``tests/cases/`` gives the one line in its ``expected.txt``.

``LRGEN_UPDATE_CASES=1`` writes those files anew; read the difference before it is kept.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import bad_specs
import pytest

ALL = sorted(path.name for path in bad_specs.CASES.iterdir())
UPDATE = bool(os.environ.get("LRGEN_UPDATE_CASES"))


def built(case: str) -> str:
    """The message of ``case`` in the current folder; hard ones under limits."""
    return limited(case) if case in bad_specs.HARD else bad_specs.message(case)


def limited(case: str) -> str:
    """The message of ``case``, built by a process of its own that may not use much."""
    done = subprocess.run(
        [sys.executable, bad_specs.__file__, case],
        capture_output=True,
        text=True,
        timeout=2 * bad_specs.MOST_SECONDS,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )

    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize("case", ALL)
def test_a_bad_spec_is_refused_in_one_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "specs"
    bad_specs.prepare(case, folder)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(folder)
    start = time.monotonic()

    message = built(case)

    expected = bad_specs.CASES / case / "expected.txt"
    if UPDATE:
        expected.write_text(message + "\n")
    assert message == expected.read_text().removesuffix("\n")
    assert time.monotonic() - start < bad_specs.MOST_SECONDS
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("case", ALL)
def test_a_message_has_a_place_a_fact_and_a_way_out(case: str) -> None:
    (line,) = (bad_specs.CASES / case / "expected.txt").read_text().splitlines()

    assert line.isprintable()
    assert len(line) <= 400
    assert re.match(r"(([a-z]/)?\w+\.toml|\.): ", line), "the file comes first"
    assert re.search(r"[.?)]$", line), "the way out is a sentence"
    assert "Traceback" not in line
    assert "pydantic" not in line


@pytest.mark.parametrize("heavy", bad_specs.HEAVY)
def test_a_heavy_spec_is_built_or_refused_within_the_limits(
    heavy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ramp.toml").write_bytes(bad_specs.HEAVY[heavy])
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()

    message = limited("ramp")

    assert message == "" or message.startswith("ramp.toml: ")
    assert time.monotonic() - start < bad_specs.MOST_SECONDS


def test_a_case_that_builds_after_all_is_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ramp.toml").write_text(bad_specs.SPEC.format(value="1.0"))
    monkeypatch.chdir(tmp_path)

    assert bad_specs.message("made good") == ""
    assert (tmp_path / "out" / "python_schedules" / "ramp.py").is_file()


def test_the_limits_bite(tmp_path: Path) -> None:
    eats = "import bad_specs, resource\n" + (
        "resource.setrlimit(resource.RLIMIT_AS, (bad_specs.MOST_BYTES, bad_specs.MOST_BYTES))\n"
        "text = bytearray(bad_specs.MOST_BYTES)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", eats],
        capture_output=True,
        text=True,
        cwd=Path(bad_specs.__file__).parent,
    )

    assert done.returncode == 1
    assert "MemoryError" in done.stderr
