"""What the gauges read at each scrape; the program hands it in, so telemetry knows none of its parts."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol


class ActorReading(Protocol):
    """The part of an actor's picture that metrics show. `supervision.snapshot.ActorView` fits."""

    @property
    def path(self) -> str:
        """Its place in the tree."""
        ...

    @property
    def state(self) -> str:
        """Where it stands in its life."""
        ...

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        ...

    @property
    def zombies(self) -> int:
        """How many abandoned incarnations of it still run."""
        ...

    @property
    def mailbox_depth(self) -> int:
        """How many messages wait for it."""
        ...

    @property
    def oldest_message_age(self) -> timedelta | None:
        """How long the first of them has waited; None where none waits."""
        ...


class Observed(Protocol):
    """The program as the gauges see it.

    Every method may be called from the threads of a scrape and of an exporter, also at once. One that
    fails costs its own metric that scrape and nothing else; slow ones make the scrape slow.
    """

    def active_jobs(self) -> int:
        """Return how many jobs run now."""
        ...

    def scheduler_running(self) -> bool:
        """Return whether the scheduler takes jobs."""
        ...

    def queue_depths(self) -> Mapping[str, int]:
        """Return how many unfinished jobs stand in each status."""
        ...

    def oldest_due_age(self) -> timedelta | None:
        """Return how long the longest-waiting due job has been due; None where none is."""
        ...

    def oldest_in_progress_age(self) -> timedelta | None:
        """Return how long ago the longest-running job was claimed; None where none runs."""
        ...

    def actors(self) -> Sequence[ActorReading]:
        """Return the tree."""
        ...

    def breakers(self) -> Mapping[str, int]:
        """Return each chain's breaker: 0 closed, 1 half-open, 2 open."""
        ...

    def budget_waiting(self) -> Mapping[str, int]:
        """Return how many calls to Circle wait for their turn, by kind."""
        ...

    def budget_rates(self) -> Mapping[str, float]:
        """Return how many calls a second may be made now, by kind; 0 while Circle wants none."""
        ...

    def reconcile_findings(self) -> Mapping[str, int]:
        """Return what the last reconcile found, by kind, also where it found none."""
        ...

    def reconcile_age(self) -> timedelta | None:
        """Return how long ago the last reconcile ended; None before the first."""
        ...


class NothingObserved:
    """A program that has not started yet."""

    def active_jobs(self) -> int:
        """Return that none runs."""
        return 0

    def scheduler_running(self) -> bool:
        """Return that it doesn't."""
        return False

    def queue_depths(self) -> Mapping[str, int]:
        """Return that nothing is known."""
        return {}

    def oldest_due_age(self) -> timedelta | None:
        """Return that nothing is due."""
        return None

    def oldest_in_progress_age(self) -> timedelta | None:
        """Return that nothing runs."""
        return None

    def actors(self) -> Sequence[ActorReading]:
        """Return an empty tree."""
        return ()

    def breakers(self) -> Mapping[str, int]:
        """Return that there are none."""
        return {}

    def budget_waiting(self) -> Mapping[str, int]:
        """Return that none waits."""
        return {}

    def budget_rates(self) -> Mapping[str, float]:
        """Return that nothing is known."""
        return {}

    def reconcile_findings(self) -> Mapping[str, int]:
        """Return that nothing is known."""
        return {}

    def reconcile_age(self) -> timedelta | None:
        """Return that there was none."""
        return None
