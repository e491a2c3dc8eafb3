"""Lists, newest first, page by page. The cursor is the id of the last item: ids are in order of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store.errors import InvalidCursorError

LARGEST_PAGE = 200


class HasId(Protocol):
    """What can be listed."""

    @property
    def id(self) -> UUID:
        """The id, whose order is the order of time."""
        ...


Item_co = TypeVar("Item_co", bound=HasId, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item_co]):
    """Some items, and the cursor that leads to the next ones; None at the end."""

    items: tuple[Item_co, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list; what is None doesn't narrow. Times: after inclusive, before exclusive."""

    status: JobStatus | None = None
    user_id: UUID | None = None
    chain: str | None = None
    error_type: ErrorType | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletFilter:
    """Which wallets to list."""

    status: WalletStatus | None = None
    user_id: UUID | None = None
    chain: str | None = None
    error_type: ErrorType | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which audit rows to list; `action_prefix` such as `admin:`."""

    status: AuditStatus | None = None
    user_id: UUID | None = None
    job_id: UUID | None = None
    action_prefix: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def narrow(statement: Select[Any], table: Table, limit: int, cursor: str | None) -> Select[Any]:
    """Return a list's query for one page and one item more.

    Raises `InvalidCursorError`, and `ValueError` for a limit outside 1 to 200.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        msg = f"limit must be 1 to {LARGEST_PAGE}, not {limit}"
        raise ValueError(msg)
    if cursor is not None:
        statement = statement.where(table.c.id < parse_cursor(cursor))
    return statement.order_by(table.c.id.desc()).limit(limit + 1)


def cut(found: Sequence[Item_co], limit: int) -> Page[Item_co]:
    """Return the page; the item too many says that there is another."""
    items = tuple(found[:limit])
    return Page(items=items, next=str(items[-1].id) if len(found) > limit else None)


def parse_cursor(cursor: str) -> UUID:
    """Return the id that a cursor stands for; raises `InvalidCursorError`."""
    try:
        return UUID(cursor)
    except ValueError:
        raise InvalidCursorError(InvalidCursorError.__doc__) from None


def equal(column: ColumnElement[Any], value: object | None) -> list[ColumnElement[bool]]:
    """Return the condition of an exact filter, none for None."""
    return [] if value is None else [column == value]


def within(
    column: ColumnElement[Any], after: datetime | None, before: datetime | None
) -> list[ColumnElement[bool]]:
    """Return the conditions of a time filter."""
    since = [] if after is None else [column >= after]
    until = [] if before is None else [column < before]
    return [*since, *until]
