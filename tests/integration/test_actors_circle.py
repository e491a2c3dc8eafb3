"""A Circle actor: whose answers it believes, who may wait with it, and what an outage costs."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from opentelemetry.trace import INVALID_SPAN

from tests.support_actors import MINUTE, REFUSED, SOON, UNKNOWN, Production, heard_spans
from tests.support_desk import Desk, Post
from tests.support_store import BAD_INPUT, ETH, LEASE, SOL, actions, claim_new, open_sqlite, operate
from wallet_provisioning.actors.calls import failure_of
from wallet_provisioning.actors.circle import Provision
from wallet_provisioning.actors.outbox import Outbox
from wallet_provisioning.actors.results import Assignment, BatchId, Recorded, RecordResults, WriterMessage
from wallet_provisioning.actors.waiting import Ask
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.http.circle.breaker import BreakerState, Permit
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob, cancel
from wallet_provisioning.jobs.outcomes import Failed, Waiting
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.telemetry.events import StaleRefused


def of_zombie(job: ClaimedJob) -> Provision:
    """Return what one asks who lost a job and does not know it yet."""
    lost = replace(job, epoch=job.epoch - 1)
    holder: Post[Recorded] = Post("jobs/9")
    assignment = Assignment(job=lost, slot="jobs/9", holder=holder.address, span=INVALID_SPAN)
    return Provision(assignment=assignment, wave=None)


def test_an_answer_to_a_dead_incarnation_settles_no_batch_of_its_successor(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        tree.circle.held.add("ETH")
        first = tree.accept()
        tree.until(tree.is_sent(1))
        tree.kill("circle/ETH")
        tree.until(tree.is_sent(2))
        others = [tree.accept(), tree.accept()]
        tree.until(lambda: len(set().union(*(sent.ref_ids for sent in tree.circle.sent))) == 3)

        tree.circle.answer(tree.circle.sent[0], REFUSED)
        tree.pass_time(SOON)
        assert tree.has_status(JobStatus.IN_PROGRESS, first, *others)()
        tree.circle.answer_all()

        tree.until(tree.has_status(JobStatus.COMPLETED, first, *others))
        assert set(tree.circle.made.values()) == {1}
        assert not tree.troubles()


def test_an_answer_to_a_dead_incarnation_makes_no_wallet_set_fail(tmp_path: Path) -> None:
    with Production(tmp_path, wallet_set=None) as tree:
        tree.circle.holds_sets = True
        job = tree.accept()
        tree.until(lambda: len(tree.circle.sets) == 1)
        tree.kill("circle/ETH")
        tree.until(lambda: len(tree.circle.sets) == 2)

        tree.circle.sets[0].set_result(REFUSED)
        tree.pass_time(SOON)
        assert tree.has_status(JobStatus.IN_PROGRESS, job)()
        tree.make_set()

        tree.until(tree.has_status(JobStatus.COMPLETED, job))
        assert len(tree.circle.sets) == 2


def test_a_receipt_for_a_dead_incarnation_lets_its_successor_forget_nothing(tmp_path: Path) -> None:
    job = claim_new(open_sqlite(tmp_path))
    holder: Post[Recorded] = Post("jobs/1")
    assignment = Assignment(job=job, slot="jobs/1", holder=holder.address, span=INVALID_SPAN)
    ask = Ask(assignment=assignment, span=INVALID_SPAN, wave=None, since=timedelta())
    writer: Post[WriterMessage] = Post("writer")
    desk = Desk("circle/ETH", incarnation=2)
    outbox = Outbox("ETH", writer.address, desk.life)
    outbox.answer([ask], BAD_INPUT)
    desk.clock.advance(MINUTE)

    outbox.forget(BatchId(incarnation=1, number=1))
    assert outbox.tell_again(assignment)
    first, second = writer.read()
    assert isinstance(first, RecordResults)
    assert first == second

    assert first.batch is not None
    outbox.forget(first.batch)
    assert not outbox.tell_again(assignment)


def test_a_later_attempt_takes_the_place_of_the_one_that_waits(tmp_path: Path) -> None:
    with Production(tmp_path, wallet_set=None) as tree:
        tree.circle.holds_sets = True
        job = tree.accept()
        for _ in range(2):
            tree.until(lambda: len(tree.busy()) == 1)
            tree.kill(tree.busy()[0])
        tree.until(lambda: len(tree.busy()) == 1)
        assert tree.admissions["ETH"].state.waiting == 1
        tree.make_set()

        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LEASE / 6)
        assert tree.events.of(StaleRefused) == []
        assert not tree.troubles()


def test_a_job_that_was_lost_while_it_waited_is_dropped_alone(tmp_path: Path) -> None:
    with Production(tmp_path, wallet_set=None) as tree:
        tree.circle.holds_sets = True
        lost, other = tree.accept(), tree.accept()
        tree.until(lambda: tree.admissions["ETH"].state.waiting == 2)
        operate(tree.database, cancel(lost.id))
        tree.make_set()

        tree.until(tree.has_status(JobStatus.COMPLETED, other), within=LEASE / 6)
        tree.pass_time(SOON)
        assert tree.admissions["ETH"].state.waiting == 0
        (refused,) = tree.events.of(StaleRefused)
        assert (refused.job_id, refused.what) == (lost.id, "request ETH")
        assert [len(sent.order.members) for sent in tree.circle.sent] == [1]
        assert not tree.troubles()


def test_a_user_who_was_cancelled_and_comes_again_waits_once(tmp_path: Path) -> None:
    with Production(tmp_path, wallet_set=None) as tree:
        tree.circle.holds_sets = True
        user = uuid4()
        early = tree.accept(user)
        tree.until(lambda: tree.admissions["ETH"].state.waiting == 1)
        operate(tree.database, cancel(early.id))
        late = tree.accept(user)
        tree.until(lambda: len(tree.busy()) == 2)
        tree.pass_time(SOON)
        assert tree.admissions["ETH"].state.waiting == 1
        tree.make_set()

        tree.until(tree.has_status(JobStatus.COMPLETED, late), within=LEASE / 6)
        assert list(tree.circle.made.values()) == [1]
        assert not tree.troubles()


def test_what_a_zombie_asks_late_takes_nobodys_place(tmp_path: Path) -> None:
    with Production(tmp_path, wallet_set=None) as tree:
        tree.circle.holds_sets = True
        job = tree.accept()
        tree.until(lambda: tree.admissions["ETH"].state.waiting == 1)
        tree.tell("circle/ETH", of_zombie(tree.in_hand()))
        tree.pass_time(SOON)
        tree.make_set()

        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LEASE / 6)
        assert not tree.troubles()


def test_what_a_zombie_asks_during_a_call_gets_nobodys_answer(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        tree.circle.held.add("ETH")
        job = tree.accept()
        tree.until(tree.is_sent(1))
        tree.tell("circle/ETH", of_zombie(tree.in_hand()))
        tree.pass_time(SOON)
        tree.circle.answer_all()

        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LEASE / 6)
        assert not tree.troubles()


def test_each_attempts_span_ends_whoever_gets_the_answer(tmp_path: Path) -> None:
    spans = heard_spans()
    with Production(tmp_path) as tree:
        tree.circle.held.add("ETH")
        job = tree.accept()
        tree.until(tree.is_sent(1))
        tree.kill(tree.busy()[0])
        tree.until(lambda: len(tree.busy()) == 1)
        tree.pass_time(SOON)
        tree.circle.answer_all()
        tree.until(tree.has_status(JobStatus.COMPLETED, job), within=LEASE / 6)

        ended = [span for span in spans.get_finished_spans() if span.name == "CreateWalletForChain"]
        assert len(ended) == 2


def test_many_answers_in_an_outage_try_the_store_once_a_pause(tmp_path: Path) -> None:
    with Production(tmp_path) as tree:
        tree.circle.held.add("ETH")
        jobs = []
        for number in range(1, 6):
            jobs.append(tree.accept())
            tree.until(tree.is_sent(number))
        tree.database.is_away = True
        tree.circle.answer_all(UNKNOWN)
        tree.pass_time(timedelta(seconds=10))
        assert 8 <= tree.database.tried_in_vain["note_certainty"] <= 12
        tree.database.is_away = False

        tree.until(tree.has_status(JobStatus.RETRY, *jobs))
        assert {tree.job(job).error_type for job in jobs} == {ErrorType.TIMEOUT}
        tree.until(tree.has_status(JobStatus.COMPLETED, *jobs), within=3 * MINUTE)
        assert set(tree.circle.made.values()) == {1}
        assert not tree.troubles()


def test_a_chain_that_failed_for_good_is_answered_from_the_store(tmp_path: Path) -> None:
    with Production(tmp_path, chains=(ETH, SOL)) as tree:
        tree.circle.refusals["ETH"] = REFUSED
        tree.circle.held.add("SOL")
        job = tree.accept()
        tree.until(lambda: tree.job(job).wallets[0].error_type is ErrorType.CIRCLE_4XX)
        tree.kill("writer")
        tree.circle.answer_all()

        tree.until(tree.has_status(JobStatus.FAILED, job))
        assert tree.job(job).error_type is ErrorType.CIRCLE_4XX
        assert [sent.chain for sent in tree.circle.sent].count("ETH") == 1
        assert actions(tree.database, job.id).count("wallet_failed") == 1


@pytest.mark.parametrize(("http_status", "is_spent"), [(429, True), (None, False)])
def test_a_429_is_an_attempt_and_a_call_that_was_never_sent_is_none(
    *, http_status: int | None, is_spent: bool
) -> None:
    for certainty in Certainty:
        failed = CallFailed(
            error_type=ErrorType.CIRCLE_RATE_LIMIT, message="x", certainty=certainty, http_status=http_status
        )
        assert isinstance(failure_of(failed, timedelta()), Failed if is_spent else Waiting)


def test_a_probe_that_fails_is_nobodys_attempt(tmp_path: Path) -> None:
    production = Production(tmp_path)
    breaker = production.admissions["ETH"].breaker
    while breaker.state is BreakerState.CLOSED:
        permit = breaker.admit(timedelta())
        assert isinstance(permit, Permit)
        breaker.record(permit, UNKNOWN, timedelta())
    production.circle.refusals["ETH"] = UNKNOWN
    with production as tree:
        job = tree.accept()
        tree.until(tree.has_status(JobStatus.RETRY, job))
        assert tree.job(job).error_type is ErrorType.CIRCUIT_OPEN
        assert tree.job(job).attempt_count == 0
        tree.circle.refusals.clear()

        tree.until(tree.has_status(JobStatus.COMPLETED, job))
        assert tree.job(job).attempt_count == 1
        assert len(tree.circle.sent) == 2
