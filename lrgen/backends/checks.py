"""The statements that refuse a wrong argument, naming the parameter, the rule and the value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..expr import Apply, Expr, Name, Number, walk
from ..printer import show
from ..schedule import MOST_ENTRIES, Parameter, Requirement, Schedule
from .host import PYTHON_DIALECT
from .layout import COLUMNS

WIDTH = COLUMNS - 4


def check_lines(schedule: Schedule) -> list[str]:
    """Statements that raise ValueError where a value or a rule between values does not hold."""
    lines: list[str] = []
    for parameter in schedule.parameters:
        name = parameter.name
        fact = f"{name} {parameter.rule()}, got "
        if parameter.entry is not None:
            # A list of thousands is shown by its beginning.
            lines += _refusal(f"not ({' and '.join(_is_list(name))})", fact, [f"{{{name}!r:.60}}"])
            lines += _refusal(_wrong(parameter), fact, [f"{{{name}!r:.60}}"])
        else:
            lines += _refusal(_wrong(parameter), fact, [f"{{{name}!r}}"])
    for requirement in schedule.requirements:
        # In the order in which the rule names them.
        used = dict.fromkeys(n.id for n in walk(requirement.condition) if isinstance(n, Name))
        values = [f"{name} = {{{name}!r}}" for name in used]
        lines += _refusal(_broken(requirement), f"{requirement.text} does not hold: ", values)
    return lines


def guard_lines(schedule: Schedule) -> list[str]:
    """A call of ``_check`` where it would refuse ``step`` or a parameter.

    All rules are asked at once, and ``0.0 <= end_lr <= peak_lr < math.inf`` stands for three.
    """
    asked = ["isinstance(step, int)"]
    for parameter in schedule.parameters:
        if parameter.entry is not None:
            asked += _is_list(parameter.name)
        if parameter.type in ("steps", "count"):
            asked.append(f"isinstance({parameter.name}, int)")
        elif parameter.type not in _BOUNDS:
            asked.append(_negated(_wrong(parameter)))
    asked += ["step >= 0", *_ordered(schedule)]
    called = ", ".join(("step", *(p.name for p in schedule.parameters)))
    one = f"if not ({' and '.join(asked)}):"
    if len(one) <= WIDTH:
        return [one, f"    _check({called})"]
    first, *rest = asked
    return [
        "if not (",
        f"    {first}",
        *(f"    and {r}" for r in rest),
        "):",
        f"    _check({called})",
    ]


_BOUNDS = {
    "steps": ("0 <= ", ""),
    "rate": ("0.0 <= ", " < math.inf"),
    "real": ("-math.inf < ", " < math.inf"),
}
"""What holds for a number of a type, before and after its name."""


def _ordered(schedule: Schedule) -> list[str]:
    """The bounds of numbers and the rules between parameters; what rises is one comparison."""
    types = {p.name: p.type for p in schedule.parameters if p.type in _BOUNDS}
    above: dict[str, str] = {}
    others = []
    for requirement in schedule.requirements:
        longer = dict(above)
        for part in _conjuncts(requirement.condition):
            match part:
                case Apply(op="<=", args=(Name(id=low), Name(id=high))) if (
                    low in types
                    and types[low] == types.get(high)
                    and low not in {*longer, *_rising(high, longer)}
                    and high not in longer.values()
                ):
                    longer[low] = high
                case _:
                    others.append(requirement)
                    break
        else:
            above = longer
    finite = {name for other in others for name in _between_numbers(other.condition)}
    bounded = [
        _bounded(_rising(name, above), kind)
        for name, kind in types.items()
        if name not in above.values() and not (kind == "real" and name in finite - {*above})
    ]
    return [*bounded, *(_negated(_broken(requirement)) for requirement in others)]


def _rising(name: str, above: Mapping[str, str]) -> list[str]:
    rising = [name]
    while rising[-1] in above:
        rising.append(above[rising[-1]])
    return rising


def _conjuncts(condition: Expr) -> list[Expr]:
    match condition:
        case Apply(op="and", args=(a, b)):
            return [*_conjuncts(a), *_conjuncts(b)]
    return [condition]


def _between_numbers(condition: Expr) -> set[str]:
    """Parameters that ``condition`` holds between two numbers."""
    below, over = set(), set()
    for part in _conjuncts(condition):
        match part:
            case Apply(op="<" | "<=", args=(Number(), Name(id=name))):
                over.add(name)
            case Apply(op="<" | "<=", args=(Name(id=name), Number())):
                below.add(name)
    return below & over


def _bounded(rising: Sequence[str], kind: str) -> str:
    least, most = _BOUNDS[kind]
    return f"{least}{' <= '.join(rising)}{most}" if most or rising[1:] else f"{rising[0]} >= 0"


def _is_list(name: str) -> tuple[str, str]:
    return f"isinstance({name}, Sequence)", f"len({name}) <= {MOST_ENTRIES:_}"


def _negated(test: str) -> str:
    """``a`` for ``not a``, and ``a in b`` for ``a not in b``."""
    return (
        test.removeprefix("not ") if test.startswith("not ") else test.replace(" not in ", " in ")
    )


def _wrong(parameter: Parameter) -> str:
    name = parameter.name
    match parameter.type:
        case "steps":
            return f"not (isinstance({name}, int) and {name} >= 0)"
        case "count":
            return f"not isinstance({name}, int)"
        case "rate":
            # Of the kind that rates are: an integer would be converted to be compared.
            return f"not 0.0 <= {name} < math.inf"
        case "real":
            return f"not -math.inf < {name} < math.inf"
        case "flag":
            return f"not isinstance({name}, bool)"
        case "choice":
            words = ", ".join(f'"{word}"' for word in parameter.words)
            return f"{name} not in ({words}{',' if len(parameter.words) == 1 else ''})"
        case "steps[]":
            return f"not all(isinstance(entry, int) and entry >= 0 for entry in {name})"
        case "count[]":
            return f"not all(isinstance(entry, int) for entry in {name})"
        case "rate[]":
            return f"not all(0.0 <= entry < math.inf for entry in {name})"
        case "real[]":
            return f"not all(-math.inf < entry < math.inf for entry in {name})"


def _broken(requirement: Requirement) -> str:
    text = show(requirement.condition, PYTHON_DIALECT)
    # `not` binds tighter than these alone.
    loose = any(f" {word} " in text for word in ("and", "or", "if"))
    return f"not ({text})" if loose else f"not {text}"


def _refusal(test: str, fact: str, values: list[str]) -> list[str]:
    """``if test: raise ValueError(f"...")``, the message in parts where it is long."""
    plain = fact.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}")
    message = plain + ", ".join(values)
    head = f"if {test}:"
    one = f'    raise ValueError(f"{message}")'
    if len(one) <= WIDTH:
        return [head, one]
    parts = [""]
    for word in re.findall(r"\S+\s*", message):
        if len(parts[-1]) + len(word) > WIDTH - 11:
            parts.append("")
        parts[-1] += word
    quoted = [f'        {"f" if "{" in part else ""}"{part}"' for part in parts]
    return [head, "    raise ValueError(", *quoted, "    )"]
