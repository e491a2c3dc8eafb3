"""What the creating calls do: each key once, all wallets of a call or none.

Nothing here waits, so two calls with the same key can't come between one another.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar, assert_never
from uuid import UUID

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.sandbox.addresses import CallAddresses
from wallet_provisioning.http.sandbox.books import Books
from wallet_provisioning.http.sandbox.contract import Metadata, WalletChange, WalletOrder, WalletSetOrder
from wallet_provisioning.http.sandbox.custody import Custody
from wallet_provisioning.http.sandbox.entities import Wallet, WalletSet
from wallet_provisioning.http.sandbox.faults import KeyLimits
from wallet_provisioning.http.sandbox.networks import World
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.records import KeySpent, Made, WalletChanged, WalletSetMade, WalletsMade
from wallet_provisioning.http.sandbox.refusals import Code, Refusal
from wallet_provisioning.http.sandbox.rules import check_order, check_wallet_set
from wallet_provisioning.http.sandbox.state import State

_RANDOM_VERSION = 4
_NO_LIMITS = KeyLimits()
_UUID_BITS = 128
OrderT = TypeVar("OrderT", WalletOrder, WalletSetOrder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What stands under a key; `is_new` unless it was there before."""

    made: WalletSetMade | WalletsMade
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """Under what a creation is entered."""

    world: World
    key: UUID
    fingerprint: str
    at: datetime


class WriteService:
    """Carries the writing calls out. Belongs to one thread."""

    def __init__(
        self, state: State, custody: Custody, options: SandboxOptions, *, clock: Clock, chance: Random
    ) -> None:
        """Take its tools."""
        self._state = state
        self._custody = custody
        self._options = options
        self._clock = clock
        self._chance = chance
        self._latest = datetime.min.replace(tzinfo=UTC)

    def create_wallets(self, world: World, order: WalletOrder, limits: KeyLimits = _NO_LIMITS) -> Done:
        """Make the wallets of an order, or return those made before; raises `Refusal`."""
        return self._once(world, order, limits, self._make_wallets)

    def create_wallet_set(self, world: World, order: WalletSetOrder, limits: KeyLimits = _NO_LIMITS) -> Done:
        """Make a wallet set, or return the one made before; raises `Refusal`."""
        return self._once(world, order, limits, self._make_wallet_set)

    def change_wallet(self, world: World, wallet_id: UUID, change: WalletChange) -> Wallet:
        """Give a wallet another name or refId; raises `Refusal` 156001."""
        wallet = self._state.books(world).wallets.get(wallet_id)
        if wallet is None:
            raise Refusal(Code.WALLET_NOT_FOUND)
        changed = replace(
            wallet,
            name=wallet.name if change.name is None else change.name,
            ref_id=wallet.ref_id if change.ref_id is None else change.ref_id,
            updated_at=self._now(),
        )
        self._state.write(WalletChanged(world=world, wallet=changed))
        return changed

    def _once(
        self,
        world: World,
        order: OrderT,
        limits: KeyLimits,
        make: Callable[[_Entry, OrderT], WalletSetMade | WalletsMade],
    ) -> Done:
        entry = _Entry(
            world=world, key=order.idempotency_key, fingerprint=_fingerprint(order), at=self._now()
        )
        ciphertext_first = self._options.switches.ciphertext_first
        if ciphertext_first:
            self._custody.admit(world, order.entity_secret_ciphertext)
        kept = self._kept(entry, limits)
        if kept is not None:
            return Done(made=self._replay(kept, entry), is_new=False)
        if not ciphertext_first:
            self._custody.admit(world, order.entity_secret_ciphertext)
        return Done(made=self._first_time(entry, order, make), is_new=True)

    def _kept(self, entry: _Entry, limits: KeyLimits) -> Made | None:
        life = self._options.switches.key_life
        kept = self._books(entry).kept(entry.key, since=None if life is None else entry.at - life)
        if kept is None or _is_past(limits.unknown_from, kept, entry):
            return None
        if _is_past(limits.refused_from, kept, entry):
            raise Refusal(Code.KEY_USED)
        return kept

    def _replay(self, kept: Made, entry: _Entry) -> WalletSetMade | WalletsMade:
        if kept.fingerprint != entry.fingerprint and not self._options.switches.other_body_gets_original:
            raise Refusal(Code.KEY_USED)
        match kept:
            case KeySpent():
                raise Refusal(Code(kept.code), kept.message)
            case WalletSetMade() | WalletsMade():
                return kept
            case _:
                assert_never(kept)

    def _first_time(
        self,
        entry: _Entry,
        order: OrderT,
        make: Callable[[_Entry, OrderT], WalletSetMade | WalletsMade],
    ) -> WalletSetMade | WalletsMade:
        try:
            made = make(entry, order)
        except Refusal as refusal:
            if self._options.switches.failures_consume_keys:
                self._state.write(_spent(entry, refusal))
            raise
        self._state.write(made)
        return made

    def _make_wallet_set(self, entry: _Entry, order: WalletSetOrder) -> WalletSetMade:
        sets = self._books(entry).wallet_sets
        check_wallet_set(len(sets))
        wallet_set = WalletSet(
            id=self._new_id(), position=len(sets), name=order.name, created_at=entry.at, updated_at=entry.at
        )
        return WalletSetMade(
            world=entry.world,
            key=entry.key,
            fingerprint=entry.fingerprint,
            at=entry.at,
            wallet_set=wallet_set,
        )

    def _make_wallets(self, entry: _Entry, order: WalletOrder) -> WalletsMade:
        books = self._books(entry)
        check_order(order, entry.world, books, self._options.wallets_per_set)
        addresses = CallAddresses(self._chance)
        members = order.metadata if order.metadata is not None else (Metadata(),) * order.count
        wanted = [(blockchain, member) for blockchain in order.blockchains for member in members]
        wallets = tuple(
            Wallet(
                id=self._new_id(),
                position=position,
                wallet_set_id=order.wallet_set_id,
                blockchain=blockchain,
                account_type=order.account_type,
                address=addresses.next(blockchain, member.ref_id),
                name=member.name,
                ref_id=member.ref_id,
                created_at=entry.at,
                updated_at=entry.at,
            )
            for position, (blockchain, member) in enumerate(wanted, start=len(books.wallets))
        )
        return WalletsMade(
            world=entry.world, key=entry.key, fingerprint=entry.fingerprint, at=entry.at, wallets=wallets
        )

    def _books(self, entry: _Entry) -> Books:
        return self._state.books(entry.world)

    def _new_id(self) -> UUID:
        return UUID(int=self._chance.getrandbits(_UUID_BITS), version=_RANDOM_VERSION)

    def _now(self) -> datetime:
        """Return the time, which never goes back here: lists are ordered by it."""
        self._latest = max(self._latest, self._clock.now())
        return self._latest


def _fingerprint(order: WalletOrder | WalletSetOrder) -> str:
    return hashlib.sha256(f"{type(order).__name__} {order.substance()}".encode()).hexdigest()


def _is_past(age: timedelta | None, kept: Made, entry: _Entry) -> bool:
    return age is not None and entry.at - kept.at >= age


def _spent(entry: _Entry, refusal: Refusal) -> KeySpent:
    return KeySpent(
        world=entry.world,
        key=entry.key,
        fingerprint=entry.fingerprint,
        at=entry.at,
        code=refusal.code,
        message=refusal.message,
    )
