"""``lrgen plot``: pictures in the terminal and in files, and what is said instead of one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import lrgen
from lrgen import files
from lrgen.bound import Bound, Loaded, open_spec
from lrgen.catalogue import catalogue
from lrgen.cli import main
from lrgen.evaluate import Arithmetic
from lrgen.plot import pictures
from lrgen.plot.columns import COLUMNS
from lrgen.plot.command import Request, Unusable, draw
from lrgen.plot.places import Outline
from lrgen.plot.schedules import Observed, Shown, over_observations, over_updates
from lrgen.sampling import boundaries

LONG = (2**62, 10**12, 10**6)
FEW = ("cosine_warmup", "cyclic", "step_decay", "one_cycle", "power_law_linear_tail")


@pytest.fixture(autouse=True)
def terminal(monkeypatch) -> None:
    """One of 80 columns and 24 lines, wherever the tests run."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


def told(capsys, *arguments: str | os.PathLike[str]) -> str:
    assert main(["plot", *map(os.fspath, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments: str | os.PathLike[str]) -> str:
    """The one line that is said, without its end."""
    assert main(["plot", *map(os.fspath, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removesuffix("\n")


def shown(name: str, **values: object) -> Shown:
    specs, found = open_spec(name)
    schedule = specs.schedule(found)
    return Shown(found, schedule, Loaded(schedule).bind(**values))


# -- in the terminal ---------------------------------------------------------------------------


def test_a_schedule_is_drawn_in_the_terminal(capsys) -> None:
    lines = told(capsys, "cosine_warmup").splitlines()

    assert lines[0] == "learning rate"
    assert lines[1].startswith("  0.001 ┤⢀⣀⣀⣀⣀⡀")
    assert lines[-1].split() == ["0", "20k", "40k", "60k", "80k", "update"]
    assert len(lines) == 23
    assert max(map(len, lines)) == 80


@pytest.mark.parametrize("width", ["40", "120"])
def test_a_picture_is_as_wide_as_the_terminal(width: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", width)

    for names in (["constant"], ["constant", "linear", "long_name_of_a_label=linear"]):
        assert max(map(len, told(capsys, *names).splitlines())) == int(width)


def test_several_schedules_have_a_legend(capsys) -> None:
    assert told(capsys, "cosine", "linear").splitlines()[-1] == "  * cosine   + linear"


def test_each_quantity_has_axes_of_its_own(capsys) -> None:
    text = told(capsys, "one_cycle", "one_cycle_momentum")

    assert text.startswith("learning rate\n")
    assert "\nmomentum\n" in text
    assert "*" not in text


def test_a_picture_that_is_piped_is_plain(run) -> None:
    assert "\x1b" not in run("plot", "cosine", "linear").stdout


def test_a_terminal_gets_colors(monkeypatch, capsys) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "\x1b[38;5;32m" in told(capsys, "cosine")

    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in told(capsys, "cosine")


def test_letters_that_an_encoding_lacks_are_replaced(run) -> None:
    done = run("plot", "cosine", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "\\u" not in done.stdout
    assert "  0.001 |****" in done.stdout


# -- parameters --------------------------------------------------------------------------------


def test_a_parameter_is_set_wherever_there_is_one_of_that_name(capsys) -> None:
    text = told(capsys, "cosine_warmup", "cosine", "--set", "total_steps=2000", "peak_lr=3e-4")

    assert text.splitlines()[-2].split() == ["0", "500", "1000", "1500", "update"]


def test_one_of_the_schedules_can_be_meant() -> None:
    from lrgen.plot.settings import dealt_out

    known = {"a": ["peak_lr", "total_steps"], "b": ["base_lr", "total_steps"]}
    settings = ["b.total_steps=5", "total_steps=7", "peak_lr=1"]

    assert dealt_out(settings, known) == {
        "a": ["total_steps=7", "peak_lr=1"],
        "b": ["total_steps=7", "total_steps=5"],
    }


def test_a_schedule_can_be_compared_with_itself(capsys) -> None:
    text = told(capsys, "a=cosine", "b=cosine", "--set", "b.total_steps=50_000")

    assert text.splitlines()[-1] == "  * a   + b"


def test_a_file_is_a_name_too(specs: Path, capsys) -> None:
    text = told(
        capsys, specs / "ramp.toml", f"other={specs / 'twice.toml'}", "--set", "ramp.peak_lr=2"
    )

    assert text.splitlines()[-1] == "  * ramp   + other"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cosne"], "no schedule 'cosne'. Did you mean 'cosine'?"),
        (["a=cosne"], "no schedule 'cosne'. Did you mean 'cosine'?"),
        (["cosine", "cosine"], "'cosine' is there twice. Label them: a=cosine b=cosine."),
        (
            ["cosine", "--set", "total_step=3"],
            "cosine has no parameter 'total_step'. Did you mean 'total_steps'?",
        ),
        (
            ["cosine", "linear", "--set", "total_step=3"],
            "none of cosine, linear has a parameter 'total_step'. Did you mean 'total_steps'?",
        ),
        (
            ["cosine", "--set", "cosin.total_steps=3"],
            "'cosin.total_steps=3': no schedule 'cosin'. Did you mean 'cosine'?",
        ),
        (
            ["cosine", "--set", "cosine.total_step=3"],
            "cosine has no parameter 'total_step'. Did you mean 'total_steps'?",
        ),
        (
            ["cosine", "--set", "total_steps"],
            "'total_steps' is not NAME=VALUE, as in warmup_steps=0.",
        ),
        (
            ["a=cosine", "--set", "total_steps=-1"],
            "a: total_steps must be an integer >= 0, got -1",
        ),
        (
            ["cosine_warmup", "--set", "total_steps=10"],
            "cosine_warmup: warmup_steps <= total_steps does not hold: "
            "warmup_steps = 1000, total_steps = 10",
        ),
        (
            ["cosine", "--steps", "1.5"],
            "--steps must be a whole number from 1 to 2**62, as 100_000, 1e6 or 20k, got '1.5'",
        ),
        (
            ["constant", "--log", "--set", "base_lr=0"],
            "learning rate: there is no positive value to draw",
        ),
        (["cosine", "-o", "a.gif"], "a.gif: a picture's name ends in .svg, .png or .pdf"),
        (["cosine", "-o", "svg"], "svg: a picture's name ends in .svg, .png or .pdf"),
        (
            ["cosine", "--column", "loss"],
            "--column and --every say how to read --metrics FILE: give that too.",
        ),
        (
            ["cosine", "--metrics", "none.csv", "--steps", "3"],
            "--metrics says how many observations there are: leave out --steps.",
        ),
        (
            ["cosine", "--metrics", "none.csv"],
            "none.csv: cannot be read: No such file or directory.",
        ),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(
    arguments: list[str], message: str, capsys
) -> None:
    assert refused(capsys, *arguments) == message


def test_a_folder_is_not_one_schedule(specs: Path, capsys) -> None:
    assert refused(capsys, specs) == (
        f"{specs}: a folder, but one schedule is wanted. Name a file."
    )


def test_more_curves_than_can_be_told_apart_are_refused(capsys) -> None:
    names = [f"a{k}=cosine" for k in range(21)]

    assert refused(capsys, *names) == "21 schedules, the limit is 20. Draw fewer."


def test_a_spec_that_does_not_hold_what_it_claims_is_told(tmp_path: Path, capsys) -> None:
    spec = tmp_path / "wrong.toml"
    spec.write_text(
        'name = "wrong"\ntitle = "Wrong"\nvalue = "0.5"\n[claims]\nbounds = ["0", "0.25"]\n',
        encoding="utf-8",
    )

    assert main(["plot", str(spec)]) == 1
    assert "wrong.toml: claims.bounds" in capsys.readouterr().err


# -- what is sampled ---------------------------------------------------------------------------


@pytest.mark.parametrize("last", LONG)
@pytest.mark.parametrize("name", FEW)
def test_every_boundary_is_drawn_with_its_neighbors(name: str, last: int) -> None:
    one = shown(name)
    outline = Outline(one.schedule, one.bound.values)
    (panel,) = over_updates([one], last)
    (curve,) = panel.curves

    places = [p + k for p in outline.places for k in (-1, 0, 1) if p + k <= last]
    assert places
    assert set(map(float, places)) <= set(curve.xs)
    if curve.band is None:
        assert (curve.ys == one.bound.curve(curve.xs.astype(np.int64))).all()


def test_short_cycles_are_filled_and_said_to_be(capsys) -> None:
    text = told(capsys, "cosine_restarts", "--set", "cycle_steps=7", "--steps", "20k")

    assert text.count("⣿") > 800
    assert text.splitlines()[-2:] == [
        "  Filled where it goes up and down within 125 updates. More than 40",
        "  boundaries, which are not marked.",
    ]


@pytest.mark.parametrize("name", list(catalogue()))
def test_a_picture_of_any_schedule_has_a_sensible_length(name: str) -> None:
    specs, _ = open_spec(name)
    schedule = specs.schedule(name)
    if getattr(schedule, "observes", None) is None:
        outline = Outline(schedule, schedule.defaults)
        values = schedule.defaults.values()
        entries = [e for v in values for e in (v if isinstance(v, tuple) else (v,))]
        lengths = [e for e in entries if isinstance(e, int) and e < 10**9]
        first = boundaries(schedule, schedule.defaults, Arithmetic())[:4]

        assert 10 <= outline.horizon() <= 20 * max([*lengths, *first, 1_000])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(catalogue()))
def test_every_schedule_of_the_catalogue_can_be_drawn(name: str, tmp_path: Path, capsys) -> None:
    specs, _ = open_spec(name)
    if getattr(specs.schedule(name), "observes", None) is None:
        for more in ([], ["--log"], ["-o", str(tmp_path / "a.svg")], ["--steps", "1e9"]):
            assert told(capsys, name, *more)


# -- files -------------------------------------------------------------------------------------

DRAW = """
import sys
from lrgen.plot import Panel, figure, sampled, save

line = sampled("line", lambda steps: steps * 1e-9, 10**9, [500], marks=[500])
band = sampled("band", lambda steps: (steps % 7) / 7, 10**9)
save(figure([Panel([line, band]), Panel([line], log=True)], title="Both"), *sys.argv[1:])
"""


def test_a_picture_has_the_same_bytes_on_every_run(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.fonttype: none\n")
    runs = []
    for number, folder in enumerate((None, tmp_path)):
        paths = [tmp_path / f"{number}.{ending}" for ending in ("svg", "png", "pdf")]
        subprocess.run(
            [sys.executable, "-c", DRAW, *map(str, paths)],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": str(number), "TZ": f"UTC-{number}"},
            check=True,
        )
        for path in paths:
            assert path.stat().st_size > 10_000
            assert b"Date" not in path.read_bytes()
        runs.append([files.digest(path.read_bytes()) for path in paths])

    assert runs[0] == runs[1]


def test_without_our_salt_the_bytes_would_change(monkeypatch, tmp_path: Path) -> None:
    made = pictures.figure(over_updates([shown("cosine")], 100))
    paths = [tmp_path / f"{k}.svg" for k in range(4)]
    pictures.save(made, *paths[:2])
    monkeypatch.setitem(pictures._LOOK, "svg.hashsalt", None)
    pictures.save(made, *paths[2:])

    same, again, other, another = (files.digest(path.read_bytes()) for path in paths)
    assert same == again
    assert other != another


def test_formats_do_not_depend_on_what_was_written_before(tmp_path: Path) -> None:
    made = pictures.figure(over_updates([shown("cosine")], 100))
    paths = [tmp_path / name for name in ("a.svg", "a.png", "a.pdf", "b.png", "b.svg", "b.pdf")]
    pictures.save(made, *paths)

    for ending in ("svg", "png", "pdf"):
        first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in "ab")
        assert files.digest(first) == files.digest(second)


def test_where_a_picture_was_written_is_told(tmp_path: Path, capsys) -> None:
    path = tmp_path / "a.PNG"

    assert told(capsys, "cosine", "-o", path) == f"{path}: updates 0 to 105,001.\n"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_set_stands_below_the_picture(monkeypatch, tmp_path: Path, capsys) -> None:
    kept = []
    monkeypatch.setattr("lrgen.plot.command.save", lambda made, path: kept.append(made))
    told(capsys, "cosine", "--set", "total_steps=50", "-o", tmp_path / "a.svg")

    (made,) = kept
    assert made.get_suptitle() == "Cosine annealing to a floor"
    assert made.get_supxlabel() == "total_steps = 50"
    assert [axes.get_ylabel() for axes in made.get_axes()] == ["learning rate"]


def test_what_was_set_stands_below_with_its_label(monkeypatch, tmp_path: Path, capsys) -> None:
    kept = []
    monkeypatch.setattr("lrgen.plot.command.save", lambda made, path: kept.append(made))
    told(capsys, "cosine", "b=cosine", "--set", "b.total_steps=50", "-o", tmp_path / "a.svg")

    assert kept[0].get_suptitle() == ""
    assert kept[0].get_supxlabel() == "b: total_steps = 50"


def test_boundaries_are_marked_in_a_figure() -> None:
    made = pictures.figure(over_updates([shown("cosine_warmup")], None))
    (axes,) = made.get_axes()

    vertical = [line for line in axes.get_lines() if list(line.get_ydata()) == [0, 1]]
    assert [line.get_xdata()[0] for line in vertical] == [1_000, 100_000]


def test_a_picture_that_cannot_be_written_leaves_what_was_there(
    monkeypatch, tmp_path: Path, capsys
) -> None:
    path = tmp_path / "a.svg"
    path.write_text("before")

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    message = refused(capsys, "constant", "-o", path)

    assert message == (
        f"{path}: cannot be written: No space left on device. Give another file to -o."
    )
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["none/a.svg", "folder.svg", "file/a.svg"])
def test_a_place_that_holds_no_picture_is_told_before_anything_is_computed(
    name: str, monkeypatch, tmp_path: Path, capsys
) -> None:
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(Bound, "curve", None)
    message = refused(capsys, "constant", "-o", tmp_path / name)

    assert message.startswith(f"{tmp_path / name}: cannot be written: ")
    assert message.endswith(". Give another file to -o.")


def test_a_folder_that_refuses_is_told(capsys) -> None:
    assert refused(capsys, "constant", "-o", "/proc/a.svg") == (
        "/proc/a.svg: cannot be written: No such file or directory. Give another file to -o."
    )


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    assert refused(capsys, "cosine", "-o", tmp_path / "a.svg") == (
        "a picture in a file needs matplotlib: pip install 'lrgen[plot]', "
        "or leave out -o for a picture in the terminal."
    )
    assert told(capsys, "cosine").startswith("learning rate\n")


def imported_after(*arguments: str) -> set[str]:
    code = f"import sys; from lrgen.cli import main; main({list(arguments)!r})"
    end = "\nprint()\nprint(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"try:\n    {code}\nexcept SystemExit:\n    pass{end}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_that_is_large() -> None:
    heavy = {"numpy", "matplotlib", "sympy", "mpmath", "pydantic"}

    assert imported_after("plot", "--help") & heavy == set()


def test_a_picture_in_the_terminal_needs_no_matplotlib(tmp_path: Path) -> None:
    assert "matplotlib" not in imported_after("plot", "constant")
    assert "matplotlib" in imported_after("plot", "constant", "-o", str(tmp_path / "a.png"))


def test_no_state_of_pyplot_is_touched(tmp_path: Path) -> None:
    code = (
        "import sys, lrgen.cli; lrgen.cli.main(sys.argv[1:]); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    arguments = ["plot", "constant", "-o", str(tmp_path / "a.svg")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "False"


# -- metrics -----------------------------------------------------------------------------------


def test_a_schedule_that_observes_nothing_refuses_metrics(tmp_path: Path, capsys) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("loss\n1\n0.5\n", encoding="utf-8")

    assert refused(capsys, "cosine", "--metrics", path) == (
        "cosine observes no metric: leave out --metrics."
    )


@dataclass
class Halving:
    """A bound schedule that halves its rate at each observation; with steps, it returns these."""

    values: dict[str, object]

    def trace(self, metrics, steps=None):
        return 0.5 ** np.arange(len(metrics)) if steps is None else np.array(steps, float)


def observing(uses_step: bool = False) -> Shown:
    schedule = SimpleNamespace(
        name="halving", title="Halving", drives="lr", observes="loss", defaults={}
    )
    schedule.uses_step = uses_step
    return Shown("halving", schedule, Halving({}))


def test_a_schedule_that_observes_needs_metrics() -> None:
    with pytest.raises(ValueError, match=r"halving observes loss: give --metrics FILE\.csv\."):
        over_updates([observing()], None)


def test_the_rate_is_drawn_over_observations_with_the_metric_behind() -> None:
    (panel,) = over_observations([observing()], Observed("val_loss", [3.0, 2.0, 2.5]))

    assert (panel.quantity, panel.over) == ("learning rate", "observation")
    assert list(panel.curves[0].ys) == [1, 0.5, 0.25]
    assert panel.curves[0].style == "stairs"
    assert (panel.behind.quantity, list(panel.behind.curves[0].ys)) == ("val_loss", [3, 2, 2.5])


def test_a_schedule_of_two_clocks_gets_the_update_after_each_observation() -> None:
    (panel,) = over_observations([observing(uses_step=True)], Observed("loss", [1, 1, 1], 10))

    assert list(panel.curves[0].ys) == [10, 20, 30]


@pytest.mark.parametrize("count", [1, 2, 100_000])
def test_any_number_of_metrics_can_be_drawn(count: int, tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,loss\n" + "".join(f"{k},{1 / (k + 1)}\n" for k in range(count)))
    options = {"steps": None, "log": False, "metrics": path, "column": "loss", "every": None}

    text = draw(Request.read(output=None, **options), [observing()], color=False, encoding="utf-8")
    assert text.startswith("learning rate\n")
    assert "\nloss\n" in text
    assert text.rstrip().endswith("observation")
    written = tmp_path / "a.svg"
    draw(Request.read(output=written, **options), [observing()], color=False, encoding="utf-8")
    assert written.stat().st_size > 10_000


def test_metrics_without_a_name_have_that_of_the_schedule() -> None:
    (panel,) = over_observations([observing()], Observed("", [3.0, 2.0]))

    assert panel.behind.quantity == "loss"


def test_a_schedule_of_the_catalogue_is_driven_by_a_file(tmp_path: Path, capsys) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("val_loss\n" + "1\n" * 40, encoding="utf-8")
    lines = told(capsys, "plateau", "--metrics", path, "--set", "patience=19").splitlines()

    assert lines[0] == "learning rate"
    assert "val_loss" in lines
    assert refused(capsys, "plateau") == "plateau observes metric: give --metrics FILE.csv."


def test_metrics_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("loss\nhalf\x1b\n1\n")

    with pytest.raises(Unusable) as caught:
        Request.read(steps=None, log=False, output=None, metrics=path, column=None, every=None)
    assert str(caught.value) == f"{path}, line 2: 'half\\x1b' is no number."


# -- for others --------------------------------------------------------------------------------


def test_a_loaded_schedule_is_sampled_for_a_figure_of_ones_own() -> None:
    from lrgen.plot import Panel, figure, sampled

    bound = lrgen.load("cosine").bind(total_steps=10**6)
    curve = sampled("mine", bound.curve, 1_050_000, [10**6])

    assert {999_999.0, 1_000_000.0, 1_000_001.0} <= set(curve.xs)
    assert curve.xs.size <= 4 * COLUMNS + 9
    assert figure([Panel([curve])]).get_axes()[0].get_lines()[0].get_xdata()[-1] == 1_050_000
