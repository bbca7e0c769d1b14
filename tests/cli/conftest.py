"""A user's own folder of specs, and ways to run the command on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RAMP = """\
name    = "ramp"
title   = "A recipe of my own on top of the catalogue"
base    = "peak_lr"
require = ["total_steps >= 10"]
value   = "cosine_warmup(step, peak_lr=peak_lr, warmup_steps=10, total_steps=total_steps)"

[parameters]
peak_lr     = { type = "rate",  default = 1e-3, doc = "Rate at the end of the warm-up." }
total_steps = { type = "steps", default = 100,  doc = "Updates until the floor is reached." }
"""
TWICE = """\
name    = "twice"
title   = "A spec that calls the one beside it"
require = ["total_steps >= 10"]
value   = "2.0 * ramp(step, peak_lr=peak_lr, total_steps=total_steps)"

[parameters]
peak_lr     = { type = "rate",  default = 1e-3, doc = "Half of the highest rate." }
total_steps = { type = "steps", default = 100,  doc = "Updates until the floor is reached." }
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def write_specs(folder: Path) -> Path:
    """The two specs above, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ramp.toml").write_text(RAMP, encoding="utf-8")
    (folder / "twice.toml").write_text(TWICE, encoding="utf-8")
    return folder


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A user's folder of specs."""
    return write_specs(tmp_path / "specs")


@pytest.fixture
def run() -> Run:
    """Run ``lrgen`` in a process of its own."""

    def call(
        *arguments: str | os.PathLike[str], cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lrgen", *map(os.fspath, arguments)],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of specs with its output beside it; not to be changed."""
    from lrgen.cli import main

    root = tmp_path_factory.mktemp("built")
    write_specs(root / "specs")
    assert main(["build", str(root / "specs"), "--out", str(root / "out")]) == 0
    return root


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> Path:
    """The same, as a copy that a test may spoil."""
    return Path(shutil.copytree(built_once, tmp_path / "copy"))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
