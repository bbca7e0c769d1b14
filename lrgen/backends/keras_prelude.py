"""Keras 3: what an emitted module takes from the framework below Keras, before its class."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from .companions import uses_module

_SHARED = ("minimum", "maximum", "take", "where")
_NO_SWITCH = "binary64 = contextlib.nullcontext"

_JAX = {
    "ops": "ops: Any = jax.numpy",
    **{name: f"{name}: Any = jax.numpy.{name}" for name in _SHARED},
    "binary64": """
def binary64() -> contextlib.AbstractContextManager[None]:
    return jax.enable_x64(True)
""",
}
_TENSORFLOW = {
    "ops": "ops = keras.ops",
    "minimum": "minimum = tensorflow.minimum",
    "cast": "cast = tensorflow.cast",
    "maximum": "maximum = tensorflow.maximum",
    "take": "take = tensorflow.gather",
    "where": '''
def where(condition: Any, x: Any, y: Any) -> Any:
    """As ``keras.ops.where``, in binary64."""
    if not tensorflow.is_tensor(x):  # y becomes what x is
        x = tensorflow.constant(x, "float64")
    return tensorflow.where(condition, x, y)
''',
    "binary64": _NO_SWITCH,
}
_EXTREME = '''
def {name}(x: Any, y: Any) -> Any:
    """As ``keras.ops.{name}``, which falls back to 32 bits on the torch backend."""
    return keras.ops.where(x {sign} y, x, y + keras.ops.zeros_like(x))
'''
_KERAS = {
    "ops": "ops = keras.ops",
    "minimum": _EXTREME.format(name="minimum", sign="<"),
    "maximum": _EXTREME.format(name="maximum", sign=">"),
    "take": "take = keras.ops.take",
    "where": "where = keras.ops.where",
    "binary64": _NO_SWITCH,
}
"""What a name is on each backend: a line, or a function."""


def prelude(lines: Sequence[str]) -> tuple[str, ...]:
    """What ``lines`` use without saying where it comes from, on each backend."""
    called = [n for n in _SHARED if any(re.search(rf"(?<![.\w]){n}\(", line) for line in lines)]
    shared = [*(["ops"] if uses_module("ops", lines) else ()), *called]
    names = (*shared, "cast", "binary64")
    jax = 'if keras.backend.backend() == "jax":'
    if shared:
        jax += "  # keras.ops loses float64 there, jax.numpy keeps it"
    tensorflow = 'elif keras.backend.backend() == "tensorflow":  # keras.ops takes twice as long'
    return (
        *_branch(jax, ["import jax", *["import jax.numpy"] * bool(shared)], _JAX, names),
        *_branch(tensorflow, ["import tensorflow"], _TENSORFLOW, names),
        *_branch("else:", [], _KERAS, names),
    )


def _branch(
    head: str, imports: Sequence[str], rows: dict[str, str], names: Sequence[str]
) -> list[str]:
    """``head``, and below it the imports, then lines, then functions."""
    texts = [rows[name].strip() for name in names if name in rows]
    functions = [text for text in texts if "\n" in text]
    blocks = ["\n".join(imports), "\n".join(t for t in texts if t not in functions), *functions]
    body = textwrap.indent("\n\n".join(block for block in blocks if block), "    ")
    return [head, *body.split("\n"), *([""] if functions and head != "else:" else ())]
