"""What an actor may ask of the world: a thread to live in, a timer, and work that must not block it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.dispatcher import Dispatcher
from wallet_provisioning.supervision.hosts import Spares

if TYPE_CHECKING:
    from wallet_provisioning.supervision.actor import Recipe
    from wallet_provisioning.supervision.life import Life

M = TypeVar("M")

_CLOSING = timedelta(seconds=5)


class Runtime(Protocol):
    """The seam below the actors. Every method is safe on any thread and returns at once."""

    def launch(self, recipe: "Recipe", life: "Life") -> None:
        """Start an incarnation; what its constructor raises comes out here."""
        ...

    def later(self, delay: timedelta, address: Address[M], message: M) -> Callable[[], None]:
        """Tell a message after a delay; the returned function cancels it."""
        ...

    def submit(
        self,
        work: Callable[[], Coroutine[Any, Any, M]],
        reply_to: Address[M],
        otherwise: Callable[[Exception], M],
    ) -> None:
        """Run a coroutine beside the actors and tell its result, or what `otherwise` makes of its error."""
        ...


class ThreadRuntime:
    """Actors on threads; timers and coroutines on one asyncio loop in a thread of its own."""

    def __init__(self) -> None:
        """Make a runtime; `start` opens its loop."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="io", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._spares = Spares()
        self._lock = threading.Lock()
        self._dispatchers: dict[str, Dispatcher] = {}

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that submitted work runs on."""
        return self._loop

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let spare threads go, cancel what still runs and end the loop's thread; waits for five seconds."""
        for dispatcher in self._dispatchers.values():
            dispatcher.close()
        self._spares.close()
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._cancel_all)
        self._thread.join(_CLOSING.total_seconds())

    def launch(self, recipe: "Recipe", life: "Life") -> None:
        """Start an incarnation on its dispatcher, or on a thread of its own, a spare one if there is one."""
        actor = recipe.actor(life, *recipe.arguments, **recipe.options)
        if life.dispatcher is None:
            self._spares.host(actor.live)
        else:
            self._dispatcher(life.dispatcher).admit(actor)

    def later(self, delay: timedelta, address: Address[M], message: M) -> Callable[[], None]:
        """Tell a message after a delay, from the loop's thread."""
        timer = _Timer(self._loop, delay, lambda: address.deliver(message))
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(timer.arm)
        return timer.cancel

    def submit(
        self,
        work: Callable[[], Coroutine[Any, Any, M]],
        reply_to: Address[M],
        otherwise: Callable[[Exception], M],
    ) -> None:
        """Run a coroutine on the loop, in the caller's context; not at all once the runtime stops."""
        context = copy_context()

        async def run() -> None:
            try:
                message = await work()
            except Exception as error:  # noqa: BLE001 - whatever it is, the actor hears of it
                message = otherwise(error)
            reply_to.deliver(message)

        def begin() -> None:
            if self._is_closing:
                return
            task = self._loop.create_task(run(), context=context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(begin)

    def _dispatcher(self, name: str) -> Dispatcher:
        with self._lock:
            if name not in self._dispatchers:
                self._dispatchers[name] = Dispatcher(name, self._spares, self._call_later)
            return self._dispatchers[name]

    def _call_later(self, delay: timedelta, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(self._loop.call_later, delay.total_seconds(), call)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _cancel_all(self) -> None:
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        self._loop.stop()


class _Timer:
    """A call on the loop that any thread may take back."""

    def __init__(self, loop: asyncio.AbstractEventLoop, delay: timedelta, call: Callable[[], None]) -> None:
        self._loop = loop
        self._delay = delay
        self._call = call
        self._handle: asyncio.TimerHandle | None = None
        self._is_cancelled = False

    def arm(self) -> None:
        if not self._is_cancelled:
            self._handle = self._loop.call_later(self._delay.total_seconds(), self._ring)

    def cancel(self) -> None:
        self._is_cancelled = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._disarm)

    def _ring(self) -> None:
        if not self._is_cancelled:
            self._call()

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
