"""Arrows point one way: the table in ``lrgen/pipeline.py`` holds for every import of lrgen."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import lrgen.pipeline

PACKAGE = Path(lrgen.pipeline.__file__).parent
MOST_LINES = 700
FRAMEWORKS = {"torch", "jax", "jaxlib", "keras", "tensorflow", "optax", "flax"}
# numpy holds arrays and float32 for vectors and for people; it is a tool here, not a framework.
ANYWHERE = {"numpy"}
# Standard library that does much or that only one module should know.
DOORS_OF_STANDARD_LIBRARY = {"tomllib", "argparse", "ast"}


@dataclass(frozen=True)
class Import:
    """One import: by which module, of which module of lrgen or of which library, and where."""

    importer: str
    imported: str
    line: int
    top_level: bool
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@dataclass(frozen=True)
class Table:
    """Layer by module, and door by library."""

    layers: dict[str, int]
    doors: dict[str, str]


def read_table(text: str) -> Table:
    """The rows ``N  module, module (library), package/`` of a docstring."""
    layers: dict[str, int] = {}
    doors: dict[str, str] = {}
    for row in re.finditer(r"^    (\d+) {1,2}(\S.*(?:\n {7,}\S.*)*)$", text, re.MULTILINE):
        for entry in re.split(r", (?![^(]*\))", " ".join(row[2].split())):
            match = re.fullmatch(r"(\w+)(/?)(?: \((.*)\))?", entry)
            assert match is not None, f"cannot read {entry!r}"
            name, _, libraries = match.groups()
            assert name not in layers, f"{name} stands in two layers"
            layers[name] = int(row[1])
            for library in (libraries or "").split(", "):
                if library:
                    doors[library] = name
    return Table(layers, doors)


def module_of(path: Path, package: Path) -> str:
    """``backends`` for all of ``backends/``, else the stem."""
    relative = path.relative_to(package)
    return relative.parts[0].removesuffix(".py")


def imports_of(path: Path, package: Path) -> Iterator[Import]:
    """Every import of a file, those inside of functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    importer = module_of(path, package)
    depth = len(path.relative_to(package).parts) - 1
    for node, top_level, typing_only in _imports(tree, True, False):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif node.level == 0:
            assert node.module is not None
            found = [node.module]
        elif node.level > depth:
            # ``from .x import y`` beside us, or ``from . import x``.
            found = [node.module] if node.module else [alias.name for alias in node.names]
            found = [f"lrgen.{name if _is_module(name) else '__init__'}" for name in found]
        else:
            found = [f"lrgen.{importer}"]
        for name in found:
            yield Import(importer, name, node.lineno, top_level, typing_only)


def _is_module(name: str) -> bool:
    """Whether ``from . import name`` means a module, not something that ``__init__`` holds."""
    name = name.split(".")[0]
    return (PACKAGE / f"{name}.py").is_file() or (PACKAGE / name).is_dir()


def _imports(
    node: ast.AST, top_level: bool, typing_only: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, top_level, typing_only
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        guarded = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        yield from _imports(child, top_level and not inside, typing_only or guarded)


def sources(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*.py") if "data" not in path.parts)


@cache
def all_imports(package: Path = PACKAGE) -> list[Import]:
    return [one for path in sources(package) for one in imports_of(path, package)]


def upward(found: list[Import], table: Table) -> list[str]:
    """Imports that do not point to a strictly lower layer."""
    wrong = []
    for one in found:
        if not one.imported.startswith("lrgen."):
            continue
        target = one.imported.split(".")[1]
        if target == one.importer and (PACKAGE / target).is_dir():
            continue
        # A module that the table lacks is nowhere below anything.
        if table.layers.get(target, 99) >= table.layers.get(one.importer, -1):
            wrong.append(str(one))
    return wrong


def outside_their_door(found: list[Import], table: Table) -> list[str]:
    """Imports of third-party libraries that are not where the table says."""
    wrong = []
    for one in found:
        library = one.imported.split(".")[0]
        known = library in sys.stdlib_module_names and library not in DOORS_OF_STANDARD_LIBRARY
        if library == "lrgen" or known or library in ANYWHERE:
            continue
        if library in DOORS_OF_STANDARD_LIBRARY and library not in table.doors:
            continue
        if table.doors.get(library) != one.importer:
            wrong.append(str(one))
    return wrong


def frameworks(found: list[Import]) -> list[str]:
    return [str(one) for one in found if one.imported.split(".")[0] in FRAMEWORKS]


def effects(path: Path) -> list[str]:
    """Statements at the top of a module that do something but define."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = []
    for number, node in enumerate(tree.body):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case (
                ast.Import()
                | ast.ImportFrom()
                | ast.FunctionDef()
                | ast.ClassDef()
                | ast.AnnAssign(target=ast.Name())
            ):
                continue
            case ast.Assign(targets=targets) if all(map(_is_own, targets)):
                continue
            case ast.If(test=test) if ast.unparse(test) in (
                "TYPE_CHECKING",
                "__name__ == '__main__'",
            ):
                continue
        wrong.append(f"{path.name}:{node.lineno} (statement {number})")
    return wrong


def _is_own(target: ast.expr) -> bool:
    """Whether an assignment is to names of the module itself."""
    if isinstance(target, ast.Tuple):
        return all(map(_is_own, target.elts))
    return isinstance(target, ast.Name)


@pytest.fixture(scope="module")
def table() -> Table:
    text = lrgen.pipeline.__doc__
    assert text is not None
    return read_table(text)


def test_the_table_names_every_module_and_no_other(table: Table) -> None:
    modules = {module_of(path, PACKAGE) for path in sources(PACKAGE)}

    assert sorted(table.layers) == sorted(modules)


def test_every_import_points_to_a_strictly_lower_layer(table: Table) -> None:
    assert upward(all_imports(), table) == []


def test_each_library_comes_in_through_one_door(table: Table) -> None:
    assert outside_their_door(all_imports(), table) == []


def test_the_doors_are_the_ones_that_were_agreed_on(table: Table) -> None:
    assert table.doors == {
        "pydantic": "document",
        "tomllib": "document",
        "mpmath": "evaluate",
        "sympy": "exact",
        "jinja2": "render",
        "matplotlib": "plot",
    }


def test_matplotlib_comes_in_through_one_file() -> None:
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in sources(PACKAGE)
        if any(one.imported.split(".")[0] == "matplotlib" for one in imports_of(path, PACKAGE))
    ]

    assert found == ["plot/pictures.py"]


def test_lrgen_imports_no_framework() -> None:
    assert frameworks(all_imports()) == []


def test_importing_lrgen_imports_nothing_heavy() -> None:
    heavy = sorted(FRAMEWORKS | {"sympy", "mpmath", "numpy", "pydantic", "jinja2"})
    code = (
        "import sys, lrgen, lrgen.pipeline, lrgen.__main__\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize("path", sources(PACKAGE), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_defines_and_does_nothing_else(path: Path) -> None:
    assert effects(path) == []


@pytest.mark.parametrize("path", sources(PACKAGE), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_no_module_is_called_utils() -> None:
    names = {part for path in sources(PACKAGE) for part in path.relative_to(PACKAGE).parts}

    assert names.isdisjoint({"utils.py", "helpers.py", "common.py", "misc.py"})


# -- the guards bite -------------------------------------------------------------------------


def planted(tmp_path: Path, name: str, text: str) -> tuple[list[Import], Path]:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return list(imports_of(path, tmp_path)), path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("expr.py", "from .parse import parse\n"),
        ("expr.py", "from . import parse\n"),
        ("ops.py", "from lrgen.pipeline import build\n"),
        ("ops.py", "import lrgen.pipeline\n"),
        ("ops.py", "def late():\n    from .schedule import Schedule\n"),
        ("errors.py", "from .expr import Expr\n"),
        ("backends/torch.py", "from ..render import render\n"),
        ("plot/curves.py", "from ..bound import Bound\n"),
        (
            "rules.py",
            "if TYPE_CHECKING:\n    from .rewrite import rewrite\n",
        ),
    ],
)
def test_an_arrow_that_points_up_is_found(
    name: str, text: str, tmp_path: Path, table: Table
) -> None:
    found, _ = planted(tmp_path, name, text)

    assert len(upward(found, table)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prove.py", "import sympy\n"),
        ("prove.py", "def late():\n    from sympy import cos\n"),
        ("cli.py", "import jinja2.sandbox\n"),
        ("resolve.py", "import tomllib\n"),
        ("vectors.py", "import mpmath\n"),
        ("prove.py", "import z3\n"),
        ("cli.py", "def late():\n    from matplotlib.figure import Figure\n"),
    ],
)
def test_a_second_door_is_found(name: str, text: str, tmp_path: Path, table: Table) -> None:
    found, _ = planted(tmp_path, name, text)

    assert len(outside_their_door(found, table)) == 1


@pytest.mark.parametrize("text", ["import torch\n", "def late():\n    import jax.numpy as jnp\n"])
def test_a_framework_is_found(text: str, tmp_path: Path) -> None:
    found, _ = planted(tmp_path, "bound.py", text)

    assert len(frameworks(found)) == 1


@pytest.mark.parametrize(
    "text",
    ["print('hello')\n", "for name in 'ab':\n    pass\n", "import os\nos.environ['X'] = '1'\n"],
)
def test_an_effect_of_an_import_is_found(text: str, tmp_path: Path) -> None:
    _, path = planted(tmp_path, "bound.py", text)

    assert len(effects(path)) == 1


def test_a_module_in_two_layers_is_found() -> None:
    with pytest.raises(AssertionError, match="two layers"):
        read_table("Layers:\n\n    0  errors\n    1  errors, ops (ast)\n")
