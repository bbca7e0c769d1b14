"""What the emitted ``LRScheduler`` promises, on ``CosineWarmupLR``."""

import copy
import io
import itertools
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from emitted import load_emitted
from torch._dynamo.testing import CompileCounter
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
    StepLR,
)

emitted = load_emitted("torch", "cosine_warmup")
reference = load_emitted("python", "cosine_warmup").cosine_warmup
CosineWarmupLR = emitted.CosineWarmupLR

PLAN = {"warmup_steps": 4, "total_steps": 17}
LENGTH = 22  # past the end


def rate(step: int, peak_lr: float = 0.1, end_lr: float = 0.0, **plan: int) -> float:
    return reference(step, peak_lr=peak_lr, end_lr=end_lr, **(PLAN | plan))


def make_optimizer(*lrs: Any, kind: type[Optimizer] = SGD, **options: Any) -> Optimizer:
    groups = [{"params": [torch.ones(2, requires_grad=True)], "lr": lr} for lr in lrs or (0.1,)]
    return kind(groups, **options)


def lrs_of(optimizer: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def advance(optimizer: Optimizer, scheduler: LRScheduler, updates: int) -> list[list[float]]:
    """The rates that stand in the optimizer at each of the next updates."""
    applied = []
    for _ in range(updates):
        applied.append(lrs_of(optimizer))
        optimizer.step()
        scheduler.step()
    return applied


# --- values ---------------------------------------------------------------------------------------


def probed_rates(optimizer: Optimizer, scheduler: LRScheduler | None, updates: int) -> list[float]:
    """With loss = sum(w) the gradient is 1: weights of 0 become minus the applied rate."""
    (weights,) = optimizer.param_groups[0]["params"]
    rates = []
    for _ in range(updates):
        with torch.no_grad():
            weights.zero_()
        optimizer.zero_grad()
        weights.sum().backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        rates.append(-weights[0].item())
    return rates


def test_sgd_weights_fall_by_the_schedule_at_each_update() -> None:
    optimizer = SGD([torch.zeros(3, dtype=torch.float64, requires_grad=True)], lr=0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN, end_lr=0.01)

    applied = probed_rates(optimizer, scheduler, LENGTH)

    assert [rate(step, end_lr=0.01) for step in range(LENGTH)] == applied


def test_the_probe_sees_a_schedule_that_is_one_update_late() -> None:
    optimizer = SGD([torch.zeros(3, dtype=torch.float64, requires_grad=True)], lr=0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    first = probed_rates(optimizer, None, 1)

    applied = first + probed_rates(optimizer, scheduler, LENGTH - 1)

    assert [rate(step) for step in range(LENGTH)] != applied


def test_each_group_has_its_own_base_rate() -> None:
    optimizer = make_optimizer(0.1, 0.3, 0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN)

    applied = advance(optimizer, scheduler, LENGTH)

    assert [[rate(k), rate(k, 0.3), rate(k)] for k in range(LENGTH)] == applied


def test_other_rates_are_one_value_or_one_per_group() -> None:
    optimizer = make_optimizer(0.1, 0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN, end_lr=[0.01, 0.02])

    applied = advance(optimizer, scheduler, LENGTH)

    assert [[rate(k, end_lr=0.01), rate(k, end_lr=0.02)] for k in range(LENGTH)] == applied


def test_groups_with_equal_values_are_computed_once_by_a_plan_that_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = load_emitted("torch", "cosine_warmup")
    writer = module._writer
    counts: list[int] = []

    def counted(rows: list[Any], *values: Any) -> Callable[[int], None]:
        counts.append(len(rows))
        return writer(rows, *values)

    monkeypatch.setattr(module, "_writer", counted)
    for lrs in ([0.1] * 6, [0.1, 0.2] * 3, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]):
        optimizer = make_optimizer(*lrs)
        scheduler = module.CosineWarmupLR(optimizer, **PLAN)
        optimizer.step()
        for _ in range(LENGTH):  # the first of which warns where it must, and plans again
            scheduler.step()

    assert [1, 1, 2, 2, 6, 6] == counts


def test_a_whole_number_as_lr_becomes_the_schedule() -> None:
    optimizer = make_optimizer(1)
    scheduler = CosineWarmupLR(optimizer, **PLAN)

    assert [[rate(k, 1.0)] for k in range(LENGTH)] == advance(optimizer, scheduler, LENGTH)


def test_a_changed_base_rate_holds_from_the_next_step_on() -> None:
    optimizer = make_optimizer(0.1, 0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    advance(optimizer, scheduler, 6)
    scheduler.base_lrs[1] = 0.4
    advance(optimizer, scheduler, 1)

    assert [rate(7), rate(7, 0.4)] == lrs_of(optimizer)


# --- the tensor function --------------------------------------------------------------------------


def test_the_tensor_function_rounds_the_binary64_value_once() -> None:
    steps = torch.arange(LENGTH)

    exact = [rate(step) for step in range(LENGTH)]
    single = emitted.cosine_warmup(steps, peak_lr=0.1, **PLAN)
    double = emitted.cosine_warmup(steps, peak_lr=0.1, **PLAN, dtype=torch.float64)

    assert torch.float32 == single.dtype
    assert torch.tensor(exact, dtype=torch.float64).float().tolist() == single.tolist()
    assert pytest.approx(exact, rel=8 * 2**-52) == double.tolist()


def test_the_tensor_function_compiles_as_one_graph_and_not_again_for_other_steps() -> None:
    counter = CompileCounter()
    compiled = torch.compile(emitted.cosine_warmup, fullgraph=True, backend=counter)

    for first in (0, 3, 2**40):
        steps = torch.arange(first, first + LENGTH)
        assert torch.equal(emitted.cosine_warmup(steps, **PLAN), compiled(steps, **PLAN))

    assert 1 == counter.frame_count


# --- wrong arguments ------------------------------------------------------------------------------

WRONG = [
    (
        {"warmup_steps": 20, "total_steps": 10},
        "warmup_steps <= total_steps does not hold: warmup_steps = 20, total_steps = 10",
    ),
    ({"end_lr": 0.5}, "end_lr <= peak_lr does not hold: end_lr = 0.5, peak_lr = 0.1"),
    ({"warmup_steps": -1}, "warmup_steps must be an integer >= 0, got -1"),
    ({"total_steps": 2e5}, "total_steps must be an integer >= 0, got 200000.0"),
    ({"end_lr": math.nan}, "end_lr must be a finite number >= 0, got nan"),
    ({"end_lr": -0.5}, "end_lr must be a finite number >= 0, got -0.5"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_the_function_names_parameter_rule_and_value(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        emitted.cosine_warmup(torch.arange(3), peak_lr=0.1, **arguments)

    assert message == str(caught.value)


@pytest.mark.parametrize("peak_lr", [math.nan, math.inf, -1.0])
def test_the_function_refuses_a_peak_that_is_no_rate(peak_lr: float) -> None:
    with pytest.raises(ValueError) as caught:
        emitted.cosine_warmup(torch.arange(3), peak_lr=peak_lr)

    assert f"peak_lr must be a finite number >= 0, got {peak_lr}" == str(caught.value)


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_the_scheduler_names_parameter_rule_value_and_group(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        CosineWarmupLR(make_optimizer(0.9, 0.1), **arguments)

    group = 1 if "peak_lr" in message else 0
    assert f"{message} (parameter group {group})" == str(caught.value)


def test_a_refused_scheduler_leaves_the_rates_alone() -> None:
    optimizer = make_optimizer(0.1)
    with pytest.raises(ValueError, match="does not hold"):
        CosineWarmupLR(optimizer, warmup_steps=20, total_steps=10)

    assert [0.1] == lrs_of(optimizer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_change": "ignore"}, "on_change must be 'error', 'keep' or 'restore', got 'ignore'"),
        ({"last_epoch": -2}, "last_epoch must be an integer >= -1, got -2"),
        ({"end_lr": [0.0, 0.0, 0.0]}, "end_lr has 3 values for 2 parameter groups: give one "),
    ],
)
def test_the_scheduler_refuses_what_it_cannot_mean(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        CosineWarmupLR(make_optimizer(0.1, 0.2), **arguments)

    assert str(caught.value).startswith(message)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("epoch", [-1, 2.5])
def test_an_epoch_is_a_whole_number_from_0(epoch: Any) -> None:
    optimizer = make_optimizer()
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    optimizer.step()

    with pytest.raises(ValueError, match=f"epoch must be an integer >= 0, got {epoch}"):
        scheduler.step(epoch)


# --- what torch promises of a scheduler -----------------------------------------------------------


def test_counters_and_last_rates_follow_torch() -> None:
    ours, theirs = make_optimizer(0.1, 0.3), make_optimizer(0.1, 0.3)
    scheduler = CosineWarmupLR(ours, **PLAN)
    native: LRScheduler = LambdaLR(theirs, lambda step: 1 / (step + 1))

    assert issubclass(CosineWarmupLR, LRScheduler)
    for updates in range(LENGTH):
        assert native.last_epoch == scheduler.last_epoch
        assert native._step_count == scheduler._step_count
        assert lrs_of(ours) == scheduler.get_last_lr() == scheduler._last_lr
        assert lrs_of(ours) == scheduler.get_lr() == scheduler._get_closed_form_lr()
        assert [rate(updates), rate(updates, 0.3)] == scheduler.get_last_lr()
        advance(ours, scheduler, 1)
        advance(theirs, native, 1)


def test_last_rates_are_floats_or_copies_of_the_tensors() -> None:
    optimizer = make_optimizer(0.1, torch.tensor(0.3))
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    advance(optimizer, scheduler, 6)

    first, second = scheduler.get_last_lr()
    expected = optimizer.param_groups[1]["lr"].clone()
    assert float is type(first)
    assert torch.equal(expected, second)

    second.zero_()
    assert torch.equal(expected, optimizer.param_groups[1]["lr"])
    assert torch.equal(expected, scheduler.get_last_lr()[1])


def order_warnings(optimizer: Optimizer, calls: str, scheduler: LRScheduler) -> int:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for call in calls:
            (optimizer if call == "o" else scheduler).step()
    return sum("before `optimizer.step()`" in str(warning.message) for warning in caught)


@pytest.mark.parametrize(("calls", "count"), [("ososos", 0), ("sososo", 1), ("sss", 1)])
def test_the_wrong_order_of_calls_is_warned_of_once(calls: str, count: int) -> None:
    optimizer = make_optimizer()

    assert count == order_warnings(optimizer, calls, CosineWarmupLR(optimizer, **PLAN))


def test_a_resumed_run_warns_of_the_wrong_order_too() -> None:
    optimizer = make_optimizer()
    optimizer.param_groups[0]["initial_lr"] = 0.1

    scheduler = CosineWarmupLR(optimizer, **PLAN, last_epoch=6)
    assert 1 == order_warnings(optimizer, "soso", scheduler)


def test_an_overridden_optimizer_step_is_warned_of() -> None:
    optimizer = make_optimizer()
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    optimizer.step = lambda: None  # type: ignore[method-assign, assignment]

    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()


def test_a_step_to_an_epoch_is_accepted_with_torch_s_warning() -> None:
    optimizer = make_optimizer()
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    optimizer.step()
    with pytest.warns(UserWarning, match="The epoch parameter"):
        scheduler.step(9)

    assert 9 == scheduler.last_epoch
    assert [rate(9)] == lrs_of(optimizer)


def test_the_update_of_the_base_class_writes_the_same_rates() -> None:
    optimizer = make_optimizer(0.1, torch.tensor(0.3))
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    twin = copy.deepcopy(scheduler)
    for _ in range(LENGTH):
        LRScheduler._update_lr(twin)  # what other releases of torch do within `step()`
        advance(optimizer, scheduler, 1)

        assert lrs_of(optimizer) == lrs_of(twin.optimizer)
        assert scheduler.get_last_lr() == twin.get_last_lr()


def test_hooks_of_the_optimizer_run_once_per_update() -> None:
    optimizer = make_optimizer()
    seen: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("pre"))
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    optimizer.register_step_post_hook(lambda *_: seen.append("post"))
    advance(optimizer, scheduler, 3)

    assert ["pre", "post"] * 3 == seen


@pytest.mark.parametrize("lrs", [(0.1, 0.3), (torch.tensor(0.1), 0.3)])
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda scheduler: pickle.loads(pickle.dumps(scheduler))],
    ids=["deep_copy", "pickle"],
)
@pytest.mark.filterwarnings("error")
def test_a_copy_goes_its_own_way(duplicate: Callable[[Any], Any], lrs: tuple[Any, ...]) -> None:
    optimizer = make_optimizer(*lrs)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    advance(optimizer, scheduler, 3)
    twin = duplicate(scheduler)
    kept = lrs_of(optimizer)

    applied = advance(twin.optimizer, twin, LENGTH - 3)

    assert kept == lrs_of(optimizer)
    assert advance(optimizer, scheduler, LENGTH - 3) == applied


# --- tensor rates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tensor_rate_is_filled_in_place_from_the_binary64_value(dtype: torch.dtype) -> None:
    tensors = [torch.tensor(0.1, dtype=dtype), torch.tensor(0.3, dtype=dtype)]
    bases = [tensor.item() for tensor in tensors]
    optimizer = make_optimizer(*tensors, kind=AdamW)
    scheduler = CosineWarmupLR(optimizer, **PLAN)

    for step in range(LENGTH):
        for group, tensor, base in zip(optimizer.param_groups, tensors, bases):
            assert tensor is group["lr"]
            assert torch.equal(torch.tensor(rate(step, base), dtype=dtype), tensor)
            assert base == group["initial_lr"].item()
        advance(optimizer, scheduler, 1)


def test_torch_s_own_cosine_drifts_in_a_float32_tensor() -> None:
    tensor = torch.tensor(0.1)
    optimizer = make_optimizer(tensor)
    scheduler = CosineAnnealingLR(optimizer, 400)
    applied = advance(optimizer, scheduler, 400)

    closed = [[torch.tensor(0.05 * (1 + math.cos(math.pi * k / 400))).item()] for k in range(400)]
    assert closed != applied


def test_a_tensor_that_replaces_a_float_is_filled_from_then_on() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    advance(optimizer, scheduler, 5)
    tensor = torch.tensor(optimizer.param_groups[0]["lr"])
    optimizer.param_groups[0]["lr"] = tensor
    advance(optimizer, scheduler, 1)

    assert tensor is optimizer.param_groups[0]["lr"]
    assert torch.equal(torch.tensor(rate(6)), tensor)


def test_one_tensor_may_serve_groups_with_equal_rates() -> None:
    tensor = torch.tensor(0.1, dtype=torch.float64)
    optimizer = make_optimizer(tensor, 0.3, tensor)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    writes = tensor._version

    expected = [[rate(k), rate(k, 0.3), rate(k)] for k in range(LENGTH)]
    assert expected == advance(optimizer, scheduler, LENGTH)
    assert writes + LENGTH == tensor._version  # filled once a step


def test_one_tensor_of_groups_with_different_rates_is_an_error() -> None:
    tensor = torch.tensor(0.1)

    with pytest.raises(ValueError, match="groups 0 and 2 share one tensor as their lr"):
        CosineWarmupLR(make_optimizer(tensor, 0.1, tensor), **PLAN, end_lr=[0.0, 0.0, 0.01])


# --- groups added later ---------------------------------------------------------------------------


def add_group(optimizer: Optimizer, lr: Any) -> None:
    optimizer.add_param_group({"params": [torch.ones(2, requires_grad=True)], "lr": lr})


@pytest.mark.parametrize("as_lr", [float, torch.tensor], ids=["float", "tensor"])
def test_a_group_added_later_joins_with_its_own_rate(as_lr: Callable[[float], Any]) -> None:
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    advance(optimizer, scheduler, 5)
    add_group(optimizer, as_lr(0.25))

    applied = advance(optimizer, scheduler, 4)

    assert [[rate(5), 0.25]] + [[rate(k), rate(k, 0.25)] for k in (6, 7, 8)] == [
        [first, second if as_lr is float else pytest.approx(second, rel=2**-24)]
        for first, second in applied
    ]
    assert 2 == len(scheduler.get_last_lr())
    assert 0.25 == float(optimizer.param_groups[1]["initial_lr"])


def test_torch_s_own_schedulers_raise_when_a_group_is_added() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = LambdaLR(optimizer, lambda step: 1.0)
    optimizer.step()
    add_group(optimizer, 0.25)

    with pytest.raises(ValueError):
        scheduler.step()


def test_a_group_that_breaks_a_rule_is_named_when_it_joins() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN, end_lr=0.05)
    optimizer.step()
    add_group(optimizer, 0.01)

    with pytest.raises(ValueError) as caught:
        scheduler.step()

    message = "end_lr <= peak_lr does not hold: end_lr = 0.05, peak_lr = 0.01 (parameter group 1)"
    assert message == str(caught.value)


def test_a_list_of_rates_is_too_short_for_an_added_group_and_the_way_out_works() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN, end_lr=[0.01])
    advance(optimizer, scheduler, 5)
    add_group(optimizer, 0.25)

    with pytest.raises(ValueError) as caught:
        scheduler.step()
    assert str(caught.value).startswith("end_lr has 1 values for 2 parameter groups: give one ")
    assert "build the scheduler again with last_epoch=scheduler.last_epoch - 1" in str(caught.value)
    assert 5 == scheduler.last_epoch

    again = CosineWarmupLR(
        optimizer, **PLAN, end_lr=[0.01, 0.02], last_epoch=scheduler.last_epoch - 1
    )
    again.step()
    assert [rate(6, end_lr=0.01), rate(6, 0.25, end_lr=0.02)] == lrs_of(optimizer)


# --- saving and resuming --------------------------------------------------------------------------


def test_a_state_is_plain_data() -> None:
    optimizer = make_optimizer(torch.tensor(0.1), 0.3)
    scheduler = CosineWarmupLR(optimizer, **PLAN, end_lr=[0.0, 0.01])
    advance(optimizer, scheduler, 3)
    state = scheduler.state_dict()
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)

    assert state == torch.load(file, weights_only=True)
    assert emitted.SPEC == state["spec"]
    assert PLAN | {"end_lr": [0.0, 0.01]} == state["parameters"]
    assert [torch.tensor(0.1).item(), 0.3] == state["base_lrs"]
    assert 3 == state["last_epoch"]


def test_a_state_does_not_change_when_the_run_goes_on() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    state = scheduler.state_dict()
    kept = copy.deepcopy(state)
    scheduler.base_lrs[0] = 0.4
    add_group(optimizer, 0.2)
    advance(optimizer, scheduler, 2)

    assert kept == state


def test_a_changed_state_does_not_change_the_run() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN, end_lr=[0.01])
    scheduler.load_state_dict(state := scheduler.state_dict())
    for rates in (state["base_lrs"], state["parameters"]["end_lr"]):
        rates[0] = 0.05

    assert [0.01] == scheduler.state_dict()["parameters"]["end_lr"]
    assert [0.1] == scheduler.state_dict()["base_lrs"]


def test_numbers_of_other_libraries_are_saved_as_plain_floats() -> None:
    optimizer = make_optimizer(numpy.float64(0.1), 0.1)
    state = CosineWarmupLR(optimizer, **PLAN, end_lr=[numpy.float64(0.01), 0]).state_dict()

    for rates in (state["base_lrs"], state["parameters"]["end_lr"], state["lr"]):
        assert [float, float] == [type(rate) for rate in rates]


Build = Callable[..., LRScheduler]
State = dict[str, Any]


def build_load_load(new: Callable[[], Optimizer], build: Build, saved: State) -> Any:
    optimizer = new()
    scheduler = build(optimizer)
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    return optimizer, scheduler


def load_build_load(new: Callable[[], Optimizer], build: Build, saved: State) -> Any:
    optimizer = new()
    optimizer.load_state_dict(saved["optimizer"])
    scheduler = build(optimizer)
    scheduler.load_state_dict(saved["scheduler"])
    return optimizer, scheduler


def last_epoch_only(new: Callable[[], Optimizer], build: Build, saved: State) -> Any:
    optimizer = new()
    optimizer.load_state_dict(saved["optimizer"])
    return optimizer, build(optimizer, last_epoch=saved["scheduler"]["last_epoch"] - 1)


def scheduler_only(new: Callable[[], Optimizer], build: Build, saved: State) -> Any:
    optimizer = new()
    scheduler = build(optimizer)
    scheduler.load_state_dict(saved["scheduler"])
    return optimizer, scheduler


def load_nothing(new: Callable[[], Optimizer], build: Build, saved: State) -> Any:
    optimizer = new()
    return optimizer, build(optimizer)


WAYS = [build_load_load, load_build_load, last_epoch_only, scheduler_only]


def resumed_and_whole(
    way: Callable[..., Any], new: Callable[[], Optimizer], build: Build, updates: int
) -> tuple[list[list[float]], list[list[float]]]:
    """Rates at each update of a run resumed after ``updates``, and of one never interrupted."""
    optimizer = new()
    scheduler = build(optimizer)
    advance(optimizer, scheduler, updates)
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}, file)
    whole = advance(optimizer, scheduler, LENGTH - updates)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed, again = way(new, build, saved)
    return advance(resumed, again, LENGTH - updates), whole


OPTIMIZERS: list[Callable[[], Optimizer]] = [
    lambda: make_optimizer(0.1, momentum=0.9),
    lambda: make_optimizer(0.1, 0.3, kind=AdamW),
    lambda: make_optimizer(torch.tensor(0.1), torch.tensor(0.3), kind=AdamW),
    lambda: make_optimizer(torch.tensor(0.1, dtype=torch.float64), 0.3),
]
OPTIMIZER_NAMES = ["one_group", "two_groups", "tensors", "mixed"]


@pytest.mark.parametrize("new", OPTIMIZERS, ids=OPTIMIZER_NAMES)
@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_run_equals_the_uninterrupted_one_at_any_step(
    way: Callable[..., Any], new: Callable[[], Optimizer]
) -> None:
    def build(optimizer: Optimizer, **options: Any) -> LRScheduler:
        count = len(optimizer.param_groups)
        ends = [0.01 / (index + 1) for index in range(count)]
        return CosineWarmupLR(optimizer, **PLAN, end_lr=ends, **options)

    for updates in range(LENGTH - 1):
        resumed, whole = resumed_and_whole(way, new, build, updates)
        assert whole == resumed


@pytest.mark.parametrize(
    ("way", "build"),
    [
        (load_nothing, lambda o, **options: CosineWarmupLR(o, **PLAN)),
        (load_build_load, lambda o, **options: LinearLR(o, total_iters=17)),
        (last_epoch_only, lambda o, **options: StepLR(o, 3, **options)),
        (scheduler_only, lambda o, **options: CosineAnnealingLR(o, 17)),
    ],
)
def test_the_comparison_sees_a_run_that_resumes_wrong(way: Any, build: Build) -> None:
    resumed, whole = resumed_and_whole(way, OPTIMIZERS[0], build, 6)

    assert whole != resumed


@pytest.mark.parametrize("way", WAYS)
def test_weights_of_a_resumed_run_are_equal_to_the_bit(way: Callable[..., Any]) -> None:
    def train(optimizer: Optimizer, scheduler: LRScheduler, updates: int) -> None:
        for _ in range(updates):
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                (group["params"][0] ** 2).sum().backward()
            optimizer.step()
            scheduler.step()

    def build(optimizer: Optimizer, **options: Any) -> LRScheduler:
        return CosineWarmupLR(optimizer, **PLAN, **options)

    def new() -> Optimizer:
        return make_optimizer(0.1, 0.3)

    def weights(optimizer: Optimizer) -> list[float]:
        return [x for group in optimizer.param_groups for x in group["params"][0].tolist()]

    optimizer = new()
    scheduler = build(optimizer)
    train(optimizer, scheduler, 6)
    saved = copy.deepcopy(
        {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    )
    middle = [group["params"][0].detach().clone() for group in optimizer.param_groups]
    train(optimizer, scheduler, 9)

    resumed, again = way(new, build, saved)
    for group, values in zip(resumed.param_groups, middle):
        group["params"][0].data.copy_(values)
    train(resumed, again, 9)

    assert weights(optimizer) == weights(resumed)


def test_a_run_with_a_group_added_just_before_saving_resumes() -> None:
    def new() -> Optimizer:
        return make_optimizer(0.1, 0.25)

    def build(optimizer: Optimizer) -> LRScheduler:
        return CosineWarmupLR(optimizer, **PLAN)

    optimizer = make_optimizer(0.1)
    scheduler = build(optimizer)
    advance(optimizer, scheduler, 6)
    add_group(optimizer, 0.25)
    saved = copy.deepcopy(
        {"scheduler": scheduler.state_dict(), "optimizer": optimizer.state_dict()}
    )
    whole = advance(optimizer, scheduler, 5)

    for way in (build_load_load, load_build_load, scheduler_only):
        resumed, again = way(new, build, saved)
        assert whole == advance(resumed, again, 5)


def test_a_rate_set_by_hand_is_there_again_after_loading() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    advance(optimizer, scheduler, 6)
    optimizer.param_groups[0]["lr"] = 0.0625
    state = scheduler.state_dict()
    whole = advance(optimizer, scheduler, 3)

    fresh = make_optimizer(0.1)
    again = CosineWarmupLR(fresh, **PLAN)
    again.load_state_dict(state)

    assert [0.0625] == whole[0]
    assert whole == advance(fresh, again, 3)
    assert scheduler._step_count == again._step_count


# --- a state made with other values ---------------------------------------------------------------


def saved_state(updates: int = 6, lr: float = 0.1, **options: Any) -> State:
    optimizer = make_optimizer(lr)
    scheduler = CosineWarmupLR(optimizer, **(PLAN | options))
    advance(optimizer, scheduler, updates)
    return {"scheduler": scheduler.state_dict(), "optimizer": optimizer.state_dict()}


def test_other_values_are_an_error_that_names_each() -> None:
    scheduler = CosineWarmupLR(make_optimizer(0.2), warmup_steps=4, total_steps=34, end_lr=0.01)

    with pytest.raises(ValueError) as caught:
        scheduler.load_state_dict(saved_state()["scheduler"])

    assert (
        "the state was made with other values (peak_lr: saved [0.1], present [0.2]; total_steps: "
        "saved 17, present 34; end_lr: saved 0.0, present 0.01): on_change='keep' goes on from "
        "its step with the present ones, on_change='restore' with the saved" == str(caught.value)
    )
    assert 0 == scheduler.last_epoch


def test_torch_s_own_scheduler_takes_the_old_length_in_silence() -> None:
    old = CosineAnnealingLR(make_optimizer(0.1), 17).state_dict()
    scheduler = CosineAnnealingLR(make_optimizer(0.1), 34)
    scheduler.load_state_dict(old)

    assert 17 == scheduler.T_max


def test_one_value_and_a_list_of_it_are_the_same() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN, end_lr=[0.0])
    scheduler.load_state_dict(saved_state()["scheduler"])

    assert [rate(6)] == lrs_of(optimizer)


@pytest.mark.parametrize("load_optimizer", [True, False])
def test_keep_goes_on_from_the_saved_step_with_the_present_values(load_optimizer: bool) -> None:
    saved = saved_state()
    optimizer = make_optimizer(0.2)
    scheduler = CosineWarmupLR(optimizer, warmup_steps=4, total_steps=34, on_change="keep")
    if load_optimizer:
        optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])

    expected = [[rate(k, 0.2, total_steps=34)] for k in range(6, 12)]
    assert expected == advance(optimizer, scheduler, 6)
    assert [0.2] == [group["initial_lr"] for group in optimizer.param_groups]


@pytest.mark.parametrize("load_optimizer", [True, False])
def test_restore_goes_on_with_the_saved_values(load_optimizer: bool) -> None:
    saved = saved_state()
    optimizer = make_optimizer(0.2)
    scheduler = CosineWarmupLR(optimizer, warmup_steps=4, total_steps=34, on_change="restore")
    if load_optimizer:
        optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])

    assert [[rate(k)] for k in range(6, 12)] == advance(optimizer, scheduler, 6)
    assert [0.1] == [group["initial_lr"] for group in optimizer.param_groups]
    assert saved["scheduler"]["parameters"] == scheduler.state_dict()["parameters"]


def test_the_choice_can_be_made_after_the_error() -> None:
    optimizer = make_optimizer(0.2)
    scheduler = CosineWarmupLR(optimizer, **PLAN)
    with pytest.raises(ValueError, match="other values"):
        scheduler.load_state_dict(saved_state()["scheduler"])
    scheduler.on_change = "keep"
    scheduler.load_state_dict(saved_state()["scheduler"])

    assert [rate(6, 0.2)] == lrs_of(optimizer)


def test_a_state_of_another_spec_is_an_error_kept_only_on_request() -> None:
    state = saved_state()["scheduler"] | {"spec": "sha256:1234"}
    optimizer = make_optimizer(0.1)

    with pytest.raises(ValueError, match="spec: saved sha256:1234, present sha256:"):
        CosineWarmupLR(optimizer, **PLAN).load_state_dict(state)
    with pytest.raises(ValueError, match="a state of another spec cannot be restored"):
        CosineWarmupLR(optimizer, **PLAN, on_change="restore").load_state_dict(state)
    CosineWarmupLR(optimizer, **PLAN, on_change="keep").load_state_dict(state)
    assert [rate(6)] == lrs_of(optimizer)


def test_a_state_of_torch_s_own_scheduler_can_be_kept_on_from() -> None:
    theirs = make_optimizer(0.1)
    native = CosineAnnealingLR(theirs, 17)
    advance(theirs, native, 6)
    optimizer = make_optimizer(0.1)

    with pytest.raises(ValueError, match="spec: saved None"):
        CosineWarmupLR(optimizer, **PLAN).load_state_dict(native.state_dict())
    CosineWarmupLR(optimizer, **PLAN, on_change="keep").load_state_dict(native.state_dict())
    assert [rate(6)] == lrs_of(optimizer)


@pytest.mark.parametrize("on_change", ["error", "keep", "restore"])
def test_a_state_without_a_step_is_an_error(on_change: Any) -> None:
    state = saved_state()["scheduler"]
    del state["last_epoch"]

    with pytest.raises(ValueError, match="last_epoch must be an integer >= -1, got None"):
        CosineWarmupLR(make_optimizer(), **PLAN, on_change=on_change).load_state_dict(state)


def test_saved_values_that_break_a_rule_are_not_restored() -> None:
    state = saved_state()["scheduler"]
    state["parameters"]["warmup_steps"] = 18
    optimizer = make_optimizer(0.1)
    scheduler = CosineWarmupLR(optimizer, **PLAN, on_change="restore")

    with pytest.raises(ValueError, match="warmup_steps <= total_steps does not hold"):
        scheduler.load_state_dict(state)
    assert [[rate(k)] for k in range(LENGTH)] == advance(optimizer, scheduler, LENGTH)


# --- inside torch's composites --------------------------------------------------------------------


def cosine(optimizer: Optimizer) -> LRScheduler:
    return CosineWarmupLR(optimizer, **PLAN)


def constant(optimizer: Optimizer) -> LRScheduler:
    return ConstantLR(optimizer, factor=0.5, total_iters=100)


def exponential(optimizer: Optimizer) -> LRScheduler:
    return ExponentialLR(optimizer, gamma=0.5)


VALUES: dict[Any, Callable[[int, float], float]] = {
    cosine: rate,
    constant: lambda step, base: base * 0.5,
    exponential: lambda step, base: base * 0.5**step,
}


def sequential(optimizer: Optimizer, members: list[Any], milestones: list[int]) -> SequentialLR:
    return SequentialLR(optimizer, [member(optimizer) for member in members], milestones)


POSITIONS = [
    [cosine, exponential],
    [constant, cosine],
    [constant, cosine, exponential],
    [cosine, cosine, cosine],
]
POSITION_NAMES = ["first", "last", "middle", "all"]


@pytest.mark.parametrize("members", POSITIONS, ids=POSITION_NAMES)
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_each_member_of_a_sequence_starts_at_its_milestone(members: list[Any]) -> None:
    milestones = [5, 11][: len(members) - 1]
    optimizer = make_optimizer(0.125, 0.25)

    applied = advance(optimizer, sequential(optimizer, members, milestones), LENGTH)

    starts = [0, *milestones, LENGTH]
    expected = [
        [VALUES[member](step - start, base) for base in (0.125, 0.25)]
        for member, (start, end) in zip(members, itertools.pairwise(starts))
        for step in range(start, end)
    ]
    assert expected == applied


def test_a_member_of_a_sequence_that_has_not_begun_stands_at_step_0() -> None:
    optimizer = make_optimizer(0.125)
    composite = sequential(optimizer, [constant, cosine], [5])
    member = composite._schedulers[1]

    assert -1 == member.last_epoch
    assert [rate(0, 0.125)] == member.get_last_lr()


@pytest.mark.parametrize("members", POSITIONS, ids=POSITION_NAMES)
@pytest.mark.parametrize("way", [build_load_load, load_build_load, scheduler_only])
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_a_resumed_sequence_equals_the_uninterrupted_one(way: Any, members: list[Any]) -> None:
    def build(optimizer: Optimizer) -> LRScheduler:
        return sequential(optimizer, members, [5, 11][: len(members) - 1])

    for updates in range(LENGTH - 1):
        resumed, whole = resumed_and_whole(way, OPTIMIZERS[1], build, updates)
        assert whole == resumed


@pytest.mark.parametrize("members", [[cosine, exponential], [constant, cosine]])
def test_in_a_chain_it_is_an_absolute_schedule_as_a_lambda_is(members: list[Any]) -> None:
    def as_lambda(optimizer: Optimizer) -> LRScheduler:
        return LambdaLR(optimizer, lambda step: rate(step, 1.0))

    ours, theirs = make_optimizer(0.125, 0.25), make_optimizer(0.125, 0.25)
    chain = ChainedScheduler([member(ours) for member in members])
    native = ChainedScheduler(
        [(as_lambda if member is cosine else member)(theirs) for member in members]
    )

    assert advance(theirs, native, LENGTH) == advance(ours, chain, LENGTH)
    assert lrs_of(ours) == chain.get_last_lr()
