"""The conformance command: equal on a CPU, red where something is broken, plain about the rest."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from on_device import __main__ as command
from on_device import in_torch, machine, report, worker
from on_device.cases import FARTHEST, Checkout, Curve, sweep
from on_device.judge import Tally, ulps_off
from on_device.parts import PARTS
from on_device.report import Outcome, Run

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("numpy", "torch", "jax", "keras")
SPECS = REPOSITORY / "spec" / "schedules"
WHOLE = Checkout(REPOSITORY / "generated", SPECS)
EVERY_FRAMEWORK = ["torch-eager", "jax-jit", "keras-torch", "keras-jax"]
on_each_device = pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.cuda,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
            ],
        ),
    ],
)


def some_of(folder: Path, *schedules: str) -> Checkout:
    """A checkout of a few schedules, to be broken."""
    for schedule in schedules:
        for package in PACKAGES:
            path = Path(f"{package}_schedules") / f"{schedule}.py"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(WHOLE.generated / path, folder / path)
        (folder / "vectors").mkdir(exist_ok=True)
        vectors = Path("vectors") / f"{schedule}.json"
        shutil.copy(WHOLE.generated / vectors, folder / vectors)
    return Checkout(folder, SPECS)


def broken(path: Path, before: str, after: str) -> None:
    """Replace the last ``before``: a docstring quotes the formula before the code does."""
    head, found, tail = path.read_text(encoding="utf-8").rpartition(before)
    assert found, f"{before!r} does not stand in {path.name}"
    path.write_text(head + after + tail, encoding="utf-8")


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "on_device", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "random"},
        capture_output=True,
        text=True,
        check=False,
    )


def judged(name: str, checkout: Checkout, *schedules: str) -> tuple[Tally, list[str]]:
    """What a part makes of ``schedules``, in this process; and its errors."""
    part = next(part for part in PARTS if part.name == name)
    ways = pytest.importorskip(f"on_device.{part.module}")
    tally = Tally()
    chosen = Namespace(steps=512, device="cpu")
    errors = [worker.run(checkout, part, ways, one, chosen, tally) for one in schedules]
    return tally, errors


# -- as it stands ----------------------------------------------------------------------------


@on_each_device
def test_what_is_emitted_is_equal_to_the_bit_in_every_framework(
    device: str, tmp_path: Path
) -> None:
    parts = EVERY_FRAMEWORK if device == "cpu" else [part.name for part in PARTS]
    schedules = ["cosine_warmup", "plateau"]
    done = run_command(
        *("--device", device, "--part", *parts, "--schedule", *schedules),
        *("--steps", "512", "--jobs", "2", "--out", str(tmp_path)),
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    found = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert {"equal"} == {part["result"] for part in found["parts"]}
    for part in found["parts"]:
        observers = 0 if part["part"].startswith("torch-") else 399
        assert 94 + observers == part["rows"], part["part"]
        assert 5 * 512 - 94 == part["steps"]
    assert done.stdout.endswith("Equal to the bit.\n")
    assert "torch-eager: 1 of 1 schedules, equal" in done.stderr


@pytest.mark.parametrize(
    ("part", "schedule", "sets", "rows"),
    [
        ("torch-scheduler", "multi_step", 4, 83),
        ("torch-scheduler", "cosine_plateau", 28, 345),
        ("jax-plain", "linear_warmup", 4, 65),
        ("jax-vmap", "multi_step", 4, 83),
        ("jax-vmap", "cosine_plateau", 28, 345),
    ],
)
def test_the_other_ways_are_equal_too(part: str, schedule: str, sets: int, rows: int) -> None:
    tally, errors = judged(part, WHOLE, schedule)

    assert [""] == errors
    assert (sets, rows, 0, []) == (tally.sets, tally.rows, tally.unequal, tally.shown)


@pytest.mark.slow
def test_every_part_of_a_cpu_is_equal(tmp_path: Path) -> None:
    schedules = ["cosine_warm_restarts", "momentum_warmup", "natural_exponential", "newbob"]
    done = run_command("--device", "cpu", "--schedule", *schedules, "--out", str(tmp_path))

    assert 0 == done.returncode, done.stdout + done.stderr
    found = json.loads((tmp_path / "cpu.json").read_text())
    assert {"torch-graph": "left out"} == {
        part["part"]: part["result"] for part in found["parts"] if part["result"] != "equal"
    }


# -- a graph, recorded by hand where there is no CUDA ----------------------------------------


class ByHand:
    """Does what was recorded again: what a CUDA graph does without asking Python."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.replay = work
        work()


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.cuda,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
            ],
        )
    ],
)
def test_a_captured_function_gives_the_same_bits(device: str) -> None:
    cases = WHOLE.cases("cosine_warmup", 512)
    module = WHOLE.module("torch", "cosine_warmup")
    tally = Tally()
    for case, rates, _ in in_torch.graph(module, cases, device):
        tally.count(case, rates, flush=False)

    assert (5, 0) == (tally.sets, tally.unequal)


def test_a_replay_reads_new_steps_and_its_counter_counts() -> None:
    cases = WHOLE.cases("cosine_warmup", 512)
    module = WHOLE.module("torch", "cosine_warmup")
    tally = Tally()
    for case, rates, _ in in_torch.graph(module, cases, "cpu", record=ByHand):
        tally.count(case, rates, flush=False)

    assert (5, 0) == (tally.sets, tally.unequal)


def test_a_graph_that_keeps_the_steps_it_was_captured_with_is_noticed() -> None:
    class Frozen(ByHand):
        def __init__(self, work: Callable[[], None]) -> None:
            super().__init__(work)
            self.replay = lambda: None

    case = WHOLE.cases("cosine_warmup", 512)[0]
    assert isinstance(case, Curve)
    function = in_torch.function_of(WHOLE.module("torch", "cosine_warmup"), case)
    tally, rates = Tally(), in_torch.replayed(function, case, "cpu", Frozen)
    tally.count(case, next(rates), flush=False)

    assert tally.unequal > 400
    with pytest.raises(ValueError, match=r"replayed with a counter, step 1 gives 0\.0 instead"):
        next(rates)


class Refusing(ByHand):
    """Refuses what CUDA refuses while a graph is recorded: to make a tensor of the host's list."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.replay = work
        work()  # the warm-up
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "tensor", self.refuse)
            work()

    @staticmethod
    def refuse(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")


def test_a_refused_capture_is_a_failure_of_its_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = functools.partial(in_torch.graph, record=Refusing)
    monkeypatch.setitem(in_torch.WAYS, "graph", recorded)
    checkout = some_of(tmp_path, "multi_step", "stages", "linear")
    # A CPU that fills its tables as another device does, but for that of one schedule.
    broken(tmp_path / "torch_schedules" / "multi_step.py", 'device.type == "cpu"', "False")
    tally, errors = judged("torch-graph", checkout, "multi_step", "stages", "linear")

    refused = "RuntimeError: CUDA error: operation not permitted when stream is capturing"
    assert ["", refused, ""] == errors
    assert (2, 8, 0) == (tally.schedules, tally.sets, tally.unequal)
    assert (0, 0) == (tally.without, tally.inexact)
    part = next(part for part in PARTS if part.name == "torch-graph")
    assert Outcome(part, ["stages"], ["stages"], errors={"stages": refused}).failed


def test_a_refusal_says_what_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class BrokenOff(contextlib.nullcontext[None]):
        def __exit__(self, *error: object) -> None:
            raise RuntimeError("CUDA error: operation failed due to a previous error")

    for name in ("Stream", "CUDAGraph", "stream", "current_stream", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    monkeypatch.setattr(torch.cuda, "graph", BrokenOff)
    warmed_up: list[None] = []

    def work() -> None:
        warmed_up.append(None)
        if len(warmed_up) > 3:
            Refusing.refuse()

    with pytest.raises(RuntimeError, match="cannot hold it: CUDA error: operation not permitted"):
        in_torch.record_cuda_graph(work)


# -- broken on purpose -----------------------------------------------------------------------

BREAKS = [
    ("torch-eager", "torch", "torch.where(step < warmup_steps", "torch.where(step <= warmup_steps"),
    ("torch-eager", "torch", ".double() / max(total", ".float() / max(total"),
    ("torch-scheduler", "torch", 'group["lr"] = end_lr + span', 'group["lr"] = span'),
    ("jax-jit", "jax", "jnp.sin(", "jnp.cos("),
    ("jax-vmap", "jax", "total_steps - step) /", "total_steps - step + 1) /"),
]


@pytest.mark.parametrize(("part", "package", "before", "after"), BREAKS)
def test_a_broken_module_is_reported_with_its_step(
    part: str, package: str, before: str, after: str, tmp_path: Path
) -> None:
    checkout = some_of(tmp_path, "cosine_warmup", "linear_warmup")
    broken(tmp_path / f"{package}_schedules" / "cosine_warmup.py", before, after)
    tally, errors = judged(part, checkout, "cosine_warmup", "linear_warmup")

    assert ["", ""] == errors
    assert tally.unequal > 0
    assert tally.worst_float32 > 0
    assert tally.shown
    assert all(line.startswith("cosine_warmup ") for line in tally.shown)
    assert " expected, got " in tally.shown[0]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("one_cycle_momentum", "first, *others = group", "*others, first = group"),
        ("weight_decay_cosine", ".fill_(weight_decay)", ".fill_(2 * weight_decay)"),
    ],
)
def test_a_broken_tensor_beside_the_rate_is_reported(
    name: str, before: str, after: str, tmp_path: Path
) -> None:
    checkout = some_of(tmp_path, name)
    whole, errors = judged("torch-scheduler", checkout, name)
    broken(tmp_path / "torch_schedules" / f"{name}.py", before, after)
    tally, more_errors = judged("torch-scheduler", checkout, name)

    assert ["", ""] == [*errors, *more_errors]
    assert 0 == whole.unequal < tally.unequal


def test_a_broken_vector_is_reported_by_the_command(tmp_path: Path) -> None:
    some_of(tmp_path, "linear", "newbob")
    path = tmp_path / "vectors" / "newbob.json"
    vectors = json.loads(path.read_text())
    row = vectors["cases"][0]["rows"][1]
    row["bits"] = f"{int(row['bits'], 16) + 1:08x}"
    path.write_text(json.dumps(vectors))
    name = vectors["cases"][0]["name"]
    broken(tmp_path / "keras_schedules" / "linear.py", "step < total", "step + 1 < total")
    out = ("--generated", str(tmp_path), "--out", str(tmp_path / "out"), "--steps", "512")
    done = run_command("--device", "cpu", "--part", "keras-jax", *out)

    assert 1 == done.returncode, done.stderr
    page = (tmp_path / "out" / "cpu.md").read_text()
    (part,) = json.loads((tmp_path / "out" / "cpu.json").read_text())["parts"]
    assert f"`keras-jax`: newbob {name}: observation 1: " in page
    assert "`keras-jax`: linear " in page
    assert ("differs", 2) == (part["result"], part["schedules"])
    assert done.stdout.endswith("Something differs or failed.\n")


def test_a_module_that_raises_fails_alone(tmp_path: Path) -> None:
    checkout = some_of(tmp_path, "linear", "linear_warmup")
    broken(tmp_path / "torch_schedules" / "linear.py", "step = step.long()", "step = step.words()")
    tally, errors = judged("torch-eager", checkout, "linear", "linear_warmup")

    assert ["AttributeError: 'Tensor' object has no attribute 'words'", ""] == errors
    assert (1, 4) == (tally.schedules, tally.sets)


def test_a_case_that_is_not_run_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = in_torch.eager
    monkeypatch.setitem(
        in_torch.WAYS, "eager", lambda module, cases, d: whole(module, cases[1:], d)
    )
    _, errors = judged("torch-eager", WHOLE, "linear")

    assert ["3 of 4 sets of parameters were run"] == errors


def test_a_rate_on_another_device_is_an_error() -> None:
    with pytest.raises(ValueError, match="a rate on cuda expected, got one on cpu"):
        in_torch.found(torch.zeros(1), "cuda")


# -- the judge -------------------------------------------------------------------------------


def a_curve(*bits: int) -> Curve:
    steps = np.arange(len(bits))
    return Curve("made", "up", {}, steps, np.array(bits, np.uint32), 1, ("1e-40",))


def test_what_is_below_every_normal_float32_may_be_0_where_that_is_allowed() -> None:
    case, zeros = a_curve(0x007FFFFF, 0x00000001), np.zeros(2, np.float32)
    allowed, strict = Tally(), Tally()
    allowed.count(case, zeros, flush=True)
    strict.count(case, zeros, flush=False)

    assert (2, 0) == (allowed.flushed, allowed.unequal)
    assert (0, 2, 0x007FFFFF) == (strict.flushed, strict.unequal, strict.worst_float32)


def test_a_normal_float32_may_not_be_0() -> None:
    tally = Tally()
    tally.count(a_curve(0x00800000), np.zeros(1, np.float32), flush=True)

    assert (0, 1) == (tally.flushed, tally.unequal)


def test_nan_and_the_sign_of_zero_count() -> None:
    tally = Tally()
    tally.count(a_curve(0x3F800000, 0), np.array([np.nan, -0.0], np.float32), flush=True)

    assert 2 == tally.unequal


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (np.zeros(2), "made up: float32 expected, got float64"),
        (np.zeros(3, np.float32), r"made up: 2 values expected, got an array of shape \(3,\)"),
        (np.zeros((2, 1), np.float32), r"made up: 2 values expected"),
    ],
)
def test_other_types_and_shapes_are_refused(rates: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tally().count(a_curve(0, 0), rates, flush=False)


def test_binary64_is_held_to_the_exact_value() -> None:
    case = Curve("made", "up", {}, np.arange(1), np.zeros(1, np.uint32), 1, ("0.5",))
    tally = Tally()
    tally.measure(case, [0.5 + 3 * 2.0**-53], ulps=2)

    assert (3.0, 1, "made up, step 0") == (
        tally.worst_float64,
        tally.inexact,
        tally.worst_float64_at,
    )
    assert ["made up: step 0: 3 ulp of binary64 off, 2 allowed"] == tally.shown
    assert float("inf") == ulps_off(float("nan"), "0.5")


# -- the sweep -------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [0, 7, 100_000, 2**53, 2**62])
def test_a_sweep_has_as_many_steps_as_it_should_and_none_that_is_negative(end: int) -> None:
    rows = np.array([0, 1, min(end, 2**62), 2**53 + 1, 2**63 - 1])
    steps = sweep(rows, end, 2_000)

    assert (2_000, np.dtype(np.int64)) == (len(steps), steps.dtype)
    assert 0 <= steps.min() <= steps.max() <= FARTHEST
    if end == 100_000:
        assert {99_999, 100_001, 500} <= set(steps.tolist())
        assert (steps > 100_500).any()


def test_a_sweep_may_be_shorter_than_the_neighborhood_of_the_rows() -> None:
    assert 3 == len(sweep(np.array([0, 1_000]), 1_000, 3))
    assert 0 == len(sweep(np.array([0, 1_000]), 1_000, -5))


# -- parts that end badly, or late -----------------------------------------------------------

GOOD = {"schedule": "linear", "error": "", "tally": {"schedules": 1, "sets": 4, "rows": 65}}


def session(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str, *arguments: str) -> Run:
    """A run of one part whose process is ``program`` instead."""
    stub = folder / "python"
    stub.write_text(f"#!{sys.executable}\nimport json, sys, time\n{program}")
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(command, "GRACE", 0.5)
    monkeypatch.setattr(command.sys, "executable", str(stub))
    part = ("--device", "cpu", "--part", "torch-eager", "--schedule", "linear", "rex")
    return command.Session(command._read([*part, *arguments]), None).run()


def test_a_part_that_dies_is_an_error_and_keeps_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"print('{json.dumps(GOOD)}', flush=True)\nsys.exit('CUDA error: out of luck')"
    run = session(tmp_path, monkeypatch, program)

    (outcome,) = run.outcomes
    assert ("failed", {"": "CUDA error: out of luck"}) == (outcome.result, outcome.errors)
    assert 65 == outcome.count("rows")
    assert run.failed
    assert "- `torch-eager`: CUDA error: out of luck\n" in report.page(run)


def test_a_part_that_takes_too_long_is_stopped_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"print('{json.dumps(GOOD)}', flush=True)\ntime.sleep(60)"
    run = session(tmp_path, monkeypatch, program, "--seconds", "1")

    (outcome,) = run.outcomes
    assert "1 of 2 schedules, for want of time: rex." == outcome.left_out
    assert "equal, in part" == outcome.result
    assert not run.failed
    assert "Equal to the bit, in all that was run; something was left out." == run.result
    assert "\n## Left out\n\n- `torch-eager`: 1 of 2 schedules" in report.page(run)


@pytest.mark.parametrize(
    ("weights", "jobs", "expected"),
    [
        ([4, 1, 1], 1, 4 / 6),
        ([1, 1], 1, 1 / 2),
        ([1], 1, 1),
        ([4, 1, 1], 2, 1),
        ([1] * 9, 4, 1 / 3),
    ],
)
def test_the_time_left_is_shared_with_those_that_wait(
    weights: list[int], jobs: int, expected: float
) -> None:
    assert expected == command.share(weights, jobs)


def test_a_run_of_nothing_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = session(tmp_path, monkeypatch, "print(json.dumps({'ended': True}))", "--seconds", "1")

    assert run.failed
    assert "Nothing was run." == run.result


def test_what_is_not_installed_and_what_a_cpu_lacks_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    run = command.Session(command._read(["--device", "cpu"]), None).run()

    reasons = {outcome.part.name: outcome.left_out for outcome in run.outcomes}
    assert "there is no such thing on a CPU." == reasons["torch-graph"]
    assert "torch not installed here." == reasons["torch-eager"]
    assert "keras and jax not installed here." == reasons["keras-jax"]


def test_wheels_are_unpacked_for_what_is_not_installed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "spare-1-py3-none-any.whl", "w") as archive:
        archive.writestr("spare/__init__.py", "")
    folder = command.unpack(tmp_path, tmp_path / "site")
    found = command.Session(command._read(["--wheels", str(tmp_path)]), folder)

    assert found._is_there("spare")
    assert not found._is_there("spares")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--schedule", "sine"], "no vectors of 'sine'"),
        (["--generated", "nowhere"], "--generated: no vectors in nowhere: run `lrgen build`"),
        (["--wheels", "nowhere"], "--wheels: no wheel in nowhere"),
        (["--steps", "0"], "--steps, --jobs and --seconds must be more than 0"),
        (["--part", "torch-sleepy"], "invalid choice: 'torch-sleepy'"),
    ],
)
def test_wrong_usage_is_said_in_a_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)

    assert 2 == ended.value.code
    assert message in capsys.readouterr().err


# -- the report ------------------------------------------------------------------------------


def a_run() -> Run:
    part = next(part for part in PARTS if part.name == "torch-eager")
    tally, errors = judged("torch-eager", WHOLE, "linear")
    assert [""] == errors
    fields = {name: getattr(tally, name) for name in Tally.__slots__}
    outcome = Outcome(part, ["linear"], ["linear"], fields)
    return Run("NVIDIA H100 80GB HBM3", True, {"driver": "580.1"}, {"rows": 65}, [outcome])


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in report.write(a_run(), tmp_path / "1", "x")]
    second = [path.read_bytes() for path in report.write(a_run(), tmp_path / "2", "x")]

    assert first == second
    assert b"| torch-eager | equal | 1 | 4 | 65 | 1,983 | 0 | 0 | 0 | " in first[0]


def test_a_report_of_a_cpu_says_so(tmp_path: Path) -> None:
    run = a_run()

    assert "no GPU took part" not in report.page(run)
    assert "no GPU took part" in report.page(dataclasses.replace(run, gpu=False))


def test_a_device_has_a_file_name() -> None:
    assert "nvidia-h100-80gb-hbm3" == machine.slug("NVIDIA H100 80GB HBM3")


@pytest.mark.parametrize("path", sorted((REPOSITORY / "docs" / "conformance").glob("*.json")))
def test_a_committed_report_is_one_of_equality(path: Path) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))

    assert {0} == {part.get("unequal", 0) for part in found["parts"]}
    assert [{}] * len(found["parts"]) == [part["errors"] for part in found["parts"]]


# -- what it stands on -----------------------------------------------------------------------


def libraries(folder: Path) -> set[str]:
    """What is imported, anywhere in a file, that is neither Python's nor the package's own."""
    found = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    found |= {alias.name.partition(".")[0] for alias in names}
                case ast.ImportFrom(module=str(module), level=0):
                    found.add(module.partition(".")[0])
    return found - sys.stdlib_module_names


def test_it_stands_on_numpy_and_the_frameworks_alone() -> None:
    assert {"numpy", "torch", "jax", "keras"} == libraries(REPOSITORY / "on_device")


def test_another_library_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("def late():\n    from lrgen import load\n")

    assert {"lrgen"} == libraries(tmp_path)


def test_only_what_is_of_a_framework_imports_it() -> None:
    code = (
        "import sys, on_device.__main__, on_device.worker\n"
        "print({'torch', 'jax', 'keras'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert "set()\n" == done.stdout
