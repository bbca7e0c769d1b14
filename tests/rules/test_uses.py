"""Each rewrite rule fires where it is needed, matters there, and a wrong one is caught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rule_uses import USES, Use, resolved, text

from lrgen import rewrite as rewriting
from lrgen.errors import SpecError
from lrgen.expr import Kind
from lrgen.pipeline import emit
from lrgen.recheck import compiled, recheck, ulps
from lrgen.rewrite import known_of, rewrite
from lrgen.rules import RULES
from lrgen.schedule import Schedule
from lrgen.vectors import exact_value, sample

BUDGET = 8
each = pytest.mark.parametrize("use", USES, ids=lambda use: use.rule)


def reasons(schedule: Schedule) -> set[str]:
    """What lets and pieces give as reasons for their computed form."""
    own = {reason for piece in schedule.pieces for reason in piece.reasons}
    return own | {reason for let in schedule.lets for reason in let.reasons}


def error(schedule: Schedule, step: int) -> float:
    """How many ulp the computed form is off at ``step``, with the defaults."""
    true = exact_value(schedule, schedule.defaults, step, 60)
    return ulps(compiled(schedule, known_of(schedule))(step, schedule.defaults), true)


def test_every_rule_has_a_use_here() -> None:
    assert {use.rule for use in USES} == {rule.name for rule in RULES}


@each
def test_a_rule_fires_where_it_is_needed(use: Use, tmp_path: Path) -> None:
    (rule,) = [rule for rule in RULES if rule.name == use.rule]

    computed = rewrite(resolved(tmp_path, use.formula))

    assert text(computed) == use.computed
    assert rule.why in reasons(computed)


@each
def test_a_rule_matters(use: Use, tmp_path: Path) -> None:
    """The author's own form has lost its digits where the computed one is as good as promised."""
    schedule = resolved(tmp_path, use.formula)

    assert error(schedule, use.step) > BUDGET
    assert error(rewrite(schedule), use.step) <= BUDGET


@each
def test_a_missing_rule_is_caught(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a rule the form that is computed is as bad as the author's."""
    schedule = resolved(tmp_path, use.formula)
    # Some rules stand in for others: 1 - cos(pi * u) is a case of 1 - cos(x).
    monkeypatch.setattr(rewriting, "RULES", ())

    assert rewrite(schedule).pieces[0].value == schedule.pieces[0].value
    assert error(rewrite(schedule), use.step) > BUDGET


@each
def test_a_wrong_rule_is_caught(use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build computes every use again: one wrong in the 40th digit is another curve."""
    schedule = resolved(tmp_path, use.formula)
    vectors = sample(schedule)
    slip = "+ 1" if rule_is_whole(use.rule) else "+ 1e-30"
    wrong = [
        replace(rule, after=f"({rule.after}) {slip}") if rule.name == use.rule else rule
        for rule in RULES
    ]
    monkeypatch.setattr(rewriting, "RULES", tuple(wrong))
    # These two are carried out by hand, so that what is left can take the name of a let.
    by_hand = {"one minus quotient", "quotient minus one"}
    if use.rule in by_hand:
        monkeypatch.setattr(rewriting, "difference", lambda a, b: rewriting.apply("+", a, b))

    computed = rewrite(schedule)

    with pytest.raises(SpecError, match="another curve"):
        recheck(schedule, computed, vectors, known_of(computed))


def rule_is_whole(name: str) -> bool:
    return next(rule.result.kind is Kind.INT for rule in RULES if rule.name == name)


@each
def test_the_right_rules_give_the_same_curve(use: Use, tmp_path: Path) -> None:
    schedule = resolved(tmp_path, use.formula)
    vectors = sample(schedule)
    # Far beyond n a cosine's own argument has lost its digits; the curve is the same all the same.
    patient = replace(schedule, ulps=10**400)

    written = rewrite(patient)
    recheck(patient, written, vectors, known_of(written))


def test_cancellation_that_no_rule_mends_is_refused(tmp_path: Path) -> None:
    schedule = resolved(tmp_path, "1e10 + peak_lr * progress - 1e10")

    with pytest.raises(SpecError, match=r"ulp off at step = \d+ of 'default', the budget is 8"):
        emit(schedule, ["python"])


@pytest.mark.parametrize(
    "formula",
    [
        "peak_lr * step / n",
        "peak_lr * (1 + progress)",
        "peak_lr * cos(progress)",
        "peak_lr * (1 + sqrt(progress))",
        "peak_lr + end_lr",
        "peak_lr * exp(-progress)",
        "peak_lr * (2 - progress / (1 + progress))",
    ],
)
def test_what_needs_no_rule_is_left_as_it_stands(formula: str, tmp_path: Path) -> None:
    schedule = resolved(tmp_path, formula)

    computed = rewrite(schedule)

    assert text(computed) == text(schedule)
    assert reasons(computed) == set()


@pytest.mark.parametrize("use", USES, ids=lambda use: use.rule)
def test_a_second_pass_changes_nothing(use: Use, tmp_path: Path) -> None:
    once = rewrite(resolved(tmp_path, use.formula))

    twice = rewrite(once)

    assert text(twice) == text(once)
