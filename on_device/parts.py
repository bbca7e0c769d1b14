"""What there is to run: a framework and a way of calling it, each in its own process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Part:
    """One process of a run.

    Attributes:
        name: As ``--part`` takes it.
        module: Of this package, with the ways of the framework.
        way: Its name there.
        emitted: Which emitted package it is for.
        what: In words, for the report.
        flushes: Whether what is smaller than every normal float32 may come out as 0, as all such
            float32 do under XLA.
        traces: Whether schedules that remember can be called so.
        cuda_only: Whether there is no such thing on a CPU.
        needs: Libraries that must be importable.
        weight: How long it takes beside the others, roughly.
    """

    name: str
    module: str
    way: str
    emitted: str
    what: str
    flushes: bool
    needs: tuple[str, ...]
    weight: int = 1
    traces: bool = True
    cuda_only: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


TORCH = ("torch",)
JAX = ("jax",)
KERAS_TORCH = {"KERAS_BACKEND": "torch"}
KERAS_JAX = {"KERAS_BACKEND": "jax"}

# In the order in which they start: the long ones first, where several run at once.
PARTS = (
    Part(
        "torch-compiled",
        "in_torch",
        "compiled",
        "torch",
        "tensor function, `torch.compile(fullgraph=True)`",
        flushes=False,
        needs=TORCH,
        weight=4,
        traces=False,
    ),
    Part(
        "jax-jit",
        "in_jax",
        "jit",
        "jax",
        "`jax.jit`; traces in a `scan`",
        flushes=True,
        needs=JAX,
        weight=2,
    ),
    Part(
        "jax-plain",
        "in_jax",
        "plain",
        "jax",
        "operation by operation",
        flushes=True,
        needs=JAX,
        weight=2,
    ),
    Part(
        "jax-vmap",
        "in_jax",
        "vmap",
        "jax",
        "`jit` of `vmap` over traced parameters and over steps",
        flushes=True,
        needs=JAX,
    ),
    Part(
        "torch-eager",
        "in_torch",
        "eager",
        "torch",
        "tensor function, operation by operation",
        flushes=False,
        needs=TORCH,
        traces=False,
    ),
    Part(
        "torch-graph",
        "in_torch",
        "graph",
        "torch",
        "tensor function in a CUDA graph: other steps, and a counter on the device",
        flushes=False,
        needs=TORCH,
        traces=False,
        cuda_only=True,
    ),
    Part(
        "torch-scheduler",
        "in_torch",
        "scheduler",
        "torch",
        "scheduler that fills a tensor on the device: `lr`, beta or decay; rows alone",
        flushes=False,
        needs=TORCH,
    ),
    Part(
        "keras-torch",
        "in_keras",
        "called",
        "keras",
        "Keras on torch: schedule called, callback fed",
        flushes=False,
        needs=("keras", "torch"),
        environment=KERAS_TORCH,
    ),
    Part(
        "keras-jax",
        "in_keras",
        "called",
        "keras",
        "Keras on JAX: schedule called, callback fed",
        flushes=True,
        needs=("keras", "jax"),
        environment=KERAS_JAX,
    ),
    Part(
        "keras-jax-compiled",
        "in_keras",
        "compiled",
        "keras",
        "Keras on JAX: schedule in `jax.jit`, callback fed",
        flushes=True,
        needs=("keras", "jax"),
        environment=KERAS_JAX,
    ),
)


def environment(part: Part, device: str) -> dict[str, str]:
    """What the process of a part has in its environment, so that it uses ``device`` alone."""
    common = {"TF_CPP_MIN_LOG_LEVEL": "3", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    # JAX on CUDA keeps its CPU for constants of the host; that results are not there is checked.
    platforms = "cpu" if device == "cpu" else "cuda,cpu"
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    own = {"JAX_PLATFORMS": platforms, "KERAS_TORCH_DEVICE": device}
    return {**common, **own, **hidden, **part.environment}
