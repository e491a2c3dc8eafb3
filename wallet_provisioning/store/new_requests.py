"""The request that nearly every wave of asks ends in: all its members are new, and it holds them all.

It is stored only where each member is held, in the making, bound to no request, under its first key and
not to be asked for alone, and nothing stands in the way of creating. Where one member differs in anything
nothing is changed, and `requests` looks at each of them. What is checked is the same, and so is what is
written; but no row comes back, and nothing is made for each member but what is sent.

On PostgreSQL it is one statement. All its parts see what was committed when it began. A wallet that
another transaction binds meanwhile is waited for, and `locked` then has that wallet as it has become, so
it doesn't fit any more. `bound` writes nothing but wallets that are locked, hence to their latest version.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.jobs.identity import first_wallet_key, references
from wallet_provisioning.store.arrays import ids_text
from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.controls import EVERYTHING
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.request_rows import StoredMember, StoredRequest, name_of
from wallet_provisioning.store.tables import circle_requests
from wallet_provisioning.store.texts import dump_document
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.unclaimed import BEHIND


class RequestMember(NamedTuple):
    """A wallet that is wanted from Circle: by which job, in whose hands, for whom."""

    job_id: UUID
    epoch: int
    user_id: UUID


_NAMES = ", ".join(column.name for column in circle_requests.c)
_NOTHING_IN_THE_WAY = f"""
    NOT EXISTS (SELECT 1 FROM controls WHERE kind = '{BEHIND}' AND subject = '{EVERYTHING}')
    AND NOT EXISTS (SELECT 1 FROM unclaimed_wallets)
"""  # noqa: S608 - names of our own
_IS_NEW = "w.status = 'creating' AND w.request_id IS NULL AND w.generation = 0 AND NOT w.alone"
_FIELDS = """
    request_id = stored.id, blockchain = stored.blockchain, account_type = stored.account_type,
    wallet_set_id = stored.wallet_set_id, updated_at = stored.first_sent_at
"""

# store_new: store a request and bind its members' wallets to it, where all of them are new
_STORE_ON_POSTGRESQL = text(
    f"""
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
listed AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:job_ids AS text[]), CAST(:epochs AS integer[]), CAST(:user_ids AS text[]),
        CAST(:ref_ids AS text[])) WITH ORDINALITY AS l (job_id, epoch, user_id, ref_id, place)
),
locked AS MATERIALIZED (
    SELECT * FROM managed_wallets
    WHERE user_id = ANY (CAST(:user_ids AS varchar[])) AND chain = :chain
    ORDER BY id
    FOR UPDATE
),
fit AS MATERIALIZED (
    SELECT w.id, listed.place, listed.ref_id
    FROM listed
    JOIN locked AS w ON w.user_id = listed.user_id AND w.job_id = listed.job_id AND {_IS_NEW}
    CROSS JOIN LATERAL (
        -- Not a join that PostgreSQL may turn round: without statistics it would read all jobs that are held.
        SELECT 1 FROM wallet_provisioning_jobs AS j
        WHERE j.id = listed.job_id COLLATE "C" AND j.user_id = w.user_id AND j.epoch = listed.epoch
            AND j.status = 'in_progress' AND j.lease_until > (SELECT now FROM moment)
        OFFSET 0
    ) AS held
),
stored AS (
    INSERT INTO circle_requests ({_NAMES})
    SELECT :id, :key, :chain, :blockchain, :wallet_set_id, :account_type, CAST(:members AS jsonb), now,
        'unresolved', false, false, NULL
    FROM moment
    WHERE (SELECT count(*) FROM fit) = :count AND {_NOTHING_IN_THE_WAY}
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, blockchain, account_type, wallet_set_id, first_sent_at
),
bound AS (
    UPDATE managed_wallets AS w
    SET position = fit.place - 1, ref_id = fit.ref_id, {_FIELDS}
    FROM stored, fit
    WHERE w.id = fit.id
)
SELECT id FROM stored
"""  # noqa: S608 - names of our own
)

# The same on SQLite, where nobody else writes meanwhile.
_STORE_ON_SQLITE = text(
    f"""
INSERT INTO circle_requests ({_NAMES})
SELECT :id, :key, :chain, :blockchain, :wallet_set_id, :account_type, :members, :moment,
    'unresolved', 0, 0, NULL
WHERE :count = (
    SELECT count(*) FROM json_each(:listed) AS listed
    CROSS JOIN wallet_provisioning_jobs AS j ON j.id = json_extract(listed.value, '$[0]')
    CROSS JOIN managed_wallets AS w ON w.user_id = j.user_id AND w.chain = :chain
    WHERE j.status = 'in_progress' AND j.lease_until > :moment
        AND j.epoch = json_extract(listed.value, '$[1]')
        AND w.job_id = j.id AND w.user_id = json_extract(listed.value, '$[2]') AND {_IS_NEW}
) AND {_NOTHING_IN_THE_WAY}
ON CONFLICT (idempotency_key) DO NOTHING
"""  # noqa: S608 - names of our own
)
_BIND_ON_SQLITE = (
    "UPDATE managed_wallets SET request_id = ?, position = ?, ref_id = ?, blockchain = ?, account_type = ?, "
    "wallet_set_id = ?, updated_at = ? WHERE user_id = ? AND chain = ?"
)


def store_new(
    tx: Transaction, chain: Chain, wallet_set_id: UUID, wanted: Sequence[RequestMember]
) -> StoredRequest | None:
    """Store one request for all members in their order, or change nothing and return None."""
    users = [str(member.user_id) for member in wanted]
    if not 0 < len(set(users)) == len(users):
        return None
    request = StoredRequest(
        id=new_id(),
        idempotency_key=first_wallet_key(str(wallet_set_id), users, chain.name),
        chain=chain.name,
        blockchain=chain.blockchain,
        wallet_set_id=wallet_set_id,
        account_type=chain.account_type.value,
        members=_members(chain.name, wallet_set_id, wanted, users),
        age=None,
    )
    store = _store_on_sqlite if tx.dialect == "sqlite" else _store_on_postgresql
    return request if store(tx, request, wanted, users) else None


def _members(
    chain: str, wallet_set_id: UUID, wanted: Sequence[RequestMember], users: Sequence[str]
) -> tuple[StoredMember, ...]:
    ref_ids = references(str(wallet_set_id), users, chain)
    names = [name_of(chain, user) for user in users]
    each = zip(wanted, ref_ids, names, strict=True)
    # In the order of the fields: by their names it takes twice as long.
    return tuple(
        [StoredMember(one.user_id, chain, 0, ref_id, name, one.job_id) for one, ref_id, name in each]
    )


def _store_on_postgresql(
    tx: Transaction, request: StoredRequest, wanted: Sequence[RequestMember], users: Sequence[str]
) -> bool:
    values = {
        **_values(request),
        "job_ids": ids_text([member.job_id for member in wanted]),
        "epochs": ids_text([member.epoch for member in wanted]),
        "user_ids": ids_text(users),
        "ref_ids": ids_text([member.ref_id for member in request.members]),
    }
    return tx.execute(_STORE_ON_POSTGRESQL, values).first() is not None


def _store_on_sqlite(
    tx: Transaction, request: StoredRequest, wanted: Sequence[RequestMember], users: Sequence[str]
) -> bool:
    moment = iso(tx.read_clock())
    listed = [(member.job_id, member.epoch, user) for member, user in zip(wanted, users, strict=True)]
    values = {**_values(request), "listed": dump_document(listed), "moment": moment}
    if tx.execute(_STORE_ON_SQLITE, values).rowcount == 0:
        return False
    of_request = (request.blockchain, request.account_type, str(request.wallet_set_id), moment)
    bound = [
        (values["id"], position, member.ref_id, *of_request, user, request.chain)
        for position, (member, user) in enumerate(zip(request.members, users, strict=True))
    ]
    tx.connection.exec_driver_sql(_BIND_ON_SQLITE, bound)
    return True


def _values(request: StoredRequest) -> dict[str, Any]:
    return {
        "id": str(request.id),
        "key": str(request.idempotency_key),
        "chain": request.chain,
        "blockchain": request.blockchain,
        "wallet_set_id": str(request.wallet_set_id),
        "account_type": request.account_type,
        "members": dump_document([member.document() for member in request.members]),
        "count": len(request.members),
    }
