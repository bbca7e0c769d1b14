"""The sources and the output pass the linter and the type checker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
GENERATED = Path(os.environ.get("LRGEN_GENERATED", REPOSITORY / "generated"))
SOURCES = ("lrgen", "tests", "benchmarks", "examples", "docs", "on_device")
CACHE = REPOSITORY / ".mypy_cache"  # shared by all tests: torch takes ten seconds without


def complaints(*command: str, folder: Path = REPOSITORY, **environment: str) -> str:
    """What a tool of this environment has to say: nothing when it is content."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def ruff(what: str, *paths: Path | str, folder: Path = REPOSITORY) -> str:
    settings = ("--config", str(REPOSITORY / "pyproject.toml"), "--no-cache")
    return complaints("ruff", *what.split(), *settings, *map(str, paths), folder=folder)


def mypy(*arguments: str, folder: Path = REPOSITORY, path: Path | None = None) -> str:
    environment = {} if path is None else {"MYPYPATH": str(path)}
    settings = ("--config-file", str(REPOSITORY / "pyproject.toml"), "--cache-dir", str(CACHE))
    return complaints("mypy", *settings, *arguments, folder=folder, **environment)


def test_the_sources_are_all_folders_with_code_but_the_output():
    tops = {path.relative_to(REPOSITORY).parts[0] for path in REPOSITORY.glob("[!.]*/**/*.py")}

    assert {*SOURCES} == tops - {"generated", "build", "dist"}


def test_make_lint_looks_at_the_sources():
    lint = (REPOSITORY / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2]
    lint = lint.partition("\n\n")[0]

    assert "ruff check .\n" in lint
    assert f"ruff format --check {' '.join(SOURCES)}\n" in lint


def test_the_sources_pass_the_linter():
    assert "" == ruff("check --output-format concise", *SOURCES)


def test_the_sources_are_formatted():
    assert "" == ruff("format --check", *SOURCES)


def test_the_sources_pass_the_type_checker():
    assert "" == mypy("--strict", "lrgen")


def test_the_output_passes_the_linter():
    assert "" == ruff("check --output-format concise", GENERATED)


def test_the_output_passes_the_type_checker():
    assert "" == mypy("--explicit-package-bases", str(GENERATED), path=GENERATED)


def test_a_condition_of_the_wrong_type_in_the_output_is_found(tmp_path):
    source = (GENERATED / "torch_schedules" / "cosine_warmup.py").read_text(encoding="utf-8")
    broken = source.replace("torch.where(step < warmup_steps,", "torch.where(warmup_steps > 0,")
    assert broken != source
    (tmp_path / "broken.py").write_text(broken, encoding="utf-8")

    assert "call-overload" in mypy("broken.py", folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("import math\n", "F401"), ('name = "' + "x" * 100 + '"\n', "E501")],
)
def test_an_unused_import_and_a_long_line_are_found(tmp_path, text, rule):
    (tmp_path / "broken.py").write_text(text, encoding="utf-8")

    assert rule in ruff("check --output-format concise", "broken.py", folder=tmp_path)


def test_an_unformatted_file_is_found(tmp_path):
    (tmp_path / "broken.py").write_text("name = 'x'\n", encoding="utf-8")

    assert "broken.py" in ruff("format --check", "broken.py", folder=tmp_path)


def test_an_untyped_function_is_found(tmp_path):
    (tmp_path / "broken.py").write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")

    assert "no-untyped-def" in mypy("--strict", "broken.py", folder=tmp_path)
