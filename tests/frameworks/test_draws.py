"""Beyond the vectors: random parameters that a schedule allows, against the author's formula."""

from typing import Any

import conformance
import numpy as np
import pytest
from conformance import NAMES, budget, ulps_off
from emitted import load_emitted

from lrgen.catalogue import catalogue
from lrgen.evaluate import Arithmetic
from lrgen.pipeline import library
from lrgen.sampling import boundaries, draws, steps_near
from lrgen.vectors import exact_value, nearest_float32

SPECS = library(catalogue().values())[0]
FEW, MANY = 8, 120


def check_draws(name: str, count: int) -> None:
    schedule = SPECS.schedule(name)
    exact = Arithmetic()
    plain = conformance.python_runner(load_emitted("python", name), name)
    curve = conformance.numpy_runner(load_emitted("numpy", name), name)
    for values in draws(schedule, count, exact):
        near = steps_near(boundaries(schedule, values, exact), name, 6)
        steps = np.array([step for step in near if step < 2**31], np.int64)
        wanted = [exact_value(schedule, values, int(step), 30) for step in steps]
        for runner in (plain, curve):
            found = runner(values, steps)
            for step, rate, value in zip(steps, found, wanted, strict=True):
                where = f"{name} at step {step} with {values}"
                exactly = conformance.exact_value(exact.decimal(value, 40))
                assert ulps_off(float(rate), exactly) <= budget(name), where
                assert nearest_float32(value) == np.float32(rate), where


@pytest.mark.parametrize("name", NAMES)
def test_a_few_random_parameters_are_right(name: str) -> None:
    check_draws(name, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_random_parameters_are_right(name: str) -> None:
    check_draws(name, MANY)


def test_a_wrong_value_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = exact_value

    def shifted(schedule: Any, values: Any, step: int, digits: int) -> Any:
        return right(schedule, values, step + 1, digits)

    monkeypatch.setitem(globals(), "exact_value", shifted)

    with pytest.raises(AssertionError):
        check_draws("cosine", FEW)
