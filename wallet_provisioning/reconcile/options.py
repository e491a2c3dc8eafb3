"""How a reconcile is run, and what it asks of whoever runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.listing import WalletPage
from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.jobs.listed import ListedWallet


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions:
    """`applies`: mend what can be mended. `stuck_after`: how long a wallet may wait with nobody at work.

    `unless_within` is for a run that nobody asked for: one in that time is enough. `lease` is renewed
    by each step, so it must outlast one call to Circle.
    """

    chains: Mapping[str, Chain]
    applies: bool = False
    unless_within: timedelta | None = None
    max_attempts: int = 5
    stuck_after: timedelta = timedelta(minutes=15)
    lease: timedelta = timedelta(minutes=1)
    batch: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """Asks for one page of the set's wallets, the oldest first."""

    wallet_set_id: UUID
    after: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOne:
    """Asks for one wallet: lists may lag, a direct look doesn't."""

    circle_wallet_id: UUID


Question: TypeAlias = ListPage | GetOne
Answer: TypeAlias = WalletPage | ListedWallet | CallFailed | None


class CircleUnreachableError(Exception):
    """Circle could not be asked, so the run ended before it was whole; nothing is half mended."""

    def __init__(self, failed: CallFailed) -> None:
        """Keep how the call failed."""
        super().__init__(f"Circle could not be asked: {failed.message}")
        self.failed = failed
