"""Load emitted modules by file path, as someone who copied one file away would."""

import importlib.util
import itertools
import os
import sys
from pathlib import Path
from types import ModuleType

_REPOSITORY = Path(__file__).parents[2]
_numbers = itertools.count()


def load_emitted(backend: str, name: str) -> ModuleType:
    """Import ``<generated>/<backend>_schedules/<name>.py`` anew, under a name of its own.

    ``<generated>`` is the environment variable ``LRGEN_GENERATED``, or ``generated/`` here.
    """
    path = emitted_path(backend, name)
    spec = importlib.util.spec_from_file_location(_own_name(f"{backend}_{name}"), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pickle looks classes up by the name of their module
    spec.loader.exec_module(module)
    return module


def _own_name(name: str) -> str:
    """``name`` with a number that no module in this process has, whoever has loaded it."""
    names = (f"{name}_{number}" for number in _numbers)
    return next(own for own in names if own not in sys.modules)


def generated_folder() -> Path:
    """Where the emitted packages lie."""
    return Path(os.environ.get("LRGEN_GENERATED", _REPOSITORY / "generated"))


def emitted_path(backend: str, name: str) -> Path:
    """The file of one emitted module."""
    return generated_folder() / f"{backend}_schedules" / f"{name}.py"


def load_broken(
    backend: str, name: str, before: str, after: str, *, everywhere: bool = False
) -> ModuleType:
    """The emitted module with the last ``before`` in it replaced: what a check must not pass.

    The last one, since a docstring quotes the formula before the code does.
    """
    text = emitted_path(backend, name).read_text(encoding="utf-8")
    head, found, tail = text.rpartition(before)
    assert found, f"{before!r} does not stand in {backend}_schedules/{name}.py"
    if everywhere:
        head = head.replace(before, after)
    module = ModuleType(_own_name(f"{backend}_{name}_broken"))
    sys.modules[module.__name__] = module
    exec(compile(head + after + tail, module.__name__, "exec"), module.__dict__)
    return module
