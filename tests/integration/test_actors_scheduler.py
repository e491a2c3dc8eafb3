"""The scheduler: whom it takes for free, and whom it wakes."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from sqlalchemy import text

from tests.servers import PostgresServer
from tests.support_actors import Production
from tests.support_desk import Desk, IdleRuntime, Post, of_kind
from tests.support_store import LEASE, Events, accept, actions, apply, in_one, open_sqlite, operate
from wallet_provisioning.actors.job import JobMessage, Rest, Work
from wallet_provisioning.actors.results import Finished
from wallet_provisioning.actors.scheduler import SchedulerActor, SchedulerOptions, WorkKnown
from wallet_provisioning.clock import Clock, ManualClock
from wallet_provisioning.jobs.moves import cancel, hand_back
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.schema import migrate

Slots: TypeAlias = dict[str, Post[JobMessage]]


def schedule(database: Database, slots: Slots, clock: Clock | None = None) -> SchedulerActor:
    life = Desk("scheduler").life
    return SchedulerActor(
        life if clock is None else replace(life, clock=clock),
        database=database,
        job_actors={path: post.address for path, post in slots.items()},
        options=SchedulerOptions(
            holder=uuid4(),
            batch_size=10,
            poll_interval=timedelta(seconds=30),
            lease=LEASE,
            include_retries=True,
        ),
        emit=Events(),
    )


class SlowClock(ManualClock):
    """A tenth of a second passes between two readings: every look at the queue is dear."""

    def monotonic(self) -> timedelta:
        self.advance(timedelta(milliseconds=100))
        return super().monotonic()


def test_a_job_that_keeps_its_old_place_is_looked_for_as_soon_as_it_is_said_to_be_there() -> None:
    with PostgresServer() as server:
        clock, slots = SlowClock(), two_slots()
        url = server.create_database()
        migrate(url)
        database = Database(url, clock=clock)
        scheduler = schedule(database, slots, clock)
        accept(database)
        in_one(
            database,
            lambda tx: tx.execute(
                text("UPDATE wallet_provisioning_jobs SET due_at = due_at - interval '1h'")
            ),
        )
        scheduler.receive(Finished(slots=tuple(slots), due_in=None))
        (first,) = of_kind(Work, slots["jobs/1"].read())
        accept(database)
        scheduler.receive(WorkKnown())
        apply(database, hand_back(first.job))

        scheduler.receive(Finished(slots=("jobs/1",), due_in=None))
        assert of_kind(Work, slots["jobs/1"].read()) == []
        scheduler.receive(WorkKnown(is_returned=True))
        assert [work.job.id for work in of_kind(Work, slots["jobs/1"].read())] == [first.job.id]
        database.close()


def two_slots() -> Slots:
    return {path: Post(path) for path in ("jobs/1", "jobs/2")}


def test_those_who_get_no_other_job_are_woken_to_read_that_theirs_has_ended(tmp_path: Path) -> None:
    slots = two_slots()
    scheduler = schedule(open_sqlite(tmp_path), slots)
    scheduler.receive(Finished(slots=tuple(slots), due_in=None))
    assert [post.read() for post in slots.values()] == [[Rest()], [Rest()]]

    scheduler.receive(WorkKnown())
    assert [post.read() for post in slots.values()] == [[], []]


def test_who_gets_another_job_at_once_is_woken_by_that(tmp_path: Path) -> None:
    database, slots = open_sqlite(tmp_path), two_slots()
    job = accept(database).job
    schedule(database, slots).receive(Finished(slots=tuple(slots), due_in=None))

    (work,) = slots["jobs/1"].read()
    assert isinstance(work, Work)
    assert work.job.id == job.id
    assert slots["jobs/2"].read() == [Rest()]


def test_a_late_end_of_a_lost_job_frees_no_actor_that_has_another_one(tmp_path: Path) -> None:
    with Production(tmp_path, job_actors=1) as tree:
        tree.circle.held.add("ETH")
        lost = tree.accept()
        tree.until(tree.is_sent(1))
        operate(tree.database, cancel(lost.id))
        present = tree.accept()
        tree.until(tree.is_sent(2))
        tree.circle.answer(tree.circle.sent[0])
        next_one = tree.accept()
        tree.pass_time(timedelta(seconds=2))
        assert actions(tree.database, next_one.id) == ["job_created"]
        tree.circle.answer_all()

        tree.until(tree.has_status(JobStatus.COMPLETED, present, next_one))
        assert tree.job(lost).wallets[0].status == "live"
        assert not tree.troubles()


def test_what_may_be_the_echo_of_a_job_just_claimed_is_looked_for_in_a_moment(tmp_path: Path) -> None:
    database, slots, clock = open_sqlite(tmp_path), two_slots(), ManualClock()
    scheduler = schedule(database, slots, clock)
    runtime = scheduler.life.runtime
    assert isinstance(runtime, IdleRuntime)
    scheduler.receive(Finished(slots=tuple(slots), due_in=None))
    echo = WorkKnown(is_heard=True)

    accept(database)
    scheduler.receive(echo)
    assert of_kind(Work, slots["jobs/1"].read()) == []
    assert runtime.timers == [("scheduler", timedelta(milliseconds=5), WorkKnown())]
    clock.advance(timedelta(milliseconds=5))
    scheduler.receive(echo)
    assert len(of_kind(Work, slots["jobs/1"].read())) == 1

    accept(database)
    scheduler.receive(WorkKnown())
    assert len(of_kind(Work, slots["jobs/2"].read())) == 1
