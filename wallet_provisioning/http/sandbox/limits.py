"""Circle's rate limits: so many calls of a kind within any one second. Pure."""

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class CallKind(StrEnum):
    """What is counted together."""

    CREATE_WALLETS = "create_wallets"
    OTHER_WRITE = "other_write"
    READ = "read"


PER_SECOND: Mapping[CallKind, int] = MappingProxyType(
    {CallKind.CREATE_WALLETS: 10, CallKind.OTHER_WRITE: 5, CallKind.READ: 20}
)
_WINDOW = timedelta(seconds=1)


class Limits:
    """Counts the calls of the account, both worlds together. A refused call is not counted."""

    def __init__(self, per_second: Mapping[CallKind, int] = PER_SECOND) -> None:
        """Start with nothing counted."""
        self._per_second = per_second
        self._admitted: dict[CallKind, deque[timedelta]] = {kind: deque() for kind in CallKind}

    def admit(self, kind: CallKind, now: timedelta) -> timedelta | None:
        """Count a call at a reading of the monotonic clock; return how long to wait if it is too many."""
        admitted = self._admitted[kind]
        while admitted and admitted[0] <= now - _WINDOW:
            admitted.popleft()
        if len(admitted) >= self._per_second[kind]:
            return admitted[0] + _WINDOW - now
        admitted.append(now)
        return None
