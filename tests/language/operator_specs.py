"""A tiny spec for each use of an operator, and what each backend makes of it.

Run as a program, with a folder of emitted Keras modules, it prints their values: Keras fixes its
backend when it is imported, so it has a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

STEPS = [0, 1, 2, 3, 7, 8, 12, 100, 2**31 + 5]
VALUES: list[dict[str, Any]] = [
    {"x": 0.3, "y": 0.7, "n": 7, "m": 3, "on": True, "mode": "linear"}
    | {"ns": [3, 8, 100], "xs": [0.5, 0.3, 0.1], "growth": 1.5, "rounding": "boundary"},
    {"x": 0.9, "y": 1e-3, "n": 5, "m": 11, "on": False, "mode": "cosine"}
    | {"ns": [1], "xs": [1.0], "growth": 1.0, "rounding": "length"},
    {"x": 1.0, "y": 1.0, "n": 1, "m": 1, "on": True, "mode": "cosine"}
    | {"ns": [0, 2**40], "xs": [0.7, 1e-6], "growth": 1.1, "rounding": "length"},
]
HEAD = """
name = "{name}"
title = "One operator"
require = [
    "0 < x <= 1", "0 < y <= 1", "1 <= n <= 100", "1 <= m <= 100",
    "increasing(ns)", "len(ns) >= 1", "len(xs) == len(ns)", "0 < least(xs)", "greatest(xs) <= 1",
    "growth == 1 or growth >= 1.01",
]
value = "{value}"

[parameters]
x = {{ type = "real", default = 0.3, doc = "A real number." }}
y = {{ type = "real", default = 0.7, doc = "A real number." }}
n = {{ type = "steps", default = 7, doc = "Updates." }}
m = {{ type = "steps", default = 3, doc = "Updates." }}
on = {{ type = "flag", default = true, doc = "A flag." }}
mode = {{ type = "choice", of = ["linear", "cosine"], default = "linear", doc = "A choice." }}
ns = {{ type = "steps[]", default = [3, 8, 100], doc = "A list of updates." }}
xs = {{ type = "real[]", default = [0.5, 0.3, 0.1], doc = "A list of real numbers." }}
growth = {{ type = "real", default = 1.5, doc = "Of cycles." }}
rounding = {{ type = "choice", of = ["boundary", "length"], default = "boundary", doc = "Words." }}

[let]
u = "x * (step % n + 1) / (n + 1)"
"""

# u is real and changes with the step, between 0 and 1; k is whole and does; x, y, n, m do not.
U = "u"
K = "(step % n)"

USES: dict[str, list[str]] = {
    "pi": ["pi * x", f"pi * {K}", "pi"],
    "inf": ["x if x < inf else y", f"{U} if n < inf else y"],
    "True": ["x if True else y", "x if True and on else y", f"{U} if on == True else y"],
    "False": ["x if False else y", f"{U} if False or on else y", "x if on != False else y"],
    "neg": ["2 + -x", f"2 + -{U}", f"5 + -{K}", "-n", "-step", f"2 + -(x + {U})"],
    "not": [
        "x if not on else y",
        f"{U} if not step < n else y",
        f"{U} if not (on or {K} < 3) else y",
    ],
    "+": ["x + y", f"x + {U}", f"{K} + m", f"{U} + {K}", f"n + {U}", "step + x"],
    "-": ["2 - x", f"2 - {U}", f"{K} - 1", f"{U} - {K}", "x - step", f"{K} - m"],
    "*": ["x * y", f"x * {U}", f"{K} * m", f"{U} * {K}", f"n * {U}", "step * x", "3 * step"],
    "/": ["x / y", f"x / (1 + {U})", "n / m", f"{K} / n", f"{U} / m", "x / (step + 1)"],
    "//": ["n // m", "step // n", f"100 // ({K} + 1)", "(step - 50) // n", "-step // m"],
    "%": ["n % m", "step % n", f"100 % ({K} + 1)", "(step - 50) % n", "-step % m"],
    "**": [
        "x ** y",
        f"x ** {U}",
        f"{U} ** x",
        f"{U} ** 2",
        f"{K} ** 2",
        "n ** 3",
        f"x ** {K}",
        f"0.5 ** {K}",
        f"2.0 ** -{K}",
        "10 ** -x",
        f"{U} ** {U}",
        f"({K} + 1) ** 0.5",
        f"({K} + 1) ** -x",
        f"2 ** -{U}",
        "n ** -0.5",
        f"{U} ** -1",
    ],
    "<": ["x if x < y else y", f"{U} if step < n else y", f"{U} if {K} < m else x"],
    "<=": ["x if x <= y else y", f"{U} if step <= n else y", f"{U} if {K} <= m else x"],
    ">": ["x if x > y else y", f"{U} if step > n else y", f"{U} if 0 < {K} < m else x"],
    ">=": ["x if x >= y else y", f"{U} if step >= n else y", f"{U} if {K} >= m else x"],
    "==": [
        "x if n == m else y",
        f"{U} if {K} == m else y",
        "x if mode == 'linear' else y",
        f"{U} if mode == 'cosine' else {K}",
    ],
    "!=": ["x if n != m else y", f"{U} if {K} != m else y", "x if mode != 'linear' else y"],
    "and": [
        "x if on and x < y else y",
        f"{U} if step > 2 and {K} < m else y",
        f"{U} if on and {K} < m else y",
        f"{U} if {K} < m and mode == 'linear' else y",
        f"{U} if step > 2 and ({K} < m or on) else y",
    ],
    "or": [
        "x if on or x < y else y",
        f"{U} if step < 2 or {K} > m else y",
        f"{U} if on or {K} < m else y",
        f"{U} if {K} < m or mode == 'linear' else y",
        f"{U} if step < 2 or {K} > m and on else y",
    ],
    "if": [
        "x if on else y",
        "n if on else m",
        "n if on else y",
        f"{U} if step < n else y",
        "x if step < n else y",
        "n if step < n else m",
        "1 if step < n else 0",
        f"{K} if step < n else 0.5",
        f"{U} if on else y",
        f"x if step < 3 else y if step < 9 else {U}",
        f"(x if step < n else y) * {U}",
        "x if (on if step < n else x < y) else y",
    ],
    "exp": ["exp(x)", f"exp({U})", f"exp(-{K})", "exp(-n)", f"exp(-{U})"],
    "log": ["log(1 + n)", f"log(2 + {K})", f"log(3 + {U})", "log(x + 7)"],
    "sqrt": ["sqrt(x)", f"sqrt({U})", f"sqrt({K})", "sqrt(n)"],
    "sin": ["sin(x)", f"sin({U})", f"sin({K} / 7)", "sin(n)"],
    "cos": ["cos(x)", f"cos({U})", f"cos({K} / 70)", "cos(n / 100)"],
    "tan": ["tan(x)", f"tan({U})", f"tan({K} / 101)", "tan(m / 101)"],
    "tanh": ["tanh(x)", f"tanh({U})", f"tanh({K})", "tanh(n)"],
    "expm1": ["expm1(x)", f"expm1({U} / 1000)", f"expm1(-{K})", "expm1(-n)"],
    "log1p": ["log1p(x)", f"log1p({U} / 1000)", f"log1p({K})", "log1p(n)"],
    "abs": ["abs(x - 2)", f"abs({U} - 2)", f"abs({K} - m)", "abs(n - m)"],
    "min": [
        "min(x, y)",
        f"min({U}, y)",
        f"min(y, {U})",
        f"min({K}, m)",
        f"min({U}, {K})",
        f"min({K}, {U}, x, m)",
        "min(n, m, 4)",
        "min(step, x)",
        "min(n, x)",
    ],
    "max": [
        "max(x, y)",
        f"max({U}, y)",
        f"max(y, {U})",
        f"max({K}, m)",
        f"max({U}, {K})",
        f"max({K}, {U}, x, m)",
        "max(n, m, 4)",
        "max(step, x)",
        "max(n, x)",
    ],
    "list": [
        "[x, y][0] + [n, m][1]",
        "[0.5, 1, x][step % 3]",
        "[n, 2, m][step % 3]",
        "[3, 1, 2][step % 3] * x",
        f"product([x, 0.5, y], step % 4) + {U}",
    ],
    "at": ["xs[0]", "ns[0] + x", "xs[step % len(xs)]", "ns[step % len(ns)]", f"xs[0] * {U}"],
    "len": ["len(xs)", f"len(ns) * {U}", "step % len(ns)", "len(xs) / len(ns)"],
    "increasing": [
        "x if increasing(xs) else y",
        f"{U} if increasing(ns) else y",
    ],
    "least": ["least(xs)", f"least(xs) * {U}", "least(ns)", f"least(ns) * {U}"],
    "greatest": ["greatest(xs)", f"greatest(xs) * {U}", "x if greatest(ns) > n else y"],
    "reached": [
        "reached(ns, step)",
        "reached(ns, n)",
        "reached(ns, step - m)",
        f"reached(ns, step) * {U}",
        f"{U} if reached(ns, step) < len(ns) else y",
        "reached([3, 8, 12], step) + x",
    ],
    "product": [
        "product(xs, len(xs))",
        "product(xs, reached(ns, step))",
        "product(ns, step % 2)",
        f"product(xs, step % 2) * {U}",
    ],
    "total": [
        "total(xs, len(xs))",
        "total(xs, reached(ns, step))",
        "total(ns, step % 2)",
        "total(ns, 1)",
        f"total(xs, step % 2) + {U}",
    ],
    "cycle": [
        "cycle(step, n, growth)",
        "cycle(step, n, growth, 'length')",
        "cycle(step, n, growth, rounding)",
        f"cycle(step, m, 2) + {U}",
        "cycle(step + 5, n, growth)",
    ],
    "cycle_start": [
        "cycle_start(step, n, growth)",
        "cycle_start(step, n, growth, rounding)",
        "(step - cycle_start(step, n, growth)) / cycle_length(step, n, growth)",
    ],
    "cycle_length": ["cycle_length(step, n, growth)", "cycle_length(step, n, 1, 'length')"],
    "cycle_starts": ["cycle_length(step, n, growth) + cycle(step, m, growth)"],
    "cycle_lengths": ["cycle_length(step, n, growth) + cycle_length(step, m, growth)"],
    "uniform": [
        "uniform(n, step)",
        "uniform(-m, step)",
        "uniform(n, m)",
        f"uniform(3, step // 2) * {U}",
        f"uniform({K}, step)",
        "uniform(step, 3)",
    ],
    "floor": [
        "floor(10 * x)",
        f"floor(10 * {U})",
        "floor(n / m)",
        "floor(step / n)",
        f"floor({K})",
    ],
    "ceil": ["ceil(10 * x)", f"ceil(10 * {U})", "ceil(n / m)", "ceil(step / n)", f"ceil({K})"],
}


def uses() -> list[tuple[str, str, str]]:
    """(operator, name of the spec, formula) of each use."""
    names = {"+": "plus", "-": "minus", "*": "times", "/": "over", "//": "whole", "%": "modulo"}
    names |= {"**": "power", "<": "less", "<=": "most", ">": "more", ">=": "not_less"}
    names |= {"==": "equal", "!=": "other"}
    return [
        (op, f"op_{names.get(op, op).lower()}_{number}", value)
        for op, values in USES.items()
        for number, value in enumerate(values)
    ]


def spec(name: str, value: str) -> str:
    return HEAD.format(name=name, value=value)


def load(path: Path) -> ModuleType:
    """Import a file by its path, as someone who copied one file away would."""
    found = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


def python_values(module: ModuleType, name: str, values: dict[str, Any]) -> list[float]:
    return [getattr(module, name)(step, **values) for step in STEPS]


def numpy_values(module: ModuleType, name: str, values: dict[str, Any]) -> list[float]:
    import numpy as np

    result = getattr(module, name)(np.asarray(STEPS), **values)

    assert result.dtype == np.float64
    assert result.shape == (len(STEPS),)
    return [float(number) for number in result]


def torch_values(module: ModuleType, name: str, values: dict[str, Any]) -> list[float]:
    import torch

    result = getattr(module, name)(torch.tensor(STEPS), **values)

    assert result.dtype == torch.float32
    assert result.shape == (len(STEPS),)
    return [float(number) for number in result]


def jax_values(module: ModuleType, name: str, values: dict[str, Any]) -> list[float]:
    import numpy as np

    result = getattr(module, name)(**values)(np.asarray(STEPS))

    assert result.dtype == np.float32
    assert result.shape == (len(STEPS),)
    return [float(number) for number in result]


def traced_values(
    module: ModuleType, name: str, values: dict[str, Any], untraced: Sequence[str]
) -> list[float]:
    """As :func:`jax_values`, with the parameters that are numbers traced, but for some."""
    import jax
    import numpy as np

    plain = {
        key: value
        for key, value in values.items()
        if isinstance(value, bool | str) or key in untraced
    }
    numbers = {key: value for key, value in values.items() if key not in plain}
    with jax.enable_x64(True):
        run = jax.jit(lambda given: getattr(module, name)(**given, **plain)(np.asarray(STEPS)))
        result = run({k: np.asarray(v) for k, v in numbers.items()})
    return [float(number) for number in result]


def keras_values(module: ModuleType, name: str, values: dict[str, Any]) -> list[float]:
    import keras

    schedule = getattr(module, "".join(part.capitalize() for part in name.split("_")))(**values)
    result = [schedule(step) for step in STEPS]
    return [float(keras.ops.convert_to_numpy(number)) for number in result]


Run = Callable[[ModuleType, str, dict[str, Any]], list[float]]
RUNS: dict[str, Run] = {
    "python": python_values,
    "numpy": numpy_values,
    "torch": torch_values,
    "jax": jax_values,
}


def main(folder: str, names: Sequence[str]) -> None:
    found = {}
    for name in names:
        module = load(Path(folder) / "keras_schedules" / f"{name}.py")
        try:
            found[name] = [keras_values(module, name, values) for values in VALUES]
        except Exception as error:  # which of them fails, and how, is for the test to say
            found[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
