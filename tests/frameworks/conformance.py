"""What emitted code is held to: the exact values of the vector files.

Each ``check_...`` raises ``AssertionError`` with the schedule, the case and the step that differ,
so that the tests call it on the emitted modules and, with the modules broken, expect it to fail.
A runner computes the rates of one module: ``runner(parameters, steps) -> array``.
"""

import functools
import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from emitted import generated_folder
from numpy.typing import NDArray

Runner = Callable[[Mapping[str, Any], NDArray[np.int64]], Any]

SPECS = Path(__file__).parents[2] / "spec" / "schedules"
# A schedule that observes a metric has traces instead of a curve: see traces.py.
OBSERVERS = sorted(
    path.stem for path in SPECS.glob("*.toml") if "observes" in tomllib.loads(path.read_text())
)
NAMES = sorted(path.stem for path in SPECS.glob("*.toml") if path.stem not in OBSERVERS)
DEFAULT_ULPS = 8
SMALLEST_NORMAL = 2.0**-1022
SMALLEST_NORMAL_BITS = 0x00800000
FARTHEST_INT32 = 2**31 - 1


@dataclass(frozen=True)
class Case:
    """One set of parameters, with exact values and the float32 next to each of them."""

    schedule: str
    name: str
    parameters: Mapping[str, Any]
    steps: NDArray[np.int64]
    exact: Sequence[Fraction]
    bits: NDArray[np.uint32]

    def until(self, farthest: int) -> "Case":
        """The rows of steps that are at most ``farthest``."""
        kept = self.steps <= farthest
        exact = [value for value, keep in zip(self.exact, kept, strict=True) if keep]
        return Case(
            self.schedule, self.name, self.parameters, self.steps[kept], exact, self.bits[kept]
        )


@functools.cache
def cases(name: str) -> tuple[Case, ...]:
    """All cases of the vector file of schedule ``name``."""
    path = generated_folder() / "vectors" / f"{name}.json"
    return tuple(
        Case(
            name,
            case["name"],
            case["parameters"],
            np.array([row["step"] for row in case["rows"]], np.int64),
            tuple(exact_value(row["exact"]) for row in case["rows"]),
            np.array([int(row["bits"], 16) for row in case["rows"]], np.uint32),
        )
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
    )


def exact_value(text: str) -> Fraction:
    """A decimal as a fraction; what is far below the least binary64 counts as 1e-400, since
    1e-4000000000 would be a fraction of a gigabyte."""
    _, _, exponent = text.partition("e")
    return Fraction(10) ** -400 if int(exponent or 0) < -400 else Fraction(text)


def _fraction(decimal: str) -> Fraction:
    # Far below the least binary64, a value is as good as 0, and its denominator fills the memory.
    exponent = int(decimal.partition("e")[2] or 0)
    return Fraction(0) if exponent < -1_000 else Fraction(decimal)


@functools.cache
def spec(name: str) -> Mapping[str, Any]:
    """The author's file, as TOML reads it."""
    return tomllib.loads((SPECS / f"{name}.toml").read_text(encoding="utf-8"))


def budget(name: str) -> int:
    """How many units in the last place of binary64 schedule ``name`` may be off."""
    ulps: int = spec(name).get("accuracy", {}).get("ulps", DEFAULT_ULPS)
    return ulps


def parameters_of_type(name: str, *types: str) -> list[str]:
    """Names of the parameters that have one of ``types``."""
    parameters = spec(name)["parameters"]
    return [key for key, value in parameters.items() if value["type"] in types]


TABLE_PARAMETERS = {"first_steps", "first_epochs", "growth", "parts"}
"""What the tables of growing cycles are made of: in JAX these may be no arrays."""


def tables_of(name: str) -> list[str]:
    """Names of the parameters that tables of cycles are made of."""
    formulas = [*spec(name).get("let", {}).values(), spec(name).get("value") or ""]
    cycles = any("cycle(" in formula for formula in formulas)
    return [key for key in spec(name)["parameters"] if cycles and key in TABLE_PARAMETERS]


def arrays_of_type(name: str, *types: str) -> list[str]:
    """As :func:`parameters_of_type`, lists of them included, but for those of tables."""
    found = parameters_of_type(name, *types, *(f"{one}[]" for one in types))
    return [key for key in found if key not in tables_of(name)]


def class_name(name: str) -> str:
    """``cosine_warmup`` as ``CosineWarmup``."""
    return re.sub(r"(?:^|_)(\w)", lambda match: match[1].upper(), name)


def ulps_off(found: float, exact: Fraction) -> float:
    """How many units in the last place of binary64 lie between a value and the exact one."""
    if not math.isfinite(found):
        return math.inf
    unit = math.ulp(max(abs(float(exact)), SMALLEST_NORMAL))
    return float(abs(Fraction(found) - exact) / Fraction(unit))


def check_binary64(case: Case, runner: Runner) -> float:
    """Every row within the budget of its schedule; the worst distance, in ulps."""
    found = np.asarray(runner(case.parameters, case.steps))

    assert np.float64 == found.dtype
    assert case.steps.shape == found.shape

    off = [ulps_off(float(x), y) for x, y in zip(found, case.exact, strict=True)]
    assert [] == [
        f"{case.schedule} {case.name}: {x:.3g} ulp off at step {step}, {value!r}"
        for x, step, value in zip(off, case.steps, found, strict=True)
        if x > budget(case.schedule)
    ]
    return max(off, default=0.0)


def check_float32(case: Case, runner: Runner) -> int:
    """Every row equal to the exact value rounded once; how many there are."""
    return check_bits(case, runner(case.parameters, case.steps))


def check_bits(case: Case, rates: Any) -> int:
    """As :func:`check_float32`, for rates that are there already."""
    found = np.asarray(rates)

    assert np.float32 == found.dtype
    assert case.steps.shape == found.shape

    wrong = found.view(np.uint32) != case.bits
    expected = case.bits.view(np.float32)
    assert [] == [
        f"{case.schedule} {case.name}: step {case.steps[k]}, {expected[k]!r} != {found[k]!r}"
        for k in np.flatnonzero(wrong)
    ]
    return len(found)


def check_flushed(case: Case, rates: Any) -> int:
    """As :func:`check_bits`, where float32 below the least normal one may come out as 0."""
    found = np.asarray(rates)
    bits = case.bits.copy()
    small = (bits & 0x7FFFFFFF) < SMALLEST_NORMAL_BITS
    bits[small & (found == 0)] = 0
    expected = Case(case.schedule, case.name, case.parameters, case.steps, case.exact, bits)
    return check_bits(expected, found)


def check_all_float32(name: str, runner: Runner, farthest: int = 2**63 - 1) -> int:
    """:func:`check_float32` for all cases; how many rows there are."""
    return sum(check_float32(case.until(farthest), runner) for case in cases(name))


def check_all_binary64(name: str, runner: Runner) -> float:
    """:func:`check_binary64` for all cases; the worst distance, in ulps."""
    return max(check_binary64(case, runner) for case in cases(name))


def check_applied(expected: Sequence[float], weights_after: Callable[[], Sequence[float]]) -> None:
    """With a gradient of 1 and weights of 0 before each update, the weights are minus the rate."""
    applied = [-float(weight) for weight in weights_after()]

    assert list(expected) == applied


def padded(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """``steps``, the last of them repeated up to the next multiple of 64.

    JAX compiles each operator for each shape: with few shapes it is done five times as fast.
    """
    return np.pad(steps, (0, -len(steps) % 64), mode="edge")


# --- runners --------------------------------------------------------------------------------------


def python_runner(module: ModuleType, name: str) -> Runner:
    """Plain Python, one step at a time."""
    function = getattr(module, name)

    def run(parameters: Mapping[str, Any], steps: NDArray[np.int64]) -> NDArray[np.float64]:
        rates = [function(int(step), **parameters) for step in steps]
        assert all(type(rate) is float for rate in rates), f"{name} returns {set(map(type, rates))}"
        return np.array(rates, np.float64)

    return run


def numpy_runner(module: ModuleType, name: str) -> Runner:
    """NumPy, all steps at once, where every warning is an error."""
    function = getattr(module, name)

    def run(parameters: Mapping[str, Any], steps: NDArray[np.int64]) -> Any:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            return function(steps, **parameters)

    return run


def torch_runner(
    module: ModuleType, name: str, device: str = "cpu", double: bool = False, function: Any = None
) -> Runner:
    """A torch function, all steps at once."""
    import torch

    function = function or getattr(module, name)
    dtype = torch.float64 if double else torch.float32

    def run(parameters: Mapping[str, Any], steps: NDArray[np.int64]) -> Any:
        rates = function(torch.from_numpy(steps).to(device), **parameters, dtype=dtype)
        assert device == rates.device.type
        return rates.cpu().numpy()

    return run


def jax_runner(
    module: ModuleType, name: str, transform: Callable[[Any], Any] = lambda f: f, **options: Any
) -> Runner:
    """A JAX schedule after ``transform``, all steps at once."""
    factory = getattr(module, name)

    def run(parameters: Mapping[str, Any], steps: NDArray[np.int64]) -> Any:
        rates = transform(factory(**parameters, **options))(padded(steps))
        return np.asarray(rates)[: len(steps)]

    return run


def keras_runner(module: ModuleType, name: str) -> Runner:
    """A Keras schedule on the backend of this process, all steps at once."""
    import keras

    def run(parameters: Mapping[str, Any], steps: NDArray[np.int64]) -> Any:
        schedule = getattr(module, class_name(name))(**parameters)
        return keras.ops.convert_to_numpy(schedule(padded(steps)))[: len(steps)]

    return run


def float32_of(runner: Runner) -> Runner:
    """The rates of a binary64 runner, rounded once."""
    return lambda parameters, steps: np.asarray(runner(parameters, steps)).astype(np.float32)
