"""Which audit rows tell of a chain, or of a kind of error: what their documents say, since no column does.

No index serves these; a list looks for them row by row along its path (see `walks`).
"""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, func, literal, or_, select

from wallet_provisioning.store.columns import Document
from wallet_provisioning.store.walks import Columns

_SIDES = ("before", "after")


def names_chain(columns: Columns, chain: str, *, dialect: str) -> ColumnElement[bool]:
    """Return whether a row is about the chain: its resource, a wallet on it, or a job that wants it."""
    is_resource = and_(columns["resource_type"] == "chain", columns["resource_id"] == chain)
    changes = columns["changes"]
    if dialect == "postgresql":
        said = [{side: part} for side in _SIDES for part in ({"chain": chain}, {"chains": [chain]})]
        return or_(is_resource, *(_holds(changes, each) for each in said))
    wallet = [func.json_extract(changes, f"$.{side}.chain") == chain for side in _SIDES]
    lists = [func.json_each(changes, f"$.{side}.chains").table_valued("value") for side in _SIDES]
    job = [select(each.c.value).where(each.c.value == chain).exists() for each in lists]
    return or_(is_resource, *wallet, *job)


def tells_of_error(columns: Columns, error_type: str, *, dialect: str) -> ColumnElement[bool]:
    """Return whether a row says that the error stands since, on its job or wallet."""
    if dialect == "postgresql":
        return _holds(columns["changes"], {"after": {"error": {"type": error_type}}})
    return func.json_extract(columns["changes"], "$.after.error.type") == error_type


def _holds(changes: ColumnElement[object], part: Mapping[str, object]) -> ColumnElement[bool]:
    return changes.op("@>", is_comparison=True)(literal(part, Document))
