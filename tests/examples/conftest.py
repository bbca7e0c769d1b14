"""Every example is run once, at reduced length; the tests look at the numbers it returns."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
GENERATED = Path(os.environ.get("LRGEN_GENERATED", REPOSITORY / "generated"))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the examples draw into."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def results(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``main`` of each example returned."""
    file = tmp_path_factory.mktemp("examples") / "results.json"
    done = subprocess.run(
        [sys.executable, HERE / "run_examples.py", pictures, file],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (GENERATED, REPOSITORY / "examples"))),
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
