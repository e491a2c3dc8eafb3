"""The top of a tree: starts the root supervisor, and hears of its end. It is never restarted."""

import threading
from collections.abc import Callable

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.actor import Kill, Stop
from wallet_provisioning.supervision.child import Cell
from wallet_provisioning.supervision.family import Counts
from wallet_provisioning.supervision.inspector import Inspector
from wallet_provisioning.supervision.life import Ended, Report, Started, Stopped
from wallet_provisioning.supervision.places import find, views
from wallet_provisioning.supervision.runtime import Runtime
from wallet_provisioning.supervision.snapshot import ActorView, ChildState


class Root:
    """A tree that can be started, looked at, struck and stopped. Every method is safe on any thread.

    `on_start` is called once all that is below runs, on the thread of the root supervisor. `on_end` is
    called once, on the thread of the actor that ended (or that called `look`, if it hung):
    with None after a stop that was asked for, else with the reason why the tree gave up. What still
    runs below by then is cut off from its mailbox, and the observer was told of that and of what waited.
    """

    def __init__(
        self,
        cell: Cell,
        *,
        runtime: Runtime,
        clock: Clock,
        on_end: Callable[[str | None], None],
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """Name the root supervisor's cell."""
        self._cell = cell
        self._runtime = runtime
        self._clock = clock
        self._on_end = on_end
        self._on_start = on_start
        self._is_asked_to_stop = False
        self._has_ended = threading.Lock()

    def start(self) -> None:
        """Start the root supervisor, which starts all others."""
        self._cell.launch(self._runtime, self._clock, self._take_report)

    def stop(self) -> None:
        """Ask the root supervisor to stop; the children are drained first, the last one first."""
        self._is_asked_to_stop = True
        self._cell.ask_to_stop(at_once=False)

    def look(self) -> None:
        """Notice a root supervisor that hangs; to be called about once a second."""
        hung = self._cell.revoke_if_hung(self._clock)
        if hung is not None:
            self._take_report(hung)

    def views(self) -> tuple[ActorView, ...]:
        """Return the picture of the tree, parents before children."""
        return views(self._cell, self._clock)

    def view(self, path: str) -> ActorView:
        """Return the picture of one actor; raises `KeyError` for a path that isn't there."""
        return find(self._cell, path).view(self._clock.monotonic())

    @property
    def inspector(self) -> Inspector:
        """What looks into the tree's actors, and holds them still."""
        return Inspector(self._cell)

    def count(self, path: str) -> Counts:
        """Return how many children a supervisor has; raises `KeyError` where there is no supervisor."""
        family = find(self._cell, path).spec.family
        if family is None:
            raise KeyError(path)
        return family.count()

    def kill(self, path: str, *, hang: bool, reason: str) -> None:
        """Make an actor crash or hang; it overtakes all that waits and takes effect after what is in hand."""
        find(self._cell, path).control(Kill(hang=hang, reason=reason))

    def stop_one(self, path: str) -> None:
        """Ask one actor to stop in good order; its supervisor decides whether it comes back."""
        cell = find(self._cell, path)
        if cell is not self._cell:
            cell.control(Stop(at_once=False))
        else:
            self.kill(path, hang=False, reason="the root was told to stop")

    def _take_report(self, report: Report) -> None:
        match report:
            case Started():
                if self._cell.state is ChildState.STARTING:
                    self._cell.state = ChildState.RUNNING
                    self._on_start()
            case Stopped():
                self._end(None if self._is_asked_to_stop else "the root supervisor stopped")
            case Ended():
                self._end(f"the root supervisor ended: {report.error}")

    def _end(self, why: str | None) -> None:
        if not self._has_ended.acquire(blocking=False):  # never released: there is one end
            return
        self._cell.state = ChildState.STOPPED  # so it is not taken for one that is cut off itself
        try:
            for incident in self._cell.lose(self._clock):
                self._cell.observe(incident)
        finally:
            self._on_end(why)
