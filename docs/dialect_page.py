"""Writes dialects.md: for each family of schedules, which library says it how, and what comes out.

`make docs` runs it. What a family holds stands in `families/`; `dialect_families.py` computes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from dialect_families import Call, Family, Group, families

from lrgen.catalogue import dialects
from lrgen.evaluate import Arithmetic
from lrgen.pipeline import read

PAGE = Path(__file__).parent / "dialects.md"
FEWEST_DIGITS = 5
MOST_DIGITS = 12
_SPELLED = Arithmetic().context.nstr

OPENING = """\
# The same sentence in many libraries

<!-- Written by `make docs`: change docs/families/ or docs/dialect_page.py instead. -->

What people call "cosine with warm-up" is another curve in almost every library. Here are the
families of schedules, each with a sentence that a user would say, the calls that say it, and what
these calls compute. Every call is read as `lrgen port` reads it; every value is computed, exactly,
from the formula of the dialect that the call becomes, and lrgen's tests hold each dialect against
its library. `lrgen diff torch/CosineAnnealingLR timm/CosineLRScheduler` compares two at other
numbers.

- Calls with one **letter** have one curve: their rates differ nowhere by more than 1e-12 of the
  highest one, over all updates of the table. *Parts at* is the first update at which a curve leaves
  curve A.
- An update is what the library counts: a call of `step()`, an iteration, a batch or an epoch;
  `step` 0 is the first. `optimizer` is one of PyTorch's, made with the rate of the sentence, and
  `base_lr` is that rate; *with* tells what a library takes from the run, not from the call.
- A parameter in a column says what stands at its head; in brackets is what it is, where it counts
  otherwise.
"""


def page(found: Sequence[Family], known: Mapping[str, Path] | None = None) -> str:
    """The whole page.

    Args:
        found: Its families.
        known: The dialects that it must have; those of lrgen if None.

    Raises:
        ValueError: For a dialect that no family has, or curves that no table can tell apart.
    """
    parts = [
        OPENING,
        _contents(found),
        *(_section(family) for family in found),
        _index(found, dialects() if known is None else known),
    ]
    return "\n".join(parts)


def _contents(found: Sequence[Family]) -> str:
    rows = [
        [
            f"[{family.title}](#{_anchor(family.title)})",
            family.sentence,
            len(family.calls),
            len(family.libraries),
            len(family.groups),
        ]
        for family in found
    ]
    return _table(["family", "sentence", "calls", "libraries", "curves"], rows)


def _section(family: Family) -> str:
    counted = (
        f"{_number(len(family.calls), 'call')} of "
        f"{_number(len(family.libraries), 'library', 'libraries')}, "
        f"{_number(len(family.groups), 'curve')}."
    )
    parts = [
        f"## {family.title}\n",
        f"> {family.sentence}\n",
        f"{counted}\n",
        _calls(family),
        values(family),
    ]
    told = _cautions(family)
    return "\n".join([*parts, told] if told else parts)


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _calls(family: Family) -> str:
    """Which library says it how."""
    quantities = [q for q in family.quantities if any(_said(c, family, q) for c in family.calls)]
    rows = [
        [group.letter, call.library, _spelled_call(call)]
        + [_said(call, family, quantity) for quantity in quantities]
        for group in family.groups
        for call in group.calls
    ]
    return _table(["", "library", "call", *quantities], rows)


def _spelled_call(call: Call) -> str:
    settings = ", ".join(f"`{name} = {value!r}`" for name, value in call.settings.items())
    text = f"`{call.text}`".replace("|", "\\|")
    return f"{text} with {settings}" if settings else text


def _said(call: Call, family: Family, quantity: str) -> str:
    """The parameters of ``call`` that say ``quantity``."""
    wanted = family.quantities[quantity]
    return ", ".join(
        f"`{name}`" + ("" if value == wanted[0] else f" ({value})")
        for name, value in call.saying(wanted)
    )


def values(family: Family) -> str:
    """Where the curves part."""
    steps, digits = _shown_steps(family)
    first, *others = family.groups
    head = ["", *("start" if family.observed and not step else str(step) for step in steps)]
    rows = [
        [group.letter, *(_spelled(group, step, family, digits) for step in steps)]
        for group in family.groups
    ]
    if others:
        head.append("parts at")
        rows[0].append("")
        for row, group in zip(rows[1:], others):
            row.append(str(family.parting(first, group)))
    if family.observed:
        metrics = [_SPELLED(Arithmetic().real(m), 6) for m in family.observed]
        seen = ["metric", *("" if not step else metrics[step - 1] for step in steps)]
        rows.insert(0, seen + [""] * (len(head) - len(seen)))
    return _table(head, rows, right=True)


def _spelled(group: Group, step: int, family: Family, digits: int) -> str:
    """The rate with that many significant digits; 0 where it is within the tolerance of it."""
    rate = group.rates[step]
    if abs(rate) <= family.tolerance:
        return "0"
    text = str(_SPELLED(rate, digits, min_fixed=-4, max_fixed=7))
    return text.replace(".0e", "e").removesuffix(".0")


def _shown_steps(family: Family) -> tuple[list[int], int]:
    """Steps that tell every two curves apart, and with how many digits they do.

    Raises:
        ValueError: For curves that are closer than that.
    """
    first = family.groups[0]
    shown = {*family.steps, *(family.parting(first, group) for group in family.groups[1:])}
    for digits in range(FEWEST_DIGITS, MOST_DIGITS + 1):
        chosen, missed = set(shown), 0
        for pair in combinations(family.groups, 2):
            every = [*sorted(chosen), *range(len(first.rates))]
            telling = next((s for s in every if _told_apart(pair, s, family, digits)), None)
            chosen |= set() if telling is None else {telling}
            missed += telling is None
        if not missed:
            return sorted(chosen), digits
    raise ValueError(f"{family.title}: {missed} pairs of curves are too close to be shown")


def _told_apart(pair: Sequence[Group], step: int, family: Family, digits: int) -> bool:
    one, other = (_spelled(group, step, family, digits) for group in pair)
    return one != other


def _cautions(family: Family) -> str:
    """What hurts the people who use these calls, folded away."""
    told: dict[str, list[str]] = {}
    for group in family.groups:
        for call in group.calls:
            for text in call.cautions():
                whose = told.setdefault(text, [])
                if (own := f"{group.letter} {call.library}") not in whose:
                    whose.append(own)
    if not told:
        return ""
    lines = [f"- {', '.join(whose)}: {text}" for text, whose in told.items()]
    return "\n".join(
        ["<details><summary>What hurts people who use these</summary>\n", *lines, "\n</details>\n"]
    )


def _index(found: Sequence[Family], known: Mapping[str, Path]) -> str:
    """Every dialect with its families.

    Raises:
        ValueError: For a dialect that is in none.
    """
    homes: dict[str, list[str]] = {}
    for family in found:
        for call in family.calls:
            if call.dialect and family.title not in homes.setdefault(call.dialect, []):
                homes[call.dialect].append(family.title)
    if homeless := known.keys() - homes.keys():
        raise ValueError(f"no family in docs/families has {', '.join(sorted(homeless))}")
    rows = []
    for key, path in known.items():
        library, _, name = key.partition("/")
        linked = ", ".join(f"[{title}](#{_anchor(title)})" for title in homes[key])
        rows.append([library, f"`{name}`", linked, read(path).document.title])
    libraries = len({row[0] for row in rows})
    text = f"## Every dialect\n\n{len(rows)} dialects of {libraries} libraries.\n\n"
    return text + _table(["library", "name", "family", "what it is"], rows)


def _anchor(title: str) -> str:
    """What a page calls the place of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, right: bool = False) -> str:
    lines: Iterator[Sequence[Any]] = iter([head, ["---:" if right else "---"] * len(head), *rows])
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


if __name__ == "__main__":
    try:
        PAGE.write_text(page(families()), encoding="utf-8")
    except ValueError as error:
        sys.exit(str(error))
