"""Schedules around schedules as ``port`` reads them, held against each library's own rule.

The rules are transcribed here over plain functions of the step, from Paddle 3.3.1, the TensorFlow
Model Garden 2.19, transformers 4.57, fvcore 0.1.5, detectron2 02b5c4e, ignite 0.5.5, praxis feeaff1
and fastai 2.8.12; where Paddle, fvcore, ignite or fastai is installed, against the library itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import peers
import pytest

import lrgen

STEPS = 120
DRAWS = 3
MANY = 100
Curve = Callable[[float], float]


@dataclass(frozen=True)
class Case:
    """A pasted call, its rate by the library's rule, and the call with a boundary moved by one."""

    text: str
    rule: Curve
    moved: str


# -- curves that are put together ---------------------------------------------------------------


def cosine(top: float, low: float, length: float) -> Curve:
    return lambda t: low + (top - low) * (1 + math.cos(math.pi * min(t, length) / length)) / 2


def line(first: float, last: float, length: float) -> Curve:
    return lambda t: first + (last - first) * min(t / length, 1)


def joined(curves: Sequence[Curve], places: Sequence[int], counted: Sequence[int]) -> Curve:
    """One after another, each with the step from which it counts."""

    def rate(t: float) -> float:
        which = sum(t >= place for place in places)
        return curves[which](t - counted[which])

    return rate


# -- what the libraries do with them ------------------------------------------------------------


def paddle_warmup(source: Random) -> Case:
    length, low, high = source.randint(1, 40), source.choice([0.0, 0.01]), source.choice([0.2, 0.3])
    after = f"CosineAnnealingDecay(learning_rate=0.3, T_max={STEPS})"
    main = cosine(0.3, 0.0, STEPS)

    def call(steps: int) -> str:
        return f"paddle.optimizer.lr.LinearWarmup({after}, {steps}, {low}, {high})"

    rule = joined([line(low, high, length), main], [length], [0, length])
    return Case(call(length), rule, call(length + 1))


def keras_cosine(source: Random) -> tuple[str, Curve]:
    top, decay = source.choice([0.1, 0.25]), source.randint(30, 200)
    text = f"tf.keras.optimizers.schedules.CosineDecay({top}, {decay}, alpha=0.1)"
    return text, cosine(top, top * 0.1, decay)


def garden_linear(source: Random) -> Case:
    length, low = source.randint(1, 40), source.choice([0.0, 0.5])
    text, after = source.choice([keras_cosine(source), ("0.25", lambda _: 0.25)])

    def call(steps: int) -> str:
        return f"tfm.optimization.LinearWarmup({text}, {steps}, {low})"

    return Case(
        call(length),
        lambda t: low + t / length * (after(length) - low) if t < length else after(t),
        call(length + 1),
    )


def garden_polynomial(source: Random) -> Case:
    length, power = source.randint(3, 40), source.choice([1.0, 0.5, 2.0])
    text, after = keras_cosine(source)

    def call(steps: int) -> str:
        return f"PolynomialWarmUp({text}, {steps}, power={power})"

    return Case(
        call(length),
        lambda t: after(length) * (max(t, 1) / length) ** power if t < length else after(t),
        call(length + 1),
    )


def warm_up(source: Random, module: str, shifted: bool) -> Case:
    length, power = source.randint(2, 40), source.choice([1.0, 2.0])
    text, after = keras_cosine(source)

    def call(steps: int) -> str:
        return (
            f"{module}.WarmUp(0.25, decay_schedule_fn={text}, warmup_steps={steps}, power={power})"
        )

    def rule(t: float) -> float:
        if t < length:
            return float(0.25 * (t / length) ** power)
        return after(t - length if shifted else t)

    return Case(call(length), rule, call(length + 1))


def garden_first_rate(source: Random) -> Case:
    length = source.randint(2, 40)
    text, after = keras_cosine(source)
    given, peak = source.choice([(", warmup_lr=0.3", 0.3), ("", after(0))])

    def call(steps: int) -> str:
        return f"WarmupDecaySchedule({text}, {steps}{given})"

    return Case(
        call(length), lambda t: peak * t / length if t < length else after(t), call(length + 1)
    )


def shares(source: Random) -> tuple[str, Curve]:
    """A schedule of fvcore's, as a function of the share of the run."""
    low = source.choice([0.0, 0.25])
    return source.choice(
        [
            (f"CosineParamScheduler(1.0, {low})", cosine(1.0, low, 1)),
            (f"LinearParamScheduler(1.0, {low})", line(1.0, low, 1)),
            ("ExponentialParamScheduler(2.0, 0.02)", lambda w: 2.0 * 0.02**w),
            ("ConstantParamScheduler(0.5)", lambda _: 0.5),
            ("StepParamScheduler(9, [1.0, 0.5])", lambda w: [1.0, 0.5][int(w + 1e-6 >= 0.5)]),
        ]
    )


def multiplied(multiplier: str) -> str:
    return f"LRMultiplier(SGD(p, lr=0.5), multiplier={multiplier}, max_iter={STEPS})"


def composite(source: Random) -> Case:
    parts = [shares(source) for _ in range(source.randint(2, 3))]
    cuts = sorted(source.sample(range(10, STEPS - 10), len(parts) - 1))
    ways = [source.choice(["fixed", "rescaled"]) for _ in parts]

    def call(places: Sequence[int]) -> str:
        ends = [0, *places, STEPS]
        lengths = [(b - a) / STEPS for a, b in itertools.pairwise(ends)]
        listed = ", ".join(text for text, _ in parts)
        return multiplied(f"CompositeParamScheduler([{listed}], {lengths}, {ways})")

    def rule(t: float) -> float:
        which = sum(t >= cut for cut in cuts)
        start, end = [0, *cuts][which], [*cuts, STEPS][which]
        share = t / STEPS if ways[which] == "fixed" else (t - start) / (end - start)
        return 0.5 * parts[which][1](share)

    return Case(call(cuts), rule, call([cut + 1 for cut in cuts]))


def warmed(source: Random) -> Case:
    text, after = shares(source)
    length, method = source.randint(1, 40), source.choice(["linear", "constant"])
    rescale = source.random() < 0.5

    def call(steps: int) -> str:
        return multiplied(
            f"WarmupParamScheduler({text}, 0.001, {steps} / {STEPS}, '{method}', {rescale})"
        )

    def rule(t: float) -> float:
        warm = length / STEPS
        if t >= length:
            return 0.5 * after((t / STEPS - warm) / (1 - warm) if rescale else t / STEPS)
        low, high = 0.001 * after(0), after(0 if rescale else warm)
        return 0.5 * (low if method == "constant" else low + (high - low) * t / length)

    return Case(call(length), rule, call(length + 1))


PIECES = "PiecewiseLinear(o, 'lr', [(0, 0.3), (100, 0.0)])"


def concatenated(source: Random) -> Case:
    first, second = source.randint(2, 30), source.randint(2, 30)
    waves = "CosineAnnealingScheduler(o, 'lr', 0.5, 0.1, 40)"
    fall = "PiecewiseLinear(o, 'lr', [(5, 0.4), (50, 0.2)])"

    def call(durations: Sequence[int]) -> str:
        return f"ConcatScheduler([{PIECES}, {waves}, {fall}], durations={list(durations)})"

    last: Curve = lambda t: 0.4 - 0.2 * min(max(t - 5, 0) / 45, 1)  # noqa: E731
    places = [first, first + second]
    rule = joined([line(0.3, 0.0, 100), cosine(0.5, 0.1, 40), last], places, [0, *places])
    return Case(call([first, second]), rule, call([first + 1, second]))


def ignite_warmup(source: Random) -> Case:
    length, low = source.randint(2, 30), source.choice([0.0, 0.05])
    end = source.choice([None, 0.2])
    of_torch = source.random() < 0.5
    inner = "ExponentialLR(SGD(p, lr=0.3), gamma=0.97)" if of_torch else PIECES
    after: Curve = (lambda t: 0.3 * 0.97**t) if of_torch else line(0.3, 0.0, 100)

    def call(steps: int) -> str:
        return f"create_lr_scheduler_with_warmup({inner}, {low}, {steps}, {end})"

    def rule(t: float) -> float:
        aim = 0.3 if end is None else end
        if t < length:
            return low + (aim - low) * t / (length - 1)
        late = length - 1 if end is None else length
        return after(t - (late if end is None or of_torch else length))

    return Case(call(length), rule, call(length + 1))


def praxis_pieces(source: Random) -> Case:
    first = source.randint(2, 60)
    inner = "schedules.Linear(start=(0, 0.0), limit=(30, 1.0)), schedules.Cosine(total_steps=50)"

    def call(place: int) -> str:
        return f"schedules.PiecewiseSchedule(boundaries=[{place}], schedules=[{inner}])"

    rule = joined([line(0.0, 1.0, 30), cosine(1.0, 0.0, 50)], [first], [0, first])
    return Case(call(first), rule, call(first + 1))


def praxis_cycle(source: Random) -> Case:
    steps = [source.randint(1, 9) for _ in range(3)]
    inner = (
        "schedules.Linear(start=(0, 0.0), limit=(90, 1.0)), schedules.Cosine(total_steps=100), "
        "schedules.Constant(value=0.5)"
    )
    curves = [line(0.0, 1.0, 90), cosine(1.0, 0.0, 100), lambda _: 0.5]

    def call(first: int) -> str:
        return f"schedules.CycleSchedule(schedules=[{inner}], steps={[first, *steps[1:]]})"

    def rule(t: float) -> float:
        place = t % sum(steps)
        return curves[sum(place >= end for end in itertools.accumulate(steps[:-1]))](t)

    return Case(call(steps[0]), rule, call(steps[0] + 1))


def combined(source: Random) -> Case:
    parts = source.sample(
        [
            ("SchedLin(0.1, 0.5)", line(0.1, 0.5, 1)),
            ("SchedCos(0.5, 0.1)", cosine(0.5, 0.1, 1)),
            ("SchedExp(0.5, 0.01)", lambda x: 0.5 * (0.01 / 0.5) ** x),
            ("SchedNo(0.3, 0.2)", lambda _: 0.3),
            ("SchedPoly(0.1, 0.3, 2.0)", lambda x: 0.1 + 0.2 * x**2),
        ],
        2,
    )
    cut = source.choice([0.25, 0.5, 0.125])

    def call(share: float) -> str:
        listed = ", ".join(text for text, _ in parts)
        return f"combine_scheds([{share}, {1 - share}], [{listed}])"

    def rule(t: float) -> float:
        # a share of the run of 1,000 updates
        which = int(t / 1000 >= cut)
        start, end = [(0.0, cut), (cut, 1.0)][which]
        return parts[which][1]((t / 1000 - start) / (end - start))

    return Case(call(cut), rule, call(cut + 0.001))


RULES: dict[str, Callable[[Random], Case]] = {
    "Paddle LinearWarmup": paddle_warmup,
    "garden LinearWarmup": garden_linear,
    "garden PolynomialWarmUp": garden_polynomial,
    "garden WarmUp": lambda s: warm_up(s, "official.nlp.optimization", shifted=False),
    "transformers WarmUp": lambda s: warm_up(s, "transformers", shifted=True),
    "garden WarmupDecaySchedule": garden_first_rate,
    "fvcore CompositeParamScheduler": composite,
    "detectron2 WarmupParamScheduler": warmed,
    "ignite ConcatScheduler": concatenated,
    "ignite create_lr_scheduler_with_warmup": ignite_warmup,
    "praxis PiecewiseSchedule": praxis_pieces,
    "praxis CycleSchedule": praxis_cycle,
    "fastai combine_scheds": combined,
}
# Some boundaries are shares of a run of 1,000 updates.
UNTIL = {"fastai combine_scheds": range(0, 1000, 5)}


def steps(name: str) -> Sequence[int]:
    return UNTIL.get(name, range(STEPS))


def difference(name: str, text: str, rule: Curve) -> int | None:
    ours = lrgen.port(text).bound.curve(steps(name))
    return peers.first_difference(ours, [rule(step) for step in steps(name)])


def held(name: str, count: int) -> None:
    source = Random(name)
    for _ in range(count):
        case = RULES[name](source)

        assert difference(name, case.text, case.rule) is None, case.text


@pytest.mark.parametrize("name", list(RULES))
def test_every_rate_is_by_the_rule_of_the_library(name: str) -> None:
    held(name, DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(RULES))
def test_every_rate_is_by_the_rule_of_the_library_over_many_draws(name: str) -> None:
    held(name, MANY)


@pytest.mark.parametrize("name", list(RULES))
def test_a_boundary_that_is_one_off_is_red(name: str) -> None:
    case = RULES[name](Random("moved"))

    assert difference(name, case.moved, case.rule) is not None, case.moved


# -- where the libraries are installed ----------------------------------------------------------


def cases(name: str) -> list[Case]:
    source = Random(name)
    return [RULES[name](source) for _ in range(MANY)]


def assert_rule(case: Case, theirs: Sequence[float], **tolerance: float) -> None:
    rates = [case.rule(step) for step in range(len(theirs))]
    assert peers.first_difference(rates, theirs, **tolerance) is None, case.text


def test_the_rule_is_paddles() -> None:
    test_paddle = pytest.importorskip("test_paddle")
    names = vars(test_paddle.lr) | {"paddle": SimpleNamespace(optimizer=SimpleNamespace())}
    names["paddle"].optimizer.lr = test_paddle.lr
    for case in cases("Paddle LinearWarmup"):
        scheduler = eval(case.text, names)
        found = []
        for _ in range(STEPS):
            found.append(scheduler())
            scheduler.step()
        assert_rule(case, found, of_scale=1e-12)


@pytest.mark.parametrize(
    "name", ["fvcore CompositeParamScheduler", "detectron2 WarmupParamScheduler"]
)
def test_the_rule_is_fvcores(name: str) -> None:
    fvcore = pytest.importorskip("fvcore.common.param_scheduler")

    def warmup(scheduler: Any, factor: float, length: float, method: str, rescale: bool) -> Any:
        # detectron2's own is this composition
        high = scheduler(0.0) if rescale else scheduler(length)
        low = factor * scheduler(0.0)
        first = (
            fvcore.ConstantParamScheduler(low)
            if method == "constant"
            else fvcore.LinearParamScheduler(low, high)
        )
        ways = ["rescaled", "rescaled" if rescale else "fixed"]
        return fvcore.CompositeParamScheduler([first, scheduler], [length, 1 - length], ways)

    names = {
        **vars(fvcore),
        "WarmupParamScheduler": warmup,
        "LRMultiplier": lambda _, multiplier, max_iter: lambda t: 0.5 * multiplier(t / max_iter),
        "SGD": lambda *_, **__: None,
        "p": None,
    }
    for case in cases(name):
        rate = eval(case.text, names)
        assert_rule(case, [rate(step) for step in range(STEPS)])


@pytest.mark.parametrize(
    "name", ["ignite ConcatScheduler", "ignite create_lr_scheduler_with_warmup"]
)
def test_the_rule_is_ignites(name: str) -> None:
    handlers = pytest.importorskip("ignite.handlers")
    torch = pytest.importorskip("torch")
    for case in cases(name)[:40]:
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=0.3)
        names = {
            **vars(handlers),
            "ExponentialLR": torch.optim.lr_scheduler.ExponentialLR,
            "SGD": lambda *_, optimizer=optimizer, **__: optimizer,
            "p": None,
            "o": optimizer,
        }
        scheduler = eval(case.text, names)
        found = []
        for _ in range(STEPS):
            scheduler(None)
            found.append(optimizer.param_groups[0]["lr"])
        assert_rule(case, found)


def test_the_rule_is_fastais() -> None:
    schedule = pytest.importorskip("fastai.callback.schedule")
    for case in cases("fastai combine_scheds"):
        function = eval(case.text, vars(schedule))
        theirs = [float(np.ravel(function(step / 1000))[0]) for step in range(1000)]
        assert_rule(case, theirs, relative=1e-5, of_scale=1e-6)  # it keeps the ends in float32


# -- what is not read ---------------------------------------------------------------------------

REFUSED = {
    "a share that is no whole step": (
        multiplied("WarmupParamScheduler(LinearParamScheduler(1, 0), 0.1, 0.123)"),
        "a whole number of them",
    ),
    "no run": ("WarmupParamScheduler(LinearParamScheduler(1, 0), 0.1, 0.1)", "Give the run too"),
    "an unknown multiplier": ("LRMultiplier(o, m, 90)", "Paste the call of fvcore"),
    "milestones of another run": (
        multiplied("MultiStepParamScheduler([1, 0.1], 90, [60])"),
        "Give num_updates 120",
    ),
    "too long a run": (
        multiplied(
            f"CompositeParamScheduler([{'ConstantParamScheduler(1), ' * 2}], [0.5, 0.5], "
            "['fixed', 'fixed'])"
        ).replace(f"max_iter={STEPS}", "max_iter=2000000"),
        "fvcore is steps early",
    ),
    "no duration": (f"ConcatScheduler([{PIECES}, {PIECES}], [])", "durations has 0 entries"),
    "no first rate": (
        "WarmupDecaySchedule(tf.keras.optimizers.schedules.PiecewiseConstantDecay([1], [1, 2]), 5)",
        "Give warmup_lr",
    ),
    "an optimizer without a rate": (
        "create_lr_scheduler_with_warmup(ExponentialLR(o, 0.9), 0.0, 10)",
        "the optimizer's rate is not known",
    ),
    "a function of its own": ("combine_scheds([0.5, 0.5], [SchedLin(1, 2), f])", "is none of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_rule_that_cannot_be_written_is_refused(case: str) -> None:
    text, expected = REFUSED[case]
    with pytest.raises(ValueError, match=expected) as caught:
        lrgen.port(text)

    assert 1 == len(str(caught.value).splitlines())


def test_no_warm_up_is_what_comes_after() -> None:
    after = "tf.keras.optimizers.schedules.CosineDecay(0.1, 90)"

    assert lrgen.port(after).bound.curve(range(STEPS)).tolist() == (
        lrgen.port(f"PolynomialWarmUp({after}, 0)").bound.curve(range(STEPS)).tolist()
    )
