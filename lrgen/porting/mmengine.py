"""mmengine's ``param_scheduler``: schedulers that each change what the ones before have left."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..catalogue import dialects
from .calls import Asked, asked
from .compose import Member, Nested, Slow, Succession
from .pasted import Call, NotPortable, Unknown, told

_LIBRARY = "mmengine"
# mmengine's own word for no end.
_NEVER = 10**9
# They change nothing but what they are called after.
_OTHERS = ("Momentum", "Betas", "ParamScheduler")
# They need to know where they end; the runner fills in the length of the run.
_ENDING = ("ConstantLR", "LinearLR", "PolyLR", "CosineAnnealingLR", "OneCycleLR")
_ALONE = ("OneCycleLR", "ReduceOnPlateauLR")
_EPOCH = 1_000
_LENGTHS = ("begin", "end", "T_max", "step_size", "total_steps", "milestones", "periods")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A scheduler of the list.

    Attributes:
        one: Which, with its lengths in epochs or in updates.
        begin: The update from which it changes the rate.
        end: The update from which it does not any more.
        slow: Whether it steps once in an epoch.
    """

    one: Asked
    begin: int
    end: int
    slow: bool

    @property
    def name(self) -> str:
        """What mmengine calls it."""
        return self.one.document.name

    @property
    def length(self) -> int:
        """Steps from its begin to its end."""
        span: int = self.one.value("end") - self.one.value("begin")
        return span

    @property
    def rises(self) -> bool:
        """Whether it is a cosine that comes up again, which goes by the optimizer's rate."""
        return self.name == "CosineAnnealingLR" and 0 < self.one.value("T_max") < self.length

    @property
    def shared(self) -> bool:
        """Whether its floor is a share of the optimizer's rate."""
        return self.name == "CosineAnnealingLR" and self.one.value("eta_min_ratio") > 0

    @property
    def restarts(self) -> bool:
        """Whether it sets the rate anew, from the optimizer's."""
        return self.name == "CosineRestartLR"

    @property
    def multiplies(self) -> bool:
        """Whether it is a factor, whatever others do at the same time."""
        if self.restarts or self.rises or self.shared:
            return False
        return "eta_min" not in self.one.document.parameters or self.one.value("eta_min") == 0

    @property
    def returns(self) -> bool:
        """Whether it ends with the rate that it began with."""
        return self.name == "LinearLR" and self.one.value("end_factor") == 1 and self.length > 1


def is_configuration(value: Any) -> bool:
    """Whether ``value`` is a ``param_scheduler`` of mmengine, or holds one."""
    match value:
        case {"param_scheduler": _}:
            return True
        case {"type": kind}:
            return f"{_LIBRARY}/{_word(kind)}" in dialects(_LIBRARY)
        case [_, *_]:
            kinds = [entry.get("type") for entry in value if isinstance(entry, dict)]
            known = [kind for kind in kinds if f"{_LIBRARY}/{_word(kind)}" in dialects(_LIBRARY)]
            return len(kinds) == len(value) and bool(known)
        case _:
            return False


def with_the_run(value: Any, others: Sequence[Any]) -> Any:
    """``value`` together with what ``others`` of a configuration say of the run."""
    found: dict[str, Any] = {"param_scheduler": value}
    for other in others:
        match other:
            case {"optimizer": {"lr": _}}:
                found["optim_wrapper"] = other
            case {"max_epochs": _} | {"max_iters": _} | {"epoch_length": _}:
                found["train_cfg"] = other
    return found


def of_configuration(value: Any) -> Member:
    """The member that a ``param_scheduler`` of mmengine is.

    Args:
        value: A scheduler's dictionary, a list of such, or a configuration with
            ``param_scheduler`` and perhaps ``train_cfg`` and ``optim_wrapper``.

    Raises:
        NotPortable: For one that is unknown, and those whose rates no formula gives together.
    """
    config = value if isinstance(value, dict) and "param_scheduler" in value else {}
    listed = config.get("param_scheduler", value)
    run = config.get("train_cfg") or {}
    entries = [
        _entry(one, run)
        for one in (listed if isinstance(listed, list) else [listed])
        if not _drives_another(one)
    ]
    if not entries:
        raise NotPortable("param_scheduler: none of them drives the rate. Give one that does.")
    entries = _in_updates(entries, run)
    _checked(entries)
    rate = ((config.get("optim_wrapper") or {}).get("optimizer") or {}).get("lr")
    if isinstance(rate, int | float):
        first = entries[0]
        values = {**first.one.values, "base_lr": float(rate)}
        entries[0] = replace(first, one=replace(first.one, values=values))
    return _together(entries, run)


def _word(kind: Any) -> str:
    text = kind.text if isinstance(kind, Unknown) else kind
    return str(text).rpartition(".")[2]


def _drives_another(settings: Any) -> bool:
    word = _word(settings.get("type")) if isinstance(settings, dict) else ""
    return word.endswith(_OTHERS) or (
        isinstance(settings, dict) and settings.get("param_name", "lr") != "lr"
    )


def _entry(settings: Any, run: Mapping[str, Any]) -> _Entry:
    """One scheduler of the list, its lengths as they were given."""
    if not isinstance(settings, dict) or "type" not in settings:
        raise NotPortable(f"param_scheduler: {told(settings)} has no type. Add it.")
    word = _word(settings["type"])
    given = {k: v for k, v in settings.items() if k not in ("type", "convert_to_iter_based")}
    slow = given.pop("by_epoch", True) is not False
    length = run.get("max_epochs" if slow else "max_iters")
    if "end" not in given and isinstance(length, int):
        given["end"] = length
    closed = given.get("T_max") is not None or given.get("total_steps") is not None
    if word in _ENDING and "end" not in given and not closed:
        name = "max_epochs" if slow else "max_iters"
        raise NotPortable(
            f"param_scheduler: {word} has no end: mmengine takes the length of the run. Add end, "
            f"or a line above: train_cfg = dict({name}=100)."
        )
    if slow and settings.get("convert_to_iter_based") is True:
        slow, given = False, _converted(given, _epoch_length(run))
    one = asked(Call(f"mmengine.optim.{word}", (), given))
    begin, end = one.value("begin"), one.value("end")
    return _Entry(one, begin, end, slow)


def _converted(given: Mapping[str, Any], updates: int) -> dict[str, Any]:
    """The lengths of ``given`` in updates, where they are in epochs."""

    def times(value: Any) -> Any:
        match value:
            case list():
                return [times(entry) for entry in value]
            case int() | float():
                return value if value == _NEVER else int(value * updates)
            case _:
                return value

    return {k: times(v) if k in _LENGTHS else v for k, v in given.items()}


def _epoch_length(run: Mapping[str, Any]) -> int:
    updates = run.get("epoch_length")
    if not isinstance(updates, int) or updates < 1:
        raise NotPortable(
            "param_scheduler: epochs and updates are mixed, and how many updates an epoch has is "
            "not said. Add a line above: train_cfg = dict(max_epochs=100, epoch_length=1000)."
        )
    return updates


def _in_updates(entries: Sequence[_Entry], run: Mapping[str, Any]) -> list[_Entry]:
    """``entries`` by their begin, which is in updates where any steps at every update."""
    if all(entry.slow for entry in entries):
        entries = [replace(entry, slow=False) for entry in entries]
    elif any(entry.slow for entry in entries) and not _in_any_order(entries):
        updates = _epoch_length(run)
        entries = [
            replace(
                entry,
                begin=entry.begin * updates,
                end=entry.end if entry.end == _NEVER else entry.end * updates,
            )
            if entry.slow
            else entry
            for entry in entries
        ]
    return sorted(entries, key=lambda entry: (entry.begin, entry.slow))


def _checked(entries: Sequence[_Entry]) -> None:
    """Refuses those whose rates depend on each other in ways that no formula has."""
    for place, entry in enumerate(entries):
        others = [*entries[:place], *entries[place + 1 :]]
        if entry.name in _ALONE and others:
            raise NotPortable(
                f"param_scheduler: {entry.name} goes by rates of its own. Port it alone."
            )
        if entry.multiplies:
            continue
        for other in others:
            if not (other.end <= entry.begin or entry.end <= other.begin):
                raise NotPortable(
                    f"param_scheduler: {entry.name} has a floor or a restart, and {other.name} "
                    "changes the rate at the same time, each from the other's last rate. Let one "
                    "end where the other begins."
                )
        left = all(one.returns for one in others if one.end <= entry.begin)
        if (entry.rises or entry.shared or (entry.restarts and entry.slow)) and not left:
            raise NotPortable(
                f"param_scheduler: {entry.name} goes by the optimizer's rate, which those before "
                "it have changed. Give eta_min and no T_max."
            )


def _together(entries: Sequence[_Entry], run: Mapping[str, Any]) -> Member:
    """All of them as one member, in the order of their begins."""
    updates = run.get("epoch_length")
    if any(entry.slow for entry in entries) and updates is None:
        note = f"epoch_length is {_EPOCH}, for the configuration does not say: set epoch_length."
        entries = [replace(one, one=replace(one.one, notes=(note,))) for one in entries]
        run = {"epoch_length": _EPOCH}
    if _in_any_order(entries):  # so that epochs are counted once
        entries = sorted(entries, key=lambda entry: entry.slow)
    found: list[Member] = []
    for slow, group in itertools.groupby(entries, key=lambda entry: entry.slow):
        own = list(group)
        if slow:
            found.append(Slow(_nested([], own), "epoch_length", _epoch_length(run)))
        else:
            found = [_nested(found, own)]
    return found[0] if len(found) == 1 else Nested(tuple(found))


def _in_any_order(entries: Sequence[_Entry]) -> bool:
    """Whether each of them is a factor, so that it does not matter which comes first."""
    return all(entry.multiplies for entry in entries)


def _nested(found: Sequence[Member], entries: Sequence[_Entry]) -> Member:
    """``entries`` after what was ``found``: a restart sets the rate anew."""
    every = list(found)
    for entry in entries:
        if entry.restarts and every:
            before = every[0] if len(every) == 1 else Nested(tuple(every))
            every = [Succession((before, entry.one), (entry.begin,), frozenset({1}))]
        else:
            every.append(entry.one)
    return every[0] if len(every) == 1 else Nested(tuple(every))
