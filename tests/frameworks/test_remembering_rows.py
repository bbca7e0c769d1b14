"""Schedules that remember, in plain Python and NumPy: every row of every trace, resumed."""

import json
import math
import random
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conformance import OBSERVERS, class_name
from emitted import load_broken, load_emitted
from traces import Metrics, Rates, TraceCase, check_all_traces, trace_cases, uses_step

each = pytest.mark.parametrize("name", OBSERVERS)


def python_rates(module: ModuleType, name: str) -> Rates:
    """Rates of the emitted class."""

    def rates(parameters: Mapping[str, Any], metrics: Metrics, steps: tuple[int, ...]) -> Any:
        automaton = getattr(module, class_name(name))(**parameters)
        return np.array([fed(automaton, m, s, name) for m, s in zip(metrics, steps, strict=True)])

    return rates


def fed(automaton: Any, metric: float | None, step: int, name: str) -> float:
    """The rate after ``metric``, or the rate as it is."""
    if uses_step(name):
        return automaton.rate(step) if metric is None else automaton.observe(metric, step)
    return automaton.rate if metric is None else automaton.observe(metric)


def numpy_rates(module: ModuleType, name: str) -> Rates:
    """Rates of the emitted function; before an observation it has none, so the class's is taken."""
    plain = python_rates(load_emitted("python", name), name)

    def rates(parameters: Mapping[str, Any], metrics: Metrics, steps: tuple[int, ...]) -> Any:
        assert metrics[0] is None
        assert None not in metrics[1:]
        clock = (steps[1:],) if uses_step(name) else ()
        found = getattr(module, name)(metrics[1:], *clock, **parameters)
        return np.concatenate([plain(parameters, metrics[:1], steps[:1]), found])

    return rates


@each
def test_plain_python_is_accurate_and_rounds_right(name: str) -> None:
    rows, _ = check_all_traces(name, python_rates(load_emitted("python", name), name))

    assert rows > 300


@each
def test_numpy_is_accurate_and_rounds_right_without_a_warning(name: str) -> None:
    rows, _ = check_all_traces(name, numpy_rates(load_emitted("numpy", name), name))

    assert rows > 300


@each
def test_every_trace_that_was_agreed_on_is_there(name: str) -> None:
    found = {case.trace for case in trace_cases(name)}

    wanted = {"falling", "rising", "flat", "flat_negative", "nan", "nan_first", "infinite"}
    assert wanted | {"zero", "noisy", "example"} == found


BROKEN = [
    ("plateau", "misses > self.patience", "misses >= self.patience"),
    ("plateau", "> self.threshold * abs(self.best)", "> self.threshold * self.best"),
    ("plateau", "finite and (first", "(first"),
    ("plateau", "0 if improved or resting", "0 if improved"),
    ("plateau_torch", "old - new > self.eps", "old - new > 0.0"),
    ("plateau_keras", "not self.seen or better", "better"),
    ("plateau_keras", "misses >= self.patience", "misses > self.patience"),
    ("plateau_optax", "misses == self.patience", "misses >= self.patience"),
    ("newbob", "0.0 if self.previous == 0 else ", "0.0 if self.previous == 1 else "),
    ("greedy", "remaining <= 0", "remaining < 0"),
    ("greedy", "0 if reset else -1 if bottom", "0 if reset else 0 if bottom"),
    ("cosine_plateau", "self.factor**self.reductions", "self.factor**self.bad"),
]


@pytest.mark.parametrize(("name", "before", "after"), BROKEN)
def test_a_broken_automaton_is_found(name: str, before: str, after: str) -> None:
    module = load_broken("python", name, before, after)

    with pytest.raises((AssertionError, ZeroDivisionError)):
        check_all_traces(name, python_rates(module, name))


# -- going on from a saved state -------------------------------------------------------------


def resumed(case: TraceCase, after: int) -> list[str]:
    """The rates as text when the state goes through JSON after so many rows."""
    make = getattr(load_emitted("python", case.schedule), class_name(case.schedule))
    automaton = make(**case.parameters)
    found = []
    for row, (metric, step) in enumerate(zip(case.metrics, case.steps, strict=True)):
        if row == after:
            text = json.dumps(automaton.state_dict(), allow_nan=False)
            automaton = make(**case.parameters)
            automaton.load_state_dict(json.loads(text))
        found.append(float(fed(automaton, metric, step, case.schedule)).hex())
    return found


@each
def test_a_state_goes_through_strict_json_and_on_to_the_bit(name: str) -> None:
    source = random.Random(name)
    for case in trace_cases(name):
        whole = resumed(case, -1)
        for after in {1, 3, source.randrange(1, len(case.metrics))}:
            assert whole == resumed(case, after), str(case)


def test_a_state_holds_what_was_observed_to_the_bit() -> None:
    make = load_emitted("python", "newbob").Newbob
    for metric in (math.inf, -math.inf, 0.1, -0.0, 5e-324, 1.7976931348623157e308):
        automaton, other = make(), make()
        automaton.observe(metric)
        other.load_state_dict(json.loads(json.dumps(automaton.state_dict(), allow_nan=False)))

        assert automaton.previous.hex() == other.previous.hex()


def test_a_state_of_nan_stays_nan() -> None:
    make = load_emitted("python", "newbob").Newbob
    automaton, other = make(), make()
    automaton.observe(math.nan)
    other.load_state_dict(json.loads(json.dumps(automaton.state_dict(), allow_nan=False)))

    assert math.isnan(other.previous)


def test_a_state_of_other_parameters_is_refused_and_nothing_changes() -> None:
    make = load_emitted("python", "plateau").Plateau
    saved = make(factor=0.5, patience=3)
    saved.observe(1.0)
    present = make(factor=0.25, patience=3)

    with pytest.raises(ValueError, match=r"\(factor: saved 0\.5, present 0\.25\)$"):
        present.load_state_dict(saved.state_dict())
    assert make(factor=0.25, patience=3).state_dict() == present.state_dict()


def test_a_state_of_another_schedule_is_refused() -> None:
    state = load_emitted("python", "plateau_torch").PlateauTorch().state_dict()

    with pytest.raises(ValueError, match="another formula"):
        load_emitted("python", "plateau").Plateau().load_state_dict(state)


def test_a_state_that_lacks_a_part_is_refused() -> None:
    automaton = load_emitted("python", "plateau").Plateau()
    state = automaton.state_dict()
    del state["bad"]

    with pytest.raises(ValueError, match="the state lacks bad"):
        automaton.load_state_dict(state)


# -- what it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["python", "numpy"])
def test_a_parameter_out_of_its_range_is_named(backend: str) -> None:
    module = load_emitted(backend, "plateau")

    with pytest.raises(ValueError, match=r"^patience must be an integer >= 0, got -1$"):
        module.Plateau(patience=-1) if backend == "python" else module.plateau([1.0], patience=-1)


def test_the_step_is_checked() -> None:
    automaton = load_emitted("python", "cosine_plateau").CosinePlateau()

    with pytest.raises(ValueError, match="step must be an integer >= 0, got -1"):
        automaton.observe(1.0, -1)


def test_metrics_and_steps_of_numpy_are_checked() -> None:
    function = load_emitted("numpy", "cosine_plateau").cosine_plateau

    with pytest.raises(ValueError, match="metrics must have one dimension, got 2"):
        function([[1.0]], [[1]])
    with pytest.raises(ValueError, match="steps must be as many as metrics, got 2 and 1"):
        function([1.0], [1, 2])
    with pytest.raises(ValueError, match="step must be an integer >= 0, got -2"):
        function([1.0], [-2])


def test_a_metric_may_be_a_number_of_any_library() -> None:
    make = load_emitted("python", "plateau").Plateau
    automaton = make()
    automaton.observe(np.float32(0.5))

    assert float is type(automaton.best)
    assert 0.5 == automaton.best
