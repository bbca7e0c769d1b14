"""Specs within the limits are proved, or told not to be, in bounded time, however they are knotted.

Effort is counted in rows and tries, never in seconds, so that the same spec always comes out alike.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lrgen import ranges
from lrgen.expr import Kind
from lrgen.parse import Symbol, parse
from lrgen.pipeline import library, proved
from lrgen.ranges import Facts
from lrgen.schedule import Schedule

TEN = range(10)


def schedule(folder: Path, *lines: str, **types: str) -> Schedule:
    defaults = {"rate": "0.1", "steps": "10", "count": "5", "flag": "false"}
    text = ['name = "knot"', 'title = "A knot"', *lines, "[parameters]"]
    text += [
        f'{name} = {{ type = "{kind}", default = {defaults[kind]}, doc = "One." }}'
        for name, kind in types.items()
    ]
    path = folder / "knot.toml"
    path.write_text("\n".join(text))
    specs, names = library([path])
    return specs.schedule(names[0])


def choices_in_requirements(folder: Path) -> Schedule:
    rules = [
        f"(x{i} if f{i} else x{(i + 1) % 10}) <= (x{(i + 2) % 10} if f{(i + 1) % 10} else n)"
        for i in TEN
    ]
    return schedule(
        folder,
        f"require = {rules}",
        'value = "a / (x0 + 1 if f0 else x1 + 1)"',
        a="rate",
        n="steps",
        **{f"x{i}": "steps" for i in TEN},
        **{f"f{i}": "flag" for i in TEN},
    )


def spent(one: Schedule, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, tuple[str, ...]]:
    """Sets of facts within a choice, rows added up by one family, and the findings."""
    families: list[ranges._Family] = []
    plain = ranges._Family

    def noted() -> ranges._Family:
        families.append(plain())
        return families[-1]

    monkeypatch.setattr(ranges, "_Family", noted)
    findings = proved(one).findings
    return max(f.splits for f in families), max(f.effort.spent for f in families), findings


def test_choices_that_depend_on_one_another_are_proved_within_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits, effort, findings = spent(choices_in_requirements(tmp_path), monkeypatch)
    assert findings == ("finite: proved",)
    assert splits < 10 * ranges.MOST_SPLITS
    assert effort < ranges.MOST_EFFORT


def test_without_effort_left_nothing_is_proved_and_all_is_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = schedule(tmp_path, 'value = "a / (n + 1)"', a="rate", n="steps")
    assert proved(one).findings == ("finite: proved",)
    monkeypatch.setattr(ranges, "MOST_EFFORT", -1)
    (finding,) = proved(one).findings
    assert finding.startswith("finite: sampled, ")


def test_a_division_in_a_choice_on_its_divisor_is_proved(tmp_path: Path) -> None:
    one = schedule(
        tmp_path,
        'value = "u * step / (step + 1)"',
        "[let]",
        'u = "a / (m - 1) if m > 1 else 0"',
        a="rate",
        m="count",
    )
    assert proved(one).findings == ("finite: proved",)


def test_a_long_chain_of_facts_does_not_exhaust_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"x{i}": Symbol(Kind.INT) for i in range(200)}

    def read(text: str) -> object:
        return parse(text, names, frozenset())

    def chained() -> bool:
        facts = Facts().given(read("x0 >= 1"))
        for i in range(199):
            facts = facts.given(read(f"x{i + 1} >= x{i} * x{i}"))
        return facts.range(read("x199")).at_least(0)

    before = sys.getrecursionlimit()  # other tests' libraries may have raised it
    sys.setrecursionlimit(1_000)
    try:
        assert isinstance(chained(), bool)
        monkeypatch.setattr(ranges, "MOST_DEPTH", 10_000)
        with pytest.raises(RecursionError):
            chained()
    finally:
        sys.setrecursionlimit(before)


def test_equal_facts_are_one_set_and_answer_from_memory() -> None:
    names = {"n": Symbol(Kind.INT), "m": Symbol(Kind.INT)}
    one, other = (parse(text, names, frozenset()) for text in ("n >= 1", "m <= n"))
    facts = Facts()
    assert facts.given(one).given(other) is facts.given(one).given(other)
    assert facts.given(one).given(one) is facts.given(one)
    assert facts.given(one) is not facts.given(one, holds=False)
