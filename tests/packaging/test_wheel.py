"""A wheel, installed where there is no framework, is all that lrgen needs."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
GENERATED = Path(os.environ.get("LRGEN_GENERATED", REPOSITORY / "generated"))
DIALECTS = REPOSITORY / "spec" / "dialects"
SCHEDULES = sorted(path.stem for path in (REPOSITORY / "spec" / "schedules").glob("*.toml"))


def run(*command: object, folder: Path) -> str:
    """What ``command`` prints, run in ``folder`` without this environment's paths."""
    outer = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LRGEN_GENERATED")
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in outer},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from the source archive, so that this one is complete as well."""
    folder = tmp_path_factory.mktemp("dist")
    # No isolation: the build backend is in this environment, in the version of constraints.txt.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ".", folder=REPOSITORY)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory) -> Path:
    """The programs of a new environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    found = folder / ("Scripts" if os.name == "nt" else "bin")
    constraints = REPOSITORY / "constraints.txt"
    pip = (found / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "-c", constraints, wheel, folder=folder)
    return found


def lacking(names: list[str]) -> set[str]:
    """Specs and templates of this checkout that are not among a wheel's files."""
    sources = [*REPOSITORY.glob("spec/**/*.toml"), *REPOSITORY.glob("templates/**/*.jinja")]
    return {f"lrgen/data/{p.relative_to(REPOSITORY).as_posix()}" for p in sources} - set(names)


def test_the_wheel_holds_every_spec_and_template(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert set() == lacking(names)


def test_a_spec_that_the_wheel_lacks_is_noticed(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    spec = "lrgen/data/spec/schedules/cosine.toml"

    assert {spec} == lacking([name for name in names if name != spec])


def test_the_wheel_holds_nothing_but_the_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert {"lrgen", "lrgen-0.1.0.dist-info"} == {name.partition("/")[0] for name in names}
    assert "lrgen/py.typed" in names


def test_the_environment_has_no_framework(scripts, tmp_path):
    code = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    frameworks = ("torch", "jax", "keras", "tensorflow", "optax", "flax")

    assert "[]\n" == run(scripts / "python", "-c", code, *frameworks, folder=tmp_path)
    assert "['numpy']\n" == run(scripts / "python", "-c", code, "numpy", folder=tmp_path)


def test_the_installed_catalogue_is_that_of_the_checkout(scripts, tmp_path):
    code = "from lrgen.catalogue import catalogue; print(*catalogue())"

    assert SCHEDULES == run(scripts / "python", "-c", code, folder=tmp_path).split()


def test_list_names_every_schedule(scripts, tmp_path):
    words = set(run(scripts / "lrgen", "list", folder=tmp_path).split())

    assert set() == set(SCHEDULES) - words


def test_an_installed_lrgen_speaks_the_dialects_of_the_checkout(scripts, tmp_path):
    words = run(scripts / "lrgen", "list", "--dialects", folder=tmp_path).split()
    code = "import lrgen; print(lrgen.load('torch/StepLR').bind(base_lr=0.5, gamma=0.5)(30))"
    expected = {
        path.relative_to(DIALECTS).with_suffix("").as_posix() for path in DIALECTS.rglob("*.toml")
    }

    assert set() == expected - set(words)
    assert "0.25\n" == run(scripts / "python", "-c", code, folder=tmp_path)


def test_an_installed_lrgen_builds_the_bytes_of_the_checkout(scripts, tmp_path):
    run(scripts / "lrgen", "build", "--out", "out", folder=tmp_path)

    expected = {
        p.relative_to(GENERATED): p
        for p in GENERATED.rglob("*")
        if p.suffix in (".py", ".json", ".lock")
    }
    built = {p.relative_to(tmp_path / "out"): p for p in (tmp_path / "out").rglob("*.*")}
    assert set(expected) == set(built)
    assert [] == [p for p in built if expected[p].read_bytes() != built[p].read_bytes()]


OWN_SPEC = """
name    = "half_as_long"
title   = "The catalogue's cosine in half the updates"
base    = "base_lr"
value   = "cosine(step, base_lr=base_lr, total_steps=total_steps // 2)"

[parameters]
base_lr     = { type = "rate",  default = 0.5, doc = "Rate at update 0." }
total_steps = { type = "steps", default = 200, doc = "Updates of the run." }
"""


def test_a_spec_of_ones_own_builds_and_runs_on_numpy_alone(scripts, tmp_path):
    (tmp_path / "half_as_long.toml").write_text(OWN_SPEC, encoding="utf-8")
    run(scripts / "lrgen", "build", "half_as_long.toml", "--out", "out", folder=tmp_path)
    code = "from numpy_schedules.half_as_long import half_as_long as f; print(f([0, 50, 100, 150]))"

    printed = run(scripts / "python", "-c", code, folder=tmp_path / "out")

    assert "[0.5  0.25 0.   0.  ]\n" == printed
