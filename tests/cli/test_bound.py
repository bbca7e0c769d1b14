"""The Python API: load, bind, ask for values."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import sympy

import lrgen


@pytest.fixture(scope="module")
def cosine() -> lrgen.Loaded:
    return lrgen.load("cosine_warmup")


@pytest.fixture(scope="module")
def bound(cosine: lrgen.Loaded) -> lrgen.Bound:
    return cosine.bind(peak_lr=3e-4, warmup_steps=2_000, total_steps=100_000)


# -- load --------------------------------------------------------------------------------------


def test_a_schedule_is_loaded_by_name(cosine: lrgen.Loaded) -> None:
    assert cosine.name == "cosine_warmup"
    assert cosine.title == "Linear warm-up, then cosine annealing to a floor"
    assert list(cosine.parameters) == ["peak_lr", "warmup_steps", "total_steps", "end_lr"]
    assert cosine.parameters["warmup_steps"].default == 1_000
    assert cosine.parameters["warmup_steps"].units == "updates"
    assert "finite: proved" in cosine.findings
    assert repr(cosine).startswith("<lrgen schedule cosine_warmup(peak_lr, ")


def test_a_schedule_is_loaded_from_a_path(specs: Path) -> None:
    assert lrgen.load(specs / "ramp.toml").bind()(5) == 5e-4


def test_a_spec_may_call_the_one_beside_it(specs: Path) -> None:
    assert lrgen.load(str(specs / "twice.toml")).bind()(5) == 1e-3


def test_a_broken_spec_beside_it_does_no_harm_unless_it_is_called(specs: Path) -> None:
    (specs / "broken.toml").write_text("name = 3\n", encoding="utf-8")
    assert lrgen.load(specs / "twice.toml").bind()(5) == 1e-3

    (specs / "ramp.toml").write_text("name = 3\n", encoding="utf-8")
    with pytest.raises(lrgen.SpecError, match=r"ramp\.toml"):
        lrgen.load(specs / "twice.toml")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cosine_warmp", "Did you mean 'cosine_warmup'?"),
        ("none/there.toml", "cannot be read"),
        ("a" * 5_000, "File name too long"),
        (".", "one schedule is wanted"),
    ],
)
def test_what_is_no_schedule_is_a_spec_error(spec, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.toml").touch()
    with pytest.raises(lrgen.SpecError) as raised:
        lrgen.load(spec)

    assert message in str(raised.value)


def test_a_false_claim_is_a_spec_error(specs: Path) -> None:
    spec = specs / "ramp.toml"
    spec.write_text(spec.read_text() + '\n[claims]\nbounds = ["0", "peak_lr / 2"]\n')

    with pytest.raises(lrgen.SpecError, match=r"ramp\.toml: claims\.bounds"):
        lrgen.load(spec)


def test_parameters_cannot_be_changed(cosine: lrgen.Loaded) -> None:
    with pytest.raises(TypeError):
        cosine.parameters["peak_lr"] = None  # type: ignore[index]


# -- formula -----------------------------------------------------------------------------------


def test_the_formula_is_a_sympy_expression(cosine: lrgen.Loaded) -> None:
    step = sympy.Symbol("step", integer=True)
    total = sympy.Symbol("total_steps", integer=True)
    warmup = sympy.Symbol("warmup_steps", integer=True)
    end = cosine.formula.subs({warmup: 0, total: 100}).subs(step, 50)

    assert {str(symbol) for symbol in cosine.formula.free_symbols} == {
        "step",
        *cosine.parameters,
    }
    assert sympy.simplify(end - (sympy.Symbol("peak_lr", real=True) / 2
                                 + sympy.Symbol("end_lr", real=True) / 2)) == 0  # fmt: skip


def test_the_formula_is_there_in_latex(cosine: lrgen.Loaded) -> None:
    assert cosine.latex().startswith(r"\begin{cases}")
    assert r"\cos" in cosine.latex()


# -- values ------------------------------------------------------------------------------------


def test_a_step_gives_a_float(bound: lrgen.Bound) -> None:
    assert type(bound(10)) is float
    assert bound(10) == 3e-4 * 10 / 2_000
    assert bound(100_000) == 0.0


def test_parameters_left_out_take_their_defaults(cosine: lrgen.Loaded) -> None:
    assert cosine.bind(peak_lr=1.0).values == {
        "peak_lr": 1.0,
        "warmup_steps": 1_000,
        "total_steps": 100_000,
        "end_lr": 0.0,
    }


def test_a_curve_is_binary64_in_the_shape_of_the_steps(bound: lrgen.Bound) -> None:
    curve = bound.curve(range(0, 100_001, 10))

    assert curve.dtype == np.float64
    assert curve.shape == (10_001,)
    assert bound.curve(np.arange(6, dtype=np.int32).reshape(2, 3)).shape == (2, 3)
    assert bound.curve([]).shape == (0,)
    assert bound.curve(range(0)).shape == (0,)
    assert bound.curve(range(3, 0, -1)).tolist() == [bound(3), bound(2), bound(1)]
    assert bound.curve(range(2**62, 2**63, 2**61)).tolist() == [0.0, 0.0]
    assert bound.curve(step for step in (10, 20)).tolist() == [bound(10), bound(20)]
    assert bound.curve(7).shape == ()


def test_chunks_together_are_the_curve(bound: lrgen.Bound) -> None:
    steps = range(5, 100_000, 7)

    chunks = list(bound.chunks(steps, size=1_000))

    assert {len(chunk) for chunk in chunks[:-1]} == {1_000}
    np.testing.assert_array_equal(np.concatenate(chunks), bound.curve(steps))
    assert [chunk.tolist() for chunk in bound.chunks(range(3), size=2)] == [
        [bound(0), bound(1)],
        [bound(2)],
    ]
    assert list(bound.chunks(range(0))) == []


def test_a_chunk_of_nothing_is_refused(bound: lrgen.Bound) -> None:
    with pytest.raises(ValueError, match="size must be an integer >= 1, got 0"):
        bound.chunks(range(3), size=0)


def test_step_curve_and_exact_value_agree_to_the_last_bits(bound: lrgen.Bound) -> None:
    steps = [0, 1, 1_999, 2_000, 2_001, 50_000, 99_998, 99_999, 100_000, 2**31 - 1, 2**53]
    for step, on_curve in zip(steps, bound.curve(steps)):
        exact = bound.exact(step, digits=40)
        unit = math.ulp(float(exact))

        assert abs(bound(step) - exact) <= 8 * unit
        assert abs(float(on_curve) - exact) <= 8 * unit


def test_exact_values_have_the_digits_asked_for(cosine: lrgen.Loaded) -> None:
    third = cosine.bind(peak_lr=1.0, warmup_steps=3, total_steps=3).exact(1, digits=200)

    assert str(third)[:202] == "0." + "3" * 200


def test_parameters_enter_as_the_binary64_numbers_that_they_are(cosine: lrgen.Loaded) -> None:
    exact = cosine.bind(peak_lr=0.1, warmup_steps=1, total_steps=9).exact(1)

    assert str(exact) == "0.1000000000000000055511151231257827021181583404541015625"


def test_a_whole_curve_of_ten_thousand_steps_is_the_plain_one(bound: lrgen.Bound) -> None:
    steps = range(0, 100_000, 97)
    plain = np.array([bound(step) for step in steps])
    curve = bound.curve(steps)

    bits = np.abs(plain.view(np.int64) - curve.view(np.int64))
    assert int(bits.max()) <= 8


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"peak_l": 1}, "cosine_warmup has no parameter 'peak_l'. Did you mean 'peak_lr'?"),
        (
            {"qqqqqqqq": 1},
            "cosine_warmup has no parameter 'qqqqqqqq'. "
            "Known here: peak_lr, warmup_steps, total_steps, end_lr.",
        ),
        ({"peak_lr": -1.0}, "peak_lr must be a finite number >= 0, got -1.0"),
        ({"peak_lr": math.nan}, "peak_lr must be a finite number >= 0, got nan"),
        ({"peak_lr": math.inf}, "peak_lr must be a finite number >= 0, got inf"),
        ({"peak_lr": "1e-3"}, "peak_lr must be a finite number >= 0, got '1e-3'"),
        ({"peak_lr": True}, "peak_lr must be a finite number >= 0, got True"),
        ({"peak_lr": None}, "peak_lr must be a finite number >= 0, got None"),
        ({"warmup_steps": 10.0}, "warmup_steps must be an integer >= 0, got 10.0"),
        ({"warmup_steps": True}, "warmup_steps must be an integer >= 0, got True"),
        ({"warmup_steps": -1}, "warmup_steps must be an integer >= 0, got -1"),
        (
            {"warmup_steps": 20, "total_steps": 10},
            "warmup_steps <= total_steps does not hold: warmup_steps = 20, total_steps = 10",
        ),
        (
            {"end_lr": 2.0, "peak_lr": 1.0},
            "end_lr <= peak_lr does not hold: peak_lr = 1.0, end_lr = 2.0",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(cosine, values, message) -> None:
    with pytest.raises(ValueError) as raised:
        cosine.bind(**values)

    assert str(raised.value) == message


@pytest.mark.parametrize("digits", [19, 400, 5_000])
def test_a_number_that_no_machine_holds_is_refused_in_a_short_line(cosine, digits: int) -> None:
    with pytest.raises(ValueError, match="warmup_steps must be an integer >= 0") as raised:
        cosine.bind(warmup_steps=10**digits)

    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("digits", [400, 5_000])
def test_a_rate_that_overflows_is_refused(cosine, digits: int) -> None:
    with pytest.raises(ValueError, match="peak_lr must be a finite number >= 0"):
        cosine.bind(peak_lr=10**digits)


def test_flags_and_words_are_checked() -> None:
    decay = lrgen.load("step_decay")
    stable = lrgen.load("warmup_stable_decay")

    with pytest.raises(ValueError, match="at_zero must be True or False, got 1"):
        decay.bind(at_zero=1)
    with pytest.raises(ValueError, match=r"tail must be one of 'linear', .*, got 'quadratic'"):
        stable.bind(tail="quadratic")
    assert decay.bind(at_zero=np.True_).values["at_zero"] is True


def test_numpy_numbers_become_plain_ones(cosine: lrgen.Loaded) -> None:
    values = cosine.bind(warmup_steps=np.int32(4), peak_lr=np.float32(0.1)).values

    assert type(values["warmup_steps"]) is int
    assert values["peak_lr"] == struct.unpack("f", struct.pack("f", 0.1))[0]
    assert type(values["peak_lr"]) is float


@pytest.mark.parametrize("step", [-1, 1.0, True, "1", None, 2**63])
def test_what_is_no_step_is_refused(bound: lrgen.Bound, step: object) -> None:
    with pytest.raises(ValueError, match="step must be an integer"):
        bound(step)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="step must be an integer"):
        bound.exact(step)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"steps? must be"):
        bound.curve([step])  # type: ignore[list-item]


def test_ranges_that_leave_the_axis_are_refused(bound: lrgen.Bound) -> None:
    for steps in (range(-2, 3), range(0, 2**63 + 1, 2**62), range(2**63, 2**63 + 1)):
        with pytest.raises(ValueError, match="step must be an integer"):
            bound.curve(steps)
    with pytest.raises(ValueError, match="step must be an integer"):
        bound.curve(np.array([3, -1]))


def test_digits_are_checked(bound: lrgen.Bound) -> None:
    for digits in (0, -1, 2.0, 10**6):
        with pytest.raises(ValueError, match="digits must be an integer from 1 to 10,000"):
            bound.exact(1, digits=digits)  # type: ignore[arg-type]
