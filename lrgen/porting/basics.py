"""What PyTorch, optax, Paddle, transformers and diffusers make of other schedules or functions."""

from __future__ import annotations

from typing import Any

from .calls import Asked, asked, chosen, of_the_optimizer
from .compose import Member, Product, Succession, Written
from .formulas import formula
from .pasted import Call, Function, NotPortable, Unknown, told
from .wrappers import Given, Inner, Wrapper, members, updates

# Those that set the rate anew at every step, whatever another has made of it.
_ABSOLUTE = ("CyclicLR", "OneCycleLR", "CosineAnnealingWarmRestarts")
# Those that write the optimizer's rate when they are made, which all others then start from.
_OVERWRITE = ("CyclicLR", "OneCycleLR")
_OF_A_NAME = ("name", "optimizer", "scheduler_specific_kwargs", "last_epoch")


def _sequential(call: Call, given: Given, inner: Inner) -> Member:
    """``SequentialLR``: each member from its own step 0, and from the optimizer's rate."""
    own = members(call, given["schedulers"], inner)
    milestones = updates(call, "milestones", given["milestones"])
    if len(milestones) != len(own) - 1:
        raise NotPortable(
            f"{call.path}: {len(own)} schedulers want {len(own) - 1} milestones, but got "
            f"{len(milestones)}. Give the updates between two of them."
        )
    for one in own:
        if isinstance(one, Asked) and one.document.name in _OVERWRITE and len(own) > 1:
            raise NotPortable(
                f"{call.path}: {one.document.name} overwrites the optimizer's rate when it is "
                "made, so the others start from that. Port it alone."
            )
    return Succession(tuple(own), tuple(milestones))


def _chained(call: Call, given: Given, inner: Inner) -> Member:
    """``ChainedScheduler``: every member multiplies what those before it have left."""
    own = members(call, given["schedulers"], inner)
    for place, one in enumerate(own):
        match one:
            case Asked() if one.document.name in _ABSOLUTE:
                absolute = one.document.name
            case Written():
                absolute = "LambdaLR"
            case Asked() if one.document.name == "CosineAnnealingLR" and one.value("eta_min"):
                raise NotPortable(
                    f"{call.path}: CosineAnnealingLR with an eta_min other than 0 is no factor of "
                    "the rate. Leave eta_min out, or write the formula."
                )
            case _:
                continue
        if place + 1 < len(own):
            raise NotPortable(
                f"{call.path}: {absolute} sets the rate anew at every step, so those after it "
                "change one step only. Put it last, or leave them out."
            )
        return one  # nothing of those before it is left
    return own[0] if len(own) == 1 else Product(tuple(own))


def _lambda(call: Call, given: Given, _: Inner) -> Member:
    """``LambdaLR``: the optimizer's rate times a function of the step."""
    factor = _function(call, "lr_lambda", given["lr_lambda"])
    return Written(factor, of_the_optimizer(given["optimizer"]).get("base_lr"))


def _step_by_step(call: Call, _: Given, __: Inner) -> Member:
    raise NotPortable(
        f"{call.path} multiplies step by step, which is a formula only if the factor is the same: "
        "write ExponentialLR(optimizer, gamma), or LambdaLR with the product."
    )


def _lambda_of_paddle(call: Call, given: Given, _: Inner) -> Member:
    """``LambdaDecay``: the rate is an argument."""
    rate = given["learning_rate"]
    known = isinstance(rate, int | float) and not isinstance(rate, bool)
    return Written(_function(call, "lr_lambda", given["lr_lambda"]), float(rate) if known else None)


def _joined(call: Call, given: Given, inner: Inner) -> Member:
    """``optax.join_schedules``: each member from its own step 0."""
    own = members(call, given["schedules"], inner)
    boundaries = updates(call, "boundaries", given["boundaries"])
    if len(boundaries) < len(own) - 1:
        raise NotPortable(
            f"{call.path}: {len(own)} schedules want {len(own) - 1} boundaries, but got "
            f"{len(boundaries)}. Give the updates between two of them."
        )
    return Succession(tuple(own), tuple(boundaries[: len(own) - 1]))


def _of_transformers(call: Call, given: Given, _: Inner) -> Member:
    """``transformers.get_scheduler``: the first argument says which."""
    special = given["scheduler_specific_kwargs"] or {}
    return asked(chosen(call, "transformers", _name(given["name"]), _said(given) | special))


def _of_diffusers(call: Call, given: Given, _: Inner) -> Member:
    """``diffusers.optimization.get_scheduler``, which knows shapes of its own too."""
    return asked(chosen(call, "diffusers", _name(given["name"]), _said(given)))


def _said(given: Given) -> dict[str, Any]:
    """What the schedule itself takes, of that which is given."""
    others = {n: v for n, v in given.items() if n not in _OF_A_NAME and v is not None}
    return {"optimizer": given["optimizer"], **others}


def _name(name: Any) -> Any:
    """``SchedulerType.COSINE_WITH_MIN_LR`` as the word that it is."""
    return name.text.rpartition(".")[2].lower() if isinstance(name, Unknown) else name


def _function(call: Call, name: str, value: Any) -> str:
    if isinstance(value, list) and value:
        if len(value) > 1:
            raise NotPortable(
                f"{call.path}: {name} has {len(value)} functions, one for each parameter group. "
                "Give one of them."
            )
        value = value[0]
    if not isinstance(value, Function):
        raise NotPortable(
            f"{call.path}: {name} is {told(value)}, which is no function to be read. Paste its "
            "`lambda step: ...`, or its `def` above, with one argument."
        )
    return formula(value)


WRAPPERS = (
    Wrapper(
        ("torch.optim.lr_scheduler.SequentialLR",),
        "optimizer, schedulers, milestones, last_epoch=-1, verbose=False",
        _sequential,
    ),
    Wrapper(("torch.optim.lr_scheduler.ChainedScheduler",), "schedulers, optimizer=None", _chained),
    Wrapper(
        ("torch.optim.lr_scheduler.LambdaLR",),
        "optimizer, lr_lambda, last_epoch=-1, verbose=False",
        _lambda,
    ),
    Wrapper(
        ("torch.optim.lr_scheduler.MultiplicativeLR", "paddle.optimizer.lr.MultiplicativeDecay"),
        "optimizer=None, lr_lambda=None, last_epoch=-1, verbose=False, *, learning_rate=None",
        _step_by_step,
    ),
    Wrapper(
        ("paddle.optimizer.lr.LambdaDecay",),
        "learning_rate, lr_lambda, last_epoch=-1, verbose=False",
        _lambda_of_paddle,
    ),
    Wrapper(
        ("optax.join_schedules", "optax.schedules.join_schedules"),
        "schedules, boundaries",
        _joined,
    ),
    Wrapper(
        ("transformers.get_scheduler", "transformers.optimization.get_scheduler"),
        "name, optimizer=None, num_warmup_steps=None, num_training_steps=None, "
        "scheduler_specific_kwargs=None",
        _of_transformers,
    ),
    Wrapper(
        ("diffusers.optimization.get_scheduler",),
        "name, optimizer=None, step_rules=None, num_warmup_steps=None, num_training_steps=None, "
        "num_cycles=None, power=None, last_epoch=-1",
        _of_diffusers,
    ),
)
