"""Draws for the schedules of Keras and those of TensorFlow 1 that they came from."""

from __future__ import annotations

from random import Random


def rate(source: Random) -> float:
    return source.choice([0.1, 1.0, 3e-4, 10 ** source.uniform(-5, 1)])


def often_zero(source: Random) -> float:
    return source.choice([0.0, rate(source)])


def length(source: Random, least: int = 0) -> int:
    return max(least, source.choice([least, 1, 2, 3, 5, 10, source.randrange(1, 45)]))


def share(source: Random) -> float:
    return source.choice([1.0, 0.5, 0.1, 0.0, source.random()])
