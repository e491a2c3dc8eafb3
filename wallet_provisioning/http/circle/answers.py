"""What is asked of Circle and how it ended: plain values that cross threads as messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.outcomes import Failed, Live


class Named(Protocol):
    """One wallet of an order, by the names that Circle keeps with it."""

    @property
    def ref_id(self) -> str:
        """What it is found by."""
        ...

    @property
    def name(self) -> str:
        """What a person reads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMember:
    """The names of a wallet and nothing else."""

    ref_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletOrder:
    """A stored request for 1 to 200 wallets on one blockchain; the same order is always sent the same.

    `age` counts from its first sending and isn't sent; None where it wasn't sent before.
    """

    idempotency_key: UUID
    wallet_set_id: UUID
    blockchain: str
    account_type: str
    members: tuple[Named, ...]
    age: timedelta | None = None


class Certainty(StrEnum):
    """What is known of the request after a call failed.

    `not_sent`: Circle never saw it. `refused`: Circle said no and did nothing. `ambiguous`: the
    wallets may exist, so the order may be sent again only as it is.
    """

    NOT_SENT = "not_sent"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Circle holds a second wallet under one refId. Wallets can't be deleted: a person must look."""

    ref_id: str
    kept: UUID
    duplicate: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilled:
    """Circle answered for every member of the order; a member that was answered wrongly is `Failed`."""

    wallets: Mapping[str, Live | Failed]
    duplicates: tuple[Duplicate, ...]
    circle_request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRefused:
    """Circle refused the idempotency key (156020).

    Two look-ups, some time apart, lack the `missing` members. One look-up lacks the `unproven`: the order
    is to be sent again after `look_again_in`. `failed` are those whose look-up was answered wrongly.
    """

    found: Mapping[str, Live]
    missing: tuple[str, ...]
    duplicates: tuple[Duplicate, ...]
    circle_request_id: str | None
    failed: Mapping[str, Failed] = field(default_factory=dict)
    unproven: tuple[str, ...] = ()
    look_again_in: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """The call as a whole failed.

    `is_configuration`: it fails every job alike until a person changes the account or the settings.
    `circle_request_id` is Circle's, or the one that was sent where no answer came.
    """

    error_type: ErrorType
    message: str
    certainty: Certainty
    is_configuration: bool = False
    retry_after: timedelta | None = None
    http_status: int | None = None
    code: int | None = None
    circle_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletSetMade:
    """The wallet set exists; `is_new` is False where Circle replayed its first answer."""

    wallet_set_id: UUID
    is_new: bool
    circle_request_id: str | None
