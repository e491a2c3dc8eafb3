"""Column types that read back alike from both databases.

Ids are text with hyphens, so that users' SQL binds them as they see them. Times are `timestamptz` on
PostgreSQL and fixed-width ISO text on SQLite, whose order is the order of time.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, DateTime, Dialect, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from wallet_provisioning.store.text_ids import TextId, text_id
from wallet_provisioning.store.texts import clean

_ISO_LENGTH = len("2026-01-01T00:00:00.000000Z")
_ID_LENGTH = 36


class Id(TypeDecorator[UUID]):
    """A UUID, kept as text. Compared byte by byte: language rules would only cost time."""

    impl = String(_ID_LENGTH)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Name the collation where there is one to name."""
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(String(_ID_LENGTH, collation=collation))

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ANN401 - the library's type has no public name
        """Return what writes an id as text. Ids are read and written too often to go by way of `impl`."""
        del dialect
        return _written

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ANN401 - as above
        """Return what reads an id."""
        del dialect, coltype
        return _read


def _written(value: UUID | str | None) -> str | None:
    return None if value is None else str(value)


def _read(value: str | None) -> TextId | None:
    return None if value is None else text_id(value)


class Time(TypeDecorator[datetime]):
    """A moment, always aware and in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use text on SQLite."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(_ISO_LENGTH))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Write the moment; a naive one raises `ValueError`."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value} has no time zone"
            raise ValueError(msg)
        return iso(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:
        """Read the moment in UTC."""
        del dialect
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


class Words(TypeDecorator[str]):
    """A text from outside; what no database can hold is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write the text."""
        del dialect
        return None if value is None else clean(value)


Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def iso(moment: datetime) -> str:
    """Return a moment in RFC 3339, in UTC, to the microsecond: 27 characters."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
