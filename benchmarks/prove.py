"""How long lrgen thinks about a spec: CPU seconds of each stage, and of the slowest specs.

    python benchmarks/prove.py [--slowest N] [NAME ...]

All specs of the catalogue and all dialects, unless some are named. Each spec goes through the whole
pipeline for every backend. Times are CPU seconds of this process; they are also given as a ratio to
importing sympy in a fresh process of the same minutes, which a slow or busy machine slows as well.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from lrgen.backends import BACKENDS
from lrgen.catalogue import catalogue, dialects, find
from lrgen.pipeline import library, proved, sampled
from lrgen.recheck import recheck
from lrgen.recheck_traces import recheck_traces
from lrgen.render import render
from lrgen.rewrite import facts_of, piece_facts, rewrite
from lrgen.schedule import Schedule
from lrgen.vectors import Vectors

STAGES = ("prove", "sample", "rewrite", "recheck", "render")
PEER_RUNS = 3
Result = TypeVar("Result")


@dataclass(slots=True)
class Spent:
    """CPU seconds of one spec by stage."""

    name: str
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def whole(self) -> float:
        return sum(self.seconds.values())

    def time(self, stage: str, work: Callable[[], Result]) -> Result:
        before = time.process_time()
        result = work()
        self.seconds[stage] = time.process_time() - before
        return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="specs, as `lrgen show` takes them"
    )
    parser.add_argument("--slowest", type=int, default=10, help="how many are shown (default: 10)")
    arguments = parser.parse_args()

    names = arguments.names or [*catalogue(), *dialects()]
    spent = []
    for name in names:
        specs, (own,) = library(find([name]))
        spent.append(through(name, specs.schedule(own)))
    peer = statistics.median(importing_sympy() for _ in range(PEER_RUNS))

    print(f"{'CPU seconds':40} {'all':>7} " + " ".join(f"{stage:>7}" for stage in STAGES))
    for one in sorted(spent, key=lambda one: -one.whole)[: arguments.slowest]:
        print(line(one))
    everything = Spent(f"all {len(spent)}")
    for stage in STAGES:
        everything.seconds[stage] = sum(one.seconds[stage] for one in spent)
    print(line(everything))
    slowest = max(one.whole for one in spent)
    print(f"importing sympy: {peer:.2f}; the slowest spec takes {slowest / peer:.1f} times that")
    return 0


def through(name: str, schedule: Schedule) -> Spent:
    """One resolved spec through every stage behind the first."""
    spent = Spent(name)
    held = spent.time("prove", lambda: proved(schedule))
    vectors = spent.time("sample", lambda: sampled(held))
    written = spent.time("rewrite", lambda: rewrite(held))

    def check() -> None:
        if isinstance(vectors, Vectors):
            recheck(held, written, vectors)
        else:
            recheck_traces(held, written, vectors)

    def emit() -> None:
        facts, always = piece_facts(written), facts_of(written)
        for backend in BACKENDS.values():
            render(written, backend, facts, always)

    spent.time("recheck", check)
    spent.time("render", emit)
    return spent


def importing_sympy() -> float:
    """CPU seconds of a fresh Python that imports sympy and does nothing else."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import sympy"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def line(spent: Spent) -> str:
    stages = " ".join(f"{spent.seconds[stage]:7.2f}" for stage in STAGES)
    return f"{spent.name:40} {spent.whole:7.2f} {stages}"


if __name__ == "__main__":
    sys.exit(main())
