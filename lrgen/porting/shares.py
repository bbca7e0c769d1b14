"""fvcore's schedules of the share of a run that is done, as detectron2 multiplies the rate by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ..catalogue import dialects
from ..document import ParameterShape
from ..pipeline import read as read_spec
from .calls import Asked, asked, of_the_optimizer, plain, signature
from .compose import Member, Product, Ruled, Stage, Succession
from .pasted import Call, NotPortable, told
from .wrappers import Given, Inner, Wrapper, matching

# fvcore's boundaries are a millionth of the run early, which a longer one has whole steps of.
LONGEST = 1_000_000
_COMPOSITE = "schedulers, lengths, interval_scaling"
_WARMUP = "scheduler, warmup_factor, warmup_length, warmup_method='linear', rescale_interval=False"
_LENGTHS = ("max_iter", "num_updates")
_SHAPES = {
    "CosineParamScheduler": "cosine",
    "MultiStepParamScheduler": "multi_step",
    "StepWithFixedGammaParamScheduler": "step_with_fixed_gamma",
}


def _multiplied(call: Call, given: Given, _: Inner) -> Member:
    """``LRMultiplier``: the optimizer's rate times a schedule of the share of ``max_iter``."""
    length = plain(call, "max_iter", given["max_iter"], "steps")
    if not isinstance(length, int) or length < 1:
        raise NotPortable(f"{call.path}: max_iter must be at least 1. Give the length of the run.")
    base = of_the_optimizer(given["optimizer"])
    known = _of_detectron(given["multiplier"], length)
    if known is not None:
        source = read_spec(dialects()["detectron2/LRMultiplier"])
        return Asked(source, {**known, **base, "max_iter": length})
    return _Multiplier(call, base.get("base_lr")).over(given["multiplier"], length)


def _of_detectron(call: Any, length: int) -> dict[str, Any] | None:
    """What detectron2's own configurations make, which is a dialect; None for anything else."""
    if not isinstance(call, Call) or call.name != "WarmupParamScheduler":
        return None
    given = _arguments(call, _WARMUP)
    main = given["scheduler"]
    curve = _curve(main, length) if isinstance(main, Call) and main.name in _SHAPES else None
    if curve is None:
        return None
    words = {name: given[name] for name in _arguments_of(_WARMUP) if name != "scheduler"}
    return {**curve, **words, "scheduler": _SHAPES[main.name]}


def _curve(call: Call, length: int) -> dict[str, Any] | None:
    """The curve of detectron2's that ``call`` is, from 1 on; None where it is another one."""
    values = asked(call).values
    match call.name, values:
        case "CosineParamScheduler", {"start_value": 1, "end_value": end}:
            return {"end_value": end}
        case "MultiStepParamScheduler", {
            "values": [1, gamma, *more],
            "milestones": [*milestones],
            "num_updates": whole,
        } if whole == length and len(more) + 1 == len(milestones) and _falls(gamma, more):
            return {"milestones": milestones, "gamma": gamma}
        case "StepWithFixedGammaParamScheduler", {
            "base_value": 1,
            "num_decays": count,
            "gamma": gamma,
        }:
            return {"num_decays": count, "gamma": gamma}
        case _:
            return None


def _falls(gamma: float, more: Sequence[float]) -> bool:
    """Whether ``more`` are the powers of ``gamma`` from the second on."""
    return all(math.isclose(v, gamma**k, rel_tol=1e-12) for k, v in enumerate(more, start=2))


@dataclass(frozen=True, slots=True)
class _Multiplier:
    """Schedules of shares, each times the optimizer's rate ``base`` where that is known."""

    call: Call
    base: float | None

    def over(self, value: Any, length: int) -> Member:
        """The schedule of shares that ``value`` is, over ``length`` steps."""
        if not isinstance(value, Call):
            raise NotPortable(
                f"{self.call.path}: multiplier is {told(value)}. Paste the call of fvcore "
                "that makes it."
            )
        match value.name:
            case "CompositeParamScheduler":
                return self.composite(value, length)
            case "WarmupParamScheduler":
                return self.warmed(value, length)
        one = asked(value)
        if one.library != "fvcore":
            raise NotPortable(f"{value.path} is no schedule of fvcore. Give one.")
        whole = one.value("num_updates") if "num_updates" in one.document.parameters else 0
        if one.document.name == "MultiStepParamScheduler" and whole != length:
            raise NotPortable(
                f"{value.path}: its updates are {whole}, but it runs over {length}. Give "
                f"num_updates {length}."
            )
        own = {name: length for name in _LENGTHS if name in one.document.parameters}
        return Product((replace(one, values={**one.values, **own}),), self.base)

    def composite(self, call: Call, length: int) -> Member:
        """``CompositeParamScheduler``: one after another, each over its share of the run."""
        given = _arguments(call, _COMPOSITE)
        schedulers, lengths, scaling = (given[name] for name in _arguments_of(_COMPOSITE))
        for name, entries in (("schedulers", schedulers), ("lengths", lengths)):
            if not isinstance(entries, list) or not entries:
                raise NotPortable(
                    f"{call.path}: {name} is no list. Give one with an entry for each."
                )
        matching(call, "lengths", lengths, len(schedulers))
        matching(call, "interval_scaling", scaling, len(schedulers))
        ends = list(itertools.accumulate(plain(call, "lengths", lengths, "real[]")))
        if abs(ends[-1] - 1.0) >= 1e-3:
            raise NotPortable(f"{call.path}: the lengths add up to {ends[-1]}. Make that 1.")
        milestones = [_whole(call, "lengths", end, length) for end in ends[:-1]]
        members, running = [], set()
        for place, (one, how, start, end) in enumerate(
            zip(schedulers, scaling, [0, *milestones], [*milestones, length])
        ):
            if how == "fixed":
                running.add(place)
            elif how != "rescaled":
                raise NotPortable(f"{call.path}: no scaling {told(how)}. Write fixed or rescaled.")
            members.append(self.over(one, length if how == "fixed" else end - start))
        return Succession(tuple(members), tuple(milestones), frozenset(running))

    def warmed(self, call: Call, length: int) -> Member:
        """``WarmupParamScheduler``: to where the schedule is then, or to its beginning."""
        given = _arguments(call, _WARMUP)
        warmup = _whole(call, "warmup_length", given["warmup_length"], length)
        rescaled = given["rescale_interval"] is True
        after = self.over(given["scheduler"], length - warmup if rescaled else length)
        if warmup == 0:
            return after
        aim, then = ("0", "step - warmup_steps") if rescaled else ("warmup_steps", "step")
        low = "warmup_factor * after[0]"
        match given["warmup_method"]:
            case "linear":
                rise = f"{low} + (after[{aim}] - {low}) * step / warmup_steps"
            case "constant":
                rise = low
            case other:
                raise NotPortable(
                    f"{call.path}: no warm-up {told(other)}. Write linear or constant."
                )
        steps = ParameterShape(
            type="steps", default=warmup, doc="Updates of the warm-up, at least 1."
        )
        factor = ParameterShape(
            type="real",
            default=plain(call, "warmup_factor", given["warmup_factor"], "real"),
            doc="Share of the schedule's first value at step 0.",
        )
        return Ruled(
            call.name,
            {"after": after},
            {"warmup_steps": steps, "warmup_factor": factor},
            (Stage("warmup", rise, "warmup_steps"), Stage("after", f"after[{then}]")),
            ("1 <= warmup_steps <= 2**53",),
        )


def _whole(call: Call, name: str, share: Any, length: int) -> int:
    """The update at which ``share`` of the run is done, which has to be a whole one."""
    exact = Fraction(plain(call, name, share, "real")) * length
    if length > LONGEST:
        raise NotPortable(
            f"{call.path}: over more than {LONGEST:,} steps fvcore is steps early at each boundary."
            " Write the schedule as a spec."
        )
    if abs(exact - round(exact)) > Fraction(1, 10**6):
        raise NotPortable(
            f"{call.path}: {name} {float(exact) / length} of {length} steps is {float(exact)} "
            "steps. Give a share that is a whole number of them."
        )
    return round(exact)


def _arguments(call: Call, text: str) -> dict[str, Any]:
    own = signature(text)
    given = {**own.defaults, **own.bound(call)}
    missing = [name for name in own.names if name not in given]
    if missing:
        raise NotPortable(f"{call.path}: the argument {missing[0]} is missing. Add it.")
    return given


def _arguments_of(text: str) -> tuple[str, ...]:
    return signature(text).names


def _of_no_run(call: Call, _: Given, __: Inner) -> Member:
    raise NotPortable(
        f"{call.path} knows shares of a run only. Give the run too: "
        f"LRMultiplier(optimizer, {call.name}(...), max_iter=90000)."
    )


WRAPPERS = (
    Wrapper(
        ("detectron2.solver.LRMultiplier", "detectron2.solver.lr_scheduler.LRMultiplier"),
        "optimizer, multiplier, max_iter, last_iter=-1",
        _multiplied,
    ),
    Wrapper(("fvcore.common.param_scheduler.CompositeParamScheduler",), _COMPOSITE, _of_no_run),
    Wrapper(
        (
            "detectron2.solver.lr_scheduler.WarmupParamScheduler",
            "detectron2.solver.WarmupParamScheduler",
        ),
        _WARMUP,
        _of_no_run,
    ),
)
