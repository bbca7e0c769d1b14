"""Tests are dealt out to two processes by file, so that what a file prepares is prepared once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/examples",)
"""Folders whose files share what takes long."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """The marks of xdist 3.8 itself have no effect on tests of pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return place_of(nodeid)

    # Files of few tests may take long: they are not left for the end.
    config.option.loadscopereorder = False
    return ByFile(config, log)


def place_of(nodeid: str) -> str:
    """What a test shares with others: its file, or its folder."""
    file = nodeid.partition("::")[0]
    folder = file.rpartition("/")[0]
    return folder if folder in TOGETHER else file
