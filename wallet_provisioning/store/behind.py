"""Is the database behind Circle, as one is that was replaced by an old backup?

Then a wallet of ours at Circle is unknown here: it isn't live, waits for nobody, and no stored request
asks for it. Its user would be given a second one, under a key that Circle has never seen, for a batch
has one key and batches don't come together the same way twice. So nothing is created until
`reconcile --apply` has taken over what is there. Wallets without a refId that the name proves to be
ours are somebody else's in a shared set, and raise no alarm.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection, select

from wallet_provisioning.jobs.listed import ListedWallet, Owner
from wallet_provisioning.jobs.states import WalletStatus
from wallet_provisioning.store.controls import (
    EVERYTHING,
    OrderState,
    place_order,
    withdraw_order,
)
from wallet_provisioning.store.lookups import dialect_name
from wallet_provisioning.store.sets import one_of, one_of_pairs
from wallet_provisioning.store.tables import controls, unclaimed_wallets, wallets
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.unclaimed import BEHIND


def unknown_among(connection: Connection, listed: Iterable[ListedWallet]) -> tuple[ListedWallet, ...]:
    """Return the wallets of ours that the database should know and doesn't.

    Read it after Circle's answer: what is being created at this moment has its stored request by then.
    """
    owners = {wallet: owner for wallet in listed if (owner := wallet.owner()) is not None}
    known = _recorded(connection, [wallet.circle_wallet_id for wallet in owners])
    rest = {wallet: owner for wallet, owner in owners.items() if wallet.circle_wallet_id not in known}
    covered = _covered(connection, tuple(rest.values()))
    return tuple(wallet for wallet, owner in rest.items() if owner not in covered)


def recorded_among(connection: Connection, listed: Sequence[ListedWallet]) -> tuple[ListedWallet, ...]:
    """Return the wallets that the database has recorded, not only asked for."""
    known = _recorded(connection, [wallet.circle_wallet_id for wallet in listed])
    return tuple(wallet for wallet in listed if wallet.circle_wallet_id in known)


def is_covered(status: str, request_id: UUID | None) -> bool:
    """Return whether a wallet here keeps its user from being given another: it is live, or asked for."""
    return status == WalletStatus.LIVE.value or request_id is not None


def read_hold(connection: Connection) -> str | None:
    """Return why nothing is created, None where the database is not known to be behind."""
    held = (controls.c.kind == BEHIND) & (controls.c.subject == EVERYTHING)
    reason: str | None = connection.execute(select(controls.c.reason).where(held)).scalar()
    return reason


def hold_creations(tx: Transaction, unknown: Sequence[UUID], count: int) -> bool:
    """Have no daemon create anything; False where that is so already. `unknown` are examples."""
    if read_hold(tx.connection) is not None:
        return False
    examples = ", ".join(str(each) for each in unknown[:3])
    reason = (
        f"the database is behind Circle, which holds {count} or more wallets of ours that are unknown here "
        f"({examples}); was an old backup restored? Run `wallet-provisioning reconcile --apply`"
    )
    place_order(tx, kind=BEHIND, state=OrderState.HELD, reason=reason)
    return True


def release_creations(tx: Transaction) -> bool:
    """Let creations go on; False where nothing was in the way."""
    reason = "all that Circle holds is known here"
    return withdraw_order(tx, kind=BEHIND, reason=reason) is not None


def _recorded(connection: Connection, circle_wallet_ids: Sequence[UUID]) -> set[UUID]:
    dialect = dialect_name(connection)
    known: set[UUID] = set()
    for column in (wallets.c.circle_wallet_id, unclaimed_wallets.c.circle_wallet_id):
        query = select(column).where(one_of(dialect, column, circle_wallet_ids))
        known |= set(connection.execute(query).scalars())
    return known


def _covered(connection: Connection, owners: Sequence[Owner]) -> set[Owner]:
    pairs = one_of_pairs(
        dialect_name(connection),
        (wallets.c.user_id, wallets.c.chain),
        [owner.user_id for owner in owners],
        [owner.chain for owner in owners],
    )
    columns = (wallets.c.user_id, wallets.c.chain, wallets.c.status, wallets.c.request_id)
    return {
        Owner(user_id=user_id, chain=chain)
        for user_id, chain, status, request_id in connection.execute(select(*columns).where(pairs))
        if is_covered(status, request_id)
    }
