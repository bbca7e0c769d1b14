"""Trainers that step a scheduler for you: the rate that is applied at every update, and resumed.

Update k feeds the k-th unit vector to weights of 0 under a loss that is their product: plain SGD
leaves minus the rate of update k in place k, to the bit.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from emitted import load_emitted

pytestmark = [pytest.mark.trainers, pytest.mark.filterwarnings("ignore")]

HERE = Path(__file__).parent
UPDATES = 12
PEAK = 0.1
SHORT = {"warmup_steps": 3, "total_steps": 14}


def expected(stride: int = 1) -> list[float]:
    """The rate of each update, where ``stride`` updates are an epoch of the schedule."""
    python = load_emitted("python", "cosine_warmup").cosine_warmup
    steps = [update // stride for update in range(UPDATES)]
    return [float(np.float32(python(step, peak_lr=PEAK, **SHORT))) for step in steps]


def scheduler_of(optimizer: Any) -> Any:
    return load_emitted("torch", "cosine_warmup").CosineWarmupLR(optimizer, **SHORT)


def vectors(batches: int) -> torch.Tensor:
    """The unit vector of each update, for so many batches of one row."""
    return torch.eye(UPDATES).repeat_interleave(batches, 0)


def shown(weights: torch.Tensor) -> list[float]:
    return [-float(weight) for weight in weights.detach()]


# -- Lightning -------------------------------------------------------------------------------


def lightning_run(
    folder: Path,
    *,
    interval: str = "step",
    accumulate: int = 1,
    epochs: int = 1,
    stop: int = -1,
    resume: Path | None = None,
    early: bool = False,
) -> Any:
    """A module after so many epochs over its share of the updates, or after ``stop`` updates."""
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.shown = torch.nn.Parameter(torch.zeros(UPDATES))

        def training_step(self, batch: Any, index: int) -> Any:
            # The data of an epoch are counted from its start, the vectors from that of the run.
            place = self.current_epoch * (UPDATES // epochs) + index // accumulate
            return self.shown[place] * batch[0].sum()

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=PEAK)
            scheduler = scheduler_of(optimizer)
            if early:
                scheduler.step()
            own = {"scheduler": scheduler, "interval": interval}
            return {"optimizer": optimizer, "lr_scheduler": own}

    rows = torch.utils.data.TensorDataset(torch.ones(UPDATES // epochs * accumulate, 1))
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        max_steps=stop,
        accumulate_grad_batches=accumulate,
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Module()
    trainer.fit(module, torch.utils.data.DataLoader(rows), ckpt_path=resume)
    return trainer, module


@pytest.mark.parametrize("accumulate", [1, 3])
def test_lightning_steps_once_per_update(accumulate: int, tmp_path: Path) -> None:
    _, module = lightning_run(tmp_path, accumulate=accumulate)

    assert expected() == shown(module.shown)


def test_lightning_steps_once_per_epoch_where_it_is_told_to(tmp_path: Path) -> None:
    _, module = lightning_run(tmp_path, interval="epoch", epochs=4)

    assert expected(stride=3) == shown(module.shown)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_lightning_goes_on_to_the_bit(accumulate: int, tmp_path: Path) -> None:
    trainer, _ = lightning_run(tmp_path, accumulate=accumulate, epochs=2, stop=UPDATES // 2)
    trainer.save_checkpoint(tmp_path / "middle.ckpt")
    _, module = lightning_run(
        tmp_path, accumulate=accumulate, epochs=2, resume=tmp_path / "middle.ckpt"
    )

    assert expected() == shown(module.shown)


def test_lightning_with_a_scheduler_that_is_early_is_noticed(tmp_path: Path) -> None:
    _, module = lightning_run(tmp_path, early=True)

    assert expected() != shown(module.shown)


# -- transformers ----------------------------------------------------------------------------


def transformers_run(
    folder: Path, *, accumulate: int = 1, stop: int = -1, early: bool = False, **resume: Any
) -> Any:
    """A model after its updates, or after ``stop`` of them, when a checkpoint is written."""
    transformers = pytest.importorskip("transformers")

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shown = torch.nn.Parameter(torch.zeros(UPDATES))

        def forward(self, inputs: Any) -> Any:
            return {"loss": (inputs @ self.shown).mean()}

    class Ordered(transformers.Trainer):  # type: ignore[name-defined,misc]
        def _get_train_sampler(self, *arguments: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    class Stop(transformers.TrainerCallback):  # type: ignore[name-defined,misc]
        def on_step_end(self, arguments: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == stop:
                control.should_save = control.should_training_stop = True

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=PEAK)
    scheduler = scheduler_of(optimizer)
    if early:
        scheduler.step()
    trainer = Ordered(
        model,
        transformers.TrainingArguments(
            str(folder),
            per_device_train_batch_size=1,
            gradient_accumulation_steps=accumulate,
            num_train_epochs=1,
            max_grad_norm=0.0,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=[{"inputs": row} for row in vectors(accumulate)],
        optimizers=(optimizer, scheduler),
        callbacks=[Stop()],
    )
    trainer.train(**resume)
    return model


@pytest.mark.parametrize("accumulate", [1, 3])
def test_transformers_steps_once_per_update(accumulate: int, tmp_path: Path) -> None:
    assert expected() == shown(transformers_run(tmp_path, accumulate=accumulate).shown)


@pytest.mark.parametrize("stop", [1, 7])
def test_transformers_goes_on_to_the_bit(stop: int, tmp_path: Path) -> None:
    transformers_run(tmp_path, stop=stop)
    saved = str(tmp_path / f"checkpoint-{stop}")
    model = transformers_run(tmp_path, resume_from_checkpoint=saved)

    assert expected() == shown(model.shown)


def test_transformers_with_a_scheduler_that_is_early_is_noticed(tmp_path: Path) -> None:
    assert expected() != shown(transformers_run(tmp_path, early=True).shown)


# -- Accelerate: two processes ---------------------------------------------------------------


def accelerate_run(call: str, folder: Path, *options: str) -> list[list[float]]:
    """What each of two ranks applied."""
    pytest.importorskip("accelerate")
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        port = own.getsockname()[1]
    ranks = []
    for rank in range(2):
        environment = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        environment |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, HERE / "accelerate_ranks.py", call, folder, *options]
        ranks.append(subprocess.Popen(command, env={**os.environ, **environment}))
    assert [0, 0] == [rank.wait(timeout=240) for rank in ranks]
    return [json.loads((folder / f"rank_{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("call", ["own", "told"])
def test_accelerate_applies_each_rate_on_each_rank(call: str, tmp_path: Path) -> None:
    """Not prepared, or prepared by an Accelerator with step_scheduler_with_optimizer=False."""
    assert [expected()] * 2 == accelerate_run(call, tmp_path)


def test_accelerate_steps_a_prepared_scheduler_once_per_process(tmp_path: Path) -> None:
    python = load_emitted("python", "cosine_warmup").cosine_warmup
    twice = [float(np.float32(python(2 * k, peak_lr=PEAK, **SHORT))) for k in range(UPDATES)]

    assert [twice] * 2 == accelerate_run("prepared", tmp_path)


def test_accelerate_goes_on_to_the_bit(tmp_path: Path) -> None:
    accelerate_run("own", tmp_path, "--stop", "5")

    assert [expected()] * 2 == accelerate_run("own", tmp_path)
