"""Requests to Circle, stored before they are sent, so that any daemon can send them again as they were.

Theory of operation. A wallet can't be deleted at Circle, so no wallet may ever be asked for under two
keys. A key is derived from a request's members in their order. Hence a stored request is closed: its
members, their order and its key stay as they are, and each member points at it. A member that points at
a request is never put into another one; whoever wants its wallet gets the stored request, whole.

A member leaves its request in two ways only. `refuse_request`: Circle refused it for good before any
send whose end is uncertain, so nothing was made. `raise_generation`: Circle refused the key itself, and
a look-up found nothing. A timeout, a crash or a failed job never frees a member; a wallet that failed
and is tried again meets its old request. The daemon may die between the storing and the sending, so a
request that is handed out again counts as sent with an uncertain end, unless `mark_certain` was called.

Two daemons may open the same members at once, each with a job of its own or one of them a zombie. The
members' rows are locked, in the order of their ids, so the second finds the first one's request.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row, Select, String, and_, bindparam, select, type_coerce, update

from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.identity import reference
from wallet_provisioning.jobs.outcomes import Failed, Live
from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.new_requests import RequestMember, store_new
from wallet_provisioning.store.request_rows import (
    StoredMember,
    StoredRequest,
    name_of,
    reopen_requests,
    store_request,
)
from wallet_provisioning.store.sets import one_of, set_value
from wallet_provisioning.store.tables import NOT_LIVE, circle_requests, jobs, wallets
from wallet_provisioning.store.transaction import Transaction, moment_of
from wallet_provisioning.store.unclaimed import any_unclaimed, creation_hold, heed_reconciliation
from wallet_provisioning.store.urls import Dialect

_REFUSED = "refused"
_UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What to send for the members, and what needs no sending.

    `request` is new: those members that may share one. `unresolved` must be sent too: older requests
    that members belong to, whole, and new requests of one for members that may share none. `live` are
    wallets that exist already, `failed` those that failed for good in this job, `fenced_off` the members
    whose hold on their job is over.
    """

    request: StoredRequest | None
    unresolved: tuple[StoredRequest, ...]
    live: Mapping[UUID, Live]
    failed: Mapping[UUID, Failed]
    fenced_off: tuple[RequestMember, ...]


_Wanted: TypeAlias = tuple[RequestMember, Row[Any]]


@dataclass(slots=True)
class _Sorted:
    """The members by what is to be done with them."""

    fenced_off: list[RequestMember]
    live: dict[UUID, Live]
    failed: dict[UUID, Failed]
    bound_to: set[str]
    shared: list[_Wanted]
    alone: list[_Wanted]


def open_new(
    tx: Transaction, *, chain: Chain, wallet_set_id: UUID, members: Sequence[RequestMember]
) -> Opened | None:
    """Store one request for all members, if each of them is new; else change nothing and return None.

    It is a single statement on PostgreSQL, which `Database.write_once` is for, and all that most waves need.
    """
    new = store_new(tx, chain, wallet_set_id, members)
    if new is None:
        return None
    return Opened(request=new, unresolved=(), live={}, failed={}, fenced_off=())


def open_request(
    tx: Transaction,
    *,
    chain: Chain,
    wallet_set_id: UUID,
    members: Sequence[RequestMember],
    together: bool = True,
) -> Opened:
    """Store the request for these members, or return the one that each belongs to already.

    The lease and the epoch of every member are checked. Without `together` each gets its own request.
    A wallet that waits at Circle for its user is adopted. Commit before sending. Raises
    `CreationHeldError` while nothing may be created.
    """
    moment, held = _lock(tx, chain, members)
    if heed_reconciliation(tx, chain, wallet_set_id, held.values()):
        moment, held = _lock(tx, chain, members)
    parts = _sort(members, held, together=together)
    batches = [parts.shared, *([wanted] for wanted in parts.alone)]
    stored = [_store(tx, chain, wallet_set_id, batch, moment) for batch in batches if batch]
    is_shared = bool(parts.shared) or len(stored) == 1
    return Opened(
        request=stored[0] if is_shared else None,
        unresolved=(*reopen_requests(tx, parts.bound_to, moment), *(stored[1:] if is_shared else stored)),
        live=parts.live,
        failed=parts.failed,
        fenced_off=tuple(parts.fenced_off),
    )


def refuse_request(tx: Transaction, request_id: UUID, *, message: str) -> bool:
    """Close a request that Circle refused for good, and free its members.

    Members of a batch are asked for alone from then on. Returns False, and changes nothing, where an
    earlier send may have reached Circle: then the request stays whole.
    """
    statement = (
        update(circle_requests)
        .where(circle_requests.c.id == request_id, circle_requests.c.state == _UNRESOLVED)
        .where(circle_requests.c.ambiguous.is_(False))
        .values(state=_REFUSED, refusal=message)
        .returning(circle_requests.c.members)
    )
    members: list[dict[str, Any]] | None = tx.execute(statement).scalar()
    if members is None:
        return False
    is_batch = {"alone": True} if len(members) > 1 else {}
    freed = (
        update(wallets)
        .where(wallets.c.request_id == request_id, NOT_LIVE)
        .where(one_of(tx.dialect, wallets.c.user_id, [member["user_id"] for member in members]))
    )
    tx.execute(freed.values(request_id=None, position=None, **is_batch))
    return True


def mark_ambiguous(tx: Transaction, request_id: UUID) -> None:
    """Note that a send ended without a certain answer: the request may never be split afterwards."""
    statement = update(circle_requests).where(circle_requests.c.id == request_id)
    tx.execute(statement.values(ambiguous=True, certain=False))


def mark_certain(tx: Transaction, request_id: UUID) -> None:
    """Note that the last send certainly made nothing: it never left, or was refused for now.

    Without this note a request that is handed out again counts as ambiguous.
    """
    statement = update(circle_requests).where(circle_requests.c.id == request_id)
    tx.execute(statement.values(certain=True))


def raise_generation(tx: Transaction, request_id: UUID, *, members: Sequence[UUID]) -> None:
    """Free members under the next key: Circle refused this one, and a look-up found nothing for them.

    The request is closed. A member that left it meanwhile is not touched, so a repeat does no harm.
    """
    closed = update(circle_requests).where(circle_requests.c.id == request_id)
    tx.execute(closed.values(state=_REFUSED, refusal="Circle refused its idempotency key"))
    freed = (
        update(wallets)
        .where(wallets.c.request_id == request_id, NOT_LIVE)
        .where(one_of(tx.dialect, wallets.c.user_id, members))
    )
    tx.execute(freed.values(request_id=None, position=None, generation=wallets.c.generation + 1))


def _lock(
    tx: Transaction, chain: Chain, members: Sequence[RequestMember]
) -> tuple[datetime, dict[str, Row[Any]]]:
    """Lock the members' wallets; returns those whose jobs are still held, by job.

    Whether one is held is decided here and not by the query: jobs are found by their ids alone then. Wallets
    are found by their users, whom the members name: without statistics, as in a database that is minutes
    old, PostgreSQL takes a chain for something rare, and would read all its wallets, and the jobs for each.
    """
    sets = {
        "job_ids": set_value(tx.dialect, [member.job_id for member in members]),
        "user_ids": set_value(tx.dialect, [member.user_id for member in members]),
    }
    rows = tx.execute(_lock_wallets(tx.dialect), {**sets, "of_chain": chain.name, **tx.moment}).all()
    latest: datetime = rows[-1].moment if rows else tx.read_clock()
    return latest, {row.holder_job: row for row in rows if row.is_held}


_WALLET_COLUMNS = (
    *(wallets.c[name] for name in ("chain", "status", "generation", "alone", "account_type")),
    *(wallets.c[name] for name in ("blockchain", "address", "error_type", "error_message")),
    # Ids stay the texts that they are, and only the few that need it are read: a UUID of each is dear.
    *(type_coerce(wallets.c[name], String).label(name) for name in ("id", "user_id", "request_id", "job_id")),
    *(type_coerce(wallets.c[name], String).label(name) for name in ("circle_wallet_id", "wallet_set_id")),
)


@cache
def _lock_wallets(dialect: Dialect) -> Select[Any]:
    moment = moment_of(dialect)
    is_held = and_(jobs.c.status == JobStatus.IN_PROGRESS.value, jobs.c.lease_until > moment)
    job = (type_coerce(jobs.c.id, String).label("holder_job"), jobs.c.epoch, is_held.label("is_held"))
    notes = (creation_hold().label("hold"), any_unclaimed().label("has_unclaimed"))
    # SQLite, given the users too, would look each wallet up once for every job.
    by_user = [one_of(dialect, wallets.c.user_id, "user_ids")] if dialect == "postgresql" else []
    return (
        select(*_WALLET_COLUMNS, *job, *notes, moment.label("moment"))
        .join(jobs, jobs.c.user_id == wallets.c.user_id)
        .where(one_of(dialect, jobs.c.id, "job_ids"), *by_user)
        .where(wallets.c.chain == bindparam("of_chain"))
        .order_by(wallets.c.id)
        .with_for_update(of=wallets)
    )


def _sort(members: Iterable[RequestMember], held: Mapping[str, Row[Any]], *, together: bool) -> _Sorted:
    parts = _Sorted(fenced_off=[], live={}, failed={}, bound_to=set(), shared=[], alone=[])
    seen: set[UUID] = set()
    for member in members:
        row = held.get(str(member.job_id))
        if row is None or row.epoch != member.epoch or row.user_id != str(member.user_id):
            parts.fenced_off.append(member)
        elif member.user_id not in seen:
            seen.add(member.user_id)
            _sort_one(parts, member, row, together=together)
    return parts


def _sort_one(parts: _Sorted, member: RequestMember, row: Row[Any], *, together: bool) -> None:
    if row.status == WalletStatus.LIVE.value:
        parts.live[member.user_id] = _live(row)
    elif row.status != WalletStatus.CREATING.value:
        parts.failed[member.user_id] = _failed(row)
    elif row.request_id is not None:
        parts.bound_to.add(row.request_id)
    elif row.alone or not together:
        parts.alone.append((member, row))
    else:
        parts.shared.append((member, row))


def _live(row: Row[Any]) -> Live:
    return Live(
        blockchain=row.blockchain,
        address=row.address,
        circle_wallet_id=UUID(row.circle_wallet_id),
        wallet_set_id=UUID(row.wallet_set_id),
        account_type=row.account_type,
    )


def _failed(row: Row[Any]) -> Failed:
    return Failed(error_type=ErrorType(row.error_type), message=row.error_message or "")


def _store(
    tx: Transaction, chain: Chain, wallet_set_id: UUID, wanted: Sequence[_Wanted], moment: datetime
) -> StoredRequest:
    within = str(wallet_set_id)
    bound = {row.id: _member(member, row, chain, within) for member, row in wanted}
    return store_request(tx, chain, wallet_set_id, bound, moment)


def _member(member: RequestMember, row: Row[Any], chain: Chain, wallet_set_id: str) -> StoredMember:
    is_holders = row.job_id == row.holder_job
    return StoredMember(
        user_id=member.user_id,
        chain=chain.name,
        generation=row.generation,
        ref_id=reference(wallet_set_id, row.user_id, chain.name),
        name=name_of(chain.name, row.user_id),
        job_id=member.job_id if is_holders else _id(row.job_id),
    )


def _id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
