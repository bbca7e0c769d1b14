"""What was read, as schedules: the calls that put others together, and those that choose one."""

from __future__ import annotations

from typing import Any

from ..document import Document
from . import basics, concatenations, mmengine, shares, warmups
from .calls import asked, is_known
from .compose import Member, Ruled, Stage
from .factors import document_of, is_factors
from .formulas import formula
from .pasted import Call, Function, NotPortable, Unknown, told
from .settings import call_of
from .wrappers import wrapper_of

_FACTORS = "create_learning_rate_scheduler"
_WRAPPERS = (
    *basics.WRAPPERS,
    *warmups.WRAPPERS,
    *shares.WRAPPERS,
    *concatenations.WRAPPERS,
)


def schedule_of(value: Any, quantity: str = "") -> Member | Document:
    """The schedule that ``value`` is, as a member that others may be put together with, or whole.

    Raises:
        NotPortable: When it is none.
    """
    text = value.text if isinstance(value, Unknown) else value
    if isinstance(text, str) and is_factors(text):
        value = Call(f"t5x.utils.{_FACTORS}", (text,))
    if isinstance(value, Call) and value.name == _FACTORS:
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
    if mmengine.is_configuration(value):
        return mmengine.of_configuration(value)
    value = call_of(value)
    if isinstance(value, Function):
        return Ruled("rate", {}, {}, (Stage("rate", formula(value)),))
    if not isinstance(value, Call):
        raise NotPortable(f"{told(value)} is no schedule. Paste the call that makes one.")
    wrapper = wrapper_of(value, _WRAPPERS)
    if wrapper is None:
        return asked(value, quantity)
    if quantity:
        raise NotPortable(f"{value.path} drives nothing but the rate. Leave out --quantity.")
    return wrapper.read(value, member_of)


def is_schedule(value: Any) -> bool:
    """Whether ``value`` is the call of a schedule, or a configuration that says one."""
    if not isinstance(value, Call):
        return mmengine.is_configuration(value)
    known = value.name == _FACTORS or value.name.endswith("TrainingArguments")
    return known or wrapper_of(value, _WRAPPERS) is not None or is_known(value)
