"""PyTorch: a function of a tensor of steps, and an ``LRScheduler``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..ops import Precedence
from ..ranges import Facts
from ..schedule import Parameter, Schedule
from .base import (
    AS_IT_IS,
    PYTHON_TYPES,
    Backend,
    Spelled,
    Style,
    View,
    array_body,
    guarded_parts,
    view_of,
)
from .choice import where_chain
from .companions import TORCH as TORCH_COMPANIONS
from .host import MATH, Table, spelt
from .layout import COLUMNS, fitting
from .torch_driven import DRIVEN, Driven
from .torch_observer import TORCH_OBSERVER
from .torch_rates import own_names, writing_lines
from .wording import formula_lines, parameter_lines, quantity, source_lines, wrapped

_SAME = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "expm1", "log1p", "abs")

ARRAY: Table = {
    **{name: spelt(f"torch.{name}({{0}})") for name in _SAME},
    "min": spelt("torch.minimum({0}, {1})"),
    "max": spelt("torch.maximum({0}, {1})"),
    "min:host": spelt("torch.clamp({0}, max={1})"),
    "max:host": spelt("torch.clamp({0}, min={1})"),
    "floor": spelt("torch.floor({0}).long()"),
    "ceil": spelt("torch.ceil({0}).long()"),
    "if": spelt("torch.where({0}, {1}, {2})"),
    "and": spelt("{0} & {1}", Precedence.COMPARE, Precedence.ATOM),
    "or": spelt("{0} | {1}", Precedence.COMPARE, Precedence.ATOM),
    "not": spelt("~{0}", Precedence.SIGN, Precedence.ATOM),
    "at": spelt("_entry({0}, {1}, torch.int64)"),
    "at:real": spelt("_entry({0}, {1}, torch.float64)"),
    "reached": spelt("_reached({0}, {1})"),
    "product": spelt(
        "_entry(list(itertools.accumulate({0}, operator.mul, initial=1.0)), {1}, torch.float64)"
    ),
    "total": spelt("_entry(list(itertools.accumulate({0}, initial=0)), {1}, torch.int64)"),
    "total:real": spelt("_entry(list(itertools.accumulate({0}, initial=0.0)), {1}, torch.float64)"),
    "uniform": spelt("_uniforms({0}, {1})"),
    "inf": spelt("math.inf"),
    "real": spelt("{0}.double()", operand=Precedence.ATOM),
    "fill": spelt(
        "torch.zeros_like(step, dtype=torch.float64) + {0}", Precedence.SUM, Precedence.PRODUCT
    ),
    "scalar": spelt("_scalar({0}, step)"),
}

STYLE = Style(array=ARRAY, host=MATH, pi="math.pi", casts=True, fills="one", wraps=True)


@dataclass(frozen=True, slots=True)
class SchedulerView:
    """What the template of the ``LRScheduler`` places.

    Attributes:
        template: That of the class.
        functions: That of the functions below it.
        driven: What it drives, if that is not the rate.
        class_name: That of the class.
        noun: What it drives, in a sentence.
        written: What it writes, in a sentence.
        saved_base: The base rates of a saved state as an entry, if the formula has a base.
        present_base: The present ones.
        columns: The values of all parameters, each one for all groups or one per group.
        summary: Of the docstring, its first sentence.
        intro: Its first paragraph.
        docs: Lines of the docstring for the other parameters.
        signature: ``name: type = default,`` for each of them.
        parameters: The dictionary of their values, as lines.
        lists: Those that are lists themselves.
        own_values: Takes from each group's values those that may differ between groups.
        shared_values: Keeps the others.
        shared_fields: ``name: type,`` for each of them.
        rate: Body of the function that returns what writes rates.
    """

    template: str
    functions: str
    driven: Driven | None
    class_name: str
    noun: str
    written: str
    saved_base: str
    present_base: str
    columns: str
    summary: tuple[str, ...]
    intro: tuple[str, ...]
    docs: tuple[str, ...]
    signature: tuple[str, ...]
    parameters: tuple[str, ...]
    lists: tuple[str, ...]
    own_values: tuple[str, ...]
    shared_values: tuple[str, ...]
    shared_fields: tuple[str, ...]
    rate: tuple[str, ...]


def _view(schedule: Schedule, facts: Sequence[Facts], always: Facts) -> View:
    plain = Spelled(schedule, schedule.lets, STYLE)
    lets, pieces = guarded_parts(schedule, facts, always, plain.is_host)
    spelled = Spelled(schedule, lets, STYLE)
    lines, chosen = array_body(schedule, lets, pieces, spelled)
    lines += where_chain(chosen, spelled, "torch.where({0}, {1}, {2})", "return {0}.to(dtype)")
    body = fitting(lines, schedule)
    schedulers = []
    if schedule.parameters and (schedule.drives == "lr" or schedule.drives in DRIVEN):
        schedulers = [_scheduler(schedule, writing_lines(schedule, facts, always))]
    view = view_of(
        schedule,
        framework="PyTorch",
        docstring=(
            f"{quantity(schedule)} at each ``step``, on the device ``step`` lives on.",
            "",
            *formula_lines(schedule),
            "",
            "Args:",
            "    step: Updates done, counted from 0: integers of any shape.",
            *parameter_lines(schedule),
            "    dtype: What the binary64 value is rounded to, once.",
            "",
            "Raises:",
            "    ValueError: For a parameter out of its range, naming it and the rule.",
            *source_lines(schedule),
        ),
        body=body,
        types=PYTHON_TYPES,
        rate_types=PYTHON_TYPES,
        casts=AS_IT_IS,
        schedulers=schedulers,
        more_code=[line for one in schedulers for line in one.rate],
        first=schedule.base,
        companions=TORCH_COMPANIONS,
        call_check=_eager_check(schedule),
    )
    return replace(view, imports=tuple(_imports(view)))


def _eager_check(schedule: Schedule) -> list[str] | None:
    """The call of ``_check`` where lists are looked through, entry by entry."""
    if not any(p.entry is not None for p in schedule.parameters):
        return None
    call = f"_check({', '.join(p.name for p in _ordered(schedule))})"
    return [
        "if not torch.compiler.is_compiling():  # which would unroll a look at every entry",
        *(f"    {line}" for line in wrapped(call, rest="    ", width=COLUMNS - 8)),
    ]


def _ordered(schedule: Schedule) -> list[Parameter]:
    """The parameters as ``_check`` takes them: the base first."""
    return sorted(schedule.parameters, key=lambda p: p.name != (schedule.base or p.name))


def _imports(view: View) -> list[str]:
    """Two blocks: standard library, torch; without a scheduler only what the function needs."""
    if not view.schedulers:
        blank = [""] if view.imports else []
        return [*view.imports, *blank, "import torch", "from torch import Tensor"]
    plain = [line for line in view.imports if line.startswith("import ")]
    arrays = ["import array"] if view.schedule.drives == "lr" else []
    return [
        *sorted([*arrays, "import copy", *plain]),
        "from collections.abc import Callable, Sequence",
        "from typing import Any, Literal",
        "",
        "import torch",
        "from torch import Tensor",
        "from torch.optim import Optimizer",
        "from torch.optim.lr_scheduler import LRScheduler",
    ]


def _scheduler(schedule: Schedule, rate: Sequence[str]) -> SchedulerView:
    driven = DRIVEN.get(schedule.drives)
    base = schedule.base if driven is None else None
    others = [p for p in _ordered(schedule) if p.name != base]
    own = own_names(schedule)
    shared = [p for p in schedule.parameters if p.name not in own]
    docs = [
        line
        for p in others
        for line in wrapped(
            f"{p.name}: {p.doc}{_PER_GROUP.get(p.type, '')}", " " * 8, " " * 12, 100
        )
    ]
    entries = [f'    "{p.name}": {_kept(p)},' for p in others]
    intro = _INTRO if base else _WITHOUT_BASE if driven is None else _DRIVEN
    place = "" if driven is None else driven.place
    return SchedulerView(
        template=f"torch_schedules/{'scheduler' if driven is None else 'driven'}.py.jinja",
        functions=f"torch_schedules/{'helpers' if driven is None else 'driven_functions'}.py.jinja",
        driven=driven,
        class_name=schedule.scheduler_name if driven is None else schedule.class_name,
        noun="``lr``" if driven is None else driven.noun,
        written="rate" if driven is None else "value",
        saved_base=f'"{base}": base_lrs, ' if base else "",
        present_base=f'"{base}": self.base_lrs, ' if base else "",
        columns=f'{{"{base}": [float(lr) for lr in base_lrs], **parameters}}'
        if base
        else "parameters",
        summary=tuple(
            wrapped(f"{schedule.title}: call ``step()`` after each update.", "", "    ", 93)
        ),
        intro=tuple(
            wrapped(intro.format(name=schedule.name, base=base, place=place), "    ", "    ", 100)
        ),
        docs=tuple(docs),
        signature=tuple(f"{p.name}: {_group_type(p)} = {p.spelling}," for p in others),
        parameters=("{", *entries, "}") if others else ("{}",),
        lists=tuple(p.name for p in others if p.entry is not None),
        own_values=_own_values(schedule, own),
        shared_values=_shared_values([p.name for p in shared]),
        shared_fields=tuple(f"{p.name}: {PYTHON_TYPES[p.type]}," for p in shared),
        rate=fitting(rate, schedule),
    )


def _own_values(schedule: Schedule, own: Sequence[str]) -> tuple[str, ...]:
    if not own:
        return ("own: list[tuple[float, ...]] = [()] * len(groups)",)
    if len(schedule.parameters) == 1:
        return ("own = values",)
    taken = [p.name if p.name in own else "_" for p in _ordered(schedule)]
    kept = f"({', '.join(own)})" if len(own) > 1 else f"({own[0]},)"
    line = f"own = [{kept} for {', '.join(taken)} in values]"
    if len(line) <= COLUMNS - 8:
        return (line,)
    values = _in_brackets("    ", own) if len(kept) > COLUMNS - 12 else [f"    {kept}"]
    loop = [f"    for {', '.join(taken)} in values"]
    if len(loop[0]) > COLUMNS - 8:
        loop = _in_brackets("    for ", taken)
        loop[-1] += " in values"
    return ("own = [", *values, *loop, "]")


def _in_brackets(head: str, names: Sequence[str]) -> list[str]:
    """``names`` as a tuple of one line each."""
    return [f"{head}(", *(f"        {name}," for name in names), "    )"]


def _shared_values(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ("self._shared: tuple[Any, ...] = ()",)
    return ("self._shared = (", *(f'    parameters["{name}"],' for name in names), ")")


_INTRO = (
    "The formula is that of :func:`{name}`, in binary64; a tensor ``lr`` is filled in place. "
    "``{base}`` of a parameter group is its ``initial_lr``: the ``lr`` that it had when its first "
    "scheduler was built, which ``optimizer.load_state_dict`` brings back. A group added later "
    "joins at the next ``step()``, with its own ``lr`` as ``{base}``."
)
_WITHOUT_BASE = (
    "The rate is that of :func:`{name}`, in binary64, whatever ``lr`` the optimizer had; a tensor "
    "``lr`` is filled in place. A group added later joins at the next ``step()``."
)
_DRIVEN = (
    "The value is that of :func:`{name}`, in binary64, and goes into {place}; a tensor there is "
    "filled in place. Rates are left to a scheduler of their own. A group added later joins at the "
    "next ``step()``."
)
_PER_GROUP = {"rate": " One value, or one per parameter group."}


def _kept(parameter: Parameter) -> str:
    """A value as the scheduler keeps it: one or one per group as a list, a list as a tuple."""
    if parameter.type == "rate":
        return f"_numbers({parameter.name})"
    return parameter.name if parameter.entry is None else f"tuple({parameter.name})"


def _group_type(parameter: Parameter) -> str:
    if parameter.type == "rate":
        return "float | Sequence[float]"
    return PYTHON_TYPES[parameter.type]


TORCH = Backend(
    "torch", "torch_schedules", "torch_schedules/module.py.jinja", _view, TORCH_OBSERVER
)
