"""``lrgen.testing``: anybody's schedule against exact values, and which bugs it names."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest
import torch

import lrgen
from lrgen import load
from lrgen.bound import Bound
from lrgen.compare.subjects import Function, Walker, subject_of
from lrgen.testing import NotASchedule, assert_matches, compared
from lrgen.vectors import FLAGS

LAST = 100


@pytest.fixture(scope="module")
def cosine() -> Bound:
    return load("cosine").bind(base_lr=0.1, total_steps=LAST)


@pytest.fixture(scope="module")
def steps_down() -> Bound:
    return load("step_decay").bind(base_lr=0.8, gamma=0.5, decay_steps=30)


def plain(step: int) -> float:
    """The cosine as people write it."""
    return 0.1 * (1 + math.cos(math.pi * min(step, LAST) / LAST)) / 2


def scheduler(kind: Callable[..., Any], lr: float = 0.1, **parameters: Any) -> Any:
    return kind(torch.optim.SGD([torch.zeros(1)], lr=lr), **parameters)


def lines(schedule: Any, bound: Bound, **options: Any) -> list[str]:
    """What is said of a schedule that is another."""
    with pytest.raises(AssertionError) as caught:
        assert_matches(schedule, bound, **options)
    return str(caught.value).splitlines()


def flags(schedule: Any, bound: Bound, **options: Any) -> set[str]:
    return {one.flag for one in compared(schedule, bound, **options).deviations}


# -- what matches ------------------------------------------------------------------------------


def test_the_exact_curve_itself_matches(cosine: Bound) -> None:
    assert_matches(cosine, cosine)
    assert_matches(cosine, cosine, dtype="float64")


def test_a_scheduler_of_torch_matches_where_it_is_right() -> None:
    exponential = load("exponential").bind(base_lr=0.1, gamma=0.5)

    assert_matches(
        scheduler(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5), exponential, last_step=40
    )


def test_a_scheduler_may_come_with_its_optimizer(steps_down: Bound) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    both = optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 30, gamma=0.5)

    assert_matches(both, steps_down, last_step=200)


def test_a_scheduler_is_walked_from_where_it_is(steps_down: Bound) -> None:
    resumed = scheduler(torch.optim.lr_scheduler.StepLR, lr=0.8, step_size=30, gamma=0.5)
    for _ in range(45):
        resumed.optimizer.step()
        resumed.step()
    verdict = compared(resumed, steps_down, last_step=100)

    assert () == verdict.deviations
    assert (45, 100) == (verdict.compared[0], verdict.compared[-1])


def test_a_class_is_made_without_arguments(cosine: Bound) -> None:
    class Cosine:
        def __call__(self, step: int) -> float:
            return cosine(step)

    assert_matches(Cosine, cosine)


def test_a_function_of_tensors_is_given_tensors(cosine: Bound) -> None:
    def rate(step: torch.Tensor) -> torch.Tensor:
        return torch.tensor(cosine(int(step.to(torch.int64))))

    assert_matches(rate, cosine)


def test_scalars_of_numpy_and_arrays_of_one_number_are_numbers(cosine: Bound) -> None:
    assert_matches(lambda step: np.float32(cosine(step)), cosine)
    assert_matches(lambda step: np.array([cosine(step)]), cosine)


def test_schedules_of_jax_are_given_what_optax_counts_in(cosine: Bound) -> None:
    seen = []

    def rate(count: Any) -> Any:
        seen.append(count)
        return jax.numpy.float32(cosine(int(count)))

    assert_matches(rate, cosine)
    assert {"int32"} == {str(count.dtype) for count in seen[1:]}


def test_flushed_subnormals_are_right(cosine: Bound) -> None:
    tiny = load("constant").bind(base_lr=1e-40)

    assert_matches(lambda step: 0.0, tiny)
    assert [] != lines(lambda step: 0.0, load("constant").bind(base_lr=1e-30))


# -- what deviates, and what is said of it -----------------------------------------------------


def test_torch_rising_again_past_the_end_is_caught(cosine: Bound) -> None:
    annealing = scheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=LAST)
    found = lines(annealing, cosine)

    assert f"step 200: got 0.1, exact 0. past_end: {FLAGS['past_end']}" in found
    assert {"past_end"} == {line.split(". ")[1].split(":")[0] for line in found[1:]}


def test_optax_in_float32_is_caught(cosine: Bound) -> None:
    found = lines(optax.cosine_decay_schedule(0.1, LAST), cosine)

    assert any(line.startswith("step 99: ") and "near_end: Cancel" in line for line in found)
    assert "as formulas computed in float32 are." in found[-1]


def test_optax_in_float32_is_right_within_a_budget(cosine: Bound) -> None:
    schedule = optax.cosine_decay_schedule(0.1, LAST)

    assert_matches(schedule, cosine, dtype="float32", ulps=2**14)


@pytest.mark.parametrize(("by", "word"), [(-1, "late"), (1, "early")])
def test_a_schedule_that_is_one_update_off_is_named(by: int, word: str, cosine: Bound) -> None:
    found = lines(lambda step: cosine(max(step + by, 0)), cosine)

    assert any(f"second: {FLAGS['second']}" in line for line in found)
    assert found[-1].startswith(f"It is one update {word}, and gives what")


def test_steps_that_come_late_are_caught_at_each_boundary(steps_down: Bound) -> None:
    late = scheduler(
        torch.optim.lr_scheduler.LambdaLR,
        lr=0.8,
        lr_lambda=lambda step: 0.5 ** (max(step - 1, 0) // 30),
    )
    found = lines(late, steps_down)

    assert f"step 30: got 0.8, exact 0.4. boundary: {FLAGS['boundary']}" in found
    assert found[-1].startswith("It is one update late,")


def test_steps_that_come_early_are_caught_before_each_boundary(steps_down: Bound) -> None:
    assert "before_boundary" in flags(lambda step: steps_down(step + 1), steps_down)


def test_another_base_rate_is_named(cosine: Bound) -> None:
    found = lines(lambda step: 3 * cosine(step), cosine)

    assert "All of it is 3 times what it should be: another base rate." == found[-1]


def test_steps_in_float32_are_caught() -> None:
    cyclic = load("cyclic").bind()
    found = lines(lambda step: cyclic(int(np.float32(step))), cyclic)

    assert any(f"float32_steps: {FLAGS['float32_steps']}" in line for line in found)
    assert found[-1].startswith("It gives what the nearest float32 of the step should")


def test_a_failure_past_the_end_is_a_deviation(cosine: Bound) -> None:
    cycle = scheduler(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=LAST)
    found = lines(cycle, cosine)

    assert any("got nothing: it raised ValueError: Tried to step" in line for line in found)


@pytest.mark.parametrize("rate", [math.nan, math.inf, -math.inf, 1e300])
def test_what_is_not_finite_deviates(rate: float, cosine: Bound) -> None:
    assert "inside" in flags(lambda step: rate, cosine)


def test_at_most_twenty_lines_are_said_one_of_each_flag_among_them(cosine: Bound) -> None:
    found = lines(lambda step: 1.0, cosine)
    said = {line.split(". ")[1].split(":")[0] for line in found[1:] if line.startswith("step")}

    assert 20 == sum(line.startswith("step") for line in found)
    assert found[21].startswith("and ")
    assert flags(lambda step: 1.0, cosine) == said


def test_a_unit_in_the_last_place_is_seen(cosine: Bound) -> None:
    def above(step: int) -> float:
        return math.nextafter(cosine(step), math.inf)

    assert_matches(above, cosine, ulps=8)
    assert [] != lines(above, cosine, dtype="float64", ulps=0)


def test_the_textbook_formula_fails_the_budget_of_the_spec(cosine: Bound) -> None:
    assert "near_end" in flags(plain, cosine, dtype="float64")


# -- how far -----------------------------------------------------------------------------------


def test_it_is_said_how_far_a_scheduler_was_walked() -> None:
    long = load("linear").bind(start_lr=0.1, total_steps=10**7)
    walked = scheduler(
        torch.optim.lr_scheduler.LambdaLR, lr_lambda=lambda step: 1 - min(step, 10**7) / 10**7
    )
    verdict = compared(walked, long, last_step=5_000)

    assert () == verdict.deviations
    assert 5_000 == verdict.walked == verdict.compared[-1]


def test_a_walk_without_an_end_stops_where_it_is_affordable(monkeypatch, cosine: Bound) -> None:
    from lrgen.compare import subjects

    monkeypatch.setattr(subjects, "MOST_WALKED", 150)
    verdict = compared(scheduler(torch.optim.lr_scheduler.ConstantLR, total_iters=0), cosine)

    assert verdict.walked is not None and 101 <= verdict.walked <= 150
    assert f"Walked to step {verdict.walked}; left out: " in verdict.summary


def test_every_step_asked_for_is_compared(cosine: Bound) -> None:
    assert tuple(range(151)) == compared(cosine, cosine, last_step=150).compared


def test_far_steps_are_asked_where_they_are_counted(cosine: Bound) -> None:
    def counting_in_32_bits(step: int) -> float:
        np.int32(step)
        return cosine(step)

    assert {2**24 + 1, 2**31 - 1, 2**53} <= set(compared(cosine, cosine).compared)
    assert 2**31 - 1 == compared(counting_in_32_bits, cosine).compared[-1]


# -- what cannot be asked ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (3, "3 is no schedule"),
        (lambda: 1.0, "cannot be called with a step"),
        (lambda step, total: 1.0, "cannot be called with a step"),
        (lambda step: None, "returned None, which is no number, at step 0"),
        (lambda step: [0.1], r"returned \[0.1\], which is no number"),
        (lambda step: np.ones(2), "which is no number"),
        (lambda step: True, "returned True"),
        (torch.optim.lr_scheduler.StepLR, r"StepLR\(\) raised TypeError"),
        ((1, 2), "Give the schedule itself"),
    ],
)
def test_what_is_no_schedule_is_said_in_a_line(thing: Any, said: str, cosine: Bound) -> None:
    with pytest.raises(NotASchedule, match=said) as caught:
        assert_matches(thing, cosine)

    assert "\n" not in str(caught.value)


def test_what_a_stranger_raises_is_shown_and_not_sent(cosine: Bound) -> None:
    def rate(step: int) -> float:
        raise ValueError("red \x1b[31m alert")

    assert all("\x1b" not in line for line in lines(rate, cosine))
    assert "raised ValueError: red \\x1b[31m alert" in lines(rate, cosine)[1]


def test_a_schedule_that_remembers_has_no_rate_at_a_step(cosine: Bound) -> None:
    with pytest.raises(ValueError, match="observes a metric"):
        assert_matches(cosine, load("greedy").bind())


@pytest.mark.parametrize("budget", [-1, math.nan, 2**24])
def test_a_budget_that_is_none_is_refused(budget: float, cosine: Bound) -> None:
    with pytest.raises(ValueError, match="ulps must be from 0"):
        assert_matches(cosine, cosine, ulps=budget)


def test_an_object_with_step_and_rates_is_walked_and_others_are_called() -> None:
    walked = scheduler(torch.optim.lr_scheduler.StepLR, step_size=3)

    assert isinstance(subject_of(walked), Walker)
    assert isinstance(subject_of(plain), Function)


# -- in a test of one's own --------------------------------------------------------------------


def test_pytest_shows_the_lines(tmp_path) -> None:
    own = tmp_path / "test_mine.py"
    own.write_text(
        textwrap.dedent("""
        from lrgen import load
        from lrgen.testing import assert_matches


        def test_mine():
            assert_matches(lambda step: 0.1, load("cosine").bind(base_lr=0.1, total_steps=100))
        """)
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(own)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(lrgen.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == done.returncode
    assert f"step 100: got 0.1, exact 0. past_end: {FLAGS['past_end']}" in done.stdout
