"""The dialect of optax, held against optax.schedules and optax.contrib at every step.

Each curve is compared twice. With 64-bit numbers enabled, optax computes in binary64 and its
formula shows: there the share of each value allowed is 1e-12, and that of the largest value a few
roundings of binary64 for what optax subtracts. As users have it, optax computes in float32: there
each value may be off by the roundings that optax itself makes, counted per schedule in ``FLOAT32``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import peers
import pytest
from numpy.typing import NDArray
from optax import contrib
from peers import Deviation, Draw, Parameters

from lrgen import catalogue

STEPS = np.asarray([*range(128), 2**20 + 1, 2**24 - 1], np.int64)
"""Every one to beyond the end of what is drawn, and two far behind it."""
DRAWS = 25
MANY = 400
ULP32 = 2.0**-24
"""One rounding to float32, as a share of the number."""
ULP64 = 2.0**-53
NORMAL = 2.0**-126
"""The least number that JAX does not flush to 0 in float32."""

Curve = Callable[[Parameters], Any]


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-5, 1)])


def often_zero(source: Random) -> float:
    return source.choice([0.0, rate(source)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 60)]))


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, 0.0, source.random()])


def exponent(source: Random) -> float:
    return source.choice([0.0, 1.0, 0.5, 2.0, 3.0, source.uniform(0.5, 3.0)])


def places(source: Random) -> list[int]:
    """One length of lists, for JAX compiles anew for each."""
    return sorted(source.sample(range(100), 3))


def multiplied(source: Random) -> Parameters:
    boundaries = places(source)
    return {
        "init_value": rate(source),
        "boundaries": boundaries,
        "scales": [share(source) for _ in boundaries],
    }


def decaying(source: Random) -> Parameters:
    return {
        "transition_steps": length(source),
        "decay_rate": source.choice([0.0, 1.0, 0.5, source.uniform(0.01, 1.0)]),
        "transition_begin": length(source),
        "staircase": source.random() < 0.5,
        "end_value": often_zero(source),
    }


def warming(source: Random) -> Parameters:
    return {
        "init_value": often_zero(source),
        "peak_value": often_zero(source),
        "warmup_steps": length(source),
    }


def cycling(source: Random) -> Parameters:
    return {
        "transition_steps": length(source, 1),
        "peak_value": rate(source),
        "pct_start": source.choice([0.3, 0.0, 1.0, source.random()]),
        "div_factor": source.choice([25.0, 1.0, source.uniform(0.5, 30.0)]),
        "final_div_factor": source.choice([1e4, 1.0, source.uniform(0.5, 1e3)]),
    }


def cycles(source: Random) -> Parameters:
    lengths = [length(source, 1) for _ in range(3)]
    return {
        "init_value": [often_zero(source) for _ in lengths],
        "peak_value": [rate(source) for _ in lengths],
        "warmup_steps": [source.randrange(0, one) for one in lengths],
        "ends": np.cumsum(lengths).tolist(),
        "end_value": [often_zero(source) for _ in lengths],
    }


def limit(value: float) -> float | None:
    """What stands for None is None to optax."""
    return None if value == 0 else value


def by_name(parameters: Parameters, function: Callable[..., Any]) -> Any:
    return function(**parameters)


def decay(parameters: Parameters, function: Callable[..., Any]) -> Any:
    return function(**{**parameters, "end_value": limit(parameters["end_value"])})


def by_boundary(parameters: Parameters, function: Callable[..., Any]) -> Any:
    own = dict(parameters)
    pairs = dict(zip(own.pop("boundaries"), own.pop("scales"), strict=True))
    return function(**own, boundaries_and_scales=pairs)


def restarted(parameters: Parameters) -> Any:
    lengths = np.diff([0, *parameters["ends"]]).tolist()
    columns = {key: value for key, value in parameters.items() if key != "ends"}
    rows = zip(*columns.values(), strict=True)
    return optax.sgdr_schedule(
        [
            {**dict(zip(columns, row, strict=True)), "decay_steps": one}
            for row, one in zip(rows, lengths, strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class Case:
    """How one schedule is drawn, made by optax, and off.

    Attributes:
        draw: Parameters of the dialect.
        made: optax's own schedule at these.
        relative: Roundings on the way to a value, each half an ulp of it.
        of_scale: Roundings that are subtracted from the largest value instead.
        root: The least exponent by which what is left after a subtraction is raised: a rounding
            ``e`` of it becomes ``e ** root`` there.
    """

    draw: Draw
    made: Curve
    relative: int
    of_scale: int = 0
    root: Callable[[Parameters], float] = lambda parameters: 1.0


def exponent_of(parameters: Parameters) -> float:
    power = parameters.get("exponent", parameters.get("power", 1.0))
    return 1.0 if power == 0 else min(power, 1.0)


# The roundings of float32, operation by operation. A line (a - b) * u + b: the parameters (2), the
# difference, u (2), the product, the sum. A cosine adds pi, its product, the cosine (an ulp), 1 + c
# and a half. A power x ** y adds that of x and y, y times or log(x ** y) times over: exponents up
# to 3 and logarithms down to that of 1e-37, 85.
LINE = 8
COSINE = 16
POWER = 3 * COSINE

CASES: dict[str, Case] = {
    "constant_schedule": Case(
        lambda s: {"value": rate(s)}, partial(by_name, function=optax.constant_schedule), 1
    ),
    "linear_schedule": Case(
        lambda s: {
            "init_value": often_zero(s),
            "end_value": often_zero(s),
            "transition_steps": length(s),
            "transition_begin": length(s),
        },
        partial(by_name, function=optax.linear_schedule),
        LINE,
        LINE,
    ),
    "polynomial_schedule": Case(
        lambda s: {
            "init_value": often_zero(s),
            "end_value": often_zero(s),
            "power": exponent(s),
            "transition_steps": length(s),
            "transition_begin": length(s),
        },
        partial(by_name, function=optax.polynomial_schedule),
        LINE,
        POWER,
    ),
    "exponential_decay": Case(
        lambda s: {"init_value": rate(s), **decaying(s)},
        partial(decay, function=optax.exponential_decay),
        4 * 85,
    ),
    "cosine_decay_schedule": Case(
        lambda s: {
            "init_value": rate(s),
            "decay_steps": length(s, 1),
            "alpha": s.choice([0.0, 0.1, 1.0, 2.0]),
            "exponent": exponent(s),
        },
        partial(by_name, function=optax.cosine_decay_schedule),
        COSINE,
        POWER,
        exponent_of,
    ),
    "warmup_constant_schedule": Case(
        warming, partial(by_name, function=optax.warmup_constant_schedule), LINE, LINE
    ),
    "warmup_cosine_decay_schedule": Case(
        lambda s: {
            **warming(s),
            "decay_steps": length(s) + length(s, 1),
            "end_value": often_zero(s),
            "exponent": exponent(s),
        },
        partial(by_name, function=optax.warmup_cosine_decay_schedule),
        COSINE,
        POWER,
        exponent_of,
    ),
    "warmup_exponential_decay_schedule": Case(
        lambda s: {**warming(s), **decaying(s)},
        partial(decay, function=optax.warmup_exponential_decay_schedule),
        4 * 85,
        LINE,
    ),
    "piecewise_constant_schedule": Case(
        multiplied, partial(by_boundary, function=optax.piecewise_constant_schedule), 20
    ),
    "piecewise_interpolate_schedule": Case(
        lambda s: {**multiplied(s), "interpolate_type": s.choice(["linear", "cosine"])},
        partial(by_boundary, function=optax.piecewise_interpolate_schedule),
        20,
        20 + COSINE,
    ),
    "linear_onecycle_schedule": Case(
        lambda s: {**cycling(s), "pct_final": s.choice([0.85, 1.0, s.random()])},
        partial(by_name, function=optax.linear_onecycle_schedule),
        COSINE,
        COSINE,
    ),
    "cosine_onecycle_schedule": Case(
        cycling, partial(by_name, function=optax.cosine_onecycle_schedule), COSINE, 2 * COSINE
    ),
    "sgdr_schedule": Case(cycles, restarted, COSINE, 2 * COSINE),
}


def curve(case: Case, parameters: Parameters) -> NDArray[np.float64]:
    """What optax gives at every one of ``STEPS``, in the numbers that are enabled."""
    kind = jnp.int64 if jax.config.jax_enable_x64 else jnp.int32
    found = jax.vmap(case.made(parameters))(jnp.asarray(STEPS, kind))
    return np.broadcast_to(np.asarray(found, np.float64), STEPS.shape)


def largest(parameters: Parameters) -> float:
    """The largest of the values that a schedule goes through or subtracts from."""
    found = [0.0]
    for key, value in parameters.items():
        if "value" in key:
            found += value if isinstance(value, list) else [value]
    return max(found)


def share_of(most: float, values: NDArray[np.float64]) -> float:
    """``most`` as a multiple of the largest of ``values``."""
    return most / max(float(np.max(np.abs(values))), 1e-300)


@pytest.mark.parametrize("name", list(CASES))
def test_every_step_is_that_of_optax(name: str) -> None:
    hold(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_every_step_is_that_of_optax_over_many_draws(name: str) -> None:
    hold(name, MANY)


def sure(parameters: Parameters, ulp: float) -> NDArray[np.bool_]:
    """Which of ``STEPS`` float32 puts on the right stair: at a new one, 47 * (1 / 47) < 1."""
    if ulp == ULP64 or not parameters.get("staircase") or parameters["transition_steps"] == 0:
        return STEPS >= 0
    begun = parameters["transition_begin"] + parameters.get("warmup_steps", 0)
    return np.asarray((STEPS < 2**20) & ((STEPS - begun) % parameters["transition_steps"] != 0))


def hold(name: str, count: int) -> None:
    case = CASES[name]
    for parameters in peers.draws(f"optax/{name}", case.draw, count):
        root = case.root(parameters)
        most = largest(parameters)
        with jax.enable_x64(True):
            exact = curve(case, parameters)
        for theirs, ulp, least in ((exact, ULP64, 1e-12), (curve(case, parameters), ULP32, 0)):
            kept = sure(parameters, ulp)
            if not kept.any():
                continue
            peers.assert_same(
                f"optax/{name}",
                parameters,
                theirs[kept],
                STEPS[kept].tolist(),
                relative=max(case.relative * ulp, least),
                of_scale=(case.of_scale * ulp) ** root * share_of(most, theirs)
                + share_of(NORMAL, theirs) * (ulp == ULP32),
            )


# -- plateaus ------------------------------------------------------------------------------------

THRESHOLDS = [(0.5, 0.25, 0.0), (0.1, 0.0, 0.25), (0.75, 0.5, 0.125)]
"""Factor, rtol and atol, compiled once each: optax wants to know them when it compiles."""


def plateau(source: Random) -> Parameters:
    factor, rtol, atol = source.choice(THRESHOLDS)
    return {
        "base_lr": rate(source),
        "factor": factor,
        "rtol": rtol,
        "atol": atol,
        "patience": source.randrange(0, 4),
        "cooldown": source.randrange(0, 4),
        "min_scale": source.choice([0.0, 0.125, 1.0]),
    }


@partial(jax.jit, static_argnums=(0, 1, 2))
def scales(factor: float, rtol: float, atol: float, counts: Any, least: Any, seen: Any) -> Any:
    """The scale after each of ``seen``; ``counts`` are patience, cooldown, accumulation size."""
    transform = contrib.reduce_on_plateau(
        factor, counts[0], rtol, atol, counts[1], counts[2], least
    )
    weight = jnp.zeros((), seen.dtype)

    def observe(state: Any, metric: Any) -> tuple[Any, Any]:
        _, state = transform.update(weight, state, value=metric)
        return state, state.scale

    return jax.lax.scan(observe, transform.init(weight), seen)[1]


def observed(parameters: Parameters, metrics: list[float], size: int = 1) -> NDArray[np.float64]:
    """The rate after each of ``metrics``, in the numbers that are enabled."""
    p = parameters
    counts = jnp.asarray([p["patience"], p["cooldown"], size], jnp.int32)
    seen = jnp.asarray(metrics, jnp.float64 if jax.config.jax_enable_x64 else jnp.float32)
    least = jnp.asarray(p["min_scale"], seen.dtype)
    found = scales(p["factor"], p["rtol"], p["atol"], counts, least, seen)
    return p["base_lr"] * np.asarray(found, np.float64)


def metrics(source: Random) -> list[float]:
    """Multiples of 1/8 below 16, so that float32 compares them with every threshold as binary64."""
    found = [source.choice([8.0, 1.0, 0.0, -1.0])]
    for _ in range(39):
        change = source.choice([0.0, 0.0, 0.25, -0.25, -0.5, source.randrange(-16, 16) / 8])
        found.append(min(max(found[-1] + change, -16.0), 16.0))
    return found


@pytest.mark.parametrize(("wide", "ulp"), [(True, ULP64), (False, ULP32)])
def test_every_cut_is_that_of_optax(wide: bool, ulp: float) -> None:
    source = Random("optax/reduce_on_plateau")
    for parameters in peers.draws("optax/reduce_on_plateau", plateau, 100):
        seen = metrics(source)
        with jax.enable_x64(wide):
            theirs = observed(parameters, seen)
        # Up to 40 cuts round once each.
        peers.assert_same_trace(
            "optax/reduce_on_plateau", parameters, seen, theirs, relative=max(42 * ulp, 1e-14)
        )


def test_optax_compares_means_of_metrics_where_the_dialect_is_told_them() -> None:
    source = Random("optax/means")
    for parameters in peers.draws("optax/reduce_on_plateau", plateau, 10):
        means = metrics(source)
        pairs = [one for mean in means for one in (mean - 0.5, mean + 0.5)]
        with jax.enable_x64(True):
            theirs = observed(parameters, pairs, size=2)

        peers.assert_same_trace("optax/reduce_on_plateau", parameters, means, theirs[1::2])


# -- what the specs say of optax -----------------------------------------------------------------

WITHOUT = {
    "join_schedules": "takes schedules: a spec joins them by pieces with `until` and calls",
    "inject_hyperparams": "no schedule, but what applies one",
    "inject_stateful_hyperparams": "no schedule, but what applies one",
    "InjectHyperparamsState": "no schedule",
    "InjectStatefulHyperparamsState": "no schedule",
    "Schedule": "no schedule, but the type of all",
    "StatefulSchedule": "no schedule, but the base of those that remember",
    "WrappedSchedule": "no schedule, but what applies one",
}


def test_every_schedule_of_optax_has_a_dialect_or_a_reason() -> None:
    public = {name for name in vars(optax.schedules) if not name.startswith("_")}
    spoken = {name.removeprefix("optax/") for name in catalogue.dialects("optax")}

    assert public - set(WITHOUT) == spoken - {"reduce_on_plateau"}
    assert set(CASES) == spoken - {"reduce_on_plateau"}


def deviates(deviation: Deviation) -> bool:
    """Whether optax, compiled and in float32, is a thousandth off at the place of the entry."""
    name = deviation.schedule.removeprefix("optax/")
    schedule = getattr(optax, name)(**deviation.set)
    theirs = float(jax.jit(schedule)(deviation.step))
    ours = peers.bound(deviation.schedule, deviation.set)(deviation.step)
    return not math.isclose(ours, theirs, rel_tol=1e-3, abs_tol=1e-9)


@pytest.mark.parametrize("deviation", peers.deviations("optax/"), ids=lambda d: d.schedule)
def test_a_listed_deviation_is_still_there(deviation: Deviation) -> None:
    assert deviates(deviation)


def test_a_deviation_that_has_vanished_is_red() -> None:
    one = {"init_value": 0.1, "end_value": 0.0, "transition_steps": 10}

    assert not deviates(Deviation("optax/linear_schedule", "none", "none", one, 7))


def test_a_curve_one_update_late_is_red() -> None:
    parameters = {"init_value": 0.1, "boundaries": [3], "scales": [0.5]}
    late = curve(CASES["piecewise_constant_schedule"], parameters).copy()
    late[1:] = late[:-1].copy()

    with pytest.raises(AssertionError, match=r"step 3: 0\.05 against 0\.1"):
        peers.assert_same(
            "optax/piecewise_constant_schedule",
            parameters,
            late,
            STEPS.tolist(),
            relative=1e-6,
        )


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 0}),
        (
            "warmup_cosine_decay_schedule",
            {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 5, "decay_steps": 5},
        ),
        ("linear_onecycle_schedule", {"transition_steps": 0, "peak_value": 0.1}),
        ("cosine_onecycle_schedule", {"transition_steps": 0, "peak_value": 0.1}),
    ],
)
def test_what_optax_refuses_the_dialect_refuses(name: str, parameters: Parameters) -> None:
    with pytest.raises(ValueError, match="positive"):
        getattr(optax, name)(**parameters)
    with pytest.raises(ValueError, match="_steps"):
        peers.bound(f"optax/{name}", parameters)
