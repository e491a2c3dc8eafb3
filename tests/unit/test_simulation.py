"""The simulated runtime by itself: its loop keeps asyncio's order, its actors behave as on threads."""

import asyncio
import threading
from datetime import timedelta

import pytest

from tests.simulation.trees import Node, Numbered, SimTree
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.simfaults import Boundary, Fault, Harm, at
from wallet_provisioning.supervision.simulation import SimRuntime
from wallet_provisioning.supervision.snapshot import EndReason

SECOND = timedelta(seconds=1)
WORKER = Node(name="/", children=(Node(name="a"),))


def drain(runtime: SimRuntime) -> None:
    while runtime.step():
        pass


def told(tree: SimTree, count: int) -> None:
    for number in range(count):
        tree.address("a").tell(Numbered(sender="test", number=number))


def numbers(tree: SimTree) -> list[int]:
    return [seen.message.number for seen in tree.notes]


def test_sleeps_end_in_the_order_of_their_times_and_take_no_time_at_all() -> None:
    runtime = SimRuntime(1)
    ended: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append(runtime.clock.seconds())

    async def all_of_them() -> None:
        await asyncio.gather(*(sleep(seconds) for seconds in (3600, 0.5, 60)))

    runtime.loop.create_task(all_of_them())
    drain(runtime)
    assert ended == [0.5, 60, 3600]
    assert runtime.loop.broken == []


def test_locks_and_time_limits_of_asyncio_work() -> None:
    runtime = SimRuntime(1)
    lock = asyncio.Lock()
    told: list[str] = []

    async def hold() -> None:
        async with lock:
            await asyncio.sleep(10)
        told.append("let go")

    async def wait() -> None:
        try:
            async with asyncio.timeout(3):
                await lock.acquire()
        except TimeoutError:
            told.append("too long")

    runtime.loop.create_task(hold())
    runtime.loop.create_task(wait())
    drain(runtime)
    assert told == ["too long", "let go"]


def test_an_error_that_nobody_caught_is_noted() -> None:
    runtime = SimRuntime(1)
    runtime.loop.call_soon(lambda: 1 / 0)
    drain(runtime)
    assert "ZeroDivisionError" in runtime.loop.broken[0]


def test_no_thread_is_started_and_the_one_that_steps_keeps_its_name() -> None:
    before, name = threading.active_count(), threading.current_thread().name
    tree = SimTree(WORKER, 1).start()
    told(tree, 5)
    tree.run(10 * SECOND)
    assert numbers(tree) == [0, 1, 2, 3, 4]
    assert (threading.active_count(), threading.current_thread().name) == (before, name)
    assert tree.stop()


def test_a_quiet_message_waits_until_another_one_wakes_its_reader() -> None:
    tree = SimTree(WORKER, 1).start()
    tree.run(SECOND)
    tree.address("a").tell_quietly(Numbered(sender="test", number=0))
    tree.run(60 * SECOND)
    assert numbers(tree) == []

    tree.address("a").tell(Numbered(sender="test", number=1))
    tree.run(SECOND)
    assert numbers(tree) == [0, 1]


@pytest.mark.parametrize(
    ("fault", "handled", "reason"),
    [
        (Fault(harm=Harm.CRASH), [1, 2], EndReason.CRASH),
        (Fault(harm=Harm.CRASH_AFTER), [0, 1, 2], EndReason.CRASH),
        (Fault(harm=Harm.KILL), [0, 1, 2], EndReason.CRASH),
        (Fault(harm=Harm.HANG), [1, 2], EndReason.HANG),
        (Fault(harm=Harm.HANG, lasts=20 * SECOND), [1, 2, 0], EndReason.HANG),
        (Fault(harm=Harm.HANG, lasts=10 * SECOND), [0, 1, 2], None),
        (Fault(harm=Harm.LOSE), [1, 2], None),
    ],
)
def test_each_harm_does_what_it_says(fault: Fault, handled: list[int], reason: EndReason | None) -> None:
    tree = SimTree(WORKER, 1, faults=at({("a", 2): fault})).start()
    told(tree, 3)
    tree.run(60 * SECOND)

    ends = [each.reason for each in tree.incidents if isinstance(each, ChildEnded)]
    assert numbers(tree) == handled
    assert ends == ([] if reason is None else [reason])


def test_a_hang_for_ever_is_a_zombie_and_nobody_who_could_go_on() -> None:
    tree = SimTree(WORKER, 1, faults=at({("a", 2): Fault(harm=Harm.HANG)})).start()
    told(tree, 1)
    tree.run(60 * SECOND)

    assert [life.incarnation for life in tree.runtime.living(stuck=True)] == [1]
    assert tree.root.view("a").zombies == 1


def test_the_trace_names_every_boundary_and_can_be_used_to_place_a_fault() -> None:
    tree = SimTree(WORKER, 1).start()
    told(tree, 1)
    tree.run(SECOND / 2)
    assert Boundary(path="a", number=1, message="started") in tree.runtime.trace
    assert Boundary(path="a", number=2, message="Numbered") in tree.runtime.trace


def test_a_closed_runtime_tells_nobody_anything() -> None:
    runtime = SimRuntime(1)
    tree = SimTree(WORKER, 1).start()
    tree.run(SECOND)

    async def never() -> Numbered:
        await asyncio.sleep(5)
        return Numbered(sender="test", number=1)

    runtime.submit(never, tree.address("a"), lambda error: Numbered(sender=str(error), number=2))
    runtime.step()
    runtime.close()
    drain(runtime)
    tree.run(10 * SECOND)
    assert numbers(tree) == []
