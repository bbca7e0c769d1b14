"""How far long work has come."""

from __future__ import annotations

import os
import sys
import time

PATIENCE = 1.0
"""Seconds without a bar."""


class Progress:
    """A bar on stderr, once work has taken longer than a second, and only on a terminal."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.shown = False
        self.wanted = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int, everything: int, name: str) -> None:
        if not self.wanted or time.monotonic() - self.started < PATIENCE:
            return
        filled = 30 * done // max(everything, 1)
        bar = "#" * filled + "." * (30 - filled)
        self.shown = True
        print(f"\r[{bar}] {done:,}/{everything:,} {name:<40.40}", end="", file=sys.stderr)
        sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self.shown:
            print(f"\r{'':78}\r", end="", file=sys.stderr)
            sys.stderr.flush()
