"""Circle's protocol without a socket: what each call sends, and how its answer is read.

An answer is believed only where it is what was asked for. Whatever differs fails that wallet alone,
by the name of the field; an answer that can't be read at all raises `BrokenAnswerError`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from wallet_provisioning.http.circle.answers import WalletOrder, WalletSetMade
from wallet_provisioning.http.circle.as_ordered import read_as_ordered
from wallet_provisioning.http.circle.budget import Kind
from wallet_provisioning.http.circle.wallets import Settled, settle_all
from wallet_provisioning.http.circle.wire import (
    BrokenAnswerError,
    PublicKeyBody,
    WalletsBody,
    WalletSetBody,
    first_fault,
)
from wallet_provisioning.jobs.errors import ErrorType

M = TypeVar("M", bound=BaseModel)

_CREATED = 201
_SUCCESSES = range(200, 300)
PAGE = 50


class Operation(StrEnum):
    """What can be asked of Circle."""

    CREATE_WALLET = "create_wallet"
    CREATE_WALLET_SET = "create_wallet_set"
    FIND_WALLETS = "find_wallets"
    GET_WALLET_SET = "get_wallet_set"
    LIST_WALLETS = "list_wallets"
    LIST_NEWEST = "list_newest_wallets"
    GET_WALLET = "get_wallet"
    GET_PUBLIC_KEY = "get_public_key"
    PING = "ping"

    @property
    def kind(self) -> Kind:
        """Which of Circle's limits it counts against."""
        match self:
            case Operation.CREATE_WALLET:
                return Kind.WALLETS
            case Operation.CREATE_WALLET_SET:
                return Kind.POSTS
            case _:
                return Kind.GETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, all but its headers. `wallets` is how many it asks for."""

    operation: Operation
    method: Literal["GET", "POST"]
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = field(default=None, repr=False)
    wallets: int = 0
    is_authorized: bool = True

    def content(self) -> bytes | None:
        """Return the body as it goes over the wire, None for a call without one."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, unread. `request_id` is Circle's, or the one sent where it gave none."""

    status: int
    body: bytes = field(repr=False)
    request_id: str | None
    retry_after: str | None = None
    link: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether Circle did what it was asked, now or, for a replay, before."""
        return self.status in _SUCCESSES


def create_wallets(order: WalletOrder) -> Call:
    """Return the call that makes an order's wallets; it still lacks its ciphertext."""
    body = {
        "idempotencyKey": str(order.idempotency_key),
        "walletSetId": str(order.wallet_set_id),
        "blockchains": [order.blockchain],
        "accountType": order.account_type,
        "count": len(order.members),
        "metadata": [{"name": member.name, "refId": member.ref_id} for member in order.members],
    }
    path = "/v1/w3s/developer/wallets"
    operation = Operation.CREATE_WALLET
    return Call(operation=operation, method="POST", path=path, body=body, wallets=len(order.members))


def create_wallet_set(key: UUID, name: str) -> Call:
    """Return the call that makes a wallet set; it still lacks its ciphertext."""
    body = {"idempotencyKey": str(key), "name": name}
    path = "/v1/w3s/developer/walletSets"
    return Call(operation=Operation.CREATE_WALLET_SET, method="POST", path=path, body=body)


def with_ciphertext(call: Call, ciphertext: str) -> Call:
    """Return the call as it is sent once: Circle takes each ciphertext a single time."""
    return replace(call, body={**(call.body or {}), "entitySecretCiphertext": ciphertext})


def find_wallets(
    order: WalletOrder,
    *,
    ref_id: str | None = None,
    since: str | None = None,
    after: UUID | None = None,
) -> Call:
    """Return the call for a page of what an order may have made, the oldest first.

    `ref_id` names one member, `since` is the least createDate, `after` the cursor of a further page.
    """
    query = (
        ("walletSetId", str(order.wallet_set_id)),
        ("blockchain", order.blockchain),
        *(() if ref_id is None else (("refId", ref_id),)),
        *(() if since is None else (("from", since),)),
        ("order", "ASC"),
        ("pageSize", str(PAGE)),
        *(() if after is None else (("pageAfter", str(after)),)),
    )
    return Call(operation=Operation.FIND_WALLETS, method="GET", path="/v1/w3s/wallets", query=query)


def get_wallet_set(wallet_set_id: UUID) -> Call:
    """Return the call that asks whether a wallet set exists."""
    return Call(operation=Operation.GET_WALLET_SET, method="GET", path=f"/v1/w3s/walletSets/{wallet_set_id}")


def get_public_key() -> Call:
    """Return the call that fetches the key under which the entity secret is encrypted."""
    return Call(operation=Operation.GET_PUBLIC_KEY, method="GET", path="/v1/w3s/config/entity/publicKey")


def ping() -> Call:
    """Return the call that asks whether Circle is there; it shows no key."""
    return Call(operation=Operation.PING, method="GET", path="/ping", is_authorized=False)


def read_created(answer: Answer, order: WalletOrder) -> Settled:
    """Return each member's wallet as Circle made it, now or at the first send. None is missing."""
    lives = read_as_ordered(order, answer.body, request_id=answer.request_id)
    if lives is not None:
        return Settled(wallets=lives)
    raws = read_data(answer, WalletsBody).wallets
    return settle_all(order, raws, request_id=answer.request_id)


def read_wallet_set_made(answer: Answer) -> WalletSetMade:
    """Return the wallet set that was made, now or at the first send."""
    made = read_data(answer, WalletSetBody).wallet_set
    return WalletSetMade(
        wallet_set_id=made.id, is_new=answer.status == _CREATED, circle_request_id=answer.request_id
    )


def read_wallet_set(answer: Answer, wallet_set_id: UUID) -> None:
    """Return where the set exists and is the one that was asked for."""
    found = read_data(answer, WalletSetBody).wallet_set
    if found.id != wallet_set_id:
        raise BrokenAnswerError(ErrorType.VALIDATION, f"walletSet.id: {found.id}, asked for {wallet_set_id}")


def read_public_key(answer: Answer) -> str:
    """Return the public key as PEM text."""
    return read_data(answer, PublicKeyBody).public_key


def read_pong(answer: Answer) -> None:
    """Return: any success will do."""
    del answer


def read_data(answer: Answer, model: type[M]) -> M:
    """Return the `data` of an answer; raises `BrokenAnswerError`."""
    try:
        parsed = json.loads(answer.body)
    except (ValueError, RecursionError):
        msg = f"the body of HTTP {answer.status} isn't JSON"
        raise BrokenAnswerError(ErrorType.NETWORK, msg) from None
    if not isinstance(parsed, dict):
        raise BrokenAnswerError(ErrorType.VALIDATION, "the answer isn't an object")
    try:
        return model.model_validate(parsed.get("data"))
    except ValidationError as error:
        raise BrokenAnswerError(ErrorType.VALIDATION, f"data: {first_fault(error)}") from None
