"""Between pieces: the last one is the default, and each before it wins where it holds."""

from __future__ import annotations

from collections.abc import Sequence

from ..expr import Apply, Expr, Kind, Name, names_in
from .base import Spelled
from .layout import COLUMNS


def where_chain(
    chosen: Sequence[tuple[Expr | None, str, Expr]], spelled: Spelled, where: str, final: str
) -> list[str]:
    """``lr = where(condition, piece, lr)`` from the last piece to the first.

    Args:
        chosen: (condition, code, value) of each piece, in their order.
        spelled: The framework's way to spell.
        where: Its choice between two arrays, over ``{0}`` ``{1}`` ``{2}``.
        final: What is done with the result, over ``{0}``.
    """
    *_, (_, last, value) = chosen
    if len(chosen) == 1:
        if final != PLAIN and not last.isidentifier():
            return [f"lr = {last}", final.format("lr")]
        return [final.format(last)]
    before, _, other = chosen[-2]
    scalars = spelled.style.fills != "none" and spelled.is_host(other)
    decided = before is not None and spelled.is_host(before)
    if scalars or decided:
        last = _as_array(last, value, spelled)
    lines: list[str] = []
    result = last if scalars or decided else _as_operand(last, value, spelled)
    for index, (condition, text, own) in enumerate(reversed(chosen[:-1])):
        assert condition is not None
        decided = spelled.is_host(condition)
        if decided:  # by Python
            one = _as_array(text, own, spelled)
            if isinstance(own, Apply) and own.op == "if" and not one.isidentifier():
                one = f"({one})"
            choice = f"{one} if {spelled.text(condition)} else {result}"
        else:
            one = _as_operand(text, own, spelled)
            choice = where.format(spelled.text(condition), one, result)
        if index < len(chosen) - 2:
            lines.append(f"lr = {choice}")
            result = "lr"
        elif not decided and (final == PLAIN or len(final.format(choice)) <= COLUMNS - 4):
            lines.append(final.format(choice))
        else:
            # A cast at the end is set apart where the line would be too long with it.
            lines += [f"lr = {choice}", final.format("lr")]
    return ["", *lines]


def _as_array(text: str, value: Expr, spelled: Spelled) -> str:
    """``text``, the code of ``value``, of the shape of ``step`` whatever Python decides."""
    if not spelled.varying.isdisjoint(names_in(value)):
        return text
    return spelled.text(spelled.filled(Name(text, Kind.REAL) if text.isidentifier() else value))


def _as_operand(text: str, value: Expr, spelled: Spelled) -> str:
    """``text``, the code of ``value``, as a framework's choice takes it."""
    if not spelled.is_host(value):
        return text
    return spelled.text(spelled.operand(Name(text, Kind.REAL) if text.isidentifier() else value))


PLAIN = "return {0}"
