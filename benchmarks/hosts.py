"""Three ways to have handlers called on threads of their own; each yields what to tell them by."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

import pykka

from benchmarks.grove import grove
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.life import Life

Handler: TypeAlias = Callable[[object], object]
Tell: TypeAlias = Callable[[object], object]
Host: TypeAlias = Callable[..., AbstractContextManager[list[Tell]]]


class _Sink(Actor[object]):
    def __init__(self, life: Life, *, handle: Handler) -> None:
        super().__init__(life)
        self._act = handle

    def receive(self, message: object) -> None:
        self._act(message)


class _PykkaSink(pykka.ThreadingActor):
    use_daemon_thread = True

    def __init__(self, handle: Handler) -> None:
        super().__init__()
        self._act = handle

    def on_receive(self, message: object) -> None:
        self._act(message)


@contextmanager
def addresses(*handlers: Handler) -> Iterator[list[Tell]]:
    """Have supervised actors, told through their addresses."""
    names = [str(number) for number in range(len(handlers))]
    children = [
        Child(id=name, recipe=recipe(_Sink, handle=handle))
        for name, handle in zip(names, handlers, strict=True)
    ]
    with grove(lambda _places: children) as places:
        yield [places.address(name).tell for name in names]


@contextmanager
def pykka_refs(*handlers: Handler) -> Iterator[list[Tell]]:
    """Have actors as pykka makes them, told through their references."""
    refs = [_PykkaSink.start(handle) for handle in handlers]
    yield [ref.tell for ref in refs]
    for ref in refs:
        ref.stop()


@contextmanager
def queues(*handlers: Handler) -> Iterator[list[Tell]]:
    """Have bare threads that read from queues: the floor below every actor."""
    lines = [queue.SimpleQueue[object]() for _ in handlers]

    def serve(line: "queue.SimpleQueue[object]", handle: Handler) -> None:
        while (message := line.get()) is not None:
            handle(message)

    threads = [
        threading.Thread(target=serve, args=each, daemon=True) for each in zip(lines, handlers, strict=True)
    ]
    for thread in threads:
        thread.start()
    yield [line.put for line in lines]
    for line, thread in zip(lines, threads, strict=True):
        line.put(None)
        thread.join()
