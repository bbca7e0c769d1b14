"""For each rewrite rule a formula that needs it, what it becomes, and a point where it matters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrgen.pipeline import library
from lrgen.printer import show
from lrgen.schedule import Schedule

HEAD = """
name = "ruled"
title = "One rule"
require = ["1 <= n", "0 < gamma <= 1", "0 < power <= 8"]
value = "{value}"

[parameters]
peak_lr = {{ type = "rate", default = 1.0, doc = "A rate." }}
end_lr = {{ type = "rate", default = 0.0, doc = "A rate." }}
n = {{ type = "steps", default = 100_003, doc = "Updates." }}
gamma = {{ type = "real", default = 0.999999, doc = "A factor." }}
power = {{ type = "real", default = 1.5, doc = "An exponent." }}

[let]
progress = "step / n"
"""


@dataclass(frozen=True)
class Use:
    """``formula`` becomes ``computed``; at ``step`` the author's own form loses its digits."""

    rule: str
    formula: str
    computed: str
    step: int


USES = (
    Use(
        "raised cosine",
        "peak_lr * (1 + cos(pi * progress)) / 2",
        "remaining = (n - step) / n; peak_lr * sin(pi / 2 * remaining) ** 2",
        100_002,
    ),
    Use(
        "lowered cosine",
        "peak_lr * (1 - cos(pi * progress)) / 2",
        "progress = step / n; peak_lr * sin(pi / 2 * progress) ** 2",
        1,
    ),
    Use("one minus cosine", "1 - cos(step / n)", "2 * sin(step / n / 2) ** 2", 1),
    Use(
        "one minus sine",
        "1 - sin(pi * progress)",
        "2 * sin(pi / 4 * (n - 2 * step) / n) ** 2",
        50_001,
    ),
    Use(
        "one minus sine squared",
        "1 - sin(pi / 2 * progress) ** 2",
        "remaining = (n - step) / n; sin(pi / 2 * remaining) ** 2",
        100_002,
    ),
    Use(
        "quarter cosine",
        "peak_lr * cos(pi / 2 * progress)",
        "remaining = (n - step) / n; peak_lr * sin(pi / 2 * remaining)",
        100_002,
    ),
    Use("one minus quotient", "peak_lr * (1 - step / n)", "peak_lr * (n - step) / n", 100_002),
    Use("quotient minus one", "2 * (step / n - 1)", "2 * (step - n) / n", 100_002),
    Use("one minus capped", "1 - min(step / n, 1)", "max((n - step) / n, 0)", 100_002),
    Use("one minus floored", "1 - max((step - 5) / n, 0)", "min((n - (step - 5)) / n, 1)", 100_007),
    Use(
        "one minus root",
        "1 - sqrt(progress)",
        "progress = step / n; remaining = (n - step) / n; remaining / (1 + sqrt(progress))",
        100_002,
    ),
    Use(
        "one minus square",
        "1 - progress ** 2",
        "progress = step / n; remaining = (n - step) / n; remaining * (1 + progress)",
        100_002,
    ),
    Use(
        "one minus power",
        "1 - progress ** power",
        "progress = step / n; remaining = (n - step) / n; 1 - progress**power if "
        "progress < 0.5 else -expm1(power * log1p(-remaining))",
        100_002,
    ),
    Use("one minus exponential", "1 - exp(-progress)", "progress = step / n; -expm1(-progress)", 1),
    Use("exponential minus one", "exp(-progress) - 1", "progress = step / n; expm1(-progress)", 1),
    Use("logarithm of one plus", "log(1 + progress)", "progress = step / n; log1p(progress)", 1),
    Use(
        "one minus tangent",
        "1 - tanh(min(progress, 16.0))",
        "progress = step / n; 2 / (exp(2 * min(progress, 16.0)) + 1)",
        1_500_000,
    ),
    Use(
        "one plus tangent",
        "1 + tanh(-min(progress, 16.0))",
        "progress = step / n; 2 / (exp(-2 * -min(progress, 16.0)) + 1)",
        1_500_000,
    ),
    Use(
        "whole powers first",
        "peak_lr * gamma ** (step / 7)",
        "peak_lr * gamma ** (step // 7) * gamma ** (step % 7 / 7)",
        2**31 - 1,
    ),
    Use("floor of a quotient", "floor(step / 2) % 2", "step // 2 % 2", 2**54 - 1),
    Use("ceiling of a quotient", "ceil(step / 2) % 2", "-(-step // 2) % 2", 2**54 + 1),
    Use(
        "ramp between ends",
        "peak_lr + (end_lr - peak_lr) * step / n",
        "(peak_lr * (n - step) + end_lr * step) / n",
        100_002,
    ),
    Use(
        "blend of ends",
        "peak_lr + (end_lr - peak_lr) * progress ** 2",
        "progress = step / n; remaining = (n - step) / n; peak_lr * remaining * (1 + "
        "progress) + end_lr * progress**2",
        100_002,
    ),
)


def resolved(folder: Path, formula: str) -> Schedule:
    path = folder / "ruled.toml"
    path.write_text(HEAD.format(value=formula))
    specs, (name,) = library([path])
    return specs.schedule(name)


def text(schedule: Schedule) -> str:
    """The lets and the value of a one-piece schedule."""
    lets = [f"{let.name} = {show(let.value)}" for let in schedule.lets]
    return "; ".join([*lets, show(schedule.pieces[0].value)])
