"""Names and versions of what a run ran on, without anything that changes from run to run."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = {
    "torch": ("torch", "triton", "numpy"),
    "jax": ("jax", "jaxlib", "jax-cuda13-plugin", "jax-cuda12-plugin", "numpy"),
    "keras": ("keras",),
}
"""What decides on the bits, by the library that a part needs."""


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """Versions of what is installed beside ``libraries``, and of Python."""
    found = {"python": platform.python_version()}
    for package in sorted({name for library in libraries for name in PACKAGES[library]}):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The model of the CPU, as the system names it."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return f"{model[1].strip()} ({platform.machine()})" if model else platform.machine()


def driver() -> str:
    """Version of NVIDIA's driver; empty where there is none to ask."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]


def slug(name: str) -> str:
    """``NVIDIA H100 80GB HBM3`` as ``nvidia-h100-80gb-hbm3``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
