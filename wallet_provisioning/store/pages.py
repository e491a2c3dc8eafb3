"""Lists, newest first, page by page. The cursor names its list and the last row that was looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement

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
    """Some items, and the cursor that leads to the next ones; None at the end.

    A page that a filter leaves few rows of may have less than it could, or nothing, and still a cursor.
    """

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
    """Which audit rows to list; `action_prefix` such as `admin:`, chain and error as a row tells of them."""

    status: AuditStatus | None = None
    user_id: UUID | None = None
    job_id: UUID | None = None
    action_prefix: str | None = None
    chain: str | None = None
    error_type: ErrorType | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def check_limit(limit: int) -> int:
    """Return a limit that is 1 to 200; raises `ValueError` for any other."""
    if not 1 <= limit <= LARGEST_PAGE:
        msg = f"limit must be 1 to {LARGEST_PAGE}, not {limit}"
        raise ValueError(msg)
    return limit


def cut(found: Sequence[Item_co], limit: int, end: Callable[[], UUID | None], *, of: str) -> Page[Item_co]:
    """Return the page; the item too many says that there is another, else `end` where to look on."""
    items = tuple(found[:limit])
    last = items[-1].id if len(found) > limit else end()
    return Page(items=items, next=None if last is None else cursor_of(of, last))


def cursor_of(name: str, last: UUID) -> str:
    """Return the cursor that leads on in the list of this name; it needs no encoding in a URL."""
    return f"{name}.{last}"


def parse_cursor(name: str, cursor: str) -> UUID:
    """Return the id that a cursor of a list stands for.

    Raises `InvalidCursorError` for any text that this list didn't give out, another list's cursor too.
    """
    try:
        last = UUID(cursor.removeprefix(f"{name}."))
    except ValueError:
        raise InvalidCursorError(InvalidCursorError.__doc__) from None
    if cursor != cursor_of(name, last):
        raise InvalidCursorError(InvalidCursorError.__doc__)
    return last


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
