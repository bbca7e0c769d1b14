"""A spec file, read into a :class:`Document` of the right shape. Only door of pydantic and tomllib.

Nothing is understood here: formulas are still text, names are not yet known.
"""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import stat
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .errors import SpecError, quoted
from .naming import class_name, function_name, scheduler_name
from .ops import OPERATORS
from .shape_errors import shape_error

MOST_BYTES = 64 * 1024
MOST_TITLE = 69
MOST_PARAMETERS = 32
MOST_PIECES = 32
MOST_EXAMPLES = 16
MOST_CAUTIONS = 16

# What emitted modules call by these names themselves.
_EMITTED = set.union(
    {"step", "t", "lr", "self", "dtype", "name", "schedule", "optimizer", "group", "groups"},
    {"write", "state", "last_epoch", "on_change", "epoch", "rate", "cast", "binary64"},
    {"np", "numpy", "torch", "jax", "jnp", "keras", "ops", "math", "copy", "contextlib"},
    {"Tensor", "LRScheduler", "Optimizer", "Sequence", "Callable", "Literal", "Any", "SPEC"},
    {"ArrayLike", "DTypeLike", "NDArray", "warnings", "minimum", "maximum"},
    {"where", "take", "tensorflow"},
    {"bisect", "functools", "itertools", "operator"},
)
# Emitted code spells these with a module's name before them, or otherwise.
_FREE = {"increasing", "least", "greatest", "reached", "product", "total", "uniform", "at"} | {
    "cycle",
    "cycle_start",
    "cycle_length",
    "cycle_starts",
    "cycle_lengths",
}
RESERVED = ({*keyword.kwlist, *dir(builtins), *OPERATORS} - _FREE) | _EMITTED
# What emitted classes and functions that observe something call their own.
_ENDS = ("begin", "end")
_OBSERVER = set.union(
    {"observe", "metrics", "steps", "rates", "number", "parameters", "state_dict"},
    {"load_state_dict", "init", "update", "monitor", "model", "params", "logs", "base_lrs"},
    {"batch", "states", "values", "saved", "given", "NamedTuple", "ReduceLROnPlateau"},
    {"pairs", "numbers", "State", "Values", "get_lr", "get_last_lr", "validation_freq"},
    {"set_model", "set_params", "observation", "get_state", "set_state", "spec"},
    {f"on_{part}_{end}" for part in ("epoch", "train", "test", "predict") for end in _ENDS},
    {f"on_{part}_batch_{end}" for part in ("train", "test", "predict") for end in _ENDS},
)
_TAKEN: dict[str, set[str]] = {
    "the piece": RESERVED - {"floor", "ceil"},
    "the example": set(),
    "the word": set(),
}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Formula = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]


class SpelledFloat(float):
    """A real number that remembers how the author wrote it, so that ``1e-3`` stays ``1e-3``."""

    text: str

    def __new__(cls, text: str) -> SpelledFloat:
        self = super().__new__(cls, text)
        self.text = text
        return self


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ParameterShape(_Shape):
    """One entry of ``[parameters]``; ``default`` is checked against ``type`` when resolved."""

    type: Literal[
        "steps", "count", "rate", "real", "flag", "choice", "steps[]", "count[]", "rate[]", "real[]"
    ]
    default: Any
    doc: Text
    of: list[Text] | None = None


class PieceShape(_Shape):
    """One ``[[piece]]``: it holds while ``step < until``, or ``when`` its condition holds."""

    name: Text
    value: Formula
    until: Formula | None = None
    when: Formula | None = None


class ClaimsShape(_Shape):
    """``[claims]``: what every build proves, or samples where it cannot prove."""

    continuous: bool = False
    bounds: Annotated[list[Formula], Field(min_length=2, max_length=2)] | None = None
    non_increasing_from: Formula | None = None
    non_decreasing_until: Formula | None = None


class ExampleShape(_Shape):
    """``[[example]]``: parameters for which vectors are made, and where they come from."""

    name: Text
    doc: Text
    set: dict[str, Any]
    metrics: Annotated[list[float], Field(min_length=1, max_length=200)] | None = None


class AccuracyShape(_Shape):
    """``[accuracy]``: a larger budget than 8 ulp, with its reason."""

    ulps: Annotated[int, Field(ge=1, le=100_000)]
    why: Text


class CautionShape(_Shape):
    """``[[caution]]``: a sentence on what hurts people who use this schedule.

    ``when`` is a condition between parameters; without it, the sentence holds for all of them.
    """

    text: Text
    when: Formula | None = None


class CallShape(_Shape):
    """``[call]`` of a dialect: how its library is asked for the schedule.

    Attributes:
        paths: What a user imports, as ``torch.optim.lr_scheduler.StepLR``; the first is the usual.
        signature: The library's own, as Python writes it, without brackets; not a parameter of the
            spec and not named below, an argument is refused unless it has its default.
        beside: Arguments that leave the rate as it is, such as ``optimizer``.
        run: Parameters that no argument is about, for the library takes them from the run.
        given: For a parameter that no argument bears the name of, a formula over arguments; of a
            parameter that an argument is called as well, used where that is None or left out.
            ``keys(x)`` and ``values(x)`` are those of a dictionary, none of None; ``entries(x,
            'key', otherwise)`` one of each dictionary in a list, whose other keys are refused;
            ``sums(x)`` the running sums of a list, ``first(x)`` its first; ``rule_steps(x)`` and
            ``rule_shares(x)`` those of the text ``'1:10,0.1:20,0.01'``.
        words: Of a choice whose word the library writes as no name, its word and the spec's.
    """

    paths: Annotated[list[Text], Field(min_length=1, max_length=8)]
    signature: Formula
    beside: list[Text] = []
    run: list[Text] = []
    given: dict[str, Formula] = {}
    words: dict[Text, Text] = {}


class Document(_Shape):
    """A whole spec file."""

    name: Text
    title: Text
    base: Text | None = None
    drives: Text = "lr"
    cites: list[Text] = []
    require: list[Formula] = []
    parameters: dict[str, ParameterShape] = {}
    let: dict[str, Formula] = {}
    piece: list[PieceShape] = []
    value: Formula | None = None
    observes: Text | None = None
    state: dict[str, Formula] = {}
    update: dict[str, Formula] = {}
    claims: ClaimsShape = ClaimsShape()
    example: list[ExampleShape] = []
    accuracy: AccuracyShape | None = None
    caution: list[CautionShape] = []
    call: CallShape | None = None

    @property
    def emitted_name(self) -> str:
        """What the emitted module and function are called."""
        return function_name(self.name)

    @property
    def formulas(self) -> list[str]:
        """Every formula that may call a schedule."""
        texts = [*self.let.values(), *(piece.value for piece in self.piece)]
        return texts if self.value is None else [*texts, self.value]


class Source(BaseModel):
    """A document and where it came from.

    Attributes:
        file: Its name in messages.
        origin: Its name in emitted headers.
        library: Whose dialect it belongs to; empty for a schedule of the catalogue or a user's.
        digest: Of its bytes.
        document: What it holds.
    """

    model_config = ConfigDict(frozen=True)
    file: str
    origin: str
    library: str = ""
    digest: str
    document: Document

    @property
    def key(self) -> str:
        """What it is called for: ``cosine``, or ``torch/OneCycleLR``."""
        name = self.document.name
        return f"{self.library}/{name}" if self.library else name


def read_source(path: Path, shown: str, origin: str = "", library: str = "") -> Source:
    """Read the spec at ``path``.

    Args:
        path: A regular file of at most 64 KiB.
        shown: How messages name it.
        origin: How emitted headers name it, wherever the build is run; by default its file name.
        library: Whose dialect it belongs to, if it is one.

    Raises:
        SpecError: When it is no regular file, no TOML, or has not the shape of a spec.
    """
    try:
        data = _regular_bytes(path)
        document = _shape(_toml(data))
        _check_names(document, path)
    except SpecError as error:
        raise error.at(file=shown) from None
    return Source(
        file=shown,
        origin=origin or path.name,
        library=library,
        digest=hashlib.sha256(data).hexdigest(),
        document=document,
    )


def source_of_text(text: str, file: str) -> Source:
    """The spec with the text ``text``, as if it lay in ``file``.

    Raises:
        SpecError: When it is no TOML, or has not the shape of a spec.
    """
    data = text.encode()
    try:
        document = _shape(_toml(data))
        _check_names(document, Path(file))
    except SpecError as error:
        raise error.at(file=file) from None
    return Source(
        file=file, origin=file, digest=hashlib.sha256(data).hexdigest(), document=document
    )


def check_identifier(name: str, what: str) -> None:
    """Raise SpecError unless ``name`` may become a name in emitted code.

    A piece may be called ``floor``: emitted code spells the operator ``math.floor``.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise SpecError(
            f"{what} {quoted(name)} is not a name",
            "A name starts with a letter, has letters, digits and underscores, at most 64.",
        )
    if name in _TAKEN.get(what, RESERVED):
        raise SpecError(f"{what} '{name}' is reserved", "Choose another name.")


def _regular_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SpecError("not a regular file", "Give a TOML file or a folder of them.")
        if status.st_size > MOST_BYTES:
            raise SpecError(
                f"the file has {status.st_size:,} bytes, the limit is {MOST_BYTES:,}",
                "Split it into several schedules.",
            )
        return path.read_bytes()
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", "Check the path.") from None


def _toml(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"), parse_float=SpelledFloat)
    except UnicodeDecodeError:
        raise SpecError("not UTF-8 text", "Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"not TOML: {error}", "See toml.io for the format.") from None
    except (ValueError, RecursionError):
        raise SpecError(
            "not TOML: a value is too long or nested too deeply", "Write a shorter one."
        ) from None


def _shape(data: dict[str, Any]) -> Document:
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=True, include_input=False)
        raise shape_error(data, [dict(one) for one in found], _fields_at) from None
    for kind, entries, most in (
        ("parameters", document.parameters, MOST_PARAMETERS),
        ("pieces", document.piece, MOST_PIECES),
        ("examples", document.example, MOST_EXAMPLES),
        ("lets", document.let, MOST_PIECES),
        ("states", document.state, MOST_PIECES),
        ("updates", document.update, MOST_PIECES),
        ("requirements", document.require, MOST_PARAMETERS),
        ("cautions", document.caution, MOST_CAUTIONS),
    ):
        if len(entries) > most:
            raise SpecError(f"{len(entries)} {kind}, the limit is {most}", "Split the schedule.")
    return document


def _fields_at(place: Sequence[str]) -> list[str]:
    match list(place):
        case ["parameters", *_]:
            model: type[BaseModel] = ParameterShape
        case ["piece", *_]:
            model = PieceShape
        case ["claims", *_]:
            model = ClaimsShape
        case ["example", *_]:
            model = ExampleShape
        case ["accuracy", *_]:
            model = AccuracyShape
        case ["caution", *_]:
            model = CautionShape
        case ["call", *_]:
            model = CallShape
        case _:
            model = Document
    return list(model.model_fields)


def _check_names(document: Document, path: Path) -> None:
    _check_schedule_name(document)
    if document.name != path.stem:
        raise SpecError(
            f"the schedule is named '{document.name}', its file '{path.stem}'",
            "Give both the same name.",
            key="name",
        )
    for key, text in _texts(document):
        if not text.isprintable():
            raise SpecError(
                "the text has a line break or another unprintable character",
                "Use one line of text.",
                key=key,
            )
    if len(document.title) > MOST_TITLE:
        raise SpecError(
            f"the title has {len(document.title)} characters, the limit is {MOST_TITLE}",
            "Emitted docstrings begin with it, in one line.",
            key="title",
        )
    taken: dict[str, str] = {document.emitted_name: "the schedule"}
    named = [("parameter", n) for n in document.parameters] + [("let", n) for n in document.let]
    named += [("piece", p.name) for p in document.piece]
    if document.observes is not None:
        named += [("metric", document.observes)] + [("state", n) for n in document.state]
        named += [("update", n) for n in document.update if n not in document.state]
    taken_by_us = {class_name(document.name), scheduler_name(document.name)}
    if document.observes is not None:
        taken_by_us |= _OBSERVER
    for what, name in named:
        check_identifier(name, f"the {what}")
        if name in taken_by_us:
            raise SpecError(f"the {what} '{name}' is reserved", "Choose another name.")
        other = taken.get(name)
        if other == what:
            raise SpecError(f"two {what}s are called '{name}'", "Rename one of them.")
        if other is not None and (what, other) != ("piece", "let"):
            article = "" if other.startswith("the ") else "a "
            raise SpecError(
                f"the {what} '{name}' is {article}{other} as well", "Rename one of them."
            )
        taken[name] = what
    for example in document.example:
        check_identifier(example.name, "the example")


def _check_schedule_name(document: Document) -> None:
    """A name such as ``OneCycleLR.momentum`` says after a dot what else a library drives."""
    name, dot, quantity = document.name.partition(".")
    if not dot:
        check_identifier(name, "the schedule")
    elif not (_IDENTIFIER.fullmatch(name) and _IDENTIFIER.fullmatch(quantity)):
        check_identifier(document.name, "the schedule")
    if document.emitted_name in RESERVED:
        raise SpecError(f"the schedule '{document.name}' is reserved", "Choose another name.")


def _texts(document: Document) -> Iterator[tuple[str, str]]:
    """Every text for people, with its key."""
    yield "title", document.title
    yield from (("cites", cite) for cite in document.cites)
    yield from ((f"parameters.{n}.doc", p.doc) for n, p in document.parameters.items())
    yield from ((f"example '{e.name}'", e.doc) for e in document.example)
    yield from ((f"caution {n}", one.text) for n, one in enumerate(document.caution, 1))
    if document.accuracy is not None:
        yield "accuracy.why", document.accuracy.why
    if document.call is not None:
        yield from (("call.paths", path) for path in document.call.paths)
