"""Columns as the text of a PostgreSQL array: one parameter for any number of rows.

The driver's own arrays cost ten times the CPU, since it looks at each value in Python.
"""

import re
from collections.abc import Iterable, Sequence

from wallet_provisioning.store.texts import clean

_PLAIN = re.compile(r"[A-Za-z0-9_.:,\-]*")
_NULL = "NULL"


def ids_text(values: Iterable[object]) -> str:
    """Return ids, numbers or other values whose text needs no quotes as an array; None is NULL."""
    return "{" + ",".join([_NULL if value is None else str(value) for value in values]) + "}"


def array_text(values: Sequence[str | None]) -> str:
    """Return any texts as an array; None is NULL. What no database can hold is replaced."""
    joined = ",".join([_NULL if value is None else value for value in values])
    # Few values need quotes, and one look at all of them is far cheaper than one at each.
    if joined.count(",") == len(values) - 1 and _is_plain(joined, values):
        return "{" + joined + "}"
    return "{" + ",".join([_NULL if value is None else _quoted(value) for value in values]) + "}"


def _is_plain(joined: str, values: Sequence[str | None]) -> bool:
    return _PLAIN.fullmatch(joined) is not None and "" not in values and not _holds_null(joined, values)


def _holds_null(joined: str, values: Sequence[str | None]) -> bool:
    """Return whether a text would be taken for NULL."""
    return _NULL in joined.upper() and any(value is not None and value.upper() == _NULL for value in values)


def _quoted(value: str) -> str:
    return '"' + clean(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
