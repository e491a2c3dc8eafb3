"""Where a thread stands, and where an error was raised, as text.

A report is written while a mailbox waits for its next reader, and Python's own `traceback` takes longer
over it than all the rest of a restart: it asks the disk about each source file and parses each line for
its markers. So a plain error is written here in the same form without those; whatever has more to tell (a
cause, notes, a group, a very deep stack) is left to Python.
"""

import linecache
import sys
import threading
import traceback
from itertools import islice
from traceback import walk_tb
from types import CodeType

_DEEPEST = 30
_HEAD = "Traceback (most recent call last):\n"
_HOMELESS = frozenset({"builtins", "__main__"})
# Of these Python says more than their text: where in a line, or which name may have been meant.
_TELL_MORE = (BaseExceptionGroup, SyntaxError, NameError, AttributeError, ImportError)


def stack_of(thread: threading.Thread | None) -> str:
    """Return the Python stack of a thread, empty where it has ended."""
    ident = None if thread is None or not thread.is_alive() else thread.ident
    frame = None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001 - the only way
    return "" if frame is None else "".join(traceback.format_stack(frame))


def stack_of_error(error: BaseException) -> str:
    """Return an error with the stack that it was raised from, in the form that Python prints it in."""
    steps = list(islice(walk_tb(error.__traceback__), _DEEPEST + 1))
    if len(steps) > _DEEPEST or not _is_plain(error):
        return "".join(traceback.format_exception(error))
    return "".join([_HEAD, *(_line(frame.f_code, number) for frame, number in steps), _last_line(error)])


def _is_plain(error: BaseException) -> bool:
    return (
        error.__cause__ is None
        and error.__context__ is None
        and not isinstance(error, _TELL_MORE)
        and not hasattr(error, "__notes__")
    )


def _line(code: CodeType, number: int) -> str:
    source = linecache.getline(code.co_filename, number).strip()
    place = f'  File "{code.co_filename}", line {number}, in {code.co_name}\n'
    return f"{place}    {source}\n" if source else place


def _last_line(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ in _HOMELESS else f"{kind.__module__}.{kind.__qualname__}"
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the crash that it belongs to
        text = "<exception str() failed>"
    return f"{name}: {text}\n" if text else f"{name}\n"
