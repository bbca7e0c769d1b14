"""Schedules in Python: load one, bind its parameters, ask for values."""

from __future__ import annotations

import numbers
import operator
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .catalogue import find
from .errors import SpecError, did_you_mean, quoted
from .evaluate import Arithmetic
from .expr import Expr, Kind, names_in
from .numpy_code import numpy_function
from .pipeline import checked, library
from .recheck import compiled
from .resolve import Library
from .rewrite import known_of
from .sampling import allowed
from .schedule import Caution, Parameter, Schedule, Value
from .vectors import exact_value

MOST_STEP = 2**63 - 1
MOST_SHOWN = 60
MOST_BYTES = 64 * 1024
_CALLED = re.compile(rb"\b([A-Za-z]\w{0,63})\s*\(")


def load(spec: str | os.PathLike[str]) -> Loaded:
    """The schedule called ``spec``, or the one in the file ``spec``.

    A spec in a file may call the catalogue, and specs that lie beside it.

    Args:
        spec: A name of the catalogue, such as ``"cosine_warmup"``, a library's own, such as
            ``"torch/OneCycleLR"``, or a path.

    Raises:
        SpecError: When there is none, or it does not hold what it claims.
    """
    specs, name = open_spec(os.fspath(spec))
    return Loaded(specs.schedule(name))


def open_spec(spec: str) -> tuple[Library, str]:
    """The specs that ``spec`` may call, and its own name.

    Raises:
        SpecError: When it is no single spec, or cannot be read.
    """
    try:
        paths = find([spec])
    except OSError as error:  # a name longer than any file's
        raise SpecError(
            f"{quoted(spec)} cannot be read: {error.strerror}", "Check the path."
        ) from None
    if Path(spec).is_dir():
        raise SpecError("a folder, but one schedule is wanted", "Name a file.", file=spec)
    specs, names = library(with_called(paths[0]))
    return specs, names[0]


def with_called(path: Path) -> list[Path]:
    """``path``, then the files beside it that it calls, and those that these call."""
    found = [path]
    for one in found:
        try:
            if not one.is_file():
                continue
            with one.open("rb") as file:
                called = _CALLED.findall(file.read(MOST_BYTES))
        except OSError:
            continue  # the reader says what is wrong, with its place
        for name in sorted(set(called)):
            beside = path.with_name(f"{name.decode()}.toml")
            if beside not in found and beside.is_file():
                found.append(beside)
    return found


class Loaded:
    """A schedule whose parameters are still open."""

    def __init__(self, schedule: Schedule) -> None:
        """Prove ``schedule`` and hold its rewritten form against exact values."""
        try:
            found = checked(schedule)
        except SpecError as error:
            raise error.at(file=schedule.file) from None
        self._schedule = found.author
        self._code = _Code(found.written)

    def __repr__(self) -> str:
        return f"<lrgen schedule {self._schedule.spec_name}({', '.join(self.parameters)})>"

    @property
    def name(self) -> str:
        """The name that emitted code has."""
        return self._schedule.name

    @property
    def title(self) -> str:
        """What it is, in a line."""
        return self._schedule.title

    @property
    def cites(self) -> tuple[str, ...]:
        """Where the formula comes from."""
        return self._schedule.cites

    @property
    def findings(self) -> tuple[str, ...]:
        """What holds, and whether it was proved or sampled."""
        return self._schedule.findings

    @property
    def cautions(self) -> tuple[str, ...]:
        """What hurts people who use it, in sentences."""
        return tuple(caution_text(caution) for caution in self._schedule.cautions)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by its name, in the author's order."""
        return MappingProxyType({p.name: p for p in self._schedule.parameters})

    @property
    def formula(self) -> Any:
        """The whole curve as a sympy expression in ``step`` and the parameters."""
        from .exact import formula

        return formula(self._schedule)

    def latex(self) -> str:
        """The whole curve in LaTeX."""
        from .exact import latex

        return latex(self._schedule)

    def bind(self, **values: object) -> Bound:
        """The schedule at ``values``; parameters left out take their defaults.

        Raises:
            ValueError: For an unknown parameter, or a value that breaks a rule; it names the
                parameter, the rule and the value.
        """
        return Bound(self._schedule, self._code, bound_values(self._schedule, values))


def bound_values(schedule: Schedule, given: Mapping[str, object]) -> dict[str, Value]:
    """A value for every parameter of ``schedule``: what is ``given``, else its default.

    Raises:
        ValueError: For an unknown parameter, or a value that breaks a rule.
    """
    values = schedule.defaults
    for name, value in given.items():
        if name not in values:
            hint = did_you_mean(name, values) or f"Known here: {', '.join(values)}."
            raise ValueError(f"{schedule.spec_name} has no parameter {quoted(name)}. {hint}")
        parameter = schedule.parameter(name)
        plain = _plain(parameter, value)
        if plain is None or not parameter.accepts(plain):
            raise ValueError(f"{name} {parameter.rule()}, got {_shown(value)}")
        values[name] = plain
    broken = allowed(schedule, values, Arithmetic())
    if broken is not None:
        condition = next(r.condition for r in schedule.requirements if r.text == broken)
        raise ValueError(f"{broken} does not hold: {_shown_values(condition, values)}")
    return values


def caution_text(caution: Caution) -> str:
    """A caution in a line, with the parameters that it holds for."""
    return caution.text + (f" [{caution.condition_text}]" if caution.condition_text else "")


def _shown_values(condition: Expr, values: Mapping[str, Value]) -> str:
    used = names_in(condition)
    return ", ".join(f"{name} = {value!r}" for name, value in values.items() if name in used)


def _plain(parameter: Parameter, value: Any) -> Value | None:
    """``value`` as the Python type that the parameter has; None where it has another."""
    if parameter.entry is not None:
        if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
            return None
        entries = [_plain(parameter.entry, entry) for entry in value]
        return None if None in entries else tuple(entries)  # type: ignore[return-value]
    if parameter.kind is Kind.BOOL:
        return bool(value) if isinstance(value, bool | np.bool_) else None
    if parameter.kind is Kind.WORD:
        return str(value) if isinstance(value, str) else None
    # bool is an int to Python, but True updates are nobody's intention.
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        return None
    if parameter.kind is Kind.INT:
        return operator.index(value) if isinstance(value, numbers.Integral) else None
    try:
        return float(value)
    except OverflowError:
        return None


class _Code:
    """What a rewritten schedule computes, compiled once and only when asked for."""

    def __init__(self, rewritten: Schedule) -> None:
        self._rewritten = rewritten

    @cached_property
    def rate(self) -> Callable[[int, Mapping[str, Value]], float]:
        """A step's rate, as the emitted module of plain Python computes it."""
        known = known_of(self._rewritten)
        function: Callable[[int, Mapping[str, Value]], float] = compiled(self._rewritten, known)
        return function

    @cached_property
    def numpy(self) -> Callable[..., NDArray[np.float64]]:
        """The function of the emitted NumPy module."""
        return numpy_function(self._rewritten)


class Bound:
    """A schedule at given parameters: called with a step, it gives that update's rate.

    One that observes something has a :meth:`trace` instead.
    """

    def __init__(self, schedule: Schedule, code: _Code, values: dict[str, Value]) -> None:
        self._schedule = schedule
        self._code = code
        self.values: Mapping[str, Value] = MappingProxyType(values)
        """Every parameter's value."""

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"<lrgen schedule {self._schedule.spec_name}({values})>"

    @property
    def schedule(self) -> Schedule:
        """What is bound: the author's own formulas, before any rewriting."""
        return self._schedule

    def __call__(self, step: int) -> float:
        """The rate of update number ``step``, counted from 0, in binary64.

        Raises:
            ValueError: When ``step`` is no integer from 0 to 2**63 - 1.
            TypeError: For a schedule that observes something: it has a trace, and no curve.
        """
        if self._schedule.observes is not None:
            raise self._has_no_curve()
        return float(self._code.rate(_checked(step), self.values))

    def curve(self, steps: Iterable[int] | ArrayLike) -> NDArray[np.float64]:
        """The rate at each of ``steps``, computed by the emitted NumPy module.

        Args:
            steps: Integers >= 0: a range, an array of any shape, or any iterable.

        Raises:
            ValueError: When one of them is negative or no integer.
            TypeError: For a schedule that observes something: it has a trace, and no curve.
        """
        if self._schedule.observes is not None:
            raise self._has_no_curve()
        array = _step_array(steps)
        return np.asarray(self._code.numpy(array, **self.values), np.float64)

    def chunks(self, steps: range, size: int = 1_000_000) -> Iterator[NDArray[np.float64]]:
        """The curve at ``steps``, as arrays of ``size`` one after another.

        Memory is that of one such array, whatever the number of steps.

        Raises:
            ValueError: When ``size`` is not positive, and as :meth:`curve` does.
            TypeError: For a schedule that observes something: it has a trace, and no curve.
        """
        if size < 1:
            raise ValueError(f"size must be an integer >= 1, got {size!r}")
        return (self.curve(steps[at : at + size]) for at in range(0, len(steps), size))

    def trace(
        self, metrics: Iterable[float] | ArrayLike, steps: Iterable[int] | ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """The rate after each observation, computed by the emitted NumPy module.

        Args:
            metrics: What is observed, in its order; NaN and infinities are observations too.
            steps: The update whose rate each observation gives, where the rate depends on it.

        Raises:
            ValueError: For ``steps`` that are missing, not as many as ``metrics``, or negative.
            TypeError: For a schedule that observes nothing, and for ``steps`` that it does not use.
        """
        schedule = self._schedule
        if schedule.observes is None:
            raise TypeError(f"{schedule.spec_name} observes nothing: ask for its curve(steps)")
        plain: Any = metrics
        observed = np.asarray(plain if hasattr(plain, "__array__") else list(plain), np.float64)
        if not schedule.uses_step:
            if steps is not None:
                raise TypeError(f"{schedule.spec_name} depends on no step: leave steps out")
            return np.asarray(self._code.numpy(observed, **self.values), np.float64)
        if steps is None:
            name = schedule.spec_name
            raise ValueError(f"{name} depends on the step: give steps, one a metric")
        return np.asarray(self._code.numpy(observed, _step_array(steps), **self.values), np.float64)

    def _has_no_curve(self) -> TypeError:
        schedule = self._schedule
        return TypeError(
            f"{schedule.spec_name} depends on the {schedule.observes} that it observes: "
            "ask for its trace(metrics)"
        )

    def exact(self, step: int, digits: int = 50) -> Any:
        """The value of the author's own formula at ``step``, as an mpmath number.

        The parameters enter as the binary64 numbers that they are.

        Args:
            step: An integer from 0 to 2**63 - 1.
            digits: How many decimal digits are right, from 1 to 10,000.

        Raises:
            ValueError: For a ``step`` or ``digits`` out of its range.
            TypeError: For a schedule that observes something: it has a trace, and no curve.
        """
        if self._schedule.observes is not None:
            raise self._has_no_curve()
        if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= 10_000:
            raise ValueError(f"digits must be an integer from 1 to 10,000, got {_shown(digits)}")
        return exact_value(self._schedule, self.values, _checked(step), digits)


def _shown(value: object) -> str:
    """``value`` for a message, cut to a length that people read."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to spell integers of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _checked(step: object) -> int:
    whole = isinstance(step, numbers.Integral) and not isinstance(step, bool)
    if not whole or not 0 <= operator.index(step) <= MOST_STEP:  # type: ignore[arg-type]
        raise ValueError(f"step must be an integer from 0 to 2**63 - 1, got {_shown(step)}")
    return operator.index(step)  # type: ignore[arg-type]


def _step_array(steps: Any) -> NDArray[np.int64]:
    """``steps`` as 64-bit integers; the emitted module itself refuses negative ones."""
    if isinstance(steps, range) and len(steps) > 1:
        # Without going through Python integers: ten million of them take a second.
        first, _ = _checked(steps[0]), _checked(steps[-1])
        return first + steps.step * np.arange(len(steps), dtype=np.int64)
    plain = steps if hasattr(steps, "__array__") or np.isscalar(steps) else list(steps)
    array = np.asarray(plain)
    if array.size == 0:
        return array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"steps must be integers >= 0, got {_shown(array.flat[0])}")
    if array.dtype == np.uint64 and array.max() > MOST_STEP:
        raise ValueError(f"step must be an integer from 0 to 2**63 - 1, got {array.max()}")
    return array.astype(np.int64, copy=False)
