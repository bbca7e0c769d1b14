"""The options of ``lrgen port``. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from pathlib import Path

TARGETS = ("python", "numpy", "torch", "keras", "jax", "spec")


def add_port(parser: argparse.ArgumentParser) -> None:
    """What is read, what it becomes, and where that goes."""
    parser.add_argument(
        "source",
        metavar="CALL",
        help="the call that makes a schedule, or the lines that do, as Python; a configuration of "
        "transformers, DeepSpeed or mmengine; FILE.py or FILE.json with one of these; - for "
        "standard input. It is read, never run",
    )
    parser.add_argument(
        "--to", choices=TARGETS, required=True, help="one standalone module, or the spec itself"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write it there (standard output)"
    )
    parser.add_argument("--name", default="", help="what the schedule is called then")
    parser.add_argument(
        "--quantity",
        default="",
        metavar="NAME",
        help="what else the library drives with it, as momentum (the rate)",
    )
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters that the call does not give, as base_lr=0.1",
    )
