"""Schedules one after another: of ignite, praxis and fastai."""

from __future__ import annotations

import itertools
import math
from typing import Any

from ..catalogue import dialects
from ..document import ParameterShape
from ..pipeline import read as read_spec
from .calls import Asked, plain
from .compose import Ahead, Member, Ruled, Stage, Succession
from .pasted import Call, NotPortable, told
from .wrappers import Given, Inner, Wrapper, matching, members, updates

# What fastai's functions do with the share of their stretch that is done.
_ANNEALERS = {
    "SchedNo": "start",
    "SchedLin": "start + (end - start) * DONE / LENGTH",
    "SchedCos": "start + (end - start) * (1 - cos(pi * DONE / LENGTH)) / 2",
    "SchedExp": "start * (end / start) ** (DONE / LENGTH)",
    "SchedPoly": "start + (end - start) * (DONE / LENGTH) ** power",
}
_RUN = 1_000


def _concatenated(call: Call, given: Given, inner: Inner) -> Member:
    """ignite's ``ConcatScheduler``: each for so many events, from its own step 0."""
    own = members(call, given["schedulers"], inner)
    durations = given["durations"]
    if not isinstance(durations, list) or not all(type(d) is int and d >= 0 for d in durations):
        raise NotPortable(f"{call.path}: durations must be a list of numbers of events.")
    matching(call, "durations", durations, len(own) - 1)
    return Succession(tuple(own), tuple(itertools.accumulate(durations)))


def _warmed(call: Call, given: Given, inner: Inner) -> Member:
    """ignite's ``create_lr_scheduler_with_warmup``: a line, then the schedule.

    The line leads to the schedule's own first rate, which it then leaves out; to another one it
    goes at once.
    """
    after = inner(given["lr_scheduler"])
    if not isinstance(after, Asked):
        raise NotPortable(f"{call.path}: a schedule made of others is not read. Give a plain one.")
    first = _first_rate(call, after)
    low = plain(call, "warmup_start_value", given["warmup_start_value"], "rate")
    high = given["warmup_end_value"]
    aim = first if high is None else plain(call, "warmup_end_value", high, "rate")
    length = plain(call, "warmup_duration", given["warmup_duration"], "steps")
    if not isinstance(length, int) or length < 2:
        raise NotPortable(f"{call.path}: warmup_duration must be at least 2. Give more events.")
    of_torch = after.library == "torch"
    points = [(0, low), (length - 1, aim)]
    if of_torch and first != aim:
        points.append((length, first))
    elif not of_torch and first == aim:
        points[1:] = [(length - 2, aim - (aim - low) / (length - 1))] if length > 2 else []
    source = read_spec(dialects()["ignite/PiecewiseLinear"])
    line = Asked(
        source, {"milestones": [at for at, _ in points], "values": [rate for _, rate in points]}
    )
    # A scheduler of torch is one step ahead, so that its first rate does not come twice.
    then = Ahead(after) if of_torch else after
    return Succession((line, then), (points[-1][0] + 1,))


def _first_rate(call: Call, after: Asked) -> float:
    match after:
        case Asked(library="torch"):
            rate = after.values.get("base_lr")
        case Asked(library="ignite") if after.document.name == "PiecewiseLinear":
            rate = after.value("values")[0]
        case Asked(library="ignite"):
            rate = after.value("start_value")
        case _:
            raise NotPortable(f"{call.path}: takes schedules of ignite and of torch. Give one.")
    if rate is None:
        raise NotPortable(
            f"{call.path}: the optimizer's rate is not known here. Put it in its place: "
            "torch.optim.SGD(parameters, lr=0.1)."
        )
    return float(rate)


def _piecewise(call: Call, given: Given, inner: Inner) -> Member:
    """praxis' ``PiecewiseSchedule``: as optax.join_schedules."""
    own = members(call, given["schedules"], inner)
    boundaries = updates(call, "boundaries", given["boundaries"])
    matching(call, "boundaries", boundaries, len(own) - 1)
    return Succession(tuple(own), tuple(boundaries))


def _cycled(call: Call, given: Given, inner: Inner) -> Member:
    """praxis' ``CycleSchedule``: turn by turn, all of them counting from step 0."""
    own = members(call, given["schedules"], inner)
    steps = given["steps"]
    if not isinstance(steps, list) or not all(type(one) is int and one >= 1 for one in steps):
        raise NotPortable(f"{call.path}: steps must be a list of numbers of at least 1.")
    matching(call, "steps", steps, len(own))
    turns = {f"turn_{place}": one for place, one in enumerate(own, start=1)}
    lengths = {
        f"steps_{place}": ParameterShape(
            type="steps", default=one, doc=f"Steps of turn {place}, at least 1."
        )
        for place, one in enumerate(steps, start=1)
    }
    value = ""
    for place, turn in reversed(list(enumerate(turns, start=1))):
        end = " + ".join(list(lengths)[:place])
        place_of = f"step % ({' + '.join(lengths)})"
        value = f"{turn}[step] if {place_of} < {end} else {value}" if value else f"{turn}[step]"
    require = tuple(f"1 <= {name} <= 2**40" for name in lengths)
    return Ruled(call.name, turns, lengths, (Stage("turns", value),), require)


def _combined(call: Call, given: Given, _: Inner) -> Member:
    """fastai's ``combine_scheds``: each function over its share of the run."""
    shares = plain(call, "pcts", given["pcts"], "real[]")
    schedules = given["scheds"]
    if not isinstance(schedules, list) or not isinstance(shares, list) or not schedules:
        raise NotPortable(f"{call.path}: pcts and scheds must be lists. Give an entry for each.")
    matching(call, "pcts", shares, len(schedules))
    if not math.isclose(math.fsum(shares), 1.0, rel_tol=1e-9) or min(shares) <= 0:
        raise NotPortable(f"{call.path}: pcts must be above 0 and add up to 1.")
    own: dict[str, ParameterShape] = {
        "total_steps": ParameterShape(
            type="steps", default=_RUN, doc="Updates of the whole run, at least 1."
        )
    }
    stages, before = [], ""
    require = ["1 <= total_steps <= 2**40"]
    for place, (share, one) in enumerate(zip(shares, schedules), start=1):
        share_name = f"share_{place}"
        formula, parameters = _annealer(call, one, place)
        now = "min(step, total_steps)" if place == len(shares) else "step"
        done = now if not before else f"max({now} - ({before}) * total_steps, 0)"
        length = f"({share_name} * total_steps)"
        end = f"{before} + {share_name}" if before else share_name
        last = place == len(shares)
        name = f"part_{place}"
        own[share_name] = ParameterShape(
            type="real", default=share, doc=f"Share of the run of part {place}, above 0."
        )
        own |= parameters
        require.append(f"1e-6 <= {share_name} <= 1")
        if "**" in formula:
            power = f"power_{place}"
            ends = f"start_{place}", f"end_{place}"
            require += (
                [f"0 < {power} <= 10"]
                if power in parameters
                else [*(f"{one} > 0" for one in ends), f"1e-12 <= {ends[1]} / {ends[0]} <= 1e12"]
            )
        until = None if last else f"ceil(({end}) * total_steps - 1e-6)"
        stages.append(Stage(name, formula.replace("DONE", done).replace("LENGTH", length), until))
        before = end
    note = f"total_steps is {_RUN}, for the call does not say: set total_steps."
    return Ruled(call.name, {}, own, tuple(stages), tuple(require), (note,))


def _annealer(call: Call, value: Any, place: int) -> tuple[str, dict[str, ParameterShape]]:
    """The formula of one function, and its parameters."""
    if not isinstance(value, Call) or value.name not in _ANNEALERS:
        raise NotPortable(
            f"{call.path}: {told(value)} is none of {', '.join(_ANNEALERS)}. Give one of these."
        )
    names = ["start", "end", *(["power"] if value.name == "SchedPoly" else [])]
    values = dict(zip(names, value.arguments)) | value.keywords
    if set(values) != set(names):
        raise NotPortable(f"{value.path} takes {', '.join(names)}. Give each of them.")
    kinds = {"start": "rate", "end": "rate", "power": "real"}
    docs = {"start": "Value at its begin", "end": "Value at its end", "power": "Exponent"}
    used = ["start"] if value.name == "SchedNo" else names
    own = {
        f"{name}_{place}": ParameterShape(
            type=kinds[name],  # type: ignore[arg-type]
            default=plain(value, name, values[name], kinds[name]),
            doc=f"{docs[name]}, of part {place}.",
        )
        for name in used
    }
    formula = _ANNEALERS[value.name]
    for name in used:
        formula = formula.replace(name, f"{name}_{place}")
    return formula, own


_HANDLERS = ("ignite.handlers", "ignite.handlers.param_scheduler", "ignite.contrib.handlers")
WRAPPERS = (
    Wrapper(
        tuple(f"{module}.ConcatScheduler" for module in _HANDLERS),
        "schedulers, durations, save_history=False",
        _concatenated,
    ),
    Wrapper(
        tuple(f"{module}.create_lr_scheduler_with_warmup" for module in _HANDLERS),
        "lr_scheduler, warmup_start_value, warmup_duration, warmup_end_value=None, "
        "save_history=False, output_simulated_values=None",
        _warmed,
    ),
    Wrapper(
        ("praxis.schedules.PiecewiseSchedule",),
        "*, name='', boundaries, schedules",
        _piecewise,
    ),
    Wrapper(("praxis.schedules.CycleSchedule",), "*, name='', schedules, steps", _cycled),
    Wrapper(
        (
            "fastai.callback.schedule.combine_scheds",
            "fastai.callback.all.combine_scheds",
            "fastai.vision.all.combine_scheds",
        ),
        "pcts, scheds",
        _combined,
    ),
)
