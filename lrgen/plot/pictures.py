"""Figures, and files of them that have the same bytes on every run. The door of matplotlib."""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from .curves import Curve, Panel
from .scale import LEAST_POSITIVE, Axis, axis_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

ENDINGS = (".svg", ".png", ".pdf")
# Okabe and Ito 2008, told apart by color-blind people too; without their yellow, which is too pale
# for a line on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_PALE = "#8a8a8a"
_INK = "#333333"
_FEW_POINTS = 40
_LETTERS_OF_WIDTH = 13.0
"""Letters of a legend in an inch."""
_SMALL_LETTERS = 17.0
_LOOK: Any = {
    "svg.hashsalt": "lrgen",
    # Letters are drawn as paths: the same picture whatever fonts a viewer has.
    "svg.fonttype": "path",
    "text.parse_math": False,
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.color": _INK,
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.wspace": 0.03,
    "figure.constrained_layout.hspace": 0.03,
    "savefig.dpi": 150,
}
_NO_DATES: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class NoMatplotlib(ImportError):
    """The extra that draws into files is not installed; one line that says how to."""

    def __init__(self) -> None:
        super().__init__("a picture in a file needs matplotlib: pip install 'lrgen[plot]'")


@contextlib.contextmanager
def _look() -> Iterator[None]:
    """matplotlib with our settings and no others, whatever the user's own are."""
    try:
        import matplotlib
    except ImportError:
        raise NoMatplotlib from None
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box, which is enough to see it.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)
        yield


def figure(
    panels: Panel | Sequence[Panel], *, title: str = "", note: str = "", columns: int = 1
) -> Figure:
    """A figure of ``panels``, ``columns`` of them side by side.

    Panels under one another that count the same, about equally far, have the same horizontal axis.
    A label has one color in all of them, and a legend stands where labels are new.

    Args:
        panels: One, or some.
        title: Above all of them.
        note: Small, below all of them.
        columns: How many stand side by side.

    Raises:
        NoMatplotlib: When it is not installed.
        ValueError: When nothing can be drawn.
    """
    panels = [panels] if isinstance(panels, Panel) else list(panels)
    if not panels or not all(panel.curves for panel in panels):
        raise ValueError("a figure needs panels, and a panel needs curves")
    with _look():
        from matplotlib.figure import Figure

        rows = math.ceil(len(panels) / columns)
        width = 8.0 if columns == 1 else 5.2 * columns
        made = Figure(figsize=(width, 1.1 + 3.1 * rows), layout="constrained")
        grid = made.subplots(rows, columns, squeeze=False).ravel()
        colors = _colors(panels)
        named: set[str] = set()
        for number, (axes, panel) in enumerate(zip(grid, panels)):
            column = panels[number % columns :: columns]
            across = _across(panel, [p for p in column if p.over == panel.over])
            lines = _draw(axes, panel, across, colors, max(6, int(width / columns)))
            labels = {curve.label for curve in panel.curves}
            titled = len(labels) == 1 and bool(title or panel.title)
            if not titled and not labels <= named:
                _legend(axes, lines, width / columns)
                named |= labels
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        made.align_ylabels()
        if title:
            made.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
        if note:
            letters = int(width * _SMALL_LETTERS)
            below = "\n".join(textwrap.fill(line, letters) for line in note.split("\n"))
            made.supxlabel(below, x=0.01, ha="left", size=7.5, color="#666666")
    return made


def save(made: Figure, *paths: str | os.PathLike[str]) -> None:
    """Write ``made`` to each of ``paths``, in the format of its ending, each whole or not at all.

    The first time settles where everything lies.

    Raises:
        ValueError: For an ending other than .svg, .png and .pdf; nothing is written then.
        OSError: When a file cannot be written.
    """
    targets = [(Path(path), picture_format(path)) for path in paths]
    with _look():
        # Each drawing would move things by a little more, towards what it takes for the best.
        made.draw_without_rendering()
        made.set_layout_engine("none")
        for path, ending in targets:
            data = io.BytesIO()
            made.savefig(data, format=ending, metadata=_NO_DATES[ending])
            files.write_whole(path, data.getvalue())


def check_output(path: str | os.PathLike[str]) -> None:
    """What can be known before anything is computed: that :func:`save` may succeed.

    Raises:
        ValueError: For an ending that is no picture's.
        NoMatplotlib: When it is not installed.
        OSError: When there is no such folder, or a folder of that name.
    """
    picture_format(path)
    with _look():
        target = Path(path)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))


def picture_format(path: str | os.PathLike[str]) -> str:
    """``svg``, ``png`` or ``pdf``.

    Raises:
        ValueError: For any other ending.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"{os.fspath(path)}: a picture's name ends in .svg, .png or .pdf")
    return ending.removeprefix(".")


def _colors(panels: Sequence[Panel]) -> dict[str, tuple[str, Any]]:
    """Color and dashes of each label, in the order in which they appear."""
    labels = dict.fromkeys(curve.label for panel in panels for curve in panel.curves)
    return {
        label: (COLORS[k % len(COLORS)], _DASHES[k // len(COLORS) % len(_DASHES)])
        for k, label in enumerate(labels)
    }


def _across(panel: Panel, others: Sequence[Panel]) -> Axis:
    """The horizontal axis of ``panel``, that of the ``others`` too where they are about as wide."""
    low, high = panel.width()
    for first, last in (other.width() for other in others):
        if 0.5 <= (last - first) / ((high - low) or 1.0) <= 2:
            low, high = min(low, first), max(high, last)
    margin = (high - low) * 0.012 or 0.5
    return Axis(low - margin, high + margin)


def _draw(
    axes: Axes, panel: Panel, across: Axis, colors: Mapping[str, tuple[str, Any]], ticks: int
) -> dict[str, Line2D]:
    """Draw ``panel`` with about ``ticks`` numbers below it; the first line of each label."""
    heights = panel.heights()
    if heights is None:
        positive = "positive " if panel.log else ""
        raise ValueError(f"{panel.quantity}: there is no {positive}value to draw")
    up = axis_for(*heights, log=panel.log)
    if panel.behind is not None:
        _draw_behind(axes, panel.behind)
    lines: dict[str, Line2D] = {}
    for curve in panel.curves:
        lines.setdefault(curve.label, _draw_curve(axes, curve, *colors[curve.label], up))
    owners: dict[float, set[str]] = {}
    for curve in panel.curves:
        for place in curve.marks:
            owners.setdefault(place, set()).add(colors[curve.label][0])
    for place, of in owners.items():
        color = of.pop() if len(of) == 1 and len(lines) > 1 else _PALE
        axes.axvline(place, color=color, linewidth=0.8, linestyle=(0, (2, 3)), zorder=1)
    if panel.log:
        axes.set_yscale("log")
        axes.minorticks_off()
    _label(axes, "x", across, ticks, panel.over)
    _label(axes, "y", up, 7, panel.quantity)
    if panel.title:
        axes.set_title(panel.title)
    return lines


def _label(axes: Axes, which: str, axis: Axis, most: int, text: str) -> None:
    ticks = axis.ticks(most)
    axes.set(
        **{
            f"{which}lim": (axis.low, axis.high),
            f"{which}label": text,
            f"{which}ticks": ticks,
            f"{which}ticklabels": axis.labels(ticks),
        }
    )


def _draw_curve(axes: Axes, curve: Curve, color: str, dashes: Any, up: Axis) -> Line2D:
    ys = np.where(curve.ys >= LEAST_POSITIVE, curve.ys, np.nan) if up.log else curve.ys
    own: dict[str, Any] = {"color": color, "linestyle": dashes, "zorder": 2.5}
    match curve.style:
        case "dashed":
            own |= {"linestyle": (0, (4, 2.5))}
        case "stairs":
            own |= {"drawstyle": "steps-post"}
        case "points":
            own |= {"linestyle": "none", "marker": "o", "markersize": 3.5}
        case "faint":
            own |= {"linewidth": 0.9, "alpha": 0.4, "zorder": 2.0}
    if curve.style in ("line", "dashed") and curve.xs.size <= _FEW_POINTS:
        own |= {"marker": "o", "markersize": 3.5}
    (line,) = axes.plot(curve.xs, ys, **own)
    if curve.band is not None:
        # The last column is closed by its own heights once more.
        low, high = (np.append(side, side[-1]) for side in (curve.band.low, curve.band.high))
        low = np.where(np.isnan(high), np.nan, np.fmax(low, up.low))
        axes.fill_between(
            curve.band.edges, low, high, step="post", color=color, alpha=0.3, linewidth=0.6
        )
    return line


def _draw_behind(axes: Axes, behind: Panel) -> None:
    """Curves on an axis of their own to the right, pale."""
    right = axes.twinx()
    axes.set_zorder(right.get_zorder() + 1)
    axes.patch.set_visible(False)
    right.spines["right"].set_visible(True)
    right.spines["right"].set_color(_PALE)
    right.grid(False)
    for curve in behind.curves:
        right.plot(curve.xs, curve.ys, color=_PALE, linewidth=0.9, alpha=0.6)
    heights = behind.heights()
    if heights is not None:
        _label(right, "y", axis_for(*heights), 7, behind.quantity)
    right.tick_params(axis="y", colors=_PALE)
    right.yaxis.label.set_color(_PALE)


def _legend(axes: Axes, lines: Mapping[str, Line2D], width: float) -> None:
    """Above the axes and their title, where it hides nothing."""
    height = 1.08 if axes.get_title(loc="left") else 1.0
    longest = max(map(len, lines)) + 6
    axes.legend(
        list(lines.values()),
        list(lines),
        loc="lower left",
        bbox_to_anchor=(-0.01, height),
        borderaxespad=0.2,
        ncols=max(1, min(len(lines), int(width * _LETTERS_OF_WIDTH / longest))),
        handlelength=1.8,
        columnspacing=1.4,
    )
