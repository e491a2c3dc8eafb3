"""A restart as a pykka program writes it by hand: `on_failure` starts a successor.

pykka logs each crash; a benchmark that crashes by the thousand keeps that off the screen.
"""

import logging
import os
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pykka

_CRASH, _NEXT = object(), object()


class _ToldError(Exception):
    """The crash that is measured."""


class _PykkaWorker(pykka.ThreadingActor):
    use_daemon_thread = True

    def __init__(
        self, served: "queue.SimpleQueue[None]", successors: "queue.SimpleQueue[pykka.ActorRef[_PykkaWorker]]"
    ) -> None:
        super().__init__()
        self._served = served
        self._successors = successors

    def on_receive(self, message: object) -> None:
        if message is _CRASH:
            raise _ToldError
        self._served.put(None)

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del exception_type, exception_value, traceback
        self._successors.put(_PykkaWorker.start(self._served, self._successors))


@contextmanager
def restarting(*, writes_stacks: bool) -> Iterator[Callable[[], None]]:
    """Have such an actor; yields what crashes it and returns when the successor has served a message."""
    served = queue.SimpleQueue[None]()
    successors = queue.SimpleQueue[pykka.ActorRef[_PykkaWorker]]()
    ref = _PykkaWorker.start(served, successors)

    def crash_and_ask() -> None:
        nonlocal ref
        ref.tell(_CRASH)
        ref = successors.get()
        ref.tell(_NEXT)
        served.get()

    try:
        with _quiet_logging(writes_stacks=writes_stacks):
            yield crash_and_ask
    finally:
        ref.stop()


@contextmanager
def _quiet_logging(*, writes_stacks: bool) -> Iterator[None]:
    """Let pykka log to nowhere; with `writes_stacks` the lines are formatted and written there."""
    logger = logging.getLogger("pykka")
    propagates, logger.propagate = logger.propagate, False
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        handler = logging.StreamHandler(nowhere) if writes_stacks else logging.NullHandler()
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.propagate = propagates
