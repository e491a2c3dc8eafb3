"""The thread runtime: work beside the actors, timers, and its end."""

import asyncio
import gc
import threading
from contextvars import ContextVar
from datetime import timedelta

import pytest

from tests.support_supervision import Do, Note, Trial, Worker
from wallet_provisioning.supervision.runtime import ThreadRuntime


def failed(error: Exception) -> Note:
    """Return what an actor is told of an error."""
    return Note(value=f"failed: {error}")


def test_a_result_of_submitted_work_comes_as_a_message() -> None:
    async def work() -> Note:
        await asyncio.sleep(0)
        return Note(value=threading.current_thread().name)

    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.runtime.submit(work, trial.address("a"), failed)

        trial.noted("a", "io")


def test_an_error_of_submitted_work_comes_as_a_message_too() -> None:
    async def work() -> Note:
        msg = "no luck"
        raise ValueError(msg)

    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.runtime.submit(work, trial.address("a"), failed)

        trial.noted("a", "failed: no luck")


def test_submitted_work_runs_in_the_callers_context() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")

    async def work() -> Note:
        return Note(value=who.get())

    with Trial() as trial:

        def submit(worker: Worker) -> None:
            trial.runtime.submit(work, worker.life.me, failed)

        trial.start(trial.worker("a"))
        token = who.set("me")
        trial.address("a").tell(Do(act=submit))
        who.reset(token)

        trial.noted("a", "me")


def test_a_result_for_a_child_that_restarts_meanwhile_reaches_its_successor() -> None:
    release = asyncio.Event()

    async def work() -> Note:
        await release.wait()
        return Note(value="late")

    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.started("a")
        trial.runtime.submit(work, trial.address("a"), failed)
        trial.root.kill("a", hang=False, reason="a test")
        trial.started("a", 2)
        trial.runtime.loop.call_soon_threadsafe(release.set)

        assert trial.noted("a", "late").incarnation == 2


def test_stopping_cancels_what_runs_and_ends_the_thread() -> None:
    cancelled = threading.Event()
    running = threading.Event()

    async def work() -> Note:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Note(value=None)

    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.runtime.submit(work, trial.address("a"), failed)
        assert running.wait(20)

    assert cancelled.is_set()
    assert trial.runtime.loop.is_closed()


def test_work_and_timers_after_the_end_are_let_go() -> None:
    async def work() -> Note:
        return Note(value=None)

    with Trial() as trial:
        trial.start(trial.worker("a"))
    trial.runtime.submit(work, trial.address("a"), failed)
    cancel = trial.runtime.later(timedelta(), trial.address("a"), Note(value=1))

    cancel()
    trial.runtime.stop()


def test_a_runtime_that_never_started_stops() -> None:
    runtime = ThreadRuntime()
    runtime.stop()

    assert not runtime.loop.is_running()
    runtime.loop.close()


def test_work_submitted_while_the_runtime_stops_leaves_nothing_pending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> Note:
        await asyncio.Event().wait()
        return Note(value=None)

    def submit(trial: Trial) -> None:
        for _ in range(300):
            trial.runtime.submit(work, trial.address("a"), failed)

    for _ in range(20):
        with Trial() as trial:
            trial.start(trial.worker("a"))
            submitters = [threading.Thread(target=submit, args=(trial,)) for _ in range(2)]
            for each in submitters:
                each.start()
        for each in submitters:
            each.join()
    gc.collect()

    assert caplog.records == []
