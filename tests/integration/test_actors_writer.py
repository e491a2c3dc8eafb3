"""The writer: what it is told twice it does once, and whose end was refused is no news of a free actor."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TypeAlias

from opentelemetry.trace import INVALID_SPAN

from tests.support_actors import FragileDatabase
from tests.support_desk import Desk, Post, of_kind
from tests.support_store import (
    NO_ANSWER,
    SOL,
    Events,
    accept,
    actions,
    claim,
    claim_new,
    live,
    operate,
    request,
    timeline,
    until_the_end,
)
from wallet_provisioning.actors.results import (
    Assignment,
    BatchId,
    BatchRecorded,
    ChainResult,
    CommitAgain,
    Finished,
    Gathered,
    Recorded,
    RecordResults,
)
from wallet_provisioning.actors.writer import WriterActor
from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.moves import ClaimedJob, cancel
from wallet_provisioning.jobs.outcomes import Live, Outcome
from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.telemetry.events import StaleRefused, TransactionEnded

Holder: TypeAlias = Post[Recorded]


class Bench:
    """A writer, and those whom it tells."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk("writer")
        self.events = Events()
        self.database = until_the_end(FragileDatabase(folder, self.desk.clock, self.events))
        self.scheduler: Post[Finished] = Post("scheduler")
        self.circle: Post[BatchRecorded] = Post("circle/ETH")
        self.writer = self.make_writer()

    def make_writer(self) -> WriterActor:
        return WriterActor(
            self.desk.life,
            database=self.database,
            backoff=Backoff(),
            chance=Random(1),
            scheduler=self.scheduler.address,
            emit=self.events,
            forget_after=timedelta(minutes=5),
        )

    def results(self, number: int, outcome: Outcome, *jobs: tuple[ClaimedJob, Holder]) -> RecordResults:
        """Return what ETH's actor tells of its batch of that number."""
        return RecordResults(
            results=tuple(_result(job, holder, outcome) for job, holder in jobs),
            batch=BatchId(incarnation=1, number=number),
            reply_to=self.circle.address,
        )

    def receive(self, *messages: RecordResults) -> None:
        """Have the writer read messages one by one."""
        for message in messages:
            self.writer.receive(message)

    def let_moment_pass(self) -> None:
        """Ring the timer that the writer has set, which must be one."""
        ((path, _, message),) = self.desk.runtime.timers
        assert (path, message) == ("writer", Gathered())
        self.desk.runtime.timers.clear()
        self.writer.receive(Gathered())

    def commits(self) -> int:
        """Count the commits of results."""
        return sum(each.reason == "record_results" for each in self.events.of(TransactionEnded))

    def hold(self) -> None:
        """Begin an outage of the store."""
        self.database.is_away = True

    def recover(self) -> None:
        """End the outage, and the writer's pause."""
        self.database.is_away = False
        self.writer.receive(CommitAgain())


def _result(job: ClaimedJob, holder: Holder, outcome: Outcome) -> ChainResult:
    chain = outcome.blockchain.partition("-")[0] if isinstance(outcome, Live) else "ETH"
    assignment = Assignment(job=job, slot=holder.mailbox.path, holder=holder.address, span=INVALID_SPAN)
    return ChainResult(user_id=job.user_id, chain=chain, outcome=outcome, assignment=assignment)


def test_what_is_told_again_during_an_outage_is_kept_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database, request(chains=("ETH",))), Holder("jobs/1")
    told = bench.results(1, live(), (job, holder))
    bench.hold()
    bench.receive(*[told] * 20)
    assert bench.writer.describe()["messages_kept"] == 1
    assert bench.database.tried_in_vain["record_results"] == 1
    bench.recover()

    assert bench.writer.describe()["messages_kept"] == 0
    assert bench.circle.read() == [BatchRecorded(batch=BatchId(incarnation=1, number=1))]
    assert len(of_kind(Recorded, holder.read())) == 1
    assert actions(bench.database, job.id).count("wallet_created") == 1


def test_batches_of_other_numbers_or_senders_are_kept_beside_each_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    jobs = [(accept(bench.database, request(chains=("ETH",))), Holder(f"jobs/{n}"))[1] for n in (1, 2)]
    claimed = list(zip(claim(bench.database), jobs, strict=True))
    bench.hold()
    bench.receive(bench.results(1, live(), claimed[0]), bench.results(2, live(), claimed[1]))
    assert bench.writer.describe()["messages_kept"] == 2
    bench.recover()

    assert [each.batch.number for each in of_kind(BatchRecorded, bench.circle.read())] == [1, 2]
    (finished,) = of_kind(Finished, bench.scheduler.read())
    assert set(finished.slots) == {"jobs/1", "jobs/2"}


def test_a_failure_that_is_told_again_during_an_outage_writes_one_audit_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database), Holder("jobs/1")
    told = bench.results(1, NO_ANSWER, (job, holder))
    bench.hold()
    bench.receive(*[told] * 5)
    bench.recover()

    assert actions(bench.database, job.id).count("wallet_failed") == 1


def test_the_failure_of_a_last_attempt_is_audited_as_final(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database), Holder("jobs/1")
    last = replace(job, chains=("ETH",), max_attempts=1)
    bench.receive(bench.results(1, NO_ANSWER, (last, holder)))

    rows = [row for row in timeline(bench.database, job.id) if row.action.endswith("_failed")]
    assert [(row.status, row.changes["after"]["status"]) for row in rows] == [("failed", "failed")] * 2


def test_a_failure_that_is_told_again_after_its_commit_writes_no_second_audit_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database), Holder("jobs/1")
    told = bench.results(1, NO_ANSWER, (job, holder))
    bench.receive(told)
    bench.let_moment_pass()
    bench.receive(told)
    bench.let_moment_pass()

    assert len(bench.circle.read()) == 2
    assert actions(bench.database, job.id).count("wallet_failed") == 1


def test_a_wallet_that_comes_after_a_failure_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database), Holder("jobs/1")
    bench.receive(bench.results(1, NO_ANSWER, (job, holder)))
    bench.let_moment_pass()
    bench.receive(bench.results(2, live(), (job, holder)))
    bench.let_moment_pass()

    assert actions(bench.database, job.id)[-2:] == ["wallet_failed", "wallet_created"]


def test_an_end_that_the_store_refuses_frees_no_slot(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database, request(chains=("ETH",))), Holder("jobs/1")
    operate(bench.database, cancel(job.id))
    bench.receive(bench.results(1, live(), (job, holder)))

    assert [each.slots for each in of_kind(Finished, bench.scheduler.read())] == [()]
    assert holder.read() == [Recorded(job_id=job.id, epoch=job.epoch, move=None)]
    assert [each.what for each in bench.events.of(StaleRefused)] == ["end"]


def test_an_end_that_is_committed_frees_its_slot(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database, request(chains=("ETH",))), Holder("jobs/1")
    bench.receive(bench.results(1, live(), (job, holder)))

    assert bench.scheduler.read() == [Finished(slots=("jobs/1",), due_in=None)]
    (news,) = of_kind(Recorded, holder.read())
    assert news.move is not None
    assert news.move.move.name is MoveName.COMPLETE


def test_what_ends_no_job_is_committed_with_what_does(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database, request(chains=("ETH", "SOL"))), Holder("jobs/1")
    bench.receive(bench.results(1, live(), (job, holder)))
    assert (bench.commits(), bench.circle.read(), bench.writer.is_drained()) == (0, [], False)

    bench.receive(bench.results(2, live(SOL), (job, holder)))

    assert bench.commits() == 1
    assert [each.batch.number for each in of_kind(BatchRecorded, bench.circle.read())] == [1, 2]
    assert [each.slots for each in of_kind(Finished, bench.scheduler.read())] == [("jobs/1",)]
    assert bench.writer.is_drained()


def test_what_ends_no_job_waits_a_moment_only(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database, request(chains=("ETH", "SOL"))), Holder("jobs/1")
    bench.receive(bench.results(1, live(), (job, holder)))
    bench.let_moment_pass()
    assert (bench.commits(), len(bench.circle.read())) == (1, 1)

    bench.receive(bench.results(2, live(SOL), (job, holder)))

    assert bench.commits() == 2
    assert [each.slots for each in of_kind(Finished, bench.scheduler.read())] == [("jobs/1",)]


def test_a_moment_that_passes_during_an_outage_tries_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    job, holder = claim_new(bench.database, request(chains=("ETH", "SOL"))), Holder("jobs/1")
    bench.hold()
    bench.receive(bench.results(1, live(), (job, holder)))
    bench.let_moment_pass()
    bench.writer.receive(Gathered())
    assert bench.database.tried_in_vain["record_results"] == 1
    bench.recover()

    assert actions(bench.database, job.id)[-1] == "wallet_created"
    assert bench.writer.is_drained()
