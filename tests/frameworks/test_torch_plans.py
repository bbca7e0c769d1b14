"""What a PyTorch scheduler computes once: only what no step changes, and where it cannot fail."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from emitted import load_broken, load_emitted

from lrgen.pipeline import emit, library

HEAD = """
name    = "planned"
title   = "What is computed once"
base    = "peak_lr"
require = ["end_lr <= peak_lr"]

[parameters]
peak_lr    = { type = "rate",  default = 0.3, doc = "The peak." }
end_lr     = { type = "rate",  default = 0.1, doc = "The floor." }
other_lr   = { type = "rate",  default = 0.2, doc = "Another rate." }
half_steps = { type = "steps", default = 3,   doc = "Half of a length." }
"""
ENDS = '[[piece]]\nname = "first"\nuntil = "half_steps"\nvalue = "{}"\n'
LAST = '[[piece]]\nname = "last"\nvalue = "{}"\n'

# A spec, and what its scheduler computes before the first step.
SPECS = {
    "a length": (
        '[let]\ntwice = "2 * half_steps"\n'
        + ENDS.replace("half_steps", "twice").format("peak_lr")
        + LAST.format("end_lr + twice"),
        ["twice = 2 * half_steps"],
    ),
    "a quotient that may fail": (
        '[let]\nslope = "1 / half_steps"\n'
        + ENDS.format("peak_lr * slope * step")
        + LAST.format("peak_lr"),
        [],
    ),
    "a quotient that cannot fail": (
        '[let]\nslope = "1 / (half_steps + 1)"\n'
        + ENDS.format("peak_lr * slope * step")
        + LAST.format("peak_lr"),
        ["slope = 1 / (half_steps + 1)"],
    ),
    "what a group has": (
        '[let]\ndouble = "2 * end_lr"\nhalf = "double * half_steps"\n'
        + ENDS.format("half + step")
        + LAST.format("half"),
        [],
    ),
    "one difference": (
        ENDS.format("end_lr + (peak_lr - end_lr) * step") + LAST.format("peak_lr - end_lr"),
        ["groups = [(group, end_lr, peak_lr - end_lr) for group, peak_lr, end_lr, _ in groups]"],
    ),
    "two differences": (
        ENDS.format("abs(other_lr - end_lr)") + LAST.format("peak_lr - end_lr"),
        [],
    ),
    "a difference beside its name": (
        '[let]\nspan = "1 + step"\n'
        + ENDS.format("(peak_lr - end_lr) * span")
        + LAST.format("(peak_lr - end_lr) / span"),
        [],
    ),
}
VALUES = [
    {"peak_lr": peak_lr, "end_lr": 0.1, "other_lr": other_lr, "half_steps": half_steps}
    for peak_lr, other_lr, half_steps in itertools.product((0.1, 0.7), (0.0, 0.3), (0, 1, 4))
]


def emitted_code(folder: Path, text: str, backend: str) -> str:
    path = folder / "planned.toml"
    path.write_text(HEAD + text)
    specs, _ = library([path])
    texts, _ = emit(specs.schedule("planned"), [backend])
    return next(code for name, code in texts.items() if name.endswith("planned.py"))


def loaded(code: str) -> ModuleType:
    module = ModuleType("planned")
    exec(compile(code, "planned", "exec"), module.__dict__)
    return module


def planned_lines(code: str) -> list[str]:
    """The lines of ``_writer`` before ``write``."""
    _, _, body = code.partition("def _writer(")
    lines, _, _ = body.partition('"""\n')[2].partition("    def write(")
    return textwrap.dedent(lines).strip().splitlines()


@pytest.mark.parametrize("spec", SPECS)
def test_what_no_step_changes_is_computed_once_where_it_cannot_fail(
    spec: str, tmp_path: Path
) -> None:
    text, expected = SPECS[spec]
    code = emitted_code(tmp_path, text, "torch")
    writer = loaded(code)._writer
    reference = loaded(emitted_code(tmp_path, text, "python")).planned

    assert expected == planned_lines(code)
    for values in VALUES:
        rows: list[dict[str, float]] = [{}, {}]
        rates = (values["peak_lr"], values["end_lr"], values["other_lr"])
        write = writer([(row, *rates) for row in rows], values["half_steps"])
        for step in range(12):
            write(step)
            assert [reference(step, **values)] * 2 == [row["lr"] for row in rows]


PLANS: list[dict[str, Any]] = [
    {"first_steps": first, "growth": growth, "rounding": rounding, "parts": parts}
    for first, growth, rounding, parts in itertools.product(
        (1, 10), (1.0, 1.1, 2.0), ("boundary", "length"), (1, 7)
    )
]


def wrong_steps(module: ModuleType) -> list[int]:
    """The steps at which rates that are written in some order are not those of the function."""
    reference = load_emitted("python", "cosine_warm_restarts").cosine_warm_restarts
    wrong = []
    for plan in PLANS:
        row: dict[str, float] = {}
        own = (plan["first_steps"], plan["growth"], 0.9, plan["rounding"], plan["parts"])
        write = module._writer([(row, 0.3, 0.01)], *own)
        for step in (*range(50), *range(200, 0, -3), 2**40, 7, 2**61, 2**61 + 1, 0):
            write(step)
            if row["lr"] != reference(step, base_lr=0.3, end_lr=0.01, shrink=0.9, **plan):
                wrong.append(step)
    return wrong


def test_a_cycle_is_found_in_whatever_order_steps_come() -> None:
    assert [] == wrong_steps(load_emitted("torch", "cosine_warm_restarts"))


@pytest.mark.parametrize(
    ("before", "after"), [("< lengths[row]", "< 2 * lengths[row]"), ("not 0 <=", "not -9 <=")]
)
def test_a_cycle_that_is_kept_too_long_is_noticed(before: str, after: str) -> None:
    assert wrong_steps(load_broken("torch", "cosine_warm_restarts", before, after))
