"""``lrgen.fit``: the schedule that drew a log comes back, with its parameters."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from fit_cases import DRAWS, FORMS, LIKE, WALKS, drawn, every_tenth, text

import lrgen
from lrgen.fitting import finder, search
from lrgen.fitting.curves import Candidate, candidates
from lrgen.fitting.finder import fit_log
from lrgen.fitting.log import Log
from lrgen.fitting.verdict import Fit

WAYS = list(itertools.product(FORMS, WALKS))


@cache
def whole_catalogue() -> dict[str, Candidate]:
    return {one.name: one for one in candidates()}


def logged(name: str, values: dict[str, Any], steps: Any, form: str) -> Log:
    """A log of ``name`` at ``values``; of a step that is there twice the last row counts."""
    candidate = whole_catalogue()[name]
    steps = np.unique(steps)
    rates = candidate.curve({**candidate.schedule.defaults, **values}, steps)
    assert rates is not None, f"{name} does not allow {values}"
    texts = tuple(text(one, form) for one in rates)
    return Log(steps, np.array([float(one) for one in texts]), texts)


def found_among(names: tuple[str, ...], log: Log) -> Fit:
    known = whole_catalogue()
    return fit_log(log, [known[name] for name in dict.fromkeys(names)])


def check(name: str, values: dict[str, Any], log: Log, form: str, found: Fit) -> None:
    """``found`` is ``name`` at ``values``, or the same curve under another name."""
    best = found.best
    assert best is not None, f"unknown: {found.findings[0]}"
    assert found.status == "found", found
    # Between the rows too, but for jumps whose place the log does not tell.
    known, all_steps = whole_catalogue(), np.arange(0, int(log.steps[-1]))
    truth = known[name].curve({**known[name].schedule.defaults, **values}, all_steps)
    curve = known[best.name].curve(best.values, all_steps)
    widths = {".6g": 1e-6, "float32": 1e-7, ".3e": 1e-3}[form] * truth + 1e-9 * truth.max()
    apart = all_steps[np.abs(curve - truth) > widths]
    gaps = np.diff(log.steps).max()
    assert len(apart) <= gaps * max(1, len(found.ranges)), (best.code, values, apart[:5])
    if best.name == name and form == ".6g":
        inside = {key.partition("[")[0] for key in found.ranges}
        wrong = {k: best.values[k] for k, v in values.items() if best.values[k] != v}
        assert {} == {k: v for k, v in wrong.items() if k not in inside}


@pytest.mark.parametrize("number, name", list(enumerate(DRAWS)))
def test_the_schedule_that_drew_a_log_comes_back(number: int, name: str) -> None:
    form, walk = WAYS[number % len(WAYS)]
    values = drawn(name)
    log = logged(name, values, walk(), form)

    check(name, values, log, form, found_among((name, *LIKE), log))


def test_a_search_that_is_broken_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = logged("cosine_warmup", drawn("cosine_warmup"), every_tenth(), ".6g")

    def defaults(candidate: Candidate, *_: object) -> search.Found:
        return search.Found(candidate, candidate.schedule.defaults, np.inf)

    monkeypatch.setattr(finder, "search", defaults)
    found = found_among(("cosine_warmup",), log)

    assert found.status == "unknown"
    with pytest.raises(AssertionError, match="unknown"):
        check("cosine_warmup", drawn("cosine_warmup"), log, ".6g", found)


def test_a_curve_that_is_nearly_right_is_not_accepted() -> None:
    log = logged("cosine_warmup", drawn("cosine_warmup"), every_tenth(), ".6g")
    rates = log.rates.copy()
    rates[500] *= 1.00002  # twenty units in the sixth digit
    texts = tuple(f"{one:.6g}" for one in rates)

    found = found_among(("cosine_warmup",), Log(log.steps, rates, texts))

    assert found.status == "unknown"
    assert found.findings[0].residual < 1e-4


def test_a_random_walk_is_unknown() -> None:
    source = np.random.default_rng(7)
    rates = np.abs(np.cumsum(source.normal(size=300))) * 1e-3

    found = found_among(tuple(LIKE), log_of_texts(np.arange(300), rates))

    assert found.status == "unknown"
    assert found.best is None


def log_of_texts(steps: Any, rates: Any) -> Log:
    texts = tuple(f"{one:.6g}" for one in rates)
    return Log(steps, np.array([float(one) for one in texts]), texts)


def test_a_log_of_the_warm_up_alone_is_ambiguous() -> None:
    values = {"peak_lr": 0.1, "warmup_steps": 500, "total_steps": 5000}
    log = logged("cosine_warmup", values, np.arange(0, 400, 10), ".6g")

    found = found_among(("linear_warmup", "cosine_warmup", "warmup_linear"), log)

    assert found.status == "ambiguous"
    assert "warmup_steps" in found.open
    assert {"linear_warmup", "cosine_warmup", "warmup_linear"} == {
        one.name for one in found.findings if one.fits
    }


def test_a_longer_log_ends_that_ambiguity() -> None:
    values = {"peak_lr": 0.1, "warmup_steps": 500, "total_steps": 5000}
    log = logged("cosine_warmup", values, np.arange(0, 5200, 10), ".6g")

    found = found_among(("linear_warmup", "cosine_warmup", "warmup_linear"), log)

    assert found.status == "found"
    assert found.best is not None
    assert found.best.changed == values


def test_schedules_that_part_past_the_log_say_where() -> None:
    values = {"base_lr": 0.1, "total_steps": 1000}
    log = logged("cosine", values, np.arange(0, 1000, 10), ".6g")

    found = found_among(("cosine", "cosine_restarts"), log)

    assert found.status == "found"
    assert sorted(one.parts for one in found.findings if one.parts is not None) == [1000]


def test_a_milestone_between_two_rows_has_a_range() -> None:
    values = {"base_lr": 0.1, "milestones": (3_003, 6_000), "gamma": 0.1}
    log = logged("multi_step", values, every_tenth(), ".6g")

    found = found_among(("multi_step",), log)

    assert found.ranges["milestones[0]"] == (3_001, 3_010)


def test_a_log_that_counts_from_1_is_seen_through() -> None:
    values = {"peak_lr": 0.1, "warmup_steps": 300, "total_steps": 2000, "end_lr": 0.001}
    log = logged("cosine_warmup", values, np.arange(0, 2200, 10), ".6g")
    counted = Log(log.steps + 1, log.rates, log.texts)

    found = found_among(("cosine_warmup", "warmup_linear"), counted)

    assert found.shift == -1
    assert found.best is not None
    assert found.best.changed == values


def test_float32_arrays_are_read_as_float32() -> None:
    candidate = whole_catalogue()["cosine"]
    steps = np.arange(0, 1200, 7)
    rates = candidate.curve({"base_lr": 0.3, "total_steps": 1000, "end_lr": 0.0}, steps)
    assert rates is not None

    found = lrgen.fit(steps, rates.astype(np.float32), among=["cosine", "warmup_linear"])

    assert found.rounding == "float32"
    assert found.best is not None
    assert found.best.code == 'lrgen.load("cosine").bind(base_lr=0.3, total_steps=1000)'


def test_the_line_of_python_draws_the_log() -> None:
    values = drawn("warmup_stable_decay")
    log = logged("warmup_stable_decay", values, every_tenth(), ".6g")

    found = found_among(("warmup_stable_decay", "multi_step"), log)

    assert found.best is not None
    bound = eval(found.best.code, {"lrgen": lrgen})
    assert np.abs(bound.curve(log.steps) - log.rates).max() <= 5e-6 * log.rates.max()


def test_a_search_gives_the_same_twice() -> None:
    log = logged("k_decay_cosine", drawn("k_decay_cosine"), every_tenth(), ".6g")
    names = ("k_decay_cosine", "polynomial")

    assert found_among(names, log) == found_among(names, log)


def test_a_schedule_of_a_library_comes_back_under_its_own_name() -> None:
    steps = np.arange(0, 1000, 5)
    bound = lrgen.load("torch/OneCycleLR").bind(max_lr=0.3, total_steps=900, pct_start=0.2)

    among = ["torch/OneCycleLR", "torch/CosineAnnealingLR", "torch/StepLR"]
    found = lrgen.fit(steps, bound.curve(steps), among=among)

    assert found.best is not None
    assert found.best.name == "torch/OneCycleLR"
    assert found.best.changed == {"max_lr": 0.3, "total_steps": 900, "pct_start": 0.2}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("form, walk", WAYS)
def test_it_comes_back_from_the_whole_catalogue(form: str, walk: Any, name: str) -> None:
    values = drawn(name, 1 + WAYS.index((form, walk)))
    log = logged(name, values, walk(), form)

    found = fit_log(log, list(whole_catalogue().values()))

    assert found.left_out == ()
    check(name, values, log, form, found)
