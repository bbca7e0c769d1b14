"""How fast lrgen is, as ratios against a peer that runs in the same minutes on the same machine.

    python benchmarks/run.py [--only WORD] [--json PATH]

Ours and the peer alternate, and medians are compared, so that a busy machine slows both. Times
differ between machines and ratios much less; nothing here is a test.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import build_cost
import jax_cost
import keras_cost
import numpy_cost
import python_cost
import torch_plateau_steps
from measure import GENERATED, LRGEN, Row, groups_of, line, load, run

MODULES = (build_cost, python_cost, numpy_cost, jax_cost, keras_cost, torch_plateau_steps)
OTHERS = tuple(comparison for module in MODULES for comparison in module.COMPARISONS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="WORD", default="", help="comparisons named so")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the rows there as well")
    arguments = parser.parse_args()

    print(f"{'':52} {'lrgen':>10} {'peer':>10} {'ratio':>7}  goal", flush=True)
    rows = []
    for comparison in COMPARISONS:
        if arguments.only in comparison.__name__:
            for row in comparison():
                print(line(row), flush=True)
                rows.append(row)
    if arguments.json is not None:
        machine = {"python": platform.python_version(), "processors": os.cpu_count()}
        found = [{**asdict(row), "ratio": row.ratio} for row in rows]
        text = json.dumps({"machine": machine, "rows": found}, indent=1) + "\n"
        arguments.json.write_text(text, encoding="utf-8")
    return 0


# --- the command line -------------------------------------------------------------------------


def start() -> Iterator[Row]:
    peer = [sys.executable, "-c", "import argparse; argparse.ArgumentParser().parse_args()"]
    for argument in ("--help", "--version"):
        ours, theirs = alternate(lambda a=argument: run([*LRGEN, a]), lambda: run(peer), rounds=15)
        yield Row(f"lrgen {argument}", ours, theirs, "argparse alone", "at most 0.1 s", ours <= 0.1)


def build() -> Iterator[Row]:
    imports = [sys.executable, "-c", "import jinja2, mpmath, numpy, pydantic, sympy"]
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(100))
        cold, theirs = alternate(
            lambda: run([*LRGEN, "build", "--out", f"{folder}/{next(numbers)}"]),
            lambda: run(imports),
            rounds=3,
        )
        yield Row(
            "build of the catalogue, from nothing",
            cold,
            theirs,
            "importing what it imports",
            "at most 3 s",
            cold <= 3,
        )
        idle, theirs = alternate(
            lambda: run([*LRGEN, "build", "--out", f"{folder}/0"]), lambda: run(imports), rounds=7
        )
        yield Row(
            "build with nothing to do",
            idle,
            theirs,
            "importing what a build imports",
            "at most 0.4 s",
            idle <= 0.4,
        )


# --- the emitted code -------------------------------------------------------------------------


def torch_step() -> Iterator[Row]:
    import torch_steps

    def emitted(name: str) -> ModuleType:
        return load("torch", name, GENERATED if name != "warmed_exponential" else Path(folder))

    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "warmed_exponential.toml")
        spec.write_text(torch_steps.PRODUCT, encoding="utf-8")
        run([*LRGEN, "build", str(spec), "--backend", "torch", "--out", folder])
        for plan, groups, tensor, found in torch_steps.measured(emitted, rounds=15):
            name = f"torch {plan.emitted}{', tensor lr' * tensor}, {groups_of(groups)}"
            bare, peer = found["bare"], found["peer"]
            if tensor:
                least = (found["floor"], "writing alone")
                yield ratio(name, found["ours"], peer, plan.peer, 0.15, least)
                limit = 1.0 if groups > 1 else None
                yield ratio(name, found["ours"], bare, "a bare fill_ loop", limit, least)
                if groups > 1:
                    same = f"{name}, of one vector"
                    yield ratio(same, found["one vector"], peer, plan.peer, 0.15)
                    yield ratio(same, found["one vector"], bare, "a bare fill_ loop", limit)
            else:
                two = " and " in plan.emitted
                why = "two schedulers are two calls" if two else ""
                yield ratio(name, found["ours"], peer, plan.peer, 0.30, why=why)
                if two:
                    continue  # the bare loop writes rates alone
                yield ratio(name, found["ours"], bare, "the bare loop", 2.0)
                same, why = f"{name}, one base rate", "the call takes what five groups take"
                yield ratio(same, found["one base rate"], bare, "the bare loop", 1.0, why=why)


def torch_compiled() -> Iterator[Row]:
    import torch_compiled as compiled

    for what, peer, ours, theirs in compiled.comparisons(lambda name: load("torch", name)):
        yield Row(
            f"torch compiled {what}, compilations",
            ours.compilations,
            theirs.compilations,
            peer,
            "at most 2, for a graph break of torch's own",
            ours.compilations <= 2,
            "compilations",
        )
        yield Row(
            f"torch compiled {what}, after two updates",
            ours.later,
            theirs.later,
            peer,
            "0",
            ours.later == 0,
            "compilations",
        )
        yield ratio(f"torch compiled {what}, an update", ours.seconds, theirs.seconds, peer, None)
    for what, found in compiled.regions(lambda name: load("torch", name)):
        yield Row(
            f"torch compiled {what}, with the schedule",
            found["ours"],
            found["peer"],
            "a constant tensor lr, and a count",
            "at most 1 us more",
            found["ours"] <= found["peer"] + 1e-6,
            note="" if "one graph" in what else compiled.APART,
        )


def ratio(
    name: str,
    ours: float,
    peer: float,
    peer_is: str,
    limit: float | None,
    floor: tuple[float | None, str] = (None, ""),
    why: str = "",
) -> Row:
    """A row whose goal is a share of the peer's time, if it has one; ``why`` it may be missed."""
    goal = "none" if limit is None else f"at most {limit:.2f} x"
    reached = limit is None or ours <= limit * peer
    least, least_is = floor
    if limit is not None and least is not None and least > limit * peer:
        why = "the floor is above the goal"
    note = "" if reached else why
    return Row(name, ours, peer, peer_is, goal, reached, floor=least, floor_is=least_is, note=note)


COMPARISONS = (start, build, torch_step, torch_compiled, *OTHERS)


# --- how it is measured -----------------------------------------------------------------------


def alternate(
    ours: Callable[[], object], peer: Callable[[], object], *, rounds: int = 9, number: int = 1
) -> tuple[float, float]:
    """Median seconds of one call of each, run by turns in batches of ``number``."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for call, times in zip((ours, peer), found, strict=True):
            gc.collect()
            times.append(timeit.timeit(call, number=number) / number)
    return statistics.median(found[0]), statistics.median(found[1])


if __name__ == "__main__":
    sys.exit(main())
