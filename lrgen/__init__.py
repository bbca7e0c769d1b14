"""Write a learning-rate schedule once, as a formula; get the same float32 in every framework.

import lrgen

schedule = lrgen.load("cosine_warmup")  # from the catalogue, or a path
bound = schedule.bind(peak_lr=3e-4, total_steps=50_000)
bound(10)  # the rate of update 10, binary64
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bound import Bound, Loaded, load
    from .errors import SpecError
    from .fitting.finder import fit
    from .fitting.verdict import Fit
    from .porting.command import port
    from .porting.ported import Ported
    from .schedule import Parameter

__version__ = "0.1.0"
__all__ = [
    "Bound",
    "Fit",
    "Loaded",
    "Parameter",
    "Ported",
    "SpecError",
    "__version__",
    "fit",
    "load",
    "port",
]

_HOMES = {
    "Bound": "bound",
    "Loaded": "bound",
    "load": "bound",
    "Fit": "fitting.verdict",
    "fit": "fitting.finder",
    "port": "porting.command",
    "Ported": "porting.ported",
    "SpecError": "errors",
    "Parameter": "schedule",
}


def __getattr__(name: str) -> object:
    """The public names, imported when first used: ``lrgen --help`` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lrgen' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
