"""Signals while a command serves: the first asks it to end, the second ends it."""

import asyncio
import os
import signal
from collections.abc import Callable


def until_signalled(heard: Callable[[str], None] | None = None) -> asyncio.Event:
    """Return an event of the running loop that SIGINT, SIGTERM and SIGHUP set.

    `heard` is told the first signal's name. Main thread only. A second signal ends the process at once,
    with 130, 143 or 129.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def hear(number: int) -> None:
        if asked.is_set():
            os._exit(128 + number)
        asked.set()
        if heard is not None:
            heard(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, hear, number)
    return asked
