"""Start the parts, stop those that take too long, write the report."""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import machine, report
from .cases import Checkout
from .parts import PARTS, Part, environment
from .report import Outcome, Run

REPOSITORY = Path(__file__).resolve().parents[1]
GRACE = 20.0
"""Seconds that a part may go on with the schedule it is at when its time is up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 where all that was run is equal, 1 where not, 2 for wrong usage."""
    chosen = _read(arguments)
    with tempfile.TemporaryDirectory() as folder:
        unpacked = unpack(chosen.wheels, Path(folder)) if chosen.wheels else None
        run = Session(chosen, unpacked).run()
    stem = machine.slug(run.device) if chosen.device == "cuda" else "cpu"
    for path in report.write(run, chosen.out, stem):
        print(path)
    print(run.result)
    return 1 if run.failed else 0


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    reader = argparse.ArgumentParser(
        prog="python -m on_device",
        description="Hold the emitted modules, run on a device, to the float32 of the CPU.",
    )
    names = [part.name for part in PARTS]
    add = reader.add_argument
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--part", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    add("--schedule", nargs="+", metavar="NAME", help="those alone; default: all")
    add("--steps", type=int, default=8192, help="of each set of parameters, its rows among them")
    add("--seconds", type=float, default=420.0, help="for everything; what is over is left out")
    add("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 3), help="parts at a time")
    add("--wheels", type=Path, help="a folder of wheels to unpack, for what is not installed")
    add("--generated", type=Path, default=REPOSITORY / "generated")
    add("--out", type=Path, default=REPOSITORY / "docs" / "conformance")
    chosen = reader.parse_args(arguments)
    checkout = Checkout(chosen.generated, REPOSITORY / "spec" / "schedules")
    known = checkout.schedules()
    for name in chosen.schedule or []:
        if name not in known:
            reader.error(f"--schedule: {chosen.generated} has no vectors of {name!r}")
    if not known:
        reader.error(f"--generated: no vectors in {chosen.generated}: run `lrgen build`")
    if chosen.wheels and not list(chosen.wheels.glob("*.whl")):
        reader.error(f"--wheels: no wheel in {chosen.wheels}")
    if min(chosen.steps, chosen.jobs, chosen.seconds) <= 0:
        reader.error("--steps, --jobs and --seconds must be more than 0")
    chosen.checkout = checkout
    chosen.schedules = sorted(chosen.schedule or known)
    return chosen


def unpack(wheels: Path, folder: Path) -> Path:
    """The contents of all wheels in ``folder``: a wheel is an archive of what is imported."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def share(weights: Sequence[int], jobs: int) -> float:
    """Which part of the time left is for the first of ``weights``, with ``jobs`` at a time."""
    return weights[0] / max(weights[0], math.ceil(sum(weights) / jobs))


@dataclass(slots=True)
class Session:
    """The parts of one run, and where they find what they need.

    Attributes:
        chosen: What was asked for.
        unpacked: Folder of unpacked wheels, behind what is installed.
    """

    chosen: argparse.Namespace
    unpacked: Path | None

    def run(self) -> Run:
        """Every part that was asked for, and what they came to."""
        chosen = self.chosen
        self._say(f"{len(chosen.schedules)} schedules, up to {chosen.seconds:.0f} s")
        outcomes = [
            Outcome(part, [name for name in chosen.schedules if self._is_for(part, name)])
            for part in PARTS
            if part.name in chosen.part
        ]
        for outcome in outcomes:
            outcome.left_out = self._reason_against(outcome)
        waiting = [outcome for outcome in outcomes if not outcome.left_out]
        ends = time.monotonic() + chosen.seconds
        weights = [outcome.part.weight for outcome in waiting]

        def one(number: int) -> None:
            # What the parts before it left of their shares is there for this one.
            part = share(weights[number:], chosen.jobs)
            self._run_part(waiting[number], max((ends - time.monotonic() - GRACE) * part, 1.0))

        with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
            list(pool.map(one, range(len(waiting))))
        return self._gather(outcomes)

    def _is_for(self, part: Part, schedule: str) -> bool:
        return part.traces or not self.chosen.checkout.remembers(schedule)

    def _reason_against(self, outcome: Outcome) -> str:
        if outcome.part.cuda_only and self.chosen.device == "cpu":
            return "there is no such thing on a CPU."
        if not outcome.schedules:
            return "none of the schedules can be called so."
        lacking = [name for name in outcome.part.needs if not self._is_there(name)]
        return f"{' and '.join(lacking)} not installed here." if lacking else ""

    def _is_there(self, library: str) -> bool:
        if self.unpacked and (self.unpacked / library).is_dir():
            return True
        return importlib.util.find_spec(library) is not None

    def _run_part(self, outcome: Outcome, seconds: float) -> None:
        """Start a part, and take in what it says until it ends or its time is up."""
        chosen, part = self.chosen, outcome.part
        command = [sys.executable, "-m", "on_device.worker", part.name, chosen.device]
        command += ["--generated", str(chosen.generated), "--specs", str(chosen.checkout.specs)]
        command += ["--steps", str(chosen.steps), "--seconds", str(seconds), *outcome.schedules]
        folders = [str(REPOSITORY), os.environ.get("PYTHONPATH", ""), str(self.unpacked or "")]
        path = os.pathsep.join(folder for folder in folders if folder)
        with tempfile.TemporaryFile("w+") as complaints:
            process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": path, **environment(part, chosen.device)},
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )
            guard = threading.Timer(seconds + GRACE, process.kill)
            guard.start()
            assert process.stdout is not None
            ended = False
            started = shown = time.monotonic()
            for text in process.stdout:
                line = json.loads(text)
                ended = ended or "ended" in line
                self._take(outcome, line)
                if time.monotonic() - shown > 10:
                    shown = time.monotonic()
                    self._progress(outcome)
            status = process.wait()
            guard.cancel()
            complaints.seek(0)
            self._close(outcome, ended, status, time.monotonic() - started < seconds, complaints)
        self._progress(outcome)

    def _take(self, outcome: Outcome, line: dict[str, Any]) -> None:
        if "schedule" in line:
            outcome.reported.append(line["schedule"])
            outcome.tally = line["tally"]
            if line["error"]:
                outcome.errors[line["schedule"]] = line["error"]
        elif "device" in line:
            outcome.device = line["device"]
            outcome.versions = line["versions"]

    def _close(
        self, outcome: Outcome, ended: bool, status: int, in_time: bool, complaints: Any
    ) -> None:
        over = outcome.schedules[len(outcome.reported) :]
        if not ended and in_time:
            said = [text for text in complaints.read().splitlines() if text.strip()]
            outcome.errors[""] = (said or [f"ended with status {status}"])[-1][:300]
        elif over:
            outcome.left_out = (
                f"{len(over)} of {len(outcome.schedules)} schedules, for want of time: "
                f"{', '.join(over)}."
            )

    def _progress(self, outcome: Outcome) -> None:
        done = f"{len(outcome.reported)} of {len(outcome.schedules)} schedules"
        self._say(f"{outcome.part.name}: {done}, {outcome.result}")

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _gather(self, outcomes: Sequence[Outcome]) -> Run:
        chosen = self.chosen
        names = [outcome.device for outcome in outcomes if outcome.device]
        name = names[0] if names else "CPU" if chosen.device == "cpu" else "no device"
        facts = {"processor": machine.processor()}
        if chosen.device == "cuda":
            facts["driver"] = machine.driver() or "unknown"
        for outcome in outcomes:
            facts |= outcome.versions
        counts = [chosen.checkout.counts(schedule) for schedule in chosen.schedules]
        asked = {
            "schedules": len(counts),
            "sets of parameters": sum(sets for sets, _ in counts),
            "rows": sum(rows for _, rows in counts),
        }
        return Run(name, chosen.device == "cuda", facts, asked, outcomes)


if __name__ == "__main__":
    sys.exit(main())
