"""The statements that refuse a wrong argument, naming the parameter, the rule and the value."""

from __future__ import annotations

import re

from ..expr import Name, walk
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
            is_list = f"isinstance({name}, Sequence) and len({name}) <= {MOST_ENTRIES:_}"
            lines += _refusal(f"not ({is_list})", fact, [f"{{{name}!r:.60}}"])
            lines += _refusal(_wrong(parameter), fact, [f"{{{name}!r:.60}}"])
        else:
            lines += _refusal(_wrong(parameter), fact, [f"{{{name}!r}}"])
    for requirement in schedule.requirements:
        # In the order in which the rule names them.
        used = dict.fromkeys(n.id for n in walk(requirement.condition) if isinstance(n, Name))
        values = [f"{name} = {{{name}!r}}" for name in used]
        lines += _refusal(_broken(requirement), f"{requirement.text} does not hold: ", values)
    return lines


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
