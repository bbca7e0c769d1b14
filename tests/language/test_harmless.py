"""A stranger's text in titles, docs and requirements: emitted as text, never as code."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lrgen.backends import BACKENDS
from lrgen.pipeline import emit, library

ODD = [
    'Ends a docstring """ + __import__("os").system("touch ran") + """',
    '""" \'\'\' " \' all quotes "',
    '"',
    '""""""""""',
    "Ends in a backslash \\",
    "\\",
    '\\"',
    '\\""" x',
    "\\N{GREEK SMALL LETTER ETA} \\x41 \\u0041 \\n \\",
    "{{ view.names }} {% for line in view.body %} {# no #} {%- raw -%}",
    "{% include '/etc/passwd' %}{{ 7 * 7 }}",
    "# a comment; # type: ignore  # noqa",
    "f-string {peak_lr!r} {1/0} {{}} %s %(name)s ${HOME} `id`",
    "η \N{GREEK SMALL LETTER ETA} → 学习率 ½ é \N{GRINNING FACE}",
    "-*- coding: latin-1 -*-",
    "Args: Returns: ``code`` :func:`x` *a* |b|_",
    "  spaces  around  and  between  ",
    "word" * 18,
]


def spec(text: str, require: str = "peak_lr >= 0") -> str:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"""
name = "ramp"
title = {quoted}
base = "peak_lr"
cites = [{quoted}]
require = ["{require}"]
value = "peak_lr / (1 + step)"

[parameters]
peak_lr = {{ type = "rate", default = 1.0, doc = {quoted} }}
mode = {{ type = "choice", of = ["min", "max"], default = "min", doc = {quoted} }}

[[example]]
name = "one"
doc = {quoted}
set = {{ peak_lr = 2.0 }}
"""


def emitted(folder: Path, text: str) -> dict[str, str]:
    """All files of a spec, by path."""
    path = folder / "ramp.toml"
    path.write_text(text, encoding="utf-8")
    specs, _ = library([path])
    return emit(specs.schedule("ramp"), list(BACKENDS))[0]


def strings(module: ast.Module) -> list[str]:
    """Every docstring of a module, without its line breaks."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                found.append(" ".join(text.split()))
    return found


def shape(module: ast.Module) -> str:
    """The code of a module without its docstrings."""
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                first.value = ast.Constant("")
    return ast.dump(module)


@pytest.mark.parametrize("text", ODD)
def test_odd_text_reads_back_from_every_module(text: str, tmp_path: Path) -> None:
    plain = emitted(tmp_path, spec("A ramp"))
    files = emitted(tmp_path, spec(text))

    assert sorted(files) == sorted(plain)
    for path, code in files.items():
        if path.endswith(".json"):
            continue
        module = ast.parse(code)
        compile(code, path, "exec")
        docstrings = strings(module)
        wanted = " ".join(text.split())
        assert docstrings[0].startswith(wanted), path
        # As summary, as parameter, as source: what an author wrote is what a reader gets.
        assert sum(wanted in docstring for docstring in docstrings) >= 2, path
        assert shape(module) == shape(ast.parse(plain[path])), path


SCRATCH = string.ascii_letters + "\"'\\{}%#$`;:()[]\N{GREEK SMALL LETTER ETA}\N{GRINNING FACE} "


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(alphabet=SCRATCH, min_size=1, max_size=60).filter(str.strip))
@example(text='a"""')
@example(text='\\"""')
def test_any_text_leaves_the_code_as_it_is(text: str, tmp_path: Path) -> None:
    plain = emitted(tmp_path, spec("A ramp"))
    files = emitted(tmp_path, spec(text))

    for path, code in files.items():
        if not path.endswith(".json"):
            module = ast.parse(code)
            assert strings(module)[0].startswith(" ".join(text.split()))
            assert shape(module) == shape(ast.parse(plain[path]))


def test_text_that_is_not_escaped_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrgen.backends.base.escaped", lambda text: text)

    with pytest.raises((SyntaxError, AssertionError)):
        test_odd_text_reads_back_from_every_module(ODD[0], tmp_path)


def test_the_words_of_a_choice_may_be_names_of_operators(tmp_path: Path) -> None:
    files = emitted(tmp_path, spec("A ramp"))
    scope: dict[str, object] = {}

    exec(files["python_schedules/ramp.py"], scope)

    assert scope["ramp"](0, mode="max") == 1.0  # type: ignore[operator]


@pytest.mark.parametrize(
    "require", ["peak_lr >= 0 and mode != 'max'", "0 <= peak_lr<=9", "peak_lr**2>=0"]
)
def test_a_requirement_stands_in_the_error_as_it_was_written(require: str, tmp_path: Path) -> None:
    files = emitted(tmp_path, spec("A ramp", require))
    module = ast.parse(files["python_schedules/ramp.py"])
    messages = [
        "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        for node in ast.walk(module)
        if isinstance(node, ast.JoinedStr)
    ]

    assert any(message.startswith(f"{require} does not hold") for message in messages)


def test_docs_say_nothing_of_the_machine(tmp_path: Path) -> None:
    """The view carries no path, no date and no version."""
    files = emitted(tmp_path, spec("A ramp"))

    assert not any(str(tmp_path) in text for text in files.values())
    assert all(
        "/" not in text.splitlines()[0].replace("lrgen build", "") for text in files.values()
    )


def test_the_catalogue_can_be_called_from_a_folder_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "ramp.toml"
    path.write_text('name = "ramp"\ntitle = "A ramp"\nvalue = "constant(step)"\n')

    specs, names = library([path])

    assert names == ["ramp"]
    assert specs.schedule("ramp").pieces[0].text
