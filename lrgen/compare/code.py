"""A stranger's module: importing it runs it, which is what they asked for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ..errors import SpecError, did_you_mean, quoted


class NotThere(Exception):
    """What was named cannot be had: one line, with a way out."""


def named(text: str) -> Any:
    """What ``MODULE:NAME`` or ``FILE.py:NAME`` means; modules may lie in the current folder.

    Raises:
        NotThere: When the module cannot be imported, or has no such name.
    """
    module, colon, path = text.rpartition(":")
    if not colon or not module or not all(part.isidentifier() for part in path.split(".")):
        raise NotThere(f"{quoted(text)} is not MODULE:NAME, as in training.rates:warmup.")
    found: Any = _imported(module)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = [name for name in dir(found) if not name.startswith("_")]
            hint = did_you_mean(part, known) or f"It has {', '.join(known[:10]) or 'nothing'}."
            raise NotThere(f"{module} has no {quoted(part)}. {hint}") from None
    return found


def _imported(module: str) -> Any:
    try:
        if module.endswith(".py"):
            return _from_file(Path(module))
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise NotThere(
                f"there is no module {quoted(error.name)} here, nor among those installed. Give "
                "MODULE:NAME, or FILE.py:NAME."
            ) from None
        raise NotThere(f"{module} cannot be imported: {_told(error)}") from None
    except NotThere:
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's code may raise
        raise NotThere(f"{module} cannot be imported: {_told(error)}") from None


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise NotThere(f"{path}: no such file.")
    # As for a script: modules beside it can be imported.
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None, "a name that ends with .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickles look there
    spec.loader.exec_module(module)
    return module


def _told(error: BaseException) -> str:
    text = str(SpecError(" ".join(str(error).split())[:200]))  # no control characters
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
