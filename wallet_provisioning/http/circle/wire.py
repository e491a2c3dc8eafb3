"""The shapes of Circle's answers. Fields that aren't used aren't read, and unknown ones are no fault."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from wallet_provisioning.jobs.errors import ErrorType


class BrokenAnswerError(Exception):
    """Circle's answer is not what its contract promises; the message names the field."""

    def __init__(self, error_type: ErrorType, message: str) -> None:
        """Say whether it was cut on the way (`network`) or is wrong in itself (`validation`)."""
        super().__init__(message)
        self.error_type = error_type


def only_text(value: object) -> object:
    """Refuse numbers where pydantic would take them for a time."""
    if not isinstance(value, str | datetime):
        msg = "not a text"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns only this one into a fault of the field
    return value


class Body(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, hide_input_in_errors=True)


class WalletBody(Body):
    """A wallet, as creation and look-up answer it."""

    id: UUID
    ref_id: str
    state: str
    wallet_set_id: UUID
    custody_type: str
    address: str
    blockchain: str
    account_type: str
    create_date: Annotated[AwareDatetime, BeforeValidator(only_text)]


class WalletsBody(Body):
    """The `data` of creation and look-up; each wallet is read by itself, so that one can be wrong."""

    wallets: list[object]


class _WalletSet(Body):
    id: UUID


class WalletSetBody(Body):
    """The `data` of everything about one wallet set."""

    wallet_set: _WalletSet


class PublicKeyBody(Body):
    """The `data` of the entity's public key."""

    public_key: str


def first_fault(error: ValidationError) -> str:
    """Return the first field that is wrong and why, without its value."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"{field}: {fault['msg']}" if field else fault["msg"]
