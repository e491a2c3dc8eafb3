"""Children that are added, removed and counted while the tree runs."""

import asyncio
import threading
from datetime import timedelta

import pytest

from tests.support_supervision import AT_ONCE, Do, Note, Script, Trial, Worker, busy, crash, steps
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.child import Child, Family
from wallet_provisioning.supervision.family import Counts
from wallet_provisioning.supervision.incidents import ChildEnded, Undeliverable
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.orders import (
    AddChild,
    Added,
    LookForHangs,
    Refused,
    RemoveChild,
    Removed,
    RestartChild,
)
from wallet_provisioning.supervision.reply import Forward, Reply
from wallet_provisioning.supervision.restarts import Intensity, Restart, Strategy
from wallet_provisioning.supervision.snapshot import ChildState, EndReason
from wallet_provisioning.supervision.supervisor import Policy, Supervisor
from wallet_provisioning.supervision.testing import Signals

_LONG = timedelta(minutes=1)
_STRICT = Policy(delay=AT_ONCE, intensity=Intensity(limit=0, period=_LONG))


def asked_to_add(trial: Trial, supervisor: str, child: Child) -> Reply[Added | Refused]:
    reply: Reply[Added | Refused] = Reply(asyncio.get_running_loop())
    trial.order(supervisor).tell(AddChild(child=child, reply=reply))
    return reply


def asked_to_remove(trial: Trial, supervisor: str, child: str) -> Reply[Removed | Refused]:
    reply: Reply[Removed | Refused] = Reply(asyncio.get_running_loop())
    trial.order(supervisor).tell(RemoveChild(child=child, reply=reply))
    return reply


async def added(trial: Trial, supervisor: str, child: Child) -> Added | Refused:
    return await asked_to_add(trial, supervisor, child).get(20)


async def removed(trial: Trial, supervisor: str, child: str) -> Removed | Refused:
    return await asked_to_remove(trial, supervisor, child).get(20)


def paths(trial: Trial) -> list[str]:
    return [view.path for view in trial.root.views()]


def fail(_worker: Worker) -> None:
    msg = "no way"
    raise ValueError(msg)


# Coming.


async def test_a_child_that_is_added_starts_and_is_supervised_like_any_other() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.supervisor("sub"))

        assert await added(trial, "sub", trial.worker("x")) == Added(path="sub/x", incarnation=1)
        trial.address("sub/x").tell(crash(ValueError()))
        trial.address("sub/x").tell(Note(value=1))
        assert trial.noted("sub/x", 1).incarnation == 2
        assert paths(trial) == ["/", "a", "sub", "sub/x"]


async def test_what_was_told_before_a_child_came_waits_for_it() -> None:
    with Trial() as trial:
        trial.start()
        trial.address("x").tell(Note(value=1))
        await added(trial, "/", trial.worker("x"))

        trial.noted("x", 1)


async def test_a_whole_subtree_can_be_added_and_removed() -> None:
    with Trial() as trial:
        trial.start()
        inner = trial.supervisor("sub", trial.worker("b"), trial.worker("c"))

        assert await added(trial, "/", inner) == Added(path="sub", incarnation=1)
        assert paths(trial) == ["/", "sub", "sub/b", "sub/c"]
        assert await removed(trial, "/", "sub") == Removed(path="sub")
        assert paths(trial) == ["/"]
        assert [noted.path for noted in trial.notes.all() if noted.value == "stopped"] == ["sub/c", "sub/b"]


async def test_a_child_that_does_not_start_is_named_and_leaves_nothing_behind() -> None:
    with Trial() as trial:
        trial.start(policy=_STRICT)
        answer = await added(trial, "/", trial.worker("x", Script(started=fail)))

        assert answer == Refused(why="x did not start: ValueError: no way")
        assert paths(trial) == ["/"]
        assert trial.ended("x").reason is EndReason.START_FAILED
        assert trial.ends.all() == []
        assert await added(trial, "/", trial.worker("x")) == Added(path="x", incarnation=1)


async def test_a_child_that_hangs_in_its_first_start_is_refused_and_still_counted_as_a_zombie() -> None:
    clock = ManualClock()
    with Trial(clock) as trial:
        trial.start(policy=Policy(zombie_limit=0))
        asked = asked_to_add(trial, "/", trial.worker("x", Script(started=trial.hang)))
        trial.noted("x", "hangs")
        clock.advance(timedelta(seconds=16))
        trial.look()

        answer = await asked.get(20)
        assert isinstance(answer, Refused)
        assert "no end of its start" in answer.why
        (why,) = trial.ends.wait_until(bool)
        assert why is not None
        assert "1 threads below / hang" in why


@pytest.mark.parametrize(("name", "why"), [("a", "already"), ("x/y", "one part"), ("", "one part")])
async def test_a_name_that_is_taken_or_is_no_name_is_refused(name: str, why: str) -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        answer = await added(trial, "/", trial.worker(name))

        assert isinstance(answer, Refused)
        assert why in answer.why
        assert trial.root.view("a").incarnation == 1


async def test_a_supervisor_takes_no_more_children_than_its_policy_allows() -> None:
    with Trial() as trial:
        trial.start(policy=Policy(max_children=2))
        for name in "xy":
            assert isinstance(await added(trial, "/", trial.worker(name)), Added)

        assert await added(trial, "/", trial.worker("z")) == Refused(
            why="there are 2 children, and no more are allowed"
        )
        await removed(trial, "/", "x")
        assert isinstance(await added(trial, "/", trial.worker("z")), Added)


async def test_a_family_that_was_made_without_places_refuses() -> None:
    with Trial() as trial:
        made = recipe(Supervisor, family=(family := Family()), policy=Policy(), observe=trial.observe)
        trial.start(Child(id="sub", recipe=made, family=family))
        answer = await added(trial, "sub", trial.worker("x"))

        assert isinstance(answer, Refused)
        assert "without places" in answer.why


async def test_who_asks_while_the_supervisor_stops_is_refused() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.worker("a", drain=_LONG))
        trial.address("a").tell(busy(gate))
        trial.noted("a", "busy")
        starting = asked_to_add(trial, "/", trial.worker("x", Script(started=busy(gate).act)))
        leaving = asked_to_remove(trial, "/", "a")
        trial.noted("x", "busy")
        trial.root.stop()
        late = asked_to_add(trial, "/", trial.worker("y"))
        too_late = asked_to_remove(trial, "/", "a")

        for reply in (starting, leaving, late, too_late):
            assert await reply.get(20) == Refused(why="/ is stopping")
        gate.set()
        assert trial.ends.wait_until(bool) == [None]


class Asker(Actor[Added | Refused | str]):
    """Asks for a sibling and hears of it by a message."""

    def __init__(
        self, life: Life, *, supervisor: Address[AddChild], heard: Signals[Added | Refused], child: Child
    ) -> None:
        super().__init__(life)
        self._supervisor = supervisor
        self._heard = heard
        self._child = child

    def receive(self, message: Added | Refused | str) -> None:
        match message:
            case str():
                reply = Forward(self.life.me, lambda answer: answer)
                self._supervisor.tell(AddChild(child=self._child, reply=reply))
            case _:
                self._heard.note(message)


def test_an_actor_asks_for_a_child_and_is_told_the_answer() -> None:
    heard: Signals[Added | Refused] = Signals()
    with Trial() as trial:
        made = recipe(Asker, supervisor=trial.order("/"), heard=heard, child=trial.worker("x"))
        trial.start(Child(id="asker", recipe=made))
        trial.places.address("asker").tell("go")

        assert heard.wait_until(bool) == [Added(path="x", incarnation=1)]


# Going.


async def test_a_child_that_is_removed_stops_in_good_order_and_what_it_is_told_is_lost() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"), trial.worker("b"))
        trial.started("b")
        address = trial.address("a")
        address.tell(Note(value=1))
        trial.noted("a", 1)

        assert await removed(trial, "/", "a") == Removed(path="a")
        trial.noted("a", "stopped")
        address.tell(Note(value=2))
        assert Undeliverable(path="a", message="Note") in trial.heard.all()
        assert paths(trial) == ["/", "b"]


async def test_removing_what_is_not_there_is_refused() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))

        assert await removed(trial, "/", "x") == Refused(why="there is no child x")


async def test_an_address_reaches_the_next_child_of_that_name() -> None:
    with Trial() as trial:
        trial.start()
        address = trial.address("x")
        await added(trial, "/", trial.worker("x"))
        await removed(trial, "/", "x")
        await added(trial, "/", trial.worker("x"))
        address.tell(Note(value=1))

        trial.noted("x", 1)
        assert trial.root.view("x").incarnation == 1


async def test_children_that_come_and_go_under_new_names_leave_no_place_behind() -> None:
    with Trial() as trial:
        trial.start()
        for number in range(50):
            await added(trial, "/", trial.worker(str(number)))
            await removed(trial, "/", str(number))
        trial.idle("/")

        assert set(trial.places._mailboxes) == {"/"}
        assert len(trial.places._former) <= 1


async def test_a_child_that_will_not_stop_is_given_up_and_its_thread_still_counted() -> None:
    short = timedelta(milliseconds=10)
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b", drain=short)))
        trial.started("sub")
        trial.address("sub/b").tell(Do(act=trial.hang))
        trial.noted("sub/b", "hangs")

        assert await removed(trial, "sub", "b") == Removed(path="sub/b")
        assert trial.ended("sub/b").reason is EndReason.HANG
        assert paths(trial) == ["/", "sub"]
        family = trial.root._cell.spec.family
        assert family is not None
        assert family.zombies() == 1


async def test_a_child_is_removed_in_the_middle_of_a_common_restart_and_the_others_come_back() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            *(trial.worker(name, drain=_LONG) for name in "abc"),
            policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
        )
        trial.started("c")
        trial.address("c").tell(busy(gate))
        trial.noted("c", "busy")
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        leaving = asked_to_remove(trial, "/", "c")
        trial.idle("/")
        gate.set()

        assert await leaving.get(20) == Removed(path="c")
        trial.started("b", 2)
        assert paths(trial) == ["/", "a", "b"]


async def test_a_child_that_crashes_while_it_leaves_does_not_come_back() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            *(trial.worker(name, drain=_LONG) for name in "ab"),
            policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
        )
        trial.started("b")
        trial.address("b").tell(steps(busy(gate).act, crash(ValueError()).act))
        trial.noted("b", "busy")
        leaving = asked_to_remove(trial, "/", "b")
        trial.idle("/")
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        gate.set()

        assert await leaving.get(20) == Removed(path="b")
        trial.started("a", 2)
        assert paths(trial) == ["/", "a"]


async def test_a_child_that_was_leaving_when_its_supervisor_crashed_is_seen_off_by_the_successor() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b", drain=_LONG), trial.worker("c")))
        trial.started("sub")
        trial.address("sub/b").tell(busy(gate))
        trial.noted("sub/b", "busy")
        asked_to_remove(trial, "sub", "b")
        trial.idle("sub")
        trial.root.kill("sub", hang=False, reason="a test")
        trial.started("sub", 2)
        gate.set()
        trial.noted("sub/b", "stopped")
        assert await removed(trial, "sub", "c") == Removed(path="sub/c")

        assert paths(trial) == ["/", "sub"]


# Ending, restarting, counting.


async def test_a_guest_that_ends_for_good_is_forgotten() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a", restart=Restart.TEMPORARY))
        await added(trial, "/", trial.worker("x", restart=Restart.TEMPORARY))
        trial.address("x").tell(crash(ValueError()))
        trial.address("a").tell(crash(ValueError()))
        trial.ended("x")
        trial.ended("a")
        trial.idle("/")

        assert paths(trial) == ["/", "a"]


async def test_guests_survive_the_crash_and_the_restart_of_their_supervisor() -> None:
    with Trial() as trial:
        trial.start(trial.supervisor("sub"))
        await added(trial, "sub", trial.worker("x"))
        trial.root.kill("sub", hang=False, reason="a test")
        trial.started("sub", 2)
        assert trial.root.view("sub/x").incarnation == 1
        trial.root.stop_one("sub")
        trial.started("sub", 3)

        assert trial.root.view("sub/x").incarnation == 2


async def test_a_guest_is_restarted_by_request() -> None:
    reply: Reply[int] = Reply(asyncio.get_running_loop())
    with Trial() as trial:
        trial.start()
        await added(trial, "/", trial.worker("x"))
        trial.order("/").tell(RestartChild(child="x", reply=reply))

        assert await reply.get(20) == 2


async def test_a_failure_of_a_guest_spends_the_intensity_of_all() -> None:
    with Trial() as trial:
        trial.start(policy=_STRICT)
        await added(trial, "/", trial.worker("x"))
        trial.address("x").tell(crash(ValueError("poison")))
        (why,) = trial.ends.wait_until(bool)

        assert why is not None
        assert "x ended too often" in why


async def test_children_are_counted_as_they_stand() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a", restart=Restart.TEMPORARY), trial.supervisor("sub"))
        trial.started("sub")
        await added(trial, "/", trial.worker("x"))
        assert trial.root.count("/") == Counts(known=3, active=3, workers=2, supervisors=1)
        trial.address("a").tell(crash(ValueError()))
        trial.ended("a")
        trial.idle("/")

        assert trial.root.count("/") == Counts(known=3, active=2, workers=2, supervisors=1)
        assert trial.root.count("sub") == Counts(known=0, active=0, workers=0, supervisors=0)
        with pytest.raises(KeyError):
            trial.root.count("x")


async def test_children_come_and_go_while_others_look_and_crash() -> None:
    """The picture is taken by another thread all the time; nothing it sees breaks, and nothing stays."""
    over = threading.Event()
    broken: list[Exception] = []

    def look(trial: Trial) -> None:
        while not over.is_set():
            try:
                trial.root.views()
                trial.root.count("sub")
            except Exception as error:  # noqa: BLE001 - the test shows which
                broken.append(error)

    policy = Policy(delay=AT_ONCE, intensity=Intensity(limit=10_000))
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b"), policy=policy), policy=policy)
        trial.started("sub")
        looker = threading.Thread(target=look, args=(trial,))
        looker.start()
        for number in range(100):
            name = f"x{number}"
            assert isinstance(await added(trial, "sub", trial.worker(name)), Added)
            trial.address("sub/b").tell(crash(ValueError()))
            trial.address(f"sub/{name}").tell(crash(ValueError()))
            trial.order("sub").tell(LookForHangs())
            assert isinstance(await removed(trial, "sub", name), Removed)
        over.set()
        looker.join()
        trial.address("sub/b").tell(Note(value="end"))
        trial.noted("sub/b", "end")
        trial.started("sub/b", 101)

        assert broken == []
        assert paths(trial) == ["/", "sub", "sub/b"]
        crashes = [each for each in trial.heard.all() if isinstance(each, ChildEnded)]
        assert sum(each.path == "sub/b" for each in crashes) == 100
        assert trial.root.view("sub/b").state is ChildState.RUNNING
