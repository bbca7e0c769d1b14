"""One module of a package that would import what is not there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import by_path
import pytest

FILES = {
    "heavy_one/__init__.py": "import nothing_of_that_name",
    "heavy_one/part/__init__.py": "import nothing_of_that_name",
    "heavy_one/part/light.py": "from ..beside import FACTOR\nfrom ..other import BASE\n",
    "heavy_one/beside.py": "FACTOR = 3",
    "heavy_one/other.py": "import nothing_of_that_name",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield "heavy_one"
    for name in [name for name in sys.modules if name.partition(".")[0] == "heavy_one"]:
        del sys.modules[name]


def test_a_module_is_imported_while_its_packages_are_empty(package: str) -> None:
    light = by_path.alone(f"{package}.part.light", heavy_one__other={"BASE": 0.5})

    assert (3, 0.5) == (light.FACTOR, light.BASE)


def test_without_a_stand_in_the_real_module_is_imported(package: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        by_path.alone(f"{package}.part.light")


def test_without_the_package_a_test_is_skipped_and_says_of_what() -> None:
    with pytest.raises(pytest.skip.Exception, match="needs nothing_of_that_name"):
        by_path.alone("nothing_of_that_name.part")
