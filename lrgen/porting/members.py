"""What was read, as schedules: the calls that put others together, and those that choose one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..document import Document
from .calls import Asked, asked, chosen, is_known, of_the_optimizer, signature
from .compose import Member, Product, Succession, Written
from .factors import document_of, is_factors
from .formulas import formula
from .pasted import Call, Function, NotPortable, Unknown, told
from .settings import call_of

# Those that set the rate anew at every step, whatever another has made of it.
_ABSOLUTE = ("CyclicLR", "OneCycleLR", "CosineAnnealingWarmRestarts")
# Those that write the optimizer's rate when they are made, which all others then start from.
_OVERWRITE = ("CyclicLR", "OneCycleLR")


def schedule_of(value: Any, quantity: str = "") -> Member | Document:
    """The schedule that ``value`` is, as a member that others may be put together with, or whole.

    Raises:
        NotPortable: When it is none.
    """
    text = value.text if isinstance(value, Unknown) else value
    if isinstance(text, str) and is_factors(text):
        value = Call("t5x.utils.create_learning_rate_scheduler", (text,))
    if isinstance(value, Call) and value.name == "create_learning_rate_scheduler":
        return document_of(value, "t5x_factors")
    return member_of(value, quantity)


def member_of(value: Any, quantity: str = "") -> Member:
    """The schedule that ``value`` is.

    Args:
        value: As it was read.
        quantity: What else a library drives, such as ``momentum``; empty for the rate.

    Raises:
        NotPortable: When it is none.
    """
    value = call_of(value)
    if not isinstance(value, Call):
        raise NotPortable(f"{told(value)} is no schedule. Paste the call that makes one.")
    wrapper = _WRAPPERS.get(value.name)
    if wrapper is None:
        return asked(value, quantity)
    if quantity:
        raise NotPortable(f"{value.path} drives nothing but the rate. Leave out --quantity.")
    return wrapper(value)


def is_schedule(value: Any) -> bool:
    """Whether ``value`` is the call of a schedule."""
    return isinstance(value, Call) and (
        value.name in (*_WRAPPERS, "create_learning_rate_scheduler") or is_known(value)
    )


def _sequential(call: Call) -> Member:
    """``SequentialLR``: each member from its own step 0, and from the optimizer's rate."""
    given = signature("optimizer, schedulers, milestones, last_epoch=-1").bound(call)
    members = _members(call, given.get("schedulers"))
    milestones = _integers(call, "milestones", given.get("milestones"))
    if len(milestones) != len(members) - 1:
        raise NotPortable(
            f"{call.path}: {len(members)} schedulers want {len(members) - 1} milestones, but got "
            f"{len(milestones)}. Give the updates between two of them."
        )
    for one in members:
        if isinstance(one, Asked) and one.document.name in _OVERWRITE and len(members) > 1:
            raise NotPortable(
                f"{call.path}: {one.document.name} overwrites the optimizer's rate when it is "
                "made, so the others start from that. Port it alone."
            )
    return Succession(tuple(members), tuple(milestones))


def _chained(call: Call) -> Member:
    """``ChainedScheduler``: every member multiplies what those before it have left."""
    given = signature("schedulers, optimizer=None").bound(call)
    members = _members(call, given.get("schedulers"))
    for place, one in enumerate(members):
        match one:
            case Asked() if one.document.name in _ABSOLUTE:
                absolute = one.document.name
            case Written():
                absolute = "LambdaLR"
            case Asked() if one.document.name == "CosineAnnealingLR" and one.value("eta_min"):
                raise NotPortable(
                    f"{call.path}: CosineAnnealingLR with an eta_min other than 0 is no factor of "
                    "the rate. Leave eta_min out, or write the formula."
                )
            case _:
                continue
        if place + 1 < len(members):
            raise NotPortable(
                f"{call.path}: {absolute} sets the rate anew at every step, so those after it "
                "change one step only. Put it last, or leave them out."
            )
        return one  # nothing of those before it is left
    return members[0] if len(members) == 1 else Product(tuple(members))


def _lambda(call: Call) -> Member:
    """``LambdaLR``: the optimizer's rate times a function of the step."""
    given = signature("optimizer, lr_lambda, last_epoch=-1").bound(call)
    factor = _function(call, "lr_lambda", given.get("lr_lambda"))
    return Written(factor, of_the_optimizer(given.get("optimizer")).get("base_lr"))


def _joined(call: Call) -> Member:
    """``optax.join_schedules``: each member from its own step 0."""
    given = signature("schedules, boundaries").bound(call)
    members = _members(call, given.get("schedules"))
    boundaries = _integers(call, "boundaries", given.get("boundaries"))
    if len(boundaries) < len(members) - 1:
        raise NotPortable(
            f"{call.path}: {len(members)} schedules want {len(members) - 1} boundaries, but got "
            f"{len(boundaries)}. Give the updates between two of them."
        )
    return Succession(tuple(members), tuple(boundaries[: len(members) - 1]))


def _by_name(call: Call) -> Member:
    """``transformers.get_scheduler``: the first argument says which."""
    given = signature(
        "name, optimizer=None, num_warmup_steps=None, num_training_steps=None, "
        "scheduler_specific_kwargs=None"
    ).bound(call)
    name = given.pop("name", None)
    if isinstance(name, Unknown):  # SchedulerType.COSINE_WITH_MIN_LR
        name = name.text.rpartition(".")[2].lower()
    special = given.pop("scheduler_specific_kwargs", None) or {}
    return asked(chosen(call, "transformers", name, given | special))


def _members(call: Call, value: Any) -> list[Member]:
    """The schedules in the list ``value``."""
    if not isinstance(value, list) or not value:
        raise NotPortable(f"{call.path}: expected a list of schedules. Give at least one.")
    return [member_of(one) for one in value]


def _integers(call: Call, name: str, value: Any) -> Sequence[int]:
    whole = isinstance(value, list) and all(type(entry) is int and entry >= 0 for entry in value)
    if not whole or list(value) != sorted(value):
        raise NotPortable(f"{call.path}: {name} must be a list of updates that do not decrease.")
    entries: list[int] = value
    return entries


def _function(call: Call, name: str, value: Any) -> str:
    if not isinstance(value, Function):
        raise NotPortable(
            f"{call.path}: {name} is {told(value)}, which is no function to be read. Paste its "
            "`lambda step: ...`, or its `def` above, with one argument."
        )
    return formula(value)


_WRAPPERS: dict[str, Callable[[Call], Member]] = {
    "SequentialLR": _sequential,
    "ChainedScheduler": _chained,
    "LambdaLR": _lambda,
    "join_schedules": _joined,
    "get_scheduler": _by_name,
}
