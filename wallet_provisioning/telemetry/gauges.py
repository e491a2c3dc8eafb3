"""What is true now, read from the program at each scrape."""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TypeAlias

from opentelemetry.metrics import CallbackOptions, CallbackT, Meter, Observation

from wallet_provisioning.jobs.states import UNFINISHED, JobStatus
from wallet_provisioning.telemetry.instruments import CALL_KINDS, PREFIX
from wallet_provisioning.telemetry.observed import NothingObserved, Observed

Read: TypeAlias = Callable[[Observed], Iterable[Observation]]

_logger = logging.getLogger(__name__)


class Gauges:
    """The instruments that read the program. `observe` may be called on any thread, at any time."""

    def __init__(self, meter: Meter) -> None:
        """Make the instruments on the meter; they show nothing but zeros until `observe`."""
        self._observed: Observed = NothingObserved()
        self._broken: set[str] = set()
        self._make_counts(meter)
        self._make_queue_gauges(meter)
        self._make_actor_gauges(meter)

    def observe(self, observed: Observed) -> None:
        """Read this program from now on."""
        self._observed = observed

    def _make_counts(self, meter: Meter) -> None:
        for name, read, description in (
            ("active_jobs", _active_jobs, "Jobs running now."),
            ("scheduler_running", _scheduler_running, "1 while the scheduler takes jobs."),
        ):
            meter.create_observable_up_down_counter(
                PREFIX + name, callbacks=[self._callback(name, read)], description=description
            )

    def _make_queue_gauges(self, meter: Meter) -> None:
        self._make(meter, "queue_depth", _queue_depths, "Unfinished jobs by status.")
        self._make(meter, "oldest_due_job_age_seconds", _oldest_due, "Since when a job is due.", unit="s")
        self._make(
            meter,
            "oldest_in_progress_age_seconds",
            _oldest_held,
            "Since when a job is in progress.",
            unit="s",
        )
        self._make(meter, "breaker_state", _breakers, "0 closed, 1 half-open, 2 open.")
        self._make(meter, "circle_budget_waiting", _budget_waiting, "Calls that wait for their turn.")
        self._make(meter, "circle_budget_rate", _budget_rates, "Calls a second that may be made now.")
        self._make(meter, "reconcile_findings", _findings, "What the last reconcile left, by kind.")
        self._make(
            meter, "reconcile_age_seconds", _reconcile_age, "Since when the last reconcile is over.", unit="s"
        )

    def _make_actor_gauges(self, meter: Meter) -> None:
        self._make(meter, "mailbox_depth", _mailbox_depths, "Messages that wait for an actor.")
        self._make(meter, "mailbox_oldest_age_seconds", _mailbox_ages, "How long the first waits.", unit="s")
        self._make(meter, "actor_zombies", _zombies, "Abandoned incarnations that still run.")
        self._make(meter, "actors", _states, "Actors by state.")

    def _make(self, meter: Meter, name: str, read: Read, description: str, unit: str = "") -> None:
        callback = self._callback(name, read)
        meter.create_observable_gauge(PREFIX + name, callbacks=[callback], description=description, unit=unit)

    def _callback(self, name: str, read: Read) -> CallbackT:
        def callback(_options: CallbackOptions) -> Iterable[Observation]:
            try:
                seen = list(read(self._observed))
            except Exception as error:  # noqa: BLE001  # none of the parts' failures may cost a scrape
                self._tell_broken(name, error)
                return []
            self._broken.discard(name)
            return seen

        return callback

    def _tell_broken(self, name: str, error: Exception) -> None:
        """Say it once, not at every scrape."""
        if name not in self._broken:
            self._broken.add(name)
            _logger.warning("%s%s can't be read and is left out: %r", PREFIX, name, error)


def _active_jobs(observed: Observed) -> Iterable[Observation]:
    yield Observation(observed.active_jobs())


def _scheduler_running(observed: Observed) -> Iterable[Observation]:
    yield Observation(int(observed.scheduler_running()))


def _queue_depths(observed: Observed) -> Iterable[Observation]:
    depths = observed.queue_depths()
    for status in JobStatus:
        if status in UNFINISHED:
            yield Observation(depths.get(status, 0), {"status": status.value})


def _oldest_due(observed: Observed) -> Iterable[Observation]:
    yield Observation(_seconds(observed.oldest_due_age()))


def _oldest_held(observed: Observed) -> Iterable[Observation]:
    yield Observation(_seconds(observed.oldest_in_progress_age()))


def _breakers(observed: Observed) -> Iterable[Observation]:
    for chain, state in observed.breakers().items():
        yield Observation(state, {"chain": chain})


def _budget_waiting(observed: Observed) -> Iterable[Observation]:
    waiting = observed.budget_waiting()
    for kind in CALL_KINDS:
        yield Observation(waiting.get(kind, 0), {"kind": kind})


def _budget_rates(observed: Observed) -> Iterable[Observation]:
    for kind, rate in observed.budget_rates().items():
        yield Observation(rate, {"kind": kind})


def _findings(observed: Observed) -> Iterable[Observation]:
    for kind, count in observed.reconcile_findings().items():
        yield Observation(count, {"kind": kind})


def _reconcile_age(observed: Observed) -> Iterable[Observation]:
    age = observed.reconcile_age()
    if age is not None:
        yield Observation(age.total_seconds())


def _mailbox_depths(observed: Observed) -> Iterable[Observation]:
    for actor in observed.actors():
        yield Observation(actor.mailbox_depth, {"actor": actor.path})


def _mailbox_ages(observed: Observed) -> Iterable[Observation]:
    for actor in observed.actors():
        yield Observation(_seconds(actor.oldest_message_age), {"actor": actor.path})


def _zombies(observed: Observed) -> Iterable[Observation]:
    for actor in observed.actors():
        yield Observation(actor.zombies, {"actor": actor.path})


def _states(observed: Observed) -> Iterable[Observation]:
    counts: dict[str, int] = dict.fromkeys(("starting", "running", "stopping", "restarting", "stopped"), 0)
    for actor in observed.actors():
        counts[actor.state] = counts.get(actor.state, 0) + 1
    for state, count in counts.items():
        yield Observation(count, {"state": state})


def _seconds(age: timedelta | None) -> float:
    return age.total_seconds() if age is not None else 0.0
