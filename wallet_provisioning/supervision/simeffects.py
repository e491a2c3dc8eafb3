"""Inside a hook: the points at which it touches the world, and what a fault does there.

A hook is made of effects (a message that is told, a transaction, work that is handed over) with nothing
between them that anybody else could see. So it is enough to break it before and after each of them. The
parts of a simulation that carry effects out call `pass_by`, once before and once after; each call is a
point, and the points of a hook are numbered from 1.

A hook that shall stand still at a point can't leave the thread that drives the simulation by returning.
So it runs on a thread of its own, which is handed the baton and hands it back: of the two only one runs at
any time, so the order of events is the schedule's. Threads are made for such hooks alone.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.letters import Lane
from wallet_provisioning.supervision.mailbox import Mailbox
from wallet_provisioning.supervision.simfaults import Fault, Harm, ProcessEndedError, SimulatedCrashError


class Aside:
    """A hook on a thread of its own, that runs only while whoever drives it waits."""

    def __init__(self, hook: Callable[[], None]) -> None:
        """Make the thread; it begins with the first `go_on`."""
        self._hook = hook
        self._mine, self._drivers = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
        self._has_begun = False
        self._is_cut = False
        self.is_over = False
        self.error: BaseException | None = None

    def go_on(self) -> None:
        """Let the hook run until it pauses or ends (`is_over`)."""
        if self._has_begun:
            self._mine.release()
        else:
            self._has_begun = True
            self._thread.start()
        self._drivers.acquire()

    def pause(self) -> None:
        """Stand still, on the hook's thread, until the next `go_on`."""
        self._drivers.release()
        self._mine.acquire()
        if self._is_cut:
            raise ProcessEndedError

    def cut(self) -> None:
        """End the hook where it stands, as the end of its process does."""
        self._is_cut = True
        if self._has_begun and not self.is_over:
            self.go_on()
            self._thread.join()

    def _run(self) -> None:
        try:
            self._hook()
        except BaseException as error:  # noqa: BLE001 - it is raised again on the driver's thread
            self.error = error
        self.is_over = True
        self._drivers.release()


class Effects:
    """What the hook that runs now has passed. It belongs to the thread that has the baton.

    After `has_died` whatever a hook still tries is refused by `ProcessEndedError`. `struck` counts the
    harms that were done.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        """Start outside of any hook; `note` hears of every point."""
        self.has_died = False
        self.struck: Counter[str] = Counter()
        self._note = note
        self._passed: list[str] | None = None
        self._fault: Fault | None = None
        self._aside: Aside | None = None

    @contextmanager
    def of(self, passed: list[str], fault: Fault | None, aside: Aside | None) -> Iterator[None]:
        """Count what is passed inside, in `passed`, as one hook's, and let its fault strike."""
        self._passed, self._fault, self._aside = passed, fault, aside
        try:
            yield
        finally:
            self._passed = self._fault = self._aside = None

    def pass_by(self, what: str, *, can_hang: bool = True) -> None:
        """Pass a point; a fault that is due there strikes.

        `can_hang` is False where a lock is held: nobody who may hang stands there in production either.
        """
        if self._passed is None:
            return
        if self.has_died:
            raise ProcessEndedError
        self._passed.append(what)
        self._note(what)
        fault = self._fault
        if fault is not None and fault.at == len(self._passed):
            self._strike(fault, what, can_hang=can_hang)

    def _strike(self, fault: Fault, what: str, *, can_hang: bool) -> None:
        self.struck[f"{fault.harm} inside"] += fault.harm is not Harm.HANG or can_hang
        match fault.harm:
            case Harm.CRASH:
                raise SimulatedCrashError(what)
            case Harm.DIE:
                self.has_died = True
                raise ProcessEndedError
            case Harm.HANG if can_hang and self._aside is not None:
                self._aside.pause()
            case _:
                pass


class SimMailbox(Mailbox):
    """A mailbox to whose putters every put is an effect."""

    def __init__(self, clock: Clock, path: str = "", *, effects: Effects) -> None:
        """Make an empty mailbox."""
        super().__init__(clock, path)
        self._effects = effects

    def put(self, lane: Lane, message: Any, context: Context, *, quiet: bool = False) -> bool:  # noqa: ANN401
        """Add a message, unless a fault strikes first; it may strike afterwards too."""
        name = f"{type(message).__name__} to {self.path}"
        # Supervisors put the rest, some of it while they hold the family.
        can_hang = lane is Lane.WORK or isinstance(message, ChildEnded)
        self._effects.pass_by(f"tell {name}", can_hang=can_hang)
        is_kept = super().put(lane, message, context, quiet=quiet)
        self._effects.pass_by(f"told {name}", can_hang=can_hang)
        return is_kept
