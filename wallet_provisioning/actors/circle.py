"""A Circle actor owns the policy of one chain: what is asked of Circle, when, and by whose leave.

An ask waits until its wave is complete, the breaker lets a call through and the wallet set is known.
What goes together is stored as one request, in the transaction that checks each member's lease and
epoch, and only then sent. A request that was stored earlier, by whomever, is sent again exactly as it
stands until its outcome is known. Calls run beside the actor; their answers come back as messages,
become one result for each member, and are kept until the writer has committed them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeAlias, assert_never
from uuid import UUID

from wallet_provisioning.actors import spans
from wallet_provisioning.actors.admission import ChainAdmission
from wallet_provisioning.actors.calls import (
    Batch,
    CallEnded,
    CircleCalls,
    SetCall,
    SetCallEnded,
    broken_call,
    failure_of,
    is_refused_for_good,
    lost_call,
    on_behalf_of,
    order_of,
)
from wallet_provisioning.actors.outbox import Outbox
from wallet_provisioning.actors.results import Assignment, BatchRecorded, WriterMessage
from wallet_provisioning.actors.settling import Settler
from wallet_provisioning.actors.waiting import MOMENT, Ask, UserKey, WaitingRoom, Wave
from wallet_provisioning.actors.walletset import STILL_LOOKING, Prepared, WalletSet, WalletSetOptions
from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.breaker import Permit
from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.jobs.outcomes import Outcome, Waiting
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import CreationHeldError, StoreUnavailableError
from wallet_provisioning.store.wallets import Opened, RequestMember, StoredRequest, open_new, open_request
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import Emit, StaleRefused

_AFTER_OUTAGE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """Command: see that this job has its wallet on this chain. Asking twice is asking once."""

    assignment: Assignment
    wave: Wave | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentOver:
    """Timer: what waits has waited long enough for company."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """Timer: the pause after an outage of the store is over."""


CircleMessage: TypeAlias = (
    Provision | CallEnded | SetCallEnded | BatchRecorded | MomentOver | TryAgain | ChildEnded
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CircleOptions:
    """How a chain is served. A request older than `replay_window` is looked up before it is sent again.

    `retry_configuration` is how long jobs wait where only a person can help. A call that takes longer than
    `longest_call` is taken for lost.
    """

    wallet_set: WalletSetOptions
    replay_window: timedelta
    retry_configuration: timedelta
    longest_call: timedelta


class CircleActor(Actor[CircleMessage]):
    """Serves one chain."""

    def __init__(
        self,
        life: Life,
        *,
        chain: Chain,
        database: Database,
        client: CircleCalls,
        writer: Address[WriterMessage],
        admission: ChainAdmission,
        options: CircleOptions,
        emit: Emit,
        wallet_set: WalletSet | None = None,
    ) -> None:
        """Take the chain's admission; the wallet set is shared with the other chains."""
        super().__init__(life)
        self._chain = chain
        self._database = database
        self._client = client
        self._admission = admission
        self._options = options
        self._emit = emit
        self._room = WaitingRoom(chain.name)
        self._outbox = Outbox(chain.name, writer, life)
        self._settler = Settler(life.path, database, options.retry_configuration, emit)
        self._wallet_set = wallet_set or WalletSet(life.path, database, options.wallet_set)
        self._batches: list[Batch] = []
        self._postponed: list[CallEnded | SetCallEnded] = []
        self._set_call: SetCall | None = None
        self._has_timer = False
        self._is_pausing = False

    def started(self) -> None:
        """Take over the breaker; one that was open lets probes through."""
        self._admission.take_over(self.life.clock, self._emit)
        if self.life.incarnation > 1:
            self._wallet_set.give_up_call()

    def describe(self) -> Mapping[str, object]:
        """Show an operator what stands here."""
        return {
            "waiting": len(self._room),
            "batches_in_flight": len(self._batches),
            "results_not_recorded": len(self._outbox),
            "answers_postponed": len(self._postponed),
            "is_pausing": self._is_pausing,
        }

    def receive(self, message: CircleMessage) -> None:
        """Take note of this and all that waits, then send what can be sent."""
        self._give_up_lost_calls()
        now = self.life.clock.monotonic()
        for each in (message, *self.take_waiting()):
            self._note(each, now)
        self._advance()
        self._admission.publish(in_flight=len(self._batches), waiting=len(self._room))

    def is_drained(self) -> bool:
        """Return whether no call is under way and every result is committed."""
        return not (self._batches or len(self._outbox) or self._postponed)

    def _note(self, message: CircleMessage, now: timedelta) -> None:
        match message:
            case Provision():
                self._let_wait(message, now)
            case CallEnded() | SetCallEnded():
                self._take_answer(message)
            case BatchRecorded():
                self._outbox.forget(message.batch)
            case MomentOver():
                self._has_timer = False
            case TryAgain():
                self._try_again()
            case ChildEnded():
                self._outbox.tell_all_again()
            case _:
                assert_never(message)

    # Asks.

    def _let_wait(self, wish: Provision, now: timedelta) -> None:
        """Let a job wait for its wallet, unless it waits already, is under way, or is done."""
        assignment = wish.assignment
        if self._room.holds(assignment) or self._is_under_way(assignment):
            return
        if self._outbox.tell_again(assignment):
            return
        span = spans.start_chain(assignment.job, self._chain.name, assignment.span)
        self._forget(self._room.add(Ask(assignment=assignment, span=span, wave=wish.wave, since=now)))

    def _forget(self, ask: Ask | None) -> None:
        """Let go of an ask that gave way to a later attempt, where there is one."""
        if ask is not None:
            spans.end_chain(ask.span, None)

    def _is_under_way(self, assignment: Assignment) -> bool:
        return any(batch.holds(assignment) for batch in self._batches)

    def _advance(self) -> None:
        """Send what waits, as far as it is time, the breaker allows it and the store is there."""
        try:
            while not self._is_pausing and self._room.is_ready(self.life.clock.monotonic()):
                wallet_set = self._wallet_set.find()
                permit = None if wallet_set is None and self._set_call else self._admit()
                if permit is None:
                    break
                if wallet_set is None:
                    self._make_wallet_set(permit)
                    break
                self._send(self._room.take(), wallet_set, permit)
        except StoreUnavailableError:
            self._pause()
        self._wait_a_moment()

    def _admit(self) -> Permit | None:
        """Return leave for one call; where there is none, those who wait are told so."""
        admitted = self._admission.admit(self.life.clock, self._emit)
        if isinstance(admitted, Permit):
            return admitted
        for count, waiting in self._admission.turn_away(len(self._room), admitted):
            self._outbox.answer(self._room.take(count), waiting)
        return None

    def _wait_a_moment(self) -> None:
        """Have another look soon, where somebody waits only for company."""
        is_young = len(self._room) > 0 and not self._room.is_ready(self.life.clock.monotonic())
        if is_young and not self._has_timer and not self._is_pausing:
            self._has_timer = True
            self.tell_later(MOMENT, MomentOver())

    # The wallet set.

    def _make_wallet_set(self, permit: Permit) -> None:
        self._set_call = SetCall(permit=permit, since=self.life.clock.monotonic())
        with on_behalf_of(self._room.first(), self.life.path):
            self.life.runtime.submit(
                partial(self._call_for_set, permit),
                self.life.me,
                lambda error: SetCallEnded(answer=broken_call(error), permit=permit),
            )

    async def _call_for_set(self, permit: Permit) -> CircleMessage:
        answer = await self._wallet_set.prepare(self._client, self._chain.name)
        return SetCallEnded(answer=answer, permit=permit)

    def _take_set(self, message: SetCallEnded) -> None:
        if self._set_call is None or self._set_call.permit is not message.permit:
            return
        match message.answer:
            case Prepared() as prepared:
                self._wallet_set.take(prepared)
                self._admission.record(message.permit, None, self.life.clock, self._emit)
                if self._wallet_set.takes_long:
                    self._outbox.answer(self._room.take(len(self._room)), STILL_LOOKING)
            case CallFailed() as failed:
                self._admission.record(message.permit, failed, self.life.clock, self._emit)
                self._outbox.answer(self._room.take(len(self._room)), self._set_failure(failed))
        self._set_call = None

    def _set_failure(self, failed: CallFailed) -> Outcome:
        """Return what it means for a job that there is no wallet set: a plain no is nobody's attempt."""
        wait = self._options.retry_configuration
        if is_refused_for_good(failed):
            return Waiting(
                message=f"no wallet set: {failed.message}",
                delay=wait,
                circle_request_id=failed.circle_request_id,
            )
        return failure_of(failed, wait)

    # Requests.

    def _send(self, asks: list[Ask], wallet_set: UUID, permit: Permit) -> None:
        """Store what these asks need, and send it. What can't be sent now waits again."""
        asks = [ask for ask in asks if not self._joins(ask)]
        if not asks:
            self._admission.breaker.release(permit)
            return
        try:
            opened = self._store(asks, wallet_set)
        except StoreUnavailableError:
            self._room.put_back(asks)
            self._admission.breaker.release(permit)
            raise
        except CreationHeldError as held:
            self._admission.breaker.release(permit)
            self._outbox.answer(asks, Waiting(message=str(held), delay=self._options.retry_configuration))
            return
        by_user = {ask.user_key: ask for ask in asks}
        self._drop(by_user, opened.fenced_off)
        known: dict[UUID, Outcome] = {**opened.live, **opened.failed}
        for user_id, outcome in known.items():
            self._outbox.answer([by_user.pop(user_id.int)], outcome)
        permits = [permit]
        new = () if opened.request is None else (opened.request,)
        for request in (*new, *opened.unresolved):
            self._send_request(request, by_user, permits)
        for unused in permits:
            self._admission.breaker.release(unused)
        self._room.put_back(list(by_user.values()))

    def _joins(self, ask: Ask) -> bool:
        """Let an ask wait for a call that is under way for its wallet anyway; return whether there is one."""
        for batch in self._batches:
            if batch.makes_wallet_for(ask):
                self._forget(batch.join(ask))
                return True
        return False

    def _store(self, asks: Sequence[Ask], wallet_set: UUID) -> Opened:
        members = [
            RequestMember(job.id, job.epoch, job.user_id) for job in (ask.assignment.job for ask in asks)
        ]
        with self._database.write_once(self.life.path, "open_request") as tx:
            opened = open_new(tx, chain=self._chain, wallet_set_id=wallet_set, members=members)
        if opened is not None:
            return opened
        with self._database.write(self.life.path, "open_request") as tx:
            return open_request(tx, chain=self._chain, wallet_set_id=wallet_set, members=members)

    def _send_request(
        self, request: StoredRequest, by_user: dict[UserKey, Ask], permits: list[Permit]
    ) -> None:
        """Send one stored request for those who wait for it, if the breaker lets it."""
        permit = permits.pop() if permits else self._admit()
        if permit is None:
            return
        users = [member.user_id.int for member in request.members]
        asks = {user: by_user.pop(user) for user in users if user in by_user}
        since = self.life.clock.monotonic()
        self._call(Batch(request=request, permit=permit, since=since, asks=asks))

    def _call(self, batch: Batch) -> None:
        self._batches.append(batch)
        with on_behalf_of(next(iter(batch.asks.values()), None), self.life.path):
            self.life.runtime.submit(
                partial(self._fulfil, batch),
                self.life.me,
                lambda error: CallEnded(batch=batch, answer=broken_call(error)),
            )

    async def _fulfil(self, batch: Batch) -> CircleMessage:
        age = batch.request.age
        is_old = age is not None and age > self._options.replay_window
        answer = await self._client.fulfil(
            order_of(batch.request), chain=self._chain.name, look_up_first=is_old
        )
        return CallEnded(batch=batch, answer=answer)

    def _give_up_lost_calls(self) -> None:
        """End calls whose answer will not come: nobody knows what became of them. A late one is ignored."""
        if self._is_pausing:
            return
        oldest = self.life.clock.monotonic() - self._options.longest_call
        for batch in [batch for batch in self._batches if batch.since < oldest]:
            self._take_answer(CallEnded(batch=batch, answer=lost_call()))
        if self._set_call is not None and self._set_call.since < oldest:
            self._wallet_set.give_up_call()
            self._take_answer(SetCallEnded(answer=lost_call(), permit=self._set_call.permit))

    def _drop(self, by_user: dict[UserKey, Ask], members: Sequence[RequestMember]) -> None:
        """Forget asks whose job is no longer held by who asked."""
        for member in members:
            self._forget(by_user.pop(member.user_id.int, None))
            what = f"request {self._chain.name}"
            self._emit(
                StaleRefused(job_id=member.job_id, epoch=member.epoch, what=what, actor=self.life.path)
            )

    # Answers.

    def _take_answer(self, message: CallEnded | SetCallEnded) -> None:
        """Act on an answer; one that can't be settled for an outage of the store is kept for later."""
        if self._is_pausing:
            self._postponed.append(message)
            return
        try:
            if isinstance(message, SetCallEnded):
                self._take_set(message)
            else:
                self._settle(message)
        except StoreUnavailableError:
            self._postponed.append(message)
            self._pause()

    def _settle(self, message: CallEnded) -> None:
        batch = message.batch
        if batch not in self._batches:
            return
        outcomes = self._settler.outcomes(batch, message.answer)
        self._batches.remove(batch)
        failure = message.answer if isinstance(message.answer, CallFailed) else None
        self._admission.record(batch.permit, failure, self.life.clock, self._emit)
        self._outbox.answer_batch(batch, outcomes)
        self._room.put_back([ask.at_once() for ask in batch.unanswered(outcomes)])

    # Outages of the store.

    def _pause(self) -> None:
        if not self._is_pausing:
            self._is_pausing = True
            self.tell_later(_AFTER_OUTAGE, TryAgain())

    def _try_again(self) -> None:
        self._is_pausing = False
        postponed, self._postponed = self._postponed, []
        for message in postponed:
            self._take_answer(message)
