"""The rewrite rules: the same curve, written so that binary64 does not cancel.

A rule is a row: what an author writes, what is computed instead, and why. Letters stand for any
part, ``i`` and ``j`` for integers only. ``unless`` names a condition under which the author's own
form is just as good and stays. Every rule is proved once, by sympy, in the tests; every use of one
is computed again at 50 digits by the build.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .expr import Expr, Kind
from .parse import Symbol, parse

_LETTERS = {letter: Symbol(Kind.REAL) for letter in "abguxp"} | {
    letter: Symbol(Kind.INT) for letter in "ij"
}


def _read(text: str) -> Expr:
    return parse(text, _LETTERS, frozenset())


@dataclass(frozen=True, slots=True)
class Rule:
    """One row; ``where`` is what must hold for the identity, for the proof and for the reader."""

    name: str
    before: str
    after: str
    why: str
    unless: str = ""
    where: str = ""
    pattern: Expr = field(init=False, repr=False, compare=False)
    result: Expr = field(init=False, repr=False, compare=False)
    exception: Expr | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", _read(self.before))
        object.__setattr__(self, "result", _read(self.after))
        object.__setattr__(self, "exception", _read(self.unless) if self.unless else None)


RULES: tuple[Rule, ...] = (
    Rule(
        "raised cosine",
        "1 + cos(pi * u)",
        "2 * sin(pi / 2 * (1 - u)) ** 2",
        "(1 + cos(pi * u)) / 2 == sin(pi / 2 * (1 - u))**2, without the cancellation near u = 1.",
    ),
    Rule(
        "lowered cosine",
        "1 - cos(pi * u)",
        "2 * sin(pi / 2 * u) ** 2",
        "(1 - cos(pi * u)) / 2 == sin(pi / 2 * u)**2, without the cancellation near u = 0.",
    ),
    Rule(
        "one minus cosine",
        "1 - cos(x)",
        "2 * sin(x / 2) ** 2",
        "1 - cos(x) == 2 * sin(x / 2)**2, without the cancellation near x = 0.",
    ),
    Rule(
        "one minus sine",
        "1 - sin(pi * u)",
        "2 * sin(pi / 4 * (1 - 2 * u)) ** 2",
        "1 - sin(pi * u) == 2 * sin(pi / 4 * (1 - 2 * u))**2, without the cancellation near "
        "u = 1 / 2.",
    ),
    Rule(
        "one minus sine squared",
        "1 - sin(pi / 2 * u) ** 2",
        "sin(pi / 2 * (1 - u)) ** 2",
        "1 - sin(pi / 2 * u)**2 == sin(pi / 2 * (1 - u))**2, without the cancellation near u = 1.",
    ),
    Rule(
        "quarter cosine",
        "cos(pi / 2 * u)",
        "sin(pi / 2 * (1 - u))",
        "cos(pi / 2 * u) == sin(pi / 2 * (1 - u)), which is accurate near u = 1.",
    ),
    Rule(
        "one minus quotient",
        "1 - i / j",
        "(j - i) / j",
        "1 - i / j == (j - i) / j, exact: integers first.",
        unless="2 * i <= j",
        where="j > 0",
    ),
    Rule(
        "quotient minus one",
        "i / j - 1",
        "(i - j) / j",
        "i / j - 1 == (i - j) / j, exact: integers first.",
        where="j > 0",
    ),
    Rule(
        "one minus capped",
        "1 - min(u, 1)",
        "max(1 - u, 0)",
        "1 - min(u, 1) == max(1 - u, 0), with 1 - u from integers.",
    ),
    Rule(
        "one minus floored",
        "1 - max(u, 0)",
        "min(1 - u, 1)",
        "1 - max(u, 0) == min(1 - u, 1), with 1 - u from integers.",
    ),
    Rule(
        "one minus root",
        "1 - sqrt(u)",
        "(1 - u) / (1 + sqrt(u))",
        "1 - sqrt(u) == (1 - u) / (1 + sqrt(u)), without the cancellation near u = 1.",
        unless="4 * u <= 1",
        where="u >= 0",
    ),
    Rule(
        "one minus square",
        "1 - u ** 2",
        "(1 - u) * (1 + u)",
        "1 - u**2 == (1 - u) * (1 + u), without the cancellation near u = 1.",
        unless="2 * u <= 1",
    ),
    Rule(
        "one minus power",
        "1 - u ** p",
        "1 - u ** p if u < 0.5 else -expm1(p * log1p(-(1 - u)))",
        "Near u = 1, 1 - u**p == -expm1(p * log1p(u - 1)), without the cancellation.",
        unless="2 * u <= 1",
        where="u > 0 and p > 0",
    ),
    Rule(
        "one minus exponential",
        "1 - exp(x)",
        "-expm1(x)",
        "1 - exp(x) == -expm1(x), without the cancellation near x = 0.",
    ),
    Rule(
        "exponential minus one",
        "exp(x) - 1",
        "expm1(x)",
        "exp(x) - 1 == expm1(x), without the cancellation near x = 0.",
    ),
    Rule(
        "logarithm of one plus",
        "log(1 + x)",
        "log1p(x)",
        "log(1 + x) == log1p(x), which is accurate near x = 0.",
        where="x > -1",
    ),
    Rule(
        "one minus tangent",
        "1 - tanh(x)",
        "2 / (exp(2 * x) + 1)",
        "1 - tanh(x) == 2 / (exp(2 * x) + 1), without the cancellation for large x.",
    ),
    Rule(
        "one plus tangent",
        "1 + tanh(x)",
        "2 / (exp(-2 * x) + 1)",
        "1 + tanh(x) == 2 / (exp(-2 * x) + 1), without the cancellation for large -x.",
    ),
    Rule(
        "whole powers first",
        "g ** (i / j)",
        "g ** (i // j) * g ** (i % j / j)",
        "g**(i / j) == g**(i // j) * g**(i % j / j): a large power would magnify the rounding of "
        "its exponent.",
        unless="i <= j",
        where="g > 0 and j > 0",
    ),
    Rule(
        "floor of a quotient",
        "floor(i / j)",
        "i // j",
        "floor(i / j) == i // j, exact in integers.",
        where="j > 0",
    ),
    Rule(
        "ceiling of a quotient",
        "ceil(i / j)",
        "-(-i // j)",
        "ceil(i / j) == -(-i // j), exact in integers.",
        where="j > 0",
    ),
    Rule(
        "ramp between ends",
        "a + (b - a) * i / j",
        "(a * (j - i) + b * i) / j",
        "a + (b - a) * i / j == (a * (j - i) + b * i) / j, which does not cancel where b < a.",
        unless="a <= b",
        where="j > 0",
    ),
    Rule(
        "blend of ends",
        "a + (b - a) * u",
        "a * (1 - u) + b * u",
        "a + (b - a) * u == a * (1 - u) + b * u, which does not cancel where b < a.",
        unless="a <= b",
    ),
)
