"""Arguments in the library's own spelling: composer's lengths, Megatron's words."""

from __future__ import annotations

import pytest

import lrgen

MEGATRON = (
    "OptimizerParamScheduler(optimizer, init_lr=0.0, max_lr=0.1, min_lr=0.0, lr_warmup_steps=16, "
    "lr_decay_steps=200, lr_decay_style='inverse-square-root', start_wd=0.01, end_wd=0.01, "
    "wd_incr_steps=50, wd_incr_style='constant')"
)


def test_lengths_in_batches_are_numbers_of_steps():
    told = lrgen.port("composer.optim.MultiStepScheduler(milestones=['20ba', '40ba'])").schedule

    assert (20, 40) == told.defaults["milestones"]


@pytest.mark.parametrize("length", ["20ep", "0.5dur", "ba", "-20ba"])
def test_a_length_that_depends_on_the_data_is_refused(length):
    with pytest.raises(ValueError, match="t_warmup"):
        lrgen.port(f"composer.optim.ConstantWithWarmupScheduler(t_warmup='{length}')")


def test_megatron_spells_the_inverse_square_root_with_hyphens():
    assert "inverse_square_root" == lrgen.port(MEGATRON).schedule.defaults["lr_decay_style"]


def test_a_call_that_is_refused_is_named_as_it_was_pasted():
    call = "CyclicLR(optimizer, 0.1, 1.0, scale_fn=Shape(0.5))"

    with pytest.raises(ValueError, match=r"scale_fn=Shape\(\.\.\.\) changes the curve"):
        lrgen.port(call)


def test_an_argument_may_have_the_name_of_a_function():
    call = (
        "praxis.schedules.LinearRampupCosineDecay(warmup_steps=10, decay_start=10, decay_end=50, "
        "min_ratio=0.0, max=0.1)"
    )

    assert 0.1 == lrgen.port(call).schedule.defaults["peak"]


def test_a_point_is_a_step_and_a_value():
    told = lrgen.port("praxis.schedules.Linear(start=(5, 0.1), limit=(50, 0.02))").schedule.defaults

    assert (5, 0.1, 50, 0.02) == (
        told["start_step"],
        told["start_value"],
        told["limit_step"],
        told["limit_value"],
    )


@pytest.mark.parametrize("place", ["2", "-3", "name", "1.5"])
def test_an_entry_that_is_not_there_is_not_known(place):
    with pytest.raises(ValueError, match="whose value is not known here"):
        lrgen.port(f"rates = [0.1, 0.2]\noptax.constant_schedule(rates[{place}])")


def test_an_argument_among_keywords_is_taken():
    call = (
        "big_vision.utils.create_learning_rate_schedule(50, decay_type='cosine', warmup_steps=10)"
    )

    assert 10 == lrgen.port(call).schedule.defaults["warmup_steps"]
