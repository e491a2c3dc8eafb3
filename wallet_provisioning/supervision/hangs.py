"""Where a thread that no longer answers stands."""

import sys
import threading
import traceback


def stack_of(thread: threading.Thread | None) -> str:
    """Return the Python stack of a thread, empty where it has ended."""
    ident = None if thread is None or not thread.is_alive() else thread.ident
    frame = None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001 - the only way
    return "" if frame is None else "".join(traceback.format_stack(frame))
