"""One rank of a PyTorch run: ``torch_ranks.py KIND RANK FOLDER [--kill-at N]``.

It goes on from the last checkpoint in FOLDER, if there is one. Update k feeds the k-th unit vector
to weights of 0 under a loss that is their product: plain SGD leaves minus the rate of update k in
place k, to the bit, on whichever rank the place lives.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))
from emitted import load_emitted

RANKS = 2
UPDATES = 12
CHECKPOINT_EVERY = 3
CURVE = {"warmup_steps": 3, "total_steps": 14, "factor": 0.5, "patience": 0}
PEAK = 0.1


class Model(nn.Module):
    """Weights that show the rates, and a layer that is really trained."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shown = nn.Parameter(torch.zeros(UPDATES))
        self.layer = nn.Linear(UPDATES, UPDATES)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.shown @ inputs + self.layer(inputs).square().sum()


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("kind", choices=("ddp", "fsdp"))
    reader.add_argument("rank", type=int)
    reader.add_argument("folder", type=Path)
    reader.add_argument("--kill-at", type=int, default=-1)
    reader.add_argument("--skip", choices=("", "reduce", "scheduler"), default="")
    chosen = reader.parse_args()
    torch.set_num_threads(1)
    meeting = f"file://{chosen.folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=chosen.rank, world_size=RANKS)
    model: Any = Model()
    model = fully_shard(model) if chosen.kind == "fsdp" else DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=PEAK)
    scheduler = load_emitted("torch", "cosine_plateau").CosinePlateauLR(optimizer, **CURVE)
    update = resume(chosen, model, optimizer, scheduler)
    while update < UPDATES:
        if update and update % CHECKPOINT_EVERY == 0:
            save(chosen.folder, update, model, optimizer, scheduler)
        loss = model(torch.eye(UPDATES)[update])
        optimizer.zero_grad()
        loss.backward()
        if update == chosen.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        optimizer.step()
        scheduler.step()
        if update % 4 == 3:
            scheduler.observe(metric(chosen.rank, update, reduce=chosen.skip != "reduce"))
        update += 1
    rates = [-float(weight) for weight in whole(parameter(model, "shown"))]
    weights = whole(parameter(model, "layer.weight")).flatten().tolist()
    found = {"rates": rates, "weights": weights, "next": optimizer.param_groups[0]["lr"]}
    (chosen.folder / f"{chosen.kind}_{chosen.rank}.json").write_text(json.dumps(found))
    dist.barrier()
    # Ending the group waits for gloo's threads, at times for ever where the other rank went first.
    os._exit(0)


def metric(rank: int, update: int, *, reduce: bool) -> torch.Tensor:
    """The validation loss: each rank has another, so that they must agree on one.

    On rank 0 alone it seems to fall, on all together it rises.
    """
    loss = torch.tensor([-1.0, 2.0][rank] * update)
    if reduce:
        dist.all_reduce(loss)
    return loss


def save(folder: Path, update: int, model: Any, optimizer: Any, scheduler: Any) -> None:
    weights, moments = get_state_dict(model, optimizer)
    state = {"model": weights, "optimizer": moments, "scheduler": scheduler.state_dict()}
    dcp.save(state, checkpoint_id=folder / f"checkpoint_{update}")
    dist.barrier()


def resume(chosen: Any, model: Any, optimizer: Any, scheduler: Any) -> int:
    """Take in the last checkpoint; the update at which to go on."""
    saved = sorted(int(path.name.partition("_")[2]) for path in chosen.folder.glob("checkpoint_*"))
    if not saved:
        return 0
    weights, moments = get_state_dict(model, optimizer)
    state = {"model": weights, "optimizer": moments, "scheduler": scheduler.state_dict()}
    dcp.load(state, checkpoint_id=chosen.folder / f"checkpoint_{saved[-1]}")
    set_state_dict(
        model,
        optimizer,
        model_state_dict=state["model"],
        optim_state_dict=state["optimizer"],
    )
    if chosen.skip != "scheduler":
        scheduler.load_state_dict(state["scheduler"])
    return saved[-1]


def parameter(model: Any, name: str) -> torch.Tensor:
    return next(own for key, own in model.named_parameters() if key.endswith(name))


def whole(own: torch.Tensor) -> torch.Tensor:
    """All of a parameter, wherever its parts live."""
    return (own.full_tensor() if isinstance(own, DTensor) else own).detach()


if __name__ == "__main__":
    main()
