"""The waiting room of a Circle actor: who asked, and whether it is time to send.

Jobs that were claimed together come in one *wave*, whose size is known. When the waves that wait are
complete nobody else is expected, so what waits goes at once; else it goes when a full batch waits or
after a moment. At low load a wave is one job, and nothing waits for company.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count, islice
from typing import TypeAlias
from uuid import UUID

from opentelemetry.trace import Span

from wallet_provisioning.actors.results import Assignment

MOMENT = timedelta(milliseconds=20)
FULL_BATCH = 200

UserKey: TypeAlias = int  # the number of a user's id: it is looked up a dozen times a job


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """The jobs of one claim: its number, and how many of them ask each chain.

    `arrivals` count the asks of each chain as they are told, on whatever threads. The first one begins a
    chain's wait for company, those that fill a batch and the last end it; the others need wake nobody.
    """

    number: int
    sizes: Mapping[str, int]
    arrivals: Mapping[str, Iterator[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        object.__setattr__(self, "arrivals", {chain: count(1) for chain in self.sizes})

    def is_quiet(self, chain: str) -> bool:
        """Count one more ask, and return whether it may wait until another one wakes the chain's actor."""
        number = next(self.arrivals[chain], 1)
        return 1 < number < self.sizes[chain] and number % FULL_BATCH != 0


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

    @property
    def user_key(self) -> UserKey:
        """Whose wallet it is, as what it is looked up by."""
        return self.assignment.job.user_id.int

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
        self._asks: dict[UserKey, Ask] = {}
        self._arrived: dict[int, int] = {}
        self._waves: dict[int, Wave] = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._asks)

    def holds(self, assignment: Assignment) -> bool:
        """Return whether this very attempt waits already."""
        ask = self._asks.get(assignment.job.user_id.int)
        return ask is not None and ask.assignment.key == assignment.key

    def add(self, ask: Ask) -> Ask | None:
        """Let an ask wait; return the one that gives way: of two attempts the later waits."""
        user = ask.user_key
        replaced = self._asks.get(user)
        if replaced is not None and ask.is_earlier_than(replaced):
            return ask
        self._asks[user] = ask
        self._count(ask)
        return replaced

    def _count(self, ask: Ask) -> None:
        if ask.wave is not None:
            number = ask.wave.number
            self._waves[number] = ask.wave
            self._arrived[number] = self._arrived.get(number, 0) + 1

    def is_ready(self, now: timedelta) -> bool:
        """Return whether what waits is to be sent now."""
        if not self._asks:
            return False
        if len(self._asks) >= FULL_BATCH or all(self._is_complete(wave) for wave in self._waves.values()):
            return True
        return now - self._oldest() >= MOMENT

    def first(self) -> Ask | None:
        """Return who has waited longest."""
        return next(iter(self._asks.values()), None)

    def take(self, most: int = FULL_BATCH) -> list[Ask]:
        """Take the first of those that wait."""
        users = list(islice(self._asks, most))
        taken = [self._asks.pop(user) for user in users]
        self._forget_waves()
        return taken

    def put_back(self, asks: list[Ask]) -> None:
        """Let asks wait again, before all others."""
        if asks:
            again = {ask.user_key: ask for ask in asks}
            self._asks = {**again, **self._asks}
            self._waves.update({ask.wave.number: ask.wave for ask in asks if ask.wave is not None})

    def _oldest(self) -> timedelta:
        return min(ask.since for ask in self._asks.values())

    def _is_complete(self, wave: Wave) -> bool:
        return self._arrived.get(wave.number, 0) >= wave.sizes.get(self._chain, 0)

    def _forget_waves(self) -> None:
        """Forget the waves of which nobody waits any more."""
        left = {ask.wave.number: ask.wave for ask in self._asks.values() if ask.wave is not None}
        self._waves = left
        self._arrived = {number: arrived for number, arrived in self._arrived.items() if number in left}
