"""The waiting room of a Circle actor: who asked, and whether it is time to send.

Jobs that were claimed together come in one *wave*, whose size is known. When the waves that wait are
complete nobody else is expected, so what waits goes at once; else it goes when a full batch waits or
after a moment. At low load a wave is one job, and nothing waits for company.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from opentelemetry.trace import Span

from wallet_provisioning.actors.writer import Assignment

MOMENT = timedelta(milliseconds=20)
FULL_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """The jobs of one claim: its number, and how many of them ask each chain."""

    number: int
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One job's wish for its wallet on this chain."""

    assignment: Assignment
    span: Span
    wave: Wave | None
    since: timedelta

    @property
    def user_id(self) -> UUID:
        """Whose wallet it is."""
        return self.assignment.job.user_id

    def is_earlier_than(self, other: "Ask") -> bool:
        """Return whether this is an earlier attempt at the same job: one that asks late has lost it."""
        mine, others = self.assignment.job, other.assignment.job
        return mine.id == others.id and mine.epoch < others.epoch

    def at_once(self) -> "Ask":
        """Return the same wish, waiting for nobody any more."""
        return replace(self, wave=None)


class WaitingRoom:
    """The asks of one chain, in the order in which they came; one a user, that of the latest attempt."""

    def __init__(self, chain: str) -> None:
        """Start empty."""
        self._chain = chain
        self._asks: dict[UUID, Ask] = {}
        self._arrived: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._asks)

    def holds(self, assignment: Assignment) -> bool:
        """Return whether this very attempt waits already."""
        ask = self._asks.get(assignment.job.user_id)
        return ask is not None and ask.assignment.key == assignment.key

    def add(self, ask: Ask) -> Ask | None:
        """Let an ask wait; return the one that gives way: of two attempts the later waits."""
        replaced = self._asks.get(ask.user_id)
        if replaced is not None and ask.is_earlier_than(replaced):
            return ask
        self._asks[ask.user_id] = ask
        self._count(ask)
        return replaced

    def _count(self, ask: Ask) -> None:
        if ask.wave is not None:
            self._arrived[ask.wave.number] = self._arrived.get(ask.wave.number, 0) + 1

    def is_ready(self, now: timedelta) -> bool:
        """Return whether what waits is to be sent now."""
        if not self._asks:
            return False
        if len(self._asks) >= FULL_BATCH or now - self._oldest() >= MOMENT:
            return True
        return all(self._is_complete(ask.wave) for ask in self._asks.values())

    def first(self) -> Ask | None:
        """Return who has waited longest."""
        return next(iter(self._asks.values()), None)

    def take(self, most: int = FULL_BATCH) -> list[Ask]:
        """Take the first of those that wait."""
        users = list(self._asks)[:most]
        taken = [self._asks.pop(user) for user in users]
        self._forget_waves()
        return taken

    def put_back(self, asks: list[Ask]) -> None:
        """Let asks wait again, before all others."""
        again = {ask.user_id: ask for ask in asks}
        self._asks = {**again, **self._asks}

    def _oldest(self) -> timedelta:
        return min(ask.since for ask in self._asks.values())

    def _is_complete(self, wave: Wave | None) -> bool:
        return wave is None or self._arrived.get(wave.number, 0) >= wave.sizes.get(self._chain, 0)

    def _forget_waves(self) -> None:
        waiting = {ask.wave.number for ask in self._asks.values() if ask.wave is not None}
        self._arrived = {wave: count for wave, count in self._arrived.items() if wave in waiting}
