"""Warm-ups around any schedule: of Paddle, the TensorFlow Model Garden and transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .calls import Asked, asked
from .compose import Member, Ruled, Stage
from .pasted import Call, NotPortable
from .wrappers import Given, Inner, Wrapper, level_or, parameter

_STEPS = ("steps", "Updates of the warm-up, at least 1.")
_POWER = ("real", "Exponent of the share of the warm-up that is done, from 0 to 100.")
_AFTER = Stage("after", "after[step]")
_OPTIMIZATION = (
    "official.modeling.optimization.lr_schedule",
    "official.modeling.optimization",
    "tensorflow_models.optimization",
    "tfm.optimization",
)


@dataclass(frozen=True, slots=True)
class _Warmup:
    """How a library warms up.

    Attributes:
        schedule: The argument that is the schedule, or a constant rate.
        parameters: The other arguments that count, with their types and what they are.
        rise: The rate before ``warmup_steps``; ``after[step]`` is that of the schedule.
        then: The rate from then on.
        require: What must hold.
    """

    schedule: str
    parameters: Mapping[str, tuple[str, str]]
    rise: str
    then: Stage = _AFTER
    require: tuple[str, ...] = field(default=())

    def read(self, call: Call, given: Given, inner: Inner) -> Member:
        after = level_or(call, self.schedule, given[self.schedule], inner)
        if given["warmup_steps"] == 0:
            return after
        own = {n: parameter(call, n, kind, given[n], d) for n, (kind, d) in self.parameters.items()}
        stages = (Stage("warmup", self.rise, "warmup_steps"), self.then)
        require = ("1 <= warmup_steps <= 2**53", *self.require)
        return Ruled(call.name, {"after": after}, own, stages, require)


def _to_first_rate(call: Call, given: Given, inner: Inner) -> Member:
    """``WarmupDecaySchedule``: to the first rate of the schedule, where no other is given."""
    rate = given["warmup_lr"]
    if rate is None and given["warmup_steps"] != 0:
        after = inner(given["lr_schedule"])
        if not isinstance(after, Asked) or "initial_learning_rate" not in after.document.parameters:
            raise NotPortable(
                f"{call.path}: the schedule has no initial_learning_rate. Give warmup_lr."
            )
        rate = after.value("initial_learning_rate")
    return _FIRST_RATE.read(call, {**given, "warmup_lr": rate}, inner)


def _of_paddle(call: Call, given: Given, inner: Inner) -> Member:
    """``LinearWarmup``, a dialect itself where the rate after it is a number."""
    if isinstance(given["learning_rate"], Call):
        return _OF_PADDLE.read(call, given, inner)
    return asked(Call("paddle.optimizer.lr.LinearWarmup", call.arguments, call.keywords))


def _paths(name: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for module in _OPTIMIZATION)


_OF_PADDLE = _Warmup(
    "learning_rate",
    {
        "warmup_steps": _STEPS,
        "start_lr": ("rate", "Rate at step 0."),
        "end_lr": ("rate", "Rate that the warm-up leads to, above its first."),
    },
    "start_lr + (end_lr - start_lr) * step / warmup_steps",
    Stage("after", "after[step - warmup_steps]"),
    ("start_lr < end_lr",),
)
_LINEAR = _Warmup(
    "after_warmup_lr_sched",
    {"warmup_steps": _STEPS, "warmup_learning_rate": ("rate", "Rate at step 0.")},
    "warmup_learning_rate + (after[warmup_steps] - warmup_learning_rate) * step / warmup_steps",
)
_POLYNOMIAL = _Warmup(
    "after_warmup_lr_sched",
    {"warmup_steps": _STEPS, "power": _POWER},
    "after[warmup_steps] * (max(step, 1) / warmup_steps) ** power",
    require=("0 <= power <= 100",),
)
_OF_NLP = _Warmup(
    "decay_schedule_fn",
    {
        "initial_learning_rate": ("rate", "Rate that the warm-up leads to."),
        "warmup_steps": _STEPS,
        "power": _POWER,
    },
    "initial_learning_rate * (step / warmup_steps) ** power",
    require=("0 <= power <= 100",),
)
_OF_TRANSFORMERS = _Warmup(
    _OF_NLP.schedule,
    _OF_NLP.parameters,
    _OF_NLP.rise,
    Stage("after", "after[step - warmup_steps]"),
    _OF_NLP.require,
)
_FIRST_RATE = _Warmup(
    "lr_schedule",
    {"warmup_steps": _STEPS, "warmup_lr": ("rate", "Rate that the warm-up leads to.")},
    "warmup_lr * step / warmup_steps",
)
_WARM_UP = "initial_learning_rate, decay_schedule_fn, warmup_steps, power=1.0, name=None"

WRAPPERS = (
    Wrapper(
        ("paddle.optimizer.lr.LinearWarmup",),
        "learning_rate, warmup_steps, start_lr, end_lr, last_epoch=-1, verbose=False",
        _of_paddle,
    ),
    Wrapper(
        _paths("LinearWarmup"),
        "after_warmup_lr_sched, warmup_steps, warmup_learning_rate, name=None",
        _LINEAR.read,
    ),
    Wrapper(
        _paths("PolynomialWarmUp"),
        "after_warmup_lr_sched, warmup_steps, power=1.0, name='PolynomialWarmup'",
        _POLYNOMIAL.read,
    ),
    Wrapper(("official.nlp.optimization.WarmUp",), _WARM_UP, _OF_NLP.read),
    Wrapper(
        ("transformers.WarmUp", "transformers.optimization_tf.WarmUp"),
        _WARM_UP,
        _OF_TRANSFORMERS.read,
    ),
    Wrapper(
        (
            "official.legacy.image_classification.learning_rate.WarmupDecaySchedule",
            "official.vision.image_classification.learning_rate.WarmupDecaySchedule",
        ),
        "lr_schedule, warmup_steps, warmup_lr=None",
        _to_first_rate,
    ),
)
