"""Whole sets of rows in one statement.

A set travels as one parameter: rows as a JSON array, ids as an array's text. So the text of the
statement is the same for any number of rows, it is compiled and parsed once, and there is one round
trip. Arrays of the driver, one a column, cost five times the CPU, since it quotes each value in Python.
SQLite has no round trips to save; there the driver runs a write once a row. Its values are made ready
here, by their kind: the types' own way of looking at each value of each row costs four times as much.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Insert,
    String,
    Table,
    TableValuedAlias,
    Update,
    any_,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import NullType

from wallet_provisioning.store.columns import iso
from wallet_provisioning.store.text_ids import TextId
from wallet_provisioning.store.texts import clean, dump_document
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.urls import Dialect

Row: TypeAlias = Mapping[str, Any]

ROWS = "rows"


def insert_rows(tx: Transaction, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that all name the same columns."""
    if not rows:
        return
    names = tuple(rows[0])
    if tx.dialect == "sqlite":
        _run_each(tx, _insert_one(table, names), names, rows)
        return
    tx.execute(_insert(table, names), {ROWS: dump_document(rows)})


def update_rows(tx: Transaction, table: Table, rows: Sequence[Row]) -> None:
    """Update rows by their `id`; all name the same columns. The caller holds their locks."""
    if not rows:
        return
    names = tuple(rows[0])
    if tx.dialect == "sqlite":
        written = tuple(name for name in names if name != "id")
        _run_each(tx, _update_one(table, written), (*written, "id"), rows)
        return
    tx.execute(_update(table, names), {ROWS: dump_document(rows)})


def rows_source(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Return the rows of PostgreSQL's parameter `rows` as a table, typed as the columns of a table."""
    document = cast(bindparam(ROWS, type_=String), JSON)
    columns = [column(name, table.c[name].type) for name in names]
    return func.json_to_recordset(document).table_valued(*columns).render_derived(name="new", with_types=True)


def one_of(
    dialect: Dialect, expression: ColumnElement[Any], values: str | Iterable[object]
) -> ColumnElement[bool]:
    """Return the condition that a column holds one of these values.

    For a statement that is kept, give the name of its parameter, whose value is a `set_value`.
    """
    given = _bound(dialect, values)
    if dialect == "postgresql":
        return expression == any_(cast(given, ARRAY(expression.type)))
    return expression.in_(select(func.json_each(given).table_valued("value").c.value))


def one_of_pairs(
    dialect: Dialect,
    columns: tuple[ColumnElement[Any], ColumnElement[Any]],
    firsts: str | Iterable[object],
    seconds: str | Iterable[object],
) -> ColumnElement[bool]:
    """Return the condition that two columns hold the first and the second value of the same place."""
    first, second = columns
    if dialect == "postgresql":
        arrays = [
            cast(_bound(dialect, values), ARRAY(one.type))
            for one, values in zip(columns, (firsts, seconds), strict=True)
        ]
        pairs = func.unnest(*arrays).table_valued(column("first", first.type), column("second", second.type))
        derived = pairs.render_derived(name="pairs")
        return tuple_(first, second).in_(select(derived.c.first, derived.c.second))
    left = func.json_each(_bound(dialect, firsts)).table_valued("key", "value", name="left_side")
    right = func.json_each(_bound(dialect, seconds)).table_valued("key", "value", name="right_side")
    joined = select(left.c.value, right.c.value).where(left.c.key == right.c.key)
    return tuple_(first, second).in_(joined)


def set_value(dialect: Dialect, values: Iterable[object]) -> str:
    """Return values as the parameter of `one_of`: an array's text on PostgreSQL, JSON on SQLite."""
    if dialect == "sqlite":
        return dump_document(list(values))
    return "{" + ",".join(_quoted(str(value)) for value in values) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bound(dialect: Dialect, values: str | Iterable[object]) -> ColumnElement[Any]:
    # Without a type of its own the parameter takes that of the cast around it. PostgreSQL then sees a
    # constant array, which it looks up by hash; the cast of a text it would search from end to end.
    if isinstance(values, str):
        return bindparam(values, type_=NullType())
    return literal(set_value(dialect, values), NullType())


@lru_cache(maxsize=128)
def _insert(table: Table, names: tuple[str, ...]) -> Insert:
    return insert(table).from_select(names, select(rows_source(table, names)))


@lru_cache(maxsize=128)
def _insert_one(table: Table, names: tuple[str, ...]) -> str:
    places = ", ".join("?" for _ in names)
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - names of our own


@lru_cache(maxsize=128)
def _update(table: Table, names: tuple[str, ...]) -> Update:
    source = rows_source(table, names)
    values = {name: source.c[name] for name in names if name != "id"}
    return update(table).where(table.c.id == source.c.id).values(values)


@lru_cache(maxsize=128)
def _update_one(table: Table, names: tuple[str, ...]) -> str:
    written = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE {table.name} SET {written} WHERE id = ?"  # noqa: S608 - names of our own


def _run_each(tx: Transaction, statement: str, names: tuple[str, ...], rows: Sequence[Row]) -> None:
    values = itemgetter(*names)
    tx.connection.exec_driver_sql(statement, [tuple(map(_ready, values(row))) for row in rows])


def _ready(value: object) -> object:
    """Return a value as SQLite keeps it, whatever the column."""
    make = _KINDS.get(type(value))
    return value if make is None else make(value)


# Nearly all rows of a statement carry the same few moments.
_KINDS: dict[type, Callable[[Any], object]] = {
    str: clean,
    UUID: str,
    TextId: str,
    datetime: lru_cache(maxsize=64)(iso),
    dict: dump_document,
    list: dump_document,
    bool: int,
}
