"""Configuration that says which schedule a run has: read as the calls that it stands for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import did_you_mean
from .calls import chosen
from .pasted import Call, NotPortable, Unknown

# What transformers' TrainingArguments are without a word, of those that make the schedule.
_TRAINER: dict[str, Any] = {
    "learning_rate": 5e-5,
    "lr_scheduler_type": "linear",
    "lr_scheduler_kwargs": None,
    "warmup_ratio": 0.0,
    "warmup_steps": 0,
    "max_steps": -1,
}


def call_of(settings: Any) -> Any:
    """The call that ``settings`` stand for; what is no such configuration is given back as it is.

    Raises:
        NotPortable: For a configuration that lacks something.
    """
    if isinstance(settings, Call) and settings.name.endswith("TrainingArguments"):
        return _of_trainer(settings.keywords)
    if not isinstance(settings, dict):
        return settings
    for key, reader in _READERS.items():
        if key in settings:
            return reader(settings)
    near = did_you_mean(next(iter(map(str, settings)), ""), _READERS)
    raise NotPortable(
        f"a dictionary without {', '.join(_READERS)} says no schedule. "
        + (near or "Give the part of the configuration that does.")
    )


def _of_trainer(settings: Mapping[str, Any]) -> Call:
    """transformers' TrainingArguments: the name of the schedule, and how long the run is."""
    given = {key: settings.get(key, usual) for key, usual in _TRAINER.items()}
    steps = _number("max_steps", given["max_steps"])
    if steps <= 0:
        raise NotPortable(
            "max_steps is missing: how many updates a run of num_train_epochs has depends on its "
            "data. Add max_steps."
        )
    warmup = _number("warmup_steps", given["warmup_steps"])
    # A share of the steps is rounded up, as TrainingArguments.get_warmup_steps does.
    ratio = warmup if 0 < warmup < 1 else _number("warmup_ratio", given["warmup_ratio"])
    warmup_steps = int(warmup) if warmup >= 1 else math.ceil(steps * ratio)
    arguments: dict[str, Any] = {"num_warmup_steps": warmup_steps, "num_training_steps": int(steps)}
    arguments |= given["lr_scheduler_kwargs"] or {}
    optimizer = Call("torch.optim.AdamW", (), {"lr": given["learning_rate"]})
    arguments["optimizer"] = optimizer
    name = given["lr_scheduler_type"]
    if isinstance(name, Unknown):  # SchedulerType.COSINE
        name = name.text.rpartition(".")[2].lower()
    return chosen(Call("TrainingArguments"), "transformers", name, arguments)


def _of_deepspeed(settings: Mapping[str, Any]) -> Call:
    """A DeepSpeed configuration: ``scheduler`` with ``type`` and ``params``."""
    scheduler = settings["scheduler"]
    if not isinstance(scheduler, dict) or "type" not in scheduler:
        raise NotPortable("scheduler: no type. Give a type, such as WarmupLR, and params.")
    arguments = dict(scheduler.get("params") or {})
    for name, value in arguments.items():
        if value == "auto":
            raise NotPortable(
                f"scheduler.params.{name}: 'auto' is filled in by the trainer. Write its value."
            )
    optimizer = settings.get("optimizer")
    rate = (optimizer.get("params") or {}).get("lr") if isinstance(optimizer, dict) else None
    if rate is not None and rate != "auto":
        arguments["optimizer"] = Call("deepspeed.optimizer", (), {"lr": rate})
    return chosen(Call("scheduler"), "deepspeed", scheduler["type"], arguments, every=True)


def _of_keras(settings: Mapping[str, Any]) -> Call:
    """What Keras' ``serialize`` gives: ``class_name`` and ``config``."""
    config = {k: v for k, v in (settings.get("config") or {}).items() if k != "name"}
    return Call(f"keras.optimizers.schedules.{settings['class_name']}", (), config)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotPortable(f"{name} is no number. Write its value.")
    return value


_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "class_name": _of_keras,
    "scheduler": _of_deepspeed,
    "lr_scheduler_type": _of_trainer,
    "max_steps": _of_trainer,
}
