"""PyTorch beyond the rows: every emitted scheduler, compilation, gradients, broken modules."""

import functools
from collections.abc import Mapping
from typing import Any

import conformance
import numpy as np
import pytest
import torch
import torch._dynamo
from conformance import NAMES, cases, class_name, parameters_of_type, spec
from emitted import emitted_path, load_broken, load_emitted
from test_rows import DEVICES
from torch._dynamo.testing import CompileCounterWithBackend
from torch.optim import SGD

SCHEDULED = [name for name in NAMES if "base" in spec(name)]
COMPILED = ["cyclic", "polynomial", "step_decay", "inverse_time", "one_cycle", "cosine_tokens"]
UPDATES = 25
on_each_device = pytest.mark.parametrize("device", DEVICES)


# -- schedulers ------------------------------------------------------------------------------------


def probe(
    name: str, parameters: Mapping[str, Any], device: str = "cpu", tensor: bool = False
) -> list[float]:
    """Rates that plain SGD applies: with a gradient of 1, weights of 0 become minus the rate."""
    kind = getattr(load_emitted("torch", name), f"{class_name(name)}LR")
    base = spec(name)["base"]
    others = {key: value for key, value in parameters.items() if key != base}
    lr = torch.tensor(parameters[base], device=device) if tensor else parameters[base]
    weights = torch.zeros(3, dtype=torch.float64, device=device, requires_grad=True)
    optimizer = SGD([weights], lr=lr)
    scheduler = kind(optimizer, **others)
    applied = []
    for _ in range(UPDATES):
        with torch.no_grad():
            weights.zero_()
        optimizer.zero_grad()
        weights.sum().backward()
        optimizer.step()
        scheduler.step()
        applied.append(-weights[0].item())
    return applied


def binary64_rates(name: str, parameters: Mapping[str, Any]) -> list[float]:
    python = getattr(load_emitted("python", name), name)
    return [python(step, **parameters) for step in range(UPDATES)]


@on_each_device
@pytest.mark.parametrize("name", SCHEDULED)
def test_sgd_applies_the_rate_of_each_update(name: str, device: str) -> None:
    for case in cases(name):
        assert binary64_rates(name, case.parameters) == probe(name, case.parameters, device)


def test_the_probe_sees_a_scheduler_that_is_one_update_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = load_broken(
        "torch", "cosine_warmup", "epoch = self.last_epoch + 1", "epoch = self.last_epoch + 2"
    )
    monkeypatch.setitem(globals(), "load_emitted", lambda backend, name: module)
    case = cases("cosine_warmup")[0]
    applied = probe("cosine_warmup", case.parameters)
    monkeypatch.undo()

    assert binary64_rates("cosine_warmup", case.parameters) != applied


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_scheduler_that_goes_on_anywhere_gives_the_binary64_value(name: str) -> None:
    kind = getattr(load_emitted("torch", name), f"{class_name(name)}LR")
    base = spec(name)["base"]
    for case in cases(name):
        others = {key: value for key, value in case.parameters.items() if key != base}

        def resumed(parameters: Mapping[str, Any], steps: Any, others: Any = others) -> Any:
            lr = parameters[base]
            rates = []
            for step in steps:
                group = {"params": [torch.zeros(1)], "lr": lr, "initial_lr": lr}
                optimizer = SGD([group], lr=lr)
                kind(optimizer, **others, last_epoch=int(step) - 1)
                rates.append(optimizer.param_groups[0]["lr"])
            return np.array(rates)

        conformance.check_binary64(case, resumed)


# -- tensors ---------------------------------------------------------------------------------------


@on_each_device
@pytest.mark.parametrize("name", NAMES)
def test_every_shape_of_steps_is_kept(name: str, device: str) -> None:
    case = cases(name)[0]
    function = functools.partial(getattr(load_emitted("torch", name), name), **case.parameters)
    steps = torch.from_numpy(case.steps).to(device)
    rates = function(steps)

    assert rates[0].tolist() == function(steps[0]).item()
    assert ((0,), ()) == (tuple(function(steps[:0]).shape), tuple(function(steps[0]).shape))
    assert rates[None].tolist() == function(steps[None]).tolist()
    counts = steps[steps < 2**31].int()
    assert rates[: len(counts)].tolist() == function(counts).tolist()
    swept = torch.vmap(function)(steps).cpu().numpy()
    assert conformance.check_bits(case, swept) == len(steps)


@on_each_device
@pytest.mark.parametrize("name", NAMES)
def test_gradients_pass_by_the_rate(name: str, device: str) -> None:
    case = cases(name)[0]
    rate = getattr(load_emitted("torch", name), name)(
        torch.tensor(int(case.steps[2]), device=device), **case.parameters
    )
    weights = torch.ones(4, device=device, requires_grad=True)

    (rate * weights).sum().backward()

    assert not rate.requires_grad
    assert weights.grad is not None
    assert [rate.item()] * 4 == weights.grad.tolist()


@on_each_device
def test_a_compiled_step_counter_is_not_compiled_again(device: str) -> None:
    for name in COMPILED:
        case = cases(name)[0]
        function = getattr(load_emitted("torch", name), name)
        torch._dynamo.reset()
        with torch._dynamo.config.patch(error_on_recompile=True):
            compiled = torch.compile(
                functools.partial(function, **case.parameters), fullgraph=True, backend="aot_eager"
            )
            rates = [compiled(torch.tensor(int(k), device=device)).item() for k in case.steps]

        conformance.check_bits(case, np.array(rates, np.float32))


@pytest.mark.slow
@on_each_device
@pytest.mark.parametrize("name", NAMES)
def test_inductor_gives_the_same_bits(name: str, device: str) -> None:
    module = load_emitted("torch", name)
    for case in cases(name):
        torch._dynamo.reset()
        compiled = torch.compile(getattr(module, name), fullgraph=True)
        runner = conformance.torch_runner(module, name, device, function=compiled)

        conformance.check_float32(case, runner)


def compiled_rates(function: Any, past_the_end: torch.Tensor) -> tuple[list[float], int]:
    """What inductor's code gives for four peaks, and how often it was compiled."""
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("inductor")
    compiled = torch.compile(function, fullgraph=True, backend=counter)
    rates = [compiled(past_the_end, 5, peak).item() for peak in PEAKS]
    return rates, counter.frame_count


PEAKS = [0.3, 0.7, 0.1, 0.2]


@pytest.mark.slow
def test_inductor_follows_a_changed_parameter_without_compiling_for_each_value() -> None:
    cosine_rise = load_emitted("torch", "cosine_rise").cosine_rise

    def emitted(step: torch.Tensor, total_steps: int, peak_lr: float) -> torch.Tensor:
        return cosine_rise(step, total_steps=total_steps, peak_lr=peak_lr)

    assert (np.array(PEAKS, np.float32).tolist(), 2) == compiled_rates(emitted, torch.tensor(10))


@pytest.mark.slow
def test_inductor_does_not_follow_a_float_that_is_a_branch() -> None:
    def by_hand(step: torch.Tensor, total_steps: int, peak_lr: float) -> torch.Tensor:
        rise = peak_lr * step.double() / total_steps
        return torch.where(step < total_steps, rise, peak_lr).float()

    rates, compilations = compiled_rates(by_hand, torch.tensor(10))

    # Either it is compiled for each value, or the cache gives the code for another one.
    assert compilations > 2 or np.array(PEAKS, np.float32).tolist() != rates


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NAMES if parameters_of_type(n, "rate", "real")])
def test_inductor_follows_every_changed_number(name: str) -> None:
    function = getattr(load_emitted("torch", name), name)
    case = cases(name)[0]
    steps = torch.from_numpy(case.steps)
    for changed in parameters_of_type(name, "rate", "real"):
        torch._dynamo.reset()
        compiled = torch.compile(function, fullgraph=True)
        tried = 0
        for factor in (1.0, 0.97, 0.96, 0.91, 1.02, 1.03, 1.04):
            number = case.parameters[changed] * factor or 1e-9 * factor
            parameters = {**case.parameters, changed: number}
            try:
                expected = function(steps, **parameters)
            except ValueError:
                continue  # a rule between parameters does not hold
            tried += 1
            rates = compiled(steps, **parameters)
            assert expected.tolist() == rates.tolist(), (name, parameters)
            if tried == 4:
                break


# -- what must not pass ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if name != "constant"])
def test_the_vectors_notice_a_schedule_that_is_one_update_early(name: str) -> None:
    module = load_broken("torch", name, "step = step.long()", "step = step.long() + 1")
    runner = conformance.torch_runner(module, name)

    with pytest.raises(AssertionError):
        conformance.check_all_float32(name, runner)


def narrowed(name: str) -> bool:
    return ".double()" in emitted_path("torch", name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in NAMES if narrowed(name)])
def test_the_vectors_notice_arithmetic_in_float32(name: str) -> None:
    module = load_broken("torch", name, ".double()", ".float()", everywhere=True)
    runner = conformance.torch_runner(module, name)

    with pytest.raises(AssertionError):
        conformance.check_all_float32(name, runner)
