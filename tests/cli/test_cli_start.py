"""What starting costs: nothing heavy is imported before it is needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import lrgen
from lrgen.cli import main

HEAVY = ("pydantic", "numpy", "sympy", "mpmath", "jinja2", "torch", "jax", "keras", "tensorflow")
PROBE = """
import sys
try:
    {code}
except SystemExit:
    pass
print("heavy:", *[name for name in {heavy!r} if name in sys.modules])
"""


def heavy_after(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code, heavy=HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()[1:]


def calling(*arguments: str) -> str:
    return f"from lrgen.cli import main; main({list(arguments)!r})"


def test_importing_lrgen_imports_nothing_heavy() -> None:
    assert heavy_after("import lrgen") == []


def test_help_imports_nothing_heavy() -> None:
    assert heavy_after(calling("--help")) == []


def test_help_of_a_command_imports_nothing_heavy() -> None:
    assert heavy_after(calling("show", "--help")) == []


def test_version_imports_nothing_heavy() -> None:
    assert heavy_after(calling("--version")) == []


def test_a_build_with_nothing_to_do_imports_nothing_heavy(specs: Path, tmp_path: Path) -> None:
    arguments = ("build", str(specs), "--out", str(tmp_path / "out"))
    main(list(arguments))

    assert heavy_after(calling(*arguments)) == []


def test_a_build_with_something_to_do_is_seen_to_import_sympy(built: Path) -> None:
    (built / "out" / "lrgen.lock").unlink()
    arguments = ("build", str(built / "specs"), "--out", str(built / "out"))

    assert "sympy" in heavy_after(calling(*arguments))


def test_building_imports_no_framework(specs: Path, tmp_path: Path) -> None:
    arguments = ("build", str(specs), "--out", str(tmp_path / "out"))

    assert {"torch", "jax", "keras", "tensorflow"}.isdisjoint(heavy_after(calling(*arguments)))


def test_the_version_is_that_of_the_package() -> None:
    text = (Path(lrgen.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    own = re.search(r'^version = "(.*)"', text, re.MULTILINE)

    # Without a version of its own the package takes that of the module.
    assert own is None or own[1] == lrgen.__version__


def test_version_and_help_go_to_standard_output(run) -> None:
    version, help_text = run("--version"), run("--help")

    assert (version.returncode, version.stdout) == (0, f"lrgen {lrgen.__version__}\n")
    assert help_text.returncode == 0
    for command in ("build", "check", "list", "show"):
        assert command in help_text.stdout


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    assert not hasattr(lrgen, "lode")
    assert {"load", "SpecError", "__version__"} <= set(dir(lrgen))
