"""One function over many values, by several processes where that pays."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

FEWEST = 8
"""Fewer values than this are done before a second process has started."""
MOST_AT_ONCE = 16
"""Values that go to a process together; more of them only wait in memory."""

A = TypeVar("A")
B = TypeVar("B")


def each(function: Callable[[A], B], values: Sequence[A], workers: int) -> Iterator[B]:
    """``function`` of each value, in their order; the first error that it raises is raised.

    Processes are forked, since a fresh one would import sympy again; so this is for a program
    without threads, and where forking is unknown all is done here.
    """
    if workers < 2 or len(values) < FEWEST or not hasattr(os, "fork"):
        yield from map(function, values)
        return
    # A build that has nothing to do needs none of these.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    at_once = min(MOST_AT_ONCE, max(1, len(values) // (8 * workers)))
    # Looking through what is there already, each process would make a copy of it.
    gc.freeze()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(function, values, chunksize=at_once)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            gc.unfreeze()
