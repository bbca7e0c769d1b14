"""The options of ``lrgen diff`` and ``lrgen verify``. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_diff(diff: argparse.ArgumentParser) -> None:
    """Two schedules, and what they are compared at."""
    for name, other in (("a", "A"), ("b", "B")):
        diff.add_argument(
            name,
            metavar=f"[LABEL=]{other}",
            help=f"a name of the catalogue, or a spec file; without a label it is called {other}",
        )
    _add_set(diff, "a parameter of both where both have it; A.NAME=VALUE for one of them")
    diff.add_argument(
        "--steps", metavar="N", help="compare the updates 0 to N (a little past the end of both)"
    )
    diff.add_argument(
        "--metrics",
        type=Path,
        metavar="FILE",
        help="for schedules that observe a metric: a CSV file of it (a set of standard traces)",
    )
    diff.add_argument("--column", metavar="NAME", help="which column of --metrics, if of several")
    diff.add_argument(
        "--every",
        metavar="N",
        help="updates between two of --metrics, for a schedule that counts updates too (1)",
    )
    diff.add_argument("--plot", action="store_true", help="draw both in the terminal as well")
    diff.add_argument("--json", action="store_true", help="for machines")


def add_verify(verify: argparse.ArgumentParser) -> None:
    """Somebody's code, the schedule that it should be, and how near."""
    verify.add_argument(
        "code",
        metavar="MODULE:NAME",
        help="a function of the step, a scheduler with step() and get_last_lr(), a schedule of "
        "Keras or optax, or a class of these; importing MODULE, or FILE.py, runs its code",
    )
    verify.add_argument(
        "--against",
        required=True,
        metavar="SPEC",
        help="what it should be: a name of the catalogue, or a spec file",
    )
    _add_set(verify, "parameters of that schedule other than the defaults")
    verify.add_argument(
        "--factory",
        action="store_true",
        help="NAME is a function that makes the schedule: it is called without arguments first",
    )
    verify.add_argument(
        "--steps",
        metavar="N",
        help="ask for every update from 0 to N, and for none past it (boundaries, random updates, "
        "and far ones; a scheduler is walked up to 200,000)",
    )
    verify.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        help="what rates are rounded to before they are compared (float32; float64 with --ulps)",
    )
    verify.add_argument(
        "--ulps",
        type=float,
        metavar="N",
        help="how many units in the last place are allowed (0 in float32; in float64 what the spec "
        "claims for itself, mostly 8)",
    )
    verify.add_argument("--json", action="store_true", help="for machines")


def _add_set(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--set", action="extend", nargs="+", default=[], metavar="NAME=VALUE", help=text
    )
