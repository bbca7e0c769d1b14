"""Lengths of time that Composer writes as texts: ``'100ba'``."""

from __future__ import annotations

import re

from ..errors import quoted
from .pasted import NotPortable

_TIME = re.compile(r"\s*(\d[\d_]*(?:\.\d*)?)\s*([a-z]+)\s*")
_UNITS = {
    "ba": "batches",
    "ep": "epochs",
    "dur": "a share of the run",
    "iter": "iterations",
    "sp": "samples",
    "tok": "tokens",
    "sec": "seconds",
}


def batches(where: str, text: str) -> int:
    """The updates that a time of Composer's such as ``'100ba'`` is.

    Args:
        where: What a message begins with.
        text: The time.

    Raises:
        NotPortable: For a time in another unit, unless it is none at all, and for no time.
    """
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        raise NotPortable(f"{where} is {quoted(text)}, which is no length. Give a number.")
    number = float(found[1].replace("_", ""))
    if found[2] == "ba" and number.is_integer():
        return int(number)
    if number == 0:
        return 0
    raise NotPortable(
        f"{where} is {quoted(text)}, in {_UNITS[found[2]]}: how many updates that is depends "
        "on the run. Give it in batches, such as '100ba'."
    )
