"""The recipes of docs/devices.md: a schedule counts updates that were applied, no others.

Update k feeds the k-th unit vector to weights of 0 under a loss that is their product: plain SGD
leaves minus the rate of update k in place k, to the bit.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from emitted import load_emitted

UPDATES = 12
SHORT = {"warmup_steps": 3, "total_steps": 10}
SKIPPED = {0, 4, 5}


def expected() -> list[float]:
    python = load_emitted("python", "cosine_warmup").cosine_warmup
    return [float(np.float32(python(step, peak_lr=0.1, **SHORT))) for step in range(UPDATES)]


def amp_run(recipe: bool) -> list[float]:
    """Rates of the applied updates, among some that overflow."""
    weights = torch.zeros(UPDATES, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.1)
    scheduler = load_emitted("torch", "cosine_warmup").CosineWarmupLR(optimizer, **SHORT)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    applied = 0
    for attempt in range(UPDATES + len(SKIPPED)):
        overflow = torch.inf if attempt in SKIPPED else 1.0
        optimizer.zero_grad()
        scaler.scale(weights[applied] * overflow).backward()
        scaler.step(optimizer)
        scale = scaler.get_scale()
        scaler.update()
        skipped = scaler.get_scale() < scale  # so says GradScaler that it left an update out
        assert skipped == (attempt in SKIPPED)
        if not (recipe and skipped):
            scheduler.step()
        applied += not skipped
    return [-weight for weight in weights.tolist()]


def test_updates_that_mixed_precision_skips_do_not_count() -> None:
    assert expected() == amp_run(recipe=True)


@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step")
def test_a_step_after_every_attempt_is_noticed() -> None:
    assert expected() != amp_run(recipe=False)


def accumulated_run(recipe: bool, micro_batches: int = 4) -> list[float]:
    """Rates of updates whose gradients come from several batches."""
    weights = torch.zeros(UPDATES, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.1)
    scheduler = load_emitted("torch", "cosine_warmup").CosineWarmupLR(optimizer, **SHORT)
    for batch in range(UPDATES * micro_batches):
        (weights[batch // micro_batches] / micro_batches).backward()
        last = batch % micro_batches == micro_batches - 1
        if last:
            optimizer.step()
            optimizer.zero_grad()
        if last or not recipe:
            scheduler.step()
    return [-weight for weight in weights.tolist()]


def test_batches_that_only_add_to_gradients_do_not_count() -> None:
    assert expected() == accumulated_run(recipe=True)


@pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler.step")
def test_a_step_after_every_batch_is_noticed() -> None:
    assert expected() != accumulated_run(recipe=False)
