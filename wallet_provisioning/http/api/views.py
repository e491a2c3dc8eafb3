"""What the house knows, as the API's JSON objects: pure functions, which the command line uses too."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from wallet_provisioning.durations import format_duration
from wallet_provisioning.http.api.control import ChainView, Check, ForcedView, WorkerView
from wallet_provisioning.http.api.shapes import (
    ActorJson,
    AuditJson,
    ChainJson,
    CheckJson,
    ControlsJson,
    CrashJson,
    ForcedJson,
    JobDetailJson,
    JobJson,
    KycAnswerJson,
    MetricsDetailJson,
    MetricsJson,
    OrderJson,
    SchedulerJson,
    StatusJson,
    StatusMetricsJson,
    WalletJson,
    WorkJson,
)
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.controls import Order
from wallet_provisioning.store.kyc import KycAnswer
from wallet_provisioning.store.reports import Totals
from wallet_provisioning.store.views import AuditView, JobView, WalletView
from wallet_provisioning.supervision.snapshot import ActorView, Crash, Work

_MILLISECOND = timedelta(milliseconds=1)


def time_text(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC, to the microsecond, with `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def milliseconds(duration: timedelta) -> float:
    """Return a duration in milliseconds, to a thousandth of one."""
    return round(duration / _MILLISECOND, 3)


def wallet_json(wallet: WalletView) -> WalletJson:
    """Return WALLET."""
    return {
        "id": str(wallet.id),
        "user_id": str(wallet.user_id),
        "chain": wallet.chain,
        "blockchain": wallet.blockchain,
        "status": wallet.status,
        "address": wallet.address,
        "circle_wallet_id": _id(wallet.circle_wallet_id),
        "wallet_set_id": _id(wallet.wallet_set_id),
        "account_type": wallet.account_type,
        "error_type": wallet.error_type,
        "error_message": wallet.error_message,
        "created_at": time_text(wallet.created_at),
        "updated_at": time_text(wallet.updated_at),
    }


def job_json(job: JobView) -> JobJson:
    """Return JOB."""
    return {
        "id": str(job.id),
        "user_id": str(job.user_id),
        "status": job.status,
        "chains": list(job.chains),
        "wallets": [wallet_json(wallet) for wallet in job.wallets],
        "attempt_count": job.attempt_count,
        "max_attempts": job.max_attempts,
        "crash_count": job.crash_count,
        "error_type": job.error_type,
        "error_message": job.error_message,
        "next_retry_at": _time(job.next_retry_at),
        "source": job.source,
        "trace_id": job.trace_id,
        "created_at": time_text(job.created_at),
        "started_at": _time(job.started_at),
        "completed_at": _time(job.completed_at),
        "updated_at": time_text(job.updated_at),
    }


def job_detail_json(job: JobView, timeline: Iterable[AuditView]) -> JobDetailJson:
    """Return JOB with its audit rows."""
    return {**job_json(job), "timeline": [audit_json(row) for row in timeline]}


def audit_json(row: AuditView) -> AuditJson:
    """Return AUDIT."""
    return {
        "id": str(row.id),
        "user_id": _id(row.user_id),
        "job_id": _id(row.job_id),
        "epoch": row.epoch,
        "actor": row.actor,
        "action": row.action,
        "resource_type": row.resource_type,
        "resource_id": row.resource_id,
        "changes": {"before": row.changes.get("before"), "after": row.changes.get("after")},
        "status": row.status,
        "error_message": row.error_message,
        "created_at": time_text(row.created_at),
        "trace_id": row.trace_id,
    }


def kyc_json(answer: KycAnswer) -> KycAnswerJson:
    """Return the answer to a callback."""
    return {
        "kyc": {
            "provider_ref": answer.provider_ref,
            "user_id": str(answer.user_id),
            "status": answer.status,
        },
        "job": None if answer.job is None else job_json(answer.job),
    }


def actor_json(actor: ActorView) -> ActorJson:
    """Return ACTOR."""
    return {
        "path": actor.path,
        "kind": actor.kind,
        "class": actor.class_name,
        "state": actor.state,
        "incarnation": actor.incarnation,
        "restarts": actor.restarts,
        "zombies": actor.zombies,
        "mailbox": {"depth": actor.mailbox_depth, "oldest_age_ms": _ms(actor.oldest_message_age)},
        "working_on": None if actor.working_on is None else _work_json(actor.working_on),
        "last_crash": None if actor.last_crash is None else _crash_json(actor.last_crash),
        "suspended": actor.suspended,
        "dead_letters": actor.dead_letters,
    }


def chain_json(chain: ChainView) -> ChainJson:
    """Return a chain's breaker and load."""
    return {
        "chain": chain.chain,
        "breaker": chain.breaker,
        "opened_at": _time(chain.opened_at),
        "reason": chain.reason,
        "in_flight": chain.in_flight,
        "waiting": chain.waiting,
        "forced": None if chain.forced is None else _forced_json(chain.forced),
    }


def controls_json(orders: Sequence[Order]) -> ControlsJson:
    """Return the standing orders, and which of them keeps jobs from being claimed."""
    against = next((order for order in orders if order.stops_claiming), None)
    return {
        "claiming": None if against is None else order_json(against),
        "items": [order_json(order) for order in orders],
    }


def order_json(order: Order) -> OrderJson:
    """Return one standing order."""
    return {
        "kind": order.kind,
        "subject": order.subject,
        "state": order.state,
        "reason": order.reason,
        "placed_by": order.placed_by,
        "placed_at": time_text(order.placed_at),
        "until": _time(order.until),
    }


def _forced_json(forced: ForcedView) -> ForcedJson:
    return {
        "state": forced.state,
        "reason": forced.reason,
        "until": _time(forced.until),
        "by": forced.by,
        "measured": forced.measured,
    }


def status_json(worker: WorkerView, totals: Totals | None) -> StatusJson:
    """Return the status object; totals that nobody has read yet are null, and not 0."""
    return {
        "worker": {"type": "wallet_provisioning", "status": worker.status},
        "scheduler": scheduler_json(worker),
        "metrics": _UNKNOWN if totals is None else {**metrics_json(totals)},
    }


_UNKNOWN: StatusMetricsJson = {
    "total_jobs_processed": None,
    "successful_jobs": None,
    "failed_jobs": None,
    "average_duration_ms": None,
    "last_processed_at": None,
    "errors_by_type": {},
}


def scheduler_json(worker: WorkerView) -> SchedulerJson:
    """Return the scheduler's part of the status object."""
    return {
        "is_running": worker.is_running,
        "poll_interval": format_duration(worker.poll_interval),
        "max_concurrency": worker.max_concurrency,
        "active_jobs": worker.active_jobs,
    }


def metrics_json(totals: Totals) -> MetricsJson:
    """Return the totals."""
    return {
        "total_jobs_processed": totals.processed,
        "successful_jobs": totals.succeeded,
        "failed_jobs": totals.failed,
        "average_duration_ms": _ms(totals.average_duration),
        "last_processed_at": _time(totals.last_processed_at),
        "errors_by_type": dict(totals.errors_by_type),
    }


def metrics_detail_json(
    worker: WorkerView, totals: Totals, depths: Mapping[JobStatus, int], oldest_due: timedelta | None
) -> MetricsDetailJson:
    """Return the totals, and what is unfinished now: a count for each such status."""
    return {
        **metrics_json(totals),
        "retried_jobs": totals.retried,
        "active_jobs": worker.active_jobs,
        "jobs_by_status": {
            status.value: depths.get(status, 0) for status in JobStatus if status.is_unfinished
        },
        "oldest_due_job_age_ms": _ms(oldest_due),
    }


def checks_json(checks: Mapping[str, Check]) -> dict[str, CheckJson]:
    """Return what the daemon needs, by name."""
    return {name: {"ok": check.ok, "detail": check.detail} for name, check in checks.items()}


def _work_json(work: Work) -> WorkJson:
    return {"message": work.message, "job_id": _job_id(work.subject), "for_ms": milliseconds(work.since)}


def _job_id(subject: object) -> str | None:
    match subject:
        case UUID():
            return str(subject)
        case ClaimedJob():
            return str(subject.id)
        case _:
            return None


def _crash_json(crash: Crash) -> CrashJson:
    return {
        "at": time_text(crash.at),
        "reason": crash.reason,
        "error": crash.error,
        "message": crash.message,
        "incarnation": crash.incarnation,
        "trace_id": crash.trace_id,
        "shown": crash.shown,
        "stack": crash.stack,
    }


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else time_text(moment)


def _ms(duration: timedelta | None) -> float | None:
    return None if duration is None else milliseconds(duration)
