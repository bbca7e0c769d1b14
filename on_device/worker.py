"""One part: ``python -m on_device.worker PART DEVICE ...``, one line of JSON for each schedule."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .cases import Checkout, NothingToRun
from .judge import Tally
from .machine import versions
from .parts import PARTS, Part


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("part", choices=[part.name for part in PARTS])
    reader.add_argument("device")
    reader.add_argument("--generated", type=Path, required=True)
    reader.add_argument("--specs", type=Path, required=True)
    reader.add_argument("--steps", type=int, required=True)
    reader.add_argument("--seconds", type=float, required=True)
    reader.add_argument("schedules", nargs="+")
    chosen = reader.parse_args()
    started = time.monotonic()
    part = next(one for one in PARTS if one.name == chosen.part)
    lines, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no result

    def say(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=lines, flush=True)

    ways = importlib.import_module(f".{part.module}", __package__)
    say({"device": ways.device_name(chosen.device), "versions": versions(part.needs)})
    checkout = Checkout(chosen.generated, chosen.specs)
    tally = Tally()
    for schedule in chosen.schedules:
        if time.monotonic() - started > chosen.seconds:
            break
        error = run(checkout, part, ways, schedule, chosen, tally)
        say({"schedule": schedule, "error": error, "tally": asdict(tally)})
    say({"ended": True})


def run(checkout: Checkout, part: Part, ways: Any, schedule: str, chosen: Any, tally: Tally) -> str:
    """Compare one schedule; what went wrong, in one line, or nothing."""
    before = tally.sets
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cases = checkout.cases(schedule, chosen.steps)
            module = checkout.module(part.emitted, schedule)
            for case, rates, exactly in ways.WAYS[part.way](module, cases, chosen.device):
                tally.count(case, rates, flush=part.flushes)
                if exactly is not None:
                    tally.measure(case, exactly, checkout.ulps(schedule))
        if tally.sets - before != len(cases):
            return f"{tally.sets - before} of {len(cases)} sets of parameters were run"
    except NothingToRun:
        tally.without += 1
        return ""
    except Exception as error:  # of whatever library: this schedule's failure, the next goes on
        first = re.sub(r"0x[0-9a-f]+", "0x...", str(error).strip().partition("\n")[0])
        return f"{type(error).__name__}: {first}"[:300]
    tally.schedules += 1
    return ""


if __name__ == "__main__":
    main()
