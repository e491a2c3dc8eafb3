"""Reads the answer that nearly every order gets: each wallet once, and just as it was ordered.

It is half the work of the closer look that `wallets` takes at every other answer: here nothing is
explained, and one wallet that differs in anything sends the whole answer there. What is compared is the
same.
"""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationError

from wallet_provisioning.http.circle.addresses import form_of
from wallet_provisioning.http.circle.answers import WalletOrder
from wallet_provisioning.http.circle.wire import Body
from wallet_provisioning.jobs.outcomes import Live


class _Wallet(Body):
    """A wallet; its set is compared as the text that it is, and a date as a number is unusual."""

    id: UUID
    ref_id: str
    state: str
    wallet_set_id: str
    custody_type: str
    address: str
    blockchain: str
    account_type: str
    create_date: Annotated[AwareDatetime, Field(strict=True)]


class _Data(Body):
    wallets: list[_Wallet]


class _Answer(Body):
    data: _Data


def read_as_ordered(order: WalletOrder, body: bytes, *, request_id: str | None) -> dict[str, Live] | None:
    """Return each member's wallet by its refId; None where the answer is in any way unusual."""
    try:
        wallets = _Answer.model_validate_json(body).data.wallets
    except ValidationError:
        return None
    by_ref_id = {wallet.ref_id: wallet for wallet in wallets}
    if not len(wallets) == len(by_ref_id) == len(order.members) or not _are_right(order, wallets):
        return None
    lives: dict[str, Live] = {}
    for member in order.members:
        wallet = by_ref_id.get(member.ref_id)
        if wallet is None:
            return None
        lives[member.ref_id] = Live(
            blockchain=order.blockchain,
            address=wallet.address,
            circle_wallet_id=wallet.id,
            wallet_set_id=order.wallet_set_id,
            account_type=order.account_type,
            circle_request_id=request_id,
        )
    return lives


def _are_right(order: WalletOrder, wallets: list[_Wallet]) -> bool:
    """Return whether each wallet is of the kind that was ordered, and can be used."""
    of_order = (str(order.wallet_set_id), order.blockchain, order.account_type, "DEVELOPER", "LIVE")
    of_wallets = {
        (each.wallet_set_id, each.blockchain, each.account_type, each.custody_type, each.state)
        for each in wallets
    }
    is_address = form_of(order.blockchain)
    return of_wallets == {of_order} and all(is_address(each.address) for each in wallets)
