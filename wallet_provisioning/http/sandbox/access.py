"""Who may call: reading the Authorization header. Pure; a key never appears in an error."""

import hmac
import re
from dataclasses import dataclass, field

from wallet_provisioning.http.sandbox.networks import World
from wallet_provisioning.http.sandbox.refusals import Code, Refusal

_KEY = re.compile(r"(TEST|LIVE)_API_KEY:[!-9;-~]+:[!-9;-~]+")
_SCHEME = "Bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The key and the entity secret that this sandbox accepts; None where it isn't choosy."""

    api_key: str | None = field(default=None, repr=False)
    entity_secret: str | None = field(default=None, repr=False)


def is_well_formed(api_key: str) -> bool:
    """Tell whether this looks like a key of Circle's."""
    return _KEY.fullmatch(api_key) is not None


def world_of(api_key: str) -> World:
    """Return the world that a well-formed key opens."""
    return World.TEST if api_key.startswith("TEST") else World.LIVE


def authorise(header: str | None, accepted: str | None) -> World:
    """Return the world that the header opens; raises `Refusal` 401 for a malformed, 4 for a wrong key.

    `accepted` is the only good key, None accepts every well-formed one.
    """
    if header is None or not header.startswith(_SCHEME):
        raise Refusal(Code.MALFORMED_KEY)
    api_key = header.removeprefix(_SCHEME)
    if not is_well_formed(api_key):
        raise Refusal(Code.MALFORMED_KEY)
    if accepted is not None and not hmac.compare_digest(api_key.encode(), accepted.encode()):
        raise Refusal(Code.WRONG_KEY)
    return world_of(api_key)
