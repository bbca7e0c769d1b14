"""Every dialect is ported from a pasted call: the same numbers, and code for every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lrgen
from lrgen import catalogue
from lrgen.backends import BACKENDS
from lrgen.bound import open_spec
from lrgen.document import Source
from lrgen.pipeline import read
from lrgen.porting.calls import signature
from lrgen.porting.pasted import Call

SOURCES: dict[str, Source] = {key: read(path) for key, path in catalogue.dialects().items()}
CALLED = [key for key, source in SOURCES.items() if source.document.call is not None]
FIRST = ("torch", "keras", "optax", "tensorflow", "transformers", "timm", "megatron")
# Arguments that the call itself wants, of those that no parameter is named after.
PAIRS = [(10, 0.5), (40, 0.1), (70, 0.2)]
MULTIPLIER = Call(
    "WarmupParamScheduler",
    (
        Call("MultiStepParamScheduler", ([1, 0.1, 0.01], 90_000, [60_000, 80_000])),
        0.001,
        0.01,
    ),
)
WANTED: dict[str, dict[str, Any]] = {
    "optax/sgdr_schedule": {
        "cosine_kwargs": [
            {"init_value": 0.0, "peak_value": 1e-3, "warmup_steps": 100, "decay_steps": 1_000},
            {"init_value": 0.0, "peak_value": 5e-4, "warmup_steps": 100, "decay_steps": 2_000},
        ]
    },
    "ignite/PiecewiseLinear": {"milestones_values": PAIRS},
    "ignite/PiecewiseLinearStateScheduler": {"milestones_values": PAIRS},
    "detectron2/LRMultiplier": {"multiplier": MULTIPLIER},
    "diffusers/piecewise_constant": {"step_rules": "1:10,0.1:20,0.01:30,0.005"},
}
FEW = ["torch/StepLR", "keras/CosineDecay", "optax/sgdr_schedule", "timm/CosineLRScheduler"]


def pasted(key: str) -> str:
    """A call of the dialect as its library wants it, with the dialect's own defaults."""
    source = SOURCES[key]
    how = source.document.call
    assert how is not None
    taken = signature(how.signature)
    arguments = dict(WANTED.get(key, {}))
    for name in taken.names:
        if name in taken.defaults or name in arguments:
            continue
        parameter = source.document.parameters.get(name)
        if parameter is None:
            about = (own for own, formula in how.given.items() if formula == name)
            parameter = source.document.parameters.get(next(about, ""))
        default = None if parameter is None else parameter.default
        back = {ours: theirs for theirs, ours in how.words.items()}
        arguments[name] = back.get(default, default) if isinstance(default, str) else default
    words = [f"{n}={n if v is None else written(v)}" for n, v in arguments.items()]
    return f"{how.paths[0]}({', '.join(words)})"


def written(value: Any) -> str:
    if not isinstance(value, Call):
        return repr(value)
    return f"{value.path}({', '.join(map(written, value.arguments))})"


def quantity(key: str) -> str:
    return SOURCES[key].document.name.partition(".")[2]


def steps(values: Any) -> list[int]:
    whole = [v for v in values.values() if isinstance(v, int) and not isinstance(v, bool)]
    return sorted({0, 1, 7, *(v + d for v in whole if 0 <= v < 10**6 for d in (0, 1)), 10**5})


@pytest.mark.parametrize("key", CALLED)
def test_a_pasted_call_is_read_as_its_dialect(key: str) -> None:
    found = lrgen.port(pasted(key), quantity=quantity(key))

    assert found.spec.startswith("# From ")
    assert defaults(key) == found.schedule.defaults


def defaults(key: str) -> dict[str, Any]:
    specs, name = open_spec(key)
    return specs.schedule(name).defaults


@pytest.mark.parametrize("key", FEW)
def test_a_port_has_the_curve_of_its_dialect(key: str) -> None:
    same_curve(key)


@pytest.mark.slow
@pytest.mark.parametrize("key", CALLED)
def test_every_port_has_the_curve_of_its_dialect(key: str) -> None:
    same_curve(key)


def same_curve(key: str) -> None:
    ported, dialect = lrgen.port(pasted(key), quantity=quantity(key)).bound, lrgen.load(key).bind()
    if SOURCES[key].document.observes is not None:
        metrics = [1.0, 0.9, 0.95, *[0.95] * 30]
        np.testing.assert_array_equal(ported.trace(metrics), dialect.trace(metrics))
    else:
        at = steps(dialect.values)
        np.testing.assert_array_equal(ported.curve(at), dialect.curve(at))


@pytest.mark.parametrize(
    "key", ["torch/OneCycleLR", "optax/sgdr_schedule", "timm/CosineLRScheduler"]
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_port_is_emitted_for_every_backend(key: str, backend: str) -> None:
    compile(lrgen.port(pasted(key)).code(backend), key, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("key", [key for key in CALLED if key.startswith(FIRST)])
def test_every_class_of_the_first_libraries_is_emitted_for_every_backend(key: str) -> None:
    found = lrgen.port(pasted(key), quantity=quantity(key))
    for backend in BACKENDS:
        compile(found.code(backend), key, "exec")
