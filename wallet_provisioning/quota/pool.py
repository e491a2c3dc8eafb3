"""The pool of all daemons' calls, in Redis: a client for the one script."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from wallet_provisioning.quota.script import SCRIPT

_MICRO = 1_000_000
_CONNECT_TIMEOUT, _REPLY_TIMEOUT = 1.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """Whose allowance it is. `url` may hold a password; `account` is a name without secrets.

    `lifetime` is how long a call of a daemon that says nothing more of it counts.
    """

    url: str
    account: str
    daemon: UUID
    window: timedelta = timedelta(seconds=1)
    lifetime: timedelta = timedelta(seconds=3.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What the pool answered; times are seconds from now on."""

    tokens: tuple[str, ...]
    retry_in: float
    share: float
    gate: float
    epoch: str


class RedisPool:
    """One daemon's way to the pool. Made on any thread, used on one asyncio loop; the first ask connects."""

    def __init__(self, options: PoolOptions) -> None:
        """Assign. A URL that can't be used raises `ValueError`."""
        self._options = options
        # It repeats nothing by itself: a grant whose reply was lost frees itself.
        self._redis: Redis = Redis.from_url(
            options.url,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_timeout=_REPLY_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(SCRIPT)
        self._serial = 0

    async def exchange(
        self,
        kind: str,
        *,
        limit: int,
        want: int,
        daemons: int,
        frees: Sequence[tuple[str, float]],
        refused: float | None,
    ) -> Granted | None:
        """Tell when the places of earlier calls are free and ask for more; None where Redis is away."""
        serial = self._serial
        self._serial += want
        told = [text for token, delay in frees for text in (token, round(delay * _MICRO))]
        arguments = [
            str(self._options.daemon),
            limit,
            want,
            daemons,
            _micro(self._options.lifetime),
            _micro(self._options.window),
            -1 if refused is None else round(refused * _MICRO),
            serial,
            *told,
        ]
        try:
            reply = await self._script(keys=self._keys(kind), args=arguments)
        except (RedisError, OSError):
            return None
        return _granted(reply, serial)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    def _keys(self, kind: str) -> list[str]:
        # The braces keep all keys of an account on one node of a Redis cluster.
        account = f"wallet-provisioning:budget:{{{self._options.account}}}"
        return [f"{account}:{kind}:places", f"{account}:{kind}:numbers", f"{account}:{kind}:wants", account]


def _granted(reply: Sequence[Any], serial: int) -> Granted:
    """Return what the script's reply means; its tokens are the numbers after `serial`."""
    count, retry_in, share, gate, epoch = reply
    return Granted(
        tokens=tuple(str(serial + number) for number in range(1, int(count) + 1)),
        retry_in=int(retry_in) / _MICRO,
        share=float(share),
        gate=int(gate) / _MICRO,
        epoch=epoch.decode(),
    )


def _micro(duration: timedelta) -> int:
    return round(duration.total_seconds() * _MICRO)
