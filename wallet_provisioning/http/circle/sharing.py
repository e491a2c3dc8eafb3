"""One account's allowance among many daemons: what a budget needs of whoever keeps it, and how it asks.

Calls are granted in blocks: a budget asks for as many as wait, and says in the same breath when the
places of its earlier calls are free again. All times that cross are *from now on*, so no daemon's clock is
ever compared with another's.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

VALIDITY = 0.25  # seconds within which a granted call must go out


class Grant(Protocol):
    """What a pool answers. Times are seconds from now on."""

    @property
    def tokens(self) -> Sequence[str]:
        """The calls that may go out within the validity."""
        ...

    @property
    def retry_in(self) -> float:
        """When more may be had."""
        ...

    @property
    def share(self) -> float:
        """Which share of the limit the account may use: what is learnt from a 429 of any daemon's."""
        ...

    @property
    def gate(self) -> float:
        """How long the whole account makes no call."""
        ...

    @property
    def epoch(self) -> str:
        """Changes when the pool has forgotten everything."""
        ...


class Pool(Protocol):
    """Where all daemons' allowance is kept. Used on one asyncio loop."""

    async def exchange(
        self,
        kind: str,
        *,
        limit: int,
        want: int,
        daemons: int,
        frees: Sequence[tuple[str, float]],
        refused: float | None,
    ) -> Grant | None:
        """Ask for `want` more calls of an account that allows `limit`; None where the pool can't be reached.

        `frees` are tokens of earlier calls, each with the seconds until its place is free; below zero it
        was never used. One that the pool doesn't know is held for so long all the same: it may have
        forgotten. `refused` is how long the gate closes after a 429. `daemons` is how many there are.
        """
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


Count = Callable[[], int]


def alone() -> int:
    """Return that there is one daemon."""
    return 1
