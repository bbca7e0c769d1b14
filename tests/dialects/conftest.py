"""In a run with .peers, a test that is skipped for want of a library in it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

import listed
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return report if listed.folder() is None else listed.refuse(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return report if listed.folder() is None else listed.refuse(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if listed.folder() is None:
        return
    counts = Counter(
        listed.excused(report.longrepr[2]) or report.longrepr[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    without = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
    terminalreporter.write_line(f"{len(listed.pins())} packages in .peers; skipped: {without}")
