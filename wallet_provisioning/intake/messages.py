"""What a message must look like. Pure: nothing here knows dramatiq, Redis or the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from wallet_provisioning.intake.options import TASK
from wallet_provisioning.jobs.chains import Served, UnknownChainError

_MOST_CHAINS = 100

Name = Annotated[str, StringConstraints(min_length=1, max_length=50)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message as it came; `arguments` and `options` are what the producer wrote."""

    message_id: str
    task: str
    positional: tuple[object, ...]
    arguments: Mapping[str, Any]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a valid message asks for."""

    user_id: UUID
    chains: tuple[str, ...]
    request_id: str | None


class InvalidMessageError(ValueError):
    """The message can never become a job; the text says why, without repeating what was in it."""


class _Arguments(BaseModel):
    """The arguments of `provision_wallets`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    user_id: UUID
    chains: list[Name] | None = None
    request_id: Text | None = None


def parse(envelope: Envelope, served: Served) -> Wanted:
    """Return what a message asks for; raises `InvalidMessageError`."""
    if envelope.task != TASK:
        msg = f"there is no task of that name; the only one is {TASK}"
        raise InvalidMessageError(msg)
    if envelope.positional:
        msg = f"{TASK} takes keyword arguments only"
        raise InvalidMessageError(msg)
    arguments = _read(envelope.arguments)
    return Wanted(
        user_id=arguments.user_id,
        chains=_select(arguments.chains, served),
        request_id=arguments.request_id,
    )


def trace_carrier(envelope: Envelope) -> dict[str, str]:
    """Return what a propagator reads the producer's trace from; one that isn't text counts as absent."""
    given = {name: envelope.options.get(name) for name in ("traceparent", "tracestate")}
    return {name: text for name, text in given.items() if isinstance(text, str)}


def named_user(envelope: Envelope) -> UUID | None:
    """Return the user that even an invalid message names, so that the audit finds it under them."""
    try:
        return UUID(str(envelope.arguments.get("user_id")))
    except ValueError:
        return None


def _read(arguments: Mapping[str, Any]) -> _Arguments:
    try:
        # By way of JSON, in which a UUID is a text and a strict reader still takes it.
        return _Arguments.model_validate_json(json.dumps(arguments))
    except ValidationError as error:
        raise InvalidMessageError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    found = [
        f"{_place(item['loc'])}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return "; ".join(found)


def _place(location: tuple[int | str, ...]) -> str:
    """Return where the error is. Names that the producer invented are cut: they go into the audit."""
    return ".".join(str(part)[:50] for part in location) or "arguments"


def _select(names: list[str] | None, served: Served) -> tuple[str, ...]:
    if names is not None and len(names) > _MOST_CHAINS:
        msg = f"chains: more than {_MOST_CHAINS}"
        raise InvalidMessageError(msg)
    try:
        return served.select(names)
    except UnknownChainError as error:
        msg = f"chains: {error}"
        raise InvalidMessageError(msg) from None
