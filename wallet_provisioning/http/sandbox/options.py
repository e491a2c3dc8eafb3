"""What a sandbox can be told at its start; a switch for everything that no source settles of Circle."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from wallet_provisioning.http.sandbox.access import is_well_formed
from wallet_provisioning.http.sandbox.errors import WrongOptionError
from wallet_provisioning.http.sandbox.faultkinds import Fault
from wallet_provisioning.http.sandbox.refusals import HTTP_STATUS
from wallet_provisioning.http.sandbox.waits import RetryAfter

_SECRET = re.compile(r"[0-9a-fA-F]{64}")
_HIGHEST_PORT = 65535
_REFUSING = frozenset(range(400, 500))


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What Circle leaves open. A client must work with every setting.

    `retry_after`: the header of a 429. `http_status`: codes whose status differs from the default, as
    {156020: 400}. `other_body_gets_original`: a used key with another body returns the first answer
    instead of 156020. `failures_consume_keys`: a refused request is refused again under its key.
    `key_life`: how long a key is known (None: for ever). `ciphertext_first`: the ciphertext is checked
    before the key is looked up. `shows_set_name`: a wallet set's answer has its name.
    `blank_metadata`: wallets without name and refId show them as "". `reverses_wallets`: an answer
    lists its wallets backwards.
    """

    retry_after: RetryAfter = RetryAfter.SECONDS
    http_status: Mapping[int, int] = field(default_factory=dict)
    other_body_gets_original: bool = False
    failures_consume_keys: bool = False
    key_life: timedelta | None = None
    ciphertext_first: bool = True
    shows_set_name: bool = False
    blank_metadata: bool = False
    reverses_wallets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """The options of one sandbox; making wrong ones raises `WrongOptionError`.

    `port` 0 takes any free one. `latency` is added to every call of the API. Without `api_key` every
    well-formed key is accepted; without `entity_secret` the first one that arrives is registered, or
    none where `registers_first_secret` is off. `generates_credentials` makes both at the first start
    and keeps them in the state. Without `state` nothing outlives the process. `lock_wait` is how long
    another holder of the state is waited for. `wallets_per_set` is the size of a full set. `faults` are in
    force from the start; with `seed` they strike alike in every run. Ids and addresses are never seeded: a
    second run on the same state would draw them again.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    latency: timedelta = timedelta()
    api_key: str | None = field(default=None, repr=False)
    entity_secret: str | None = field(default=None, repr=False)
    generates_credentials: bool = False
    registers_first_secret: bool = True
    state: Path | None = None
    lock_wait: timedelta = timedelta()
    rate_limits: bool = True
    wallets_per_set: int = 10_000_000
    switches: Switches = field(default_factory=Switches)
    faults: tuple[Annotated[Fault, Field(discriminator="kind")], ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        for is_wrong, what in (
            (not 0 <= self.port <= _HIGHEST_PORT, f"port {self.port} isn't one of 0 to {_HIGHEST_PORT}"),
            (self.latency < timedelta(), "the latency can't be negative"),
            (
                self.api_key is not None and not is_well_formed(self.api_key),
                "the API key must look like TEST_API_KEY:id:secret or LIVE_API_KEY:id:secret",
            ),
            (
                self.entity_secret is not None and not _SECRET.fullmatch(self.entity_secret),
                "the entity secret must be 64 hex characters",
            ),
            (
                not set(self.switches.http_status) <= set(HTTP_STATUS),
                "a status can be switched for known codes only",
            ),
            (
                not set(self.switches.http_status.values()) <= _REFUSING,
                "a refusal's status is one of 400 to 499",
            ),
        ):
            if is_wrong:
                raise WrongOptionError(what=what)
