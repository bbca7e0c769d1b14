"""Many processes and many devices: the same rate at every update, wherever it is applied."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch_ranks
from emitted import load_emitted

pytestmark = pytest.mark.processes

HERE = Path(__file__).parent
KINDS = ["ddp", "fsdp"]
MOST_SECONDS = 180
"""After so long both ranks are ended, and a test that did not ask for that fails."""


# -- PyTorch: two processes of gloo ----------------------------------------------------------


def expected_rates() -> list[float]:
    """Of each update and of the one after the last, with a metric that rises from the first on."""
    parameters = {"peak_lr": torch_ranks.PEAK, **torch_ranks.CURVE}
    automaton = load_emitted("python", "cosine_plateau").CosinePlateau(**parameters)
    rates = []
    for update in range(torch_ranks.UPDATES):
        rates.append(automaton.rate(update))
        if update % 4 == 3:
            automaton.observe(float(update), update + 1)
    return [*rates, automaton.rate(torch_ranks.UPDATES)]


def two_ranks(kind: str, folder: Path, *options: str) -> list[int]:
    """Run both ranks, and end the other where one has died, as a launcher does; their statuses."""
    (folder / "meeting").unlink(missing_ok=True)
    log = folder / "log"
    with log.open("w") as complaints:
        ranks = [
            subprocess.Popen(
                [sys.executable, HERE / "torch_ranks.py", kind, str(rank), folder, *options],
                stderr=complaints,
            )
            for rank in range(torch_ranks.RANKS)
        ]
        end = time.monotonic() + MOST_SECONDS
        while None in (statuses := [rank.poll() for rank in ranks]):
            if any(statuses) or time.monotonic() > end:
                for rank in ranks:
                    rank.kill()
            time.sleep(0.05)
    assert set(statuses) <= {0, -signal.SIGKILL}, log.read_text()[-3000:]
    return [rank.returncode for rank in ranks]


def results(kind: str, folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads((folder / f"{kind}_{rank}.json").read_text())
        for rank in range(torch_ranks.RANKS)
    ]


@pytest.fixture(scope="module", params=KINDS)
def uninterrupted(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[str, Any]:
    """The kind of parallelism, and what its ranks found in a run without a kill."""
    folder = tmp_path_factory.mktemp(request.param)
    assert [0, 0] == two_ranks(request.param, folder)
    return request.param, results(request.param, folder)


def test_every_rank_applies_the_rate_of_each_update(uninterrupted: tuple[str, Any]) -> None:
    *rates, after = expected_rates()
    for found in uninterrupted[1]:
        assert [float(np.float32(rate)) for rate in rates] == found["rates"]
        assert after == found["next"]
    assert 6 < len(set(rates))


@pytest.mark.parametrize("kill_at", [2, 3, 7])
def test_a_run_that_was_killed_goes_on_to_the_bit(
    uninterrupted: tuple[str, Any], kill_at: int, tmp_path: Path
) -> None:
    """Before the first checkpoint, in the update after one, and in a later one."""
    kind, whole = uninterrupted

    assert [-signal.SIGKILL] * 2 == two_ranks(kind, tmp_path, "--kill-at", str(kill_at))
    saved = kill_at // torch_ranks.CHECKPOINT_EVERY
    assert saved == len(list(tmp_path.glob("checkpoint_*")))
    assert [0, 0] == two_ranks(kind, tmp_path)
    assert whole == results(kind, tmp_path)


def test_a_scheduler_that_is_not_brought_back_is_noticed(
    uninterrupted: tuple[str, Any], tmp_path: Path
) -> None:
    kind, whole = uninterrupted
    two_ranks(kind, tmp_path, "--kill-at", "7")
    two_ranks(kind, tmp_path, "--skip", "scheduler")

    assert whole[0]["rates"] != results(kind, tmp_path)[0]["rates"]


def test_ranks_that_observe_each_their_own_metric_part(tmp_path: Path) -> None:
    two_ranks("ddp", tmp_path, "--skip", "reduce")
    first, second = results("ddp", tmp_path)

    assert first["next"] != second["next"]


# -- JAX and Keras: virtual devices of one process -------------------------------------------


def checks_in(program: str) -> list[str]:
    text = (HERE / program).read_text(encoding="utf-8")
    return [line[4 : line.index("(")] for line in text.splitlines() if line.startswith("def check")]


@cache
def passed(program: str, backend: str = "") -> tuple[list[str], str]:
    """The checks that a program came through, and what it had to say in the end."""
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": backend or "jax",
    }
    done = subprocess.run(
        [sys.executable, HERE / program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    return done.stdout.splitlines(), done.stderr[-2000:]


@pytest.mark.parametrize("check", checks_in("jax_devices.py"))
def test_jax_on_eight_devices(check: str) -> None:
    found, complaint = passed("jax_devices.py")

    assert check in found, complaint


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
@pytest.mark.parametrize("check", checks_in("keras_compiled.py"))
def test_keras_compiled_and_distributed(check: str, backend: str) -> None:
    found, complaint = passed("keras_compiled.py", backend)

    assert check in found, complaint


def test_every_check_is_found() -> None:
    assert (11, 7) == (len(checks_in("jax_devices.py")), len(checks_in("keras_compiled.py")))
