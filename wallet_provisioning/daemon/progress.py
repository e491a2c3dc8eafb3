"""Whether the daemon gets on, and not merely lives: when each part last did its round, and what hangs.

What actors do to the store is read from the transactions that they commit, what they do besides from
the boards and from the tree as it stands. Nothing here asks an actor, so a hanging one can't hide it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from wallet_provisioning.actors.keeper import ORDERS
from wallet_provisioning.actors.listener import ECHO
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.clock import Clock
from wallet_provisioning.http.api.control import Check
from wallet_provisioning.store.daemons import HEARTBEAT
from wallet_provisioning.supervision.snapshot import ActorView
from wallet_provisioning.telemetry.events import Event, TransactionEnded

SCHEDULER = "scheduler"
_CLAIM, _RENEWAL, _COMMIT = "claim_jobs", "renew_lease", "record_results"
_WATCHED = frozenset({_CLAIM, _RENEWAL, _COMMIT})
_STALLED = timedelta(seconds=30)
_MISSED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressOptions:
    """What is expected. `hears_itself` where the store carries announcements (PostgreSQL)."""

    poll_interval: timedelta
    lease: timedelta
    hears_itself: bool


class Progress:
    """Takes note of rounds and tells of them. `hear` may be called on any thread, the rest belongs to one."""

    def __init__(self, shared: Shared, options: ProgressOptions, clock: Clock) -> None:
        """Start now: what has never happened is late only after its time."""
        self._shared = shared
        self._options = options
        self._clock = clock
        self._began = clock.monotonic()
        self._committed: dict[str, timedelta] = {}
        self._looked_at: timedelta | None = None

    def hear(self, event: Event) -> None:
        """Take note of a transaction that shows progress."""
        if isinstance(event, TransactionEnded) and event.reason in _WATCHED and event.outcome == "committed":
            self._committed[event.reason] = self._clock.monotonic()

    def looked(self) -> None:
        """Take note that the main loop looked after the tree."""
        self._looked_at = self._clock.monotonic()

    def stalled(self, root: ActorView) -> str | None:
        """Return why nothing goes on any more, None before the tree was started and while it does."""
        if self._looked_at is None:
            return None
        since = self._clock.monotonic() - self._looked_at
        if since > _STALLED:
            return f"nobody has looked after the tree for {_seconds(since)}"
        return _hangs(root)

    def checks(self, actors: Iterable[ActorView]) -> Mapping[str, Check]:
        """Return the rounds as checks by name."""
        views = {actor.path: actor for actor in actors}
        found = {
            "claims": self._claims(views[SCHEDULER]),
            "leases": self._leases(views.values()),
            "results": self._results(views["writer"]),
            "orders": self._orders(),
            "daemons": Check(ok=True, detail=f"{self._shared.census.count} live"),
        }
        return {**found, "listening": self._listening()} if self._options.hears_itself else found

    def _claims(self, scheduler: ActorView) -> Check:
        """Judge the scheduler by its own rounds; whether there was anything to claim is another matter."""
        hangs = _hangs(scheduler)
        age = self._age(self._shared.pulse.at(SCHEDULER))
        detail = f"looked {_seconds(age)} ago, last claim {self._told(_CLAIM)}"
        order = self._shared.orders.against_claiming()
        if order is not None:
            detail = f"{detail}; {order.state} by {order.placed_by}: {order.reason}"
        is_late = age > _MISSED * self._options.poll_interval + _STALLED
        return Check(ok=hangs is None and not is_late, detail=hangs or detail)

    def _leases(self, actors: Iterable[ActorView]) -> Check:
        """Judge the renewals: late where a job has been in hand for a lease and none was renewed since."""
        works = [actor.working_on for actor in actors if actor.path.startswith("jobs/")]
        held = [work.since for work in works if work is not None and work.subject is not None]
        since = max(held, default=timedelta())
        age = self._age(self._committed.get(_RENEWAL))
        is_late = min(since, age) > self._options.lease
        return Check(ok=not is_late, detail=f"{len(held)} jobs in hand, last renewal {self._told(_RENEWAL)}")

    def _results(self, writer: ActorView) -> Check:
        hangs = _hangs(writer)
        detail = f"last commit {self._told(_COMMIT)}, {writer.mailbox_depth} messages wait"
        return Check(ok=hangs is None, detail=hangs or detail)

    def _orders(self) -> Check:
        age = self._age(self._shared.pulse.at(ORDERS))
        count = len(self._shared.orders.all)
        return Check(ok=age <= _STALLED, detail=f"{count} standing orders, read {_seconds(age)} ago")

    def _listening(self) -> Check:
        """Judge announcements by those that this daemon sends itself."""
        age, took = self._age(self._shared.pulse.at(ECHO)), self._shared.pulse.took(ECHO)
        way = "" if took is None else f", {took.total_seconds() * 1000:.0f} ms on the way"
        ok = age <= _MISSED * HEARTBEAT + _STALLED
        return Check(ok=ok, detail=f"heard itself {_seconds(age)} ago{way}")

    def _age(self, at: timedelta | None) -> timedelta:
        return self._clock.monotonic() - (self._began if at is None else at)

    def _told(self, reason: str) -> str:
        at = self._committed.get(reason)
        return "none yet" if at is None else f"{_seconds(self._age(at))} ago"


def _hangs(actor: ActorView) -> str | None:
    """Return what an actor hangs on, judged by the message in hand and by what waits for it."""
    work = actor.working_on
    if work is not None and work.subject is None and work.since > _STALLED:
        return f"{actor.path} has been busy with {work.message} for {_seconds(work.since)}"
    age = actor.oldest_message_age
    if age is not None and age > _STALLED and not actor.suspended:
        return f"{actor.path} has not read a message for {_seconds(age)}"
    return None


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():.1f} s"
