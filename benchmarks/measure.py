"""How one comparison is measured, and the row that it makes."""

from __future__ import annotations

import gc
import importlib.util
import os
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).parents[1]
GENERATED = Path(os.environ.get("LRGEN_GENERATED", REPOSITORY / "generated"))
LRGEN = [sys.executable, "-m", "lrgen"]
SECONDS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: what a single run of each takes, in seconds unless ``unit`` says what else.

    Attributes:
        floor: What no implementation could go below, where that is known.
        note: How it was measured where that is not plain, and why a goal is missed.
    """

    name: str
    ours: float
    peer: float
    peer_is: str
    goal: str
    reached: bool
    unit: str = "s"
    floor: float | None = None
    floor_is: str = ""
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.peer


def line(row: Row) -> str:
    """``row`` as the table shows it."""
    ours, peer = shown(row.ours, row.unit), shown(row.peer, row.unit)
    text = f"{row.name:52} {ours:>10} {peer:>10} {row.ratio:7.2f}  {row.goal} (peer: {row.peer_is})"
    if row.floor is not None:
        text += f" (floor: {shown(row.floor, row.unit)}, {row.floor_is})"
    if row.note:
        text += f" [{row.note}]"
    return text if row.reached else f"{text}  NOT REACHED"


def shown(value: float, unit: str) -> str:
    """Three digits and a unit."""
    if unit != "s":
        return f"{value:,.4g} {unit}".strip()
    name, size = next((pair for pair in SECONDS if value >= pair[1]), SECONDS[-1])
    return f"{value / size:.3g} {name}"


def groups_of(count: int) -> str:
    """``8 groups``."""
    return f"{count} group{'s' * (count > 1)}"


def fastest(
    contenders: Mapping[str, Callable[[], object] | timeit.Timer],
    *,
    rounds: int = 9,
    number: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Least seconds of one call of each, run by turns in batches of ``number``.

    Other programs only ever add to a time, so the least is what each takes by itself. What is too
    long to be left alone once is timed by ``clock=time.process_time``, which they lengthen less.
    """
    timers = {
        name: call if isinstance(call, timeit.Timer) else timeit.Timer(call, timer=clock)
        for name, call in contenders.items()
    }
    gc.collect()
    found = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, timer in timers.items():
            found[name] = min(found[name], timer.timeit(number) / number)
    return found


def run(command: list[str], **environment: str) -> str:
    """What ``command`` prints; the program ends where it fails."""
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def load(backend: str, name: str, folder: Path = GENERATED) -> ModuleType:
    """An emitted module below ``folder``, as someone who copied the one file away imports it."""
    path = folder / f"{backend}_schedules" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{backend}_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # torch.compile imports what it compiles by its name
    spec.loader.exec_module(module)
    return module
