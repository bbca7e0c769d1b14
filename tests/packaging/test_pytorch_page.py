"""The page on PyTorch: every program of it runs, on the generated schedules."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from page import Block, blocks, broken_links

REPOSITORY = Path(__file__).parents[2]
PATH = REPOSITORY / "docs" / "pytorch.md"
PROGRAMS = blocks(PATH.read_text(encoding="utf-8"))


def place(block: Block) -> str:
    return f"line {block.line}"


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "generated")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


COMPILED = [block for block in PROGRAMS if "@torch.compile" in block.text]
OTHERS = [block for block in PROGRAMS if block not in COMPILED]


@pytest.mark.parametrize("block", OTHERS, ids=place)
def test_a_program_of_the_page_runs(block: Block) -> None:
    done = run(block.text)

    assert 0 == done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("block", COMPILED, ids=place)
def test_a_compiled_program_of_the_page_runs(block: Block) -> None:
    done = run(block.text)

    assert 0 == done.returncode, done.stdout


@pytest.mark.slow
def test_a_float_rate_is_noticed_by_the_program_of_the_page() -> None:
    text = COMPILED[0].text
    broken = text.replace("lr=lr,", "lr=0.1,").replace(
        "    lr.copy_(", '    optimizer.param_groups[0]["lr"] = float('
    )
    assert text != broken

    assert "fail_on_recompile" in run(broken).stdout


def test_every_block_is_a_program_and_every_link_leads_somewhere() -> None:
    assert {"python"} == {block.language for block in PROGRAMS}
    assert (3, 3) == (len(COMPILED), len(OTHERS))
    assert [] == broken_links(PATH)
