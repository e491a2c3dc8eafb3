"""What the supervision layer tells, as events of the house; and which ends count against nobody."""

from typing import assert_never

from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.supervision.incidents import (
    ChildEnded,
    ChildStarted,
    ChildStopped,
    Incident,
    Undeliverable,
    Why,
)
from wallet_provisioning.supervision.snapshot import EndReason
from wallet_provisioning.telemetry.events import ActorEnded, ActorStarted, DeadLetter, Event


def event_of(incident: Incident) -> Event:
    """Return the event that an incident is."""
    match incident:
        case ChildStarted():
            return ActorStarted(path=incident.path, incarnation=incident.incarnation)
        case ChildStopped():
            return ActorEnded(path=incident.path, incarnation=incident.incarnation, reason="stop")
        case ChildEnded():
            return _ended(incident)
        case Undeliverable():
            return _dead_letter(incident)
        case _:
            assert_never(incident)


def had_a_job(ended: ChildEnded) -> bool:
    """Return whether a job was in hand: poison jobs never end the process."""
    return ended.reason is not EndReason.START_FAILED and isinstance(ended.held, ClaimedJob)


def _ended(incident: ChildEnded) -> ActorEnded:
    return ActorEnded(
        path=incident.path,
        incarnation=incident.incarnation,
        reason=incident.reason,
        error=incident.error,
        message=incident.message,
        stack=incident.stack,
        trace_id=incident.trace_id,
        shown=incident.shown,
        job_id=incident.held.id if isinstance(incident.held, ClaimedJob) else None,
    )


def _dead_letter(incident: Undeliverable) -> DeadLetter:
    return DeadLetter(
        path=incident.path,
        message=incident.message,
        why="its mailbox was full" if incident.why is Why.FULL else "its actor was stopped",
        sender=incident.sender,
        trace_id=incident.trace_id,
    )
