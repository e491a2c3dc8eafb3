"""Prepares the wallet set beside the start of the tree, and says what only a person can mend.

The first creation waits for it and nothing else does. While the database is known to be behind Circle,
or no wallet set may be used, the daemon serves and its jobs wait.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from wallet_provisioning.actors.walletset import NO_SET, Prepared, SetMaker, WalletSet
from wallet_provisioning.http.api.control import Check
from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.store.behind import read_hold
from wallet_provisioning.store.controls import EVERYTHING, recall_waiting
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreError
from wallet_provisioning.telemetry.events import Emit, Notice

_PAUSE = 5.0
_NO_CHAIN = "-"

OnCircleLoop = Callable[[Coroutine[Any, Any, Prepared | CallFailed]], "asyncio.Future[Prepared | CallFailed]"]


class Preparation:
    """Runs on the main loop until it is cancelled; `checks` may be read there at any time."""

    def __init__(
        self,
        database: Database,
        wallet_set: WalletSet,
        *,
        maker: SetMaker,
        on_circle_loop: OnCircleLoop,
        emit: Emit,
    ) -> None:
        """Prepare; nothing is asked."""
        self._database = database
        self._wallet_set = wallet_set
        self._maker = maker
        self._on_circle_loop = on_circle_loop
        self._emit = emit
        self._trouble: str | None = None
        self._has_recalled = False

    def checks(self) -> dict[str, Check]:
        """Return a check that says what is in the way of creations, where something is."""
        return {} if self._trouble is None else {"wallet_set": Check(ok=False, detail=self._trouble)}

    async def run(self) -> None:
        """Look after the set until it can be used, and then after what is in the way of creations."""
        while True:
            while not self._wallet_set.is_ready and await self._prepare():
                pass
            if self._wallet_set.is_ready and not self._has_recalled:
                await self._recall()
            self._tell(await self._find_trouble())
            await asyncio.sleep(_PAUSE)

    async def _prepare(self) -> bool:
        """See the set that is known; one that may be made is made for the first job, not before.

        Returns whether that led further: a long look at Circle's wallets goes on at once.
        """
        try:
            known = await asyncio.to_thread(self._wallet_set.look_up)
            if known is None:
                return False
            prepared = await self._on_circle_loop(self._wallet_set.prepare(self._maker, _NO_CHAIN))
            if isinstance(prepared, Prepared):
                await asyncio.to_thread(self._wallet_set.take, prepared)
        except StoreError:
            return False
        return isinstance(prepared, Prepared)

    async def _recall(self) -> None:
        """Have jobs try again that waited for a breaker of an earlier boot: nobody tells of its closing."""
        try:
            await asyncio.to_thread(self._recall_waiting)
        except StoreError:
            return
        self._has_recalled = True

    def _recall_waiting(self) -> None:
        with self._database.write("daemon", "recall_waiting") as tx:
            recall_waiting(tx, EVERYTHING)

    async def _find_trouble(self) -> str | None:
        if not self._wallet_set.is_ready:
            may_be_made = self._wallet_set.options.may_be_made
            return self._wallet_set.trouble or (None if may_be_made or self._wallet_set.is_known else NO_SET)
        try:
            return await asyncio.to_thread(self._read_hold)
        except StoreError:
            return self._trouble

    def _read_hold(self) -> str | None:
        with self._database.read() as connection:
            return read_hold(connection)

    def _tell(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        if trouble is not None:
            self._emit(Notice(text=trouble, level="error"))
        else:
            self._emit(Notice(text="nothing is in the way of creations any more"))
        self._trouble = trouble
