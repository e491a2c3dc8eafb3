"""What is done about Circle's answers so that no wallet is made twice and none is lost.

An order is sent as it is stored. A ciphertext that Circle has seen (156004) is replaced at once under
the same idempotency key. A key that Circle refuses (156020) leaves one witness, the look-up by
refId: what it finds is adopted, and what it lacks is believed to be missing once a second look-up some
seconds later lacks it too, since lists may lag. An order too old to trust its
key is looked up before it is sent again. An empty look-up proves nothing: the order is then sent
again as it is, and only Circle's own refusal of the key is told to the caller, who may raise it.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle import listing, protocol
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.answers import (
    CallFailed,
    Certainty,
    Fulfilled,
    KeyRefused,
    WalletOrder,
    WalletSetMade,
)
from wallet_provisioning.http.circle.calls import Allowance, Door, Parts, Refusals
from wallet_provisioning.http.circle.errors import (
    CIPHERTEXT_REUSED,
    ENTITY_SECRET_INVALID,
    ENTITY_SECRET_ROTATED,
    KEY_USED,
    UNKNOWN_ERROR,
    WALLET_NOT_FOUND,
    WALLET_SET_NOT_FOUND,
)
from wallet_provisioning.http.circle.listing import Order, WalletPage
from wallet_provisioning.http.circle.lookup import Doubts, LookUp
from wallet_provisioning.http.circle.protocol import Answer, Call
from wallet_provisioning.http.circle.secret import EntitySecret, Sealed, parse_public_key
from wallet_provisioning.http.circle.wallets import Settled, prefer, withhold
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.listed import ListedWallet
from wallet_provisioning.jobs.outcomes import Failed, Live
from wallet_provisioning.telemetry.events import Emit

T = TypeVar("T")

# How often one order is sent again at once, by the code of Circle's refusal.
_REPEATS = {CIPHERTEXT_REUSED: 3, UNKNOWN_ERROR: 1, ENTITY_SECRET_INVALID: 1, ENTITY_SECRET_ROTATED: 1}
_SECRET_REFUSED = frozenset({ENTITY_SECRET_INVALID, ENTITY_SECRET_ROTATED})
_NO_CHAIN = "-"


class CircleClient:
    """Circle, as the actors see it. Made on any thread; all coroutines run on one asyncio loop.

    Nothing that Circle or the network does raises: every end is one of the values of `answers`. A
    cancelled coroutine leaves its order ambiguous.
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        budget: Allowance,
        emit: Emit,
        parts: Parts | None = None,
    ) -> None:
        """Prepare; nothing is sent."""
        parts = parts or Parts()
        self._door = Door(account, clock=clock, budget=budget, emit=emit, parts=parts)
        self._secret = EntitySecret(account.entity_secret, self._fetch_key)
        self._clock = clock
        self._look_up = LookUp(self._door, clock=clock, sleep=parts.sleep)
        self._doubts = Doubts(clock)

    async def create_wallet_set(self, *, chain: str, key: UUID, name: str) -> WalletSetMade | CallFailed:
        """Make the wallet set, or have Circle replay how it was made under this key."""
        return await self._post(protocol.create_wallet_set(key, name), chain, protocol.read_wallet_set_made)

    async def fulfil(
        self, order: WalletOrder, *, chain: str, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        """Have Circle make an order's wallets, or find those that it made before.

        `look_up_first` is for an order that is older than its key may live. While a look-up fails, the
        order's fate is ambiguous, whatever the look-up's own failure was. A wallet set that Circle doesn't
        know is nobody's order's fault.
        """
        answer = await self._fulfil(order, chain, look_up_first=look_up_first)
        if isinstance(answer, CallFailed) and answer.code == WALLET_SET_NOT_FOUND:
            return _no_such_set(order, answer)
        return answer

    async def _fulfil(
        self, order: WalletOrder, chain: str, *, look_up_first: bool
    ) -> Fulfilled | KeyRefused | CallFailed:
        if order.age is not None:
            self._door.note_replay()
        if not look_up_first:
            return await self._create(order, chain)
        found = await self._look_up.twice(order, chain)
        if isinstance(found, CallFailed):
            return found
        if not found.missing or found.has_failed:
            return _fulfilled(withhold(found))
        made = await self._create(order, chain)
        return _fulfilled(prefer(found, _settled(made))) if isinstance(made, Fulfilled) else made

    async def ping(self) -> CallFailed | None:
        """Return None where Circle can be reached; no key is shown."""
        return await self._door.send(protocol.ping(), chain=_NO_CHAIN, read=protocol.read_pong)

    async def check_access(self) -> CallFailed | None:
        """Return None where Circle takes the API key. It says nothing of the entity secret."""
        key = await self._fetch_key(_NO_CHAIN)
        return key if isinstance(key, CallFailed) else None

    async def check_wallet_set(self, wallet_set_id: UUID) -> CallFailed | None:
        """Return None where the wallet set exists and the key may see it."""
        return await self._door.send(
            protocol.get_wallet_set(wallet_set_id),
            chain=_NO_CHAIN,
            read=lambda answer: protocol.read_wallet_set(answer, wallet_set_id),
        )

    async def list_wallets(
        self, wallet_set_id: UUID, *, after: UUID | None = None, order: Order = "ASC"
    ) -> WalletPage | CallFailed:
        """Return one page of a set's wallets, the oldest or the newest first."""
        call = listing.list_wallets(wallet_set_id, after=after, order=order)
        return await self._door.send(call, chain=_NO_CHAIN, read=listing.read_page)

    async def get_wallet(self, circle_wallet_id: UUID) -> ListedWallet | CallFailed | None:
        """Return one wallet, None where Circle has none with this id."""
        call = listing.get_wallet(circle_wallet_id)
        found = await self._door.send(call, chain=_NO_CHAIN, read=listing.read_wallet)
        is_unknown = isinstance(found, CallFailed) and found.code == WALLET_NOT_FOUND
        return None if is_unknown else found

    async def aclose(self) -> None:
        """Close every connection, and let go of the budget; calls under way end as lost."""
        await self._door.aclose()

    async def _create(self, order: WalletOrder, chain: str) -> Fulfilled | KeyRefused | CallFailed:
        call = protocol.create_wallets(order)
        made = await self._post(
            call, chain, lambda answer: protocol.read_created(answer, order), is_first=order.age is None
        )
        if isinstance(made, Settled):
            return _fulfilled(made)
        if made.code == KEY_USED:
            return await self._find_instead(order, chain, made)
        return made

    async def _find_instead(
        self, order: WalletOrder, chain: str, refusal: CallFailed
    ) -> Fulfilled | KeyRefused | CallFailed:
        key = order.idempotency_key
        is_second = self._doubts.are_old(key)
        found = await self._look_up.once(order, chain, strictly=is_second)
        if isinstance(found, CallFailed):
            return found
        if not found.missing or is_second:
            self._doubts.settle(key)
        if not found.missing:
            return _fulfilled(found)
        return KeyRefused(
            found={ref_id: one for ref_id, one in found.wallets.items() if isinstance(one, Live)},
            missing=found.missing if is_second else (),
            unproven=() if is_second else found.missing,
            look_again_in=timedelta() if is_second else self._doubts.left(key),
            duplicates=found.duplicates,
            circle_request_id=refusal.circle_request_id,
            failed={ref_id: one for ref_id, one in found.wallets.items() if isinstance(one, Failed)},
        )

    async def _post(
        self, call: Call, chain: str, read: Callable[[Answer], T], *, is_first: bool = True
    ) -> T | CallFailed:
        """Send a call under a fresh ciphertext, again and again where Circle's refusal invites it."""
        repeats = dict(_REPEATS)
        is_ambiguous = False
        refusals = Refusals()
        while True:
            sealed = await self._secret.seal(chain)
            if isinstance(sealed, CallFailed):
                return replace(sealed, certainty=Certainty.NOT_SENT)
            sent = protocol.with_ciphertext(call, sealed.ciphertext)
            result = await self._door.send_once(
                sent, chain=chain, read=read, refusals=refusals, is_first=is_first
            )
            if not isinstance(result, CallFailed):
                return result
            is_first = False
            is_ambiguous = is_ambiguous or result.certainty is Certainty.AMBIGUOUS
            is_refused = self._door.may_repeat_refused(call, chain, result, refusals)
            if not is_refused and not await self._may_repeat(call, result, repeats, sealed, chain):
                return replace(result, certainty=Certainty.AMBIGUOUS) if is_ambiguous else result

    async def _may_repeat(
        self, call: Call, refusal: CallFailed, repeats: dict[int, int], sealed: Sealed, chain: str
    ) -> bool:
        code = refusal.code
        if code is None or repeats.get(code, 0) == 0 or refusal.error_type is not ErrorType.CIRCLE_4XX:
            return False
        if not self._door.may_repeat(call, chain, refusal):
            return False
        repeats[code] -= 1
        return code not in _SECRET_REFUSED or await self._secret.renew(sealed.key, chain)

    async def _fetch_key(self, chain: str) -> RSAPublicKey | CallFailed:
        return await self._door.send(
            protocol.get_public_key(),
            chain=chain,
            read=lambda answer: parse_public_key(protocol.read_public_key(answer)),
        )


def _no_such_set(order: WalletOrder, refusal: CallFailed) -> CallFailed:
    """Return what it means that Circle doesn't know the set of an order: no job can have its wallet."""
    message = (
        f"{refusal.message}; Circle knows no wallet set {order.wallet_set_id} under this key, yet it is "
        "the one in use: restore Circle's (or the sandbox's) state, or point DATABASE_URL at the database "
        "that belongs to this account"
    )
    return replace(refusal, message=message, is_configuration=True)


def _fulfilled(settled: Settled) -> Fulfilled:
    request_id = next((one.circle_request_id for one in settled.wallets.values()), None)
    return Fulfilled(wallets=settled.wallets, duplicates=settled.duplicates, circle_request_id=request_id)


def _settled(made: Fulfilled) -> Settled:
    return Settled(wallets=made.wallets, duplicates=made.duplicates)
