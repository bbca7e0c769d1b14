"""How a dialect says that its library is called, beside what the library itself says."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Collection
from typing import Any

from lrgen import catalogue

Argument = tuple[str, Any]


def arguments(call: Callable[..., Any], without: Collection[str] = ("self",)) -> list[Argument]:
    """Names and defaults of what ``call`` takes, in order, but those in ``without``."""
    found = inspect.signature(call).parameters.values()
    return [(one.name, one.default) for one in found if one.name not in without]


def shape(name: str) -> dict[str, Any]:
    """The table ``[call]`` of the dialect called ``name``."""
    library, own = name.split("/")
    path = catalogue.data_folder("spec") / "dialects" / library / f"{own}.toml"
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["call"]
    return found


def written(name: str) -> list[Argument]:
    """Names and defaults of what ``[call]`` of the dialect called ``name`` says, in order."""
    call: Callable[..., Any] = eval(f"lambda {shape(name)['signature']}: None")
    return arguments(call)
