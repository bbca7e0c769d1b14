"""The table of the examples names every one, and what it names is there."""

import re
from pathlib import Path

import pytest
from run_examples import LENGTHS

EXAMPLES = Path(__file__).parents[2] / "examples"
SHARED = {"command", "moons"}
MOST_BYTES = 60_000


def table() -> dict[str, list[str]]:
    """Cells of each row, by the example's name."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (EXAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
        if re.match(r"\| \d", line)
    ]
    return {row[2].removeprefix("`python examples/").removesuffix(".py`"): row for row in rows}


def test_every_example_has_a_row_and_is_run():
    files = {path.stem for path in EXAMPLES.glob("*.py")} - SHARED

    assert sorted(files) == sorted(table())
    assert sorted(files) == sorted(LENGTHS)


def linked(name: str) -> list[str]:
    """The pictures that the row of an example links to."""
    return re.findall(r"\]\(pictures/([^)]*)\)", table()[name][3])


@pytest.mark.parametrize("name", LENGTHS)
def test_its_row_links_to_its_pictures_which_are_small(name):
    found = [EXAMPLES / "pictures" / file for file in linked(name)]

    assert {name} == {file.stem[: len(name)] for file in found}
    assert {".png", ".svg"} == {file.suffix for file in found}
    assert all(file.is_file() for file in found)
    assert all(file.stat().st_size <= MOST_BYTES for file in found if file.suffix == ".png")


def test_every_picture_is_linked():
    files = {file.name for file in (EXAMPLES / "pictures").iterdir()}

    assert sorted(files) == sorted(file for name in LENGTHS for file in linked(name))


@pytest.mark.parametrize("name", LENGTHS)
def test_it_draws_its_pictures(results, pictures, name):
    for file in linked(name):
        data = (pictures / file).read_bytes()

        assert data.startswith(b"\x89PNG\r\n\x1a\n" if file.endswith(".png") else b"<?xml")
        assert data.rstrip().endswith(b"</svg>" if file.endswith(".svg") else b"IEND\xaeB`\x82")
