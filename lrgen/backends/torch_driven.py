"""What PyTorch's optimizers let a scheduler drive beside the rate, and where it stands in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Driven:
    """One hyperparameter.

    Attributes:
        noun: What it is called in a sentence.
        place: Where it stands in a parameter group, in a sentence.
        setter: The template of the function that writes it into a group.
        absent: Lines that raise where ``group``, at ``index``, has no such thing.
    """

    noun: str
    place: str
    setter: str
    absent: tuple[str, ...]


DRIVEN = {
    "momentum": Driven(
        "momentum",
        "``momentum`` of each parameter group, or the first of its ``betas`` if it has them",
        "torch_schedules/momentum.py.jinja",
        (
            'if "betas" not in group and "momentum" not in group:',
            "    raise ValueError(f\"parameter group {index} has neither 'betas' nor 'momentum'\")",
        ),
    ),
    "weight_decay": Driven(
        "weight decay",
        "``weight_decay`` of each parameter group (where some shall have none, give lists with 0)",
        "torch_schedules/weight_decay.py.jinja",
        (
            'if "weight_decay" not in group:',
            "    raise ValueError(f\"parameter group {index} has no 'weight_decay'\")",
        ),
    ),
}
