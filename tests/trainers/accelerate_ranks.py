"""One rank of a run with Accelerate: ``accelerate_ranks.py CALL FOLDER [--stop N]``.

Update k feeds the k-th unit vector to weights of 0 under a loss that is their product: plain SGD
leaves minus the rate of update k in place k, to the bit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))
from emitted import load_emitted

UPDATES = 12
MICRO_BATCHES = 2
PEAK = 0.1
SHORT = {"warmup_steps": 3, "total_steps": 14}


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shown = torch.nn.Parameter(torch.zeros(UPDATES))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.shown @ inputs


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("call", choices=("own", "told", "prepared"))
    reader.add_argument("folder", type=Path)
    reader.add_argument("--stop", type=int, default=UPDATES)
    chosen = reader.parse_args()
    accelerator = Accelerator(
        cpu=True,
        gradient_accumulation_steps=MICRO_BATCHES,
        step_scheduler_with_optimizer=chosen.call != "told",
    )
    own = Model()
    optimizer = torch.optim.SGD(own.parameters(), lr=PEAK)
    scheduler = load_emitted("torch", "cosine_warmup").CosineWarmupLR(optimizer, **SHORT)
    model, optimizer = accelerator.prepare(own, optimizer)
    if chosen.call == "own":
        accelerator.register_for_checkpointing(scheduler)
    else:
        scheduler = accelerator.prepare(scheduler)
    saved = chosen.folder / "checkpoint"
    first = 0
    if saved.exists():
        accelerator.load_state(str(saved))
        first = json.loads((chosen.folder / "updates.json").read_text())
    for batch in range(first * MICRO_BATCHES, chosen.stop * MICRO_BATCHES):
        with accelerator.accumulate(model):
            loss = model(torch.eye(UPDATES)[batch // MICRO_BATCHES])
            accelerator.backward(loss)
            optimizer.step()
            applied = accelerator.sync_gradients and not accelerator.optimizer_step_was_skipped
            if chosen.call == "prepared" or applied:
                scheduler.step()
            optimizer.zero_grad()
    if chosen.stop < UPDATES:
        accelerator.save_state(str(saved))
        (chosen.folder / "updates.json").write_text(json.dumps(chosen.stop))
    rates = [-float(weight) for weight in own.shown]
    path = chosen.folder / f"rank_{accelerator.process_index}.json"
    path.write_text(json.dumps(rates))
    accelerator.end_training()


if __name__ == "__main__":
    main()
