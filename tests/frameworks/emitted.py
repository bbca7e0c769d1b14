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
    generated = Path(os.environ.get("LRGEN_GENERATED", _REPOSITORY / "generated"))
    path = generated / f"{backend}_schedules" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{backend}_{name}_{next(_numbers)}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pickle looks classes up by the name of their module
    spec.loader.exec_module(module)
    return module
