"""One function over many values, by several processes where that pays."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

FEWEST = 8
"""Fewer values than this are done before a second process has started."""

A = TypeVar("A")
B = TypeVar("B")


def each(function: Callable[[A], B], values: Sequence[A], workers: int) -> Iterator[B]:
    """``function`` of each value, in their order; the first error that it raises is raised.

    Processes are forked, since a fresh one would import sympy again; so this is for a program
    without threads, and where forking is unknown all is done here.
    """
    forks = "fork" in multiprocessing.get_all_start_methods()
    if workers < 2 or len(values) < FEWEST or not forks:
        yield from map(function, values)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(function, values, chunksize=max(1, len(values) // (8 * workers)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
