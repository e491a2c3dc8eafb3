"""Where a message becomes a job, goes to the dead letters with its reason audited, or is put back."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wallet_provisioning.clock import Clock
from wallet_provisioning.intake.messages import (
    Envelope,
    InvalidMessageError,
    Wanted,
    named_user,
    parse,
    trace_carrier,
)
from wallet_provisioning.intake.options import QUEUE
from wallet_provisioning.intake.pause import Pause
from wallet_provisioning.jobs.chains import Served
from wallet_provisioning.jobs.states import AuditStatus
from wallet_provisioning.store.acceptance import accept
from wallet_provisioning.store.accepting import Accepted, JobRequest, RequestKey
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError, StoreError, UnstorableTextError
from wallet_provisioning.telemetry.events import Emit, MessageTaken

ACTOR = "intake"
REJECTED = "wallet-worker:message_rejected"
_LONGEST_REASON = 1_000
_LONGEST_ID = 100

_tracer = trace.get_tracer("wallet-provisioning-worker")
_propagator = TraceContextTextMapPropagator()


class Verdict(StrEnum):
    """What becomes of a message in Redis."""

    DONE = "done"
    DEAD = "dead"
    POSTPONED = "postponed"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeParts:
    """What the intake needs of the program.

    `accepted` is told of each job after its commit, on a worker's thread; it must neither raise nor wait.
    """

    database: Database
    served: Served
    accepted: Callable[[Accepted], None]
    emit: Emit
    clock: Clock


class Desk:
    """Deals with messages, on any number of threads at once.

    `handle` answers only after the commit, so a message that is acknowledged has its job. A store that
    can't be reached postpones every message: how often and how long does not matter, and the pause
    says when to take the next ones.
    """

    def __init__(self, parts: IntakeParts, pause: Pause, *, max_attempts: int) -> None:
        """Assign; `max_attempts` is that of the jobs."""
        self._database = parts.database
        self._served = parts.served
        self._accepted = parts.accepted
        self._emit = parts.emit
        self._pause = pause
        self._max_attempts = max_attempts

    @property
    def is_open(self) -> bool:
        """Whether messages should be taken now: the store worked when it was last asked, or may again."""
        return self._pause.is_over

    def handle(self, envelope: Envelope) -> Verdict:
        """Accept a message's job, in the producer's trace where it sent one. Waits for the store."""
        context = _propagator.extract(trace_carrier(envelope), Context())
        with _tracer.start_as_current_span(f"{QUEUE} process", context, kind=SpanKind.CONSUMER) as span:
            span.set_attribute("messaging.message.id", _printable(envelope.message_id, _LONGEST_ID))
            return self._decide(envelope)

    def refuse(self, envelope: Envelope, reason: str) -> Verdict:
        """Audit why a message can't become a job. Without its audit row it does not go: it is postponed."""
        why = _printable(reason, _LONGEST_REASON)
        try:
            with self._database.write(ACTOR, "refuse_message") as tx:
                write_audit(
                    tx,
                    action=REJECTED,
                    resource_type="message",
                    resource_id=_printable(envelope.message_id, _LONGEST_ID),
                    user_id=named_user(envelope),
                    after={"queue": QUEUE, "reason": why},
                    status=AuditStatus.FAILED,
                    error_message=why,
                )
        except StoreError as error:
            return self._postpone(error)
        self._pause.end()
        self._emit(MessageTaken(outcome="rejected", why=why))
        return Verdict.DEAD

    def _decide(self, envelope: Envelope) -> Verdict:
        try:
            accepted = self._accept(parse(envelope, self._served))
        except (InvalidMessageError, UnstorableTextError, RowRefusedError) as error:
            return self.refuse(envelope, str(error))
        except StoreError as error:
            return self._postpone(error)
        self._pause.end()
        is_news = accepted.created or accepted.merged
        self._emit(MessageTaken(outcome="accepted" if is_news else "repeated"))
        return Verdict.DONE

    def _accept(self, wanted: Wanted) -> Accepted:
        request = self._request(wanted)
        return accept(self._database, request, actor=ACTOR, reason="accept_job", then=self._accepted)

    def _request(self, wanted: Wanted) -> JobRequest:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        keys = () if wanted.request_id is None else (RequestKey(kind="request_id", value=wanted.request_id),)
        return JobRequest(
            user_id=wanted.user_id,
            chains=wanted.chains,
            source="message",
            keys=keys,
            max_attempts=self._max_attempts,
            traceparent=carrier.get("traceparent"),
        )

    def _postpone(self, error: StoreError) -> Verdict:
        self._pause.extend()
        self._emit(MessageTaken(outcome="postponed", why=str(error)))
        return Verdict.POSTPONED


def _printable(text: str, longest: int) -> str:
    """Return what can stand in a row and in a line, whatever the producer wrote."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:longest]
    )
