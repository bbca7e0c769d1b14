"""The command line. Exit codes: 0 done, 1 something does not hold, 2 wrong usage.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from . import __version__
from .compare.options import add_diff, add_verify
from .fitting.command import add_fit, run_fit
from .porting.options import add_port
from .progress import Progress

if TYPE_CHECKING:
    from .describe_traces import TracePoint
    from .document import Document, Source
    from .plot.schedules import Shown
    from .schedule import Schedule, Value

BACKENDS = ("python", "numpy", "torch", "keras", "jax")
STAGES = ("read", "resolve", "prove", "sample", "rewrite", "render")
OUT = Path("generated")
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
MOST_WORKERS = 8


class UsageError(Exception):
    """What was asked for cannot be meant: one line, exit code 2."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows ``lrgen``; by default that of the process.

    Returns:
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A citation may hold letters that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    from .errors import SpecError

    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except UsageError as error:
        return _fail(str(error), USAGE)
    except SpecError as error:
        return _fail(str(error), FAILED)
    except RecursionError:
        return _fail("a formula is nested too deeply. Name parts of it in [let].", FAILED)
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `lrgen list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    return code


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lrgen",
        description="Write a learning-rate schedule once, as a formula; get the same float32 in "
        "PyTorch, Keras, JAX, NumPy and plain Python.",
    )
    parser.add_argument("--version", action="version", version=f"lrgen {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    build = commands.add_parser("build", help="write the code and the test vectors of schedules")
    build.set_defaults(run=_build)
    check = commands.add_parser(
        "check", help="exit with 1 when the written code is stale, edited, missing or stray"
    )
    check.set_defaults(run=_check)
    for command in (build, check):
        command.add_argument(
            "specs",
            nargs="*",
            metavar="SPEC",
            help="a spec file, a folder of them, a name of the catalogue, or LIBRARY/NAME; "
            "without any: the whole catalogue",
        )
        command.add_argument(
            "--out", type=Path, default=OUT, metavar="DIR", help="output folder (%(default)s)"
        )
        command.add_argument(
            "--backend",
            action="append",
            choices=BACKENDS,
            metavar="NAME",
            help=f"only this one, may be given more than once: {', '.join(BACKENDS)}",
        )

    listed = commands.add_parser(
        "list", help="name the schedules of the catalogue, or those of libraries"
    )
    listed.set_defaults(run=_list)
    listed.add_argument(
        "libraries",
        nargs="*",
        metavar="LIBRARY",
        help="what this library calls its schedules, as torch; without any: the catalogue",
    )
    listed.add_argument("--dialects", action="store_true", help="those of every library")
    show = commands.add_parser(
        "show", help="tell what a schedule is, which values it has, and what people get wrong"
    )
    show.set_defaults(run=_show)
    show.add_argument(
        "name", metavar="NAME", help="a name of the catalogue, LIBRARY/NAME, or a spec file"
    )
    show.add_argument(
        "--after", choices=STAGES, metavar="STAGE", help=f"what a stage gives: {', '.join(STAGES)}"
    )
    show.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters other than the defaults, for the table of values",
    )
    for command in (listed, show):
        command.add_argument("--json", action="store_true", help="for machines")
    _add_plot(commands.add_parser("plot", help="draw schedules, in the terminal or into a file"))
    diff = commands.add_parser("diff", help="tell where two schedules part, if they do")
    diff.set_defaults(run=_diff)
    add_diff(diff)
    verify = commands.add_parser("verify", help="hold your own code against exact values")
    verify.set_defaults(run=_verify)
    add_verify(verify)
    port = commands.add_parser("port", help="turn a schedule that you have into code or a spec")
    port.set_defaults(run=_port)
    add_port(port)
    fit = commands.add_parser("fit", help="tell which schedule drew a logged curve")
    fit.set_defaults(run=_fit)
    add_fit(fit)
    return parser


def _add_plot(plot: argparse.ArgumentParser) -> None:
    plot.set_defaults(run=_plot)
    plot.add_argument(
        "names",
        nargs="+",
        metavar="[LABEL=]NAME",
        help="a name of the catalogue, LIBRARY/NAME, or a spec file; with a label, the same one "
        "more than once",
    )
    plot.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of every schedule that has it; LABEL.NAME=VALUE for one of them",
    )
    plot.add_argument(
        "--steps", metavar="N", help="the last update drawn (a little past the last boundary)"
    )
    plot.add_argument("--log", action="store_true", help="a logarithmic axis for what is driven")
    plot.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write .svg, .png or .pdf (needs matplotlib); without it, a picture in the terminal",
    )
    plot.add_argument(
        "--metrics",
        type=Path,
        metavar="FILE",
        help="for schedules that observe a metric: a CSV file of it, one value for each time",
    )
    plot.add_argument("--column", metavar="NAME", help="which column of --metrics, if of several")
    plot.add_argument(
        "--every",
        metavar="N",
        help="updates between two of --metrics, for a schedule that counts updates too (1)",
    )


# -- build and check ---------------------------------------------------------------------------


def _build(options: argparse.Namespace) -> int:
    from . import pipeline

    started = time.monotonic()
    out: Path = options.out
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: not a folder. Give another --out.")
    paths, whole = _specs(options.specs)
    with Progress() as progress:
        try:
            report = pipeline.build(
                paths,
                out,
                _backends(options.backend),
                whole=whole,
                progress=progress,
                workers=_workers(),
            )
        except OSError as error:
            raise UsageError(
                f"{out}: cannot be written: {error.strerror}. Give another --out."
            ) from None
    seconds = time.monotonic() - started
    if not report.built:
        print(f"Nothing to do: {report.files:,} files in {out} are up to date ({seconds:.1f} s).")
        return DONE
    rows = sum(one.rows for one in report.built)
    print(
        f"{_counted(len(report.built), 'schedule')}, {_counted(rows, 'row')} of vectors: "
        f"{_counted(report.written, 'file')} written to {out}, {report.removed:,} removed, "
        f"{report.files - report.written:,} unchanged ({seconds:.1f} s)."
    )
    return DONE


def _check(options: argparse.Namespace) -> int:
    from . import pipeline
    from .uptodate import told_apart

    out: Path = options.out
    paths, whole = _specs(options.specs)
    if not out.is_dir():
        return _fail(f"{out}: missing. Run `lrgen build`.", FAILED)
    with Progress() as progress:
        try:
            found = pipeline.check(
                paths,
                out,
                _backends(options.backend),
                whole=whole,
                progress=progress,
                workers=_workers(),
            )
        except OSError as error:
            raise UsageError(f"{out}: cannot be checked: {error.strerror}.") from None
    for one in told_apart(found, out):
        print(f"{(out / one.path).as_posix()}: {_painted(one.state, '31', sys.stdout)}")
    if found:
        return _fail(
            f"{_counted(len(found), 'file')} not as the specs say. Run `lrgen build`.", FAILED
        )
    print(f"{out}: as the specs say.")
    return DONE


def _specs(names: Sequence[str]) -> tuple[list[Path], bool]:
    """The spec files, and whether the output folder is theirs alone.

    Folders, and the catalogue, are all there is: what they no longer give is a stray. A single
    file or name adds to what is there.
    """
    from .catalogue import catalogue, find
    from .errors import SpecError

    if not names:
        return list(catalogue().values()), True
    try:
        paths = find(names)
        for path in paths:
            path.stat()
    except SpecError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(_unreadable(error)) from None
    return paths, all(Path(name).is_dir() for name in names)


def _unreadable(error: OSError) -> str:
    from .errors import SpecError, quoted

    fact = f"{quoted(str(error.filename))} cannot be read: {error.strerror}"
    return str(SpecError(fact, "Check the path."))


def _backends(chosen: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for name in BACKENDS if chosen is None or name in chosen)


def _workers() -> int:
    """The processors that are ours to use, up to the number that still pays."""
    own = getattr(os, "sched_getaffinity", None)
    return min(MOST_WORKERS, len(own(0)) if own else os.cpu_count() or 1)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


# -- list and show -----------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    from .errors import SpecError
    from .listing import listed

    try:
        text = listed(options.libraries, every=options.dialects, as_json=options.json)
    except SpecError as error:
        raise UsageError(str(error)) from None
    print(text, end="")
    return DONE


def _show(options: argparse.Namespace) -> int:
    from .errors import SpecError

    if Path(options.name).is_dir():
        raise UsageError(f"{options.name}: a folder, but one schedule is wanted. Name a file.")
    _specs([options.name])
    from .bound import bound_values, open_spec
    from .plot.settings import values_of

    specs, name = open_spec(options.name)
    if options.after == "read":
        _print_json(specs.source(name).document.model_dump(mode="json"))
        return DONE
    schedule = specs.schedule(name)
    try:
        values = bound_values(schedule, values_of(schedule, options.set))
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        if options.after is not None:
            return _show_stage(schedule, options.after, options.json)
        return _show_all(specs.source(name), schedule, values, options.json)
    except SpecError as error:
        raise error.at(file=schedule.file) from None


def _show_stage(schedule: Schedule, stage: str, as_json: bool) -> int:
    from .stages import after

    print(after(schedule, stage, BACKENDS, as_json=as_json), end="")
    return DONE


def _show_all(source: Source, schedule: Schedule, values: dict[str, Value], as_json: bool) -> int:
    from .bound import caution_text
    from .describe import cautions, one_line, written_pieces
    from .errors import SpecError
    from .evaluate import NotFinite
    from .pipeline import proved

    held = proved(schedule)
    try:
        rows, entries, sentences = _told(held, values)
    except NotFinite as error:
        raise SpecError(f"not finite at these values: {error.fact}", "Change them.") from None
    document = source.document
    pieces = written_pieces(document)
    if as_json:
        _print_json(
            {
                "name": source.key,
                "title": schedule.title,
                "file": schedule.file,
                "drives": schedule.drives,
                "base": schedule.base,
                "cites": list(schedule.cites),
                "require": list(document.require),
                **(_memory(document) if document.observes is not None else {}),
                "lets": {name: one_line(text) for name, text in document.let.items()},
                "pieces": [{"name": n, "holds": c, "value": v} for n, c, v in pieces],
                "parameters": [
                    {
                        "name": p.name,
                        "type": p.type,
                        "unit": _unit(schedule, p.name),
                        "default": p.default,
                        "doc": p.doc,
                    }
                    for p in schedule.parameters
                ],
                "cautions": [
                    {"text": c.text, "when": c.condition_text or None, "holds": holds}
                    for c, holds in cautions(schedule, values)
                ],
                "findings": list(held.findings),
                "values": values,
                "table": entries,
                "remarks": sentences,
            }
        )
        return DONE
    print(f"{_painted(source.key, '1', sys.stdout)}: {schedule.title}")
    _section("Formula, where step counts updates from 0")
    _columns(
        [
            (name, f"{condition}:" if condition else "", value) if len(pieces) > 1 else (value,)
            for name, condition, value in pieces
        ]
    )
    for name, text in document.let.items():
        print(f"  where {name} = {one_line(text)}")
    if document.observes is not None:
        _section("Remembered, at first")
        _columns([(name, f"= {one_line(text)}") for name, text in document.state.items()])
        _section(f"Then, at each {document.observes}")
        _columns([(name, f"= {one_line(text)}") for name, text in document.update.items()])
    if document.require:
        _section("Required")
        _columns([(one_line(rule),) for rule in document.require])
    if schedule.parameters:
        _section("Parameters")
        _columns(
            [(p.name, p.spelling, _unit(schedule, p.name), p.doc) for p in schedule.parameters]
        )
    if schedule.cautions:
        _section("Caution")
        _columns([(caution_text(caution),) for caution in schedule.cautions])
    _section("Shown, for all parameters that are allowed")
    _columns([(finding,) for finding in held.findings])
    if schedule.ulps_why:
        _columns([(f"within {schedule.ulps} ulp of binary64: {schedule.ulps_why}",)])
    if schedule.cites:
        _section("Sources")
        _columns([(cite,) for cite in schedule.cites])
    changed = [f"{n} = {v!r}" for n, v in values.items() if v != schedule.defaults[n]]
    along = "" if document.observes is None else f", while the {document.observes} stays at 1"
    _section(f"Values with {', '.join(changed) if changed else 'the defaults'}{along}")
    _columns(rows, right=1)
    if sentences:
        _section("What it does there")
        _columns([(sentence,) for sentence in sentences])
    return DONE


def _told(
    schedule: Schedule, values: dict[str, Value]
) -> tuple[list[tuple[str, ...]], list[dict[str, Any]], list[str]]:
    """The table for people, the same as data, and sentences, at ``values``."""
    if schedule.observes is not None:
        from .describe_traces import Traces

        traces = Traces(schedule, values)
        found = traces.table()
        rows = [_trace_row(schedule, p, traces.shown(p.value, 12)) for p in found]
        entries = [
            {
                "observation": p.number,
                "step": p.step,
                "value": traces.shown(p.value, 30),
                "piece": p.piece,
            }
            for p in found
        ]
        return rows, entries, traces.remarks()
    from .describe import Curve, remarks, table

    curve = Curve(schedule, values)
    points = table(curve)
    rows = [(f"{p.step:,}", curve.shown(p.value, 12), p.piece, p.place) for p in points]
    entries = [
        {"step": p.step, "value": curve.shown(p.value, 30), "piece": p.piece, "place": p.place}
        for p in points
    ]
    return rows, entries, remarks(curve, values)


def _trace_row(schedule: Schedule, point: TracePoint, value: str) -> tuple[str, ...]:
    place = f"observation {point.number}" if point.number else "before any observation"
    if not schedule.uses_step:
        return str(point.number), value, place
    return f"{point.step:,}", value, point.piece, place


def _memory(document: Document) -> dict[str, Any]:
    """What is observed and remembered, as the author wrote it."""
    from .describe import one_line

    return {
        "observes": document.observes,
        "state": {name: one_line(text) for name, text in document.state.items()},
        "update": {name: one_line(text) for name, text in document.update.items()},
    }


# -- plot, diff, verify and fit ----------------------------------------------------------------


def _plot(options: argparse.Namespace) -> int:
    from .plot.command import Request, Unusable, draw

    try:
        request = Request.read(
            steps=options.steps,
            log=options.log,
            output=options.output,
            metrics=options.metrics,
            column=options.column,
            every=options.every,
        )
        shown = _shown(options.names, options.set)
        color, encoding = _is_colored(sys.stdout), sys.stdout.encoding or "ascii"
        print(draw(request, shown, color=color, encoding=encoding), end="")
    except (Unusable, ValueError) as error:
        raise UsageError(str(error)) from None
    return DONE


def _diff(options: argparse.Namespace) -> int:
    from .compare.command import diff, labeled
    from .plot.command import Request, Unusable

    try:
        request = Request.read(
            steps=options.steps,
            log=False,
            output=None,
            metrics=options.metrics,
            column=options.column,
            every=options.every,
        )
        both = _shown(labeled(options.a, options.b), options.set)
        screen = (_is_colored(sys.stdout), sys.stdout.encoding or "ascii")
        text, differ = diff(
            both, request, as_json=options.json, picture=screen if options.plot else None
        )
    except (Unusable, ValueError) as error:
        raise UsageError(str(error)) from None
    print(text, end="")
    return FAILED if differ else DONE


def _verify(options: argparse.Namespace) -> int:
    from .compare.command import verify

    try:
        text, right = verify(
            options.code,
            _shown([options.against], options.set)[0],
            factory=options.factory,
            steps=options.steps,
            precision=options.dtype,
            ulps=options.ulps,
            as_json=options.json,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    print(text, end="")
    return DONE if right else FAILED


def _port(options: argparse.Namespace) -> int:
    from .porting.command import run
    from .porting.pasted import NotPortable

    try:
        text, told = run(options, sys.stdin)
    except NotPortable as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(_unreadable(error)) from None
    for line in told:
        print(line, file=sys.stderr)
    print(text, end="")
    return DONE


def _fit(options: argparse.Namespace) -> int:
    try:
        with Progress() as progress:
            text, is_found = run_fit(options, progress, _workers())
    except ValueError as error:
        raise UsageError(str(error)) from None
    print(text, end="")
    return DONE if is_found else FAILED


def _shown(arguments: Sequence[str], settings: Sequence[str]) -> list[Shown]:
    """The schedules to be drawn, at the parameters that are set."""
    from .bound import Loaded, open_spec
    from .plot.schedules import MOST_SHOWN, Shown
    from .plot.settings import dealt_out, values_of, with_label

    if len(arguments) > MOST_SHOWN:
        raise UsageError(f"{len(arguments)} schedules, the limit is {MOST_SHOWN}. Draw fewer.")
    schedules: dict[str, Schedule] = {}
    for argument in arguments:
        label, spec = with_label(argument)
        if Path(spec).is_dir():
            raise UsageError(f"{spec}: a folder, but one schedule is wanted. Name a file.")
        _specs([spec])
        specs, name = open_spec(spec)
        label = label or name
        if label in schedules:
            raise UsageError(f"'{label}' is there twice. Label them: a={spec} b={spec}.")
        schedules[label] = specs.schedule(name)
    names = {label: [p.name for p in one.parameters] for label, one in schedules.items()}
    own = dealt_out(settings, names)
    found = []
    proved: list[tuple[Schedule, Loaded]] = []  # once each, under however many labels
    with Progress() as progress:
        for number, (label, schedule) in enumerate(schedules.items()):
            progress(number, len(schedules), label)
            known = (loaded for one, loaded in proved if one == schedule)
            proved.append((schedule, next(known, None) or Loaded(schedule)))
            loaded, given = proved[-1][1], values_of(schedule, own[label])
            try:
                found.append(Shown(label, schedule, loaded.bind(**given)))
            except ValueError as error:
                raise UsageError(f"{label}: {error}") from None
    return found


def _unit(schedule: Schedule, name: str) -> str:
    from .expr import names_in

    parameter = schedule.parameter(name)
    initial = {used for state in schedule.state for used in names_in(state.initial)}
    if parameter.type == "steps" and name in initial.union(
        *(names_in(line.value) for line in schedule.update)
    ):
        return "observations"
    if parameter.type != "rate":
        return parameter.units
    return "a rate" if schedule.drives == "lr" else f"a {schedule.drives.replace('_', ' ')}"


def _section(title: str) -> None:
    print(f"\n{_painted(title, '1', sys.stdout)}")


def _columns(rows: Sequence[tuple[str, ...]], right: int = 0) -> None:
    """Rows in columns, the first ``right`` of them set to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = [
            cell.rjust(width) if k < right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths))
        ]
        print(f"  {'  '.join(cells)}".rstrip())


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=1))


def _painted(text: str, code: str, stream: TextIO) -> str:
    """``text`` in a color, where a person looks at a terminal and did not ask for none."""
    return f"\x1b[{code}m{text}\x1b[0m" if _is_colored(stream) else text


def _is_colored(stream: TextIO) -> bool:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return not plain and stream.isatty()
