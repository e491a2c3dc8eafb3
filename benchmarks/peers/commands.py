"""What a peer can be told on its command line: `drain`, `serve` or `ask`, then `URL CIRCLE REDIS`.

`drain` (with `WARM STOP` behind) works on a backlog and prints figures. `serve` makes the tables, prints a
line once it waits for jobs, and works until its standard input ends. `ask` prints a line too, then accepts a
job for each line that it reads, and answers with the time at which it was asked to.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

# The pool takes its connections in turn, so with few of them each is warm: statements are prepared on it.
IDLE_POOL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a peer was told; `warm` and `stop` are for a drain."""

    what: str
    url: str
    circle: str
    redis: str
    warm: int = 0
    stop: int = 0


def read_order() -> Order:
    """Return what this process was told."""
    what, url, circle, redis, *counts = sys.argv[1:]
    warm, stop = (int(count) for count in counts) if counts else (0, 0)
    return Order(what=what, url=url, circle=circle, redis=redis, warm=warm, stop=stop)


def say(line: str) -> None:
    """Tell who started this process."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def leave(line: str = "") -> NoReturn:
    """Say what there is to say, and end this process at once, with jobs in hand and whatever else stands."""
    if line:
        say(line)
    os._exit(0)


def until_input_ends() -> None:
    """Say that jobs are waited for, and return when nobody wants that any more."""
    say("ready")
    sys.stdin.read()


def answer_each(ask: Callable[[], object]) -> None:
    """Have a job accepted for each line. Times are CLOCK_MONOTONIC, which all processes here share."""
    say("ready")
    for _line in sys.stdin:
        asked = time.monotonic()
        ask()
        say(repr(asked))
