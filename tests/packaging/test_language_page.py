"""The page on the language: its specs build, its tables are complete, and its numbers are computed.

Every toml block is a spec. Tables are told apart by their heads; an expectation is computed from
lrgen and compared with the cell on the page.
"""

from __future__ import annotations

import math
import re
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from page import blocks, broken_links, file_name, tables
from pydantic import BaseModel

import lrgen
from lrgen import document, inline, ops, parse, schedule
from lrgen.automaton import Automaton
from lrgen.cycles import LEAST_GROWTH, UNIT, cycles
from lrgen.evaluate import Arithmetic
from lrgen.expr import Kind
from lrgen.hashing import MULTIPLIERS, SHIFT, uniform
from lrgen.pipeline import library

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "language.md").read_text(encoding="utf-8")
SPECS = {file_name(block): block.text for block in blocks(PAGE)}


def code(cell: str) -> str:
    """What stands between the backquotes of ``cell``, which has nothing else."""
    assert re.fullmatch(r"`[^`]+`", cell), cell
    return cell.strip("`")


def table(head: str) -> list[list[str]]:
    """Rows of the only table whose head begins with ``head``."""
    (found,) = tables(PAGE, head)
    return found


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def write(text: str, folder: Path) -> Path:
    """A file with the spec ``text``, called as the schedule is."""
    path = folder / f"{tomllib.loads(text)['name']}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def decision(name: str) -> str:
    return (REPOSITORY / "docs" / "decisions" / f"{name}.md").read_text(encoding="utf-8")


def parsed(text: str, **kinds: Kind) -> Any:
    symbols = {name: parse.Symbol(kind) for name, kind in kinds.items()}
    return parse.parse(text, symbols, frozenset())


# --- snippets -------------------------------------------------------------------------------------


def test_every_decision_is_in_the_index_and_every_link_there_leads_somewhere() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \[[\w-]+\]\(([\w-]+\.md)\)", index, re.MULTILINE)

    assert sorted(path.name for path in folder.glob("*.md")) == sorted([*named, "README.md"])
    for path in folder.glob("*.md"):
        assert [] == broken_links(path)


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_of_the_page_builds(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(SPECS[name], encoding="utf-8")

    assert Path(name).stem == lrgen.load(tmp_path / name).name


def test_every_block_of_the_page_is_a_spec() -> None:
    assert {"toml"} == {block.language for block in blocks(PAGE)}
    assert len(SPECS) == len(blocks(PAGE))


def test_a_spec_that_no_longer_builds_is_noticed(tmp_path: Path) -> None:
    broken = SPECS["milestones.toml"].replace('"increasing(places)",', "")
    assert broken != SPECS["milestones.toml"]
    (tmp_path / "milestones.toml").write_text(broken, encoding="utf-8")

    with pytest.raises(lrgen.SpecError, match="counts in a rising list"):
        lrgen.load(tmp_path / "milestones.toml")


def test_every_link_leads_somewhere() -> None:
    assert [] == broken_links(REPOSITORY / "docs" / "language.md")


# --- what can be written --------------------------------------------------------------------------

KINDS = {
    Kind.INT: "integer",
    Kind.REAL: "real",
    Kind.BOOL: "condition",
    Kind.INTS: "list",
    Kind.REALS: "list",
}
OF_ALL = {"c": Kind.BOOL, "d": Kind.BOOL, "i": Kind.INT, "n": Kind.INT, "ns": Kind.INTS}
OF_INTEGERS = {**OF_ALL, "a": Kind.INT, "b": Kind.INT, "xs": Kind.INTS}
OF_REALS = {**OF_ALL, "a": Kind.REAL, "b": Kind.REAL, "xs": Kind.REALS}


def yields(text: str) -> str:
    of_integers = KINDS[parsed(text, **OF_INTEGERS).kind]
    try:
        of_reals = KINDS[parsed(text, **OF_REALS).kind]
    except lrgen.SpecError:
        return f"{of_integers}, of integers only"
    return of_reals if of_reals == of_integers else f"{of_integers} of integers, else {of_reals}"


def test_every_operator_is_on_the_page_with_what_it_yields_and_means() -> None:
    rows = table("written")
    named = [parsed(code(written), **OF_INTEGERS).op for written, *_ in rows]
    shown = {op: (kind, meaning) for op, (_, kind, meaning) in zip(named, rows, strict=True)}
    expected = {
        op: (yields(code(written)), ops.OPERATORS[op].meaning)
        for op, (written, *_) in zip(named, rows, strict=True)
    }
    authors = {name for name, row in ops.OPERATORS.items() if row.form is not ops.Form.TABLE}

    assert len(named) == len(set(named))
    assert authors == set(named)
    assert expected == shown


TABLES = {
    "key of the file": document.Document,
    "key of a parameter": document.ParameterShape,
    "key of a piece": document.PieceShape,
    "key of `[claims]`": document.ClaimsShape,
    "key of an `[[example]]`": document.ExampleShape,
    "key of `[accuracy]`": document.AccuracyShape,
    "key of a `[[caution]]`": document.CautionShape,
    "key of `[call]`": document.CallShape,
}


@pytest.mark.parametrize(("head", "model"), TABLES.items(), ids=TABLES)
def test_every_key_of_a_table_is_on_the_page(head: str, model: type[BaseModel]) -> None:
    named = [name for row in table(head) for name in re.findall(r"`(\w+)`", row[0])]

    assert sorted(model.model_fields) == sorted(named)


def test_every_table_of_the_format_is_one_of_those() -> None:
    reached = {document.Document.__name__, *document.Document.model_json_schema()["$defs"]}

    assert reached == {model.__name__ for model in TABLES.values()}


def test_every_type_is_on_the_page_with_its_rule() -> None:
    words = ("linear", "square")
    expected = {
        kind: schedule.Parameter("p", kind, 0, "", "", words).rule().removeprefix("must be ")
        for kind in schedule.KIND_OF_TYPE
    }

    assert {**expected, "choice": "one of 'linear', 'square'"} == {
        code(name): rule for name, rule in table("type")
    }


def test_every_limit_on_the_page_is_the_one_that_holds() -> None:
    name = document._IDENTIFIER.pattern
    assert document.MOST_PARAMETERS == document.MOST_PIECES == 32
    expected = {
        "bytes of a file": document.MOST_BYTES,
        "characters of a formula": parse.MOST_CHARACTERS,
        "operations of a formula": parse.MOST_NODES,
        "levels of a formula": parse.MOST_DEPTH,
        "operations with calls or lets written out": inline.MOST_INLINED_NODES,
        "parameters": document.MOST_PARAMETERS,
        "requirements": document.MOST_PARAMETERS,
        "pieces, lets, states or lines of `[update]`": document.MOST_PIECES,
        "examples": document.MOST_EXAMPLES,
        "cautions": document.MOST_CAUTIONS,
        "observations of an example": _most(document.ExampleShape, "metrics"),
        "entries of a parameter": schedule.MOST_ENTRIES,
        "entries of a written list": ops.MOST_ENTRIES,
        "operands of `min` and `max`": ops.MOST_OPERANDS,
        "a written exponent": parse.MOST_EXPONENT,
        "characters of a title": document.MOST_TITLE,
        "characters of another text": _most(document.Document, "title"),
        "characters of a name": 1 + int(re.findall(r"\d+", name)[-1]),
        "`ulps`": _most(document.AccuracyShape, "ulps"),
    }

    assert {what: f"{most:,}" for what, most in expected.items()} == dict(table("at most"))


def _most(model: type[BaseModel], field: str) -> int:
    """The largest number, or number of entries, that ``field`` takes."""
    allowed = str(model.model_json_schema()["properties"][field])
    (most,) = re.findall(r"'max(?:imum|Items|Length)': (\d+)", allowed)
    return int(most)


@pytest.mark.parametrize(("formula", "right"), [("", False), ("1.0 * ", True)])
def test_a_product_of_steps_wraps_around_where_the_page_says(
    formula: str, right: bool, tmp_path: Path
) -> None:
    cube = f"{formula}step * step * step"
    assert f"`{cube}`" in section("Limits") and "from step 2,097,152 on" in section("Limits")
    spec = REFUSED.replace("FORMULA", f"base_lr * ({cube}) / 1e30") + PARAMETERS["base_lr"]

    bound = lrgen.load(write(spec, tmp_path)).bind(base_lr=1.0)
    before, after = bound.curve([2_097_151, 2_097_152])

    assert pytest.approx(2_097_151**3 / 1e30, rel=1e-15) == before
    assert right is bool(pytest.approx(2_097_152**3 / 1e30, rel=1e-15) == after)


# --- worked numbers -------------------------------------------------------------------------------


def test_the_values_of_lists_are_those_of_the_page() -> None:
    exact = Arithmetic()
    values = {"ns": (10, 20, 40), "xs": tuple(map(exact.real, (0.5, 0.25, 2.0)))}
    assert "With `ns = [10, 20, 40]` and `xs = [0.5, 0.25, 2.0]`:" in PAGE
    (rows,) = tables(section("Lists"), "formula | value")

    for text, shown in rows:
        found = exact.value(parsed(code(text), ns=Kind.INTS, xs=Kind.REALS), values)
        assert shown == str(found if isinstance(found, int) else float(found)), text
    operators = {parsed(code(text), ns=Kind.INTS, xs=Kind.REALS).op for text, _ in rows}
    assert {"at", "len", "increasing", "least", "greatest", "reached", "product", "total"} == (
        operators
    )


@pytest.mark.parametrize(("which", "growth"), [(0, "1.1"), (1, "1.25")])
def test_the_boundaries_of_growing_cycles_are_those_of_the_page(which: int, growth: str) -> None:
    assert f"A first length of 10 and a growth of {growth}:" in PAGE
    kept = cycles(10, float(growth), "boundary")
    cut = cycles(10, float(growth), "length")
    sums, total = [], Fraction(0)
    for cycle in range(8):
        sums.append(total)
        total += 10 * Fraction(growth) ** cycle

    rows = tables(PAGE, "cycle | sum of lengths")[which]

    assert [
        [*map(str, (n, kept.starts[n], kept.lengths[n], cut.starts[n], cut.lengths[n]))]
        for n in range(8)
    ] == [[row[0], *row[2:]] for row in rows]
    assert sums == [Fraction(row[1]) for row in rows]


def test_a_growth_counts_to_twelve_decimals() -> None:
    binary64 = 10 * (Fraction(1.1) ** 2 - 1) / (Fraction(1.1) - 1)

    assert "counts to twelve decimals" in PAGE and UNIT == 10**12
    assert "with which cycle 2 would begin at step 22" in PAGE
    assert 22 == -(-binary64.numerator // binary64.denominator)
    assert cycles(10, 1.1, "boundary") == cycles(10, 1.1 + 4e-13, "boundary")
    assert cycles(10, 1.1, "boundary") != cycles(10, 1.1 + 6e-13, "boundary")


def logarithm(step: int, first: int, growth: float) -> int:
    return int(math.log(step / first * (growth - 1) + 1, growth))


def test_the_logarithm_is_off_where_the_decision_says() -> None:
    page = decision("growing-cycles-as-tables")
    (rows,) = tables(page, "first | growth | cycle")

    for row in rows:
        first, cycle, start, said = (int(row[k].replace(",", "")) for k in (0, 2, 3, 4))
        growth = float(row[1])
        assert (cycle, start) == cycles(first, growth, "boundary").holding(start)[:2]
        assert said == logarithm(start, first, growth) == cycle - 1
    last = 351_843_720_888_309
    assert f"step {last:,} is the last of cycle 44,\nand the logarithm says 45" in page
    assert (44, 45) == tuple(cycles(10, 2.0, "boundary").holding(last + k)[0] for k in (0, 1))
    assert 45 == logarithm(last, 10, 2.0)


def test_a_length_may_be_cut_to_what_it_was() -> None:
    assert "7 steps with 1.1 stay 7 for ever" in PAGE
    assert ((0,), (7,)) == (cycles(7, 1.1, "length").starts, cycles(7, 1.1, "length").lengths)


def test_the_number_of_cycles_is_that_of_the_page() -> None:
    rows = table("growth, from a first length of 1")

    assert [f"{len(cycles(1, float(growth), 'boundary').starts):,}" for growth, _ in rows] == [
        count for _, count in rows
    ]
    assert str(LEAST_GROWTH) == rows[0][0]


def test_the_random_numbers_are_those_of_the_page() -> None:
    rows = table("seed")

    assert [repr(float(uniform(int(seed), int(step)))) for seed, step, _ in rows] == [
        number for *_, number in rows
    ]


def test_the_constants_of_the_decision_on_noise_are_those_in_use() -> None:
    named = re.findall(r"0x[0-9A-F_]+", decision("seeded-noise"))
    fitting = [int(text, 16) for text in named if int(text, 16) < 2**63]

    assert [*MULTIPLIERS, SHIFT] == fitting
    assert len(named) == len(fitting) + 2


def machine(text: str, folder: Path) -> Automaton:
    """The automaton of a spec at its defaults."""
    path = write(text, folder)
    specs, (name,) = library([path])
    found = specs.schedule(name)
    return Automaton(found, found.defaults)


def test_the_trace_of_the_schedule_that_remembers_is_that_of_the_page(tmp_path: Path) -> None:
    text = SPECS["halve_on_rises.toml"]
    (line,) = [line for line in PAGE.splitlines() if line.startswith("| observation |")]
    metrics = [float(cell) for cell in line.strip("| ").split(" | ")[1:]]
    rows = {name: cells for name, *cells in table("observation")}

    found = machine(text, tmp_path)
    expected: dict[str, list[str]] = {"last": [], "row": [], "cuts": [], "rate": []}
    for metric in metrics:
        found.observe(metric)
        expected["last"].append(repr(float(found.state["last"])))
        expected["row"].append(str(found.state["row"]))
        expected["cuts"].append(str(found.state["cuts"]))
        expected["rate"].append(repr(float(found.rate())))

    assert expected == rows
    assert any(metric != metric for metric in metrics)
    bound = lrgen.load(tmp_path / "halve_on_rises.toml").bind()
    assert [float(rate) for rate in rows["rate"]] == bound.trace(metrics).tolist()


ASKED = """
name     = "asked"
title    = "Whether a condition holds of what was observed"
observes = "loss"
value    = "1 if answer else 0"

[state]
best   = "inf"
answer = "False"

[update]
answer = "CONDITION"
best   = "loss if best == inf else best"
"""


@pytest.mark.parametrize("row", table("condition"), ids=lambda row: row[0])
def test_what_holds_of_nan_and_infinities_is_what_the_page_says(
    row: list[str], tmp_path: Path
) -> None:
    found = []
    for observed in ("nan", "inf", "-inf"):
        automaton = machine(ASKED.replace("CONDITION", code(row[0])), tmp_path)
        automaton.observe(1.0)
        automaton.observe(float(observed))
        found.append("yes" if automaton.state["answer"] else "no")

    assert found == row[1:]


# --- what is refused ------------------------------------------------------------------------------

REFUSED = """
name  = "refused"
title = "A formula that is refused"
value = "FORMULA"

[parameters]
"""
PARAMETERS = {
    "base_lr": 'base_lr = { type = "rate", default = 0.1, doc = "Rate." }\n',
    "rates": 'rates = { type = "rate[]", default = [0.1, 0.2], doc = "Rates." }\n',
    "places": 'places = { type = "steps[]", default = [1, 2], doc = "Places." }\n',
}


def refusal(text: str, folder: Path) -> str:
    path = write(text, folder)
    with pytest.raises(lrgen.SpecError) as caught:
        lrgen.load(path)
    return caught.value.fact


FORMULAS = [row for rows in tables(PAGE, "formula | what the build says") for row in rows]


@pytest.mark.parametrize("row", FORMULAS, ids=lambda row: row[0])
def test_a_formula_is_refused_in_the_words_of_the_page(row: list[str], tmp_path: Path) -> None:
    formula, said = code(row[0]), row[1]
    used = [entry for name, entry in PARAMETERS.items() if re.search(rf"\b{name}\b", formula)]

    assert said == refusal(REFUSED.replace("FORMULA", formula) + "".join(used), tmp_path)


@pytest.mark.parametrize("row", table("line of `[update]`"), ids=lambda row: row[0])
def test_an_update_is_refused_in_the_words_of_the_page(row: list[str], tmp_path: Path) -> None:
    line, said = code(row[0]), row[1]
    state = line.partition(" ")[0]
    spec = SPECS["halve_on_rises.toml"]
    start = spec.index("[update]")
    changed = re.sub(rf"^{state} +=.*$", lambda _: line, spec[start:], flags=re.MULTILINE)

    assert said == refusal(spec[:start] + changed, tmp_path)


def test_a_formula_that_is_accepted_is_noticed(tmp_path: Path) -> None:
    accepted = REFUSED.replace("FORMULA", "base_lr") + PARAMETERS["base_lr"]

    with pytest.raises(pytest.fail.Exception):
        refusal(accepted, tmp_path)
