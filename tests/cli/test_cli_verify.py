"""``lrgen verify``: anybody's code against a spec, from the command line."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

from lrgen.cli import main
from lrgen.vectors import FLAGS

COSINE = ("--against", "cosine", "--set", "base_lr=0.1", "total_steps=100")
MODULES = {
    "rates.py": """
        import math


        def cosine(step):
            return 0.1 * math.sin(math.pi / 200 * (100 - min(step, 100))) ** 2


        def late(step):
            return cosine(max(step - 1, 0))


        def failing(step):
            return cosine(step) if step < 100 else 1 / (step - 100)


        class Schedules:
            exact = staticmethod(cosine)


        class Walked:
            at = 0

            def step(self):
                self.at += 1

            def get_last_lr(self):
                return [cosine(self.at)]


        def make():
            return Walked()


        def fails():
            raise RuntimeError("no such\\nthing")


        number = 3
    """,
    "torch_rates.py": """
        import torch


        def make():
            optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
            return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    """,
    "broken.py": "import nothing_of_this_name\n",
    "raising.py": "raise ValueError('two\\nlines')\n",
    "leaving.py": "import sys\n\nsys.exit(0)\n",
    "package/__init__.py": "",
    "package/inside.py": "from rates import cosine\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a user's modules, in which the command runs; none of them is kept."""
    for name, text in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    own = {name.removesuffix(".py").replace("/", ".") for name in MODULES} | {"package"}
    for name in own:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def told(capsys, *arguments: str | os.PathLike[str], code: int) -> list[str]:
    assert main(["verify", *map(os.fspath, arguments)]) == code
    return capsys.readouterr().out.splitlines()


def refused(capsys, *arguments: str | os.PathLike[str]) -> str:
    """The one line that is said, without its end."""
    assert main(["verify", *map(os.fspath, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removesuffix("\n")


@pytest.mark.parametrize(
    "code",
    [
        "rates:cosine",
        "rates.py:cosine",
        "rates:Schedules.exact",
        "rates:Walked",
        "package.inside:cosine",
    ],
)
def test_code_that_is_right_passes(code: str, capsys) -> None:
    head, line = told(capsys, code, *COSINE, code=0)

    assert f"{code} is cosine(base_lr=0.1, total_steps=100, end_lr=0.0)." == head
    assert "each the nearest float32." in line


def test_a_factory_is_called_first(capsys) -> None:
    _, line = told(capsys, "rates:make", "--factory", *COSINE, code=0)

    assert "Walked to step 1,007; left out: 5 steps beyond it." in line


def test_code_that_is_late_fails_with_a_line_for_each_step(capsys) -> None:
    lines = told(capsys, "rates:late", *COSINE, "--steps", "5", code=1)

    assert "rates:late is not cosine(base_lr=0.1, total_steps=100, end_lr=0.0)." == lines[0]
    assert lines[1].endswith("6 steps from 0 to 5 compared: 5 not the nearest float32.")
    assert lines[2].startswith("step 1: got 0.1, exact 0.0999753280183, ")
    assert lines[2].endswith(f"second: {FLAGS['second']}")
    assert lines[-1].startswith("It is one update late")
    assert 8 == len(lines)


def test_torch_is_caught_where_it_rises_again(capsys) -> None:
    lines = told(capsys, "torch_rates:make", "--factory", *COSINE, code=1)

    assert f"step 200: got 0.1, exact 0. past_end: {FLAGS['past_end']}" in lines


def test_what_a_function_raises_is_a_deviation(capsys) -> None:
    lines = told(capsys, "rates:failing", *COSINE, code=1)

    assert any(
        line.startswith("step 100: got nothing: it raised ZeroDivisionError: ") for line in lines
    )


def test_a_budget_in_ulps_is_one_of_binary64(capsys) -> None:
    _, line = told(capsys, "rates:cosine", *COSINE, "--ulps", "8", code=0)
    assert "each within 8 ulp of float64." in line

    lines = told(capsys, "rates:cosine", *COSINE, "--ulps", "0", code=1)
    assert "not the nearest float64" in lines[1]


def test_the_verdict_is_there_for_machines(capsys) -> None:
    text = "\n".join(told(capsys, "rates:late", *COSINE, "--json", code=1))
    found = json.loads(text)

    assert not found["holds"]
    assert 1 == found["deviations"][0]["step"]
    assert "second" == found["deviations"][0]["flag"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("rates", "'rates' is not MODULE:NAME"),
        ("rates:", "is not MODULE:NAME"),
        ("rates:cosine()", "is not MODULE:NAME"),
        ("rates:cosin", "rates has no 'cosin'. Did you mean 'cosine'?"),
        ("rates:cosine.nothing", "rates has no 'nothing'."),
        ("rats:cosine", "there is no module 'rats' here"),
        ("package.nowhere:x", "there is no module 'package.nowhere' here"),
        ("nowhere.py:cosine", "nowhere.py: no such file."),
        ("broken:x", "broken cannot be imported: ModuleNotFoundError: No module named 'nothing"),
        ("raising:x", "raising cannot be imported: ValueError: two lines"),
        ("raising.py:x", "raising.py cannot be imported: ValueError: two lines"),
        ("leaving:x", "leaving cannot be imported: SystemExit: 0"),
        ("rates:number", "3 is no schedule"),
        ("rates:make", "cannot be called with a step"),
    ],
)
def test_code_that_cannot_be_had_is_said_in_a_line(code: str, said: str, capsys) -> None:
    assert said in refused(capsys, code, *COSINE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rates:fails", "--factory", *COSINE), "fails() raised RuntimeError: no such thing."),
        (("rates:number", "--factory", *COSINE), "3 makes nothing"),
        (("rates:cosine", "--against", "cosin"), "Did you mean 'cosine'?"),
        (("rates:cosine", "--against", "greedy"), "greedy observes a metric"),
        (("rates:cosine", "--against", "cosine", "--set", "x=1"), "has no parameter 'x'"),
        (("rates:cosine", "--against", "cosine", "--steps", "x"), "--steps must be"),
        (("rates:cosine", "--against", "cosine", "--ulps", "-1"), "--ulps must be"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line(arguments, said: str, capsys) -> None:
    assert said in refused(capsys, *arguments)


def test_keras_is_asked_as_its_optimizers_ask(folder: Path, run) -> None:
    (folder / "keras_rates.py").write_text(
        "import keras\n\n\n"
        "def make():\n    return keras.optimizers.schedules.CosineDecay(0.1, 100)\n",
        encoding="utf-8",
    )
    done = run("verify", "keras_rates:make", "--factory", *COSINE, cwd=folder, KERAS_BACKEND="jax")

    assert (1, "") == (done.returncode, done.stderr)
    assert "near_end: Cancellation" in done.stdout
    assert "past_end" not in done.stdout
