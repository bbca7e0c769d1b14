"""How a spec becomes code. The output of each stage is the input of the next stage.

    read      *.toml             -> Source      the file has the right shape
    resolve   Source             -> Schedule    every name known, every formula typed, calls inlined
    prove     Schedule           -> Schedule    requirements, finiteness and claims hold
    sample    Schedule           -> Vectors     exact values of the author's own formula
    rewrite   Schedule           -> Schedule    the same curve without cancellation
    render    Schedule, Backend  -> Emitted     (path, text); nothing is written
    write     all Emitted        -> folder      all or nothing, strays removed

Layers: each module imports from strictly lower ones, and each third-party library comes in through
one of them.

    0  cycles, errors, expr, files, hashing, intervals, naming, progress, workers
    1  catalogue, evaluate (mpmath), ops, shape_errors
    2  document (pydantic, tomllib), linear, parse, printer, terms, uptodate
    3  inequalities, match, rules, simplify
    4  ranges
    5  finite, schedule
    6  exact (sympy), guard, inline, lower, parameters, sampling
    7  automaton, backends/, describe, plot/ (matplotlib), remember, rewrite, traces, vectors
    8  describe_traces, induction, prove, recheck, render (jinja2), resolve, trace_vectors
    9  numpy_code, prove_traces, recheck_traces
    10 pipeline
    11 bound, fitting/, listing, stages
    12 compare/, porting/
    13 __init__, testing
    14 cli
    15 __main__

A schedule that remembers goes the same way through modules of its own: its finiteness is shown by
induction over its state, its vectors are traces of observations, run by an exact automaton.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import files
from .catalogue import catalogue, dialects, libraries, library_of, origin, shown
from .errors import SpecError
from .uptodate import inputs_digest, is_as_built, packages, removable

if TYPE_CHECKING:  # the stages are imported where they run: a build may have nothing to do
    from .document import Source
    from .resolve import Library
    from .rewrite import Known
    from .schedule import Schedule
    from .trace_vectors import TraceVectors
    from .vectors import Vectors

STAGES = ("read", "resolve", "prove", "sample", "rewrite", "render")
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """A schedule proved, and rewritten, and the vectors that the rewritten form was held against.

    ``known`` is known of the rewritten form.
    """

    author: Schedule
    written: Schedule
    vectors: Vectors | TraceVectors
    known: Known


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made of one spec."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did: nothing was ``built`` when everything was up to date."""

    built: tuple[Built, ...]
    written: int
    removed: int
    files: int


def library(paths: Iterable[Path]) -> tuple[Library, list[str]]:
    """The specs at ``paths``, with all that they may call, and the names of those at ``paths``.

    Raises:
        SpecError: For a file that is no spec, and for two of one name.
    """
    return library_of_sources(read(path) for path in paths)


def library_of_sources(sources: Iterable[Source]) -> tuple[Library, list[str]]:
    """``sources`` with all that they may call, and their names.

    Every spec may call the catalogue and, after the name of their library, dialects; a dialect may
    call those of its own library by their names alone.

    Raises:
        SpecError: For two of one name.
    """
    from .resolve import Library

    own: dict[str, Source] = {}
    for source in sources:
        if source.key in own:
            raise SpecError(
                f"the name '{source.key}' stands in {own[source.key].file} as well",
                "Rename one of them.",
                file=source.file,
            )
        own[source.key] = source
    every = dict(own) | {name: read(path) for name, path in catalogue().items() if name not in own}
    waiting = list(own.values())
    met: set[str] = set()
    while waiting:
        # Only the libraries that somebody names are read: there are many.
        source = waiting.pop()
        for name in {source.library, *_libraries_in(source)} - met - {""}:
            met.add(name)
            more = {key: read(path) for key, path in dialects(name).items() if key not in own}
            every |= more
            waiting += more.values()
    return Library(every.values()), list(own)


def _libraries_in(source: Source) -> set[str]:
    """The libraries whose dialects the formulas of ``source`` may call."""
    found = set(re.findall(r"\b([a-z]\w*)\s*\.", " ".join(source.document.formulas)))
    return found.intersection(libraries()) if found else found


def read(path: Path) -> Source:
    """The spec at ``path``, named as the whole build names it.

    Raises:
        SpecError: When it is no spec.
    """
    from .document import read_source

    return read_source(path, shown(path), origin(path), library_of(path))


def proved(schedule: Schedule) -> Schedule:
    """``schedule`` with its findings.

    Raises:
        SpecError: When it does not hold what it claims.
    """
    from .prove import prove
    from .prove_traces import prove_traces

    return prove(schedule) if schedule.observes is None else prove_traces(schedule)


def sampled(schedule: Schedule) -> Vectors | TraceVectors:
    """The vectors of ``schedule``."""
    from .trace_vectors import sample_traces
    from .vectors import sample

    return sample(schedule) if schedule.observes is None else sample_traces(schedule)


def checked(schedule: Schedule) -> Checked:
    """``schedule`` with what is emitted of it.

    Raises:
        SpecError: When it does not hold what it claims, or cannot be computed accurately.
    """
    from .recheck import recheck
    from .recheck_traces import recheck_traces
    from .rewrite import known_of, rewrite
    from .vectors import Vectors

    held = proved(schedule)
    vectors = sampled(held)
    written = rewrite(held)
    known = known_of(written)
    if isinstance(vectors, Vectors):
        recheck(held, written, vectors, known)
    else:
        recheck_traces(held, written, vectors, known)
    return Checked(held, written, vectors, known)


def emit(schedule: Schedule, backends: Sequence[str]) -> tuple[dict[str, str], Built]:
    """Every file of one resolved schedule.

    Raises:
        SpecError: When it does not hold what it claims, or cannot be computed accurately.
    """
    from .backends import BACKENDS
    from .render import render

    found = checked(schedule)
    emitted = [render(found.written, BACKENDS[name], found.known) for name in backends]
    texts = {one.path: one.text for one in emitted}
    texts[f"vectors/{schedule.name}.json"] = found.vectors.text()
    return texts, Built(schedule.name, sum(len(case.rows) for case in found.vectors.cases))


def fill(
    texts: MutableMapping[str, str],
    paths: Sequence[Path],
    backends: Sequence[str],
    progress: Progress | None = None,
    workers: int = 1,
) -> tuple[Built, ...]:
    """Put every file that ``paths`` give into ``texts``, computed afresh by ``workers`` processes.

    Raises:
        SpecError: The first one, in the order of ``paths``.
    """
    from .workers import each

    schedules = _resolved(paths)
    built = []
    results = each(partial(_emitted, backends=tuple(backends)), schedules, workers)
    for number, (schedule, result) in enumerate(zip(schedules, results)):
        if progress is not None:
            progress(number, len(schedules), schedule.name)
        own, one = result
        texts.update(own)
        built.append(one)
    if progress is not None:
        progress(len(schedules), len(schedules), "")
    return tuple(built)


def _resolved(paths: Iterable[Path]) -> list[Schedule]:
    """The schedules at ``paths``; what they were read from is left behind.

    Raises:
        SpecError: The first one; also where two would be written to one file.
    """
    specs, names = library(paths)
    schedules = [specs.schedule(name) for name in names]
    first: dict[str, Schedule] = {}
    for schedule in schedules:
        other = first.setdefault(schedule.name, schedule)
        if other is not schedule:
            raise SpecError(
                f"'{schedule.name}.py' is made of {other.file} as well",
                "Build them into folders of their own.",
                file=schedule.file,
            )
    return schedules


def _emitted(schedule: Schedule, backends: Sequence[str]) -> tuple[dict[str, str], Built]:
    from .evaluate import NotFinite

    try:
        return emit(schedule, backends)
    except NotFinite as error:
        raise SpecError(
            error.fact,
            "Add a requirement that excludes it.",
            file=schedule.file,
            column=error.node.column or None,
        ) from None
    except SpecError as error:
        raise error.at(file=schedule.file) from None


def build(
    paths: Sequence[Path],
    out: Path,
    backends: Sequence[str],
    *,
    whole: bool,
    progress: Progress | None = None,
    workers: int = 1,
) -> Report:
    """Write what ``paths`` give below ``out``.

    Args:
        paths: Spec files.
        out: The output folder, made when missing.
        backends: Their names.
        whole: Whether ``paths`` are all there is, so that other generated files are strays.
        progress: Called before each spec with (done, all, name).
        workers: Processes that share the work; more than 1 only where no threads run.

    Raises:
        SpecError: When any spec fails; then nothing is written.
    """
    inputs = inputs_digest(paths, backends)
    lock = files.read_lock(out)
    if whole and lock.get("inputs") == inputs and is_as_built(out, lock, workers):
        extra = files.strays(out, lock, packages(backends))
        if not extra:
            return Report((), 0, 0, len(lock))
    with files.texts_by_path() as texts:
        built = fill(texts, paths, backends, progress, workers)
        remove: list[str] = []
        if whole:
            remove = removable(out, files.strays(out, texts, packages(backends)), lock)
            texts[files.LOCK] = files.lock_text(inputs, texts)
        written, removed = files.write(out, texts, remove)
        return Report(built, written, removed, len(texts))


def check(
    paths: Sequence[Path],
    out: Path,
    backends: Sequence[str],
    *,
    whole: bool,
    progress: Progress | None = None,
    workers: int = 1,
) -> list[files.Difference]:
    """Files below ``out`` that are not what ``paths`` give, computed afresh.

    Args:
        paths: Spec files.
        out: The output folder.
        backends: Their names.
        whole: Whether ``paths`` are all there is, so that other files are strays.
        progress: Called before each spec with (done, all, name).
        workers: As for :func:`build`.

    Raises:
        SpecError: When any spec fails.
    """
    with files.texts_by_path() as texts:
        fill(texts, paths, backends, progress, workers)
        if whole:
            texts[files.LOCK] = files.lock_text(inputs_digest(paths, backends), texts)
        return files.compare(out, texts, packages(backends) if whole else [])
