"""What there is: the schedules of the catalogue, and what libraries call theirs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .catalogue import catalogue, dialects, libraries
from .errors import SpecError, did_you_mean, quoted
from .pipeline import read


def listed(names: Sequence[str], *, every: bool, as_json: bool) -> str:
    """A line for each schedule, or the same as JSON, each line ended.

    Args:
        names: Libraries, such as ``torch``; without any, the catalogue is meant.
        every: The dialects of every library.
        as_json: For machines.

    Raises:
        SpecError: For a library that has no dialects.
    """
    sources = [read(path) for path in _paths(names, every)]
    if as_json:
        entries = [
            {
                "name": source.key,
                "title": source.document.title,
                "file": source.file,
                "drives": source.document.drives,
                "base": source.document.base,
                "observes": source.document.observes,
                "parameters": list(source.document.parameters),
                "cites": source.document.cites,
            }
            for source in sources
        ]
        return json.dumps(entries, indent=1) + "\n"
    width = max((len(source.key) for source in sources), default=0)
    return "".join(f"{source.key:<{width}}  {source.document.title}\n" for source in sources)


def _paths(names: Sequence[str], every: bool) -> list[Path]:
    if every:
        return list(dialects().values())
    if not names:
        return list(catalogue().values())
    known = libraries()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"Known here: {', '.join(known)}."
            raise SpecError(f"no library {quoted(name)}", hint)
    return [path for name in dict.fromkeys(names) for path in dialects(name).values()]
