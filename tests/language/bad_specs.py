"""The cases of ``tests/cases/``: how each folder is made, built, and what the build says."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from lrgen.catalogue import find
from lrgen.errors import SpecError
from lrgen.pipeline import build

CASES = Path(__file__).parents[1] / "cases"
SPEC = 'name  = "ramp"\ntitle = "A ramp"\nvalue = "{value}"\n'
MOST_BYTES = 1 << 30
MOST_SECONDS = 10


def _text(content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "ramp.toml").write_bytes(content)

    return write


def _folder(folder: Path) -> None:
    (folder / "ramp.toml").mkdir()


def _link_outside(folder: Path) -> None:
    outside = folder.parent / "outside.toml"
    outside.write_text(SPEC.format(value="1.0"))
    (folder / "ramp.toml").symlink_to(outside)


def _link_to_a_device(folder: Path) -> None:
    (folder / "ramp.toml").symlink_to("/dev/zero")


def _dangling_link(folder: Path) -> None:
    (folder / "ramp.toml").symlink_to(folder / "nowhere.toml")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "ramp.toml")


def _nothing(folder: Path) -> None:
    """An empty folder."""


def _wide_calls(folder: Path) -> None:
    """Each schedule calls the next one twice: written out, the first has 2**24 parts."""
    for number in range(25):
        name, after = f"d_{number}", f"d_{number + 1}"
        value = f"{after}(step, x=x * x) + {after}(step + 1, x=x + 1)" if number < 24 else "x"
        (folder / f"{name}.toml").write_text(
            f'name  = "{name}"\ntitle = "A ramp"\nvalue = "{value}"\n\n[parameters]\n'
            'x = { type = "rate", default = 1.0, doc = "A rate." }\n'
        )


MADE: dict[str, Callable[[Path], None]] = {
    "call_doubling": _wide_calls,
    "file_nul": _text(SPEC.format(value="1.0\0").encode()),
    "file_not_utf8": _text(SPEC.format(value="1.0").encode().replace(b"A ramp", b"A r\xe4mp")),
    "file_of_random_bytes": _text(bytes(range(256)) * 8),
    "file_utf16": _text(SPEC.format(value="1.0").encode("utf-16")),
    "file_too_large": _text(SPEC.format(value="1.0" + " " * 100_000).encode()),
    "file_of_megabytes": _text(SPEC.format(value="1.0" + " + step" * 1_500_000).encode()),
    "file_is_a_folder": _folder,
    "folder_named_as_a_file": _folder,
    "file_is_a_pipe": _pipe,
    "file_outside": _link_outside,
    "file_is_a_device": _link_to_a_device,
    "file_dangling": _dangling_link,
    "folder_empty": _nothing,
    "brackets_in_the_file": _text(SPEC.format(value="(" * 25_000 + "1.0" + ")" * 25_000).encode()),
    "minus_in_the_file": _text(SPEC.format(value="-" * 60_000 + "1.0").encode()),
    "digits_in_the_file": _text(SPEC.format(value="9" * 60_000).encode()),
    "powers_in_the_file": _text(SPEC.format(value="9" + " ** 9" * 10_000).encode()),
}
"""What is too large, too odd or too much a link to be kept as a file."""

NAMED = {"file_is_a_device", "file_is_a_pipe", "file_dangling", "folder_named_as_a_file"}
"""Cases whose file is named to the build, not found by it in a folder."""


def _heavy(value: str, *, parameters: str = "", more: str = "", head: str = "") -> bytes:
    rate = 'peak_lr = { type = "rate", default = 0.5, doc = "A rate." }\n'
    text = SPEC.format(value=value) + head + "\n[parameters]\n" + rate + parameters + "\n" + more
    return text.encode()


def _lets(first: str, each: str, count: int = 31) -> str:
    lines = [
        f'a_0 = "{first}"',
        *(f'a_{i} = "{each.format(f"a_{i - 1}")}"' for i in range(1, count)),
    ]
    return "[let]\n" + "\n".join(lines) + "\n"


def _many_steps(count: int) -> str:
    return "".join(
        f'n_{i} = {{ type = "steps", default = {10 * i + 10}, doc = "Updates." }}\n'
        for i in range(count)
    )


def _remembering(count: int, initial: str, update: str) -> bytes:
    """A spec of ``count`` states that hang on each other: ``{0}`` is the one before, ``{1}`` it."""
    state = [f'a_{i} = "{initial}"' for i in range(count)]
    lines = [f'a_{i} = "{update.format(f"a_{(i - 1) % count}", f"a_{i}")}"' for i in range(count)]
    more = "\n".join(["[state]", *state, "[update]", *lines])
    return _heavy("peak_lr * 0.5 ** a_0", head='observes = "metric"\n', more=more + "\n")


HEAVY: dict[str, bytes] = {
    "states that double": _remembering(30, "1", "{0} + {1}"),
    "states that multiply": _remembering(30, "2", "{0} * {1}"),
    "powers of states": _remembering(30, "2", "{0} ** 999"),
    "states that choose": _remembering(
        30, "0", "{1} + 1 if {0} > 0 and metric > 0 else {0} - 1 if metric < {1} else {1}"
    ),
    "flags that double": _remembering(
        30, "0", "{1} + 1 if (metric > {0} or {0} > 1) and not ({0} < 3 and {0} > 1) else {0}"
    ),
    "lets that double": _heavy("a_30", more=_lets("step / 7", "{0} * {0}")),
    "lets of integers that double": _heavy("a_30 / 7", more=_lets("step % 7", "{0} + {0}")),
    "choices that double": _heavy("a_30", more=_lets("step / 7", "{0} if step > 5 else {0} / 2")),
    "cosines that double": _heavy("a_20", more=_lets("step / 7", "1 + cos(pi * {0}) * {0}", 21)),
    "powers of powers": _heavy("a_30", more=_lets("step / 7", "{0} ** 999")),
    "powers of whole powers": _heavy("peak_lr * a_20", more=_lets("step", "{0} ** 999", 21)),
    "products of whole numbers": _heavy("peak_lr / (1 + a_30)", more=_lets("step", "{0} * {0}")),
    "exponentials of exponentials": _heavy("a_9", more=_lets("step / 7", "exp({0})", 10)),
    "many rules between many parameters": _heavy(
        "peak_lr * step / n_0",
        parameters=_many_steps(24),
        head="require = ["
        + ", ".join(f'"n_{i} + n_{(i * 7) % 24} <= n_{(i * 5 + 1) % 24} + 300"' for i in range(24))
        + "]\n",
    ),
    "nested choices": _heavy(
        "peak_lr * (" + "1 / n_0 if step > n_0 else (" * 18 + "1" + ")" * 19,
        parameters=_many_steps(3),
    ),
    "nested extremes": _heavy(
        "peak_lr * " + "max(step, n_0, min(step + 1, n_1, " * 10 + "1" + "))" * 10,
        parameters=_many_steps(2),
    ),
    "sums of cosines": _heavy("peak_lr * (" + " + ".join(["1 + cos(pi * step / 7)"] * 30) + ")"),
    "products of complements": _heavy(
        "peak_lr" + " * (1 - step / n_0)" * 30, parameters=_many_steps(1)
    ),
    "large modulus": _heavy("peak_lr * (step ** 9 % 9223372036854775807) / 9223372036854775807"),
    "large angle": _heavy("peak_lr * sin(1e300 * step) ** 2"),
}
"""Legal specs of too much work: built or refused, but within the limits."""

HARD = {
    *MADE,
    "power_tower",
    "power_left_tower",
    "power_tower_of_names",
    "power_large_exponent",
    "digits_in_formula",
    "digits_in_default",
    "nested_brackets",
    "unary_minus_chain",
    "not_chain",
    "long_chain_of_sums",
    "arrays_nested_in_toml",
    "fails_power_grows",
    "fails_exponential",
    "default_overflows",
}
"""Cases that could eat time or memory: each is built in a process of its own, under limits."""


def prepare(case: str, folder: Path) -> None:
    """Put the specs of ``case`` into ``folder``, which is new."""
    stored = CASES / case
    shutil.copytree(stored, folder, ignore=shutil.ignore_patterns("expected.txt"))
    if case in MADE:
        MADE[case](folder)


def message(case: str) -> str:
    """What the build of the current folder says, or an empty string where it is built."""
    try:
        build(find(["ramp.toml" if case in NAMED else "."]), Path("out"), ["python"], whole=True)
    except SpecError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    sys.stdout.write(message(sys.argv[1]))
