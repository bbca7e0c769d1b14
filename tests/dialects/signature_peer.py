"""Prints what a library offers and how it is called, as JSON: `names`, and `taken` by path.

The one argument names the library; dotted paths on standard input, one a line, are looked up. What
a callable takes is a list of its arguments: name, kind, and the text of the default, if it has one.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import by_path


def torch() -> Iterator[str]:
    from torch.optim import lr_scheduler, swa_utils

    yield from lr_scheduler.__all__
    for name, found in vars(swa_utils).items():
        if inspect.isclass(found) and issubclass(found, lr_scheduler.LRScheduler):
            yield name


def keras() -> Iterator[str]:
    from keras import callbacks
    from keras.optimizers import schedules

    yield from (name for name, one in vars(schedules).items() if inspect.isclass(one))
    yield from (name for name in vars(callbacks) if "LR" in name or "LearningRate" in name)


def optax() -> Iterator[str]:
    from optax import contrib, schedules

    yield from (name for name, one in vars(schedules).items() if callable(one))
    yield from (name for name in vars(contrib) if name.endswith("plateau"))


def transformers() -> Iterator[str]:
    from transformers import optimization

    by_word = optimization.TYPE_TO_SCHEDULER_FUNCTION
    yield from (word.value for word in by_word)
    for name, found in vars(optimization).items():
        chosen = found in by_word.values()
        if "schedule" in name and inspect.isfunction(found) and not chosen:
            yield name


def timm() -> Iterator[str]:
    scheduler = by_path.alone("timm.scheduler")  # the package itself needs torchvision
    yield from (name for name, one in vars(scheduler).items() if callable(one))


LIBRARIES: dict[str, Callable[[], Iterator[str]]] = {
    one.__name__: one for one in (torch, keras, optax, transformers, timm)
}


def taken(path: str) -> list[tuple[str, str, str | None]]:
    """What is at ``path``: name, kind and default of each argument."""
    module, _, name = path.rpartition(".")
    found: Any = getattr(importlib.import_module(module), name)
    return [
        (one.name, one.kind.name, None if one.default is one.empty else repr(one.default))
        for one in inspect.signature(found).parameters.values()
    ]


if __name__ == "__main__":
    own = sorted({name for name in LIBRARIES[sys.argv[1]]() if not name.startswith("_")})
    asked = sys.stdin.read().split()
    json.dump({"names": own, "taken": {path: taken(path) for path in asked}}, sys.stdout)
