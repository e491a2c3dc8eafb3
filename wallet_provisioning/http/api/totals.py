"""The totals as last read, so that a daemon whose database is away can still say how it is doing.

They are read at the start and every few seconds, so that they are recent whoever has asked before an outage.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from wallet_provisioning.clock import SystemClock
from wallet_provisioning.http.api.door import DOOR, StoreDoor
from wallet_provisioning.http.api.problems import ProblemError
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.queue_watch import QueueWatch
from wallet_provisioning.store.reports import Totals, totals

_EVERY = 10.0
_UNTIL_KNOWN = 1.0
_AWAY = (StoreUnavailableError, TimeoutError, ProblemError)


class KnownTotals:
    """Remembers the totals. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        """Start knowing nothing."""
        self._last: Totals | None = None

    async def read(self, door: StoreDoor) -> Totals | None:
        """Return the totals, or the last ones known while the database is away; None before the first."""
        with suppress(*_AWAY):
            self._last = await door.read(totals)
        return self._last

    async def keep(self, door: StoreDoor, *, every: float = _EVERY) -> None:
        """Read the totals again and again, sooner while they are unknown."""
        while True:
            await asyncio.sleep(min(every, _UNTIL_KNOWN) if self._last is None else every)
            await self.read(door)


TOTALS: web.AppKey[KnownTotals] = web.AppKey("totals", KnownTotals)
QUEUE: web.AppKey[QueueWatch] = web.AppKey("queue", QueueWatch)


async def know_totals(app: web.Application) -> AsyncIterator[None]:
    """Read the totals at the start and every few seconds, while the server runs; remember the queue."""
    app[QUEUE] = QueueWatch(SystemClock())
    known = app[TOTALS] = KnownTotals()
    await known.read(app[DOOR])
    keeping = asyncio.create_task(known.keep(app[DOOR]), name="the totals")
    yield
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
