"""How libraries are called: what a dialect says in ``[call]``, held against the library itself.

Signatures are those of PyTorch 2.13, Keras 3.15, optax 0.2.8, transformers 5.23 and timm 1.0.31.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lrgen import catalogue
from lrgen.document import CallShape, Document, read_source
from lrgen.ops import OPERATORS

ALL = list(catalogue.dialects())
LIVE = ["torch", "keras", "optax", "transformers", "timm"]
BESIDES_OPERATORS = {"keys", "values", "entries", "sums", "first", "rule_steps", "rule_shares"}
BESIDES_OPERATORS |= {"pi", "inf"}
ARGUMENT = "POSITIONAL_OR_KEYWORD"

# Parameters whose default in the spec is not the library's, though both have one, and why.
OTHER_DEFAULTS = {
    ("keras/ReduceLROnPlateau", "mode"): "'auto' is 'min' for the default metric, 'val_loss'",
    (
        "tensorflow/exponential_decay_with_warmup",
        "warmup_steps",
    ): "TensorFlow divides by it: 0 fails",
    ("fairseq/CosineLRSchedule", "lr_period_updates"): "-1 is all of max_update after the warm-up",
    ("fairseq/TriStageLRSchedule", "decay_steps"): "fairseq divides by it: 0 fails",
    ("praxis/Cosine", "total_steps"): "praxis divides by it: 0 is no number",
    ("praxis/LinearRampupCosineDecay", "decay_end"): "praxis divides by it: 0 fails",
    ("praxis/LinearRampupExponentialDecay", "decay_end"): "praxis divides by it: 0 fails",
    ("praxis/LinearRampupPolynomialDecay", "decay_end"): "praxis divides by it: 0 fails",
}
# Where **kwargs go: spelled out as that takes them, or nothing that is still taken.
ONWARD = {
    "transformers.get_reduce_on_plateau_schedule": "torch.optim.lr_scheduler.ReduceLROnPlateau",
    "transformers.get_greedy_schedule": "transformers.optimization.GreedyLR",
    "keras.callbacks.ReduceLROnPlateau": None,
}
ONWARD |= {
    path.replace("transformers.", "transformers.optimization."): target
    for path, target in ONWARD.items()
    if path.startswith("transformers.")
}
COMPOSITION = "made of other schedules"
FUNCTION = "a function of the user"
PLUMBING = "no schedule: a base, a type, or a way to say which one"
# What a library has beside its dialects.
NO_DIALECT = {
    "torch": {
        "ChainedScheduler": COMPOSITION,
        "SequentialLR": COMPOSITION,
        "LambdaLR": FUNCTION,
        "MultiplicativeLR": FUNCTION,
        "LRScheduler": PLUMBING,
    },
    "keras": {"LearningRateScheduler": FUNCTION, "LearningRateSchedule": PLUMBING},
    "optax": {
        "join_schedules": COMPOSITION,
        "Schedule": PLUMBING,
        "StatefulSchedule": PLUMBING,
        "WrappedSchedule": PLUMBING,
        "InjectHyperparamsState": PLUMBING,
        "InjectStatefulHyperparamsState": PLUMBING,
        "inject_hyperparams": PLUMBING,
        "inject_stateful_hyperparams": PLUMBING,
    },
    "transformers": {
        "get_scheduler": PLUMBING,
        "get_adafactor_schedule": "shows the rate that an optimizer of its own computes",
    },
    "timm": {
        "create_scheduler": PLUMBING,
        "create_scheduler_v2": PLUMBING,
        "scheduler_kwargs": PLUMBING,
    },
}


@dataclass(frozen=True, slots=True)
class Argument:
    """One of a signature: a default is its text as Python writes it."""

    name: str
    default: str | None = None


def document(name: str) -> Document:
    return read_source(catalogue.dialects()[name], name).document


def call(name: str) -> CallShape:
    found = document(name).call
    assert found is not None, f"{name} has no [call]"
    return found


def arguments(signature: str) -> list[Argument]:
    """Those of the ``signature`` of a ``[call]``; every default is a literal."""
    taken = ast.parse(f"def taken({signature}): ...", mode="exec").body[0]
    assert isinstance(taken, ast.FunctionDef)
    own = taken.args
    if own.posonlyargs or own.vararg or own.kwarg:
        raise SyntaxError("only plain arguments")
    without: list[ast.expr | None] = [None] * (len(own.args) - len(own.defaults))
    named = zip([*own.args, *own.kwonlyargs], [*without, *own.defaults, *own.kw_defaults])
    return [
        Argument(one.arg, None if default is None else repr(ast.literal_eval(default)))
        for one, default in named
    ]


def names(formula: str) -> set[str]:
    """What ``formula`` speaks of, operators left out."""
    found = {one.id for one in ast.walk(ast.parse(formula, mode="eval")) if type(one) is ast.Name}
    return found - BESIDES_OPERATORS - set(OPERATORS)


def faults(own: Document) -> Iterator[str]:
    """What the ``[call]`` of ``own`` contradicts in itself or in the rest of the spec."""
    said = own.call
    assert said is not None, f"{own.name} has no [call]"
    taken = {one.name: one.default for one in arguments(said.signature)}
    used = set().union(*map(names, said.given.values()))
    words = {word for one in own.parameters.values() for word in one.of or []}
    for name in own.parameters:
        if name not in {*taken, *said.given, *said.run, "base_lr"}:
            yield f"{name} is given by nothing"
    stated = [*said.given, *said.run]
    yield from (f"{name} is no parameter" for name in stated if name not in own.parameters)
    yield from (f"{name} is an argument" for name in said.run if name in {*taken, *said.given})
    yield from (f"{name} is no argument" for name in sorted(used - {*taken, *said.run}))
    for name in said.beside:
        if name not in taken:
            yield f"{name} is no argument"
        if name in own.parameters or name in used:
            yield f"{name} is not beside the rate"
    for library, word in said.words.items():
        if word not in words or library in words:
            yield f"{library} does not stand for a word"
    for path in said.paths:
        if not all(part.isidentifier() for part in path.split(".")) or "." not in path:
            yield f"{path} is no path"


def other_defaults(own: Document) -> Iterator[str]:
    """Parameters whose default is a number, a flag or a word, and another one in the signature."""
    said = own.call
    assert said is not None, f"{own.name} has no [call]"
    for one in arguments(said.signature):
        theirs = ast.literal_eval(one.default or "None")
        if one.name in own.parameters and isinstance(theirs, bool | int | float | str):
            theirs = said.words.get(theirs, theirs) if isinstance(theirs, str) else theirs
            ours = own.parameters[one.name].default
            if isinstance(theirs, str) and own.parameters[one.name].type != "choice":
                continue  # such as '1dur', which a number stands for
            if ours != theirs or isinstance(ours, bool) is not isinstance(theirs, bool):
                yield one.name


# -- in themselves ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_call_fits_its_spec(name: str) -> None:
    assert [] == list(faults(document(name)))


@pytest.mark.parametrize("name", ALL)
def test_defaults_are_those_of_the_signature(name: str) -> None:
    listed = [parameter for schedule, parameter in OTHER_DEFAULTS if schedule == name]

    assert listed == list(other_defaults(document(name)))


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"signature": "optimizer, gamma=0.1, last_epoch=-1"}, "step_size is given by nothing"),
        ({"given": {"size": "gamma"}}, "size is no parameter"),
        ({"given": {"step_size": "epochs * gamma"}}, "epochs is no argument"),
        ({"run": ["length"]}, "length is no parameter"),
        ({"run": ["gamma"]}, "gamma is an argument"),
        ({"beside": ["optimizer", "model"]}, "model is no argument"),
        ({"beside": ["optimizer", "gamma"]}, "gamma is not beside the rate"),
        ({"given": {"base_lr": "last_epoch"}}, "last_epoch is not beside the rate"),
        ({"words": {"1-sqrt": "sqrt"}}, "1-sqrt does not stand for a word"),
        ({"paths": ["StepLR"]}, "StepLR is no path"),
        ({"paths": ["torch.optim.StepLR()"]}, "torch.optim.StepLR() is no path"),
    ],
)
def test_a_fault_of_a_call_is_told(changed: dict[str, Any], fault: str) -> None:
    own = document("torch/StepLR")
    wrong = own.model_copy(update={"call": call("torch/StepLR").model_copy(update=changed)})

    assert [fault] == list(faults(wrong))


@pytest.mark.parametrize("signature", ["gamma=1/3", "gamma=f()", "*sizes", "a, /", "a=1, b", "a b"])
def test_a_signature_has_plain_arguments_with_literal_defaults(signature: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        arguments(signature)


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("torch/StepLR", "gamma=0.1", "gamma=0.2"),
        ("torch/OneCycleLR", "three_phase=False", "three_phase=0"),
        ("torch/CosineAnnealingWarmRestarts", "T_mult=1", "T_mult=True"),
        ("timm/WSDLRScheduler", "decay_fn='1-sqrt'", "decay_fn='2-sqrt'"),
    ],
)
def test_another_default_is_told(name: str, default: str, other: str) -> None:
    own = document(name)
    said = call(name)
    signature = said.signature.replace(default, other)
    wrong = own.model_copy(update={"call": said.model_copy(update={"signature": signature})})

    assert signature != said.signature
    assert [default.partition("=")[0]] == list(other_defaults(wrong))


# -- against the libraries ----------------------------------------------------------------------


@cache
def library(name: str) -> dict[str, Any]:
    """What ``signature_peer.py`` prints; skips the test where the library is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    paths = {path for own in catalogue.dialects(name) for path in call(own).paths}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("signature_peer.py")), name],
        input="\n".join(paths | {ONWARD[path] or "" for path in paths & set(ONWARD)}),
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def theirs(taken: dict[str, list[tuple[str, str, str | None]]], path: str) -> list[Argument]:
    """What the library takes at ``path``, with what it hands on spelled out."""
    listed = taken[path]
    if listed[-1][1] != "VAR_KEYWORD":
        assert {ARGUMENT} == {kind for _, kind, _ in listed}
        return [Argument(name, default) for name, _, default in listed]
    own = [Argument(name, default) for name, _, default in listed[:-1]]
    target = ONWARD[path]
    if target is None:
        return own
    onward = theirs(taken, target)
    assert own == onward[: len(own)]
    return onward


@pytest.mark.parametrize("name", [one for one in ALL if one.partition("/")[0] in LIVE])
def test_a_signature_is_the_librarys(name: str) -> None:
    taken = library(name.partition("/")[0])["taken"]
    said = call(name)

    for path in said.paths:
        assert theirs(taken, path) == arguments(said.signature), path


@pytest.mark.parametrize(
    "wrong",
    [
        "optimizer, step_size, gamma=0.2, last_epoch=-1",
        "optimizer, step_size, gamma, last_epoch=-1",
        "optimizer, step_size, last_epoch=-1, gamma=0.1",
        "step_size, optimizer, gamma=0.1, last_epoch=-1",
        "optimizer, step, gamma=0.1, last_epoch=-1",
        "optimizer, step_size, gamma=0.1",
        "optimizer, step_size, gamma=0.1, last_epoch=-1.0",
    ],
)
def test_another_signature_is_not_the_librarys(wrong: str) -> None:
    taken = library("torch")["taken"]

    assert theirs(taken, "torch.optim.lr_scheduler.StepLR") != arguments(wrong)


def test_arguments_handed_on_are_spelled_out() -> None:
    target = ONWARD["transformers.get_greedy_schedule"]
    optimizer, mode = ("optimizer", ARGUMENT, None), ("mode", ARGUMENT, "'min'")
    handed = [optimizer, ("kwargs", "VAR_KEYWORD", None)]
    taken = {"transformers.get_greedy_schedule": handed, target: [optimizer, mode]}

    assert [Argument("optimizer"), Argument("mode", "'min'")] == theirs(
        taken, "transformers.get_greedy_schedule"
    )
    with pytest.raises(KeyError):
        theirs({"timm.new": handed}, "timm.new")


def unaccounted(name: str, offered: list[str]) -> set[str]:
    """What is no dialect of the library ``name`` and not listed, or both, or gone from it."""
    own = {one.partition("/")[2].partition(".")[0] for one in catalogue.dialects(name)}
    listed = set(NO_DIALECT[name])
    return (own & listed) | ((own | listed) ^ set(offered))


@pytest.mark.parametrize("name", LIVE)
def test_all_that_a_library_has_is_a_dialect_or_listed(name: str) -> None:
    assert set() == unaccounted(name, library(name)["names"])


def test_a_schedule_that_a_library_gains_or_loses_is_told() -> None:
    offered = library("torch")["names"]

    assert {"NewLR"} == unaccounted("torch", [*offered, "NewLR"])
    assert {"StepLR"} == unaccounted("torch", [one for one in offered if one != "StepLR"])
    assert {"LambdaLR"} == unaccounted("torch", [one for one in offered if one != "LambdaLR"])
