"""What peers.txt lists: packages that a run with .peers has, and those that none has."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TypeVar

import pytest

LIST = Path(__file__).with_name("peers.txt")
# Reasons that speak of no library.
OTHER_REASONS = ("a trace, not a curve",)


def folder() -> Path | None:
    """Where `make test-peers` has put the libraries, in a run of that."""
    return next((place for place in map(Path, sys.path) if place.name == ".peers"), None)


def left_out() -> set[str]:
    """The packages that peers.txt names without installing them."""
    lines = re.findall(r"^# ([a-z0-9_, ]+): \S", LIST.read_text(encoding="utf-8"), re.MULTILINE)
    return {name for line in lines for name in line.split(", ")}


def excused(reason: str) -> str | None:
    """For what a test may be skipped all the same, if ``reason`` says one of that."""
    named = set(re.findall(r"\w+", reason))
    return next((excuse for excuse in sorted(left_out()) if excuse in named), None) or next(
        (excuse for excuse in OTHER_REASONS if excuse in reason), None
    )


def pins() -> dict[str, str]:
    """The version of each package that peers.txt installs."""
    lines = (line.partition("#")[0].strip() for line in LIST.read_text("utf-8").splitlines())
    return dict(line.split("==") for line in lines if line)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def refuse(report: Report) -> Report:
    """The ``report``, a failure where it tells of a skip that nothing excuses."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if excused(reason) is None:
            report.outcome = "failed"
            report.longrepr = f"{reason}: no test is skipped for want of what peers.txt lists"
    return report
