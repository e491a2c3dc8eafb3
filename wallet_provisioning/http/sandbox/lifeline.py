"""How a child process ends with its parent, whatever ends that.

Three ways, because each has a gap. The end of stdin: the kernel closes the parent's end even at kill -9,
but a copy of it may live on in a process that the parent forked. PR_SET_PDEATHSIG (Linux) has no such
gap, but it follows the thread that started the child, and comes too late for a parent that is dead
before it is set; hence the look at the parent's id. Signals from the terminal or from systemd go to the
whole group; they are ignored, since the parent may still need the child while it drains.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO

_PR_SET_PDEATHSIG = 1
_GROUP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = timedelta(seconds=2)


def ignore_group_signals() -> None:
    """Let only the parent's end, or SIGKILL, end this process. Main thread only."""
    for number in _GROUP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when the parent dies; exit at once if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def watch(stdin: BinaryIO, ended: Callable[[], None]) -> None:
    """Call `ended` from a thread when the parent closes stdin; exit hard if that doesn't end the process."""
    threading.Thread(target=_wait_for_end, args=(stdin, ended), name="lifeline", daemon=True).start()


def _wait_for_end(stdin: BinaryIO, ended: Callable[[], None]) -> None:
    stdin.read()
    hard_end = threading.Timer(GRACE.total_seconds(), os._exit, args=(1,))
    hard_end.daemon = True
    hard_end.start()
    ended()
