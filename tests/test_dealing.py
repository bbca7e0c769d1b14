"""Two processes share the tests, not what the tests of one file share."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = "import pytest\n\n@pytest.mark.parametrize('n', range(6))\ndef test_one(n): pass\n"


@pytest.mark.parametrize("dealt", [True, False], ids=["as here", "as xdist does"])
def test_the_tests_of_a_file_or_of_the_examples_run_in_one_process(
    dealt: bool, tmp_path: Path
) -> None:
    for name in ("examples/test_a", "examples/test_b", "test_c", "test_d"):
        path = tmp_path / "tests" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TESTS, encoding="utf-8")
    if dealt:
        shutil.copy(CONFTEST, tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n", encoding="utf-8")

    command = [sys.executable, "-m", "pytest", "-p", "xdist.plugin", "-n", "2", "-v"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the others take seconds
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)
    found: dict[str, set[str]] = {}
    for process, place in re.findall(r"\[(gw\d)\].*tests/(examples|test_\w)", done.stdout):
        found.setdefault(place, set()).add(process)

    assert done.returncode == 0, done.stdout
    assert set(found) == {"examples", "test_c", "test_d"}
    assert dealt == all(len(processes) == 1 for processes in found.values())
