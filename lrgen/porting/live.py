"""Objects that a framework has made already: read by their attributes, as the calls that made them.

No framework is imported: an object is known by the module and the name of its class.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from .calls import chosen, dialect_of, shape, signature
from .pasted import Call, NotPortable

# What transformers' schedules are inside: a LambdaLR of one of these functions.
_LAMBDAS = {
    "_get_constant_lambda": "constant",
    "_get_constant_schedule_with_warmup_lr_lambda": "constant_with_warmup",
    "_get_linear_schedule_with_warmup_lr_lambda": "linear",
    "_get_cosine_schedule_with_warmup_lr_lambda": "cosine",
    "_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda": "cosine_with_restarts",
    "_get_cosine_with_min_lr_schedule_with_warmup_lr_rate_lambda": "cosine_warmup_with_min_lr",
    "_get_polynomial_decay_schedule_with_warmup_lr_lambda": "polynomial",
    "_get_inverse_sqrt_schedule_lr_lambda": "inverse_sqrt",
    "_get_wsd_scheduler_lambda": "warmup_stable_decay",
}


def call_of_object(thing: Any) -> Call:
    """The call that would make ``thing`` again, from its first step.

    Args:
        thing: A scheduler of torch, transformers or timm, a schedule or callback of Keras.

    Raises:
        NotPortable: For anything else, and for what cannot be read from attributes.
    """
    kind = type(thing)
    library = kind.__module__.partition(".")[0]
    path = f"{library}.{kind.__name__}"
    reader = _READERS.get(kind.__name__)
    if library == "torch" and reader is not None:
        return reader(thing)
    if library == "keras" and hasattr(thing, "get_config"):
        return Call(path, (), {k: v for k, v in thing.get_config().items() if k != "name"})
    if library in ("torch", "keras", "timm", "transformers"):
        return _by_attributes(thing, path)
    raise NotPortable(
        f"a {kind.__module__}.{kind.__name__} cannot be read. Give a scheduler of torch, "
        "transformers or timm, a schedule of Keras, or the call as text."
    )


def _by_attributes(thing: Any, path: str, **others: Any) -> Call:
    """Classes that keep their arguments under the same names."""
    source, _ = dialect_of(Call(path))
    how = shape(source)
    taken = signature(how.signature)
    keywords = {
        name: _plain(getattr(thing, name))
        for name in taken.names
        if hasattr(thing, name) and name not in how.beside
    }
    return Call(path, (), keywords | others | {"optimizer": _optimizer(thing)})


def _optimizer(thing: Any) -> Call:
    """An optimizer with the rate that the first group had before the schedule changed it."""
    rates = getattr(thing, "base_lrs", None) or getattr(thing, "base_values", None)
    if not rates:
        rates = [group["lr"] for group in thing.optimizer.param_groups]
    return Call("torch.optim.Optimizer", (), {"lr": float(rates[0])})


def _plain(value: Any) -> Any:
    """Lists as lists; numbers of a framework as those of Python."""
    match value:
        case Counter():
            return sorted(value.elements())
        case tuple() | list():
            return [_plain(entry) for entry in value]
        case _ if hasattr(value, "item"):
            return value.item()
        case _:
            return value


def _one_cycle(thing: Any) -> Call:
    group, phases = thing.optimizer.param_groups[0], thing._schedule_phases
    keywords = {
        "max_lr": group["max_lr"],
        "total_steps": thing.total_steps,
        "pct_start": _share(phases[0]["end_step"] + 1, thing.total_steps),
        "anneal_strategy": thing._anneal_func_type,
        "div_factor": _ratio(group["max_lr"], group["initial_lr"]),
        "final_div_factor": _ratio(group["initial_lr"], group["min_lr"]),
        "three_phase": len(phases) == 3,
    }
    keywords |= {name: group[name] for name in ("base_momentum", "max_momentum") if name in group}
    return Call("torch.optim.lr_scheduler.OneCycleLR", (), keywords)


def _cyclic(thing: Any) -> Call:
    up = round(thing.total_size * thing.step_ratio)
    keywords = {
        "base_lr": float(thing.base_lrs[0]),
        "max_lr": float(thing.max_lrs[0]),
        "step_size_up": up,
        "step_size_down": round(thing.total_size) - up,
        "mode": thing.mode,
        "gamma": thing.gamma,
    }
    if thing._scale_fn_custom is not None:
        raise NotPortable("CyclicLR with a scale_fn cannot be read. Write its formula.")
    return Call("torch.optim.lr_scheduler.CyclicLR", (), keywords)


def _averaging(thing: Any) -> Call:
    keywords = {
        "swa_lr": float(thing.optimizer.param_groups[0]["swa_lr"]),
        "anneal_epochs": thing.anneal_epochs,
        "anneal_strategy": thing._anneal_strategy,
        "optimizer": _optimizer(thing),
    }
    return Call("torch.optim.swa_utils.SWALR", (), keywords)


def _plateau(thing: Any) -> Call:
    return _by_attributes(
        thing, "torch.optim.lr_scheduler.ReduceLROnPlateau", min_lr=float(thing.min_lrs[0])
    )


def _lambda(thing: Any) -> Call:
    function = thing.lr_lambdas[0]
    inner = function.func if isinstance(function, functools.partial) else function
    name = _LAMBDAS.get(getattr(inner, "__name__", ""))
    if name is None or not getattr(inner, "__module__", "").startswith("transformers"):
        raise NotPortable(
            "the function of a LambdaLR cannot be read from the object. Give its text: "
            "`LambdaLR(optimizer, lambda step: ...)`."
        )
    given: Mapping[str, Any] = getattr(function, "keywords", {})
    if name == "cosine" and "min_lr_rate" in given:
        name = "cosine_with_min_lr"
    return chosen(Call("LambdaLR"), "transformers", name, {**given, "optimizer": _optimizer(thing)})


def _sequential(thing: Any) -> Call:
    members = [call_of_object(one) for one in thing._schedulers]
    return Call(
        "torch.optim.lr_scheduler.SequentialLR",
        (),
        {"schedulers": members, "milestones": list(thing._milestones), "optimizer": None},
    )


def _chained(thing: Any) -> Call:
    members = [call_of_object(one) for one in thing._schedulers]
    return Call("torch.optim.lr_scheduler.ChainedScheduler", (), {"schedulers": members})


def _share(part: float, whole: int) -> float:
    """The share that gave ``part`` of ``whole``, as short as it can be written."""
    return _shortest(part / whole, lambda share: share * whole == part)


def _ratio(top: float, bottom: float) -> float:
    return _shortest(top / bottom, lambda ratio: top / ratio == bottom)


def _shortest(value: float, fits: Callable[[float], bool]) -> float:
    """The number of fewest digits near ``value`` that gives the same."""
    near = (float(f"{value:.{digits}g}") for digits in range(1, 18))
    return next((one for one in near if fits(one)), value)


_READERS: dict[str, Callable[[Any], Call]] = {
    "OneCycleLR": _one_cycle,
    "CyclicLR": _cyclic,
    "SWALR": _averaging,
    "ReduceLROnPlateau": _plateau,
    "LambdaLR": _lambda,
    "SequentialLR": _sequential,
    "ChainedScheduler": _chained,
}
