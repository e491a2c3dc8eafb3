"""Faults and switches as the command line writes them. Pure; whatever can't be meant is said by its field."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from wallet_provisioning.durations import InvalidDurationError, parse_duration
from wallet_provisioning.http.sandbox.errors import WrongOptionError
from wallet_provisioning.http.sandbox.faults import FaultPlan
from wallet_provisioning.http.sandbox.options import Switches
from wallet_provisioning.http.sandbox.refusals import Refusal
from wallet_provisioning.http.sandbox.violations import refusal_of

_KEY_LIFE = "key_life"
_HTTP_STATUS = "http_status"
_FOR_EVER = "forever"
_SWITCHES: TypeAdapter[Switches] = TypeAdapter(Switches)
SWITCHES = tuple(each.name for each in fields(Switches))


def read_plan(text: str | bytes, *, where: str) -> FaultPlan:
    """Return the faults of a file, written as for `PUT /sandbox/faults`; raises `WrongOptionError`."""
    try:
        return FaultPlan.model_validate_json(text)
    except ValidationError as error:
        raise WrongOptionError(what=f"{where}: {_told(refusal_of(error))}") from None


def read_fault(text: str) -> FaultPlan:
    """Return the plan of one fault such as `kind=cut,when=after,times=1`; raises `WrongOptionError`."""
    document = json.dumps({"faults": [_pairs(text)]})
    return read_plan(document, where=f"--fault {text}")


def read_switches(texts: Iterable[str]) -> Switches:
    """Return the switches that `name=value` texts set; raises `WrongOptionError`."""
    values: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        name, _, code = name.partition(".")
        if name not in SWITCHES or bool(code) is not (name == _HTTP_STATUS):
            known = ", ".join(f"{_HTTP_STATUS}.CODE" if one == _HTTP_STATUS else one for one in SWITCHES)
            raise WrongOptionError(what=f"--switch {text}: the switches are {known}")
        if name == _HTTP_STATUS:
            values.setdefault(name, {})[code] = value
        elif name == _KEY_LIFE:
            values[name] = None if value == _FOR_EVER else _duration(text, value)
        else:
            values[name] = value
    return _switches(values)


def _switches(values: Mapping[str, Any]) -> Switches:
    try:
        return _SWITCHES.validate_python(values)
    except ValidationError as error:
        raise WrongOptionError(what=f"--switch: {_told(refusal_of(error))}") from None


def _duration(text: str, value: str) -> object:
    try:
        return parse_duration(value)
    except InvalidDurationError as error:
        raise WrongOptionError(what=f"--switch {text}: {error}") from None


def _pairs(text: str) -> dict[str, object]:
    pairs: dict[str, object] = {}
    for part in text.split(","):
        name, sign, value = part.partition("=")
        if not sign or name in pairs:
            raise WrongOptionError(
                what=f"--fault {text}: write NAME=VALUE, each name once, as kind=cut,times=1"
            )
        pairs[name] = _value(value)
    return pairs


def _value(text: str) -> object:
    """Read numbers as such; everything else is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _told(refusal: Refusal) -> str:
    return "; ".join(f"{error.location}: {error.message}" for error in refusal.errors)
