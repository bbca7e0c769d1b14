"""Guards: what keeps an operator within its domain where the formula does not hold.

Array code computes every piece at every step and then chooses, so a division that is fine while
``step < warmup_steps`` meets ``warmup_steps == 0`` all the same. A guard changes nothing where the
piece holds: ``max(warmup_steps, 1)`` is ``warmup_steps`` there.

Two sets of facts decide. What is *known* holds wherever the code computes; what is *meant* holds
where the result is used. An operator that is safe under what is known needs no guard; the guard is
chosen such that it changes nothing under what is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from .expr import Apply, Expr, Kind, Name, Number, names_in, rebuild
from .ops import apply
from .ranges import Facts
from .schedule import Let, expand
from .simplify import simplify
from .terms import length_of

LARGEST_EXPONENT = 700.0
"""exp(700) is about 1e304: close to the end of binary64, and far from any rate."""
MOST_USES = 8
SMALLEST_DIVISOR = 1e-100
"""Its square and its reciprocal's square are still finite, so gradients are."""


@dataclass(slots=True)
class _Scope:
    known: Facts
    meant: tuple[Facts, ...]

    def given(self, condition: Expr, holds: bool, computed: bool) -> _Scope:
        """Within a branch; ``computed``: the other branch is computed there as well."""
        known = self.known if computed else self.known.given(condition, holds)
        return _Scope(known, tuple(facts.given(condition, holds) for facts in self.meant))


class Guards:
    """Adds guards to lets and pieces; a let that several uses want guarded is guarded itself.

    Args:
        lets: In their order.
        uses: For each let, the facts of every piece that uses it.
        known: What holds wherever lets are computed.
        is_host: Whether a condition is decided once, outside the arrays, so that only one branch
            is computed.
    """

    def __init__(
        self,
        lets: Sequence[Let],
        uses: dict[str, tuple[Facts, ...]],
        known: Facts,
        is_host: Callable[[Expr], bool],
    ) -> None:
        self.lets = {let.name: let for let in lets}
        self.plain = tuple(lets)
        self.uses = uses
        self.known = known
        self.is_host = is_host
        self.written: dict[Expr, Expr] = {}  # entries of lists, guarded, as the author wrote them
        for let in lets:
            scope = _Scope(known, uses[let.name])
            self.lets[let.name] = replace(let, value=self._guard(let.value, scope))

    def guarded(self, expr: Expr, known: Facts, meant: Facts) -> Expr:
        """``expr`` with guards."""
        return self._guard(expr, _Scope(known, (meant,)))

    def _full(self, expr: Expr) -> Expr:
        return expand(expr, tuple(self.lets.values()))

    def _guard(self, expr: Expr, scope: _Scope) -> Expr:
        if not isinstance(expr, Apply):
            return expr
        if expr.op == "if":
            condition, yes, no = expr.args
            computed = not self.is_host(condition)
            full = self._full(condition)
            return replace(
                expr,
                args=(
                    self._guard(condition, scope),
                    self._guard(yes, scope.given(full, True, computed)),
                    self._guard(no, scope.given(full, False, computed)),
                ),
            )
        plain = expr
        expr = rebuild(expr, lambda child: self._guard(child, scope))
        assert isinstance(expr, Apply)
        match expr.op, expr.args:
            case ("/" | "//" | "%") as op, (a, b):
                divisor = scope.known.range(self._full(b))
                if not (divisor.at_least(0, True) or divisor.at_most(0, True)):
                    positive = self._positive(b, scope)
                    zero = Number(0 if b.kind is Kind.INT else 0.0)
                    if positive is b and self._meant(b, lambda f, e: _differ(f, e, zero), scope):
                        one = Number(1 if b.kind is Kind.INT else 1.0)
                        positive = apply("if", apply("==", b, zero), one, b)
                    return replace(expr, args=(a, positive))
                near_zero = divisor.low is not None and divisor.low[0] == 0
                if op == "/" and near_zero and not self._rounds_safely(b, scope):
                    return replace(expr, args=(a, self._positive(b, scope)))
            case "sqrt", (a,):
                if not self._is_nonnegative(a, scope):
                    return replace(expr, args=(self._nonnegative(a, scope),))
            case "log", (a,):
                if not scope.known.range(self._full(a)).at_least(0, True):
                    return replace(expr, args=(self._positive(a, scope),))
            case "log1p", (a,):
                if not scope.known.range(self._full(a)).at_least(-1, True):
                    return replace(expr, args=(self._clamped(a, scope, above=-1),))
            case (("exp" | "expm1"), (a,)):
                if scope.known.range(self._full(a)).high is None:
                    return replace(expr, args=(self._capped(a, scope),))
            case "**", (a, b):
                return self._power(expr, a, b, scope)
            case "at", (values, index):
                entry = replace(expr, args=(values, self._within(index, values, 1, scope)))
                given = isinstance(self._full(values), Name)
                if given and not scope.known.range(length_of(values)).at_least(1):
                    # Not even its last entry may be there: what is computed instead is not used.
                    some = apply(">", length_of(values), Number(0))
                    zero = Number(0 if expr.kind is Kind.INT else 0.0)
                    entry = apply("if", some, entry, zero)
                self.written[self._full(entry)] = expand(plain, self.plain)
                return entry
            case (("product" | "total"), (values, count)):
                return replace(expr, args=(values, self._within(count, values, 0, scope)))
        return expr

    def _within(self, index: Expr, values: Expr, before: int, scope: _Scope) -> Expr:
        """``index`` kept from 0 to ``before`` the length of ``values``."""
        full = self._full(index)
        gap = apply("-", length_of(self._full(values)), full)
        if not scope.known.nonnegative(full):
            index = apply("max", index, Number(0))
        if not scope.known.nonnegative(apply("-", gap, Number(before))):
            length = length_of(values)
            last = apply("-", length, Number(before)) if before else length
            index = apply("min", index, simplify(last))
        return index

    def _power(self, expr: Apply, base: Expr, exponent: Expr, scope: _Scope) -> Expr:
        known_base = scope.known.range(self._full(base))
        known_exponent = scope.known.range(self._full(exponent))
        if isinstance(exponent, Number) and exponent.kind is Kind.INT:
            return expr
        if exponent.kind is Kind.REAL and not self._is_nonnegative(base, scope):
            base = self._nonnegative(base, scope)
        if not known_exponent.at_least(0):
            meant = [facts.range(self._full(exponent)) for facts in scope.meant]
            if all(r.at_least(0) for r in meant):
                # Before the piece a power would grow without bound.
                exponent = self._nonnegative(exponent, scope)
            elif not known_base.at_least(0, True):
                base = self._positive(base, scope)
        if known_exponent.high is None and not known_base.at_most(1):
            meant = [facts.range(self._full(exponent)) for facts in scope.meant]
            if all(r.high is not None for r in meant):
                # After the piece too.
                exponent = self._capped(exponent, scope)
        return replace(expr, args=(base, exponent))

    def _meant(self, expr: Expr, test: Callable[[Facts, Expr], bool], scope: _Scope) -> bool:
        full = self._as_written(self._full(expr))
        return all(test(facts, full) for facts in scope.meant)

    def _as_written(self, expr: Expr) -> Expr:
        """``expr`` as facts speak of it: where it is meant, guards change no entry of a list."""
        written = self.written.get(expr)
        return written if written is not None else rebuild(expr, self._as_written)

    def _is_nonnegative(self, expr: Expr, scope: _Scope) -> bool:
        return scope.known.range(self._full(expr)).at_least(0) and self._rounds_safely(expr, scope)

    def _rounds_safely(self, expr: Expr, scope: _Scope) -> bool:
        """Whether rounding cannot make a value >= 0 negative, nor one > 0 zero by cancelling."""
        if expr.kind is Kind.INT or isinstance(expr, Number):
            return True
        match expr:
            case Name(id=name):
                return name not in self.lets or self._rounds_safely(self.lets[name].value, scope)
            case Apply(op="*" | "/", args=(a, b)) if all(
                self._is_surely_negative(x, scope) for x in (a, b)
            ):
                return True
            case Apply(op="neg", args=(a,)):
                return self._is_surely_negative(a, scope)
            case Apply(op="+" | "*" | "/" | "min" | "**" | "if" as op, args=args):
                operands = args[1:] if op == "if" else args[:1] if op == "**" else args
                return all(
                    scope.known.range(self._full(a)).at_least(0) and self._rounds_safely(a, scope)
                    for a in operands
                )
            case Apply(op="exp" | "abs" | "sqrt" | "pi" | "uniform" | "at" | "product"):
                return True
            case Apply(op="max", args=args):
                return any(
                    scope.known.range(self._full(a)).at_least(0) and self._rounds_safely(a, scope)
                    for a in args
                )
            case Apply(op="tanh" | "sin" | "cos" | "log" | "log1p" | "expm1", args=(a,)):
                return scope.known.range(self._full(a)).at_least(0) and self._rounds_safely(
                    a, scope
                )
        return False

    def _is_surely_negative(self, expr: Expr, scope: _Scope) -> bool:
        """Whether ``expr`` is at most 0 and rounding cannot change that."""
        match expr:
            case Apply(op="neg", args=(a,)):
                return scope.known.range(self._full(a)).at_least(0) and self._rounds_safely(
                    a, scope
                )
            case Apply(op="log", args=(a,)):
                return scope.known.range(self._full(a)).at_most(1)
            case Apply(op="log1p" | "expm1", args=(a,)):
                return self._is_surely_negative(a, scope)
            case Apply(op="*" | "/", args=(a, b)):
                signs = (self._is_surely_negative(a, scope), self._is_surely_negative(b, scope))
                other = b if signs[0] else a
                return (
                    signs[0] != signs[1]
                    and scope.known.range(self._full(other)).at_least(0)
                    and self._rounds_safely(other, scope)
                )
        return False

    def _positive(self, expr: Expr, scope: _Scope) -> Expr:
        """``expr`` kept > 0, unchanged where it is meant."""
        if scope.known.range(self._full(expr)).at_least(0, True) and self._rounds_safely(
            expr, scope
        ):
            return expr
        if expr.kind is Kind.INT:
            if self._meant(expr, lambda f, e: f.range(e).at_least(1), scope):
                return apply("max", expr, Number(1))
            return expr
        match expr:
            case Apply(op="*", args=(a, b)):
                if all(self._means_positive(x, scope) for x in (a, b)):
                    return apply("*", self._positive(a, scope), self._positive(b, scope))
            case Apply(op="/", args=(a, b)):
                if self._means_positive(a, scope):
                    return apply("/", self._positive(a, scope), b)
            case Apply(op="log", args=(a,)) if a.kind is Kind.INT:
                # The logarithm of an integer is positive from 2 on.
                if self._meant(a, lambda f, e: f.range(e).at_least(2), scope):
                    return apply("log", apply("max", a, Number(2)))
            case Name(id=name) if name in self.lets and self._all_uses(name, strictly=True):
                self._strengthen(name, self._positive)
                return expr
        if not self._means_positive(expr, scope):
            return expr
        return self._clamped(expr, scope, above=0)

    def _means_positive(self, expr: Expr, scope: _Scope) -> bool:
        return self._meant(expr, lambda f, e: f.range(e).at_least(0, True), scope)

    def _nonnegative(self, expr: Expr, scope: _Scope) -> Expr:
        """``expr`` kept >= 0, unchanged where it is meant."""
        if self._is_nonnegative(expr, scope):
            return expr
        if expr.kind is Kind.INT:
            return apply("max", expr, Number(0))
        match expr:
            case Apply(op="/", args=(a, b)) if scope.known.range(self._full(b)).at_least(0, True):
                return apply("/", self._nonnegative(a, scope), b)
            case Name(id=name) if name in self.lets and self._all_uses(name, strictly=False):
                self._strengthen(name, self._nonnegative)
                return expr
        return apply("max", expr, Number(0.0))

    def _all_uses(self, name: str, strictly: bool) -> bool:
        """Whether every use of a let means it >= 0 (> 0), and a guard inside it is a plain one."""
        let = self.lets[name]
        if not (isinstance(let.value, Apply) and let.value.op in ("/", "-", "max")):
            return False
        full = self._full(let.value)
        return all(facts.range(full).at_least(0, strictly) for facts in self.uses[name])

    def _strengthen(self, name: str, how: Callable[[Expr, _Scope], Expr]) -> None:
        let = self.lets[name]
        scope = _Scope(self.known, self.uses[name])
        self.lets[name] = replace(let, value=how(let.value, scope))

    def _clamped(self, expr: Expr, scope: _Scope, above: int) -> Expr:
        """``max(expr, bound)`` with the least value that is meant, or one just above ``above``."""
        lows = [facts.range(self._full(expr)).low for facts in scope.meant]
        least = min((low[0] for low in lows if low is not None), default=Fraction(above))
        if None in lows or least <= above:
            bound = SMALLEST_DIVISOR if above == 0 else above + 2.0**-53
        else:
            bound = float(least)
        limit: Expr = Number(abs(bound))
        return apply("max", expr, apply("neg", limit) if bound < 0 else limit)

    def _capped(self, expr: Expr, scope: _Scope) -> Expr:
        """``min(expr, bound)`` with the largest value that is meant, or the largest exponent."""
        highs = [facts.range(self._full(expr)).high for facts in scope.meant]
        largest = max((high[0] for high in highs if high is not None), default=None)
        if None in highs or largest is None or largest > LARGEST_EXPONENT:
            return apply("min", expr, Number(LARGEST_EXPONENT))
        bound = float(largest)
        limit: Expr = Number(abs(bound))
        return apply("min", expr, apply("neg", limit) if bound < 0 else limit)


def _differ(facts: Facts, a: Expr, b: Expr) -> bool:
    """Whether a condition says that ``a`` is not ``b``, as that of an earlier piece may."""
    return facts.decided(apply("==", a, b)) is False


def uses_of(
    lets: Sequence[Let],
    pieces: Sequence[tuple[Expr | None, Expr]],
    facts: Sequence[Facts],
    asked: Sequence[Facts],
) -> dict[str, tuple[Facts, ...]]:
    """For each let, what holds wherever it is used: in a piece, in a branch, by another let.

    Args:
        lets: In their order.
        pieces: Condition and value of each.
        facts: What holds in each piece.
        asked: What holds where each condition is asked, whether it is met or not.
    """
    uses = _Uses(tuple(lets))
    for (condition, value), known, before in zip(pieces, facts, asked):
        if condition is not None:
            uses.note(condition, before, before)
        uses.note(value, known, known)
    for let in reversed(lets):
        for known, piece in tuple(uses.found[let.name]):
            uses.note(let.value, known, piece)
    return {name: tuple(known for known, _ in found) for name, found in uses.found.items()}


class _Uses:
    def __init__(self, lets: tuple[Let, ...]) -> None:
        self.lets = lets
        self.found: dict[str, list[tuple[Facts, Facts]]] = {let.name: [] for let in lets}

    def note(self, expr: Expr, known: Facts, piece: Facts) -> None:
        """Note every let in ``expr``, which is used where ``known`` holds, in a ``piece``."""
        match expr:
            case Name(id=name) if name in self.found:
                self.add(name, known, piece)
            case Apply(op="if", args=(condition, yes, no)):
                full = expand(condition, self.lets)
                self.note(condition, known, piece)
                for branch, holds in ((yes, True), (no, False)):
                    if not self.found.keys().isdisjoint(names_in(branch)):
                        self.note(branch, known.given(full, holds), piece)
            case Apply(args=args):
                for arg in args:
                    self.note(arg, known, piece)

    def add(self, name: str, known: Facts, piece: Facts) -> None:
        found = self.found[name]
        if len(found) >= MOST_USES:
            known = piece  # which holds there as well, and says less
        if not any(known is other for other, _ in found):
            found.append((known, piece))
