"""How a list is read by an index, newest first, so that a page costs the same however long the history is.

Each list has a *path*, the one condition that an index serves in the order of ids: a user, a kind of error,
a status that few rows have. All other conditions are looked at row by row along it, and at no more than
`LOOKED_AT` rows a page: then the page ends, even if it isn't full, and its cursor leads on from there. So
a filter that nearly nothing meets (a chain that nobody wants) takes more pages, and never a slow one.
The alternative, an index for each filter, would cost every job that goes well something at each write.

Ids are in the order of time, hence a time filter bounds them. The clocks that made the ids are those of
the daemons, the time is the database's: they may differ by `CLOCKS_DIFFER`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    TextClause,
    false,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from wallet_provisioning.store.tables import NOT_ROUTINE, audit_logs

LOOKED_AT = 10_000
CLOCKS_DIFFER = timedelta(minutes=10)
_MILLISECONDS_BITS = 80

Condition: TypeAlias = ColumnElement[bool] | TextClause
Columns: TypeAlias = Mapping[str, ColumnElement[Any]] | ReadOnlyColumnCollection[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The conditions that an index serves: it gives ids in their order.

    `is_small_set`: it gives them in no order, but they are only the unfinished ones or one user's, so they
    are sorted.
    """

    conditions: tuple[Condition, ...] = ()
    is_small_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """The path of audit rows by any of these actions, none of them routine."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A list's page: along which path, from where, and what else its rows must meet."""

    table: Table
    columns: Sequence[str]
    path: Path | Actions
    bounds: tuple[Condition, ...]
    others: Callable[[Columns], list[ColumnElement[bool]]]
    limit: int

    @property
    def is_exact(self) -> bool:
        """Whether the path alone says which rows are meant."""
        return not self.others(self.table.c)

    def query(self) -> Select[Any]:
        """Return the query of a page and one item more."""
        wanted = [self.table.c[name] for name in self.columns]
        if self.is_exact:
            return self._along(wanted, self.limit + 1)
        seen = self._along(wanted, LOOKED_AT).subquery("seen")
        kept = select(*seen.c).where(*self.others(seen.c))
        return kept.order_by(seen.c.id.desc()).limit(self.limit + 1)

    def end(self, connection: Connection) -> UUID | None:
        """Return the last row that was looked at, None where the path ended before that many."""
        if self.is_exact:
            return None
        seen = self._along([self.table.c.id], LOOKED_AT).subquery("seen")
        row = connection.execute(
            select(func.count().label("number"), func.min(seen.c.id).label("last"))
        ).one()
        last: UUID | None = row.last
        return last if row.number == LOOKED_AT else None

    def _along(self, wanted: Sequence[ColumnElement[Any]], limit: int) -> Select[Any]:
        """Return the query of the newest rows on the path."""
        own_id = self.table.c.id
        match self.path:
            case Actions(names=names):
                ids = _newest_of_each(names, self.bounds, limit)
                return select(*wanted).where(own_id.in_(ids)).order_by(own_id.desc()).limit(limit)
            case Path(conditions=conditions, is_small_set=True):
                ids = _newest_of_set(self.table, (*conditions, *self.bounds), limit)
                return select(*wanted).where(own_id.in_(ids)).order_by(own_id.desc())
            case Path(conditions=conditions):
                rows = select(*wanted).where(*conditions, *self.bounds)
                return rows.order_by(own_id.desc()).limit(limit)


def id_bounds(table: Table, after: datetime | None, before: datetime | None) -> list[ColumnElement[bool]]:
    """Return the bounds of the ids of what was created in this time."""
    since = [] if after is None else [table.c.id >= _id_at(after - CLOCKS_DIFFER)]
    until = [] if before is None else [table.c.id < _id_at(before + CLOCKS_DIFFER)]
    return [*since, *until]


def unusual_actions(connection: Connection, prefix: str) -> tuple[str, ...]:
    """Return the actions with this prefix that are no routine, by skipping from one to the next."""
    action = audit_logs.c.action
    first = select(func.min(action).label("action")).where(NOT_ROUTINE)
    names = first.cte("names", recursive=True)
    following = select(func.min(action)).where(NOT_ROUTINE, action > names.c.action).scalar_subquery()
    names = names.union_all(select(following).where(names.c.action.is_not(None)))
    found = connection.execute(select(names.c.action)).scalars()
    return tuple(name for name in found if name is not None and name.startswith(prefix))


def _id_at(moment: datetime) -> UUID:
    """Return the lowest id of version 7 of a moment; before 1970 the lowest of all."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return UUID(int=milliseconds << _MILLISECONDS_BITS)


def _newest_of_each(names: Sequence[str], bounds: Sequence[Condition], limit: int) -> Select[Any]:
    """Return the query of the newest ids of each action, of which the newest of all are some."""
    parts = [
        select(audit_logs.c.id)
        .where(NOT_ROUTINE, audit_logs.c.action == literal(name), *bounds)
        .order_by(audit_logs.c.id.desc())
        .limit(limit)
        .subquery()
        for name in names
    ]
    if not parts:
        return select(audit_logs.c.id).where(false())
    together = union_all(*[select(part.c.id) for part in parts]).subquery("together")
    return select(together.c.id).order_by(together.c.id.desc()).limit(limit)


def _newest_of_set(table: Table, conditions: Sequence[Condition], limit: int) -> Select[Any]:
    """Return the query of the newest ids of a set that is read whole, and not by walking all ids."""
    members = select(table.c.id).where(*conditions).cte("members").prefix_with("MATERIALIZED")
    return select(members.c.id).order_by(members.c.id.desc()).limit(limit)
