"""One module of a package that is installed, without all that the package itself would import."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest


def path_of(file: str) -> Path:
    """Where ``file`` is, as ``megatron/core/utils.py``; the test is skipped where it is not.

    Args:
        file: A path that begins with the name of an importable package.
    """
    package, _, rest = file.partition("/")
    found = importlib.util.find_spec(package)
    places = [] if found is None else found.submodule_search_locations or []
    path = next((path for place in places if (path := Path(place) / rest).is_file()), None)
    if path is None:
        pytest.skip(f"needs {package}")
    return path


def function_of(file: str, name: str, **names: Any) -> Callable[..., Any]:
    """The function ``name`` of ``file``, alone, with ``names`` for what it uses of the rest."""
    tree = ast.parse(path_of(file).read_text(encoding="utf-8"))
    own = next(
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name
    )
    unquoted = ast.parse("from __future__ import annotations")
    unquoted.body.append(own)
    exec(compile(unquoted, file, "exec"), names)
    function: Callable[..., Any] = names[name]
    return function


def module_of(file: str, **stand_ins: Mapping[str, object]) -> ModuleType:
    """The module in ``file``; the test is skipped where it is not.

    Args:
        file: A path that begins with the name of an importable package.
        stand_ins: What the module imports while it is read, by dotted name with ``__`` for a dot.
    """
    path = path_of(file)
    spec = importlib.util.spec_from_file_location(f"_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, _modules(stand_ins)):
        sys.modules[spec.name] = module  # which dataclasses look for
        spec.loader.exec_module(module)
    return module


def alone(name: str, **stand_ins: Mapping[str, object]) -> Any:
    """The module called ``name``, imported while the packages around it are empty.

    What it imports of its own package comes from there, unless it is in ``stand_ins``. All of that
    stays imported: a process that asks for one module of a package has no whole package after it.

    Args:
        name: As ``timm.scheduler``; the test is skipped where there is no such module.
        stand_ins: What a package has all the same, or is instead, by dotted name with ``__`` for a
            dot.
    """
    given = {dotted.replace("__", "."): entries for dotted, entries in stand_ins.items()}
    around = name.split(".")[:-1]
    packages = [".".join(around[:end]) for end in range(1, len(around) + 1)]
    for package in [*packages, *(dotted for dotted in given if dotted not in packages)]:
        if package not in sys.modules:
            sys.modules[package] = _empty(package)
        vars(sys.modules[package]).update(given.get(package, {}))
    return importlib.import_module(name)


def _empty(package: str) -> ModuleType:
    """The package, which has run none of its own lines; its modules are where they are."""
    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"needs {package}", allow_module_level=True)
    module = importlib.util.module_from_spec(found)
    above, _, last = package.rpartition(".")
    if above:
        setattr(sys.modules[above], last, module)
    return module


def _modules(stand_ins: Mapping[str, Mapping[str, object]]) -> dict[str, ModuleType]:
    """A module for each name, and for each package above it."""
    found: dict[str, ModuleType] = {}
    for name, entries in stand_ins.items():
        parts = name.split("__")
        for end in range(1, len(parts) + 1):
            dotted = ".".join(parts[:end])
            found.setdefault(dotted, ModuleType(dotted)).__path__ = []
        vars(found[".".join(parts)]).update(entries)
    return found
