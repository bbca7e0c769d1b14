"""What is expected: rows of the vector files, and a sweep of steps in NumPy on the CPU."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int64]
Bits = NDArray[np.uint32]

DEFAULT_ULPS = 8
"""Units in the last place of binary64 that a schedule may be off where its spec says no other."""

BEYOND = {"float32_steps", "int32_steps", "binary64_steps"}
"""Flags of rows that lie far past the end of a schedule."""

NEAR = 24
"""How many updates on each side of a row belong to the sweep: rows stand at boundaries."""

FARTHEST = 2**53 + NEAR
"""Last step of a sweep; farther out are rows alone."""

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Curve:
    """One set of parameters of a schedule of the step.

    Attributes:
        steps: Those of the rows, then those of the sweep.
        bits: Of the float32 that is expected at each of them.
        rows: How many of them are rows of the vector file.
        exact: Decimal value at each row.
    """

    schedule: str
    name: str
    parameters: Mapping[str, Any]
    steps: Steps
    bits: Bits
    rows: int
    exact: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """One set of parameters of a schedule that remembers, on one trace of metrics.

    Attributes:
        metrics: What is observed before each row; None where nothing is.
        steps: The update whose rate a row is; None where the rate has no step.
        bits: Of the float32 that is expected in each row.
        exact: Decimal value in each row.
    """

    schedule: str
    name: str
    parameters: Mapping[str, Any]
    metrics: tuple[float | None, ...]
    steps: tuple[int, ...] | None
    bits: Bits
    exact: tuple[str, ...]

    @property
    def rows(self) -> int:
        return len(self.bits)


Case = Curve | Trace

Found = tuple[Case, Any, Any]
"""A case, its rates as float32, and its rates as binary64 where the way gives them."""


class NothingToRun(Exception):
    """A framework has nothing for this schedule, by what was decided when it was emitted."""


def class_name(schedule: str) -> str:
    """``cosine_warmup`` as ``CosineWarmup``."""
    return re.sub(r"(?:^|_)(\w)", lambda match: match[1].upper(), schedule)


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the emitted modules and the specs lie."""

    generated: Path
    specs: Path

    def schedules(self) -> list[str]:
        """Names of all schedules that have a vector file."""
        return sorted(path.stem for path in (self.generated / "vectors").glob("*.json"))

    def module(self, backend: str, schedule: str) -> ModuleType:
        """Import one emitted module from its file, as someone who copied it away would."""
        path = self.generated / f"{backend}_schedules" / f"{schedule}.py"
        spec = importlib.util.spec_from_file_location(
            f"on_device_{backend}_{schedule}_{next(_numbers)}", path
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # pickle and inspect look classes up by their module
        spec.loader.exec_module(module)
        return module

    def ulps(self, schedule: str) -> int:
        """How far off the exact value a schedule's binary64 may be."""
        path = self.specs / f"{schedule}.toml"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        ulps: int = tomllib.loads(text).get("accuracy", {}).get("ulps", DEFAULT_ULPS)
        return ulps

    def remembers(self, schedule: str) -> bool:
        """Whether a schedule observes a metric: its cases are traces, not curves."""
        return "observes" in self._vectors(schedule)

    def counts(self, schedule: str) -> tuple[int, int]:
        """How many sets of parameters and how many rows the vector file has."""
        cases = self._vectors(schedule)["cases"]
        return len(cases), sum(len(case["rows"]) for case in cases)

    def cases(self, schedule: str, steps: int) -> list[Case]:
        """All cases of a schedule, a curve with ``steps`` steps: its rows and a sweep."""
        vectors = self._vectors(schedule)
        if "observes" in vectors:
            return [_trace(schedule, case) for case in vectors["cases"]]
        function = getattr(self.module("numpy", schedule), schedule)
        return [_curve(schedule, case, function, steps) for case in vectors["cases"]]

    def _vectors(self, schedule: str) -> dict[str, Any]:
        path = self.generated / "vectors" / f"{schedule}.json"
        vectors: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return vectors


def _trace(schedule: str, case: Mapping[str, Any]) -> Trace:
    rows = case["rows"]
    return Trace(
        schedule,
        case["name"],
        case["parameters"],
        tuple(None if row["metric"] is None else float(row["metric"]) for row in rows),
        tuple(row["step"] for row in rows) if "step" in rows[0] else None,
        _bits(rows),
        tuple(row["exact"] for row in rows),
    )


def _curve(schedule: str, case: Mapping[str, Any], function: Any, steps: int) -> Curve:
    rows = case["rows"]
    own = np.array([row["step"] for row in rows], np.int64)
    end = max(row["step"] for row in rows if row["flag"] not in BEYOND)
    swept = sweep(own, end, steps - len(own))
    expected = function(swept, **case["parameters"]).astype(np.float32).view(np.uint32)
    return Curve(
        schedule,
        case["name"],
        case["parameters"],
        np.concatenate([own, swept]),
        np.concatenate([_bits(rows), expected]),
        len(own),
        tuple(row["exact"] for row in rows),
    )


def _bits(rows: list[dict[str, Any]]) -> Bits:
    return np.array([int(row["bits"], 16) for row in rows], np.uint32)


def sweep(rows: Steps, end: int, count: int) -> Steps:
    """``count`` steps: those beside ``rows``, the first ones, and others up to past the ``end``."""
    beside = (rows[:, None] + np.arange(-NEAR, NEAR + 1)).ravel()
    beside = np.unique(beside[(beside >= 0) & (beside <= FARTHEST)])[: max(count, 0)]
    left = count - len(beside)
    first = np.arange(left // 2, dtype=np.int64)
    # As integers: a step in float64 would be another one beyond 2**53.
    spread = max(left - len(first), 1)
    others = [min(end + end // 4 + 1, FARTHEST) * k // spread for k in range(left - len(first))]
    return np.concatenate([beside, first, np.array(others, np.int64)])
