"""What the client needs to know of an account at Circle, and the checks that need no network."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit

_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_ENTITY_SECRET = re.compile(r"[0-9a-fA-F]{64}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class AccountError(ValueError):
    """The account at Circle is described wrongly; the message says what to change, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long one call may take in each of its phases.

    `pool` is the wait for a free connection, which only a fault of the client itself makes long. `turn` is
    the longest wait for a turn in the budget; a call that gets none by then is never sent.
    """

    connect: timedelta = timedelta(seconds=5)
    read: timedelta = timedelta(seconds=30)
    write: timedelta = timedelta(seconds=10)
    pool: timedelta = timedelta(seconds=10)
    turn: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where Circle is and who asks. Raises `AccountError` for what could never work.

    The secrets are left out of the representation.
    """

    base_url: str
    api_key: str = field(repr=False)
    entity_secret: str = field(repr=False)
    timeouts: Timeouts = Timeouts()

    def __post_init__(self) -> None:
        """Refuse a key that would break a header, a secret of the wrong form, an unusable address."""
        if not _HEADER_SAFE.fullmatch(self.api_key):
            msg = "CIRCLE_API_KEY has a space, a line break or a character beyond ASCII; copy it again"
            raise AccountError(msg)
        check_entity_secret(self.entity_secret)
        _check_base_url(self.base_url, self.api_key)

    @property
    def is_loopback(self) -> bool:
        """Whether Circle is on this machine, as the built-in sandbox is."""
        return urlsplit(self.base_url).hostname in _LOOPBACK


def check_entity_secret(text: str) -> None:
    """Raise `AccountError` where the entity secret isn't 32 bytes in hexadecimal."""
    if not _ENTITY_SECRET.fullmatch(text):
        msg = "CIRCLE_ENTITY_SECRET isn't 64 hexadecimal characters (32 bytes)"
        raise AccountError(msg)


def _check_base_url(base_url: str, api_key: str) -> None:
    parts = _split(base_url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "CIRCLE_BASE_URL isn't an address such as https://api.circle.com"
        raise AccountError(msg)
    if parts.username is not None or parts.query or parts.fragment:
        msg = "CIRCLE_BASE_URL has a user, a query or a fragment; leave them out"
        raise AccountError(msg)
    if parts.scheme == "http" and api_key.startswith("LIVE_") and parts.hostname not in _LOOPBACK:
        msg = "CIRCLE_BASE_URL is plain http, over which a LIVE key never goes; use https"
        raise AccountError(msg)


def _split(base_url: str) -> SplitResult | None:
    try:
        parts = urlsplit(base_url)
        is_usable = parts.port != 0
    except ValueError:
        return None
    return parts if is_usable else None
