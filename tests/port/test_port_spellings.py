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
    with pytest.raises(lrgen.SpecError, match="t_warmup"):
        _ = lrgen.port(f"composer.optim.ConstantWithWarmupScheduler(t_warmup='{length}')").schedule


def test_megatron_spells_the_inverse_square_root_with_hyphens():
    assert "inverse_square_root" == lrgen.port(MEGATRON).schedule.defaults["lr_decay_style"]


def test_a_call_that_is_refused_is_named_as_it_was_pasted():
    call = "detectron2.solver.LRMultiplier(optimizer, Warmup(Cosine(1, 0), 0.0), max_iter=50)"

    with pytest.raises(ValueError, match=r"multiplier=Warmup\(\.\.\.\) changes the curve"):
        lrgen.port(call)
