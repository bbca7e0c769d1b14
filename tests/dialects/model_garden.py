"""Formulas of TensorFlow's object detection and Model Garden, transcribed to plain Python.

They are from the sources of tf-models-research-object-detection 2.8.0.post1
(``object_detection/utils/learning_schedules.py``), tf-models-official 2.20.0
(``official/modeling/optimization/lr_schedule.py`` and, of ``official/legacy``,
``image_classification/learning_rate.py``, ``image_classification/resnet/common.py`` and
``detection/modeling/learning_rates.py``) and tf_keras 2.21.0, written anew in binary64. Both
packages need far more than their schedules do, so that tests do not install them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def cosine(progress: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * progress))


# -- object_detection/utils/learning_schedules.py -----------------------------------------------


def exponential(
    step: int, rate: float, decay_steps: int, decay_rate: float, staircase: bool
) -> float:
    power = step / decay_steps
    return rate * decay_rate ** (math.floor(power) if staircase else power)


def exponential_decay_with_burnin(
    step: int,
    *,
    learning_rate_base: float,
    learning_rate_decay_steps: int,
    learning_rate_decay_factor: float,
    burnin_learning_rate: float = 0.0,
    burnin_steps: int = 0,
    min_learning_rate: float = 0.0,
    staircase: bool = True,
) -> float:
    if burnin_learning_rate == 0:
        burnin_learning_rate = learning_rate_base
    if step < burnin_steps:
        return max(burnin_learning_rate, min_learning_rate)
    factor, passed = learning_rate_decay_factor, step - burnin_steps
    decayed = exponential(passed, learning_rate_base, learning_rate_decay_steps, factor, staircase)
    return max(decayed, min_learning_rate)


def exponential_decay_with_warmup(
    step: int,
    *,
    learning_rate_base: float,
    learning_rate_decay_steps: int,
    learning_rate_decay_factor: float,
    warmup_learning_rate: float = 0.0,
    warmup_steps: int = 0,
    min_learning_rate: float = 0.0,
    staircase: bool = True,
) -> float:
    slope = (learning_rate_base - warmup_learning_rate) / warmup_steps
    if step < warmup_steps:
        return slope * step + warmup_learning_rate
    factor, passed = learning_rate_decay_factor, step - warmup_steps
    decayed = exponential(passed, learning_rate_base, learning_rate_decay_steps, factor, staircase)
    return max(decayed, min_learning_rate)


def cosine_decay_with_warmup(
    step: int,
    *,
    learning_rate_base: float,
    total_steps: int,
    warmup_learning_rate: float = 0.0,
    warmup_steps: int = 0,
    hold_base_rate_steps: int = 0,
) -> float:
    if step > total_steps:
        return 0.0
    if step < warmup_steps:
        slope = (learning_rate_base - warmup_learning_rate) / warmup_steps
        return slope * step + warmup_learning_rate
    begun = warmup_steps + hold_base_rate_steps
    if hold_base_rate_steps > 0 and step <= begun:
        return learning_rate_base
    return learning_rate_base * cosine((step - begun) / (total_steps - begun))


def manual_stepping(
    step: int, *, boundaries: list[int], rates: list[float], warmup: bool = False
) -> float:
    if warmup and boundaries:
        slope = (rates[1] - rates[0]) * 1.0 / boundaries[0]
        rising = [rates[0] + slope * place for place in range(boundaries[0])]
        places, rates = [*range(boundaries[0]), *boundaries], rising + rates[1:]
    else:
        places = [0, *boundaries]
    return rates[max(index for index, place in enumerate(places) if step >= place)]


# -- official/modeling/optimization/lr_schedule.py, on tf_keras' schedules ----------------------


def cosine_decay_with_offset(
    step: int,
    *,
    initial_learning_rate: float,
    decay_steps: int,
    offset: int = 0,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> float:
    passed = step - offset
    if warmup_target is None:
        decayed = (1 - alpha) * cosine(min(passed, decay_steps) / decay_steps) + alpha
        return initial_learning_rate * decayed
    passed = min(passed, decay_steps + warmup_steps)
    if passed < warmup_steps:
        rise = warmup_target - initial_learning_rate
        return rise * (passed / warmup_steps) + initial_learning_rate
    return warmup_target * ((1 - alpha) * cosine((passed - warmup_steps) / decay_steps) + alpha)


def exponential_decay_with_offset(
    step: int,
    *,
    initial_learning_rate: float,
    decay_steps: int,
    decay_rate: float,
    offset: int = 0,
    staircase: bool = False,
) -> float:
    return exponential(step - offset, initial_learning_rate, decay_steps, decay_rate, staircase)


def piecewise_constant_decay_with_offset(
    step: int, *, boundaries: list[int], values: list[float], offset: int = 0
) -> float:
    return values[sum(step - offset > place for place in boundaries)]


def polynomial_decay_with_offset(
    step: int,
    *,
    initial_learning_rate: float,
    decay_steps: int,
    offset: int = 0,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> float:
    passed, whole = step - offset, decay_steps
    if cycle:
        whole *= 1 if passed == 0 else math.ceil(passed / decay_steps)
    else:
        passed = min(passed, decay_steps)
    rest = (1 - passed / whole) ** power
    return (initial_learning_rate - end_learning_rate) * rest + end_learning_rate


def direct_power_decay(step: int, *, initial_learning_rate: float, power: float = 1.0) -> float:
    return initial_learning_rate * max(float(step), 1.0) ** power


def power_and_linear_decay(
    step: int,
    *,
    initial_learning_rate: float,
    total_decay_steps: int,
    power: float = 1.0,
    linear_decay_fraction: float = 0.1,
    offset: int = 0,
) -> float:
    passed = float(step - offset)
    rate = initial_learning_rate * max(passed, 1.0) ** power
    linear_steps = total_decay_steps * linear_decay_fraction
    if linear_steps > 0:
        rate = max(0.0, rate * min(1.0, (total_decay_steps - passed) / linear_steps))
    return rate


def power_decay_with_offset(
    step: int,
    *,
    initial_learning_rate: float,
    power: float = 1.0,
    offset: int = 0,
    pre_offset_learning_rate: float = 1.0e6,
) -> float:
    if step <= offset:
        return pre_offset_learning_rate
    after = max(float(step - offset), 1.0) ** power * initial_learning_rate
    return min(after, pre_offset_learning_rate)


def step_cosine_decay_with_offset(
    step: int, *, boundaries: list[int], values: list[float], offset: int = 0
) -> float:
    passed = step - offset
    lengths = [*np.diff(boundaries), 0]
    index = max(0, sum(passed >= place for place in boundaries[1:]))
    begun = boundaries[index] if index > 0 else 0
    following = values[index + 1] if index + 1 < len(values) else 0.0
    with np.errstate(all="ignore"):
        wave = np.cos(np.pi * (passed - begun) / np.float64(lengths[index]))
    return float((values[index] - following) * (wave + 1.0) / 2.0 + following)


# -- official/legacy ----------------------------------------------------------------------------


def cosine_decay_by_batch(
    step: int, *, batch_size: int, total_steps: int, warmup_steps: int
) -> float:
    peak = 0.1 * batch_size / 256
    if step < warmup_steps:
        return step / warmup_steps * peak
    return peak * cosine((step - warmup_steps) / (total_steps - warmup_steps))


def piecewise_constant_decay_with_warmup(
    step: int,
    *,
    batch_size: int,
    epoch_size: int,
    warmup_epochs: int,
    boundaries: list[int],
    multipliers: list[float],
) -> float:
    steps_per_epoch = epoch_size // batch_size
    peak = 0.1 * batch_size / 256
    warmup_steps = warmup_epochs * steps_per_epoch
    if step < warmup_steps:
        return peak * (step / warmup_steps)
    places = [float(steps_per_epoch) * epoch for epoch in boundaries]
    return peak * multipliers[sum(step > place for place in places)]


def step_with_linear_warmup(
    step: int,
    *,
    warmup_learning_rate: float,
    warmup_steps: int,
    init_learning_rate: float,
    learning_rate_levels: list[float],
    learning_rate_steps: list[int],
) -> float:
    rate = init_learning_rate
    if step < warmup_steps:
        rise = init_learning_rate - warmup_learning_rate
        rate = warmup_learning_rate + step / warmup_steps * rise
    for level, begun in zip(learning_rate_levels, learning_rate_steps, strict=True):
        rate = level if step >= begun else rate
    return rate


def cosine_with_linear_warmup(
    step: int,
    *,
    total_steps: int,
    warmup_learning_rate: float,
    warmup_steps: int,
    init_learning_rate: float,
) -> float:
    if step < warmup_steps:
        rise = init_learning_rate - warmup_learning_rate
        return warmup_learning_rate + step / warmup_steps * rise
    return init_learning_rate * cosine((step - warmup_steps) / (total_steps - warmup_steps))


FORMULAS: dict[str, Callable[..., float]] = {
    "exponential_decay_with_burnin": exponential_decay_with_burnin,
    "exponential_decay_with_warmup": exponential_decay_with_warmup,
    "cosine_decay_with_warmup": cosine_decay_with_warmup,
    "manual_stepping": manual_stepping,
    "CosineDecayWithOffset": cosine_decay_with_offset,
    "ExponentialDecayWithOffset": exponential_decay_with_offset,
    "PiecewiseConstantDecayWithOffset": piecewise_constant_decay_with_offset,
    "PolynomialDecayWithOffset": polynomial_decay_with_offset,
    "DirectPowerDecay": direct_power_decay,
    "PowerAndLinearDecay": power_and_linear_decay,
    "PowerDecayWithOffset": power_decay_with_offset,
    "StepCosineDecayWithOffset": step_cosine_decay_with_offset,
    "CosineDecayWithWarmup": cosine_decay_by_batch,
    "PiecewiseConstantDecayWithWarmup": piecewise_constant_decay_with_warmup,
    "StepLearningRateWithLinearWarmup": step_with_linear_warmup,
    "CosineLearningRateWithLinearWarmup": cosine_with_linear_warmup,
}


def curve(name: str, parameters: dict[str, object], steps: Sequence[int]) -> list[float]:
    """What the schedule ``name`` returns at ``steps``."""
    return [FORMULAS[name](step, **parameters) for step in steps]
