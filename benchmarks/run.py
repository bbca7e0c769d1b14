"""How fast lrgen is, as ratios against a peer that runs in the same minutes on the same machine.

    python benchmarks/run.py [--only WORD] [--json PATH]

Ours and the peer alternate, and medians are compared, so that a busy machine slows both. Times
differ between machines and ratios much less; nothing here is a test.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).parents[1]
GENERATED = Path(os.environ.get("LRGEN_GENERATED", REPOSITORY / "generated"))
LRGEN = [sys.executable, "-m", "lrgen"]


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: median seconds of a single run of each, or numbers of something else."""

    name: str
    ours: float
    peer: float
    peer_is: str
    goal: str
    reached: bool
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return self.ours / self.peer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="WORD", default="", help="comparisons named so")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the rows there as well")
    arguments = parser.parse_args()

    print(f"{'':42} {'lrgen':>10} {'peer':>10} {'ratio':>7}  goal", flush=True)
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


def line(row: Row) -> str:
    mark = "" if row.reached else "  NOT REACHED"
    return (
        f"{row.name:42} {shown(row.ours, row.unit):>10} {shown(row.peer, row.unit):>10} "
        f"{row.ratio:7.2f}  "
        f"{row.goal} (peer: {row.peer_is}){mark}"
    )


def shown(value: float, unit: str) -> str:
    return seconds(value) if unit == "s" else f"{value:g}"


def seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


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


SPEC = """
name    = "{name}"
title   = "Linear warm-up, then cosine annealing, number {number}"
base    = "peak_lr"
require = ["warmup_steps <= total_steps"]

[parameters]
peak_lr      = {{ type = "rate",  default = 1e-3, doc = "Rate at the end of the warm-up." }}
warmup_steps = {{ type = "steps", default = {number}, doc = "Updates of linear warm-up." }}
total_steps  = {{ type = "steps", default = 100_000, doc = "Updates until the floor." }}

[let]
progress = "(step - warmup_steps) / (total_steps - warmup_steps)"

[[piece]]
name  = "warmup"
until = "warmup_steps"
value = "peak_lr * step / warmup_steps"

[[piece]]
name  = "anneal"
until = "total_steps"
value = "peak_lr * (1 + cos(pi * progress)) / 2"

[[piece]]
name  = "floor"
value = "0 * peak_lr"
"""


def many_specs() -> Iterator[Row]:
    """Processor time per spec, which other programs lengthen less than the clock's: constant where
    the time is linear in their number."""
    first = None
    for count in (250, 500, 1_000):
        with tempfile.TemporaryDirectory() as folder:
            specs = Path(folder, "specs")
            specs.mkdir()
            for number in range(1, count + 1):
                name = f"warmup_{number}"
                text = SPEC.format(name=name, number=number)
                (specs / f"{name}.toml").write_text(text, encoding="utf-8")
            before = os.times()
            run([*LRGEN, "build", str(specs), "--out", f"{folder}/out"])
            after = os.times()
        spent = after.children_user + after.children_system
        each = (spent - before.children_user - before.children_system) / count
        first = first or each
        yield Row(
            f"{count:,} specs, processor time per spec",
            each,
            first,
            "the same for 250",
            "linear: at most 1.2 x",
            each <= 1.2 * first,
        )


# --- the emitted code -------------------------------------------------------------------------

PLAN = {"peak_lr": 3e-4, "warmup_steps": 100_000, "total_steps": 9_000_000, "end_lr": 1e-6}


def numpy_curve() -> Iterator[Row]:
    import numpy as np

    def by_hand(step, *, peak_lr, warmup_steps, total_steps, end_lr):
        progress = (step - warmup_steps) / (total_steps - warmup_steps)
        warmup = peak_lr * step / warmup_steps
        anneal = end_lr + (peak_lr - end_lr) * (1 + np.cos(np.pi * progress)) / 2
        return np.where(step < warmup_steps, warmup, np.where(step < total_steps, anneal, end_lr))

    emitted = load("numpy", "cosine_warmup").cosine_warmup
    step = np.arange(10_000_000)
    np.testing.assert_allclose(emitted(step, **PLAN), by_hand(step, **PLAN), rtol=1e-6, atol=1e-12)
    ours, theirs = alternate(lambda: emitted(step, **PLAN), lambda: by_hand(step, **PLAN), rounds=7)
    yield Row(
        "NumPy curve of 10^7 updates",
        ours,
        theirs,
        "the formula by hand",
        "at most 1.2 x",
        ours <= 1.2 * theirs,
    )


def python_call() -> Iterator[Row]:
    def by_hand(step, *, peak_lr, warmup_steps, total_steps, end_lr):
        if step < warmup_steps:
            return peak_lr * step / warmup_steps
        if step < total_steps:
            progress = (step - warmup_steps) / (total_steps - warmup_steps)
            return end_lr + (peak_lr - end_lr) * (1 + math.cos(math.pi * progress)) / 2
        return end_lr

    emitted = load("python", "cosine_warmup").cosine_warmup
    for name, step in (("warm-up", 5_000), ("cosine", 5_000_000)):
        ours, theirs = alternate(
            lambda s=step: emitted(s, **PLAN), lambda s=step: by_hand(s, **PLAN), number=20_000
        )
        yield Row(
            f"plain Python call, {name}",
            ours,
            theirs,
            "the formula by hand, unchecked",
            "none: it checks its arguments",
            True,
        )


def torch_step() -> Iterator[Row]:
    import torch_steps

    def emitted(name: str) -> ModuleType:
        return load("torch", name, GENERATED if name != "warmed_exponential" else Path(folder))

    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "warmed_exponential.toml")
        spec.write_text(torch_steps.PRODUCT, encoding="utf-8")
        run([*LRGEN, "build", str(spec), "--backend", "torch", "--out", folder])
        for plan, groups, tensor, found in torch_steps.measured(emitted, rounds=15):
            name = f"torch {plan.emitted}{', tensor lr' if tensor else ''}, {groups}"
            bare = "a bare fill_ loop" if tensor else "the bare loop"
            limit = 0.15 if tensor else 0.30
            yield ratio(name, found["ours"], found["peer"], plan.peer, limit)
            if tensor:
                yield ratio(name, found["ours"], found["bare"], bare, 1.0 if groups > 1 else None)
            else:
                yield ratio(name, found["ours"], found["bare"], bare, 2.0)
                same = f"{name}, one base rate"
                yield ratio(same, found["one base rate"], found["bare"], bare, 1.0)


def torch_compiled() -> Iterator[Row]:
    import torch_compiled as compiled

    for what, peer, ours, theirs in compiled.comparisons(lambda name: load("torch", name)):
        yield Row(
            f"torch compiled {what}, compilations",
            ours.compilations,
            theirs.compilations,
            peer,
            "at most 3, for two graph breaks of torch's own",
            ours.compilations <= 3,
            "compilations",
        )
        yield ratio(f"torch compiled {what}, an update", ours.seconds, theirs.seconds, peer, None)


def ratio(name: str, ours: float, peer: float, peer_is: str, limit: float | None) -> Row:
    """A row whose goal is a share of the peer's time, if it has one."""
    goal = "none" if limit is None else f"at most {limit:.2f} x"
    return Row(name, ours, peer, peer_is, goal, limit is None or ours <= limit * peer)


COMPARISONS = (start, build, many_specs, numpy_curve, python_call, torch_step, torch_compiled)


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


def run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def load(backend: str, name: str, folder: Path = GENERATED) -> ModuleType:
    path = folder / f"{backend}_schedules" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{backend}_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where torch.compile looks for what the module uses
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
