"""The ways of PyTorch: each takes the cases of one schedule and yields what it found."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch

from .cases import Case, Curve, Found, NothingToRun, Steps, Trace, class_name

REPLAYS = 64
BESIDE_THE_RATE = ("momentum", "weight_decay")


def eager(module: ModuleType, cases: Sequence[Case], device: str) -> Iterator[Found]:
    """The tensor function, operation by operation, all steps at once."""
    for case in curves(cases):
        steps = torch.from_numpy(case.steps).to(device)
        function = function_of(module, case)
        yield case, found(function(steps), device), found(function(steps, torch.float64), device)


def compiled(module: ModuleType, cases: Sequence[Case], device: str) -> Iterator[Found]:
    """The tensor function by inductor, without a break: all cases of a schedule in one program."""
    functions = [function_of(module, case) for case in curves(cases)]

    def every(steps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [function(own) for function, own in zip(functions, steps, strict=True)]

    torch._dynamo.reset()
    steps = [torch.from_numpy(case.steps).to(device) for case in curves(cases)]
    rates = torch.compile(every, fullgraph=True, dynamic=False)(steps)
    for case, own in zip(curves(cases), rates, strict=True):
        yield case, found(own, device), None


class Recording(Protocol):
    """What a CUDA graph is to this module."""

    def replay(self) -> None: ...


Record = Callable[[Callable[[], None]], Recording]


def record_cuda_graph(work: Callable[[], None]) -> Recording:
    """Capture ``work``, as PyTorch's notes on CUDA ask for: after warm-up on another stream.

    Raises:
        RuntimeError: Where CUDA refuses to, as for a copy that the host waits for.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            work()
    except RuntimeError as error:
        # The end of a capture that was broken off raises too, and no longer says why.
        reason = error.__context__ or error
        raise RuntimeError(f"a CUDA graph cannot hold it: {reason}") from reason
    return graph


def graph(
    module: ModuleType, cases: Sequence[Case], device: str, record: Record = record_cuda_graph
) -> Iterator[Found]:
    """The tensor function captured once and replayed: on other steps, and on a step counter."""
    for case in curves(cases):
        function = function_of(module, case)
        yield case, np.concatenate(list(replayed(function, case, device, record))), None


def replayed(function: Any, case: Curve, device: str, record: Record) -> Iterator[Any]:
    """The rates at all steps of ``case``, the last of them from a counter on the device.

    Raises:
        ValueError: Where the counter gives other rates than the same steps as an input.
    """
    steps = torch.zeros(len(case.steps), dtype=torch.int64, device=device)
    rates = torch.empty(len(case.steps), dtype=torch.float32, device=device)
    recording = record(lambda: copied(function(steps), rates))
    steps.copy_(torch.from_numpy(case.steps))
    recording.replay()
    yield found(rates, device)

    step = torch.zeros((), dtype=torch.int64, device=device)
    history = torch.zeros(REPLAYS, dtype=torch.float32, device=device)

    def update() -> None:
        history.index_copy_(0, (step % REPLAYS).reshape(1), function(step).reshape(1))
        step.add_(1)

    recording = record(update)
    step.zero_()
    for _ in range(REPLAYS):
        recording.replay()  # nothing is read until the last: the host does not wait
    steps[:REPLAYS].copy_(torch.arange(REPLAYS))
    expected = function(steps[:REPLAYS])
    if not torch.equal(expected, history):
        first = int(torch.nonzero(expected != history)[0, 0])
        raise ValueError(
            f"{case.schedule} {case.name}: replayed with a counter, step {first} gives "
            f"{history[first].item()!r} instead of {expected[first].item()!r}"
        )


def copied(source: torch.Tensor, target: torch.Tensor) -> None:
    target.copy_(source)


def scheduler(module: ModuleType, cases: Sequence[Case], device: str) -> Iterator[Found]:
    """What the scheduler writes into a tensor on the device: rows, and whole traces."""
    name = class_name(cases[0].schedule)
    kind: Any = getattr(module, f"{name}LR", None)
    driven = "lr"
    if kind is None:
        kind = getattr(module, name, None)
        driven = next((key for key in BESIDE_THE_RATE if hasattr(kind, f"get_last_{key}")), "")
    if not driven:
        raise NothingToRun("it drives nothing that an optimizer has")
    own = inspect.signature(kind).parameters
    for case in cases:
        others = {key: value for key, value in case.parameters.items() if key in own}
        base = next((value for key, value in case.parameters.items() if key not in own), 1.0)
        match case:
            case Curve():
                rates = [
                    written(kind, base, others, device, driven, last_epoch=int(step) - 1)
                    for step in case.steps[: case.rows]
                ]
            case Trace():
                rates = observed(kind, base, others, device, case)
        yield case, np.array(rates, np.float32), None


def optimizer_of(base: float, device: str, driven: str = "lr") -> torch.optim.Optimizer:
    """One whose rate, or what else is driven, is a tensor on the device."""
    weights = torch.zeros(1, device=device, requires_grad=True)
    number = torch.tensor(base, dtype=torch.float32, device=device)
    # The base is the binary64 number itself, not the float32 that a tensor makes of it.
    group = {"params": [weights], "initial_lr": float(base)}
    match driven:
        case "momentum":
            betas = (torch.full_like(number, 0.9), torch.full_like(number, 0.999))
            return torch.optim.Adam([group], lr=number, betas=betas)
        case "weight_decay":
            return torch.optim.SGD([{**group, driven: torch.zeros_like(number)}], lr=number)
        case _:
            return torch.optim.SGD([group], lr=number)


def written(
    kind: Any, base: float, others: Any, device: str, driven: str = "lr", **going_on: int
) -> float:
    """What stands in the optimizer when its scheduler has been built."""
    optimizer = optimizer_of(base, device, driven)
    kind(optimizer, **others, **going_on)
    return rate_in(optimizer, device, driven)


def observed(kind: Any, base: float, others: Any, device: str, case: Trace) -> list[float]:
    """The rates after each row of a trace, with metrics that live on the device too."""
    optimizer = optimizer_of(base, device)
    driven = kind(optimizer, **others)
    feed = driven.step if case.steps is None else driven.observe
    rates = []
    for row, metric in enumerate(case.metrics):
        if case.steps is not None and driven.last_epoch != case.steps[row]:
            optimizer.step()
            driven.last_epoch = case.steps[row] - 1
            driven.step()
        if metric is not None:
            feed(torch.tensor(metric, dtype=torch.float64, device=device))
        rates.append(rate_in(optimizer, device))
    return rates


def rate_in(optimizer: torch.optim.Optimizer, device: str, driven: str = "lr") -> float:
    group = optimizer.param_groups[0]
    number = group["betas"][0] if driven == "momentum" else group[driven]
    return float(found(number.reshape(1), device)[0])


def curves(cases: Sequence[Case]) -> list[Curve]:
    """The cases that a tensor function is for: those of a schedule that remembers it is not."""
    return [case for case in cases if isinstance(case, Curve)]


def function_of(module: ModuleType, case: Case) -> Any:
    """The emitted tensor function with the parameters of ``case``, of steps and a dtype."""
    function = functools.partial(getattr(module, case.schedule), **case.parameters)

    def rate(steps: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        rates: torch.Tensor = function(steps, dtype=dtype)
        return rates

    return rate


def int64(steps: Steps) -> torch.Tensor:
    """Steps on the host, as Keras may be handed them."""
    return torch.from_numpy(steps)


def found(rates: torch.Tensor, device: str) -> Any:
    """Rates as NumPy has them, once it is sure where they were.

    Raises:
        ValueError: Where they do not live on ``device``.
    """
    if rates.device.type != device:
        raise ValueError(f"a rate on {device} expected, got one on {rates.device.type}")
    return rates.cpu().numpy()


WAYS = {"eager": eager, "compiled": compiled, "graph": graph, "scheduler": scheduler}


def device_name(device: str) -> str:
    """What the framework calls the device; empty for a CPU.

    Raises:
        RuntimeError: There is none.
    """
    if device == "cpu":
        return ""
    if not torch.cuda.is_available():
        raise RuntimeError("PyTorch finds no CUDA device")
    return torch.cuda.get_device_name()
