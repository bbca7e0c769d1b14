"""Anybody's schedule, asked for its rate at a step; told apart by what it can do.

No framework is imported here. Where one is loaded already, its schedules are given the integers
that its optimizers give them: a Python integer would hide what float32 does to a step.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

FARTHEST_INT32 = 2**31 - 1
FARTHEST = 2**53
MOST_WALKED = 200_000
"""Steps that a scheduler is walked without being asked for more: a second or two of torch."""
MOST_SHOWN = 160


class NotASchedule(TypeError):
    """Something that cannot be asked for a rate: one line, with a way out."""


class _NoNumber(TypeError):
    """Something came back that is no number: what it did, as a predicate."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back at ``step``: a ``rate``, or None and the ``failure`` in words."""

    step: int
    rate: float | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """Something that is called with a step: any step, in any order.

    Attributes:
        function: What is called.
        count: Makes of a Python integer what it is called with.
        farthest: The last step that such a counter holds.
    """

    function: Callable[[Any], Any]
    count: Callable[[int], Any]
    farthest: int

    def answers(self, steps: Sequence[int]) -> Iterator[Answer]:
        """The rate at each of ``steps`` that it counts as far as."""
        for step in steps:
            if step > self.farthest:
                return
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = _number(self.function(self.count(step)))
            except OverflowError as error:
                if step > FARTHEST_INT32:
                    return  # it counts in 32 bits, and says so
                yield Answer(step, None, _raised(error))
            except Exception as error:  # whatever a stranger's code may raise
                yield Answer(step, None, _raised(error))
            else:
                yield Answer(step, found)

    def reach(self, last: int | None) -> int:
        """The last step that it can be asked for."""
        return self.farthest if last is None else min(last, self.farthest)


@dataclass(frozen=True, slots=True)
class Walker:
    """Something with ``step()`` and ``get_last_lr()``: walked from where it is, once.

    The rate is that of the first parameter group.
    """

    scheduler: Any

    def answers(self, steps: Sequence[int]) -> Iterator[Answer]:
        """The rate at each of ``steps``, which rise; the first failure is the last answer."""
        at = self.first
        for step in steps:
            if step < at:
                continue
            try:
                with warnings.catch_warnings():
                    # Without an optimizer.step() between them, as torch says at the first.
                    warnings.simplefilter("ignore")
                    while at < step:
                        self.scheduler.step()
                        at += 1
                    rates = self.scheduler.get_last_lr()
                found = _number(rates[0] if isinstance(rates, list | tuple) else rates)
            except Exception as error:  # whatever a stranger's code may raise
                yield Answer(min(at + 1, step), None, _raised(error))
                return
            yield Answer(step, found)

    @property
    def first(self) -> int:
        """The step it is at: a resumed scheduler does not begin with 0."""
        at = getattr(self.scheduler, "last_epoch", 0)
        return at if isinstance(at, int) and at > 0 else 0

    def reach(self, last: int | None) -> int:
        """The last step that it is walked to."""
        return self.first + MOST_WALKED if last is None else last


Subject = Function | Walker


def subject_of(thing: Any) -> Subject:
    """``thing`` as something that can be asked for rates.

    Args:
        thing: A function of the step; an object with ``step()`` and ``get_last_lr()``, such as a
            scheduler of torch, or a pair of it and its optimizer; a schedule of Keras or optax;
            a class that makes one of these without arguments.

    Raises:
        NotASchedule: For anything else.
    """
    if isinstance(thing, type):
        thing = made_by(thing)
    if isinstance(thing, tuple | list):
        walkers = [one for one in thing if _walks(one)]
        if len(walkers) != 1:
            raise NotASchedule(
                f"{_shown(thing)} is a {type(thing).__name__}. Give the schedule itself."
            )
        thing = walkers[0]
    if _walks(thing):
        return Walker(thing)
    if not callable(thing):
        raise NotASchedule(
            f"{_shown(thing)} is no schedule: it can neither be called with a step, nor has it "
            "step() and get_last_lr()."
        )
    if _is_of_keras(thing):
        return Function(thing, *_keras_counter())
    return _called(thing)


def made_by(factory: Callable[[], Any]) -> Any:
    """What ``factory`` makes.

    Raises:
        NotASchedule: When it cannot be called without arguments.
    """
    if not callable(factory):
        raise NotASchedule(f"{_shown(factory)} makes nothing: it cannot be called.")
    try:
        return factory()
    except Exception as error:  # whatever a stranger's code may raise
        raise NotASchedule(
            f"{_name(factory)}() {_raised(error)}. Give a function without arguments that makes it."
        ) from None


def _walks(thing: Any) -> bool:
    return all(callable(getattr(thing, name, None)) for name in ("step", "get_last_lr"))


def _called(function: Callable[[Any], Any]) -> Function:
    """``function`` with the first kind of integer that it can be called with."""
    failure = ""
    for count, farthest in _counters():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = function(count(0))
        except (TypeError, AttributeError) as error:
            failure = failure or _raised(error)
            continue
        except Exception:  # at step 0 only, perhaps: that is for the comparison to say
            return Function(function, count, farthest)
        try:
            _number(found)
        except _NoNumber as error:
            raise NotASchedule(
                f"{_name(function)} {error}, at step 0. If it makes a schedule, say that it is a "
                "factory."
            ) from None
        if type(found).__module__.startswith("jax"):
            return Function(function, *_jax_counter())
        return Function(function, count, farthest)
    raise NotASchedule(
        f"{_name(function)} cannot be called with a step: it {failure}. Give a function of the "
        "step alone, or a factory of one."
    )


def _counters() -> Iterator[tuple[Callable[[int], Any], int]]:
    """Ways to spell a step, Python's own first; of frameworks only those that are loaded."""
    yield int, FARTHEST
    if "torch" in sys.modules:
        yield sys.modules["torch"].tensor, FARTHEST
    if "jax" in sys.modules:
        yield _jax_counter()


def _jax_counter() -> tuple[Callable[[int], Any], int]:
    # What optax counts in.
    return sys.modules["jax"].numpy.int32, FARTHEST_INT32


def _is_of_keras(thing: Any) -> bool:
    return any(
        one.__name__ == "LearningRateSchedule" and one.__module__.startswith("keras.")
        for one in type(thing).__mro__
    )


def _keras_counter() -> tuple[Callable[[int], Any], int]:
    """A tensor of the kind that ``optimizer.iterations`` is."""
    keras: Any = sys.modules["keras"]
    whole, farthest = "int64", FARTHEST
    if keras.backend.backend() == "jax":
        whole, farthest = "int32", FARTHEST_INT32
    return lambda step: keras.ops.convert_to_tensor(step, dtype=whole), farthest


def _number(value: Any) -> float:
    """A Python float of any library's scalar.

    Raises:
        _NoNumber: When it is none.
    """
    shape = getattr(value, "shape", ())
    if value is None or isinstance(value, bool | str | bytes) or math.prod(shape) != 1:
        raise _NoNumber(f"returned {_shown(value)}, which is no number")
    try:
        return float(value.item() if callable(getattr(value, "item", None)) else value)
    except (TypeError, ValueError):
        raise _NoNumber(f"returned {_shown(value)}, which is no number") from None


def _raised(error: Exception) -> str:
    text = _cut(" ".join(str(error).split()))
    if isinstance(error, _NoNumber):
        return text
    return f"raised {type(error).__name__}" + (f": {text}" if text else "")


def _name(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", None) or _shown(thing))


def _shown(thing: Any) -> str:
    try:
        return _cut(" ".join(repr(thing).split()))
    except Exception:  # a stranger's repr
        return f"a {type(thing).__name__}"


def _cut(text: str) -> str:
    # A terminal obeys control characters: a stranger's are shown, not sent.
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
