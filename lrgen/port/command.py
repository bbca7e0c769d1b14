"""Doing what ``lrgen port`` was asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write
from .members import is_schedule, member_of
from .pasted import Call, NotPortable, computed, read
from .ported import Ported, ported

MOST_BYTES = 1024 * 1024


def port_text(text: str, *, quantity: str, name: str, settings: Mapping[str, Any]) -> Ported:
    """The schedule that ``text`` makes: the last one of those it names.

    Raises:
        NotPortable: When it makes none.
    """
    values = read(text)
    if not values:
        raise NotPortable("nothing was pasted. Give the call that makes a schedule.")
    value = next((one for one in reversed(values) if is_schedule(one)), values[-1])
    origin = value.path if isinstance(value, Call) else "what was pasted"
    return ported(member_of(value, quantity), origin, name=name, settings=settings)
