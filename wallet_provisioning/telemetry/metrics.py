"""Turns events into counts and durations."""

import threading
from collections.abc import Sequence

from opentelemetry.metrics import Histogram, Meter

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.telemetry import events, instruments
from wallet_provisioning.telemetry.events import Event
from wallet_provisioning.telemetry.options import MetricOptions
from wallet_provisioning.telemetry.tally import Tally

# Which moves mean that a job was processed, and how that ended.
PROCESSED: dict[str, str] = {
    MoveName.COMPLETE: "success",
    MoveName.FAIL: "failed",
    MoveName.SCHEDULE_RETRY: "retry",
}
CRASHES = ("crash", "hang", "start_failed")
INTAKE_OUTCOMES = ("accepted", "repeated", "rejected", "postponed")
RESENT = ("sent", "denied")
REFUSALS = ("no_token", "unknown_token", "read_only", "not_local", "bad_signature", "forbidden")
TRANSACTION_OUTCOMES = ("committed", "rolled_back", "unavailable")


class Metrics:
    """The subscriber that counts. Its methods are safe on any thread and take microseconds."""

    def __init__(self, meter: Meter, options: MetricOptions) -> None:
        """Make the instruments on the meter; the bounded series start at 0."""
        limit = options.entity_limit if options.entity_labels else 0
        self._make_job_counts(meter, limit)
        if not limit:
            self._start_bounded(options)
        self._make_part_counts(meter)
        self._make_durations(meter)
        self._restarts = Restarts(meter)

    def hear(self, event: Event) -> None:
        """Count what the event says; most events of the program's parts count nothing."""
        match event:
            case events.WalletsCreated(wallets=wallets):
                self._wallets.add_each([(wallet.user_id, wallet.chain) for wallet in wallets])
            case events.JobsMoved(move=move, jobs=jobs):
                self._count_moves(move, jobs)
            case events.WalletCreated():
                self._wallets.add(event.chain, entity=event.user_id)
            case events.JobMoved(move=move):
                self._count_moves(move, [event])
            case events.CircleCalled():
                self._time_call(event)
            case events.TransactionEnded(outcome=outcome, duration=duration):
                self._transactions.record(duration.total_seconds(), {"outcome": outcome})
            case events.JobsClaimed(duration=duration):
                self._claims.record(duration.total_seconds())
            case events.ActorStarted() | events.ActorEnded():
                self._restarts.hear(event)
            case events.MessageTaken(outcome=outcome):
                self._messages.add(outcome)
            case _:
                self._count_incident(event)

    def _count_incident(self, event: Event) -> None:
        match event:
            case events.StaleRefused():
                self._stale.add()
            case events.DuplicateWallet(chain=chain):
                self._duplicates.add(chain)
            case events.DeadLetter(path=path):
                self._undelivered.add(path)
            case events.CircleRetried(allowed=allowed):
                self._resent.add("sent" if allowed else "denied")
            case events.BudgetSlowed(kind=kind):
                self._slowed.add(kind)
            case events.CallersRefused(reason=reason, count=count):
                self._refused.add(reason, amount=count)
            case _:
                return

    def _count_moves(self, move: str, jobs: Sequence[events.JobMoved | events.MovedJob]) -> None:
        for job in jobs:
            if job.error_type is not None:
                self._errors.add(job.error_type)
        status = PROCESSED.get(move)
        if status is None:
            return
        self._processed.add(status, amount=len(jobs))
        for job in jobs:
            if job.duration is not None:
                self._jobs.record(job.duration.total_seconds(), {"status": status})
            if move == MoveName.SCHEDULE_RETRY:
                self._retries.add(job.attempt, entity=job.job_id)

    def _time_call(self, event: events.CircleCalled) -> None:
        labels = {"chain": event.chain, "operation": event.operation, "outcome": event.outcome}
        self._calls.record(event.duration.total_seconds(), labels)
        if event.waited is not None and event.kind is not None:
            self._waits.record(event.waited.total_seconds(), {"kind": event.kind})

    def _make_job_counts(self, meter: Meter, limit: int) -> None:
        show = instruments.show_tally
        self._processed = show(meter, "jobs_processed_total", "Attempts that ended, by how.", Tally("status"))
        self._errors = show(meter, "job_errors_total", "Attempts that failed, by why.", Tally("error.type"))
        self._retries = show(
            meter,
            "job_retries_total",
            "Attempts that will be followed by another.",
            Tally("attempt.count", entity="job.id", limit=limit),
        )
        self._wallets = show(
            meter,
            "wallets_created_total",
            "Wallets that went live.",
            Tally("chain", entity="user.id", limit=limit),
        )
        for status in PROCESSED.values():
            self._processed.start_at_zero(status)
        for error in ErrorType:
            self._errors.start_at_zero(error.value)

    def _start_bounded(self, options: MetricOptions) -> None:
        """Show what entities would otherwise tell apart before its first count."""
        for chain in options.chains:
            self._wallets.start_at_zero(chain)
        for attempt in range(1, options.max_attempts + 1):
            self._retries.start_at_zero(attempt)

    def _make_part_counts(self, meter: Meter) -> None:
        show = instruments.show_tally
        self._messages = show(
            meter, "intake_messages_total", "Injected messages, by outcome.", Tally("outcome")
        )
        self._stale = show(
            meter, "stale_refusals_total", "Holders refused after they lost their job.", Tally()
        )
        self._duplicates = show(
            meter, "duplicate_wallets_total", "Second wallets found at Circle.", Tally("chain")
        )
        self._undelivered = show(
            meter, "undelivered_messages_total", "Messages that no actor could take.", Tally("actor")
        )
        self._refused = show(meter, "refused_callers_total", "Callers not let in, by why.", Tally("reason"))
        self._resent = show(
            meter, "circle_retries_total", "Calls to be sent again at once, by whether.", Tally("outcome")
        )
        self._slowed = show(
            meter, "circle_budget_slowed_total", "How often 429s halved a kind's pace.", Tally("kind")
        )
        for outcome in RESENT:
            self._resent.start_at_zero(outcome)
        for kind in instruments.CALL_KINDS:
            self._slowed.start_at_zero(kind)
        self._stale.start_at_zero()
        for reason in REFUSALS:
            self._refused.start_at_zero(reason)
        for outcome in INTAKE_OUTCOMES:
            self._messages.start_at_zero(outcome)

    def _make_durations(self, meter: Meter) -> None:
        make = instruments.make_duration
        self._jobs: Histogram = make(meter, instruments.JOB_DURATION, "From an attempt's claim to its end.")
        self._claims: Histogram = make(meter, instruments.CLAIM_DURATION, "Transactions that claim jobs.")
        self._transactions: Histogram = make(meter, instruments.TRANSACTION_DURATION, "Write transactions.")
        self._calls: Histogram = make(meter, instruments.CIRCLE_CALL_DURATION, "Calls to Circle.")
        self._waits: Histogram = make(meter, instruments.CIRCLE_WAIT_DURATION, "Calls waiting for a turn.")


class Restarts:
    """Counts restarts by actor and cause: how the incarnation before ended, `stop` where it was told to."""

    def __init__(self, meter: Meter) -> None:
        """Make the instrument."""
        self._counts = instruments.show_tally(
            meter, "actor_restarts_total", "Incarnations that followed another.", Tally("actor", "cause")
        )
        self._causes: dict[str, str] = {}
        self._lock = threading.Lock()

    def hear(self, event: events.ActorStarted | events.ActorEnded) -> None:
        """Remember an end, count what follows it: a start, or an end before that."""
        match event:
            case events.ActorEnded(path=path, reason=reason):
                with self._lock:
                    before = self._causes.pop(path, None)
                    self._causes[path] = reason
                if before is not None:
                    self._counts.add(path, before)
            case events.ActorStarted(path=path, incarnation=1):
                for cause in CRASHES:
                    self._counts.start_at_zero(path, cause)
            case events.ActorStarted(path=path):
                with self._lock:
                    cause = self._causes.pop(path, "stop")
                self._counts.add(path, cause)
