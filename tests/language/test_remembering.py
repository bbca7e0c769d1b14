"""Schedules that remember: what a spec of one means, and what is shown of it."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrgen
from lrgen.automaton import Automaton
from lrgen.backends import BACKENDS
from lrgen.backends.remembering import rate_names
from lrgen.catalogue import catalogue
from lrgen.errors import SpecError
from lrgen.expr import Apply, Kind, Name
from lrgen.induction import always_computable, with_invariants
from lrgen.ops import apply
from lrgen.pipeline import checked, emit, library, proved
from lrgen.printer import show
from lrgen.recheck_traces import recheck_traces
from lrgen.rewrite import known_of, rewrite
from lrgen.schedule import Schedule
from lrgen.trace_vectors import sample_traces
from lrgen.traces import FLAGS, traces

HEAD = """
name     = "ramp"
title    = "A ramp"
observes = "{observes}"
{value}
[parameters]
peak_lr  = {{ type = "rate",  default = 1.0,  doc = "Highest rate." }}
factor   = {{ type = "real",  default = 0.5,  doc = "What a cut multiplies by." }}
patience = {{ type = "steps", default = 2,    doc = "Observations that pass." }}
"""
COUNTS = {"cuts": ("0", "cuts + 1 if metric > 1 else cuts")}


def resolved(
    folder: Path,
    lines: Mapping[str, tuple[str | None, str]],
    value: str = 'value = "peak_lr * 0.5 ** cuts"',
    observes: str = "metric",
    more: str = "",
) -> Schedule:
    """A schedule with these lines: initial value, or None for a local name, and update."""
    state = [f'{name} = "{first}"' for name, (first, _) in lines.items() if first is not None]
    update = [f'{name} = "{text}"' for name, (_, text) in lines.items()]
    text = [HEAD.format(value=value, observes=observes), "[state]", *state, "[update]", *update]
    path = folder / "ramp.toml"
    path.write_text("\n".join([*text, more]))
    return library([path])[0].schedule("ramp")


def states(schedule: Schedule, metrics: tuple[float, ...], **values: Any) -> dict[str, Any]:
    """What is remembered after ``metrics``."""
    automaton = Automaton(schedule, {**schedule.defaults, **values})
    for metric in metrics:
        automaton.observe(metric)
    return automaton.state


# -- meaning ---------------------------------------------------------------------------------


def test_a_line_sees_the_new_values_of_those_before_it_and_the_old_ones_of_those_after(
    tmp_path: Path,
) -> None:
    schedule = resolved(
        tmp_path,
        {
            "cuts": ("0", "cuts + 1"),
            "seen": ("0", "cuts + later"),
            "later": ("10", "later + 1"),
        },
    )

    assert {"cuts": 1, "seen": 11, "later": 11} == states(schedule, (1.0,))
    assert {"cuts": 2, "seen": 13, "later": 12} == states(schedule, (1.0, 1.0))


def test_every_comparison_with_nan_but_inequality_is_false(tmp_path: Path) -> None:
    comparisons = {"a": "<", "b": "<=", "c": ">", "d": ">=", "e": "==", "f": "!="}
    lines = {name: ("False", f"metric {op} 1") for name, op in comparisons.items()}
    schedule = resolved(tmp_path, {**COUNTS, **lines})

    found = states(schedule, (math.nan,))

    assert ["f"] == [name for name in comparisons if found[name]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metric - metric == 0", False),
        ("metric + 1 == inf", True),
        ("metric * 0 == metric * 0", False),
        ("-metric < -1e308", True),
        ("abs(-metric) == inf", True),
        ("1 / metric == 0", True),
        ("1e308 * 10 * metric == inf", True),
        ("1e308 * 10 - metric == 0", False),
    ],
)
def test_infinity_computes_as_in_binary64(text: str, expected: bool, tmp_path: Path) -> None:
    schedule = resolved(tmp_path, {**COUNTS, "holds": ("False", text)})

    assert expected is states(schedule, (math.inf,))["holds"]


def test_a_metric_enters_exactly(tmp_path: Path) -> None:
    # In binary64 the sum is 1, and exactly it is not.
    schedule = resolved(tmp_path, {**COUNTS, "holds": ("False", "1 + metric > 1")})

    assert states(schedule, (2.0**-60,))["holds"] is True


def test_the_observed_number_has_the_name_that_the_author_gives(tmp_path: Path) -> None:
    schedule = resolved(
        tmp_path, {"cuts": ("0", "cuts + 1 if loss > 1 else cuts")}, observes="loss"
    )

    texts, _ = emit(schedule, ["python"])

    assert "def observe(self, loss: float) -> float:" in texts["python_schedules/ramp.py"]
    assert "cuts + 1 if loss > 1" in texts["python_schedules/ramp.py"]


def test_flags_and_observed_numbers_are_remembered(tmp_path: Path) -> None:
    schedule = resolved(
        tmp_path,
        {
            "rose": ("False", "metric > last"),
            "last": ("-inf", "metric"),
            "cuts": ("0", "cuts + 1 if rose else cuts"),
        },
    )

    assert [Kind.BOOL, Kind.REAL, Kind.INT] == [s.kind for s in schedule.state]
    assert states(schedule, (1.0, 3.0, 2.0)) == {"rose": False, "last": 2.0, "cuts": 2}


def test_what_may_be_nan_is_known(tmp_path: Path) -> None:
    schedule = resolved(
        tmp_path,
        {
            "gain": (None, "last - metric"),
            "share": (None, "gain / 2.0"),
            "size": (None, "peak_lr * 2.0"),
            "last": ("0.0", "metric"),
            "cuts": ("0", "cuts + 1 if share > size else cuts"),
        },
    )

    assert {"metric", "last", "gain", "share"} == schedule.observed_names


def test_pieces_may_hang_on_the_state(tmp_path: Path) -> None:
    schedule = resolved(
        tmp_path,
        COUNTS,
        value="",
        more='[[piece]]\nname = "high"\nwhen = "cuts < 2"\nvalue = "peak_lr"\n'
        '[[piece]]\nname = "low"\nvalue = "peak_lr * factor"',
    )
    checked_schedule = checked(replace(schedule, examples=()))
    found, vectors = checked_schedule.author, checked_schedule.vectors

    automaton = Automaton(found, found.defaults)
    rates = []
    for metric in (2.0, 0.5, 2.0):
        automaton.observe(metric)
        rates.append(float(automaton.rate()))
    assert [1.0, 1.0, 0.5] == rates
    assert not schedule.uses_step
    assert "high" == automaton.schedule.pieces[0].name
    assert vectors.cases


def test_the_value_may_call_closed_forms_with_a_clock_of_their_own(tmp_path: Path) -> None:
    call = "cosine_warmup(step, peak_lr=peak_lr, warmup_steps=2, total_steps=10)"
    schedule = resolved(tmp_path, COUNTS, value=f'value = "{call} * 0.5 ** cuts"')
    written = checked(schedule).written

    plain = lrgen.load("cosine_warmup").bind(peak_lr=1.0, warmup_steps=2, total_steps=10)
    automaton = Automaton(written, written.defaults)
    automaton.observe(2.0)

    assert schedule.uses_step
    assert 0.5 * float(plain.exact(7)) == float(automaton.rate(7))
    assert ("cuts", "peak_lr") == rate_names(written)


def test_a_real_state_may_enter_the_value_where_it_is_guarded(tmp_path: Path) -> None:
    schedule = resolved(
        tmp_path,
        {"last": ("1.0", "metric if 0 < metric and metric < 1 else last"), **COUNTS},
        value='value = "peak_lr * last"',
    )

    assert "finite: sampled" in " ".join(proved(schedule).findings)


@pytest.mark.parametrize("change", ["initial", "update", "observes", "order"])
def test_the_fingerprint_covers_the_automaton(change: str, tmp_path: Path) -> None:
    lines: dict[str, tuple[str | None, str]] = {**COUNTS, "other": ("0", "other + 1")}
    plain = resolved(tmp_path, lines)
    observes = "metric"
    match change:
        case "initial":
            lines["other"] = ("1", "other + 1")
        case "update":
            lines["other"] = ("0", "other + 2")
        case "observes":
            observes = "loss"
            lines["cuts"] = ("0", "cuts + 1 if loss > 1 else cuts")
        case "order":
            lines = dict(reversed(lines.items()))

    assert plain.fingerprint != resolved(tmp_path, lines, observes=observes).fingerprint


def test_a_closed_form_observes_nothing() -> None:
    specs, _ = library([catalogue()["cosine_warmup"]])
    schedule = specs.schedule("cosine_warmup")

    assert (None, (), (), ()) == (
        schedule.observes,
        schedule.state,
        schedule.update,
        schedule.invariants,
    )
    assert schedule.uses_step


# -- induction -------------------------------------------------------------------------------


def invariants(schedule: Schedule) -> list[str]:
    return [show(condition) for condition in with_invariants(schedule).invariants]


def test_what_never_falls_below_0_is_found_by_induction(tmp_path: Path) -> None:
    schedule = resolved(
        tmp_path,
        {
            "left": ("patience", "left - 1 if left > 0 else patience"),
            "twice": ("0", "twice + left"),
            "cuts": ("0", "cuts + 1 if left == 0 else cuts"),
        },
    )

    assert ["left >= 0", "twice >= 0", "cuts >= 0"] == invariants(schedule)


def test_what_may_fall_below_0_is_dropped_with_all_that_hangs_on_it(tmp_path: Path) -> None:
    schedule = resolved(
        tmp_path,
        {
            "level": ("0", "level + 1 if metric < 1 else level - 1"),
            "total": ("0", "total + level"),
            "first": ("-1", "first + 2"),
            "cuts": ("0", "cuts + 1"),
        },
    )

    assert ["cuts >= 0"] == invariants(schedule)


def test_of_nan_neither_a_comparison_nor_its_opposite_is_believed(tmp_path: Path) -> None:
    # For real numbers the last branch is never reached; NaN gets there.
    schedule = resolved(
        tmp_path, {"cuts": ("0", "cuts if metric < 1 else cuts + 1 if metric >= 1 else -1")}
    )

    assert [] == invariants(schedule)
    assert -1 == states(schedule, (math.nan,))["cuts"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metric / 2 < 1", True),
        ("metric / patience < 1", False),
        ("metric / (patience + 1) < 1", True),
        ("1 / metric < 1", False),
        ("factor ** cuts < metric", False),
        ("cuts % (patience + 1) == 0", True),
        ("cuts % patience == 0", False),
    ],
)
def test_an_update_that_may_fail_is_tried_on_traces(
    text: str, expected: bool, tmp_path: Path
) -> None:
    schedule = resolved(tmp_path, {"low": (None, text), "cuts": ("0", "cuts + 1 if low else cuts")})

    assert expected == always_computable(with_invariants(schedule))


def test_induction_helps_to_show_that_the_rate_is_finite(tmp_path: Path) -> None:
    falls = {"cuts": ("0", "cuts - 1 if metric > 1 else cuts")}
    require = 'value = "peak_lr * factor ** cuts"\nrequire = ["0 < factor < 1", "peak_lr <= 1"]'

    rising = proved(resolved(tmp_path, COUNTS, value=require)).findings
    falling = proved(resolved(tmp_path, falls, value=require)).findings

    assert "finite: proved" in rising
    assert "finite: proved" not in falling


# -- vectors and what is emitted -------------------------------------------------------------


def test_a_vector_file_is_strict_json(tmp_path: Path) -> None:
    text = sample_traces(resolved(tmp_path, COUNTS)).text()

    def refuse(word: str) -> None:
        raise AssertionError(word)

    document = json.loads(text, parse_constant=refuse)
    metrics = {
        row["metric"]
        for case in document["cases"]
        for row in case["rows"]
        if isinstance(row["metric"], str)
    }
    assert {"nan", "inf", "-inf"} == metrics


def test_every_flag_is_said_in_a_sentence(tmp_path: Path) -> None:
    document = json.loads(sample_traces(resolved(tmp_path, COUNTS)).text())
    flags = {row["flag"] for case in document["cases"] for row in case["rows"]}

    assert flags == document["flags"].keys()
    assert flags <= FLAGS.keys()
    assert all(text.endswith(".") for text in document["flags"].values())


@pytest.mark.parametrize("name", ["plateau", "cosine_plateau"])
def test_every_observation_of_a_trace_is_a_float32(name: str) -> None:
    specs, _ = library([catalogue()[name]])
    schedule = specs.schedule(name)
    exact = Automaton(schedule, schedule.defaults).exact
    for trace in traces(schedule, schedule.defaults, exact, (0.1, 1e300)):
        array = np.array(trace.metrics)

        np.testing.assert_array_equal(array, array.astype(np.float32).astype(np.float64))
        assert len(trace.metrics) == len(trace.steps)
        assert sorted(set(trace.steps)) == list(trace.steps)


def test_metrics_of_an_example_are_a_trace_of_their_own(tmp_path: Path) -> None:
    more = '[[example]]\nname = "own"\ndoc = "Own."\nset = {}\nmetrics = [1.5, nan, -inf, 2]'
    vectors = sample_traces(resolved(tmp_path, COUNTS, more=more))

    (case,) = (case for case in vectors.cases if case.trace == "example")
    metrics = [row.metric for row in case.rows]
    assert [None, 1.5, -math.inf, 2.0] == [metrics[0], metrics[1], metrics[3], metrics[4]]
    assert math.isnan(metrics[2] or 0.0)


def test_a_form_that_decides_otherwise_is_found() -> None:
    specs, _ = library([catalogue()["plateau"]])
    author = proved(specs.schedule("plateau"))
    vectors = sample_traces(author)
    written = rewrite(author)
    recheck_traces(author, written, vectors, known_of(written))
    wrong = []
    for line in written.update:
        match line.name, line.value:
            case "reduced", Apply(op=">", args=(misses, patience)):
                line = replace(line, value=apply(">=", misses, patience))
        wrong.append(line)
    assert wrong != list(written.update)

    with pytest.raises(SpecError, match=r"ulp off at observation \d+ of"):
        other = replace(written, update=tuple(wrong))
        recheck_traces(author, other, vectors, known_of(other))


def test_a_value_that_is_another_curve_is_found() -> None:
    specs, _ = library([catalogue()["plateau"]])
    author = proved(specs.schedule("plateau"))
    written = rewrite(author)
    wrong = replace(written.pieces[0], value=Name("min_lr", Kind.REAL))
    other = replace(written, pieces=(wrong,))

    with pytest.raises(SpecError, match="the rewritten form is another curve at observation 0"):
        recheck_traces(author, other, sample_traces(author), known_of(other))


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_emits_schedules_that_remember(backend: str, tmp_path: Path) -> None:
    texts, built = emit(resolved(tmp_path, {**COUNTS, "count": ("0", "count + 1")}), [backend])

    text = texts[f"{backend}_schedules/ramp.py"]
    compile(text, "ramp.py", "exec")
    assert built.rows >= 100
    assert max(map(len, text.splitlines())) <= 100


# -- in Python -------------------------------------------------------------------------------


def test_a_trace_is_the_rate_after_each_observation() -> None:
    bound = lrgen.load("plateau").bind(patience=1, factor=0.5, base_lr=1.0)

    found = bound.trace([1.0, 1.0, 1.0, math.nan, math.nan])

    assert np.float64 == found.dtype
    assert [1.0, 1.0, 0.5, 0.5, 0.25] == found.tolist()


def test_a_trace_with_steps_has_two_clocks() -> None:
    bound = lrgen.load("cosine_plateau").bind(
        warmup_steps=4, total_steps=8, patience=0, peak_lr=1.0
    )

    assert [0.25, 0.25, 0.375] == bound.trace(iter([1.0, 1.0, 0.5]), steps=[1, 2, 3]).tolist()


@pytest.mark.parametrize("ask", ["call", "curve", "exact"])
def test_a_schedule_that_observes_has_no_curve(ask: str) -> None:
    bound = lrgen.load("plateau").bind()

    def curve(step: int) -> Any:
        return bound.curve([step])

    asked: dict[str, Callable[[int], Any]] = {"call": bound, "curve": curve, "exact": bound.exact}

    with pytest.raises(TypeError, match=r"plateau depends on the metric .* trace\(metrics\)"):
        asked[ask](1)


def test_a_closed_form_has_no_trace() -> None:
    with pytest.raises(TypeError, match=r"cosine observes nothing: ask for its curve\(steps\)"):
        lrgen.load("cosine").bind().trace([1.0])


def test_steps_are_given_where_they_count_and_only_there() -> None:
    with pytest.raises(TypeError, match="plateau depends on no step"):
        lrgen.load("plateau").bind().trace([1.0], steps=[1])
    with pytest.raises(ValueError, match="cosine_plateau depends on the step: give steps"):
        lrgen.load("cosine_plateau").bind().trace([1.0])
    with pytest.raises(ValueError, match="steps must be as many as metrics, got 2 and 1"):
        lrgen.load("cosine_plateau").bind().trace([1.0], steps=[1, 2])


def test_the_formula_is_one_of_the_state() -> None:
    loaded = lrgen.load("newbob")

    assert "base_lr*factor**reductions" == str(loaded.formula)
    assert loaded.findings[0] == "reductions >= 0: proved by induction"
