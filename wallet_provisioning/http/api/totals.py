"""The totals as last read, so that a daemon whose database is away can still say how it is doing."""

from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from wallet_provisioning.http.api.door import DOOR, StoreDoor
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.reports import Totals, totals


class KnownTotals:
    """Remembers the totals. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        """Start knowing nothing."""
        self._last: Totals | None = None

    async def read(self, door: StoreDoor) -> Totals:
        """Return the totals, or the last ones known while the database is away.

        Raises `StoreUnavailableError` or `TimeoutError` where none were ever read.
        """
        try:
            self._last = await door.read(totals)
        except (StoreUnavailableError, TimeoutError):
            if self._last is None:
                raise
        return self._last


TOTALS: web.AppKey[KnownTotals] = web.AppKey("totals", KnownTotals)


async def know_totals(app: web.Application) -> AsyncIterator[None]:
    """Read the totals once at the start; a database that is away then is asked again later."""
    app[TOTALS] = KnownTotals()
    with suppress(StoreUnavailableError, TimeoutError):
        await app[TOTALS].read(app[DOOR])
    yield
