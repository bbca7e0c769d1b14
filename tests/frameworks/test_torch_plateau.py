"""What the emitted schedulers that remember promise, on ``PlateauLR`` and ``CosinePlateauLR``."""

import copy
import json
import math
import pickle
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from emitted import load_emitted
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, ReduceLROnPlateau, SequentialLR

plateau = load_emitted("torch", "plateau")
cosine_plateau = load_emitted("torch", "cosine_plateau")
PlateauLR = plateau.PlateauLR
CosinePlateauLR = cosine_plateau.CosinePlateauLR
Plateau = load_emitted("python", "plateau").Plateau
CosinePlateau = load_emitted("python", "cosine_plateau").CosinePlateau

RULE = {"factor": 0.5, "patience": 1}
COSINE = {"warmup_steps": 3, "total_steps": 17, "factor": 0.5, "patience": 1}
METRICS = [1.0, 0.5, 0.5, 0.75, math.nan, math.inf, 0.25, 0.25, 0.25, -1.0, -1.0, -1.0, -1.0]


def make_optimizer(*lrs: Any) -> Optimizer:
    groups = [{"params": [torch.ones(2, requires_grad=True)], "lr": lr} for lr in lrs or (0.1,)]
    return SGD(groups)


def lrs_of(optimizer: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def observed(optimizer: Optimizer, scheduler: Any, metrics: list[float]) -> list[list[float]]:
    """The rates that stand in the optimizer after each metric."""
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(lrs_of(optimizer))
    return rates


def expected(metrics: list[float], base_lr: float = 0.1, **rule: Any) -> list[float]:
    automaton = Plateau(base_lr=base_lr, **(RULE | rule))
    return [automaton.observe(metric) for metric in metrics]


# --- as a scheduler of torch ----------------------------------------------------------------------


def test_it_is_a_reduce_lr_on_plateau_so_that_trainers_hand_it_a_metric() -> None:
    assert isinstance(PlateauLR(make_optimizer()), ReduceLROnPlateau)
    assert not isinstance(CosinePlateauLR(make_optimizer()), ReduceLROnPlateau)
    assert isinstance(CosinePlateauLR(make_optimizer()), LRScheduler)


def test_it_refuses_what_is_no_optimizer() -> None:
    with pytest.raises(TypeError, match="list is not an Optimizer"):
        PlateauLR([torch.ones(2)])


@pytest.mark.parametrize("as_metric", [float, torch.tensor, lambda x: torch.tensor(x).double()])
def test_a_metric_is_a_number_or_a_tensor(as_metric: Callable[[float], Any]) -> None:
    optimizer = make_optimizer()
    scheduler = PlateauLR(optimizer, **RULE)

    rates = observed(optimizer, scheduler, [as_metric(metric) for metric in METRICS])

    assert [[rate] for rate in expected(METRICS)] == rates
    assert 0.1 * 0.5**4 == rates[-1][0]


def test_torch_s_own_never_cuts_on_a_flat_negative_metric() -> None:
    flat = [-1.0] * 9
    own, ours = make_optimizer(), make_optimizer()

    assert [0.1] * 9 == [lr for (lr,) in observed(own, ReduceLROnPlateau(own, **RULE), flat)]
    assert 0.1 * 0.5**4 == observed(ours, PlateauLR(ours, **RULE), flat)[-1][0]


def test_the_names_of_torch_s_arguments_and_its_count_are_kept() -> None:
    scheduler = PlateauLR(make_optimizer())

    scheduler.step(metrics=1.0)
    assert 1 == scheduler.last_epoch
    scheduler.step(1.0, epoch=7)
    assert 7 == scheduler.last_epoch


def test_the_last_rates_are_copies_of_the_type_of_each_lr() -> None:
    lr = torch.tensor(0.1)
    optimizer = make_optimizer(0.2, lr)
    scheduler = PlateauLR(optimizer, **RULE)

    number, tensor = scheduler.get_last_lr()
    tensor.zero_()

    assert (0.2, float(torch.tensor(0.1))) == (number, float(lr))


def test_sgd_weights_fall_by_the_rate_that_the_metrics_leave() -> None:
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = SGD([weights], lr=0.1)
    scheduler = PlateauLR(optimizer, **RULE)
    applied = []
    for metric in METRICS:
        with torch.no_grad():
            weights.zero_()
        optimizer.zero_grad()
        weights.sum().backward()
        optimizer.step()
        scheduler.step(metric)
        applied.append(-weights[0].item())

    assert [0.1, *expected(METRICS)[:-1]] == applied


# --- parameter groups -----------------------------------------------------------------------------


def test_each_group_has_its_own_base_rate_and_floor() -> None:
    optimizer = make_optimizer(0.1, 0.4)
    scheduler = PlateauLR(optimizer, **RULE, min_lr=[0.05, 0.0])

    rates = observed(optimizer, scheduler, METRICS)

    first, second = expected(METRICS, min_lr=0.05), expected(METRICS, 0.4)
    assert [[a, b] for a, b in zip(first, second)] == rates


def test_a_tensor_rate_is_filled_in_place_from_the_binary64_value() -> None:
    lr = torch.tensor(0.1, dtype=torch.float32)
    optimizer = make_optimizer(lr)
    scheduler = PlateauLR(optimizer, factor=0.3, patience=0)

    for count in range(1, 9):
        scheduler.step(math.nan)
        assert torch.tensor(float(torch.tensor(0.1)) * 0.3**count).item() == lr.item()
    assert lr is optimizer.param_groups[0]["lr"]


def test_a_group_added_later_joins_with_its_own_rate_and_an_empty_memory() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = PlateauLR(optimizer, **RULE)
    observed(optimizer, scheduler, METRICS[:4])
    optimizer.add_param_group({"params": [torch.ones(1)], "lr": 0.8})

    rates = observed(optimizer, scheduler, METRICS[4:])

    joined = expected(METRICS[4:], 0.8)
    assert [[a, b] for a, b in zip(expected(METRICS)[4:], joined)] == rates
    assert 0.8 == optimizer.param_groups[1]["initial_lr"]


def test_a_list_of_rates_is_too_short_for_an_added_group() -> None:
    optimizer = make_optimizer(0.1)
    scheduler = PlateauLR(optimizer, min_lr=[0.01])
    optimizer.add_param_group({"params": [torch.ones(1)], "lr": 0.8})

    with pytest.raises(ValueError, match="min_lr has 1 values for 2 parameter groups"):
        scheduler.step(1.0)


def test_one_tensor_may_serve_groups_with_equal_values_also_one_that_joins() -> None:
    lr = torch.tensor(0.5)
    optimizer = make_optimizer(lr, lr)
    scheduler = PlateauLR(optimizer, **RULE)
    observed(optimizer, scheduler, METRICS[:3])
    optimizer.add_param_group({"params": [torch.ones(1)], "lr": lr, "initial_lr": 0.5})
    observed(optimizer, scheduler, METRICS[3:])

    assert expected(METRICS, 0.5)[-1] == lr.item()
    assert all(scheduler.states[0] is state for state in scheduler.states)


def test_one_tensor_of_groups_with_different_values_is_an_error() -> None:
    lr = torch.tensor(0.5)

    with pytest.raises(ValueError, match=r"groups 0 and 1 share one tensor .* lr\.clone\(\)"):
        PlateauLR(make_optimizer(lr, lr), min_lr=[0.0, 0.1])


def test_groups_that_remember_the_same_observe_once(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = make_optimizer(*[0.1 + index / 64 for index in range(64)])
    scheduler = PlateauLR(optimizer, **RULE)
    observe, seen = plateau._observe, []

    def counted(metric: float, *memory: Any) -> None:
        seen.append(metric)
        observe(metric, *memory)

    monkeypatch.setattr(plateau, "_observe", counted)
    scheduler.step(1.0)
    optimizer.add_param_group({"params": [torch.ones(1)], "lr": 0.8})
    scheduler.step(2.0)
    scheduler.step(3.0)

    assert [1.0, 2.0, 2.0, 3.0, 3.0] == seen  # the group that joined has observed less
    assert [0.05, 0.8] == [lrs_of(optimizer)[0], lrs_of(optimizer)[64]]


def test_groups_that_shared_a_memory_part_where_the_rule_asks_for_their_rates() -> None:
    optimizer = make_optimizer(0.1, 0.1)
    scheduler = load_emitted("torch", "plateau_torch").PlateauTorchLR(
        optimizer, patience=0, eps=1e-3
    )
    scheduler.base_lrs[1] = 1e-3  # a cut of which is too small to be made

    assert [[0.1, 1e-3], [0.1 * 0.1, 1e-3]] == observed(optimizer, scheduler, [1.0, 1.0])


def test_a_rate_set_by_hand_stays_until_the_next_cut() -> None:
    lr = torch.tensor(0.5)
    optimizer = make_optimizer(0.5, lr)
    scheduler = PlateauLR(optimizer, **RULE)
    optimizer.param_groups[0]["lr"] = 0.0625
    lr.fill_(0.0625)
    writes = lr._version

    assert [[0.0625] * 2] * 2 == observed(optimizer, scheduler, [1.0, 1.0])
    assert [0.5, 0.5] == [float(rate) for rate in scheduler.get_last_lr()]
    assert writes == lr._version
    assert [[0.25] * 2] == observed(optimizer, scheduler, [1.0])


def test_rates_that_an_optimizer_loads_later_hold_until_the_next_step() -> None:
    optimizer = make_optimizer()
    scheduler = PlateauLR(optimizer, **RULE)
    observed(optimizer, scheduler, METRICS[:5])
    optimizer.load_state_dict(make_optimizer(0.8).state_dict())
    assert [0.8] == lrs_of(optimizer)

    assert [[rate] for rate in expected(METRICS)[5:]] == observed(optimizer, scheduler, METRICS[5:])


def test_a_changed_base_rate_holds_from_the_next_step_on() -> None:
    optimizer = make_optimizer()
    scheduler = PlateauLR(optimizer, **RULE)
    scheduler.base_lrs[0] = 0.6

    assert [[rate] for rate in expected(METRICS, 0.6)] == observed(optimizer, scheduler, METRICS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": -1}, "patience must be an integer >= 0, got -1 (parameter group 0)"),
        ({"factor": 1.0}, "0 < factor < 1 does not hold: factor = 1.0 (parameter group 0)"),
        ({"mode": "best"}, "mode must be one of 'min', 'max', got 'best' (parameter group 0)"),
        ({"min_lr": [0.1, 0.3]}, "min_lr = 0.3, base_lr = 0.2 (parameter group 1)"),
        ({"on_change": "warn"}, "on_change must be 'error', 'keep' or 'restore', got 'warn'"),
    ],
)
def test_a_wrong_argument_is_named_and_the_rates_are_left_alone(
    arguments: Any, message: str
) -> None:
    optimizer = make_optimizer(0.1, 0.2)

    with pytest.raises(ValueError, match=re.escape(message)):
        PlateauLR(optimizer, **arguments)
    assert [0.1, 0.2] == lrs_of(optimizer)


# --- states ---------------------------------------------------------------------------------------


def test_a_group_that_was_added_is_in_the_next_state_and_has_its_rate() -> None:
    optimizer = make_optimizer()
    scheduler = PlateauLR(optimizer, **RULE)
    optimizer.add_param_group({"params": [torch.ones(1)], "lr": 0.05, "initial_lr": 0.8})

    assert [0.1, 0.8] == scheduler.state_dict()["lr"] == lrs_of(optimizer)


def halfway(lrs: tuple[Any, ...] = (0.1,), **arguments: Any) -> tuple[Optimizer, Any]:
    optimizer = make_optimizer(*lrs)
    scheduler = PlateauLR(optimizer, **(RULE | arguments))
    observed(optimizer, scheduler, METRICS[:5])
    return optimizer, scheduler


def test_a_state_is_plain_data_with_words_for_infinities() -> None:
    scheduler = PlateauLR(make_optimizer(0.1), **RULE)

    state = scheduler.state_dict()

    assert state == json.loads(json.dumps(state, allow_nan=False))
    assert [{"best": "inf", "bad": 0, "cooldown_left": 0, "reductions": 0}] == state["states"]
    assert plateau.SPEC == state["spec"]
    assert {**RULE, "threshold": 1e-4, "cooldown": 0, "min_lr": 0.0, "mode": "min"} == (
        state["parameters"]
    )


def test_a_state_does_not_change_when_the_run_goes_on() -> None:
    optimizer, scheduler = halfway()
    state = scheduler.state_dict()
    before = copy.deepcopy(state)
    observed(optimizer, scheduler, METRICS[5:])

    assert before == state


@pytest.mark.parametrize("lrs", [(0.1,), (0.1, 0.4), (torch.tensor(0.1), 0.4)])
def test_rates_and_optimizer_are_there_after_loading(lrs: tuple[Any, ...]) -> None:
    optimizer, scheduler = halfway(copy.deepcopy(lrs))
    other = make_optimizer(*[lr * 3 for lr in copy.deepcopy(lrs)])  # another rate by mistake
    other.load_state_dict(optimizer.state_dict())
    resumed = PlateauLR(other, **RULE)
    resumed.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))

    assert lrs_of(optimizer) == lrs_of(other)
    assert observed(optimizer, scheduler, METRICS[5:]) == observed(other, resumed, METRICS[5:])
    assert scheduler.state_dict() == resumed.state_dict()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_its_own_way(duplicate: Callable[[Any], Any]) -> None:
    optimizer, scheduler = halfway()
    copied, other = duplicate((optimizer, scheduler))
    whole = expected(METRICS)

    assert [[rate] for rate in whole[5:]] == observed(copied, other, METRICS[5:])
    assert whole[4] == lrs_of(optimizer)[0]
    observed(optimizer, scheduler, METRICS[5:])
    assert scheduler.state_dict() == other.state_dict()


def test_a_rate_set_by_hand_is_there_again_after_loading() -> None:
    optimizer, scheduler = halfway()
    optimizer.param_groups[0]["lr"] = 0.0625
    for _ in range(2):
        other = make_optimizer()
        resumed = PlateauLR(other, **RULE)
        resumed.load_state_dict(scheduler.state_dict())

        assert [0.0625] == lrs_of(other)
        scheduler = resumed


def test_other_values_are_an_error_that_names_each_and_changes_nothing() -> None:
    _, scheduler = halfway()
    other = make_optimizer(0.2)
    resumed = PlateauLR(other, **(RULE | {"patience": 5}))

    with pytest.raises(ValueError, match=r"base_lr: saved \[0\.1\], present \[0\.2\]; patience"):
        resumed.load_state_dict(scheduler.state_dict())
    assert (PlateauLR(make_optimizer(0.2), **(RULE | {"patience": 5})).state_dict()) == (
        resumed.state_dict()
    )


def test_keep_goes_on_from_what_is_remembered_with_the_present_values() -> None:
    _, scheduler = halfway()
    other = make_optimizer(0.2)
    resumed = PlateauLR(other, factor=0.25, patience=3, on_change="keep")
    resumed.load_state_dict(scheduler.state_dict())

    cuts = scheduler.states[0].reductions
    assert 1 == cuts
    assert [0.2 * 0.25**cuts] == lrs_of(other)
    assert scheduler.states == resumed.states


def test_restore_goes_on_with_the_saved_values() -> None:
    optimizer, scheduler = halfway()
    other = make_optimizer(0.2)
    resumed = PlateauLR(other, factor=0.25, patience=3, on_change="restore")
    resumed.load_state_dict(scheduler.state_dict())

    assert observed(optimizer, scheduler, METRICS[5:]) == observed(other, resumed, METRICS[5:])
    assert [0.1] == [group["initial_lr"] for group in other.param_groups]


@pytest.mark.parametrize("on_change", ["error", "restore"])
def test_a_state_of_another_formula_is_an_error_kept_only_on_request(on_change: Any) -> None:
    _, scheduler = halfway()
    state = {**scheduler.state_dict(), "spec": "sha256:other"}

    with pytest.raises(ValueError, match="spec: saved sha256:other, present sha256:"):
        PlateauLR(make_optimizer(), **RULE, on_change=on_change).load_state_dict(state)
    kept = PlateauLR(make_optimizer(), **RULE, on_change="keep")
    kept.load_state_dict(state)
    assert scheduler.states == kept.states


@pytest.mark.parametrize("on_change", ["error", "keep", "restore"])
def test_a_state_that_does_not_fit_is_an_error_whatever_is_asked(on_change: Any) -> None:
    _, scheduler = halfway()
    state = scheduler.state_dict()
    fresh = PlateauLR(make_optimizer(), **RULE, on_change=on_change)
    before = fresh.state_dict()

    for wrong, message in (
        ({**state, "states": state["states"] * 2}, "remembers 2 parameter groups, the optimizer"),
        ({**state, "states": [{"best": 0.1}]}, "what is remembered is best, bad, cooldown_left"),
        ({**state, "last_epoch": None}, "last_epoch must be an integer >= -1, got None"),
        (ReduceLROnPlateau(make_optimizer()).state_dict(), "remembers 0 parameter groups"),
    ):
        with pytest.raises(ValueError, match=message):
            fresh.load_state_dict(wrong)
    assert before == fresh.state_dict()


# --- two clocks: updates and observations ---------------------------------------------------------


def cosine(step: int, metrics: list[float], peak_lr: float = 0.1) -> float:
    automaton = CosinePlateau(peak_lr=peak_lr, **COSINE)
    for metric in metrics:
        automaton.observe(metric, step)
    rate: float = automaton.rate(step)
    return rate


def advance(optimizer: Optimizer, scheduler: LRScheduler, steps: range) -> list[list[float]]:
    """The rates of updates ``steps``, where every third update is followed by an evaluation."""
    applied = []
    for step in steps:
        applied.append(lrs_of(optimizer))
        optimizer.step()
        scheduler.step()
        if step % 3 == 2:
            scheduler.observe(1.0)
    return applied


def test_steps_and_observations_are_two_clocks() -> None:
    optimizer = make_optimizer(0.1, 0.4)
    scheduler = CosinePlateauLR(optimizer, **COSINE)

    applied = advance(optimizer, scheduler, range(20))

    seen = [[1.0] * (step // 3) for step in range(20)]
    assert [
        [cosine(step, seen[step]), cosine(step, seen[step], 0.4)] for step in range(20)
    ] == applied
    assert applied[12][0] < cosine(12, [])


def test_groups_with_equal_memories_are_computed_once_per_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optimizer = make_optimizer(0.1, 0.4, 0.1, 0.4)
    scheduler = CosinePlateauLR(optimizer, **COSINE)
    advance(optimizer, scheduler, range(4))
    optimizer.add_param_group({"params": [torch.ones(1)], "lr": 0.1})
    optimizer.step()
    scheduler.step()
    compute, calls = cosine_plateau._rate, []

    def counted(step: int, *memory: Any) -> Any:
        calls.append(step)
        return compute(step, *memory)

    monkeypatch.setattr(cosine_plateau, "_rate", counted)
    scheduler.step()

    assert [6] * 3 == calls  # the group that joined has observed less
    assert lrs_of(optimizer)[:2] == lrs_of(optimizer)[2:4]


def test_a_tensor_rate_is_the_same_tensor_after_any_step() -> None:
    lr = torch.tensor(0.1)
    optimizer = make_optimizer(lr, 0.4)
    scheduler = CosinePlateauLR(optimizer, **COSINE)
    advance(optimizer, scheduler, range(9))

    assert lr is optimizer.param_groups[0]["lr"]
    seen = [1.0] * 3
    assert torch.tensor(cosine(9, seen, float(torch.tensor(0.1)))) == lr
    assert [lr.item(), cosine(9, seen, 0.4)] == [float(rate) for rate in scheduler.get_last_lr()]


def test_an_observation_holds_at_once() -> None:
    optimizer = make_optimizer()
    scheduler = CosinePlateauLR(optimizer, **(COSINE | {"patience": 0}))
    optimizer.step()
    scheduler.step()
    before = lrs_of(optimizer)

    scheduler.observe(math.nan)

    assert [lr * 0.5 for lr in before] == lrs_of(optimizer) == scheduler.get_lr()


def test_a_run_of_two_clocks_goes_on_to_the_bit() -> None:
    for stop in range(1, 20):
        optimizer, other = make_optimizer(0.1, 0.4), make_optimizer(0.1, 0.4)
        scheduler, resumed = CosinePlateauLR(optimizer, **COSINE), CosinePlateauLR(other, **COSINE)
        advance(optimizer, scheduler, range(stop))
        resumed.load_state_dict(json.loads(json.dumps(scheduler.state_dict(), allow_nan=False)))

        assert lrs_of(optimizer) == lrs_of(other)
        rest = range(stop, 22)
        assert advance(optimizer, scheduler, rest) == advance(other, resumed, rest)


def test_a_member_of_a_sequence_starts_at_its_milestone_and_observes_before_it() -> None:
    optimizer = make_optimizer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own `step(0)` at a milestone
        member = CosinePlateauLR(optimizer, **(COSINE | {"patience": 0}))
        first = ConstantLR(optimizer, factor=0.5, total_iters=4)
        sequence = SequentialLR(optimizer, [first, member], milestones=[4])
        member.observe(math.nan)
        applied = []
        for _ in range(9):
            applied.append(lrs_of(optimizer)[0])
            optimizer.step()
            sequence.step()

    cut = [0.5 * cosine(step, []) for step in range(5)]
    assert [0.05] * 4 + cut == applied


def test_the_wrong_order_of_calls_is_warned_of() -> None:
    scheduler = CosinePlateauLR(make_optimizer(), **COSINE)

    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_a_group_added_later_joins_at_the_next_step() -> None:
    optimizer = make_optimizer()
    scheduler = CosinePlateauLR(optimizer, **COSINE)
    advance(optimizer, scheduler, range(10))
    optimizer.add_param_group({"params": [torch.ones(1)], "lr": 0.4})
    optimizer.step()
    scheduler.step()

    assert [cosine(11, [1.0] * 3), cosine(11, [], 0.4)] == lrs_of(optimizer)
