"""What the tests of a library share: common draws, curves held to it, and how it is called."""

from __future__ import annotations

import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import peers
from numpy.typing import ArrayLike
from peers import Deviation, Draw, Parameters

from lrgen import catalogue
from lrgen.document import read_source

STEPS = 160
DRAWS = 25
MANY = 400
METRICS = 60

Curve = Callable[[str, Parameters, Sequence[int]], ArrayLike]
Trace = Callable[[str, Parameters, Sequence[float]], ArrayLike]


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-6, 1)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 60)]))


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, 0.999, source.random()])


@cache
def cycle_starts(first: int, growth: float, last: int) -> list[int]:
    """The first steps of growing cycles, up to ``last``."""
    found, start, wide = [], Fraction(0), Fraction(first)
    while start <= last:
        found.append(math.ceil(start))
        start, wide = start + wide, wide * Fraction(str(growth))
    return found


def metrics(source: Random, count: int = METRICS) -> list[float]:
    """Observations that stay, improve a little or a lot, and now and then are no number."""
    found, level = [], source.choice([1.0, 0.0, -1.0])
    for _ in range(count):
        level += source.choice([0.0, 0.0, -0.25, 0.25, source.gauss(0, 1e-4), source.gauss(0, 1)])
        odd = source.random()
        found.append(math.nan if odd < 0.03 else math.inf if odd < 0.04 else level)
    return found


def hold(
    dialect: str,
    draw: Draw,
    curve: Curve,
    count: int = DRAWS,
    steps: Callable[[Parameters], Sequence[int]] = lambda _: range(STEPS),
    **tolerance: float,
) -> None:
    """The dialect gives what ``curve`` says of its library, over ``count`` draws."""
    name = dialect.partition("/")[2]
    for parameters in peers.draws(dialect, draw, count):
        at = steps(parameters)
        theirs = np.asarray(curve(name, parameters, at), np.float64)
        peers.assert_same(dialect, parameters, theirs, at, **tolerance)


def hold_trace(
    dialect: str, draw: Draw, trace: Trace, count: int = DRAWS, **tolerance: float
) -> None:
    """The same of a dialect that observes a metric."""
    source = Random("metrics")
    name = dialect.partition("/")[2]
    for parameters in peers.draws(dialect, draw, count):
        seen = metrics(source)
        theirs = np.asarray(trace(name, parameters, seen), np.float64)
        peers.assert_same_trace(dialect, parameters, seen, theirs, **tolerance)


def deviates(
    deviation: Deviation, curve: Curve, trace: Trace | None = None, relative: float = 1e-12
) -> bool:
    """Whether the library and the dialect differ at the place that the entry names."""
    name = deviation.schedule.partition("/")[2]
    bound = peers.bound(deviation.schedule, deviation.set)
    if deviation.metrics and trace is not None:
        seen = list(deviation.metrics)
        ours = bound.trace(seen)[deviation.step]
        theirs = np.asarray(trace(name, deviation.set, seen))[deviation.step]
    else:
        ours = bound(deviation.step)
        theirs = np.asarray(curve(name, deviation.set, range(deviation.step + 1)))[-1]
    return bool(not abs(ours - theirs) <= relative * abs(ours))


def files(package: str, *parts: str) -> list[Path]:
    """Where a file of ``package`` is on the path; the package itself is not imported."""
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations or []) if found else []
    return [file for folder in folders if (file := Path(folder, *parts)).exists()]


def load_alone(file: Path, stands: Mapping[str, Mapping[str, Any]]) -> Any:
    """The module in ``file``, with ``stands`` in place of what it imports of its own package."""
    kept = {name: sys.modules[name] for name in stands if name in sys.modules}
    for name, entries in stands.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(entries)
    name = f"{file.stem}_alone"
    try:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        for stand in [*stands, name]:
            sys.modules.pop(stand, None)
        sys.modules.update(kept)


def dialects(library: str) -> set[str]:
    """The names of the dialects of ``library``, without its own."""
    return {name.partition("/")[2] for name in catalogue.dialects(library)}


def written(dialect: str) -> inspect.Signature:
    """The signature that ``[call]`` of the dialect gives."""
    path = catalogue.dialects()[dialect]
    call = read_source(path, str(path)).document.call
    assert call is not None, f"{dialect} has no [call]"
    scope: dict[str, Any] = {}
    exec(f"def called({call.signature}): ...", scope)
    return inspect.signature(scope["called"])


def assert_called_as(
    dialect: str, *functions: Callable[..., Any], without: Collection[str] = ()
) -> None:
    """``[call]`` says the signature of the library, and the spec has its defaults.

    Args:
        dialect: As ``paddle/StepDecay``.
        functions: The library's own; keywords that the first passes on are those of the next.
        without: Parameters whose default the library itself refuses.
    """
    theirs: dict[str, inspect.Parameter] = {}
    for function in functions:
        for key, entry in inspect.signature(function).parameters.items():
            theirs.setdefault(key, entry)
    if len(functions) > 1:
        theirs.pop("kwargs")
    ours = written(dialect).parameters
    shapes = {key: (entry.kind, entry.default) for key, entry in ours.items()}

    named = {key: (e.kind, e.default) for key, e in theirs.items()}
    assert list(named.items()) == list(shapes.items()), f"{dialect}: {named} against {shapes}"
    for name, parameter in peers.loaded(dialect).parameters.items():
        default = ours[name].default if name in ours else None
        if default not in (inspect.Parameter.empty, None) and name not in without:
            assert default == parameter.default, f"{dialect}: {name} is {default} by default"
