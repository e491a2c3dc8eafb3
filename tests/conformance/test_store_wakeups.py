import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest
import pytest_asyncio

from tests.servers import PostgresServer
from tests.support_store import accept, apply, claim, claim_new, explode, in_one
from tests.support_store import request as wanted
from wallet_provisioning.jobs import moves
from wallet_provisioning.store.accepting import accept_job
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.wakeups import Wakeups, notify

_ACCEPTOR = """
import sys
from tests.support_store import accept
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.store.database import Database
accept(Database(sys.argv[1], clock=SystemClock()))
"""


@pytest_asyncio.fixture
async def wakeups(database: Database, database_url: str) -> AsyncIterator[Wakeups]:
    listening = Wakeups(database_url, database.dialect)
    await listening.next()
    yield listening
    await listening.aclose()


async def test_the_first_wake_up_comes_at_once(wakeups: Wakeups) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wakeups.next(), 0.3)


async def test_an_accepted_job_wakes_within_a_second(database: Database, wakeups: Wakeups) -> None:
    await asyncio.to_thread(accept, database)

    await asyncio.wait_for(wakeups.next(), 1)


async def test_a_job_from_another_process_wakes_one_who_waits(
    database: Database, database_url: str, wakeups: Wakeups
) -> None:
    waiting = asyncio.create_task(wakeups.next())
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", _ACCEPTOR, database_url], check=True)

    await asyncio.wait_for(waiting, 1)
    assert len(claim(database)) == 1


async def test_a_job_that_is_put_back_wakes(database: Database, wakeups: Wakeups) -> None:
    job = claim_new(database)
    await asyncio.wait_for(wakeups.next(), 1)
    await drain(wakeups)

    apply(database, moves.hand_back(job))

    heard = await asyncio.wait_for(wakeups.next(), 60)
    assert heard == (frozenset({"", "returned"}) if database.dialect == "postgresql" else None)


async def test_what_was_taken_back_wakes_nobody(database: Database, wakeups: Wakeups) -> None:
    with pytest.raises(ZeroDivisionError):
        in_one(database, lambda tx: accept_job(tx, wanted()), explode)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wakeups.next(), 0.3)


async def test_a_lost_connection_is_told_and_the_next_call_listens_again(
    database: Database, database_url: str, wakeups: Wakeups, request: pytest.FixtureRequest
) -> None:
    if database.dialect == "sqlite":
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    waiting = asyncio.create_task(wakeups.next())
    await asyncio.sleep(0)
    await asyncio.to_thread(server.cut_connections, database_url)

    with pytest.raises(StoreUnavailableError, match="no longer listening"):
        await asyncio.wait_for(waiting, 5)
    await wakeups.next()
    database.close()
    await asyncio.to_thread(accept, database)
    await asyncio.wait_for(wakeups.next(), 1)


async def test_listening_to_what_is_not_there_is_unavailable(database: Database) -> None:
    nowhere = {"sqlite": "sqlite:////nowhere/a.db", "postgresql": "postgresql://127.0.0.1:1/x"}
    with pytest.raises(StoreUnavailableError):
        await Wakeups(nowhere[database.dialect], database.dialect).next()


async def drain(wakeups: Wakeups) -> None:
    with contextlib.suppress(TimeoutError):
        while True:
            await asyncio.wait_for(wakeups.next(), 0.2)


async def test_what_is_announced_is_told_apart_where_the_store_can(
    database: Database, wakeups: Wakeups
) -> None:
    can_tell = database.dialect == "postgresql"
    for announced in ("controls", "a daemon's own id"):
        waiting = asyncio.create_task(wakeups.next())
        await asyncio.to_thread(in_one, database, partial(notify, payload=announced))
        if can_tell:
            assert await asyncio.wait_for(waiting, 60) == frozenset({announced})
        else:
            waiting.cancel()
    waiting = asyncio.create_task(wakeups.next())
    await asyncio.to_thread(accept, database)
    assert await asyncio.wait_for(waiting, 60) == (frozenset({""}) if can_tell else None)


async def test_a_server_that_stands_still_is_noticed_by_its_silence(
    database: Database, database_url: str, request: pytest.FixtureRequest
) -> None:
    """A process that is stopped keeps its connections: nothing ever tells that they are dead."""
    if database.dialect == "sqlite":
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    wakeups = Wakeups(database_url, database.dialect, silence=timedelta(milliseconds=100))
    await wakeups.next()
    (listens_on,) = server.listeners(database_url)
    os.kill(listens_on, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailableError, match="no longer listening"):
            await asyncio.wait_for(wakeups.next(), 60)
        assert await asyncio.wait_for(wakeups.next(), 60) is None
        waiting = asyncio.create_task(wakeups.next())
        await asyncio.to_thread(accept, database)
        assert await asyncio.wait_for(waiting, 60) == frozenset({""})
    finally:
        os.kill(listens_on, signal.SIGCONT)
        await wakeups.aclose()
