"""Schedules that remember, in PyTorch: every row of every trace, resumed after every row."""

import io
import json
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from conformance import OBSERVERS, class_name, spec
from emitted import load_broken, load_emitted
from test_rows import DEVICES
from torch.optim import SGD, Optimizer
from traces import Metrics, Rates, TraceCase, check_all_traces, some_cases, uses_step

each = pytest.mark.parametrize("name", OBSERVERS)


class Run:
    """An optimizer whose rate is driven by the emitted scheduler of schedule ``name``.

    Attributes:
        optimizer: Of one parameter group, on ``device``; there its rate is a tensor of float32.
        scheduler: The emitted one.
    """

    def __init__(
        self,
        module: ModuleType,
        name: str,
        parameters: Mapping[str, Any],
        device: str | None = None,
    ) -> None:
        others = dict(parameters)
        lr = others.pop(spec(name)["base"])
        self.name = name
        self.device = device
        weights = torch.zeros(2, requires_grad=True, device=device)
        self.optimizer: Optimizer = SGD([weights], lr if device is None else weights.new_tensor(lr))
        self.scheduler = getattr(module, f"{class_name(name)}LR")(self.optimizer, **others)
        self.scheduler.base_lrs = [lr]  # the binary64 number, where float32 was taken from a tensor

    def after(self, metric: float | None, step: int) -> Any:
        """The rate that stands in the optimizer after a row of a trace."""
        if uses_step(self.name):
            if self.scheduler.last_epoch != step:
                self.optimizer.step()
                self.scheduler.last_epoch = step - 1
                self.scheduler.step()
            feed = self.scheduler.observe
        else:
            feed = self.scheduler.step
        if metric is not None:
            feed(metric if self.device is None else torch.tensor(metric, device=self.device))
        lr = self.optimizer.param_groups[0]["lr"]
        assert self.scheduler.get_last_lr() == [lr]
        return lr if self.device is None else np.float32(lr.item())


def rates_of(module: ModuleType, name: str, device: str | None = None) -> Rates:
    def rates(parameters: Mapping[str, Any], metrics: Metrics, steps: tuple[int, ...]) -> Any:
        run = Run(module, name, parameters, device)
        return np.array([run.after(m, s) for m, s in zip(metrics, steps, strict=True)])

    return rates


@each
def test_a_scheduler_writes_the_binary64_rate_after_every_observation(name: str) -> None:
    rows, _ = check_all_traces(name, rates_of(load_emitted("torch", name), name))

    assert rows > 300


@pytest.mark.parametrize("device", DEVICES)
@each
def test_a_tensor_rate_and_tensor_metrics_give_every_float32(name: str, device: str) -> None:
    rates = rates_of(load_emitted("torch", name), name, device)

    rows, _ = check_all_traces(name, rates, double=False)

    assert rows > 300


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("plateau", "misses > values.patience", "misses >= values.patience"),
        ("plateau", "finite and (first", "(first"),
        ("plateau_torch", "misses > values.patience", "misses >= values.patience"),
        ("plateau", "_observe(metric, state, values)", "_observe(0.0, state, values)"),
        ("cosine_plateau", "_rate(step, state, values)", "_rate(step + 1, state, values)"),
        ("plateau", "state.reductions != before", "state.reductions < before"),
        ("cosine_plateau", "if changed and self.last_epoch", "if not changed and self.last_epoch"),
    ],
)
def test_a_broken_scheduler_is_noticed(name: str, before: str, after: str) -> None:
    module = load_broken("torch", name, before, after)

    with pytest.raises(AssertionError):
        check_all_traces(name, rates_of(module, name), double=False)


# --- going on from a saved state ------------------------------------------------------------------


def through_torch_save(state: Any) -> Any:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def through_json(state: Any) -> Any:
    return json.loads(json.dumps(state, allow_nan=False))


WAYS = [through_torch_save, through_json]


def check_resumed_everywhere(module: ModuleType, case: TraceCase, way: Callable[..., Any]) -> int:
    """The rates of a run that goes on from the state after any row are those of the whole run."""
    rows = list(zip(case.metrics, case.steps, strict=True))
    whole = Run(module, case.schedule, case.parameters)
    rates, states = [], []
    for metric, step in rows:
        rates.append(whole.after(metric, step).hex())
        states.append(way(whole.scheduler.state_dict()))
    for number, state in enumerate(states):
        resumed = Run(module, case.schedule, case.parameters)
        resumed.scheduler.load_state_dict(state)
        assert rates[number] == resumed.optimizer.param_groups[0]["lr"].hex(), str(case)
        rest = [resumed.after(metric, step).hex() for metric, step in rows[number + 1 :]]
        assert rates[number + 1 :] == rest, f"{case} after row {number}"
    return len(states)


@pytest.mark.parametrize("way", WAYS)
@each
def test_a_run_goes_on_to_the_bit_after_any_row(name: str, way: Callable[..., Any]) -> None:
    module = load_emitted("torch", name)

    checked = [check_resumed_everywhere(module, case, way) for case in some_cases(name)]

    assert 10 <= len(checked)
    assert 100 < sum(checked)


@pytest.mark.parametrize(
    ("before", "after"),
    [("self.base_lrs, states)", "self.base_lrs, self.states)")],
)
def test_a_run_that_forgets_is_noticed(before: str, after: str) -> None:
    module = load_broken("torch", "plateau", before, after)

    with pytest.raises(AssertionError):
        for case in some_cases("plateau"):
            check_resumed_everywhere(module, case, through_json)
