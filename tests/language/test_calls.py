"""A call means the called schedule's curve; a guard changes nothing where its piece holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrgen.automaton import Automaton
from lrgen.backends import BACKENDS, jax, numpy
from lrgen.backends.base import Spelled, guarded_parts
from lrgen.catalogue import catalogue
from lrgen.errors import SpecError
from lrgen.evaluate import Arithmetic, NotFinite
from lrgen.expr import Apply, Expr, Invoke, walk
from lrgen.pipeline import emit, library
from lrgen.recheck import compiled
from lrgen.resolve import Library
from lrgen.rewrite import known_of, rewrite
from lrgen.sampling import arguments, boundaries, steps_near
from lrgen.schedule import Schedule, Value
from lrgen.vectors import exact_value

DIGITS = 40

CALLER = """
name = "caller"
title = "A caller"
require = ["warmup_steps <= total_steps", "period >= 1", "end_lr <= peak_lr"]
value = "{value}"

[parameters]
peak_lr = {{ type = "rate", default = 1.0, doc = "A rate." }}
end_lr = {{ type = "rate", default = 0.25, doc = "A rate." }}
warmup_steps = {{ type = "steps", default = 10, doc = "Updates." }}
total_steps = {{ type = "steps", default = 100, doc = "Updates." }}
period = {{ type = "steps", default = 25, doc = "Updates." }}
"""

CALLS: list[tuple[str, str, dict[str, str], str]] = [
    # (called schedule, its step, its arguments, what surrounds the call)
    ("cosine_warmup", "step", {p: p for p in ("peak_lr", "warmup_steps", "total_steps")}, "{}"),
    (
        "cosine_warmup",
        "step % period",
        {"peak_lr": "peak_lr", "warmup_steps": "warmup_steps", "total_steps": "total_steps"},
        "{}",
    ),
    (
        "cosine_warmup",
        "step + 7",
        {
            "peak_lr": "peak_lr * 2 + end_lr",
            "warmup_steps": "warmup_steps // 2",
            "total_steps": "total_steps",
            "end_lr": "end_lr",
        },
        "max({}, end_lr / 8)",
    ),
    ("linear_warmup", "step", {"peak_lr": "peak_lr", "warmup_steps": "warmup_steps"}, "2 * {}"),
    (
        "linear_warmup",
        "max(step - warmup_steps, 0)",
        {"peak_lr": "1.0", "warmup_steps": "total_steps - warmup_steps"},
        "end_lr + (peak_lr - end_lr) * {}",
    ),
    ("step_decay", "step // 3", {"base_lr": "peak_lr", "decay_steps": "period"}, "{}"),
    ("cosine", "step", {"base_lr": "peak_lr", "total_steps": "total_steps"}, "{}"),
    ("constant", "step", {}, "{} * peak_lr"),
]


@pytest.fixture(scope="module")
def specs() -> Library:
    return library(catalogue().values())[0]


def caller(folder: Path, value: str) -> Schedule:
    path = folder / "caller.toml"
    path.write_text(CALLER.format(value=value))
    return library([path])[0].schedule("caller")


def formula(name: str, step: str, given_: Mapping[str, str], around: str) -> str:
    listed = "".join(f", {key}={value}" for key, value in given_.items())
    return around.format(f"{name}({step}{listed})")


parameters = st.fixed_dictionaries(
    {
        "peak_lr": st.floats(1.0, 2.0),
        "end_lr": st.floats(0.0, 1.0),
        "warmup_steps": st.integers(0, 12),
        "total_steps": st.integers(12, 40),
        "period": st.integers(1, 30),
    }
)


def called_by_hand(
    specs: Library, call: tuple[str, str, dict[str, str], str], values: dict[str, Value], step: int
) -> Any:
    """The called schedule's own exact value at the arguments' exact values, then what is around."""
    name, at, given_, around = call
    exact = Arithmetic(DIGITS + 30)
    callee = specs.schedule(name)
    own = callee.defaults | {
        key: evaluated(text, values, step, exact) for key, text in given_.items()
    }
    inner = exact_value(callee, own, evaluated(at, values, step, exact), DIGITS + 30)
    names = {"max": max, **values, "end_lr": exact.real(values["end_lr"]), "inner": inner}
    names["peak_lr"] = exact.real(values["peak_lr"])
    return eval(around.format("inner"), {"__builtins__": {}}, names)


def evaluated(text: str, values: dict[str, Value], step: int, exact: Arithmetic) -> Any:
    names = {k: exact.real(v) if isinstance(v, float) else v for k, v in values.items()}
    found = eval(text, {"__builtins__": {}, "max": max}, {**names, "step": step})
    return found if isinstance(found, int) else float(found)


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> list[Schedule]:
    return [caller(tmp_path_factory.mktemp("calls"), formula(*call)) for call in CALLS]


@pytest.mark.parametrize("number", range(len(CALLS)))
@settings(max_examples=25, deadline=None)
@given(values=parameters, step=st.integers(0, 60))
def test_a_call_is_the_called_curve(
    number: int,
    values: dict[str, Value],
    step: int,
    specs: Library,
    callers: list[Schedule],
) -> None:
    # Arguments that are computed in reals would be rounded on their way into the callee.
    values = {k: round(v * 64) / 64 if isinstance(v, float) else v for k, v in values.items()}

    found = exact_value(callers[number], values, step, DIGITS)

    expected = called_by_hand(specs, CALLS[number], values, step)
    assert abs(found - expected) <= 1e-38 * (1 + abs(expected))


def test_nothing_is_left_of_a_call(callers: list[Schedule]) -> None:
    for schedule in callers:
        exprs = [let.value for let in schedule.lets] + [p.value for p in schedule.pieces]

        assert not any(isinstance(node, Invoke) for expr in exprs for node in walk(expr))


def test_a_call_of_another_step_is_another_curve(tmp_path: Path) -> None:
    one = caller(tmp_path, "linear_warmup(step, peak_lr=1.0, warmup_steps=5)")
    other = caller(tmp_path, "linear_warmup(step + 1, peak_lr=1.0, warmup_steps=5)")

    assert exact_value(one, one.defaults, 3, 30) != exact_value(other, other.defaults, 3, 30)


def test_a_call_that_breaks_a_requirement_somewhere_is_refused(tmp_path: Path) -> None:
    schedule = caller(tmp_path, "cosine_warmup(step, warmup_steps=total_steps, total_steps=period)")

    with pytest.raises(SpecError, match="requires `warmup_steps <= total_steps`, which fails"):
        emit(schedule, [])


# -- guards ----------------------------------------------------------------------------------

STYLES = {"numpy": numpy.STYLE, "jax": jax.STYLE}
NAMES = sorted(catalogue())


def guarded(schedule: Schedule, style: str) -> Schedule:
    """``schedule`` with the guards that array code needs."""
    known = known_of(schedule)
    plain = Spelled(schedule, schedule.lets, STYLES[style])
    lets, pieces = guarded_parts(schedule, known.pieces, known.always, plain.is_host)
    return replace(schedule, lets=lets, pieces=pieces)


def points(schedule: Schedule) -> list[tuple[Mapping[str, Value], int]]:
    """Defaults and examples, each near its boundaries and past them."""
    exact = Arithmetic(20)
    sets = [schedule.defaults, *(example.values for example in schedule.examples)][:3]
    return [
        (values, step)
        for values in sets
        for step in steps_near(boundaries(schedule, values, exact), schedule.name, 3)[:14]
    ]


def known(
    schedule: Schedule, values: Mapping[str, Value], step: int, exact: Arithmetic
) -> dict[str, Any]:
    """What formulas may name: of a schedule that remembers, its state at first too."""
    if schedule.observes is not None:
        return Automaton(schedule, values, exact).at(step)
    return {**arguments(schedule, values, exact), "step": step}


def piece_at(schedule: Schedule, at: Mapping[str, Any], exact: Arithmetic) -> int:
    lets = [(let.name, let.value) for let in schedule.lets]
    for index, piece in enumerate(schedule.pieces):
        if piece.condition is None or exact.value(piece.condition, at, lets):
            return index
    raise AssertionError("the last piece has no condition")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", NAMES)
def test_a_guard_changes_nothing_where_its_piece_holds(
    name: str, style: str, specs: Library
) -> None:
    exact = Arithmetic(DIGITS)
    plain = rewrite(specs.schedule(name))
    safe = guarded(plain, style)
    for values, step in points(plain):
        at = known(plain, values, step, exact)
        index = piece_at(plain, at, exact)
        expected = exact.value(plain.pieces[index].value, at, pairs(plain))

        found = exact.value(safe.pieces[index].value, at, pairs(safe))

        assert abs(found - expected) <= 1e-35 * (1 + abs(expected)), f"step {step}"


@pytest.mark.parametrize("name", NAMES)
def test_with_guards_every_piece_has_a_value_at_every_step(name: str, specs: Library) -> None:
    exact = Arithmetic(DIGITS)
    plain = rewrite(specs.schedule(name))
    safe = guarded(plain, "numpy")
    for values, step in points(plain):
        at = known(plain, values, step, exact)
        for piece in safe.pieces:
            try:
                both_sides(piece.value, at, pairs(safe), exact)
            except NotFinite as error:
                raise AssertionError(f'piece "{piece.name}" at step {step}: {error}') from None


def both_sides(expr: Expr, at: Mapping[str, Any], lets: Any, exact: Arithmetic) -> None:
    """Evaluate every part, as array code does: both branches of a choice on the step."""
    for node in walk(expr):
        if isinstance(node, Apply) and node.op == "if":
            continue
        exact.value(node, at, lets)


def pairs(schedule: Schedule) -> list[tuple[str, Expr]]:
    return [(let.name, let.value) for let in schedule.lets]


def test_without_guards_some_piece_has_no_value(specs: Library) -> None:
    exact = Arithmetic(DIGITS)
    plain = rewrite(specs.schedule("cosine_warmup"))
    at = {**arguments(plain, plain.defaults | {"warmup_steps": 0}, exact), "step": 3}

    with pytest.raises(NotFinite):
        exact.value(plain.pieces[0].value, at, pairs(plain))
    exact.value(guarded(plain, "numpy").pieces[0].value, at, pairs(guarded(plain, "numpy")))


def test_plain_python_needs_no_guard(specs: Library) -> None:
    """It computes a piece only where that holds, so the author's form stays readable."""
    schedule = rewrite(specs.schedule("cosine_warmup"))

    text = "\n".join(emit(specs.schedule("cosine_warmup"), ["python"])[0].values())

    assert "max(" not in text
    assert (
        compiled(schedule, known_of(schedule))(0, schedule.defaults | {"warmup_steps": 0}) == 1e-3
    )
    assert set(BACKENDS) >= set(STYLES)
