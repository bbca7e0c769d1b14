"""Many parameter groups: floats written in one loop, tensors filled in one call for all."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from emitted import load_broken, load_emitted
from test_rows import DEVICES
from torch import Tensor
from torch.optim import SGD, Optimizer

MODULE = load_emitted("torch", "cosine_warmup")
reference = load_emitted("python", "cosine_warmup").cosine_warmup
PLAN = {"warmup_steps": 3, "total_steps": 9}
BASES = [0.1, 0.3, 0.1, 0.7, 0.3]
UPDATES = 11


def make_optimizer(lrs: list[Any]) -> Optimizer:
    return SGD([{"params": [torch.ones(1, requires_grad=True)], "lr": lr} for lr in lrs])


def rounded(number: float, like: Any) -> float:
    """``number`` as a tensor of that dtype, or a float, holds it."""
    if not isinstance(like, Tensor):
        return number
    return torch.full((), number, dtype=like.dtype).item()


def expected_rates(step: int, lrs: list[Any], bases: list[float]) -> list[float]:
    rates = [reference(step, peak_lr=base, **PLAN) for base in bases]
    return [rounded(rate, lr) for rate, lr in zip(rates, lrs, strict=True)]


def rates_of(optimizer: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def as_double(base: float) -> Tensor:
    return torch.tensor(base, dtype=torch.float64)


KINDS: dict[str, Callable[[int, float], Any]] = {
    "floats": lambda index, base: base,
    "tensors": lambda index, base: as_double(base),
    "single": lambda index, base: torch.tensor(base),
    "of one element": lambda index, base: torch.tensor([base], dtype=torch.float64),
    "brain floats": lambda index, base: torch.tensor(base, dtype=torch.bfloat16),
    "floats and tensors": lambda index, base: as_double(base) if index % 2 else base,
    "tensors and floats": lambda index, base: base if index % 2 else as_double(base),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_group_has_its_own_rate_at_every_update(kind: str) -> None:
    lrs = [KINDS[kind](index, base) for index, base in enumerate(BASES)]
    bases = [float(lr) for lr in lrs]
    optimizer = make_optimizer(lrs)
    scheduler = MODULE.CosineWarmupLR(optimizer, **PLAN)

    for step in range(UPDATES):
        assert expected_rates(step, lrs, bases) == rates_of(optimizer)
        optimizer.step()
        scheduler.step()

    kept = [group["lr"] is lr for group, lr in zip(optimizer.param_groups, lrs, strict=True)]
    assert [isinstance(lr, Tensor) for lr in lrs] == kept


def test_the_rates_notice_a_group_that_does_not_follow() -> None:
    module = load_broken(
        "torch", "cosine_warmup", "for group in others:", "for group in []:", everywhere=True
    )
    optimizer = make_optimizer(BASES)
    scheduler = module.CosineWarmupLR(optimizer, **PLAN)
    optimizer.step()
    scheduler.step()

    assert expected_rates(1, BASES, BASES) != rates_of(optimizer)


@pytest.mark.parametrize("replacement", [as_double, float], ids=["tensor", "float"])
@pytest.mark.parametrize("index", range(5))
def test_a_rate_that_replaces_a_tensor_is_followed(
    index: int, replacement: Callable[[float], Any]
) -> None:
    lrs = [as_double(base) for base in BASES]
    optimizer = make_optimizer(lrs)
    scheduler = MODULE.CosineWarmupLR(optimizer, **PLAN)
    old = optimizer.param_groups[index]["lr"]
    new = optimizer.param_groups[index]["lr"] = replacement(5.0)
    optimizer.step()
    scheduler.step()

    assert expected_rates(1, lrs, BASES) == rates_of(optimizer)
    assert 0.0 == old.item()  # what the group has left is left alone
    assert isinstance(new, Tensor) == (new is optimizer.param_groups[index]["lr"])


def test_all_floats_may_become_tensors() -> None:
    optimizer = make_optimizer(BASES)
    scheduler = MODULE.CosineWarmupLR(optimizer, **PLAN)
    tensors = [as_double(group["lr"]) for group in optimizer.param_groups]
    for group, tensor in zip(optimizer.param_groups, tensors, strict=True):
        group["lr"] = tensor
    optimizer.step()
    scheduler.step()

    assert expected_rates(1, tensors, BASES) == [tensor.item() for tensor in tensors]


@pytest.mark.parametrize("kind", KINDS)
def test_the_groups_of_a_loaded_optimizer_are_followed(kind: str) -> None:
    lrs = [KINDS[kind](index, base) for index, base in enumerate(BASES)]
    bases = [float(lr) for lr in lrs]
    optimizer = make_optimizer(lrs)
    scheduler = MODULE.CosineWarmupLR(optimizer, **PLAN)
    optimizer.step()
    scheduler.step()
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for step in range(2, UPDATES):
        optimizer.step()
        scheduler.step()
        assert expected_rates(step, lrs, bases) == rates_of(optimizer)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda scheduler: pickle.loads(pickle.dumps(scheduler))],
    ids=["deep_copy", "pickle"],
)
def test_a_copy_fills_rates_of_its_own(duplicate: Callable[[Any], Any], kind: str) -> None:
    lrs = [KINDS[kind](index, base) for index, base in enumerate(BASES)]
    bases = [float(lr) for lr in lrs]
    optimizer = make_optimizer(lrs)
    scheduler = MODULE.CosineWarmupLR(optimizer, **PLAN)
    optimizer.step()
    scheduler.step()
    twin = duplicate(scheduler)
    for step in range(2, UPDATES):
        twin.optimizer.step()
        twin.step()
        assert expected_rates(step, lrs, bases) == rates_of(twin.optimizer)
        assert expected_rates(1, lrs, bases) == rates_of(optimizer)

    optimizer.step()
    scheduler.step()
    assert expected_rates(2, lrs, bases) == rates_of(optimizer)


def test_the_rates_notice_a_copy_that_keeps_the_plan() -> None:
    kept = 'return {**self.__dict__, "_last": None, "_write": None}'
    module = load_broken("torch", "cosine_warmup", kept, "return self.__dict__")
    optimizer = make_optimizer([as_double(base) for base in BASES])
    scheduler = module.CosineWarmupLR(optimizer, **PLAN)
    optimizer.step()
    scheduler.step()
    twin = copy.deepcopy(scheduler)
    twin.optimizer.step()
    twin.step()

    assert expected_rates(2, BASES, BASES) != rates_of(twin.optimizer)


# --- tensors that are filled together -------------------------------------------------------------


def elements(bases: list[float], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return list(torch.tensor(bases, dtype=dtype).unbind())


# The rates of the groups, and into how many tensors each call of a step then copies.
LAYOUTS: dict[str, tuple[Callable[[], list[Any]], list[int]]] = {
    "apart": (lambda: [torch.tensor(base) for base in BASES], [5]),
    "one vector": (lambda: elements(BASES), [1]),
    "one vector of doubles": (lambda: elements(BASES, torch.float64), [1]),
    "one vector in vectors": (lambda: list(torch.tensor(BASES).split(1)), [1]),
    "the middle of a vector": (lambda: elements([5.0, *BASES, 5.0])[1:-1], [1]),
    "floats and a vector": (lambda: [*BASES[:2], *elements(BASES)[2:]], [1]),
    "a vector backwards": (lambda: elements(BASES)[::-1], [5]),
    "every other of a vector": (lambda: elements([*BASES, *BASES])[::2], [5]),
    "two vectors": (lambda: [*elements(BASES)[:2], *elements(BASES)[2:]], [5]),
    "two kinds": (lambda: [*elements(BASES)[:4], as_double(0.3)], []),
}


def check_rates(lrs: list[Any], monkeypatch: pytest.MonkeyPatch, module: Any = MODULE) -> list[int]:
    """Hold three updates to their rates; return of how many tensors each call fills in the last."""
    bases = [float(lr) for lr in lrs]
    optimizer = make_optimizer(lrs)
    scheduler = module.CosineWarmupLR(optimizer, **PLAN)
    copy_all = torch._foreach_copy_
    counts: list[int] = []

    def counted(targets: list[Tensor], *values: Any, **options: Any) -> None:
        counts.append(len(targets))
        copy_all(targets, *values, **options)

    monkeypatch.setattr(torch, "_foreach_copy_", counted)
    for step in range(3):
        assert expected_rates(step, lrs, bases) == rates_of(optimizer)
        optimizer.step()
        counts.clear()
        scheduler.step()
    assert expected_rates(3, lrs, bases) == rates_of(optimizer)
    return counts


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_elements_of_one_vector_are_filled_in_one_copy(
    layout: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, copies = LAYOUTS[layout]
    with torch.device(device):
        lrs = make()

    staged = [1] if device == "cuda" and copies == [5] else []
    assert [*staged, *copies] == check_rates(lrs, monkeypatch)


def test_the_rates_notice_a_vector_that_is_filled_in_the_wrong_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = "lr.storage_offset() != first.storage_offset() + index"
    module = load_broken("torch", "cosine_warmup", place, "False")

    with pytest.raises(AssertionError):
        check_rates(elements([*BASES, *BASES])[::2], monkeypatch, module)


def saved_and_loaded(lrs: list[Tensor]) -> Any:
    file = io.BytesIO()
    torch.save(lrs, file)
    file.seek(0)
    return torch.load(file)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, saved_and_loaded])
def test_copies_of_the_elements_of_a_vector_are_elements_of_one(
    duplicate: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lrs = duplicate(elements(BASES))

    assert [1] == check_rates(lrs, monkeypatch)


def test_memory_around_a_vector_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *lrs, last = elements([5.0, *BASES, 6.0])
    check_rates(lrs, monkeypatch)

    assert [5.0, 6.0] == [first.item(), last.item()]


@pytest.mark.parametrize("kind", ["tensors", "single", "brain floats", "of one element"])
def test_tensors_of_a_gpu_take_one_copy_to_it_and_one_from_there(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_broken("torch", "cosine_warmup", "elif lrs[0].is_cuda:", "elif True:")
    lrs = [KINDS[kind](index, base) for index, base in enumerate(BASES)]

    assert [1, 5] == check_rates(lrs, monkeypatch, module)
