"""Two half circles that interlock: the data of several examples."""

import numpy as np
from numpy.typing import NDArray


def two_moons(
    points: int, noise: float, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Positions of shape (points, 2) and classes 0 and 1 of shape (points,), half of each."""
    angle = np.linspace(0, np.pi, points // 2)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    positions = np.concatenate([upper, lower])
    positions += np.random.default_rng(seed).normal(scale=noise, size=positions.shape)
    return positions.astype(np.float32), np.repeat([0, 1], points // 2)
