"""Wallets that went live, on PostgreSQL: one statement for all that wait, whatever their number.

It is the busiest write of the system, so nothing is read into the program and written back: jobs and then
wallets are locked in the order of their ids, as everywhere (counting the jobs has all of them locked
first), and the wallets are compared, changed and audited where they are. What it leaves alone (one that
has no row, or is live already) is named in its answer; `results` looks at that. The documents of the
audit are put together by the database too, which costs it no more than reading them and spares the
program a third of the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast
from uuid import UUID

from sqlalchemy import TextClause, bindparam, text

from wallet_provisioning.jobs.outcomes import Failed, Live
from wallet_provisioning.store.arrays import Texts, array_text, ids_text
from wallet_provisioning.store.audit import WALLET_CREATED
from wallet_provisioning.store.columns import Words
from wallet_provisioning.store.ids import new_ids
from wallet_provisioning.store.transaction import Transaction

# go_live: record wallets that exist at Circle, with one audit row each; resolve requests that are done
_GO_LIVE = """
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
given AS MATERIALIZED (
    SELECT u.user_id COLLATE "C" AS user_id, chain, blockchain, address, circle_wallet_id, wallet_set_id,
        account_type, adopted, circle_request_id, job_id, epoch, request_id COLLATE "C" AS request_id,
        audit_id, number
    FROM unnest(CAST(:user_ids AS text[]), CAST(:chains AS text[]), CAST(:blockchains AS text[]),
        CAST(:addresses AS text[]), CAST(:circle_wallet_ids AS text[]), CAST(:wallet_set_ids AS text[]),
        CAST(:account_types AS text[]), CAST(:adopted AS boolean[]), CAST(:circle_request_ids AS text[]),
        CAST(:job_ids AS text[]), CAST(:epochs AS integer[]), CAST(:request_ids AS text[]),
        CAST(:audit_ids AS text[]))
        WITH ORDINALITY AS u(user_id, chain, blockchain, address, circle_wallet_id, wallet_set_id,
            account_type, adopted, circle_request_id, job_id, epoch, request_id, audit_id, number)
),
held AS MATERIALIZED (
    SELECT id FROM wallet_provisioning_jobs
    WHERE id = ANY (CAST(:job_ids AS text[]) COLLATE "C") ORDER BY id FOR UPDATE
),
known AS MATERIALIZED (
    SELECT w.id, w.status, w.request_id AS bound_to, w.blockchain AS blockchain_before,
        w.address AS address_before, w.circle_wallet_id AS circle_wallet_id_before,
        w.wallet_set_id AS wallet_set_id_before, w.account_type AS account_type_before,
        w.error_type, w.error_message, j.trace_id, given.*
    FROM given
    JOIN managed_wallets AS w ON w.user_id = given.user_id AND w.chain = given.chain
    LEFT JOIN wallet_provisioning_jobs AS j ON j.id = w.job_id
    WHERE (SELECT count(*) FROM held) >= 0
    ORDER BY w.id
    FOR UPDATE OF w
),
made AS (
    UPDATE managed_wallets AS w
    SET status = 'live', blockchain = known.blockchain, address = known.address,
        circle_wallet_id = known.circle_wallet_id, wallet_set_id = known.wallet_set_id,
        account_type = known.account_type, error_type = NULL, error_message = NULL,
        updated_at = moment.now
    FROM known, moment
    WHERE w.id = known.id AND known.status <> 'live'
    RETURNING known.*
),
audited AS (
    INSERT INTO audit_logs (id, user_id, actor, action, resource_type, resource_id, changes, status,
        created_at, trace_id, job_id, epoch)
    SELECT audit_id, user_id, :actor, :action, 'wallet', id,
        jsonb_build_object(
            'before', jsonb_build_object('chain', chain, 'blockchain', blockchain_before,
                'status', status, 'address', address_before, 'circle_wallet_id', circle_wallet_id_before,
                'wallet_set_id', wallet_set_id_before, 'account_type', account_type_before,
                'error', CASE WHEN error_type IS NOT NULL
                    THEN jsonb_build_object('type', error_type, 'message', error_message) END),
            'after', jsonb_build_object('chain', chain, 'blockchain', blockchain, 'status', 'live',
                'address', address, 'circle_wallet_id', circle_wallet_id, 'wallet_set_id', wallet_set_id,
                'account_type', account_type, 'error', NULL, 'circle_request_id', circle_request_id,
                'adopted', adopted)),
        'success', moment.now, trace_id, job_id, epoch
    FROM made, moment
),
resolved AS (
    UPDATE circle_requests AS r
    SET state = 'resolved'
    FROM (SELECT request_id, count(*) AS number FROM made WHERE bound_to = request_id GROUP BY request_id)
        AS done
    WHERE r.id = done.request_id AND r.state = 'unresolved' AND jsonb_array_length(r.members) = done.number
    RETURNING r.id
)
SELECT ARRAY(SELECT number FROM given EXCEPT SELECT number FROM made) AS left_alone,
    ARRAY(SELECT request_id FROM made WHERE request_id IS NOT NULL EXCEPT SELECT id FROM resolved)
        AS open_requests
"""


class LiveWallet(Protocol):
    """A wallet that exists at Circle: whose it is, and what was answered to which stored request."""

    @property
    def user_id(self) -> UUID:
        """Whose it is."""
        ...

    @property
    def chain(self) -> str:
        """On which chain."""
        ...

    @property
    def outcome(self) -> Live | Failed:
        """How it ended: a wallet, here."""
        ...

    @property
    def job_id(self) -> UUID | None:
        """The job that wanted it."""
        ...

    @property
    def epoch(self) -> int | None:
        """In whose hands that was."""
        ...

    @property
    def request_id(self) -> UUID | None:
        """The stored request that asked for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WentLive:
    """The places of those that were left alone, and the requests that may have members waiting."""

    left_alone: frozenset[int]
    open_requests: tuple[str, ...]


def go_live(tx: Transaction, wallets: Sequence[LiveWallet]) -> WentLive:
    """Record wallets of different users or chains. For PostgreSQL alone."""
    ids = Texts()
    lives = [cast("Live", wallet.outcome) for wallet in wallets]
    parameters = {
        "user_ids": ids.array([wallet.user_id for wallet in wallets]),
        "chains": array_text([wallet.chain for wallet in wallets]),
        "blockchains": array_text([live.blockchain for live in lives]),
        "addresses": array_text([live.address for live in lives]),
        "circle_wallet_ids": ids.array([live.circle_wallet_id for live in lives]),
        "wallet_set_ids": ids.array([live.wallet_set_id for live in lives]),
        "account_types": array_text([live.account_type for live in lives]),
        "adopted": ids_text(["t" if live.adopted else "f" for live in lives]),
        "circle_request_ids": array_text([live.circle_request_id for live in lives]),
        "job_ids": ids.array([wallet.job_id for wallet in wallets]),
        "epochs": ids_text([wallet.epoch for wallet in wallets]),
        "request_ids": ids.array([wallet.request_id for wallet in wallets]),
        "audit_ids": ids_text(new_ids(len(wallets))),
        "actor": tx.actor,
        "action": WALLET_CREATED,
    }
    row = tx.execute(_STATEMENT, parameters).one()
    return WentLive(left_alone=frozenset(row.left_alone), open_requests=tuple(row.open_requests))


def _typed(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("actor", type_=Words), bindparam("action", type_=Words))


_STATEMENT = _typed(_GO_LIVE)
