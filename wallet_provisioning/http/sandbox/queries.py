"""Strict reading of query strings: unknown, doubled and contradicting parameters are refused. Pure."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from wallet_provisioning.http.sandbox.contract import Id
from wallet_provisioning.http.sandbox.refusals import invalid
from wallet_provisioning.http.sandbox.violations import broken, refusal_of

LARGEST_PAGE = 50
_NUMBER = re.compile(r"[0-9]{1,9}")


def _as_number(value: object) -> int:
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise broken(rule="number", text="must be a whole number")
    return int(value)


class ListQuery(BaseModel):
    """What every list takes: a span of createDate, the order and one page."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    from_: Annotated[AwareDatetime | None, Field(alias="from")] = None
    to: AwareDatetime | None = None
    page_size: Annotated[int, BeforeValidator(_as_number), Field(ge=1, le=LARGEST_PAGE)] = 10
    page_before: Id | None = None
    page_after: Id | None = None
    order: Literal["ASC", "DESC"] = "DESC"

    @model_validator(mode="after")
    def _one_cursor(self) -> Self:
        if self.page_before is not None and self.page_after is not None:
            raise broken(rule="exclusive", text="pageBefore and pageAfter exclude one another")
        return self


class WalletQuery(ListQuery):
    """`GET /v1/w3s/wallets`."""

    address: str | None = None
    blockchain: str | None = None
    sca_core: str | None = None
    wallet_set_id: Id | None = None
    ref_id: str | None = None


QueryT = TypeVar("QueryT", bound=ListQuery)


def read_query(kind: type[QueryT], pairs: Iterable[tuple[str, str]]) -> QueryT:
    """Return the query as the given kind; raises `Refusal` 2 that names every parameter to blame."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise invalid(location=name, error="unique", message="must be given once")
        values[name] = value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise refusal_of(error) from None
