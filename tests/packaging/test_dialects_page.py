"""The page on dialects: what its calls compute, all of it, and nothing else."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from page import broken_links

import lrgen
from lrgen.catalogue import dialects

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "dialects.md"
FAMILIES = REPOSITORY / "docs" / "families"
sys.path.insert(0, str(REPOSITORY / "docs"))

import dialect_page  # noqa: E402
from dialect_families import Call, Family, families, with_optimizer  # noqa: E402

CROSS = "Linear warm-up, then a cosine"


@pytest.fixture(scope="module")
def found() -> list[Family]:
    return families()


@pytest.fixture(scope="module")
def computed(found) -> str:
    return dialect_page.page(found)


@pytest.fixture(scope="module")
def cross(found) -> Family:
    return next(family for family in found if family.title == CROSS)


def only(name: str, folder: Path) -> Path:
    """A copy of one family in ``folder``, to be broken."""
    return Path(shutil.copy(FAMILIES / name, folder / name))


def section(family: Family) -> str:
    return dialect_page.page([family], {}).partition("\n## ")[2].partition("\n## ")[0]


def call(family: Family, text: str) -> Call:
    return next(one for one in family.calls if text in one.text)


def test_the_page_is_what_its_calls_compute(computed):
    assert PAGE.read_text(encoding="utf-8") == computed


def test_another_number_in_a_call_changes_the_page(tmp_path):
    path = only("33_milestones.toml", tmp_path)
    before = section(families(tmp_path)[0])
    text = path.read_text(encoding="utf-8")
    assert before in PAGE.read_text(encoding="utf-8")

    path.write_text(text.replace("StepParamScheduler(60", "StepParamScheduler(61"), "utf-8")

    assert before != section(families(tmp_path)[0])


def test_a_value_that_was_typed_is_seen(computed):
    page = PAGE.read_text(encoding="utf-8")
    typed = page.replace("| 0.095424 |", "| 0.095425 |", 1)

    assert typed != page
    assert typed != computed


def test_every_dialect_has_a_row_of_the_index():
    index = PAGE.read_text(encoding="utf-8").partition("\n## Every dialect\n")[2]
    rows = [line.split(" | ") for line in index.splitlines() if line.startswith("| ")][2:]
    named = [f"{row[0].removeprefix('| ')}/{row[1].strip('`')}" for row in rows]

    assert list(dialects()) == named
    assert all(row[2].startswith("[") for row in rows)


def test_a_dialect_without_a_family_is_named(found):
    known = dialects()
    without = [family for family in found if family.title != "Weight decay that falls"]

    with pytest.raises(
        ValueError, match="no family in docs/families has nanochat/get_weight_decay"
    ):
        dialect_page.page(without, known)


def test_a_family_has_each_call_once(found):
    for family in found:
        told = [(one.text, str(one.settings), one.schedule.spec_name) for one in family.calls]
        assert len({(text, settings) for text, settings, _ in told}) == len(told), family.title


def test_one_sentence_has_many_curves(cross):
    assert 13 <= len(cross.libraries)
    assert 14 <= len(cross.calls)
    assert 7 <= len(cross.groups)


def test_calls_with_one_letter_compute_the_same_elsewhere(cross):
    steps = range(71)
    curves = []
    for text in ("optax.warmup_cosine_decay_schedule", "CosWithWarmup"):
        one = call(cross, text)
        source = lrgen.port(one.text, name="ported", **({"base_lr": 0.1} if "With" in text else {}))
        curves.append(source.bound.curve(steps))
        assert [float(rate) for rate in one.rates] == pytest.approx(curves[-1], rel=1e-14, abs=0)

    assert curves[0] == pytest.approx(curves[1], rel=1e-14, abs=0)


def test_what_is_observed_gives_the_rates_of_the_emitted_code(found):
    family = next(family for family in found if family.title == "Reduce on plateau")
    one = call(family, "torch.optim")
    ported = lrgen.port(with_optimizer(one.text, 0.1))

    assert one.rates[0] == 0.1
    assert [float(rate) for rate in one.rates[1:]] == pytest.approx(
        ported.bound.trace(family.observed), rel=1e-15, abs=0
    )


@pytest.mark.slow
def test_every_call_is_what_port_makes_of_it(found):
    for family in found:
        for one in family.calls:
            if one.text == one.dialect:  # no call makes it
                continue
            quantity = one.dialect.partition(".")[2]
            lines = with_optimizer(one.text, 0.1)
            ported = lrgen.port(lines, quantity=quantity, **one.settings).schedule
            differing = {n: v for n, v in ported.defaults.items() if one.values[n] != v}
            assert {} == {n: v for n, v in differing.items() if n != "base_lr"}, one.text


def test_every_two_curves_are_told_apart_by_their_row(found):
    for family in found:
        rows = [
            line.split(" | ", 1)[1].rpartition(" | ")[0]
            for line in dialect_page.values(family).splitlines()[2:]
        ]
        assert len(rows) == len(set(rows)), family.title


def test_curves_closer_than_the_tolerance_are_one(tmp_path):
    path = only("02_reduced_then_whole.toml", tmp_path)
    text = path.read_text(encoding="utf-8")
    for share, curves in (("0.5000000000000002", 1), ("0.500000000002", 2)):
        path.write_text(text.replace("alpha=0.5", f"alpha={share}"), encoding="utf-8")

        assert curves == len(families(tmp_path)[0].groups)


def test_a_call_that_is_no_schedule_is_named(tmp_path):
    path = only("02_reduced_then_whole.toml", tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("ConstantLR", "ConstatnLR"), encoding="utf-8")

    with pytest.raises(ValueError, match=r"^torch.optim.lr_scheduler.ConstatnLR\(.*no schedule"):
        families(tmp_path)


def test_a_call_whose_numbers_break_a_rule_is_named(tmp_path):
    path = only("02_reduced_then_whole.toml", tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("factor=0.5", "factor=1.5"), encoding="utf-8")

    with pytest.raises(ValueError, match=r"^torch.optim.lr_scheduler.ConstantLR\(.*factor"):
        families(tmp_path)


def test_a_floor_of_0_is_a_parameter_that_moves_the_end(cross):
    said = {
        one.library: one.saying([0.0]) for one in cross.calls if one.library in ("timm", "olmo")
    }

    assert {"timm": [("lr_min", 0.0)], "olmo": [("alpha_f", 0.0)]} == said


def test_links_of_the_page_lead_somewhere():
    assert [] == broken_links(PAGE)
