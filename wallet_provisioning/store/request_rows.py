"""The rows of stored requests, and the statements that write and read them.

The ordered members are kept twice: on the request, as they were stored and will be sent for ever, and
by the wallets' rows that point at it, which keep a wallet from being in two requests.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, Self
from uuid import UUID

from sqlalchemy import Executable, Exists, Row, column, exists, func, not_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.jobs.identity import Member, wallet_key
from wallet_provisioning.jobs.states import WalletStatus
from wallet_provisioning.store.columns import Document
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.ids import new_id
from wallet_provisioning.store.sets import one_of, update_rows
from wallet_provisioning.store.tables import circle_requests, wallets
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.urls import Dialect

_LONGEST_NAME = 50
_OF_REQUEST = ("blockchain", "account_type", "wallet_set_id")


class StoredMember(NamedTuple):
    """One wallet of a stored request. `job_id` is the job that wants it now, if any."""

    user_id: UUID
    chain: str
    generation: int
    ref_id: str
    name: str
    job_id: UUID | None

    @classmethod
    def read(cls, document: Mapping[str, Any], job_id: UUID | None) -> Self:
        """Make the member that a request keeps."""
        return cls(
            user_id=UUID(document["user_id"]),
            chain=document["chain"],
            generation=document["generation"],
            ref_id=document["ref_id"],
            name=document["name"],
            job_id=job_id,
        )

    def document(self) -> dict[str, Any]:
        """Return what the request keeps of the member."""
        return {
            "user_id": str(self.user_id),
            "chain": self.chain,
            "generation": self.generation,
            "ref_id": self.ref_id,
            "name": self.name,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """A request as it is sent, now and ever again; only the ciphertext is made anew.

    `age` counts from the first sending, None where this transaction stored it.
    """

    id: UUID
    idempotency_key: UUID
    chain: str
    blockchain: str
    wallet_set_id: UUID
    account_type: str
    members: tuple[StoredMember, ...]
    age: timedelta | None


def name_of(chain: str, user_id: str) -> str:
    """Return the name under which a user's wallet is made."""
    return f"{chain} {user_id}"[:_LONGEST_NAME]


def store_request(
    tx: Transaction,
    chain: Chain,
    wallet_set_id: UUID,
    bound: Mapping[str, StoredMember],
    moment: datetime,
) -> StoredRequest:
    """Store a new request for members in their order, by their wallets' ids, and bind the wallets to it.

    A request that was refused and has the same members takes the old row's place, since it has its key.
    """
    members = tuple(bound.values())
    key = wallet_key(
        str(wallet_set_id),
        [Member(user_id=m.user_id, chain=m.chain, generation=m.generation) for m in members],
    )
    values = _values(chain, wallet_set_id, members, key, moment)
    request_id = _write(tx, values)
    _bind(tx, {**values, "id": request_id}, bound)
    return StoredRequest(
        id=request_id,
        idempotency_key=key,
        chain=chain.name,
        blockchain=chain.blockchain,
        wallet_set_id=wallet_set_id,
        account_type=chain.account_type.value,
        members=members,
        age=None,
    )


def reopen_requests(
    tx: Transaction, request_ids: Collection[str], moment: datetime
) -> tuple[StoredRequest, ...]:
    """Hand stored requests out again, oldest first.

    One whose last send has no certain end becomes ambiguous: its daemon may have died while sending.
    """
    if not request_ids:
        return ()
    statement = (
        update(circle_requests)
        .where(one_of(tx.dialect, circle_requests.c.id, request_ids))
        .values(
            state="unresolved",
            ambiguous=or_(circle_requests.c.ambiguous, not_(circle_requests.c.certain)),
            certain=False,
        )
        .returning(circle_requests)
    )
    rows = sorted(tx.execute(statement).all(), key=lambda row: (row.first_sent_at, row.id))
    wanted_by = _jobs_of(tx, rows)
    return tuple(_stored(row, wanted_by, moment) for row in rows)


def binds(dialect: Dialect, *statuses: WalletStatus) -> Exists:
    """Return the condition that a wallet in one of these states points at a stored request.

    Its wallets are found by its members' users: an index on what wallets point at would be written with
    every request that is stored, and is asked for seldom.
    """
    elements = func.jsonb_array_elements if dialect == "postgresql" else func.json_each
    member = elements(circle_requests.c.members).table_valued(column("value", Document), name="member")
    # An expression, for which there is no index: SQLite would look through all wallets in these states.
    status = wallets.c.status.concat("")
    return (
        exists()
        .where(wallets.c.user_id == member.c.value["user_id"].as_string())
        .where(wallets.c.chain == circle_requests.c.chain, wallets.c.request_id == circle_requests.c.id)
        .where(status.in_([each.value for each in statuses]))
    )


def _values(
    chain: Chain,
    wallet_set_id: UUID,
    members: Iterable[StoredMember],
    key: UUID,
    moment: datetime,
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "idempotency_key": key,
        "chain": chain.name,
        "blockchain": chain.blockchain,
        "wallet_set_id": wallet_set_id,
        "account_type": chain.account_type.value,
        "members": [member.document() for member in members],
        "first_sent_at": moment,
        "state": "unresolved",
        "ambiguous": False,
        "certain": False,
        "refusal": None,
    }


def _bind(tx: Transaction, values: Mapping[str, Any], bound: Mapping[str, StoredMember]) -> None:
    fields = {name: values[name] for name in _OF_REQUEST}
    fields |= {"request_id": values["id"], "updated_at": values["first_sent_at"]}
    rows = [
        {"id": wallet_id, "position": position, "ref_id": member.ref_id, **fields}
        for position, (wallet_id, member) in enumerate(bound.items())
    ]
    update_rows(tx, wallets, rows)


def _write(tx: Transaction, values: dict[str, Any]) -> UUID:
    request_id: UUID | None = tx.execute(_insert(tx.dialect), values).scalar()
    if request_id is None:
        msg = f"key {values['idempotency_key']} belongs to a request that was not refused"
        raise RowRefusedError(msg)
    return request_id


@cache
def _insert(dialect: Dialect) -> Executable:
    insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(circle_requests)
    kept = {"id", "idempotency_key"}
    return insert.on_conflict_do_update(
        index_elements=[circle_requests.c.idempotency_key],
        set_={one.name: insert.excluded[one.name] for one in circle_requests.c if one.name not in kept},
        where=circle_requests.c.state == "refused",
    ).returning(circle_requests.c.id)


def _jobs_of(tx: Transaction, rows: Sequence[Row[Any]]) -> dict[tuple[UUID, UUID], UUID | None]:
    """Return which job wants each member now, found by its user, since live wallets have no index else."""
    users = {member["user_id"] for row in rows for member in row.members}
    columns = (wallets.c.request_id, wallets.c.user_id, wallets.c.job_id)
    query = (
        select(*columns)
        .where(one_of(tx.dialect, wallets.c.user_id, users))
        .where(one_of(tx.dialect, wallets.c.request_id, [row.id for row in rows]))
    )
    return {(row.request_id, row.user_id): row.job_id for row in tx.execute(query)}


def _stored(
    row: Row[Any], wanted_by: Mapping[tuple[UUID, UUID], UUID | None], moment: datetime
) -> StoredRequest:
    members = tuple(
        StoredMember.read(member, wanted_by.get((row.id, UUID(member["user_id"])))) for member in row.members
    )
    return StoredRequest(
        id=row.id,
        idempotency_key=row.idempotency_key,
        chain=row.chain,
        blockchain=row.blockchain,
        wallet_set_id=row.wallet_set_id,
        account_type=row.account_type,
        members=members,
        age=max(timedelta(), moment - row.first_sent_at),
    )
