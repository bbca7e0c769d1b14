"""Plain Python asks for all rules at once, and then refuses what ``_check`` refuses by itself."""

import inspect
import math
from collections.abc import Iterator
from itertools import combinations, product
from types import ModuleType
from typing import Any

import pytest
from conformance import NAMES
from emitted import load_broken, load_emitted

NUMBERS = (-1, 0, 1, 3, 2**62, -0.5, 0.0, 0.25, 1.0, 1e9, math.inf, -math.inf, math.nan, True)
OTHERS = (None, "other", [], [1, 2], [0.5, 0.25], [2, 1], [-1], [math.nan], [0] * 10_001)
FEW = (-1, 0, 5, 0.5, 1e9, math.nan)


def arguments(call: Any) -> Iterator[dict[str, Any]]:
    """The defaults with one argument replaced by anything, or with two replaced by numbers."""
    default = {name: p.default for name, p in inspect.signature(call).parameters.items()}
    default["step"] = 5
    for name, value in product(default, (*NUMBERS, *OTHERS)):
        yield {**default, name: value}
    scalars = [name for name, value in default.items() if isinstance(value, int | float)]
    for (a, b), (x, y) in product(combinations(scalars, 2), product(FEW, FEW)):
        yield {**default, a: x, b: y}


def refusal(call: Any, given: dict[str, Any]) -> str:
    """What is said of a value; of what cannot be compared with numbers, only that it is refused."""
    try:
        call(**given)
    except ValueError as error:
        return str(error)
    except (TypeError, ArithmeticError) as error:
        return type(error).__name__
    return ""


def differences(module: ModuleType, name: str) -> list[dict[str, Any]]:
    call = getattr(module, name)
    return [
        given for given in arguments(call) if refusal(call, given) != refusal(module._check, given)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_call_refuses_what_its_check_refuses(name: str) -> None:
    assert [] == differences(load_emitted("python", name), name)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("and 0 <= warmup_steps <= total_steps", "and 0 <= warmup_steps"),
        ("and isinstance(total_steps, int)", ""),
        ("end_lr <= peak_lr < math.inf", "end_lr <= peak_lr"),
        ("        and step >= 0\n", ""),
    ],
)
def test_a_rule_that_is_not_asked_for_is_noticed(before: str, after: str) -> None:
    broken = load_broken("python", "cosine_warmup", before, after)

    assert [] != differences(broken, "cosine_warmup")
