"""What a schedule is called in Python: from the name its author gave, which may be a library's."""

from __future__ import annotations

import re

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def function_name(name: str) -> str:
    """``OneCycleLR.momentum`` as ``one_cycle_lr_momentum``: a function, and its module."""
    return _HUMP.sub("_", name).replace(".", "_").lower()


def class_name(name: str) -> str:
    """``cosine_warmup`` as ``CosineWarmup``; ``OneCycleLR`` stays as it is."""
    parts = name.replace(".", "_").split("_")
    return "".join(part[:1].upper() + part[1:] for part in parts)


def scheduler_name(name: str) -> str:
    """``cosine_warmup`` as ``CosineWarmupLR``, as PyTorch calls its schedulers."""
    found = class_name(name)
    return found if found.endswith("LR") else f"{found}LR"
