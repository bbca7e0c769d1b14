"""Functions that an emitted module brings along where its formula needs them, below the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Companions = Mapping[str, str]
"""The text of each function under its name; a function may call another one."""


def needed(companions: Companions, lines: Sequence[str]) -> tuple[str, ...]:
    """The lines of those functions that ``lines`` call, directly or not, each after two blanks."""
    # To find words is slow, and most are not there at all.
    found: list[str] = []
    texts = ["\n".join(lines)]
    for text in texts:
        for name, body in companions.items():
            if name not in found and name in text and re.search(rf"\b{name}\b", text):
                found.append(name)
                texts.append(body)
    return tuple(line for name in found for line in ("", "", *companions[name].strip().split("\n")))


def uses_module(name: str, lines: Sequence[str]) -> bool:
    """Whether ``lines`` use the module ``name``."""
    text = "\n".join(lines)
    return f"{name}." in text and re.search(rf"\b{name}\.", text) is not None


_CYCLES = '''
    """First step and length of each cycle that begins before 2**63; the last length repeats.

    ``growth`` counts to twelve decimals: 1.1 is eleven tenths. Where lengths are not whole, a cycle
    begins at the next step ("boundary"), or each length is cut to whole steps ("length").
    """
    above, below = float(growth).as_integer_ratio()
    unit = 10**12
    units = (2 * unit * above + below) // (2 * below)
    starts, lengths = [], []
    start, end, length, scale = 0, first, first, 1  # end and length count parts of a step
    while True:
        boundary = -(-end // scale)
        starts.append(start)
        lengths.append(min(boundary - start, 2**63 - 1))
        if rounding == "length":
            grown = length * units // unit
            end += grown
        else:
            grown = length * units
            scale *= unit
            end = end * unit + grown
        if boundary >= 2**63 or units == unit or grown == length:
            return tuple(starts), tuple(lengths)
        start, length = boundary, grown
'''
_CYCLES_HEAD = """(
    first: int, growth: float, rounding: str = "boundary"
) -> tuple[tuple[int, ...], tuple[int, ...]]:"""

CYCLES = f"""
@functools.lru_cache
def _cycles{_CYCLES_HEAD}{_CYCLES.rstrip()}
"""
TRACED_CYCLES = f"""
def _cycle_tables{_CYCLES_HEAD}{
    _CYCLES.rstrip().replace(
        '''
    above,''',
        '''
    first = len(range(first))  # a constant to torch.compile, whose own integers end at 2**63
    above,''',
    )
}


_kept_tables = functools.lru_cache(_cycle_tables)
"""
CYCLES_OR_TRACED = f"""
def _cycles{_CYCLES_HEAD}
    \"\"\"As :func:`_cycle_tables`, made once, but in torch.compile, which ignores caches.\"\"\"
    tables = _cycle_tables if torch.compiler.is_compiling() else _kept_tables
    return tables(first, growth, rounding)
"""

UNIFORM = '''
def _uniform(seed: int, step: int) -> float:
    """A number in (0, 1) that ``seed`` and ``step`` fix."""
    bits = _mixed(_mixed(seed + 0x1E37_79B9_7F4A_7C15) + step)
    return ((bits >> 12) + 0.5) / 2**52
'''
MIXED = '''
def _mixed(bits: int) -> int:
    """64 bits, each of which depends on each of the given ones (Evensen 2019, moremur)."""
    bits %= 2**64
    bits = (bits ^ bits >> 27) * 0x3C79_AC49_2BA7_B653 % 2**64
    bits = (bits ^ bits >> 33) * 0x1C69_B3F7_4AC4_AE35 % 2**64
    return bits ^ bits >> 27
'''

PYTHON: Companions = {"_cycles": CYCLES, "_uniform": UNIFORM, "_mixed": MIXED}

NUMPY: Companions = {
    **PYTHON,
    "_uniforms": '''
def _uniforms(seed: ArrayLike, step: ArrayLike) -> NDArray[np.float64]:
    """Numbers in (0, 1) that ``seed`` and ``step`` fix."""
    with np.errstate(over="ignore"):  # 64-bit integers are meant to wrap around
        bits = _mixed_bits(np.asarray(seed, np.int64) + 0x1E37_79B9_7F4A_7C15)
        bits = _mixed_bits(bits + np.asarray(step, np.int64))
    return ((bits >> 12 & 2**52 - 1) + 0.5) / 2**52
''',
    "_mixed_bits": '''
def _mixed_bits(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """64 bits, each of which depends on each of the given ones (Evensen 2019, moremur)."""
    bits = (bits ^ (bits >> 27 & 2**37 - 1)) * 0x3C79_AC49_2BA7_B653
    bits = (bits ^ (bits >> 33 & 2**31 - 1)) * 0x1C69_B3F7_4AC4_AE35
    return bits ^ (bits >> 27 & 2**37 - 1)
''',
}

TORCH: Companions = {
    "_scalar": '''
def _scalar(number: float, step: Tensor) -> float | Tensor:
    """``number`` for ``where``, ``clamp`` and powers, where compiled code must follow its changes.

    A float is a constant there, and inductor's cache (torch 2.13) mixes up the code for its values.
    """
    if not torch.compiler.is_compiling():
        return number
    return torch.zeros((), dtype=torch.float64, device=step.device) + number
''',
    "_entry": '''
def _entry(values: Sequence[float], index: Tensor, dtype: torch.dtype) -> Tensor:
    """``values[index]``."""
    if torch.compiler.is_compiling() and len(values) <= 16:
        # A choice for each: compiled code follows a value that changes. More compile slowly.
        ones = torch.ones_like(index, dtype=dtype)
        entry = ones * values[0]
        for place, value in enumerate(values[1:], 1):
            entry = torch.where(index >= place, ones * value, entry)
        return entry
    # gather compiles where indexing by a scalar tensor does not.
    return _table(values, dtype, index.device).gather(0, index.flatten()).view_as(index)
''',
    "_reached": '''
def _reached(places: Sequence[int], step: Tensor) -> Tensor:
    """How many of the rising ``places`` are at most ``step``."""
    if torch.compiler.is_compiling() and len(places) <= 64:
        # A comparison for each: they fuse, where a search is a kernel of its own.
        return sum(((step >= place).long() for place in places), torch.zeros_like(step))
    return torch.bucketize(step, _table(places, torch.int64, step.device), right=True)
''',
    "_table": '''
def _table(values: Sequence[float], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``values`` on ``device``, without a copy from the host, which would wait for the device."""
    if device.type == "cpu" or torch.compiler.is_compiling():  # compiled code holds a constant
        return torch.tensor(values, dtype=dtype, device=device)
    table = torch.ones(len(values), dtype=dtype, device=device)
    if values:  # each number as an argument of the kernel, which a CUDA graph keeps
        torch._foreach_mul_(table.unbind(), list(values))
    return table
''',
    "_cycles": CYCLES_OR_TRACED,
    "_cycle_tables": TRACED_CYCLES,
    "_uniform": UNIFORM,
    "_mixed": MIXED,
    "_uniforms": '''
def _uniforms(seed: int | Tensor, step: int | Tensor) -> Tensor:
    """Numbers in (0, 1) that ``seed`` and ``step`` fix."""
    bits = _mixed_bits(torch.as_tensor(seed) + 0x1E37_79B9_7F4A_7C15)
    bits = _mixed_bits(bits + step)
    return ((bits >> 12 & 2**52 - 1).double() + 0.5) / 2**52
''',
    "_mixed_bits": '''
def _mixed_bits(bits: Tensor) -> Tensor:
    """64 bits, each of which depends on each of the given ones (Evensen 2019, moremur)."""
    bits = (bits ^ (bits >> 27 & 2**37 - 1)) * 0x3C79_AC49_2BA7_B653
    bits = (bits ^ (bits >> 33 & 2**31 - 1)) * 0x1C69_B3F7_4AC4_AE35
    return bits ^ (bits >> 27 & 2**37 - 1)
''',
}

KERAS: Companions = {
    "_entry": '''
def _entry(values: Sequence[float], index: Any, dtype: str) -> Any:
    """``values[index]``."""
    return take(ops.array(values, dtype=dtype), index)
''',
    "_reached": '''
if keras.backend.backend() == "tensorflow":  # whose searchsorted takes no scalars

    def _reached(places: Sequence[int], step: Any) -> Any:
        """How many of the rising ``places`` are at most ``step``."""
        found = tensorflow.raw_ops.UpperBound(
            sorted_inputs=tensorflow.constant([places], "int64"),
            values=tensorflow.reshape(step, (1, -1)),
            out_type="int64",
        )
        return tensorflow.reshape(found, tensorflow.shape(step))

else:

    def _reached(places: Sequence[int], step: Any) -> Any:
        """How many of the rising ``places`` are at most ``step``."""
        found = ops.searchsorted(ops.array(places, dtype="int64"), step, side="right")
        return cast(found, "int64")
''',
    "_cycles": CYCLES,
    "_uniform": UNIFORM,
    "_mixed": MIXED,
    "_uniforms": '''
def _uniforms(seed: Any, step: Any) -> Any:
    """Numbers in (0, 1) that ``seed`` and ``step`` fix."""
    bits = _mixed_bits(cast(seed, "int64") + 0x1E37_79B9_7F4A_7C15)
    bits = _shifted(_mixed_bits(bits + cast(step, "int64")), 12)
    return (cast(bits, "float64") + 0.5) / 2**52
''',
    "_mixed_bits": '''
def _mixed_bits(bits: Any) -> Any:
    """64 bits, each of which depends on each of the given ones (Evensen 2019, moremur)."""
    bits = ops.bitwise_xor(bits, _shifted(bits, 27)) * 0x3C79_AC49_2BA7_B653
    bits = ops.bitwise_xor(bits, _shifted(bits, 33)) * 0x1C69_B3F7_4AC4_AE35
    return ops.bitwise_xor(bits, _shifted(bits, 27))
''',
    "_shifted": '''
def _shifted(bits: Any, by: int) -> Any:
    """Bits moved to the right, zeros coming in from the left."""
    return ops.bitwise_and(ops.right_shift(bits, by), 2 ** (64 - by) - 1)
''',
}

JAX: Companions = {
    "_entry": '''
@jax.custom_jvp
def _entry(values: jax.Array, index: ArrayLike) -> jax.Array:
    """``values[index]``; the derivative of plain indexing is taken outside of ``enable_x64``."""
    entry: jax.Array = values[index]
    return entry


@_entry.defjvp
def _entry_along(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """The entry, and how it changes where the values change along ``tangents``."""
    values, index = primals
    with jax.enable_x64(True):
        chosen = jnp.arange(values.size) == jnp.asarray(index)[..., None]
        return values[index], jnp.sum(jnp.where(chosen, tangents[0], 0.0), axis=-1)
''',
    "_reached": '''
def _reached(places: jax.Array, step: jax.Array) -> jax.Array:
    """How many of the rising ``places`` are at most ``step``."""
    # XLA compiles comparisons with up to 32 places to one kernel, and a search to a loop of six.
    method = "compare_all" if places.size <= 32 else "scan"
    return jnp.searchsorted(places, step, side="right", method=method)
''',
    "_product": '''
def _product(values: jax.Array, count: ArrayLike) -> jax.Array:
    """Product of the first ``count`` of ``values``."""
    chosen = jnp.arange(values.size) < jnp.asarray(count)[..., None]
    return jnp.prod(jnp.where(chosen, values, 1.0), axis=-1)
''',
    "_total": '''
def _total(values: jax.Array, count: ArrayLike) -> jax.Array:
    """Sum of the first ``count`` of ``values``."""
    chosen = jnp.arange(values.size) < jnp.asarray(count)[..., None]
    return jnp.sum(jnp.where(chosen, values, 0), axis=-1)
''',
    "_cycles": CYCLES,
    "_uniforms": '''
def _uniforms(seed: jax.Array, step: jax.Array) -> jax.Array:
    """Numbers in (0, 1) that ``seed`` and ``step`` fix."""
    bits = _mixed_bits(_mixed_bits(jnp.asarray(seed, jnp.int64) + 0x1E37_79B9_7F4A_7C15) + step)
    return ((bits >> 12 & 2**52 - 1).astype(jnp.float64) + 0.5) / 2**52
''',
    "_mixed_bits": '''
def _mixed_bits(bits: jax.Array) -> jax.Array:
    """64 bits, each of which depends on each of the given ones (Evensen 2019, moremur)."""
    bits = (bits ^ (bits >> 27 & 2**37 - 1)) * 0x3C79_AC49_2BA7_B653
    bits = (bits ^ (bits >> 33 & 2**31 - 1)) * 0x1C69_B3F7_4AC4_AE35
    return bits ^ (bits >> 27 & 2**37 - 1)
''',
}
