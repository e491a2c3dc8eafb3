"""The one wallet set: named by the settings, known to the store, or made once under its derived key.

It is prepared once for all chains, before the first creation of this boot: the set is seen or made, and
the newest wallets in it are held against the store, for a database that is behind Circle (an old backup
was restored) must not create anything. Under a LIVE key a set is never made by itself.

The look goes back, page by page, until it has passed a wallet that is recorded here. A backup holds all
that was recorded before it, and whatever was made before such a wallet had its request stored even
earlier; so nothing older can be unknown. Nearly always the first page is enough. Others' wallets, and
those that stored requests account for, prove nothing and are passed over, however many they are.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from wallet_provisioning.http.circle.answers import CallFailed, Certainty, WalletSetMade
from wallet_provisioning.http.circle.errors import KEY_USED, WALLET_SET_NOT_FOUND
from wallet_provisioning.http.circle.listing import Order, WalletPage
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.identity import wallet_set_key
from wallet_provisioning.jobs.listed import ListedWallet
from wallet_provisioning.jobs.outcomes import Waiting
from wallet_provisioning.store.behind import hold_creations, recorded_among, unknown_among
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.wallets import save_wallet_set, wallet_set_id

_PAGES = 10  # of older wallets at a time
NO_SET = (
    "there is no wallet set, and under a LIVE key none is made by itself: set CIRCLE_WALLET_SET_ID, or run "
    "`wallet-provisioning wallet-set create`; jobs wait until then"
)

STILL_LOOKING = Waiting(
    message="the newest wallets at Circle are being held against the database", delay=timedelta(seconds=2)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletSetOptions:
    """Which set to use: `named` by the settings, else that which `name` stands for in an environment.

    Where it `may_be_made`, the first job has it made.
    """

    environment: str
    name: str
    named: UUID | None
    may_be_made: bool = True

    def key(self, generation: int) -> UUID:
        """Return the idempotency key under which every daemon asks for it."""
        return wallet_set_key(self.environment, self.name, generation)


class SetMaker(Protocol):
    """Makes wallet sets. Every coroutine runs beside the actors, on one loop."""

    async def create_wallet_set(self, *, chain: str, key: UUID, name: str) -> WalletSetMade | CallFailed:
        """Make the wallet set, or find out that it was made under this key."""
        ...


class SetReader(Protocol):
    """Looks at wallet sets. Every coroutine runs beside the actors, on one loop."""

    async def check_wallet_set(self, wallet_set_id: UUID) -> CallFailed | None:
        """Return None where the set exists."""
        ...

    async def list_wallets(
        self, wallet_set_id: UUID, *, after: UUID | None = None, order: Order = "ASC"
    ) -> WalletPage | CallFailed:
        """Return one page of a set's wallets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A set that exists at Circle, whether we had it made, and its newest wallets.

    `next` is where older ones follow, None where there are none.
    """

    wallet_set_id: UUID
    is_made: bool
    newest: tuple[ListedWallet, ...]
    next: UUID | None = None


class WalletSet:
    """What this daemon knows of the set, shared by its chains. Methods raise `StoreError`.

    Without a `reader` the set is taken as it is known, unseen. `trouble` is what only a person can mend.
    """

    def __init__(
        self, path: str, database: Database, options: WalletSetOptions, reader: SetReader | None = None
    ) -> None:
        """Start with what the settings say."""
        self.options = options
        self.trouble: str | None = None
        self._path = path
        self._database = database
        self._reader = reader
        self._known = options.named
        self._ready: UUID | None = None
        self._prepared: Prepared | None = None
        self._looked_until: UUID | None = None
        self._recorded_at: datetime | None = None
        self._looks = 0
        self._generation = 0
        self._turn = asyncio.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether wallets may be made in it."""
        return self._ready is not None

    @property
    def is_known(self) -> bool:
        """Whether it is known which set is to be used."""
        return self._known is not None

    @property
    def takes_long(self) -> bool:
        """Whether the look is not over after hundreds of wallets; whoever waits for it should come again."""
        return not self.is_ready and self._looks > 1

    def find(self) -> UUID | None:
        """Return the set that wallets may be made in, None where it has yet to be prepared."""
        if self._ready is None:
            self.look_up()
            self._ready = self._known if self._reader is None else None
        return self._ready

    def look_up(self) -> UUID | None:
        """Return the set that is to be used, None where there is none yet."""
        if self._known is None:
            with self._database.read() as connection:
                self._known = wallet_set_id(connection)
        return self._known

    async def prepare(self, maker: SetMaker, chain: str) -> Prepared | CallFailed:
        """See or make the set and look at its newest wallets; of several at once one does it for all."""
        async with self._turn:
            prepared = self._prepared or await self._prepare(maker, chain)
        if isinstance(prepared, CallFailed):
            self.trouble = prepared.message if prepared.is_configuration else self.trouble
        else:
            self._prepared = prepared
        return prepared

    def give_up_call(self) -> None:
        """Wait no longer for a preparation whose end will not be heard of."""
        self._turn = asyncio.Lock()

    def take(self, prepared: Prepared) -> None:
        """Keep the set, and hold creations back where the database is behind Circle.

        Where the wallets seen so far don't tell, older ones are to be prepared. Of two sets that were made,
        that counts which was saved first. The store is read after Circle's answer, so what is being created
        at this moment is known by its stored request.
        """
        winner = self._save(prepared)
        if winner != prepared.wallet_set_id:
            self._known, self._prepared = winner, None
            return
        with self._database.read() as connection:
            unknown = unknown_among(connection, prepared.newest)
            recorded = recorded_among(connection, prepared.newest)
        if not unknown and not self._has_passed(recorded, prepared):
            self._look_further(prepared)
            return
        if unknown:
            with self._database.write(self._path, "hold_creations") as tx:
                unknown = unknown_among(tx.connection, prepared.newest)
                if unknown:
                    hold_creations(tx, [each.circle_wallet_id for each in unknown], len(unknown))
        self._known = self._ready = winner
        self.trouble = None

    def _has_passed(self, recorded: Sequence[ListedWallet], prepared: Prepared) -> bool:
        """Return whether this look goes back behind a wallet that is recorded here, or to the oldest of all.

        Times are to the second, so one of the same second may be the younger.
        """
        moments = [wallet.created_at for wallet in recorded]
        if self._recorded_at is not None:
            moments.append(self._recorded_at)
        self._recorded_at = max(moments, default=None)
        if prepared.next is None or not prepared.newest:
            return True
        return self._recorded_at is not None and prepared.newest[-1].created_at < self._recorded_at

    def _look_further(self, prepared: Prepared) -> None:
        if self._prepared is prepared:  # else another chain has done it
            self._looked_until, self._prepared = prepared.next, None
            self._looks += 1

    def _save(self, prepared: Prepared) -> UUID:
        with self._database.read() as connection:
            saved = wallet_set_id(connection)
        if saved is not None:
            return saved
        with self._database.write(self._path, "save_wallet_set") as tx:
            return save_wallet_set(
                tx,
                circle_wallet_set_id=prepared.wallet_set_id,
                name=self.options.name,
                is_made=prepared.is_made,
            )

    async def _prepare(self, maker: SetMaker, chain: str) -> Prepared | CallFailed:
        found = await self._see() if self._known is not None else await self._make(maker, chain)
        if isinstance(found, CallFailed):
            return found
        is_made = self._known is None
        if self._reader is None:
            return Prepared(wallet_set_id=found, is_made=is_made, newest=())
        newest: list[ListedWallet] = []
        cursor = self._looked_until
        for _ in range(1 if cursor is None else _PAGES):
            page = await self._reader.list_wallets(found, after=cursor, order="DESC")
            if isinstance(page, CallFailed):
                return page
            newest += page.wallets
            cursor = page.next
            if cursor is None:
                break
        return Prepared(wallet_set_id=found, is_made=is_made, newest=tuple(newest), next=cursor)

    async def _see(self) -> UUID | CallFailed:
        """Look whether a set that the settings name exists; one of the store's was there before."""
        known = self._known
        if known is None or self.options.named is None or self._reader is None:
            return known or no_set()
        failed = await self._reader.check_wallet_set(known)
        if failed is None:
            return known
        if failed.code != WALLET_SET_NOT_FOUND:
            return failed
        message = f"CIRCLE_WALLET_SET_ID: Circle knows no wallet set {known} under this key; jobs wait"
        return replace(failed, message=message, is_configuration=True)

    async def _make(self, maker: SetMaker, chain: str) -> UUID | CallFailed:
        if not self.options.may_be_made:
            return no_set()
        key = self.options.key(self._generation)
        made = await maker.create_wallet_set(chain=chain, key=key, name=self.options.name)
        if isinstance(made, WalletSetMade):
            return made.wallet_set_id
        # Circle refuses such a key for ever, and can't tell what it made under it: that set stays empty.
        self._generation += made.code == KEY_USED
        return made


def no_set() -> CallFailed:
    """Return what it means for jobs that a person must choose the set first: they wait."""
    return CallFailed(
        error_type=ErrorType.VALIDATION,
        message=NO_SET,
        certainty=Certainty.NOT_SENT,
        is_configuration=True,
    )
