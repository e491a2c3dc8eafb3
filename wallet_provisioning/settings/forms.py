"""The forms that a setting's text can have: each function here takes the text or says what to write.

Every reader raises `ValueError` with the end of a sentence that begins with the variable's name
("must be …"). A text that may be a secret is never repeated in it.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import SecretStr

from wallet_provisioning.durations import InvalidDurationError, format_duration, parse_duration
from wallet_provisioning.store.errors import InvalidDatabaseUrlError
from wallet_provisioning.store.urls import dialect_of, parse_url

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_CENTURY = timedelta(days=36_500)
_YES = frozenset({"true", "1", "yes", "on"})
_NO = frozenset({"false", "0", "no", "off"})


def text(value: str) -> str:
    """Take any text."""
    return value


def host(value: str) -> str:
    """Take a name or an address; an IPv6 address also in the brackets that it has in a URL."""
    return value[1:-1] if value.startswith("[") and value.endswith("]") else value


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return the reader of a whole number within bounds, both included."""

    def read(value: str) -> int:
        if re.fullmatch(r"[0-9]{1,9}", value) and least <= int(value) <= most:
            return int(value)
        msg = f"must be a whole number from {least} to {most}, not {value!r}"
        raise ValueError(msg)

    return read


def share_below_one(value: str) -> float:
    """Take a share: 0 or more, less than 1."""
    if re.fullmatch(r"[0-9]*\.?[0-9]+", value) and float(value) < 1:
        return float(value)
    msg = f"must be a number from 0 up to, but not including, 1, such as 0.1, not {value!r}"
    raise ValueError(msg)


def flag(value: str) -> bool:
    """Take a yes or no in one of its usual spellings."""
    if value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    msg = f"must be true or false, not {value!r}"
    raise ValueError(msg)


def span(least: timedelta, most: timedelta = _WEEK) -> Callable[[str], timedelta]:
    """Return the reader of a duration within bounds, both included."""

    def read(value: str) -> timedelta:
        try:
            duration = parse_duration(value)
        except InvalidDurationError as error:
            msg = f"must be a whole number and a unit, such as 500ms, 30s, 1m or 2h, not {value!r}"
            raise ValueError(msg) from error
        if least <= duration <= most:
            return duration
        msg = f"must be from {format_duration(least)} to {format_duration(most)}, not {value}"
        raise ValueError(msg)

    return read


def keeping(value: str) -> timedelta:
    """Take how long something is kept: 0s is for ever, anything else at least a day."""
    duration = span(timedelta(), _CENTURY)(value)
    if timedelta() < duration < _DAY:
        msg = f"must be 0s, which keeps all for ever, or at least 24h, not {value}"
        raise ValueError(msg)
    return duration


def names(value: str) -> tuple[str, ...]:
    """Take a comma-separated list of at least one name."""
    found = tuple(name.strip() for name in value.split(","))
    if all(found):
        return found
    msg = f"must be names separated by commas, such as ETH,SOL,APTOS, not {value!r}"
    raise ValueError(msg)


def one_of(*choices: str) -> Callable[[str], str]:
    """Return the reader of a word from a closed set; case doesn't matter."""

    def read(value: str) -> str:
        if value.lower() in choices:
            return value.lower()
        msg = f"must be one of {', '.join(choices)}, not {value!r}"
        raise ValueError(msg)

    return read


def uuid(value: str) -> UUID:
    """Take a UUID, written with hyphens."""
    try:
        found = UUID(value)
    except ValueError:
        found = None
    if found is not None and str(found) == value.lower():
        return found
    msg = f"must be a UUID such as 0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f, not {value!r}"
    raise ValueError(msg)


def secret(value: str) -> SecretStr:
    """Take a secret of printable ASCII without blanks, which any HTTP header can carry."""
    if value.isascii() and value.isprintable() and " " not in value:
        return SecretStr(value)
    msg = "must be printable ASCII without blanks"
    raise ValueError(msg)


def shared_secret(value: str) -> SecretStr:
    """Take a secret of any text: it is a key to sign with and travels nowhere."""
    return SecretStr(value)


def api_key(value: str) -> SecretStr:
    """Take a Circle API key: its environment, an id and a secret."""
    if re.fullmatch(r"(TEST|LIVE)_API_KEY:[!-9;-~]+:[!-9;-~]+", value):
        return SecretStr(value)
    msg = "must have the form TEST_API_KEY:id:secret or LIVE_API_KEY:id:secret, as Circle's console shows it"
    raise ValueError(msg)


def entity_secret(value: str) -> SecretStr:
    """Take Circle's entity secret."""
    if re.fullmatch(r"[0-9A-Fa-f]{64}", value):
        return SecretStr(value.lower())
    msg = "must be the entity secret itself, 64 hexadecimal characters, not its ciphertext"
    raise ValueError(msg)


def signing_key(value: str) -> SecretStr:
    """Take the secret key that signs the audit's seals."""
    if re.fullmatch(r"[0-9A-Fa-f]{64}", value):
        return SecretStr(value.lower())
    msg = "must be 64 hexadecimal characters; `wallet-provisioning audit key --new` makes them"
    raise ValueError(msg)


def web_address(value: str) -> str:
    """Take an http or https address without user, query or fragment; a last slash is dropped."""
    parts = urlsplit(value if _has_sound_port(value) else "")
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc or " " in value)
    if is_plain and parts.scheme in {"http", "https"} and parts.hostname and value.isprintable():
        return value.rstrip("/")
    msg = "must be an address such as https://api.circle.com, without user, query or fragment"
    raise ValueError(msg)


def database_url(value: str) -> SecretStr:
    """Take a database's URL, which may hold a password."""
    try:
        parse_url(value)
    except InvalidDatabaseUrlError as error:
        msg = f"must be postgresql://user:password@host/name or sqlite:///file.db: {error.why}"
        raise ValueError(msg) from error
    return SecretStr(value)


def listen_url(value: str) -> SecretStr:
    """Take the URL of a PostgreSQL server itself, which may hold a password."""
    try:
        is_postgresql = dialect_of(parse_url(value)) == "postgresql"
    except InvalidDatabaseUrlError:
        is_postgresql = False
    if is_postgresql:
        return SecretStr(value)
    msg = "must be postgresql://user:password@host/name, past any pooler"
    raise ValueError(msg)


def redis_url(value: str) -> SecretStr:
    """Take a Redis URL, which may hold a password."""
    if value.startswith(("redis://", "rediss://", "unix://")) and _has_sound_port(value):
        return SecretStr(value)
    msg = "must be redis://host:6379/0, rediss://… or unix:///path"
    raise ValueError(msg)


def _has_sound_port(url: str) -> bool:
    """Return whether a URL's host and port can be told apart, and the port, if any, is one."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False
