"""Schedules that remember, in Keras: every row of every trace on each of its backends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conformance import OBSERVERS
from traces import trace_cases

HERE = Path(__file__).parent


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_a_callback_rounds_right_trains_and_goes_on_on_every_backend(backend: str) -> None:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, HERE / "keras_traces.py"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    rows = sum(len(case.metrics) for name in OBSERVERS for case in trace_cases(name))
    assert 0 == done.returncode, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{rows} rows on {backend}" in done.stdout
