"""Values as the database holds them, for those who don't trust it: nothing is parsed on the way.

An id in upper case, a time with another offset or a document with a key twice reads like the true one, and
is another text. Who holds rows against what was sealed must see that text.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

from sqlalchemy import JSON, ColumnElement, Connection, Select, Table, Text, cast, select, type_coerce
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import NULLTYPE

from wallet_provisioning.store.columns import Id, Time, iso
from wallet_provisioning.store.texts import dump_anew, dump_document
from wallet_provisioning.store.urls import Dialect

# What the program writes in a document in place of what can't be stored.
_REPLACED = "\\ufffd"


def dialect_on(connection: Connection) -> Dialect:
    """Return the dialect of a connection."""
    return "sqlite" if connection.dialect.name == "sqlite" else "postgresql"


def select_stored(table: Table, dialect: Dialect) -> Select[Any]:
    """Return the query for all columns of a table; run it by `read_stored`."""
    return select(*(_as_stored(column, dialect).label(column.name) for column in table.columns))


def read_stored(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """Return rows of stored values. Text that is not UTF-8, which SQLite can hold, is bytes."""
    try:
        return [dict(row) for row in connection.execute(query).mappings()]
    except OperationalError as error:
        if connection.dialect.name != "sqlite" or "decode" not in str(error.orig):
            raise
    driver: Any = connection.connection.dbapi_connection
    driver.text_factory = _text_or_bytes
    try:
        return [dict(row) for row in connection.execute(query).mappings()]
    finally:
        driver.text_factory = str


def parse_document(stored: object, dialect: Dialect) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a document that is stored as the program would; raises `ValueError` for any other text.

    PostgreSQL keeps documents in a form of its own, in which only numbers can be written in several ways.
    """
    if not isinstance(stored, str):
        msg = "not a text"
        raise ValueError(msg)  # noqa: TRY004 - one error for all that was not stored by the program
    try:
        if dialect == "postgresql":
            return json.loads(stored, parse_float=_plain_number)
        document = json.loads(stored, parse_constant=_refuse)
        is_ours = stored == dump_document(document) or (_REPLACED in stored and stored == dump_anew(document))
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error
    return document if is_ours else _refuse(stored)


def as_written(moment: str) -> str:
    """Return a time of PostgreSQL's as the program writes times; one that is none of ours stays as it is."""
    try:
        return iso(datetime.fromisoformat(moment))
    except ValueError:
        return moment


def as_object(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def _as_stored(column: ColumnElement[Any], dialect: Dialect) -> ColumnElement[Any]:
    if dialect == "postgresql" and isinstance(column.type, Time | JSON):
        return cast(column, Text)
    return type_coerce(column, Text if isinstance(column.type, Id) else NULLTYPE)


def _plain_number(text: str) -> float:
    number = float(text)
    return number if format(Decimal(repr(number)), "f") == text else _refuse(text)


def _refuse(text: str) -> NoReturn:
    msg = f"not as it was written: {text[:40]}"
    raise ValueError(msg)


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
