"""What people get wrong, told from exact values: right where it holds, silent where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

import lrgen
from lrgen.bound import bound_values, open_spec
from lrgen.describe import Curve, remarks, table


def remarks_on(spec: str, **values: object) -> list[str]:
    specs, name = open_spec(spec)
    schedule = specs.schedule(name)
    complete = bound_values(schedule, values)
    return remarks(Curve(schedule, complete), complete)


def curve_of(tmp_path: Path, *lines: str) -> tuple[Curve, list[str]]:
    """A curve without parameters, from lines of TOML."""
    spec = tmp_path / "odd.toml"
    spec.write_text("\n".join(['name = "odd"', 'title = "Odd"', *lines]), encoding="utf-8")
    specs, name = open_spec(str(spec))
    curve = Curve(specs.schedule(name), {})
    return curve, remarks(curve, {})


def starting(with_words: str, sentences: list[str]) -> list[str]:
    return [sentence for sentence in sentences if sentence.startswith(with_words)]


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("linear_warmup", {}, "The first update has rate 0: it changes nothing."),
        ("cosine", {"base_lr": 0.5}, "The highest rate is 0.5, at step 0."),
        ("noam", {}, "The highest rate is 0.000698771, at step 3,999."),
        ("noam", {}, "The base is never reached: base_lr = 1 is missed by 0.999301."),
        (
            "step_decay",
            {"decay_steps": 10, "gamma": 0.5, "at_zero": True},
            "The base is never reached: base_lr = 0.1 is missed by 0.05.",
        ),
        (
            "step_decay",
            {"decay_steps": 10, "gamma": 0.5},
            "Jumps down by 0.05 at step 10, from 0.1 to 0.05.",
        ),
        (
            "cosine_warmup",
            {"warmup_steps": 5, "total_steps": 5, "peak_lr": 1.0, "end_lr": 0.5},
            "Jumps down by 0.3 at step 5, from 0.8 to 0.5.",
        ),
        (
            "linear",
            {"start_lr": 1.0, "end_lr": 0.0, "total_steps": 10},
            "A run of 10 updates never uses 0: the last, 9, has 0.1.",
        ),
        (
            "cosine",
            {"total_steps": 100},
            "From step 100 on it stays at 0, and nothing is learned any more.",
        ),
        (
            "one_cycle_momentum",
            {},
            "Rises again after step 30,000, from 0.85.",
        ),
        ("exponential", {}, "There is no end: it goes on changing for ever."),
    ],
)
def test_a_surprise_is_told(name: str, values: dict[str, object], sentence: str) -> None:
    assert sentence in remarks_on(name, **values)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("cosine", {}, "The first update has rate 0"),
        ("cosine", {}, "The base is never reached"),
        ("cosine", {}, "Rises again"),
        ("cosine", {}, "There is no end"),
        ("cosine", {"end_lr": 1e-4}, "From step 100,000 on it stays at 0,"),
        ("cosine_warmup", {}, "Jumps"),
        ("cosine_warmup", {}, "Rises again"),
        ("cosine_warmup", {"warmup_steps": 1}, "Jumps"),
        ("cosine_warmup", {"warmup_steps": 0}, "The first update has rate 0"),
        ("warmup_stable_decay", {}, "Jumps"),
        ("warmup_inverse_sqrt", {}, "Jumps"),
        ("exponential", {}, "Jumps"),
        ("one_cycle", {}, "Rises again"),
        ("linear_warmup", {}, "A run of"),
        ("one_cycle_momentum", {}, "From step 100,000 on it stays at 0,"),
    ],
)
def test_what_does_not_happen_is_not_told(name, values, words) -> None:
    assert starting(words, remarks_on(name, **values)) == []


def test_a_curve_that_gets_negative_is_told(tmp_path: Path) -> None:
    _, sentences = curve_of(tmp_path, 'value = "0.5 - min(step, 10) / 10"')

    assert "The rate gets negative: it is -0.5 at step 10." in sentences


def test_a_restart_is_a_jump_and_a_rise(tmp_path: Path) -> None:
    _, sentences = curve_of(tmp_path, 'value = "1.0 - (step % 100) / 100"')

    assert "Jumps up by 0.99 at step 100, from 0.01 to 1." in sentences
    assert "Rises again after step 99, from 0.01." in sentences


def test_a_turn_between_boundaries_is_found_to_the_step(tmp_path: Path) -> None:
    curve, sentences = curve_of(
        tmp_path, 'value = "(step - 7_777) ** 2 / 10_000 if step < 20_000 else 0.0"'
    )

    assert curve(7_777) == 0
    assert "Rises again after step 7,777, from 0." in sentences


def test_boundaries_are_found_whatever_the_condition_looks_like(tmp_path: Path) -> None:
    curve, _ = curve_of(
        tmp_path,
        '[[piece]]\nname = "early"\nwhen = "step * step < 250_000"\nvalue = "1.0"',
        '[[piece]]\nname = "middle"\nwhen = "step * step < 2_000_000"\nvalue = "0.5"',
        '[[piece]]\nname = "late"\nvalue = "0.25"',
    )

    assert curve.boundaries == [500, 1_415]
    assert [point.step for point in table(curve)] == [0, 499, 500, 501, 1414, 1415, 1416, 2830]


def test_values_are_exact_at_steps_beyond_binary64(tmp_path: Path) -> None:
    curve, _ = curve_of(tmp_path, 'value = "(step % 3) / 3"')

    assert curve(2**53 + 1) == curve.exact.real((2**53 + 1) % 3) / 3


def test_the_word_for_the_quantity_is_that_of_the_spec() -> None:
    assert lrgen.load("momentum_warmup").parameters
    assert starting("The highest momentum is", remarks_on("momentum_warmup"))
