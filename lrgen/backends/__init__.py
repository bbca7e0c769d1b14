"""The backends: one table of spellings each, and one line in this registry."""

from __future__ import annotations

from .base import Backend
from .jax import JAX
from .keras import KERAS
from .numpy import NUMPY
from .python import PYTHON
from .torch import TORCH

BACKENDS: dict[str, Backend] = {
    backend.name: backend for backend in (PYTHON, NUMPY, TORCH, KERAS, JAX)
}

__all__ = ["BACKENDS", "Backend"]
