"""Lines that are too long, broken as ruff's formatter breaks them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from itertools import pairwise

from ..errors import SpecError
from ..schedule import Schedule

COLUMNS = 100


def fitting(lines: Sequence[str], schedule: Schedule, width: int = COLUMNS - 4) -> tuple[str, ...]:
    """The lines, those that are too long broken once, as the formatter would.

    Raises:
        SpecError: Where that is not enough: such a formula lacks a name for one of its parts.
    """
    result: list[str] = []
    for line in lines:
        broken = [line] if len(line) <= width else _broken(line, width)
        if any(len(part) > width for part in broken):
            raise SpecError(
                f"an emitted line has {len(line) + COLUMNS - width} columns, the limit is "
                f"{COLUMNS}: {line.strip()[:60]}...",
                "Name a part of the formula in [let].",
                file=schedule.file,
            )
        result += broken
    return tuple(result)


_STATEMENT = re.compile(r'(\s*)((?:[A-Za-z_][\w.\[\]"]*(?:, [A-Za-z_]\w*)* = |return )?)(.*)')
_CALL = re.compile(r"[A-Za-z_][\w.]*\(")
_SIGNS = (
    (" if ", " else "),
    (" and ", " or "),
    (" + ", " - "),
    (" * ", " / ", " // ", " % "),
    (" ** ",),
)


def _broken(line: str, width: int) -> list[str]:
    """``name = expression`` over several lines, as ruff's formatter breaks it."""
    match = _STATEMENT.fullmatch(line)
    assert match is not None
    indent, head, expression = match.groups()
    if expression.startswith("# "):
        mark = f"{indent}# "
        said, comma, rest = expression[2:].rpartition(", ")
        parts = [said + ",", rest] if comma and len(mark + said) < width else [expression[2:]]
        return [
            part
            for text in parts
            for part in textwrap.wrap(text, width, initial_indent=mark, subsequent_indent=mark)
        ]
    call = _whole_call(expression)
    if call:
        return _broken_call(indent, head, expression, call, width)
    if not head:
        return [line]
    inner = indent + "    "
    if len(inner) + len(expression) <= width:
        return [f"{indent}{head}(", inner + expression, f"{indent})"]
    parts = _parts(expression)
    if len(parts) == 1:
        return _at_longest(indent, head, expression, width)
    lines = [deeper for part in parts for deeper in _laid_out(inner, part, width)]
    return [f"{indent}{head}(", *lines, f"{indent})"]


def _laid_out(indent: str, expression: str, width: int) -> list[str]:
    """An expression that stands inside of brackets already."""
    if len(indent) + len(expression) <= width:
        return [indent + expression]
    sign = next(
        (s for s in ("+ ", "- ", "** ", "* ", "/ ", "if ", "else ") if expression.startswith(s)), ""
    )
    rest = expression[len(sign) :]
    call = _whole_call(rest)
    if call:
        return _broken_call(indent, sign, rest, call, width)
    parts = _parts(rest)
    if len(parts) > 1:
        parts[0] = sign + parts[0]
        return [deeper for part in parts for deeper in _laid_out(indent, part, width)]
    opening = _last_bracket(rest)
    lines = _broken_call(indent, sign, rest, opening, width) if opening else [indent + expression]
    return lines if len(lines[0]) <= width else _at_longest(indent, sign, rest, width)


def _broken_call(indent: str, head: str, expression: str, call: int, width: int) -> list[str]:
    """``call(`` on a line, its arguments on the next or one a line, ``)`` on the last."""
    inner = indent + "    "
    arguments = _split(expression[call:-1], (", ",))
    one = inner + ", ".join(arguments)
    if len(one) <= width:
        lines = [one]
    elif len(arguments) == 1:
        lines = _laid_out(inner, arguments[0], width)
    else:
        lines = []
        for argument in arguments:
            laid = _laid_out(inner, argument, width - 1)
            lines += [*laid[:-1], f"{laid[-1]},"]
    return [f"{indent}{head}{expression[:call]}", *lines, f"{indent}{expression[-1]}"]


def _whole_call(expression: str) -> int:
    """Where the arguments begin, when ``expression`` is one call or one bracket; else 0."""
    match = _CALL.match(expression)
    start = match.end() if match else 1 if expression[:1] in "([" else 0
    if not start or not expression.endswith((")", "]")):
        return 0
    depths = _depths(expression)
    return start if 0 not in depths[start - 1 : -1] else 0


def _last_bracket(expression: str) -> int:
    """Where the bracket opens that closes at the end of ``expression``; else 0."""
    depths = _depths(expression)
    if not expression.endswith((")", "]")):
        return 0
    return max(place for place, depth in enumerate(depths[:-1]) if depth == 0) + 2


def _at_longest(indent: str, head: str, expression: str, width: int) -> list[str]:
    """The contents of the longest bracket on lines of their own."""
    begin, end = _longest_bracket(expression)
    if not begin:
        return [f"{indent}{head}{expression}"]
    *lines, last = _broken_call(indent, head, expression[:end], begin, width)
    return [*lines, last + expression[end:]]


def _longest_bracket(expression: str) -> tuple[int, int]:
    """Where the contents of the longest bracket begin, and where it ends; 0 for no bracket."""
    found, begin = (0, 0), 0
    for place, (before, depth) in enumerate(pairwise([0, *_depths(expression)])):
        if before == 0 and depth == 1:
            begin = place + 1
        if before == 1 and depth == 0 and place + 1 - begin > found[1] - found[0]:
            found = begin, place + 1
    return found


def _parts(expression: str) -> list[str]:
    """``expression`` before each of its loosest signs."""
    for signs in _SIGNS:
        parts = _split(expression, signs, keep=True)
        if len(parts) > 1:
            return parts
    return [expression]


def _depths(text: str) -> list[int]:
    """How many brackets are open after each character."""
    depths, depth = [], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        depths.append(depth)
    return depths


def _split(text: str, separators: Sequence[str], keep: bool = False) -> list[str]:
    """``text`` at separators outside of brackets; kept ones begin the next part."""
    depths = _depths(text)
    parts, start, place = [], 0, 0
    while place < len(text):
        found = next((s for s in separators if text.startswith(s, place)), None)
        if found is not None and depths[place] == 0 and place > 0:
            parts.append(text[start:place])
            start = place + (1 if keep else len(found))
            place += len(found)
        else:
            place += 1
    return [*parts, text[start:]]
