"""Every block of code in the README runs, in the order of the page, in one folder.

A toml block is a file, named in its first line. An sh block is commands; those of make must be
targets. A python block is a program that ends without an error. A console block is commands with
what they print, where a line of `...` stands for any lines.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from page import Block, blocks, broken_links, file_name

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"


PAGE = README.read_text(encoding="utf-8")
BLOCKS = blocks(PAGE)
FILES = [block for block in BLOCKS if block.language == "toml"]
COMMANDS = [block for block in BLOCKS if block.language == "sh"]
PROGRAMS = [block for block in BLOCKS if block.language == "python"]
CONSOLES = [block for block in BLOCKS if block.language == "console"]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": str(folder), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def lrgen(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(line, comments=True)
    assert "lrgen" == program
    return run([sys.executable, "-m", "lrgen", *arguments], folder)


def write_files(folder: Path) -> None:
    for block in FILES:
        path = folder / file_name(block)
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that holds the page's files, and in which its commands have been run."""
    found = tmp_path_factory.mktemp("readme")
    write_files(found)
    for block in COMMANDS:
        for line in block.text.splitlines():
            if not line.startswith("make"):
                done = lrgen(line, found)
                assert 0 == done.returncode, f"line {block.line}: {done.stdout}"
    for block in PROGRAMS:
        if "open(" in block.text:  # it writes what a command below it reads
            done = run([sys.executable, "-c", block.text], found)
            assert 0 == done.returncode, f"line {block.line}: {done.stdout}"
    return found


def place(block: Block) -> str:
    return f"line {block.line}"


def test_the_page_opens_with_the_two_commands():
    opening = COMMANDS[0]

    assert BLOCKS[0] == opening
    assert ["make", "make test"] == [
        line.partition("#")[0].strip() for line in opening.text.splitlines()
    ]


def test_every_target_on_the_page_exists():
    named = set(re.findall(r"^make ?([\w-]*)|`make ?([\w-]*)", PAGE, re.MULTILINE))
    targets = sorted({first or second for first, second in named} - {""})

    assert {"test", "test-slow", "examples", "lint", "bench"} <= set(targets)
    done = run(["make", "--dry-run", "-C", str(REPOSITORY), *targets], REPOSITORY)
    assert 0 == done.returncode, done.stdout


def test_make_runs_every_example_of_the_table():
    table = (REPOSITORY / "examples" / "README.md").read_text(encoding="utf-8")
    expected = sorted(set(re.findall(r"`python (examples/\w+\.py)`", table)))

    done = run(["make", "--dry-run", "-C", str(REPOSITORY), "examples"], REPOSITORY)
    assert 9 == len(expected)
    assert expected == sorted(set(re.findall(r"examples/\w+\.py", done.stdout)))


@pytest.mark.parametrize("block", PROGRAMS, ids=place)
def test_a_program_of_the_page_runs(folder, block):
    done = run([sys.executable, "-c", block.text], folder)

    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize("block", CONSOLES, ids=place)
def test_a_command_of_the_page_prints_what_stands_there(folder, block):
    command, _, expected = block.text.partition("\n")
    assert command.startswith("$ ")

    printed = lrgen(command.removeprefix("$ "), folder).stdout
    assert re.fullmatch(pattern(expected), printed), printed


def pattern(expected: str) -> str:
    return re.escape(expected).replace(re.escape("...\n"), "(?:.*\n)*?")


def test_every_kind_of_block_is_known_and_there():
    assert {"toml", "sh", "python", "console"} == {block.language for block in BLOCKS}


def test_the_page_trains_with_every_framework():
    text = "".join(block.text for block in PROGRAMS)

    for line in ("scheduler.step()", "model.fit(", "optax.apply_updates(", "in_numpy(steps)"):
        assert line in text


def test_every_link_leads_somewhere():
    assert [] == broken_links(README)
    assert [] == broken_links(REPOSITORY / "examples" / "README.md")


def test_a_link_that_leads_nowhere_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    found = "# A heading\n[here](#a-heading) [file](page.md#a-heading) [out](https://a.b)\n"
    page.write_text(found + "[there](#another) [file](gone.md) [part](page.md#no)\n", "utf-8")

    assert ["#another", "gone.md", "page.md#no"] == broken_links(page)


def test_the_page_shows_schedules_that_remember_in_every_framework():
    text = "".join(block.text for block in PROGRAMS)

    for line in ("scheduler.step(validation_loss)", "callbacks=[plateau]", "schedule.update("):
        assert line in text


def test_the_list_of_the_catalogue_is_complete():
    catalogue = PAGE.partition("## The catalogue")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in catalogue.splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    expected = sorted(path.stem for path in (REPOSITORY / "spec" / "schedules").glob("*.toml"))
    assert expected == sorted(named)


def test_a_program_that_no_longer_holds_is_noticed(folder):
    program = next(b.text for b in PROGRAMS if "bound(4_000) == 4e-5" in b.text)
    broken = program.replace("bound(4_000) == 4e-5", "bound(4_000) == 5e-5")

    assert "AssertionError" in run([sys.executable, "-c", broken], folder).stdout


def test_a_command_that_prints_something_else_is_noticed():
    assert re.fullmatch(pattern("a\n...\nb\n"), "a\n1\n2\nb\n")
    assert not re.fullmatch(pattern("a\n...\nb\n"), "a\n1\n2\nc\n")
    assert not re.fullmatch(pattern("a.c\n"), "abc\n")
