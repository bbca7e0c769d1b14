"""What a schedule costs in JAX: inside a training step, to compile, and in a sweep."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from measure import Row, fastest, load

ENTRIES = (10, 100)
MANY = 1_000


def pairs(entries: tuple[int, ...] = ENTRIES) -> dict[str, tuple[Any, Any]]:
    """Ours and optax's schedule of the same curve, by name."""
    import optax

    warmup = load("jax", "cosine_warmup").cosine_warmup
    restarts = load("jax", "cosine_warm_restarts").cosine_warm_restarts
    constants = load("jax", "piecewise_constant").piecewise_constant
    stages = load("jax", "stages").stages
    found = {
        "cosine with warm-up": (
            warmup(peak_lr=0.1, warmup_steps=100, total_steps=10_000),
            optax.warmup_cosine_decay_schedule(0.0, 0.1, 100, 10_000),
        )
    }
    cycle = {"init_value": 0.1, "peak_value": 0.1, "warmup_steps": 0, "decay_steps": 100}
    for count in entries:
        ends = [100 * number for number in range(1, count + 1)]
        rates = [0.1 * 0.99**number for number in range(count + 1)]
        lines = [optax.linear_schedule(a, b, 100) for a, b in itertools.pairwise(rates)]
        found[f"{count} cycles"] = (
            restarts(base_lr=0.1, first_steps=100, growth=1.0),
            optax.sgdr_schedule([cycle] * count),
        )
        found[f"{count} boundaries"] = (
            constants(boundaries=ends, values=rates),
            optax.piecewise_constant_schedule(0.1, dict.fromkeys(ends, 0.99)),
        )
        found[f"{count} stages"] = (
            stages(ends=ends, shapes=[1] * count, start_rates=rates[:-1], end_rates=rates[1:]),
            optax.join_schedules(lines, ends[:-1]),
        )
    return found


def jax_step(rounds: int = 300, calls: int = 20, scanned: int = 300) -> Iterator[Row]:
    """SGD on a network of 32, 64 and 1 units and batches of 32: one call after another, as most
    loops are written, and many updates in one ``lax.scan``, where a schedule shows more."""
    import jax
    import jax.numpy as jnp
    import optax

    run_where_called(True)
    keys = jax.random.split(jax.random.key(0), 3)
    weights = (jax.random.normal(keys[0], (32, 64)) / 6, jax.random.normal(keys[1], (64, 1)) / 8)
    batch = jax.random.normal(keys[2], (32, 32))

    def loss(weights: Any) -> Any:
        return jnp.mean((jnp.tanh(batch @ weights[0]) @ weights[1]) ** 2)

    def update(optimizer: Any, carried: Any) -> Any:
        weights, state = carried
        updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, updates), state

    def jitted(schedule: Any) -> tuple[Any, Any]:
        optimizer = optax.sgd(schedule)
        start = weights, optimizer.init(weights)
        return jax.jit(lambda carried: update(optimizer, carried)), start

    def kernels(schedule: Any) -> int:
        step, start = jitted(schedule)
        return step.lower(start).compile().as_text().count(" fusion(")

    def called(schedule: Any) -> Callable[[], object]:
        step, start = jitted(schedule)

        def train() -> object:
            carried = start
            for _ in range(calls):
                carried = step(carried)
            return jax.block_until_ready(carried)

        return warm(train)

    def in_one(schedule: Any) -> Callable[[], object]:
        optimizer = optax.sgd(schedule)

        @jax.jit
        def train(carried: Any) -> Any:
            return jax.lax.scan(lambda c, _: (update(optimizer, c), None), carried, length=scanned)

        start = weights, optimizer.init(weights)
        return warm(lambda: jax.block_until_ready(train(start)))

    plans = pairs()
    # With a plain number instead, optax carries no count, which is no cost of a schedule.
    constant = optax.constant_schedule(0.1)
    for title, made, times, turns in (
        ("called", called, calls, rounds),
        ("in lax.scan", in_one, scanned, max(1, rounds // 6)),
    ):
        for name, (ours, peer) in plans.items():
            found = fastest(
                {"ours": made(ours), "peer": made(peer), "constant": made(constant)}, rounds=turns
            )
            mine, theirs, floor = (found[key] / times for key in ("ours", "peer", "constant"))
            more = kernels(ours) - kernels(constant)
            yield Row(
                f"JAX SGD step, {title}, {name}",
                mine,
                theirs,
                "optax's schedule",
                f"at most 1.05 x both; {mine / floor:.2f} x the floor",
                mine <= 1.05 * min(theirs, floor),
                floor=floor,
                floor_is="a constant rate",
                note=f"kernels to start beyond those with a constant rate: {more}",
            )
    run_where_called(False)


def jax_compile(rounds: int = 5) -> Iterator[Row]:
    """Processor time to trace, lower and compile the schedule alone: inside a training step, what
    is around it would hide the difference."""
    import jax
    import jax.numpy as jnp

    step = jax.ShapeDtypeStruct((), jnp.int32)

    def compiling(schedule: Any) -> Callable[[], object]:
        # A new function each time, for jit remembers the ones that it has seen.
        return warm(lambda: jax.jit(lambda at: schedule(at)).lower(step).compile())

    plans = pairs()
    calls = {(who, name): plan[who] for name, plan in plans.items() for who in (0, 1)}
    calls |= {(0, name): plan[0] for name, plan in pairs((MANY,)).items()}
    found = fastest(
        {f"{who} {name}": compiling(schedule) for (who, name), schedule in calls.items()},
        rounds=rounds,
        clock=time.process_time,
    )
    for name in plans:
        ours, theirs = found[f"0 {name}"], found[f"1 {name}"]
        yield Row(
            f"JAX trace and compile, {name}",
            ours,
            theirs,
            "optax's schedule",
            "at most 1.2 x",
            ours <= 1.2 * theirs,
        )
    for few, many in itertools.pairwise((*ENTRIES, MANY)):
        for what in ("cycles", "boundaries", "stages"):
            ours, theirs = found[f"0 {many} {what}"], found[f"0 {few} {what}"]
            yield Row(
                f"JAX trace and compile, {many} {what} to {few}",
                ours,
                theirs,
                f"our own of {few}",
                "independent: at most 1.2 x",
                ours <= 1.2 * theirs,
                note="up to 32 entries are compared at once, and more are searched in a loop",
            )


def jax_operations() -> Iterator[Row]:
    """Lines of optimized HLO that compute something: constants and parameters are not counted."""
    import jax
    import jax.numpy as jnp

    def operations(schedule: Any) -> int:
        lowered = jax.jit(schedule).lower(jax.ShapeDtypeStruct((), jnp.int32))
        lines = [text for text in lowered.compile().as_text().splitlines() if " = " in text]
        return sum(" constant(" not in text and " parameter(" not in text for text in lines)

    for name, (ours, peer) in pairs().items():
        mine, theirs = operations(ours), operations(peer)
        yield Row(
            f"JAX optimized operations, {name}",
            mine,
            theirs,
            "optax's schedule",
            "at most optax's",
            mine <= theirs,
            unit="",
        )


def jax_sweep(sets: int = 10_000, steps: int = 1_000, measured: int = 10) -> Iterator[Row]:
    """Every rate of many plans: one call of a compiled function of the parameters, and a loop in
    Python over the plans, each schedule called once with all steps. Processor time, which counts
    ours on all cores: on a busy machine the ratio of times is anything from 15 to 60."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    warmup = load("jax", "cosine_warmup").cosine_warmup
    peaks = np.geomspace(1e-4, 1e-1, sets).astype(np.float32)
    warmups, totals = np.arange(sets) % 100, 500 + np.arange(sets) % 500
    at = jnp.arange(steps)

    @jax.jit
    @jax.vmap
    def rates(peak_lr: Any, warmup_steps: Any, total_steps: Any) -> Any:
        plan = {"peak_lr": peak_lr, "warmup_steps": warmup_steps, "total_steps": total_steps}
        return warmup(**plan)(at)

    @jax.jit
    def sines() -> Any:
        with jax.enable_x64(True):
            angles = jnp.linspace(0.0, 1.5, sets)[:, None] / (1 + at)
            return jnp.sin(angles).astype(jnp.float32)

    def loop() -> None:
        for peak_lr, warmup_steps, total_steps in zip(peaks, warmups, totals[:measured]):
            schedule = optax.warmup_cosine_decay_schedule(
                0.0, float(peak_lr), int(warmup_steps), int(total_steps)
            )
            jax.block_until_ready(schedule(at))

    found = fastest(
        {
            "ours": warm(lambda: jax.block_until_ready(rates(peaks, warmups, totals))),
            "peer": warm(loop),
            "floor": warm(lambda: jax.block_until_ready(sines())),
        },
        rounds=9,
        clock=time.process_time,
    )
    theirs = found["peer"] * sets / measured
    yield Row(
        f"JAX sweep, {sets:,} plans x {steps:,} updates",
        found["ours"],
        theirs,
        "a loop over optax schedules",
        f"at least 50 x as fast; {theirs / found['ours']:.0f} x",
        50 * found["ours"] <= theirs,
        floor=found["floor"],
        floor_is="as many sines in binary64",
        note=f"the peer's time is that of {measured} plans, scaled; half goes to handing over",
    )


def run_where_called(here: bool) -> None:
    """Whether programs run in the thread that calls them: handing a step over to another one takes
    longer than a schedule, now more and now less. No array outlives this."""
    import jax
    import jax.extend

    jax.config.update("jax_cpu_enable_async_dispatch", not here)
    jax.extend.backend.clear_backends()


def warm(call: Callable[[], object]) -> Callable[[], object]:
    """``call``, after it has been called once."""
    call()
    return call


COMPARISONS = (jax_step, jax_compile, jax_operations, jax_sweep)
