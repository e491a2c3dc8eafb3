"""The lines between a sandbox process and its parent: orders on stdin, reports on stdout, as JSON.

The orders hold secrets, which is why they don't stand in the arguments. Durations are written as in ISO 8601.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from wallet_provisioning.http.sandbox.options import SandboxOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the parent says: how to serve, and by whom the process was started."""

    options: SandboxOptions
    parent_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Calls are answered from now on."""

    kind: Literal["ready"] = "ready"
    base_url: str
    port: int
    api_key: str = field(repr=False)
    entity_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A line for the operator."""

    kind: Literal["told"] = "told"
    text: str
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unable:
    """The process ends because of this; `why` is the line that the user reads."""

    kind: Literal["unable"] = "unable"
    why: str


Report: TypeAlias = Ready | Told | Unable

_ORDERS: TypeAdapter[Orders] = TypeAdapter(Orders)
_REPORT: TypeAdapter[Report] = TypeAdapter(Annotated[Report, Field(discriminator="kind")])


def write_orders(orders: Orders) -> bytes:
    """Return the line for the child."""
    return _ORDERS.dump_json(orders) + b"\n"


def read_orders(line: bytes) -> Orders:
    """Return what the parent said; raises `ValueError`."""
    return _ORDERS.validate_json(line)


def write_report(report: Report) -> bytes:
    """Return the line for the parent."""
    return _REPORT.dump_json(report) + b"\n"


def read_report(line: bytes) -> Report:
    """Return what the child said; raises `ValueError`."""
    return _REPORT.validate_json(line)
