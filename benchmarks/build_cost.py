"""What ``lrgen build`` costs with many specs, and importing what it emits."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measure import GENERATED, LRGEN, Row, run

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
MOST = int(os.environ.get("LRGEN_BENCH_SPECS", "10000"))
LARGEST = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
IMPORTS = {"python": "math", "numpy": "numpy", "torch": "torch", "jax": "jax", "keras": "keras"}
IMPORTING = """
import importlib.util, json, sys, time
from pathlib import Path

def seconds(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    start = time.perf_counter()
    spec.loader.exec_module(module)
    return time.perf_counter() - start

paths = sorted(path for path in Path(sys.argv[1]).glob("*.py") if path.stem != "__init__")
start = time.perf_counter()
import {framework}
framework = time.perf_counter() - start
found = {{path.stem: min(seconds(path) for _ in range(5)) for path in paths}}
slowest = max(found, key=found.get)
print(json.dumps([slowest, found[slowest], framework]))
"""


def many_specs(most: int = MOST) -> Iterator[Row]:
    """``LRGEN_BENCH_SPECS=1000`` builds so many, which takes a tenth of the time."""
    first = None
    for count in (most // 4, most):
        with tempfile.TemporaryDirectory() as folder:
            specs = Path(folder, "specs")
            specs.mkdir()
            for number in range(1, count + 1):
                name = f"warmup_{number}"
                text = SPEC.format(name=name, number=number)
                (specs / f"{name}.toml").write_text(text, encoding="utf-8")
            command = [*LRGEN, "build", str(specs), "--out", f"{folder}/out"]
            fresh, each, printed = timed([sys.executable, "-c", LARGEST, *command])
            each, largest = each / count, int(printed.splitlines()[-1]) / 1024
            again = min(timed(command)[0] for _ in range(3))
        first = first or each
        yield Row(
            f"build of {count:,} specs, processor time per spec",
            each,
            first,
            f"the same for {most // 4:,}",
            "linear: at most 1.2 x",
            each <= 1.2 * first,
            note=f"{fresh:.1f} s by the clock with {os.cpu_count()} processors",
        )
    yield Row(
        f"build of {count:,} specs, with nothing changed",
        again,
        fresh,
        "the first build",
        "at most 2 s",
        again <= 2.0,
    )
    # What the processes share is counted for each, so this is too much rather than too little.
    processes = 1 + (os.cpu_count() or 1)
    yield Row(
        f"build of {count:,} specs, memory",
        processes * largest,
        largest,
        "the largest process",
        "below 1,000 MB",
        processes * largest < 1_000,
        unit="MB",
        note=f"the largest of {processes} processes, times their number",
    )


def timed(command: list[str]) -> tuple[float, float, str]:
    """Seconds by the clock, and of processor time; and what the command prints."""
    before, start = os.times(), time.perf_counter()
    printed = run(command)
    spent, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system
    return spent, used - before.children_user - before.children_system, printed


def emitted_imports() -> Iterator[Row]:
    """The slowest module of each package, after the framework has been imported; compiled to byte
    code before, as at every start of a program but the first."""
    for package, framework in IMPORTS.items():
        code = IMPORTING.format(framework=framework)
        folder = str(GENERATED / f"{package}_schedules")
        with tempfile.TemporaryDirectory() as cache:
            kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": cache}
            command = [sys.executable, "-c", code, folder]
            printed = run(command, KERAS_BACKEND="jax", **kept)
        slowest, ours, theirs = json.loads(printed.splitlines()[-1])
        yield Row(
            f"import of an emitted module, {package}",
            ours,
            max(theirs, 1e-9),
            f"importing {framework} itself",
            "at most 5 ms",
            ours <= 5e-3,
            note=f"the slowest: {slowest}",
        )


COMPARISONS = (emitted_imports, many_specs)
