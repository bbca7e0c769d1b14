"""A training log as steps and rates: CSV and its relatives, JSON lines, trainers' states."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import did_you_mean, quoted

MOST_BYTES = 16 * 1024 * 1024
MOST_ROWS = 1_000_000
MOST_STEP = 2**53
MOST_SHOWN = 8
RATE_NAMES = ("lr", "learning_rate", "learningrate", "rate", "lr_0", "lr0")
STEP_NAMES = (
    *("step", "steps", "global_step", "num_updates", "update", "updates", "iteration"),
    *("iterations", "iter", "num_steps", "count", "epoch"),
)
"""Best first: a log with both counts updates in the first and epochs in the last."""
_SEPARATORS = (",", ";", "\t")


class Unreadable(ValueError):
    """A log that cannot be read: one line with its place, the fact and a way out."""


@dataclass(frozen=True, slots=True)
class Log:
    """What was logged, one rate for each step, steps ascending.

    Attributes:
        steps: Integers >= 0.
        rates: Finite numbers >= 0.
        texts: How the rates were spelled, for what they were rounded to.
        remarks: What was chosen and what was left out, in sentences.
    """

    steps: NDArray[np.int64]
    rates: NDArray[np.float64]
    texts: tuple[str, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Table:
    names: list[str] | None
    rows: list[tuple[int, list[str]]]
    """The number of each line, and its cells."""


def read_log(path: Path, column: str | None = None, step_column: str | None = None) -> Log:
    """The rates logged in ``path``.

    Of a step that is logged more than once, as after a resume, the last row counts.

    Args:
        path: Text in UTF-8: columns apart by commas, semicolons, tabs or spaces, with a header or
            without; a JSON object in each line; a list of such objects; a ``trainer_state.json``.
        column: The column of rates, by its name or its number from 1.
        step_column: The column of steps.

    Raises:
        Unreadable: For a file that is none of these, and for a column that cannot be told.
    """
    text = _text(path)
    start = text.lstrip()[:1]
    table = _json_table(path, text) if start and start in "{[" else _csv_table(path, text)
    steps_at, rates_at = _columns(path, table, column, step_column)
    return _log(path, table, steps_at, rates_at)


def log_of(steps: Sequence[int] | NDArray[Any], rates: Sequence[float] | NDArray[Any]) -> Log:
    """Steps and rates of one's own.

    Raises:
        Unreadable: Where they are not as many, or no steps and rates.
    """
    at, values = np.asarray(steps), np.asarray(rates)
    if at.shape != values.shape or at.ndim != 1:
        shapes = f"{at.shape} and {values.shape}"
        raise Unreadable(f"steps and rates have shapes {shapes}. Give one rate for each step.")
    spell = np.float32 if values.dtype == np.float32 else np.float64
    rows = [(n, [str(a), str(spell(v))]) for n, (a, v) in enumerate(zip(at, values))]
    return _log("rates", _Table(["step", "rate"], rows), 0, 1)


def _text(path: Path) -> str:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise Unreadable(f"{path}: no regular file. Give a log.")
        if about.st_size > MOST_BYTES:
            limit = f"{about.st_size:,} bytes, the limit is {MOST_BYTES:,}"
            raise Unreadable(f"{path}: {limit}. Keep only the columns of steps and rates.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read: {error.strerror}. Check the path.") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: not text in UTF-8. Export it as CSV.") from None
    if not text.strip():
        raise Unreadable(f"{path}: there is nothing in it. Give a log with steps and rates.")
    return text


def _csv_table(path: Path, text: str) -> _Table:
    top = text.lstrip().partition("\n")[0]
    separator = next((mark for mark in _SEPARATORS if mark in top), None)
    rows: list[tuple[int, list[str]]] = []
    if separator is None:
        lines = enumerate(text.splitlines(), 1)
        rows = [(line, cells.split()) for line, cells in lines if cells.strip()]
    else:
        reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        try:
            for cells in reader:
                if any(map(str.strip, cells)):
                    rows.append((reader.line_num, [cell.strip() for cell in cells]))
        except csv.Error as error:
            raise Unreadable(f"{path}, line {reader.line_num}: {error}. Repair it.") from None
    first = rows[0][1]
    if first[0].startswith("#"):  # as numpy.savetxt writes a header
        first = [first[0].lstrip("# "), *first[1:]] if first[0] != "#" else first[1:]
        rows[0] = (rows[0][0], first)
    if any(_number(cell) is not None for cell in first):
        return _Table(None, rows)
    return _Table(first, rows[1:])


class _Spelled(float):
    """A number of JSON that knows how it was written."""

    text: str


def _spelled(text: str) -> _Spelled:
    number = _Spelled(text)
    number.text = text
    return number


def _json_table(path: Path, text: str) -> _Table:
    decode = json.JSONDecoder(parse_float=_spelled, parse_int=_spelled).decode
    records: list[tuple[int, Any]]
    try:
        whole = decode(text)
    except RecursionError:
        raise Unreadable(f"{path}: nested too deeply. Give a list of records.") from None
    except ValueError:
        records = []
        for line, one in enumerate(text.splitlines(), 1):
            if not one.strip():
                continue
            try:
                records.append((line, decode(one)))
            except (ValueError, RecursionError):
                raise Unreadable(
                    f"{path}, line {line}: not JSON. Give one object in each line, or a CSV file."
                ) from None
    else:
        if isinstance(whole, dict) and isinstance(whole.get("log_history"), list):
            whole = whole["log_history"]
        if isinstance(whole, dict) and whole and all(isinstance(v, list) for v in whole.values()):
            columns: list[list[Any]] = list(whole.values())
            whole = [dict(zip(whole, cells)) for cells in zip(*columns)]
        records = list(enumerate(whole if isinstance(whole, list) else [whole], 1))
    names: dict[str, int] = {}
    for line, record in records:
        if not isinstance(record, dict):
            raise Unreadable(
                f'{path}, record {line}: not an object such as {{"step": 10, "lr": 0.1}}.'
            )
        for name in record:
            names.setdefault(name, len(names))
    found = []
    for line, record in records:
        cells = [""] * len(names)
        for name, value in record.items():
            # A list has one rate for each parameter group: the first stands for them.
            first = value[0] if isinstance(value, list) and value else value
            cells[names[name]] = first.text if isinstance(first, _Spelled) else ""
        found.append((line, cells))
    return _Table(list(names), found)


def _columns(
    path: Path, table: _Table, column: str | None, step_column: str | None
) -> tuple[int | None, int]:
    """Where the steps are, if anywhere, and the rates."""
    width = max((len(cells) for _, cells in table.rows), default=0)
    names = table.names or [""] * width
    count = max(width, len(names))
    numeric = [k for k in range(count) if _has_numbers(table, k)]
    if not numeric:
        raise Unreadable(f"{path}: no column has a number in it. Give a log with rates.")
    rates_at = None if column is None else _named(path, table, column, count)
    if step_column is not None:
        steps_at: int | None = _named(path, table, step_column, count)
    elif table.names is not None:
        steps_at = _best(names, STEP_NAMES, [k for k in numeric if k != rates_at])
    else:
        rising = (k for k in numeric if k != rates_at and _counts(table, k))
        steps_at = next(rising, None) if count > 1 else None
    if rates_at is None:
        left = [k for k in numeric if k != steps_at]
        rates_at = _best(names, RATE_NAMES, left) if table.names is not None else None
        if rates_at is None and len(left) == 1:
            rates_at = left[0]
    if rates_at is None:
        known = [quoted(n, 30) for k, n in enumerate(names) if k in numeric and n]
        shown = ", ".join(known[:MOST_SHOWN]) or f"{count} columns without names"
        raise Unreadable(f"{path}: which is the rate, of {shown}? Say --column NAME.")
    if steps_at is None and count > 1 and table.names is None:
        raise Unreadable(f"{path}: no column counts steps. Say --step-column with its number.")
    return steps_at, rates_at


def _named(path: Path, table: _Table, wanted: str, count: int) -> int:
    names = table.names or []
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and 1 <= int(wanted) <= count:
        return int(wanted) - 1
    none = f"It has no header: give a number from 1 to {count}."
    hint = did_you_mean(wanted, names)
    hint = hint or (f"It has {', '.join(names[:MOST_SHOWN])}." if names else none)
    raise Unreadable(f"{path}: no column {quoted(wanted)}. {hint}")


def _best(names: Sequence[str], known: Sequence[str], among: Sequence[int]) -> int | None:
    """The column that is called most like one of ``known``; None where there are several."""
    plain = {k: names[k].strip().lower().replace(" ", "_").replace("-", "_") for k in among}
    for spell in (lambda name: name, _last_part):
        for wanted in known:
            found = [k for k, name in plain.items() if spell(name) == wanted]
            if len(found) == 1:
                return found[0]
            if found:
                return None
    # Lightning's monitor writes lr-AdamW; others lr/group0.
    found = [k for k, name in plain.items() if "lr" in name.replace("/", "_").split("_")]
    return found[0] if known is RATE_NAMES and len(found) == 1 else None


def _last_part(name: str) -> str:
    return name.rpartition("/")[2].strip("_")


def _has_numbers(table: _Table, column: int) -> bool:
    return any(
        column < len(cells) and _number(cells[column]) is not None for _, cells in table.rows
    )


def _counts(table: _Table, column: int) -> bool:
    """Whether a column holds whole numbers that mostly rise."""
    found = [_number(cells[column]) for _, cells in table.rows if column < len(cells)]
    if any(one is None or one < 0 or one != int(one) for one in found) or len(found) < 2:
        return False
    rises = sum(b > a for a, b in pairwise(found) if a is not None and b is not None)
    return 10 * rises >= 9 * (len(found) - 1) or rises + 20 >= len(found)


def _number(text: str) -> float | None:
    """The number that ``text`` spells, which is finite; None for any other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if "_" not in text and abs(number) < float("inf") else None


def _log(path: Path | str, table: _Table, steps_at: int | None, rates_at: int) -> Log:
    last: dict[int, str] = {}
    repeated = changed = 0
    previous, resumed = -1, 0
    for step, text in _pairs(path, table, steps_at, rates_at):
        if step in last:
            repeated += 1
            changed += last[step] != text
        resumed += step < previous
        previous = step
        last[step] = text
        if len(last) > MOST_ROWS:
            raise Unreadable(f"{path}: more than {MOST_ROWS:,} steps. Give every tenth.")
    if not last:
        raise Unreadable(f"{path}: there is no rate in it. Choose a column with --column.")
    remarks = []
    if steps_at is None:
        remarks.append("No column counts steps: rows are taken as updates 0, 1, 2 and so on.")
    if table.names is not None and len(table.names) > 2 and steps_at is not None:
        chosen = f"{quoted(table.names[rates_at])} at {quoted(table.names[steps_at])}"
        remarks.append(f"The rate is {chosen}.")
    if repeated or resumed:
        words = f"{repeated:,} steps are logged again" if repeated else "Steps go back"
        again = f", {changed:,} of them with another rate" if changed else ""
        remarks.append(f"{words}, as after a resume{again}: the last row of a step counts.")
    order = sorted(last)
    texts = tuple(last[step] for step in order)
    steps = np.array(order, np.int64)
    return Log(steps, np.array([float(text) for text in texts]), texts, tuple(remarks))


def _pairs(
    path: Path | str, table: _Table, steps_at: int | None, rates_at: int
) -> Iterator[tuple[int, str]]:
    """Step and rate of each row that has a rate."""
    row = 0
    for line, cells in table.rows:
        place = f"{path}, line {line}"
        text = cells[rates_at] if rates_at < len(cells) else ""
        if not text or (table.names is not None and cells == table.names):
            continue  # a logger that puts several metrics into one file, or its header anew
        rate = _number(text)
        if rate is None or rate < 0:
            raise Unreadable(f"{place}: {quoted(text)} is no rate. Take the line out.")
        if steps_at is None:
            yield row, text
            row += 1
            continue
        counted = cells[steps_at] if steps_at < len(cells) else ""
        step = _number(counted)
        if step is None or step != int(step) or not 0 <= step <= MOST_STEP:
            raise Unreadable(
                f"{place}: {quoted(counted)} is no step, a whole number from 0 on. Choose another "
                "column with --step-column."
            )
        yield int(step), text
