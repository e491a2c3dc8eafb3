"""One core for a while: without hops between cores a figure shows the code's cost and not the kernel's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pinned(*, is_wanted: bool = True) -> Iterator[None]:
    """Keep this thread, and those that it starts meanwhile, on one core."""
    allowed = os.sched_getaffinity(0)
    if is_wanted:
        os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
