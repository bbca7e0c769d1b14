"""lrgen stands on its own dependencies: no framework is imported, heavy ones only where used."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FRAMEWORKS = {"torch", "tensorflow", "jax", "jaxlib", "keras", "optax", "flax"}
HEAVY = {"sympy", "mpmath", "numpy", "pydantic", "jinja2"}


def imported_by(code: str) -> set[str]:
    """Top-level modules that are there after ``code`` has run in a Python of its own."""
    program = f"{code}\nimport json, sys\nprint()\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    modules = json.loads(done.stdout.splitlines()[-1])
    return {module.partition(".")[0] for module in modules}


EVERY_MODULE = """
import importlib, pkgutil, lrgen
for module in pkgutil.walk_packages(lrgen.__path__, "lrgen."):
    if module.name != "lrgen.__main__":
        importlib.import_module(module.name)
"""


def test_no_module_of_lrgen_imports_a_framework():
    assert set() == imported_by(EVERY_MODULE) & FRAMEWORKS


def test_every_module_of_lrgen_was_among_those():
    assert HEAVY <= imported_by(EVERY_MODULE)


def test_a_framework_that_is_imported_is_noticed():
    assert "jax" in imported_by("import jax") & FRAMEWORKS


def test_importing_lrgen_imports_nothing_heavy():
    assert set() == imported_by("import lrgen") & HEAVY


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_imports_nothing_heavy(argument):
    code = f"""
import sys
from lrgen.__main__ import main
sys.argv = ["lrgen", "{argument}"]
try:
    main()
except SystemExit:
    pass
"""
    assert set() == imported_by(code) & (HEAVY | FRAMEWORKS)


def test_a_build_with_nothing_to_do_imports_no_sympy(tmp_path):
    specs = tmp_path / "specs"
    specs.mkdir()
    shutil.copy(REPOSITORY / "spec" / "schedules" / "linear.toml", specs)
    build = f"""
import sys
from lrgen.__main__ import main
sys.argv = ["lrgen", "build", {str(specs)!r}, "--out", {str(tmp_path / "generated")!r}]
assert not main()
"""

    assert "sympy" in imported_by(build)
    assert set() == imported_by(build) & HEAVY
