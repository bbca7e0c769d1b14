"""What `make test-peers` installs, and that it tests nothing less."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

import listed
import pytest

HERE = Path(__file__).parent


def test_every_package_is_pinned_to_one_version() -> None:
    lines = listed.LIST.read_text(encoding="utf-8").splitlines()
    installed = [line for line in lines if line and not line.startswith("#")]

    assert len(installed) == len(listed.pins())
    for line in installed:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+(  # .+)?", line), line


def test_no_package_is_one_of_the_frameworks() -> None:
    frameworks = {"torch", "torchvision", "triton", "numpy", "jax", "keras", "optax", "tensorflow"}

    assert set() == frameworks & set(listed.pins())


def test_a_package_that_is_left_out_is_named_with_its_reason() -> None:
    assert {"fairseq", "levanter", "paddle", "praxis", "t5x"} < listed.left_out()
    assert set() == listed.left_out() & set(listed.pins())


def others(pins: Mapping[str, str], there: Mapping[str, str]) -> set[str]:
    """Packages that are in no version, or in another one than is pinned."""
    return {name for name, version in pins.items() if there.get(name) != version}


@pytest.mark.skipif(listed.folder() is None, reason="a part of `make test-peers`")
def test_what_is_installed_is_what_is_pinned() -> None:
    found = distributions(path=[str(listed.folder())])
    there = {re.sub(r"[-_.]+", "-", one.name).lower(): one.version for one in found}

    assert set() == others(listed.pins(), there)


def test_another_version_and_none_are_told() -> None:
    pins = {"timm": "1.0.31", "fvcore": "0.1", "tqdm": "4.70.1"}

    assert {"timm", "fvcore"} == others(pins, {"timm": "1.0.30", "tqdm": "4.70.1"})


def skip(reason: str) -> pytest.TestReport:
    return pytest.TestReport(
        "test_x.py::test_x", ("test_x.py", 0, "test_x"), {}, "skipped", ("x", 1, reason), "call"
    )


@pytest.mark.parametrize(
    "reason",
    [
        "Skipped: needs deepspeed",
        "Skipped: could not import 'ignite.handlers': No module named 'ignite'",
        "Skipped: transformers is not installed",
        "Skipped: got empty parameter set for (name)",
    ],
)
def test_a_skip_for_want_of_a_listed_library_fails(reason: str) -> None:
    report = listed.refuse(skip(reason))

    assert "failed" == report.outcome
    assert reason in str(report.longrepr)


@pytest.mark.parametrize(
    "reason",
    [
        "Skipped: could not import 'fairseq.optim.lr_scheduler.step_lr_scheduler': No module",
        "Skipped: needs paddle/optimizer/lr.py of paddlepaddle",
        "Skipped: a trace, not a curve",
    ],
)
def test_a_skip_for_want_of_what_is_left_out_stays_one(reason: str) -> None:
    assert "skipped" == listed.refuse(skip(reason)).outcome


def test_a_test_that_ran_stays_as_it_is() -> None:
    report = skip("")
    report.outcome, report.longrepr = "passed", None

    assert ("passed", None) == (listed.refuse(report).outcome, report.longrepr)
