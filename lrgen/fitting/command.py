"""The options of ``lrgen fit``, and doing what they ask for. Nothing heavy is imported at once."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

Progress = Callable[[int, int, str], None]


def add_fit(parser: argparse.ArgumentParser) -> None:
    """A log, and what may have drawn it."""
    parser.add_argument(
        "log",
        type=Path,
        metavar="FILE",
        help="steps and rates: CSV, tabs or semicolons, JSON lines, or a trainer_state.json",
    )
    parser.add_argument(
        "--column", metavar="NAME", help="the column of rates, by name or number (lr, or alike)"
    )
    parser.add_argument(
        "--step-column", metavar="NAME", help="the column of steps (step, or alike)"
    )
    parser.add_argument(
        "--dialects",
        action="store_true",
        help="try the schedules of every library, besides the catalogue",
    )
    parser.add_argument(
        "--from",
        dest="libraries",
        action="append",
        default=[],
        metavar="LIBRARY",
        help="try those of this library only, as torch; may be given more than once",
    )
    parser.add_argument(
        "--among",
        action="extend",
        nargs="+",
        default=[],
        metavar="SPEC",
        help="try only these: names, LIBRARY/NAME, or spec files",
    )
    parser.add_argument("--json", action="store_true", help="for machines")


def run_fit(options: argparse.Namespace, progress: Progress, workers: int) -> tuple[str, bool]:
    """The report on a log, and whether one curve was found that drew it.

    Raises:
        ValueError: For a log that cannot be read, and a library that is not known.
        SpecError: For a schedule that does not exist.
    """
    from .curves import candidates
    from .finder import fit_log
    from .log import read_log
    from .report import entry, text

    log = read_log(options.log, options.column, options.step_column)
    tried = candidates(options.among, options.libraries, options.dialects)
    found = fit_log(log, tried, progress, workers)
    if options.json:
        return json.dumps(entry(found), indent=1) + "\n", found.status == "found"
    return text(found, str(options.log)), found.status == "found"
