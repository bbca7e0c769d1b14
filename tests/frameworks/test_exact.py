"""The exact values themselves, and plain Python and NumPy far beyond the vector files."""

import functools
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from types import ModuleType
from typing import Any

import conformance
import mpmath
import numpy as np
import pytest
from conformance import NAMES, Case, cases, check_binary64, check_float32, float32_of, spec
from emitted import emitted_path, load_broken, load_emitted

from lrgen.catalogue import catalogue
from lrgen.evaluate import Arithmetic
from lrgen.pipeline import library
from lrgen.resolve import Library
from lrgen.sampling import boundaries, draws, steps_near
from lrgen.vectors import exact_value, nearest_float32

DIGITS = 40
DRAWS = 8
CANDIDATES = 80
AGREE = Fraction(1, 10**28)  # the vector files show 30 digits
NOTHING = Fraction(1, 2**1100)  # to binary64
each = pytest.mark.parametrize("name", NAMES)


@functools.cache
def specs() -> Library:
    return library(catalogue().values())[0]


def as_fraction(value: Any) -> Fraction:
    """An mpmath number; what is far below the least binary64 is as good as 0."""
    if abs(value) < mpmath.mpf(2) ** -1200:
        return Fraction(0)
    sign, mantissa, exponent, _ = value._mpf_
    return (-1) ** sign * int(mantissa) * Fraction(2) ** exponent


# -- the author's text, read by Python itself ------------------------------------------------------

TWICE = mpmath.MPContext()
TWICE.dps = 2 * DIGITS


def by_python(name: str, values: Mapping[str, Any], step: int) -> Any:
    """The formula of a spec as Python with mpmath reads it, calls of other specs included.

    Nothing of lrgen is used: only the texts of its own catalogue.
    """
    document = spec(name)
    scope: dict[str, Any] = {
        "__builtins__": {},
        **{word: getattr(TWICE, word) for word in ("exp", "log", "sqrt", "sin", "cos", "tan")},
        **{word: getattr(TWICE, word) for word in ("tanh", "expm1", "log1p")},
        "floor": lambda x: Whole(TWICE.floor(x)),
        "ceil": lambda x: Whole(TWICE.ceil(x)),
        "len": lambda values: Whole(len(values)),
        "least": min,
        "greatest": max,
        "reached": lambda places, place: Whole(sum(one <= place for one in places)),
        "product": lambda values, count: TWICE.fprod(values[:count]),
        "total": lambda values, count: sum(values[:count], start=Whole(0)),
        "cycle": lambda *operands: held(*operands)[0],
        "cycle_start": lambda *operands: held(*operands)[1],
        "cycle_length": lambda *operands: held(*operands)[2],
        "uniform": uniform,
        "abs": abs,
        "min": min,
        "max": max,
        "pi": +TWICE.pi,
        "inf": TWICE.inf,
        **{word: functools.partial(called, word) for word in NAMES},
        "step": Whole(step),
    }
    for key, parameter in document["parameters"].items():
        value = values.get(key, parameter["default"])
        match parameter["type"]:
            case "rate" | "real":
                value = TWICE.mpf(value)
            case "steps" | "count":
                value = Whole(value)
            case "rate[]" | "real[]":
                value = [TWICE.mpf(entry) for entry in value]
            case "steps[]" | "count[]":
                value = [Whole(entry) for entry in value]
        scope[key] = value
    lets = document.get("let", {})
    for word in lets:  # such as `cycle`, which an author may call a part
        scope.pop(word, None)

    def run(text: str) -> Any:
        code = compile(" ".join(text.split()), name, "eval")
        for word in code.co_names:
            if word in lets and word not in scope:
                scope[word] = run(lets[word])
        return eval(code, scope)

    for piece in document.get("piece", [{"value": document.get("value")}]):
        condition = piece.get("when") or (f"step < ({piece['until']})" if "until" in piece else "")
        if not condition or run(condition):
            return TWICE.mpf(run(piece["value"]))
    raise AssertionError("the last piece has no condition")


def called(name: str, step: int, **values: Any) -> Any:
    return by_python(name, values, step)


class Whole(int):
    """An integer whose quotients are real numbers of mpmath, not of binary64."""

    def __truediv__(self, other: Any) -> Any:
        return TWICE.mpf(int(self)) / TWICE.mpf(other)

    def __rtruediv__(self, other: Any) -> Any:
        return TWICE.mpf(other) / TWICE.mpf(int(self))

    def __pow__(self, other: Any, modulo: None = None) -> Any:  # type: ignore[override]
        if isinstance(other, int):
            return Whole(int(self) ** int(other))
        return TWICE.mpf(int(self)) ** TWICE.mpf(other)

    def __rpow__(self, other: Any, modulo: None = None) -> Any:  # type: ignore[override]
        return TWICE.mpf(other) ** int(self)


for _operator in ("add", "sub", "mul", "floordiv", "mod", "radd", "rsub", "rmul", "rmod"):

    def _whole(self: Whole, other: Any, *, method: str = f"__{_operator}__") -> Any:
        found = getattr(int, method)(self, other)
        return found if found is NotImplemented else Whole(found)

    setattr(Whole, f"__{_operator}__", _whole)


def held(
    step: int, first: int, growth: Any, rounding: str = "boundary"
) -> tuple[Whole, Whole, Whole]:
    """Index, start and length of the cycle that holds ``step``, one cycle after another."""
    factor = Fraction(f"{float(growth):.12f}")
    if factor == 1:
        return Whole(step // first), Whole(step - step % first), Whole(first)
    index, end, length = 0, Fraction(0), Fraction(first)
    while True:
        start, end = math.ceil(end), end + length
        if step < math.ceil(end):
            return Whole(index), Whole(start), Whole(math.ceil(end) - start)
        length *= factor
        if rounding == "length":
            cut = Fraction(math.floor(length))
            if cut == end - start:  # it no longer grows
                more, begun = divmod(step - math.ceil(end), int(cut))
                return Whole(index + 1 + more), Whole(step - begun), Whole(cut)
            length = cut
        index += 1


def uniform(seed: int, step: int) -> Any:
    """Moremur over the seed, then over the step, on unbounded integers."""
    bits = 0
    for number in (seed + 0x1E3779B97F4A7C15, step):
        bits = (bits + number) % 2**64
        bits ^= bits >> 27
        bits = bits * 0x3C79AC492BA7B653 % 2**64
        bits ^= bits >> 33
        bits = bits * 0x1C69B3F74AC4AE35 % 2**64
        bits ^= bits >> 27
    return TWICE.mpf(2 * (int(bits) >> 12) + 1) / 2**53


@each
def test_the_vectors_are_what_python_reads_in_the_spec(name: str) -> None:
    for case in cases(name):
        for step, value in zip(case.steps, case.exact):
            expected = as_fraction(by_python(name, case.parameters, int(step)))

            agree = abs(expected - value) <= AGREE * abs(expected) + NOTHING
            assert agree, f"{case.name}, step {step}"


def test_a_thread_has_digits_of_its_own() -> None:
    """mpmath computes with more of them for a while, which another thread must not see."""
    with ThreadPoolExecutor(1) as other:
        elsewhere = other.submit(Arithmetic, DIGITS).result().context

    assert elsewhere is not Arithmetic(DIGITS).context
    assert DIGITS == elsewhere.dps == Arithmetic(DIGITS).context.dps
    assert DIGITS + 1 == Arithmetic(DIGITS + 1).context.dps


def test_a_wrong_formula_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    document = spec("cosine")
    pieces = [
        {**piece, "value": piece["value"].replace("1 + cos(", "1 - cos(")}
        for piece in document["piece"]
    ]
    assert pieces != document["piece"]
    monkeypatch.setitem(globals(), "spec", lambda name: {**document, "piece": pieces})
    with pytest.raises(AssertionError):
        test_the_vectors_are_what_python_reads_in_the_spec("cosine")


# -- parameters and steps that no vector file has --------------------------------------------------


def chosen(name: str, count: int, exact: Arithmetic) -> list[Mapping[str, Any]]:
    """``count`` sets as they come, and for each choice of words and flags a revealing one."""
    candidates = draws(specs().schedule(name), max(CANDIDATES, count), exact)
    numbers = conformance.parameters_of_type(name, "steps", "count", "rate", "real")
    words = conformance.parameters_of_type(name, "flag", "choice")

    def hidden(values: Mapping[str, Any]) -> int:
        """How many numbers are 0, 1 or equal to another: what hides a wrong operator."""
        return len(numbers) - len({values[key] for key in numbers} - {0, 1})

    revealing: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for values in sorted(candidates, key=hidden):
        revealing.setdefault(tuple(values[key] for key in words), values)
    return [*candidates[:count], *revealing.values()]


@functools.cache
def drawn(name: str, count: int) -> tuple[Case, ...]:
    """Cases of parameters drawn at random among those that the spec allows."""
    schedule = specs().schedule(name)
    exact = Arithmetic(DIGITS)
    found = []
    for number, values in enumerate(chosen(name, count, exact)):
        steps = steps_near(boundaries(schedule, values, exact), f"{name} {number}", 5)
        steps = [step for step in steps if step <= 2**53]
        reals = [exact_value(schedule, values, step, DIGITS) for step in steps]
        bits = np.array([nearest_float32(real) for real in reals], np.float32).view(np.uint32)
        found.append(
            Case(
                name,
                f"drawn {number}: {dict(values)}",
                values,
                np.array(steps, np.int64),
                tuple(as_fraction(real) for real in reals),
                bits,
            )
        )
    return tuple(found)


def check_drawn(name: str, count: int) -> None:
    python = conformance.python_runner(load_emitted("python", name), name)
    numpy = conformance.numpy_runner(load_emitted("numpy", name), name)
    torch = conformance.torch_runner(load_emitted("torch", name), name, double=True)
    for case in drawn(name, count):
        for runner in (python, numpy, torch):
            check_binary64(case, runner)
            check_float32(case, float32_of(runner))


@each
def test_drawn_parameters_are_as_accurate_as_the_examples(name: str) -> None:
    check_drawn(name, DRAWS)


@pytest.mark.slow
@each
def test_many_drawn_parameters_are_as_accurate_as_the_examples(name: str) -> None:
    check_drawn(name, 20 * DRAWS)


CHANGES = [(" + ", " - "), (" * ", " / "), ("np.cos(", "np.sin("), ("np.log(", "np.sqrt(")]


@each
def test_each_changed_operator_is_noticed(name: str) -> None:
    text = emitted_path("numpy", name).read_text(encoding="utf-8")
    start = text.index("step = np.asarray(")
    end = text.index("\ndef _check")
    for before, after in CHANGES:
        for place in range(start, end):
            line = text[text.rfind("\n", 0, place) + 1 : place]
            if not text.startswith(before, place) or line.lstrip().startswith("#"):
                continue
            module = ModuleType(f"{name}_changed")
            changed = text[:place] + after + text[place + len(before) :]
            exec(compile(changed, name, "exec"), module.__dict__)
            runner = float32_of(conformance.numpy_runner(module, name))

            with (
                np.errstate(all="ignore"),
                pytest.raises((AssertionError, ArithmeticError, IndexError)),
            ):
                for case in (*cases(name), *drawn(name, DRAWS)):
                    check_float32(case, runner)


# -- shapes and warnings ---------------------------------------------------------------------------


@each
@pytest.mark.filterwarnings("error")
def test_numpy_keeps_every_shape(name: str) -> None:
    function = getattr(load_emitted("numpy", name), name)
    case = cases(name)[-1]
    row = np.asarray(function(case.steps, **case.parameters))

    for shape in ((0,), (1, -1), (-1, 1)):
        steps = case.steps[:0] if shape == (0,) else case.steps
        found = function(steps.reshape(shape), **case.parameters)
        assert (steps.reshape(shape).shape, np.float64) == (found.shape, found.dtype)
        assert row[: len(steps)].tolist() == found.ravel().tolist()
    for step, rate in zip(case.steps[:4], row):
        single = function(int(step), **case.parameters)
        assert ((), float(rate)) == (np.shape(single), float(single))
    assert row.tolist() == np.asarray(function(case.steps.tolist(), **case.parameters)).tolist()


@each
def test_numpy_gives_the_same_rate_alone_and_among_others(name: str) -> None:
    # Vectorized sines and powers differ from scalar ones in some libraries; rounding once hides it.
    function = getattr(load_emitted("numpy", name), name)
    case = cases(name)[0]
    row = np.asarray(function(case.steps, **case.parameters)).astype(np.float32)
    alone = [np.float32(function(int(step), **case.parameters)) for step in case.steps]

    assert row.tolist() == [float(rate) for rate in alone]


# -- counts that floats cannot hold ----------------------------------------------------------------


def test_token_counts_are_exact_to_the_update() -> None:
    """One update before and after the end of 10**12 tokens, where float32 is 65,536 tokens off."""
    python = load_emitted("python", "cosine_tokens").cosine_tokens
    numpy = load_emitted("numpy", "cosine_tokens").cosine_tokens
    tokens = {"tokens_per_update": 4_194_304, "total_tokens": 10**12, "warmup_tokens": 10**9 + 7}
    rates = {"peak_lr": 3e-4, "end_lr": 3e-5}
    last = math.ceil(10**12 / 4_194_304)
    first_full = math.ceil((10**9 + 7) / 4_194_304)
    steps = [0, 1, first_full - 1, first_full, last - 1, last, last + 1, 2**53]

    found = [python(step, **tokens, **rates) for step in steps]

    ramp = [Fraction(3e-4) * s * 4_194_304 / (10**9 + 7) for s in (0, 1, first_full - 1)]
    for rate, exact in zip(found, ramp):
        assert conformance.ulps_off(rate, exact) <= 2
    assert found[3] < 3e-4
    assert 3e-5 < found[4]
    assert [3e-5] * 3 == found[5:]
    assert found == numpy(np.array(steps), **tokens, **rates).tolist()


@pytest.mark.parametrize(
    ("backend", "before", "after"),
    [
        ("python", "step < warmup_steps", "step < warmup_steps - 1"),
        ("numpy", "step < warmup_steps", "step < warmup_steps - 1"),
        ("python", "math.sin(", "math.cos("),
        ("numpy", "np.sin(", "np.cos("),
        ("numpy", "np.int64)", "np.float32)"),
    ],
)
def test_a_broken_module_is_noticed(backend: str, before: str, after: str) -> None:
    module = load_broken(backend, "cosine_warmup", before, after)
    runner = getattr(conformance, f"{backend}_runner")(module, "cosine_warmup")

    with pytest.raises(AssertionError):
        conformance.check_all_binary64("cosine_warmup", runner)
