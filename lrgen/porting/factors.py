"""T5X's factor strings: ``constant * linear_warmup * rsqrt_decay``, each factor a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..document import CautionShape, Document, ParameterShape
from ..errors import did_you_mean, quoted
from .calls import signature
from .pasted import Call, NotPortable, told

# t5x/utils.py, create_learning_rate_scheduler.
SIGNATURE = (
    "factors='constant * linear_warmup * rsqrt_decay', base_learning_rate=0.5, warmup_steps=1000, "
    "decay_factor=0.5, steps_per_decay=20000, steps_per_cycle=100000, step_offset=0, "
    "min_learning_rate=1e-8"
)


@dataclass(frozen=True, slots=True)
class _Factor:
    """A factor: its formula, and which arguments of T5X's it uses."""

    formula: str
    uses: tuple[str, ...]


_FACTORS = {
    "constant": _Factor("base_learning_rate", ("base_learning_rate",)),
    "linear_warmup": _Factor("min(now / warmup_steps, 1.0)", ("warmup_steps",)),
    "linear_decay": _Factor(
        "base_learning_rate * min(now / warmup_steps, 1 + decay_factor * (warmup_steps - now))",
        ("base_learning_rate", "warmup_steps", "decay_factor"),
    ),
    "rsqrt_decay": _Factor("1 / sqrt(max(now, warmup_steps))", ("warmup_steps",)),
    "rsqrt_normalized_decay": _Factor(
        "sqrt(warmup_steps / max(now, warmup_steps))", ("warmup_steps",)
    ),
    "decay_every": _Factor(
        "decay_factor ** (now // steps_per_decay)", ("decay_factor", "steps_per_decay")
    ),
    "cosine_decay": _Factor(
        "(1 + cos(pi * place / steps_per_cycle)) / 2",
        ("warmup_steps", "steps_per_cycle"),
    ),
}
_PARAMETERS = {
    "base_learning_rate": ("rate", "Rate that the factors multiply."),
    "warmup_steps": ("steps", "Updates of the warm-up, which the decays begin after, at least 1."),
    "decay_factor": ("real", "What decay_every multiplies by, or the slope of linear_decay."),
    "steps_per_decay": ("steps", "Updates between two decays of decay_every, at least 1."),
    "steps_per_cycle": ("steps", "Updates of a cycle of cosine_decay, at least 1."),
    "step_offset": ("steps", "Updates before the schedule begins."),
    "min_learning_rate": ("rate", "The floor, from update 0 on."),
}
_REQUIRED = {
    "warmup_steps": "1 <= warmup_steps <= 2**53",
    "step_offset": "step_offset <= 2**53",
    "steps_per_decay": "steps_per_decay >= 1",
    "steps_per_cycle": "1 <= steps_per_cycle <= 2**40",
    "decay_factor": "0 <= decay_factor <= 1",
}
_HIGHEST = CautionShape(
    text="The highest rate is base_learning_rate / sqrt(warmup_steps), not base_learning_rate."
)
_CITE = "t5x.utils.create_learning_rate_scheduler of T5X (cc342d4)"


def is_factors(text: str) -> bool:
    """Whether ``text`` is a factor string."""
    return all(name in _FACTORS for name in _names(text))


def document_of(call: Call, name: str) -> Document:
    """The schedule of a call of ``create_learning_rate_scheduler``.

    Raises:
        NotPortable: For a factor that T5X has not, and an argument that is no number.
    """
    taken = signature(SIGNATURE)
    given: Mapping[str, Any] = {**taken.defaults, **taken.bound(call)}
    factors = given["factors"]
    if not isinstance(factors, str):
        raise NotPortable(f"factors is {told(factors)}. Write the factors as a text.")
    names = _names(factors)
    for one in names:
        if one not in _FACTORS:
            hint = did_you_mean(one, _FACTORS) or f"T5X has {', '.join(_FACTORS)}."
            raise NotPortable(f"no factor {quoted(one)}. {hint}")
    used = {use for one in names for use in _FACTORS[one].uses}
    used |= {"min_learning_rate", *(["step_offset"] if set(names) - {"constant"} else [])}
    for one in used:
        if isinstance(given[one], bool) or not isinstance(given[one], int | float):
            raise NotPortable(f"{one} is {told(given[one])}. Write its value.")
    let = {"now": "max(step - step_offset, 0)"} if "step_offset" in used else {}
    if "cosine_decay" in names:
        let["place"] = "max(now - warmup_steps, 0) % steps_per_cycle"
    let |= {one: _FACTORS[one].formula for one in names if one != "constant"}
    product = " * ".join("base_learning_rate" if one == "constant" else one for one in names)
    return Document(
        name=name,
        title=" * ".join(names) if len(" * ".join(names)) <= 60 else "Factors, as T5X has them",
        base="base_learning_rate" if "base_learning_rate" in used else None,
        cites=[_CITE],
        require=[rule for one, rule in _REQUIRED.items() if one in used],
        parameters={
            one: ParameterShape(type=kind, default=_typed(kind, given[one]), doc=doc)  # type: ignore[arg-type]
            for one, (kind, doc) in _PARAMETERS.items()
            if one in used
        },
        let=let,
        value=f"max({product}, min_learning_rate)",
        caution=[_HIGHEST] if names == ["constant", "linear_warmup", "rsqrt_decay"] else [],
    )


def _typed(kind: str, value: float) -> int | float:
    return int(value) if kind == "steps" else float(value) if isinstance(value, int) else value


def _names(factors: str) -> list[str]:
    return [name.strip() for name in factors.split("*")]
