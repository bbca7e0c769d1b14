"""What a picture is made of: thinned curves, boundaries, axes, metrics, and the figure itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lrgen.bound import bound_values, open_spec
from lrgen.plot import Curve, Panel, Screen, figure, metrics, picture, sampled, save
from lrgen.plot.columns import COLUMNS, MOST_EVALUATED
from lrgen.plot.curves import notes
from lrgen.plot.metrics import Metrics, read_metrics
from lrgen.plot.places import MOST_MARKS, Outline
from lrgen.plot.scale import Axis, axis_for, whole

HORIZONS = (100, 4 * COLUMNS, 100_000, MOST_EVALUATED + 1, 10**9, 10**15, 2**62)
Function = Callable[[NDArray[np.int64]], NDArray[np.float64]]


def waves(period: int) -> Function:
    return lambda steps: np.sin(2 * np.pi * (steps % period) / period)


def spike(at: int) -> Function:
    return lambda steps: np.where(steps == at, 1.0, 0.0)


def outline(name: str, **given: object) -> Outline:
    specs, found = open_spec(name)
    schedule = specs.schedule(found)
    return Outline(schedule, bound_values(schedule, given))


# -- thinning ----------------------------------------------------------------------------------


@pytest.mark.parametrize("last", HORIZONS)
def test_no_place_and_none_of_its_neighbors_is_lost(last: int) -> None:
    places = [1, 7, last // 3, last - 5]
    curve = sampled("a", lambda steps: steps / last, last, places)

    kept = {near for place in (*places, 0, last) for near in (place - 1, place, place + 1)}
    assert {float(step) for step in kept if 0 <= step <= last} <= set(curve.xs)
    assert (curve.ys == curve.xs / last).all()


@pytest.mark.parametrize("last", [100_000, 10**9])
def test_a_spike_of_one_update_is_seen_at_a_place(last: int) -> None:
    curve = sampled("a", spike(last // 7), last, [last // 7])

    assert curve.ys.max() == 1


def test_a_spike_of_one_update_in_so_many_is_lost_elsewhere() -> None:
    assert sampled("a", spike(10**9 // 7), 10**9).ys.max() == 0


def test_a_spike_is_seen_anywhere_where_all_updates_are_computed() -> None:
    assert sampled("a", spike(1_234_567), 2 * 10**6).ys.max() == 1


@pytest.mark.parametrize("last", [20_000, 100_000, 10**7, 10**12])
@pytest.mark.parametrize("period", [2, 7, 11])
def test_cycles_within_a_column_become_a_band_from_lowest_to_highest(
    last: int, period: int
) -> None:
    curve = sampled("a", waves(period), last)
    heights = waves(period)(np.arange(period))

    assert curve.band is not None
    assert (curve.band.low == heights.min()).mean() > 0.95
    assert (curve.band.high == heights.max()).mean() > 0.95
    assert np.isnan(curve.ys).all()
    assert curve.note.startswith(f"Filled where it goes up and down within {last // 1_000:,} up")


def test_the_same_cycles_at_even_distances_would_be_another_wave() -> None:
    last = 1_001_000
    naive = waves(1_000)(np.arange(0, last, last // COLUMNS))

    # One slow wave where there are a thousand: this is what the band is for.
    assert np.abs(np.diff(naive)).max() < 0.01
    assert np.ptp(naive) > 1.9


def test_far_away_lowest_and_highest_are_found_between_the_updates_computed() -> None:
    curve = sampled("a", waves(4_000), 2 * 10**7)

    assert curve.band is not None
    assert (curve.band.low == -1).all()
    assert (curve.band.high == 1).all()


@pytest.mark.parametrize("last", [100_000, 10**7])
def test_a_curve_that_turns_seldom_is_a_line(last: int) -> None:
    curve = sampled("a", waves(last // 20), last)

    assert curve.band is None
    assert curve.ys.max() == 1
    assert not np.isnan(curve.ys).any()


def test_rounding_makes_no_band() -> None:
    source = np.random.default_rng(0)
    curve = sampled("a", lambda s: 1 - s / 1e9 + 1e-16 * source.random(s.size), 100_000)

    assert curve.band is None


def test_short_curves_are_drawn_update_by_update() -> None:
    curve = sampled("a", waves(2), 100)

    assert list(curve.xs) == list(range(101))
    assert curve.note == ""


def test_what_is_not_finite_leaves_a_gap() -> None:
    curve = Curve("a", [0, 1, 2, 3], [1.0, math.inf, math.nan, 2.0])

    assert list(np.isnan(curve.ys)) == [False, True, True, False]
    assert Panel([curve]).heights() == (1.0, 2.0)


def test_steps_and_values_are_equally_long() -> None:
    with pytest.raises(ValueError, match="'a': steps and values must be equally long"):
        Curve("a", [0, 1], [1.0])


# -- boundaries --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "last", "marks"),
    [
        ("cosine_warmup", {}, 105_001, (1_000, 100_000)),
        ("cosine_warmup", {"warmup_steps": 0, "total_steps": 0}, 10_000, ()),
        ("warmup_linear", {"warmup_steps": 7, "total_steps": 20}, 22, (7, 20)),
        ("cyclic", {}, 12_601, (2_000, 4_000, 6_000, 8_000, 10_000, 12_000)),
        ("step_decay", {"decay_steps": 10}, 32, (10, 20, 30)),
        ("warmup_inverse_sqrt", {}, 20_000, (4_000,)),
        ("linear_cosine", {}, 10_501, (10_000,)),
        ("cosine_noise", {}, 105_001, (40_000, 90_000, 100_000)),
        ("cosine_restarts_bounds", {}, 7_351, (1_000, 3_000, 7_000)),
        ("piecewise_constant", {}, 63_001, (30_000, 60_000)),
        ("constant", {}, 10_000, ()),
        ("exponential_decay", {"decay_steps": 30}, 300, ()),
        ("exponential_decay", {"decay_steps": 30, "staircase": True}, 95, (30, 60, 90)),
    ],
)
def test_a_picture_ends_a_little_past_the_last_boundary(
    name: str, given: dict[str, object], last: int, marks: tuple[int, ...]
) -> None:
    found = outline(name, **given)

    assert found.horizon() == last
    assert found.marks(last) == marks


def test_a_long_list_ends_at_its_last_place() -> None:
    places = tuple(range(10, 310, 10))
    specs, name = open_spec("multi_step_factors")
    schedule = specs.schedule(name)
    given = {"milestones": places, "factors": (0.9,) * len(places)}
    found = Outline(schedule, {**schedule.defaults, **given})

    assert found.marks(found.horizon()) == places
    assert found.horizon() == 316


def test_every_cycle_is_marked_however_far() -> None:
    assert outline("cyclic").marks(40_000) == tuple(range(2_000, 40_001, 2_000))


def test_more_boundaries_than_a_picture_can_hold_are_not_marked() -> None:
    assert outline("cyclic").marks(2_000 * MOST_MARKS) is not None
    assert outline("cyclic").marks(2_000 * (MOST_MARKS + 1)) is None


def test_the_boundaries_of_a_called_schedule_are_marked(specs: Path) -> None:
    found = outline(str(specs / "twice.toml"))

    assert found.marks(found.horizon()) == (10, 100)


# -- axes --------------------------------------------------------------------------------------


def labels(axis: Axis, most: int) -> list[str]:
    return axis.labels(axis.ticks(most))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1e-3, ["0", "0.0002", "0.0004", "0.0006", "0.0008", "0.001"]),
        (0, 3e-4, ["0", "5e-5", "1e-4", "1.5e-4", "2e-4", "2.5e-4", "3e-4"]),
        (0, 8e-7, ["0", "2e-7", "4e-7", "6e-7", "8e-7"]),
        (0, 1_200, ["0", "200", "400", "600", "800", "1000", "1200"]),
        (0, 12_000, ["0", "2k", "4k", "6k", "8k", "10k", "12k"]),
        (0, 1_200_000, ["0", "200k", "400k", "600k", "800k", "1M", "1.2M"]),
        (0, 5e9, ["0", "1G", "2G", "3G", "4G", "5G"]),
        (0, 4e18, ["0", "1e18", "2e18", "3e18", "4e18"]),
        (0.85, 0.95, ["0.86", "0.88", "0.9", "0.92", "0.94"]),
        (-1.5, 1.5, ["-1.5", "-1", "-0.5", "0", "0.5", "1", "1.5"]),
    ],
)
def test_numbers_on_an_axis_are_round_and_short(
    low: float, high: float, expected: list[str]
) -> None:
    assert labels(axis_for(low, high), 6) == expected


def test_a_logarithmic_axis_counts_decades() -> None:
    assert labels(axis_for(1e-6, 1e-3, log=True), 6) == ["1e-6", "1e-5", "1e-4", "0.001"]
    assert labels(axis_for(2e-3, 2e-2, log=True), 6) == ["0.002", "0.005", "0.01", "0.02"]


def test_a_logarithmic_axis_has_twelve_decades_at_most() -> None:
    axis = axis_for(1e-300, 1.0, log=True)

    assert 1e-13 < axis.low < 1e-12
    assert math.isnan(axis.place(0.0))


@pytest.mark.parametrize("value", [0.0, 1e-3, -2.0, 5e-324, 1e-300, 1e300])
def test_a_constant_has_an_axis_too(value: float) -> None:
    axis = axis_for(value, value)

    assert axis.low < value < axis.high
    assert axis.ticks(5)


def test_rounding_does_not_fill_an_axis() -> None:
    assert labels(axis_for(0.1, 0.1 + 1e-16), 3) == labels(axis_for(0.1, 0.1), 3)
    assert axis_for(0.1, 0.1 + 1e-9).low > 0.09


def test_what_is_next_to_nothing_has_no_place_on_a_logarithmic_axis() -> None:
    panel = Panel([Curve("a", [0, 1, 2], [1.0, 1e-5, 5e-324])], log=True)

    assert panel.heights() == (1e-5, 1.0)
    assert notes([panel]) == ["0 has no place on a logarithmic axis."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("100_000", 100_000),
        ("1e6", 10**6),
        ("20k", 20_000),
        ("1.5M", 1_500_000),
        ("1T", 10**12),
        (str(2**62), 2**62),
        (str(2**62 + 1), None),
        ("1e999999999", None),
        ("1.5", None),
        ("0", None),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("k", None),
        ("", None),
        ("many", None),
    ],
)
def test_numbers_of_updates_are_read(text: str, expected: int | None) -> None:
    assert whole(text) == expected


# -- metrics -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("1\n0.5\n0.25\n", None, [1.0, 0.5, 0.25]),
        ("loss\n1\n0.5\n", None, [1.0, 0.5]),
        ("\ufeffloss\r\n1\r\n", None, [1.0]),
        ("epoch,loss\n0,1\n1,0.5\n", "loss", [1.0, 0.5]),
        ("epoch,loss\n0,1\n1,0.5\n", "2", [1.0, 0.5]),
        ("0;1\n1;0.5\n", "2", [1.0, 0.5]),
        ("epoch\tloss\n0\t1\n", "loss", [1.0]),
        ("train,val\n0.9,\n0.8,0.5\n0.7\n\n,0.4\n", "val", [0.5, 0.4]),
        ("inf\n-inf\n1e400\n", None, [math.inf, -math.inf, math.inf]),
    ],
)
def test_metrics_are_read(
    text: str, column: str | None, expected: list[float], tmp_path: Path
) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(text, encoding="utf-8", newline="")

    assert read_metrics(path, column).values == expected


def test_a_metric_has_the_name_in_its_header(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch, loss\n0, 1\n", encoding="utf-8")

    assert read_metrics(path, "loss") == read_metrics(path, "2") == Metrics("loss", [1.0])


def test_nan_is_a_metric(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("1\nnan\nNaN\n", encoding="utf-8")

    assert [math.isnan(metric) for metric in read_metrics(path).values] == [False, True, True]


@pytest.mark.parametrize(
    ("data", "column", "message"),
    [
        (b"", None, "there is nothing in it. Give a file with a number in each line."),
        (b"loss\n", None, "there is no number in it."),
        (b"loss\n1\nhalf\n", None, "line 3: 'half' is no number."),
        (b"1\n0,5\n", None, "line 2: has 2 columns, but the first line has 1."),
        (b"1\n1_000\n", None, "line 2: '1_000' is no number."),
        (b"a,b\n1,2\n", None, "has columns a, b. Choose one with --column."),
        (b"1,2\n", None, "has 2 columns. Choose one with --column."),
        (b"loss,acc\n1,2\n", "los", "no column 'los'. Did you mean 'loss'?"),
        (b"1,2\n", "3", "no column '3'. It has no header: give a number from 1 to 2."),
        (b"1\n\xff\n", None, "not text in UTF-8."),
        (b'1\n"2\n', None, "line 2: unexpected end of data."),
        (b"1\n\x1b[31m\n", None, "line 2: '\x1b[31m' is no number."),
    ],
)
def test_what_is_no_metric_is_told_with_its_line(
    data: bytes, column: str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(data)

    with pytest.raises(ValueError) as caught:
        read_metrics(path, column)
    separator = ", " if message.startswith("line") else ": "
    assert str(caught.value) == f"{path}{separator}{message}"


def test_too_many_metrics_are_refused(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(metrics, "MOST_METRICS", 3)
    path = tmp_path / "metrics.csv"
    path.write_text("1\n2\n3\n", encoding="utf-8")
    assert read_metrics(path) == Metrics("", [1, 2, 3])

    path.write_text("1\n2\n3\n4\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 4: more than 3 metrics\. Give fewer\."):
        read_metrics(path)


def test_a_file_that_is_too_large_is_not_read(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(metrics, "MOST_BYTES", 3)
    path = tmp_path / "metrics.csv"
    path.write_text("0.25\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"5 bytes, the limit is 3\. Give fewer columns\."):
        read_metrics(path)


def test_metrics_come_from_a_regular_file(tmp_path: Path) -> None:
    for path, fact in ((tmp_path, "no regular file"), (tmp_path / "none.csv", "cannot be read")):
        with pytest.raises(ValueError, match=fact):
            read_metrics(path)


# -- the picture in a terminal -----------------------------------------------------------------

RISING = Curve("rising", range(100), range(100), marks=(50,))
FALLING = Curve("falling", range(100), range(100, 0, -1))
PLAIN = Screen(60, 20, False, "utf-8")


@pytest.mark.parametrize("width", [32, 40, 80, 200])
@pytest.mark.parametrize("curves", [[RISING], [RISING, FALLING]], ids=["one", "two"])
def test_no_line_is_wider_than_the_terminal(width: int, curves: list[Curve]) -> None:
    screen = Screen(width, 24, False, "utf-8")
    text = picture([Panel(curves)], screen, ["a note of some length " * 5])

    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= 32


def test_a_curve_runs_from_corner_to_corner() -> None:
    lines = picture([Panel([RISING])], PLAIN).splitlines()

    assert lines[0] == "learning rate"
    assert lines[1].endswith(("⡠", "⠔", "⠊", "⡜", "⠎", "⠜", "⠁", "⠞"))
    assert lines[1].startswith(" 100 ┤")
    assert lines[-1].split() == ["0", "20", "40", "60", "80", "update"]


def test_boundaries_are_marked_in_a_terminal() -> None:
    assert "┊" in picture([Panel([RISING])], PLAIN)
    assert "┊" not in picture([Panel([FALLING])], PLAIN)


def test_without_colors_each_curve_has_a_letter() -> None:
    text = picture([Panel([RISING, FALLING])], PLAIN)

    assert text.splitlines()[-1] == "  * rising   + falling"
    assert text.count("*") > 20
    assert text.count("+") > 20


def test_curves_that_meet_take_turns() -> None:
    same = picture([Panel([RISING, Curve("same", range(100), range(100))])], PLAIN)

    assert "*" in same.splitlines()[5]
    assert 20 < same.count("*") < 40
    assert 20 < same.count("+") < 40


def test_colors_stand_where_they_are_wanted() -> None:
    colored = picture([Panel([RISING, FALLING])], Screen(60, 20, True, "utf-8"))

    assert "\x1b[38;5;32m" in colored
    assert "\x1b[38;5;166m━━\x1b[0m falling" in colored
    assert "\x1b" not in picture([Panel([RISING, FALLING])], PLAIN)


@pytest.mark.parametrize("curves", [[RISING], [RISING, FALLING]], ids=["one", "two"])
def test_a_terminal_without_braille_gets_letters_it_has(curves: list[Curve]) -> None:
    picture([Panel(curves)], Screen(60, 20, False, "ascii")).encode("ascii")
    picture([Panel(curves)], Screen(60, 20, True, "latin-1")).encode("latin-1")


def test_a_band_is_filled_in_a_terminal() -> None:
    text = picture([Panel([sampled("a", waves(7), 10**6, columns=120)])], PLAIN)

    assert text.count("⣿") > 500


# -- figures -----------------------------------------------------------------------------------


def test_a_label_has_one_color_in_all_of_a_figure() -> None:
    made = figure([Panel([RISING, FALLING]), Panel([FALLING], "loss")])
    first, second = made.get_axes()

    colors = [[line.get_color() for line in axes.get_lines()] for axes in (first, second)]
    assert colors[1] == [colors[0][1]]
    assert colors[0][0] != colors[0][1]


def test_axes_have_units_and_a_legend_where_labels_are_new() -> None:
    made = figure([Panel([RISING, FALLING]), Panel([FALLING], "loss", log=True)])
    first, second = made.get_axes()

    assert (first.get_xlabel(), first.get_ylabel()) == ("update", "learning rate")
    assert (second.get_ylabel(), second.get_yscale()) == ("loss", "log")
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["rising", "falling"]
    assert second.get_legend() is None


@pytest.mark.parametrize("label", ["_hidden", "$x$", "a_b", "$", "率"])
@pytest.mark.filterwarnings("error")
def test_a_label_is_shown_as_it_is(label: str, tmp_path: Path) -> None:
    made = figure(Panel([Curve(label, [0, 1], [0, 1]), RISING]), title=label, note=label)
    save(made, tmp_path / "label.svg")

    shown = [text.get_text() for text in made.get_axes()[0].get_legend().get_texts()]
    assert shown == [label, "rising"]


def test_nothing_is_drawn_outside_of_the_picture() -> None:
    pictures = [
        figure(Panel([RISING]), title="A title of usual length", note="a note " * 60),
        figure(
            [Panel([Curve(f"a_rather_long_label_{k}", [0, 1], [k, 1]) for k in range(9)])] * 4,
            columns=2,
        ),
        figure(Panel([RISING], behind=Panel([FALLING], "metric"))),
    ]
    for made in pictures:
        made.draw_without_rendering()
        box = made.get_tightbbox()
        width, height = made.get_size_inches()
        assert (box.x0 >= 0, box.y0 >= 0, box.x1 <= width, box.y1 <= height) == (True,) * 4


def test_a_title_that_is_too_long_is_seen_to_leave_the_picture() -> None:
    made = figure(Panel([RISING]), title="long " * 60)
    made.draw_without_rendering()

    assert made.get_tightbbox().x1 > made.get_size_inches()[0]


def test_our_settings_stay_ours() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure(Panel([RISING]))

    assert dict(matplotlib.rcParams) == before


def test_a_log_axis_tells_what_it_cannot_hold() -> None:
    assert notes([Panel([RISING], log=True)]) == ["0 has no place on a logarithmic axis."]
    assert notes([Panel([FALLING], log=True)]) == []
    for draw in (figure, lambda panel: picture([panel], PLAIN)):
        with pytest.raises(ValueError, match="learning rate: there is no positive value to draw"):
            draw(Panel([Curve("a", [0, 1], [0, -1])], log=True))


def test_a_figure_needs_something_to_draw() -> None:
    for nothing in ([], [Panel([])]):
        with pytest.raises(ValueError, match="needs panels, and a panel needs curves"):
            figure(nothing)
