"""Lists of wallets, page by page, and one wallet by its id. Pure: what is sent, and how it is read."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, ValidationError

from wallet_provisioning.http.circle.protocol import PAGE, Answer, Call, Operation, read_data
from wallet_provisioning.http.circle.wire import (
    Body,
    BrokenAnswerError,
    WalletsBody,
    first_fault,
    only_text,
)
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.listed import ListedWallet

Order = Literal["ASC", "DESC"]

_PATH = "/v1/w3s/wallets"
_NEXT = re.compile(r"<([^>]*)>\s*;[^,]*\brel=\"?next\"?")


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletPage:
    """Some wallets in their order. `next` is the cursor of the following page, None for the last one."""

    wallets: tuple[ListedWallet, ...]
    next: UUID | None


class _Listed(Body):
    """A wallet in a list; one that others made in the same set may lack both name and refId."""

    id: UUID
    ref_id: str | None = None
    name: str | None = None
    state: str
    wallet_set_id: UUID
    address: str = ""
    blockchain: str
    account_type: str = ""
    create_date: Annotated[AwareDatetime, BeforeValidator(only_text)]


class _OneBody(Body):
    wallet: object


def list_wallets(wallet_set_id: UUID, *, after: UUID | None, order: Order) -> Call:
    """Return the call for one page of a set's wallets, by the date when they were made.

    The newest are asked for where somebody waits for the answer, the whole list where nobody does.
    """
    query = [("walletSetId", str(wallet_set_id)), ("order", order), ("pageSize", str(PAGE))]
    if after is not None:
        query.append(("pageAfter", str(after)))
    operation = Operation.LIST_WALLETS if order == "ASC" else Operation.LIST_NEWEST
    return Call(operation=operation, method="GET", path=_PATH, query=tuple(query))


def get_wallet(circle_wallet_id: UUID) -> Call:
    """Return the call for one wallet."""
    return Call(operation=Operation.GET_WALLET, method="GET", path=f"{_PATH}/{circle_wallet_id}")


def read_page(answer: Answer) -> WalletPage:
    """Return a page. One wallet that can't be read makes the page unreadable: it might be ours."""
    raws = read_data(answer, WalletsBody).wallets
    return WalletPage(wallets=tuple(_read(raw) for raw in raws), next=next_cursor(answer.link))


def read_wallet(answer: Answer) -> ListedWallet:
    """Return the wallet."""
    return _read(read_data(answer, _OneBody).wallet)


def _read(raw: object) -> ListedWallet:
    try:
        wallet = _Listed.model_validate(raw)
    except ValidationError as error:
        raise BrokenAnswerError(ErrorType.VALIDATION, f"wallet: {first_fault(error)}") from None
    return ListedWallet(
        circle_wallet_id=wallet.id,
        ref_id=wallet.ref_id or "",
        name=wallet.name or "",
        state=wallet.state,
        wallet_set_id=wallet.wallet_set_id,
        address=wallet.address,
        blockchain=wallet.blockchain,
        account_type=wallet.account_type,
        created_at=wallet.create_date,
    )


def next_cursor(link: str | None) -> UUID | None:
    """Return the cursor that a Link header names as the next page's."""
    found = _NEXT.search(link or "")
    if found is None:
        return None
    values = parse_qs(urlsplit(found.group(1)).query).get("pageAfter", [])
    try:
        return UUID(values[0])
    except (IndexError, ValueError):
        raise BrokenAnswerError(ErrorType.VALIDATION, "Link: its next page has no cursor") from None
