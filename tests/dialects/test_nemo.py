"""The dialect of NeMo, held against nemo.core.optim.lr_scheduler of nemo-toolkit 3.0.0.

That module needs PyTorch alone: it is loaded from its file, with stand-ins for the parts of NeMo
that it imports, so that a folder with ``nemo/core/optim/lr_scheduler.py`` on the path is enough.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import hold
import peers
import pytest
from hold import length, rate
from peers import Deviation, Draw, Parameters

torch = pytest.importorskip("torch")

FILES = hold.files("nemo", "core", "optim", "lr_scheduler.py")
if not FILES:
    pytest.skip("needs nemo/core/optim/lr_scheduler.py of nemo-toolkit", allow_module_level=True)
SCHEDULERS = ["SchedulerParams", "get_scheduler_config", "register_scheduler_params"]
nemo = hold.load_alone(
    FILES[0],
    {
        "omegaconf": dict.fromkeys(["DictConfig", "OmegaConf"], SimpleNamespace),
        "nemo": {},
        "nemo.core.classes.common": {"safe_instantiate": None},
        "nemo.core.config.schedulers": dict.fromkeys(SCHEDULERS, SimpleNamespace),
        "nemo.utils": {"logging": None},
        "nemo.utils.model_utils": {"maybe_update_config_version": None},
    },
)
# None, in the specs.
NONE = -1


def warmed(source: Random) -> Parameters:
    top = rate(source)
    return {
        "base_lr": top,
        "max_steps": length(source, 1) + source.choice([0, 60]),
        "warmup_steps": source.choice([0, length(source)]),
        "min_lr": source.choice([0.0, 1e-5, top * source.random()]),
    }


def held_on(source: Random) -> Parameters:
    return {**warmed(source), "hold_steps": source.choice([NONE, 0, length(source)])}


def powered(parameters: Parameters, source: Random) -> Parameters:
    return {**parameters, "power": source.choice([0.5, 1.0, 2.0, source.uniform(0.1, 4)])}


def noam(source: Random) -> Parameters:
    own = {**warmed(source), "d_model": source.randrange(1, 2000)}
    del own["max_steps"]
    return own


def t5(source: Random) -> Parameters:
    floor = source.choice([0.0, 1e-5])
    return {"max_steps": length(source), "constant_steps": length(source, 1), "min_lr": floor}


CURVES: dict[str, Draw] = {
    "WarmupPolicy": lambda s: {**warmed(s), "max_steps": s.choice([NONE, 0, length(s)])},
    "WarmupHoldPolicy": held_on,
    "SquareAnnealing": warmed,
    "SquareRootAnnealing": warmed,
    "CosineAnnealing": lambda s: {**warmed(s), "constant_steps": s.choice([0, length(s)])},
    "NoamAnnealing": noam,
    "NoamHoldAnnealing": lambda s: {**held_on(s), "decay_rate": s.choice([0.5, s.uniform(0, 3)])},
    "WarmupHoldAnnealLinear": held_on,
    "WarmupHoldAnnealOneMinusSquareRoot": held_on,
    "WarmupAnnealing": warmed,
    "InverseSquareRootAnnealing": warmed,
    "T5InverseSquareRootAnnealing": t5,
    "PolynomialDecayAnnealing": lambda s: powered(warmed(s), s),
    "PolynomialHoldDecayAnnealing": lambda s: powered(held_on(s), s),
}
# A cosine is 1 + cos(x) there, and a line is the rate minus what it has lost: what rounding loses
# is a share of the largest rate.
CANCELS = {"CosineAnnealing", "WarmupHoldAnnealLinear", "WarmupAnnealing"}
BASES = {
    "WarmupHoldAnnealOneMinusSquareRoot": "WarmupHoldPolicy",
    "WarmupHoldAnnealLinear": "WarmupHoldPolicy",
    "NoamHoldAnnealing": "WarmupHoldPolicy",
    "PolynomialHoldDecayAnnealing": "WarmupHoldPolicy",
    "CosineAnnealing": "WarmupAnnealHoldPolicy",
    "T5InverseSquareRootAnnealing": "SquareRootConstantPolicy",
    "SquareAnnealing": "WarmupPolicy",
    "SquareRootAnnealing": "WarmupPolicy",
    "WarmupAnnealing": "WarmupPolicy",
    "InverseSquareRootAnnealing": "WarmupPolicy",
    "PolynomialDecayAnnealing": "WarmupPolicy",
}


def made(name: str, parameters: Parameters, **more: Any) -> Any:
    own = {key: None if value == NONE else value for key, value in parameters.items()}
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=own.pop("base_lr", 0.1))
    return getattr(nemo, name)(optimizer, **own, **more)


def driven(name: str, parameters: Parameters, steps: Sequence[int], **more: Any) -> list[float]:
    """The rate at steps 0, 1, 2, ..."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no update is made between two steps
        scheduler = made(name, parameters, **more)
        found = [scheduler.get_last_lr()[0]]
        for _ in steps[1:]:
            scheduler.step()
            found.append(scheduler.get_last_lr()[0])
    return found


def held(name: str, count: int) -> None:
    loose = {"of_scale": 4e-15} if name in CANCELS else {}
    hold.hold(f"nemo/{name}", CURVES[name], driven, count, **loose)


@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_nemo(name: str) -> None:
    held(name, hold.DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CURVES))
def test_every_step_is_that_of_nemo_over_many_draws(name: str) -> None:
    held(name, hold.MANY)


def test_every_class_of_nemo_has_a_dialect_that_is_compared() -> None:
    own = {
        name for name, kind in nemo.AVAILABLE_SCHEDULERS.items() if kind.__module__ == nemo.__name__
    }

    assert own == set(CURVES) == hold.dialects("nemo")


@pytest.mark.parametrize("name", list(CURVES))
def test_nemo_is_called_as_its_dialect_says(name: str) -> None:
    more = [getattr(nemo, BASES[name])] if name in BASES else []

    hold.assert_called_as(f"nemo/{name}", getattr(nemo, name), *more)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("NoamAnnealing", {"max_steps": 5}),
        ("PolynomialDecayAnnealing", {"cycle": True}),
    ],
)
def test_an_argument_beside_leaves_the_rate_as_it_is(name: str, more: Parameters) -> None:
    parameters = next(peers.draws(f"nemo/{name}", CURVES[name], 1))
    with_it = driven(name, parameters, range(hold.STEPS), **more)

    assert driven(name, parameters, range(hold.STEPS)) == with_it


def test_a_deviation_that_has_vanished_is_red() -> None:
    settings = {"base_lr": 0.1, "max_steps": 9, "warmup_steps": 3}

    assert not hold.deviates(Deviation("nemo/WarmupAnnealing", "none", "none", settings, 7), driven)


def test_a_curve_one_step_late_is_red() -> None:
    parameters = {"base_lr": 0.1, "max_steps": 9, "warmup_steps": 3}
    late = driven("WarmupPolicy", parameters, range(20))
    late[1:] = late[:-1]

    with pytest.raises(AssertionError, match=r"WarmupPolicy with .*, step 1: 0\.05 against 0\.025"):
        peers.assert_same("nemo/WarmupPolicy", parameters, late)


@pytest.mark.parametrize(
    ("name", "parameters", "error"),
    [
        ("SquareAnnealing", {"max_steps": 0}, ZeroDivisionError),
        ("CosineAnnealing", {"max_steps": 9, "min_lr": 0.2}, ValueError),
        ("CosineAnnealing", {"max_steps": 9, "constant_steps": 9}, ZeroDivisionError),
        ("CosineAnnealing", {"max_steps": 9, "constant_steps": 2, "min_lr": 0.1}, AssertionError),
        ("NoamHoldAnnealing", {"max_steps": 9, "warmup_steps": 0}, ValueError),
        (
            "WarmupHoldAnnealLinear",
            {"max_steps": 9, "warmup_steps": 4, "hold_steps": 5},
            ZeroDivisionError,
        ),
        ("T5InverseSquareRootAnnealing", {"max_steps": 9, "constant_steps": 0}, ZeroDivisionError),
    ],
)
def test_what_a_dialect_refuses_fails_in_nemo(
    name: str, parameters: Parameters, error: type[Exception]
) -> None:
    with pytest.raises(error):
        driven(name, {"base_lr": 0.1, **parameters}, range(hold.STEPS))
    with pytest.raises(ValueError, match="does not hold"):
        peers.bound(f"nemo/{name}", parameters)


def test_t5_fails_with_a_ratio_as_its_dialect_warns() -> None:
    with pytest.raises(TypeError):
        made("T5InverseSquareRootAnnealing", {"max_steps": 9}, constant_ratio=0.5)
