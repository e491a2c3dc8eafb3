"""Finding at Circle what an order may have made before, in few calls, and how far an empty look-up proves.

Few members are looked up by their refIds, one call each. For many that would take longer than a job has
(200 members at 20 calls a second: 10 s for one look-up, 20 s for two), so the set's wallets on this
chain are listed from the order's first sending on, oldest first, 50 a page: 4 calls for 200 members.
Where others made so many wallets at that time that ours don't show within a few pages, those that
are missing are looked up by their refIds after all.

Nothing found proves nothing, since lists may lag. Two look-ups that are `PROVEN_AFTER` apart are taken
for a proof; the second one asks for every refId by itself. `Doubts` remembers when an order was first
missed, so nobody waits inside a call; a daemon that has forgotten only waits once more.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle import protocol
from wallet_provisioning.http.circle.answers import CallFailed, Certainty, WalletOrder
from wallet_provisioning.http.circle.budget import Sleep
from wallet_provisioning.http.circle.calls import Door
from wallet_provisioning.http.circle.listing import next_cursor
from wallet_provisioning.http.circle.protocol import PAGE, Answer, Call
from wallet_provisioning.http.circle.wallets import Settled, join, ref_id_of, settle
from wallet_provisioning.http.circle.wire import WalletsBody

PROVEN_AFTER = timedelta(seconds=5)
_FEW = 8
_AT_ONCE = 4
_PAUSE = timedelta(milliseconds=250)
# Circle's clock and the database's may differ by so much; more costs calls, and no wallet.
_SKEW = timedelta(seconds=5)
_MORE_PAGES = 3
_MOST_PAGES_OF_ONE = 20
_MOST_DOUBTS = 10_000

CallFor: TypeAlias = Callable[[UUID | None], Call]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Wallets of some pages, unread; `is_whole` where there are no further ones."""

    raws: tuple[object, ...]
    is_whole: bool
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    raws: list[object]
    after: UUID | None
    request_id: str | None


class LookUp:
    """Looks orders up. A failure's certainty is ambiguous: the order's fate is as open as before."""

    def __init__(self, door: Door, *, clock: Clock, sleep: Sleep) -> None:
        """Take the way to Circle."""
        self._door = door
        self._clock = clock
        self._sleep = sleep

    async def once(self, order: WalletOrder, chain: str, *, strictly: bool = False) -> Settled | CallFailed:
        """Return what is found of an order; `strictly` asks for each refId by itself."""
        return await self._find(order, [member.ref_id for member in order.members], chain, strictly=strictly)

    async def twice(self, order: WalletOrder, chain: str) -> Settled | CallFailed:
        """Return what is found of an order; what is missing is looked for once more, a moment later."""
        first = await self.once(order, chain)
        if isinstance(first, CallFailed) or not first.missing:
            return first
        await self._sleep(_PAUSE.total_seconds())
        second = await self._find(order, first.missing, chain, strictly=False)
        if isinstance(second, CallFailed):
            return second
        return replace(join([first, second]), missing=second.missing)

    async def _find(
        self, order: WalletOrder, ref_ids: Sequence[str], chain: str, *, strictly: bool
    ) -> Settled | CallFailed:
        if strictly or len(ref_ids) <= _FEW:
            return await self._by_ref_ids(order, ref_ids, chain)
        most = math.ceil(len(ref_ids) / PAGE) + _MORE_PAGES
        listed = await self._read(self._list(order), chain, most=most, wanted=frozenset(ref_ids))
        if isinstance(listed, CallFailed):
            return _ambiguous(listed)
        found = _settle(order, ref_ids, listed)
        if listed.is_whole or not found.missing:
            return found
        rest = await self._by_ref_ids(order, found.missing, chain)
        return rest if isinstance(rest, CallFailed) else replace(join([found, rest]), missing=rest.missing)

    async def _by_ref_ids(
        self, order: WalletOrder, ref_ids: Sequence[str], chain: str
    ) -> Settled | CallFailed:
        parts: list[Settled] = []
        for start in range(0, len(ref_ids), _AT_ONCE):
            some = ref_ids[start : start + _AT_ONCE]
            for part in await asyncio.gather(*(self._by_ref_id(order, ref_id, chain) for ref_id in some)):
                if isinstance(part, CallFailed):
                    return _ambiguous(part)
                parts.append(part)
        return join(parts)

    async def _by_ref_id(self, order: WalletOrder, ref_id: str, chain: str) -> Settled | CallFailed:
        def page(after: UUID | None) -> Call:
            return protocol.find_wallets(order, ref_id=ref_id, after=after)

        hits = await self._read(page, chain, most=_MOST_PAGES_OF_ONE)
        if isinstance(hits, CallFailed):
            return hits
        return settle(order, ref_id, hits.raws, adopted=True, request_id=hits.request_id)

    def _list(self, order: WalletOrder) -> CallFor:
        since = _written(self._clock.now() - (order.age or timedelta()) - _SKEW)
        return lambda after: protocol.find_wallets(order, since=since, after=after)

    async def _read(
        self, page: CallFor, chain: str, *, most: int, wanted: AbstractSet[str] | None = None
    ) -> _Read | CallFailed:
        """Read pages, up to so many, or until each of the refIds that are wanted was seen."""
        raws: list[object] = []
        after: UUID | None = None
        request_id: str | None = None
        for _ in range(most):
            read = await self._door.send(page(after), chain=chain, read=_page)
            if isinstance(read, CallFailed):
                return read
            raws += read.raws
            after, request_id = read.after, read.request_id
            if after is None or (wanted is not None and wanted <= {ref_id_of(raw) for raw in raws}):
                break
        return _Read(raws=tuple(raws), is_whole=after is None, request_id=request_id)


class Doubts:
    """When orders whose key Circle refused were first looked up in vain. Used on one asyncio loop."""

    def __init__(self, clock: Clock) -> None:
        """Start without any."""
        self._clock = clock
        self._since: OrderedDict[UUID, timedelta] = OrderedDict()

    def are_old(self, key: UUID) -> bool:
        """Tell whether an order was missed long enough ago for a second look-up to count."""
        return key in self._since and self.left(key) <= timedelta()

    def left(self, key: UUID) -> timedelta:
        """Note that an order is missed, unless it was before; return how long its proof has to wait."""
        since = self._since.setdefault(key, self._clock.monotonic())
        while len(self._since) > _MOST_DOUBTS:
            self._since.popitem(last=False)
        return since + PROVEN_AFTER - self._clock.monotonic()

    def settle(self, key: UUID) -> None:
        """Forget an order."""
        self._since.pop(key, None)


def _page(answer: Answer) -> _Page:
    raws = protocol.read_data(answer, WalletsBody).wallets
    return _Page(raws=raws, after=next_cursor(answer.link), request_id=answer.request_id)


def _settle(order: WalletOrder, ref_ids: Iterable[str], listed: _Read) -> Settled:
    by_ref_id: dict[object, list[object]] = {}
    for raw in listed.raws:
        by_ref_id.setdefault(ref_id_of(raw), []).append(raw)
    return join(
        settle(order, ref_id, by_ref_id.get(ref_id, ()), adopted=True, request_id=listed.request_id)
        for ref_id in ref_ids
    )


def _ambiguous(failed: CallFailed) -> CallFailed:
    return replace(failed, certainty=Certainty.AMBIGUOUS)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
