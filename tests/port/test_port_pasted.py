"""What is pasted is read, never run; what cannot be read is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lrgen
from lrgen.porting.pasted import Call, NotPortable, Unknown, read

REFUSED = {
    "nothing": ("", "nothing was given"),
    "no call": ("3", "is no schedule"),
    "unknown class": ("torch.optim.lr_scheduler.CosineAnealingLR(o, 5)", "Did you mean 'Cosine"),
    "unknown argument": ("StepLR(o, step_sise=3)", "Did you mean 'step_size'?"),
    "missing argument": ("StepLR(o)", "the argument step_size is missing"),
    "unknown value": ("StepLR(o, step_size=epochs)", "epochs = 1000"),
    "too many arguments": (
        "torch.StepLR(o, 1, 0.1, -1, 5)",
        "4 arguments without names, but got 5",
    ),
    "argument twice": ("StepLR(o, 1, step_size=3)", "step_size is given twice"),
    "argument without counterpart": (
        "CyclicLR(o, 0.1, 1.0, scale_fn=f)",
        "changes the curve in a way that torch/CyclicLR does not know",
    ),
    "an argument among others that no one has": (
        "big_vision.utils.create_learning_rate_schedule(100, warmup_stepz=10)",
        "has no argument 'warmup_stepz'. Did you mean 'warmup_steps'?",
    ),
    "a loop": ("for e in range(3): s.step()", "line 1: only imports, assignments and calls"),
    "half a call": ("StepLR(o,", "not Python"),
    "milestones that decrease": (
        "SequentialLR(o, [StepLR(o, 1), StepLR(o, 1), StepLR(o, 1)], [9, 3])",
        "milestones must be a list of updates that do not decrease",
    ),
    "too few milestones": ("SequentialLR(o, [StepLR(o, 1), StepLR(o, 1)], [])", "want 1 milestone"),
    "a member that is none": ("SequentialLR(o, [a, StepLR(o, 1)], [3])", "'a' is no schedule"),
    "one cycle among others": (
        "SequentialLR(o, [StepLR(o, 1), OneCycleLR(o, 0.1, 50)], [3])",
        "overwrites the optimizer's rate",
    ),
    "absolute before a factor": (
        "ChainedScheduler([CosineAnnealingWarmRestarts(o, 5), StepLR(o, 5)])",
        "sets the rate anew at every step",
    ),
    "a floor in a product": (
        "ChainedScheduler([CosineAnnealingLR(o, 5, eta_min=0.1), StepLR(o, 5)])",
        "is no factor of the rate",
    ),
    "a function by name": ("LambdaLR(o, warm)", "no function to be read"),
    "a quantity it has not": ("StepLR(o, 1)", "drives no 'momentum'"),
    "a name of get_scheduler": ("get_scheduler('cosin', o, 1, 2)", "Did you mean 'cosine'?"),
    "a run without an end": ("TrainingArguments(warmup_steps=5)", "max_steps is missing"),
    "a dictionary of nothing": ({"a": 1}, "says no schedule"),
    "no factor": (
        "create_learning_rate_scheduler(factors='constant * rsqrt')",
        "Did you mean 'rsqrt_decay'?",
    ),
}


def value(text: str) -> Any:
    return read(text)[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1_000", 1000),
        ("-1e-3", -0.001),
        ("3 * 40 // 7", 17),
        ("int(0.1 * 1000)", 100),
        ("max(1, 5) + len([1, 2])", 7),
        ("math.ceil(10 / 4)", 3),
        ("5 if 3 > 2 else 1", 5),
        ("'cos'", "cos"),
        ("(1, 2.5)", [1, 2.5]),
        ("dict(a=1)", {"a": 1}),
        ("{3: 0.1}", {3: 0.1}),
        ("steps = 10\nsteps * 2", 20),
        ("args.steps", Unknown("args.steps")),
        ("steps * 2", Unknown("steps * 2")),
        ("import torch as t\nt.f(1, x=2)", Call("torch.f", (1,), {"x": 2})),
        ("from a.b import C as D\nD()", Call("a.b.C")),
        ("f(**{'a': 1}, b=2)", Call("f", (), {"a": 1, "b": 2})),
    ],
)
def test_a_line_is_read(text: str, expected: Any) -> None:
    assert expected == value(text)


def test_a_number_stays_as_it_was_written() -> None:
    assert "lr = 1e-3" in lrgen.port("StepLR(SGD(p, lr=1e-3), 10)").spec.replace(
        'base_lr   = { type = "rate", default', "lr"
    )


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_said_in_one_line(case: str) -> None:
    text, expected = REFUSED[case]
    with pytest.raises(ValueError) as caught:
        lrgen.port(text, quantity="momentum" if "quantity" in case else "")

    assert expected in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "StepLR(o, __import__('os').system('touch {path}'))",
        "StepLR(o, (lambda: open('{path}', 'w'))())",
        "LambdaLR(o, lambda e: open('{path}', 'w'))",
        "LambdaLR(o, lambda e: [open('{path}', 'w') for _ in e])",
        "x = open('{path}', 'w')\nStepLR(o, x)",
        "StepLR(o, eval('1'))",
        "def f(e):\n    open('{path}', 'w')\n    return 1\nLambdaLR(o, f)",
        "@print\ndef f(e):\n    return 1\nStepLR(o, f)",
        "class A:\n    x = open('{path}', 'w')",
        "import os; os.remove('{path}')",
        "StepLR(o, **open('{path}', 'w'))",
    ],
)
def test_nothing_that_is_pasted_runs(text: str, tmp_path: Path) -> None:
    path = tmp_path / "made"
    with pytest.raises((ValueError, lrgen.SpecError)):
        lrgen.port(text.replace("{path}", str(path)))

    assert not path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9 ** 9",
        "StepLR(o, 10 ** 10 ** 10)",
        "round(1, -10 ** 9)",
        "(" * 500 + "1" + ")" * 500,
        "[" * 70 + "1" + "]" * 70,
        "StepLR(o, " + "-" * 3_000 + "1)",
        "x = 'a' * 10 ** 9",
        "x = [0] * 10 ** 9\nStepLR(o, x)",
        "f(" + "1," * 6_000 + ")",
        " " * 70_000,
        "StepLR(o, 1e400)",
        "StepLR(o, int(1e308) * int(1e308))",
        "\x00",
    ],
)
def test_what_would_take_for_ever_is_refused_at_once(text: str) -> None:
    with pytest.raises((NotPortable, lrgen.SpecError)):
        lrgen.port(text)


def test_the_last_schedule_of_several_lines_is_meant() -> None:
    found = lrgen.port(
        "warmup = 10\n"
        "optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)\n"
        "first = LinearLR(optimizer, start_factor=1e-3, total_iters=warmup)\n"
        "then = CosineAnnealingLR(optimizer, T_max=100 - warmup)\n"
        "both = SequentialLR(optimizer, schedulers=[first, then], milestones=[warmup])\n"
        "print(both)\n"
    )

    assert "SequentialLR of LinearLR and CosineAnnealingLR" == found.bound.schedule.title
    assert 3e-4 == found.bound(10)
    assert [] == [note for note in found.notes if "base_lr" in note]


def test_a_function_of_the_step_becomes_a_formula() -> None:
    found = lrgen.port(
        "import math\n"
        "total = 100\n"
        "def rate(step):\n"
        '    """Warm up, then fall."""\n'
        "    if step < 10:\n"
        "        return step / 10\n"
        "    elif step < total:\n"
        "        return 0.5 * (1 + math.cos(math.pi * (step - 10) / (total - 10)))\n"
        "    return 0\n"
        "LambdaLR(SGD(p, lr=0.2), rate)\n"
    ).bound

    assert [0.1, 0.2, 0.1, 0.0] == [found(5), found(10), pytest.approx(found(55)), found(100)]


def test_a_choice_of_library_is_said() -> None:
    found = lrgen.port("OneCycleLR(optimizer, max_lr=0.1, total_steps=50)")
    paddle = lrgen.port("paddle.optimizer.lr.OneCycleLR(0.1, 50)")

    assert "torch" in found.bound.schedule.cites[0]
    assert "Paddle" in paddle.bound.schedule.title


def test_a_setting_counts_for_more_than_the_call() -> None:
    assert 0.5 == lrgen.port("StepLR(SGD(p, lr=0.1), 5)", base_lr=0.5).bound(0)


def test_what_breaks_a_rule_of_the_schedule_is_named() -> None:
    with pytest.raises(ValueError, match="1 <= T_max"):
        lrgen.port("CosineAnnealingLR(o, T_max=0)")


def test_settings_of_a_trainer_are_read() -> None:
    settings = {"learning_rate": 1e-3, "lr_scheduler_type": "linear", "warmup_ratio": 0.1}
    found = lrgen.port({**settings, "max_steps": 105}).bound

    assert [0.0, 1e-3, 0.0] == [found(0), found(11), found(105)]


def test_deepspeed_s_block_is_read() -> None:
    block = {"type": "WarmupLR", "params": {"warmup_max_lr": 0.1, "warmup_num_steps": 100}}
    found = lrgen.port({"scheduler": block, "train_batch_size": 8}).bound

    assert 0.1 == found(1000)
    with pytest.raises(ValueError, match="'auto' is filled in"):
        lrgen.port({"scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": "auto"}}})


def test_factors_of_t5x_are_read() -> None:
    found = lrgen.port("constant * linear_warmup * rsqrt_decay").bound

    assert 0.5 / 1000**0.5 == pytest.approx(found(1000), rel=1e-15)
    assert 1e-8 == found(0)
