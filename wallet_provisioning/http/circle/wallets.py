"""Which of the wallets that Circle answered belongs to which member, and whether it is as ordered.

Wallets are matched by refId, never by their place in the list. Of several right ones the oldest, by
(createDate, id), is kept and the rest are duplicates, so that every daemon keeps the same one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from pydantic import ValidationError

from wallet_provisioning.http.circle.addresses import is_address
from wallet_provisioning.http.circle.answers import Duplicate, WalletOrder
from wallet_provisioning.http.circle.wire import WalletBody, first_fault
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.outcomes import Failed, Live

_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How each member stands; `missing` are those of whom the answers say nothing at all."""

    wallets: Mapping[str, Live | Failed]
    missing: tuple[str, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether any member's wallet is wrong."""
        return any(isinstance(outcome, Failed) for outcome in self.wallets.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hit:
    """A wallet with the member's refId, and what is wrong with it."""

    wallet: WalletBody
    is_ours: bool
    fault: str | None


def settle_all(order: WalletOrder, raws: Sequence[object], *, request_id: str | None) -> Settled:
    """Read the answer to an order: a member without a wallet in it is `Failed`, not missing."""
    by_ref_id: dict[object, list[object]] = {}
    for raw in raws:
        by_ref_id.setdefault(ref_id_of(raw), []).append(raw)
    parts = [
        settle(order, ref_id, by_ref_id.get(ref_id, ()), adopted=False, request_id=request_id)
        for ref_id in (member.ref_id for member in order.members)
    ]
    whole = join(parts)
    lost = {ref_id: _failed("refId: no wallet of the answer has it", request_id) for ref_id in whole.missing}
    return Settled(wallets={**whole.wallets, **lost}, duplicates=whole.duplicates)


def settle(
    order: WalletOrder, ref_id: str, raws: Sequence[object], *, adopted: bool, request_id: str | None
) -> Settled:
    """Read the wallets that were answered for one member, and choose its own."""
    if not raws:
        return Settled(wallets={}, missing=(ref_id,))
    faults: list[str] = []
    ours: list[_Hit] = []
    for hit in _read(order, ref_id, raws):
        if isinstance(hit, str):
            faults.append(hit)
        elif hit.is_ours:
            ours.append(hit)
        else:
            faults.append(hit.fault or "refId")
    ours.sort(key=lambda hit: (hit.wallet.create_date, hit.wallet.id))
    kept = next((hit for hit in ours if hit.fault is None), None)
    if kept is None:
        fault = next((hit.fault for hit in ours if hit.fault), None) or faults[0]
        return Settled(wallets={ref_id: _failed(fault, request_id)})
    live = _live(kept.wallet, adopted=adopted, request_id=request_id)
    others = {hit.wallet.id for hit in ours} - {kept.wallet.id}
    duplicates = (Duplicate(ref_id=ref_id, kept=kept.wallet.id, duplicate=other) for other in sorted(others))
    return Settled(wallets={ref_id: live}, duplicates=tuple(duplicates))


def join(parts: Iterable[Settled]) -> Settled:
    """Return the members of several readings as one."""
    parts = tuple(parts)
    return Settled(
        wallets={ref_id: outcome for part in parts for ref_id, outcome in part.wallets.items()},
        missing=tuple(chain.from_iterable(part.missing for part in parts)),
        duplicates=tuple(chain.from_iterable(part.duplicates for part in parts)),
    )


def withhold(found: Settled) -> Settled:
    """Return a look-up after which the order isn't sent: one of its wallets exists, and is wrong.

    Sending the order could make that one a second time. So those that are missing fail with it.
    """
    wrong = next((outcome for outcome in found.wallets.values() if isinstance(outcome, Failed)), None)
    if wrong is None:
        return found
    told = f"not asked for, since another wallet of the same order is wrong: {wrong.message}"
    withheld = replace(wrong, message=told[:_LONGEST_MESSAGE])
    return replace(found, wallets={**found.wallets, **dict.fromkeys(found.missing, withheld)}, missing=())


def prefer(found: Settled, made: Settled) -> Settled:
    """Return the outcome of an order that was looked up first and then sent again.

    A wallet that the look-up found is kept: where the replay made another one, its key had expired
    at Circle, and the new one is the duplicate.
    """
    wallets = dict(made.wallets)
    doubled = []
    for ref_id, kept in found.wallets.items():
        other = made.wallets.get(ref_id)
        if not isinstance(kept, Live):
            continue
        wallets[ref_id] = kept
        if isinstance(other, Live) and other.circle_wallet_id != kept.circle_wallet_id:
            pair = Duplicate(ref_id=ref_id, kept=kept.circle_wallet_id, duplicate=other.circle_wallet_id)
            doubled.append(pair)
    duplicates = dict.fromkeys((*found.duplicates, *made.duplicates, *doubled))
    return Settled(wallets=wallets, duplicates=tuple(duplicates))


def _read(order: WalletOrder, ref_id: str, raws: Iterable[object]) -> Iterator[_Hit | str]:
    """Yield a hit for each wallet that can be read, else the field that is wrong."""
    for raw in raws:
        try:
            wallet = WalletBody.model_validate(raw)
        except ValidationError as error:
            yield first_fault(error)
            continue
        stranger = _stranger(order, ref_id, wallet)
        yield _Hit(wallet=wallet, is_ours=stranger is None, fault=stranger or _unusable(order, wallet))


def _stranger(order: WalletOrder, ref_id: str, wallet: WalletBody) -> str | None:
    """Return the field that shows that this is another wallet than the one asked for."""
    if wallet.ref_id != ref_id:
        return f"refId: {wallet.ref_id!r}, asked for {ref_id!r}"
    if wallet.wallet_set_id != order.wallet_set_id:
        return f"walletSetId: {wallet.wallet_set_id}, asked for {order.wallet_set_id}"
    if wallet.blockchain != order.blockchain:
        return f"blockchain: {wallet.blockchain!r}, asked for {order.blockchain!r}"
    return None


def _unusable(order: WalletOrder, wallet: WalletBody) -> str | None:
    """Return the field for which the wallet, though the right one, can't be used."""
    if wallet.account_type != order.account_type:
        return f"accountType: {wallet.account_type!r}, asked for {order.account_type!r}"
    if wallet.custody_type != "DEVELOPER":
        return f"custodyType: {wallet.custody_type!r}, not 'DEVELOPER'"
    if wallet.state != "LIVE":
        return f"state: {wallet.state!r}, not 'LIVE'"
    if not is_address(wallet.address, order.blockchain):
        return f"address: {wallet.address!r} isn't an address on {order.blockchain}"
    return None


def ref_id_of(raw: object) -> object:
    """Return the refId of an unread wallet; Circle's `""` is none."""
    value = raw.get("refId") if isinstance(raw, dict) else None
    return value if isinstance(value, str) and value else None


def _live(wallet: WalletBody, *, adopted: bool, request_id: str | None) -> Live:
    return Live(
        blockchain=wallet.blockchain,
        address=wallet.address,
        circle_wallet_id=wallet.id,
        wallet_set_id=wallet.wallet_set_id,
        account_type=wallet.account_type,
        adopted=adopted,
        circle_request_id=request_id,
    )


def _failed(fault: str, request_id: str | None) -> Failed:
    message = f"Circle's answer breaks its contract at {fault}"[:_LONGEST_MESSAGE]
    return Failed(error_type=ErrorType.VALIDATION, message=message, circle_request_id=request_id)
