"""The simulated runtime by itself: its loop keeps asyncio's order, its actors behave as on threads."""

import asyncio
import threading
from datetime import timedelta

import pytest

from tests.simulation.trees import Node, Numbered, SimTree
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.bounds import Bound, Overflow
from wallet_provisioning.supervision.incidents import ChildEnded, Incident, Undeliverable, Why
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.places import ROOT, Places
from wallet_provisioning.supervision.policy import Policy
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.simfaults import Boundary, Fault, Harm, at
from wallet_provisioning.supervision.simulation import SimRuntime
from wallet_provisioning.supervision.snapshot import EndReason
from wallet_provisioning.supervision.spec import Child
from wallet_provisioning.supervision.supervisor import Supervisor

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


class Herald(Actor[Numbered]):
    """Tells every message on, to one and then to the other."""

    def __init__(self, life: Life, *, to: tuple[Address[Numbered], ...]) -> None:
        super().__init__(life)
        self._to = to

    def receive(self, message: Numbered) -> None:
        for address in self._to:
            address.tell(message)


class Ear(Actor[Numbered]):
    """Notes what it hears."""

    def __init__(self, life: Life, *, heard: list[tuple[str, int]]) -> None:
        super().__init__(life)
        self._heard = heard

    def receive(self, message: Numbered) -> None:
        self._heard.append((self.life.path, message.number))


class Heralds:
    """A herald between two ears."""

    def __init__(self, fault: Fault | None = None, bound: Bound | None = None) -> None:
        places = {} if fault is None else {("herald", 2): fault}
        self.runtime = SimRuntime(1, faults=at(places))
        self.heard: list[tuple[str, int]] = []
        self.incidents: list[Incident] = []
        observe = self.incidents.append
        self.places = Places(self.runtime.clock, observe, self.runtime.make_mailbox)
        ears = [Child(id=name, recipe=recipe(Ear, heard=self.heard), bound=bound) for name in ("a", "b")]
        to = (self.places.address("a"), self.places.address("b"))
        family = self.places.family(ROOT, [*ears, Child(id="herald", recipe=recipe(Herald, to=to))])
        made = recipe(Supervisor, family=family, policy=Policy(), observe=observe)
        cell = self.places.cell(ROOT, Child(id=ROOT, recipe=made, family=family))
        clock = self.runtime.clock
        self.root = Root(cell, runtime=self.runtime, clock=clock, on_end=lambda _why: None)
        self.root.start()

    def tell(self, *numbers: int) -> "Heralds":
        for number in numbers:
            self.places.address("herald").tell(Numbered(sender="test", number=number))
        self.runtime.run(lambda: False, within=60 * SECOND)
        return self

    def of(self, path: str) -> list[int]:
        return [number for heard, number in self.heard if heard == path]


def test_the_points_of_a_hook_stand_before_and_after_each_of_its_effects() -> None:
    heralds = Heralds().tell(7)
    told = Boundary(path="herald", number=2, message="Numbered")
    assert heralds.runtime.points[told] == [
        "tell Numbered to a",
        "told Numbered to a",
        "tell Numbered to b",
        "told Numbered to b",
    ]


@pytest.mark.parametrize(
    ("point", "a", "b"), [(1, [2], [2]), (2, [1, 2], [2]), (3, [1, 2], [2]), (4, [1, 2], [1, 2])]
)
def test_a_crash_inside_a_hook_leaves_the_effects_before_it_and_none_behind(
    point: int, a: list[int], b: list[int]
) -> None:
    heralds = Heralds(Fault(harm=Harm.CRASH, at=point)).tell(1, 2)
    assert (heralds.of("a"), heralds.of("b")) == (a, b)
    assert heralds.root.view("herald").incarnation == 2
    assert heralds.runtime.effects.struck == {"crash inside": 1}


@pytest.mark.parametrize(("lasts", "b"), [(5, [1, 2]), (30, [2, 1]), (None, [2])])
def test_a_hook_that_stands_still_goes_on_where_it_stood_be_it_a_zombie(
    lasts: int | None, b: list[int]
) -> None:
    fault = Fault(harm=Harm.HANG, at=2, lasts=None if lasts is None else lasts * SECOND)
    before = threading.active_count()
    heralds = Heralds(fault).tell(1, 2)
    assert (heralds.of("a"), heralds.of("b")) == ([1, 2], b)
    assert heralds.runtime.standing() == (("told Numbered to a",) if lasts is None else ())
    assert heralds.root.view("herald").zombies == (lasts is None)

    heralds.runtime.close()
    assert threading.active_count() == before
    assert heralds.of("b") == b


def test_a_process_that_ends_inside_a_hook_does_nothing_any_more() -> None:
    heralds = Heralds(Fault(harm=Harm.DIE, at=2)).tell(1, 2)
    assert heralds.runtime.has_died
    assert not heralds.runtime.step()
    assert heralds.heard == []


def test_a_start_that_is_lost_is_noticed_and_made_again() -> None:
    tree = SimTree(WORKER, 1, faults=at({("a", 1): Fault(harm=Harm.LOSE)})).start()
    told(tree, 1)
    tree.run(60 * SECOND)
    assert numbers(tree) == [0]
    assert tree.root.view("a").incarnation == 2
    assert tree.root.view("a").zombies == 0


def test_what_a_full_mailbox_refuses_from_a_timer_or_a_call_is_a_dead_letter() -> None:
    heralds = Heralds(bound=Bound(capacity=1, overflow=Overflow.REFUSE))
    ear = heralds.places.address("a")
    heralds.tell()
    for number in range(3):
        heralds.runtime.later(SECOND, ear, Numbered(sender="timer", number=number))

    async def answer() -> Numbered:
        return Numbered(sender="call", number=3)

    ear.tell(Numbered(sender="test", number=9))
    heralds.runtime.submit(answer, ear, lambda error: Numbered(sender=str(error), number=4))
    heralds.runtime.run(lambda: False, within=60 * SECOND)
    dead = [each for each in heralds.incidents if isinstance(each, Undeliverable)]
    assert len(heralds.of("a")) + len(dead) == 5
    assert dead
    assert {each.why for each in dead} == {Why.FULL}
    assert heralds.runtime.loop.broken == []
