"""A supervisor that crashes: its children run on, and its successor takes up all that was begun."""

import threading
from datetime import timedelta
from typing import ClassVar

from tests.support_supervision import AT_ONCE, Note, Script, Trial, Worker, busy, crash
from wallet_provisioning.supervision.actor import Recipe, recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.incidents import ChildEnded, Incident
from wallet_provisioning.supervision.life import Ended, Life
from wallet_provisioning.supervision.orders import SupervisorMessage
from wallet_provisioning.supervision.restarts import Delay, Restart, Strategy
from wallet_provisioning.supervision.runtime import ThreadRuntime
from wallet_provisioning.supervision.snapshot import ChildState, EndReason
from wallet_provisioning.supervision.supervisor import Policy, Supervisor

_LONG = timedelta(minutes=1)


def strike(trial: Trial, path: str = "sub") -> None:
    trial.root.kill(path, hang=False, reason="a test")


def test_the_children_of_a_crashed_supervisor_run_on_untouched() -> None:
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b"), trial.worker("c")))
        trial.started("sub")
        strike(trial)
        trial.started("sub", 2)
        for path in ("sub/b", "sub/c"):
            trial.address(path).tell(Note(value=1))
            assert trial.noted(path, 1).incarnation == 1


def test_the_successor_notices_later_crashes() -> None:
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b")))
        trial.started("sub")
        strike(trial)
        trial.started("sub", 2)
        trial.address("sub/b").tell(crash(ValueError("later")))

        trial.started("sub/b", 2)
        assert trial.ended("sub/b").error == "ValueError: later"


def test_the_successor_notices_a_crash_that_happened_while_nobody_looked() -> None:
    policy = Policy(delay=Delay(base=timedelta(milliseconds=200), maximum=timedelta(milliseconds=200)))
    with Trial() as trial:
        ears = trial.places.address("ears")
        trial.start(
            trial.worker("ears"), trial.supervisor("sub", trial.worker("b", watchers=(ears,))), policy=policy
        )
        for incarnation in (1, 2):
            trial.started("sub", incarnation)
            strike(trial)
        trial.ended("sub", 2)
        assert trial.root.view("sub").state is ChildState.RESTARTING
        trial.address("sub/b").tell(crash(ValueError("unseen")))
        trial.address("sub/b").tell(Note(value=1))

        assert trial.noted("sub/b", 1).incarnation == 2
        assert trial.ended("sub/b").error == "ValueError: unseen"
        ended = trial.notes.wait_for(lambda noted: isinstance(noted.value, ChildEnded))
        assert ended.path == "ears"


class Fussy(Trial):
    """A trial whose supervisors crash over the first incident that `is_hated`."""

    def __init__(self) -> None:
        super().__init__()
        self.hates: list[type[Incident]] = []
        self.observe = self.fuss

    def fuss(self, incident: Incident) -> None:
        self.heard.note(incident)
        if incident.path == "sub/b" and self.hates and isinstance(incident, self.hates[0]):
            self.hates.clear()
            msg = "I can't hear this"
            raise ValueError(msg)


def test_a_report_over_which_the_supervisor_crashed_is_made_good_by_its_successor() -> None:
    with Fussy() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b"), trial.worker("c")))
        trial.started("sub")
        trial.hates = [ChildEnded]
        trial.address("sub/b").tell(crash(ValueError()))
        trial.address("sub/b").tell(Note(value=1))
        trial.started("sub", 2)

        trial.noted("sub/b", 1)
        assert [view.state for view in trial.root.views()] == [ChildState.RUNNING] * 4


class Clumsy(Supervisor):
    """A supervisor that dies over the first report of an end before it has acted on it."""

    dropped: ClassVar[list[str]] = []

    def receive(self, message: SupervisorMessage) -> None:
        if isinstance(message, Ended) and not self.dropped:
            self.dropped.append(message.child)
            raise SystemExit
        super().receive(message)


def test_a_last_word_that_was_lost_with_the_supervisor_is_heard_again() -> None:
    Clumsy.dropped.clear()
    with Trial() as trial:
        family = trial.places.family("sub", [trial.worker("b")])
        made = recipe(Clumsy, family=family, policy=Policy(delay=AT_ONCE), observe=trial.observe)
        trial.start(Child(id="sub", recipe=made, family=family))
        trial.started("sub")
        trial.address("sub/b").tell(crash(ValueError("kept")))
        trial.address("sub/b").tell(Note(value=1))

        assert trial.noted("sub/b", 1).incarnation == 2
        assert trial.ended("sub").error == "SystemExit: "
        assert trial.ended("sub/b").error == "ValueError: kept"
        assert Clumsy.dropped == ["b"]


def test_a_predicate_that_raises_costs_the_supervisor_its_life_and_the_child_nothing() -> None:
    def is_blameless(_ended: ChildEnded) -> bool:
        if not seen:
            seen.append(1)
            raise SystemExit
        return False

    seen: list[int] = []
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b", is_blameless=is_blameless)))
        trial.started("sub")
        trial.address("sub/b").tell(crash(ValueError("kept")))
        trial.address("sub/b").tell(Note(value=1))

        assert trial.noted("sub/b", 1).incarnation == 2
        assert trial.ended("sub/b").error == "ValueError: kept"


def test_a_blow_to_a_supervisor_that_boots_is_no_failure_to_start() -> None:
    gate = threading.Event()

    def start(worker: Worker) -> None:
        if worker.life.incarnation == 1:
            busy(gate).act(worker)

    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b", Script(started=start))), trial.worker("c"))
        trial.noted("sub/b", "busy")
        strike(trial)
        assert trial.ended("sub").reason is EndReason.CRASH
        gate.set()
        trial.started("sub", 2)
        trial.started("c")

        assert trial.root.view("sub/b").incarnation == 1


def test_a_child_that_was_starting_is_neither_started_twice_nor_forgotten() -> None:
    gate = threading.Event()
    with Trial() as trial:

        def start(worker: Worker) -> None:
            if worker.life.incarnation == 2:
                busy(gate).act(worker)

        trial.start(trial.supervisor("sub", trial.worker("b", Script(started=start)), trial.worker("c")))
        trial.started("sub")
        trial.address("sub/b").tell(crash(ValueError()))
        trial.noted("sub/b", "busy")
        strike(trial)
        trial.ended("sub")
        gate.set()
        trial.started("sub", 2)
        trial.started("sub/b", 2)
        trial.address("sub/b").tell(Note(value=1))

        assert trial.noted("sub/b", 1).incarnation == 2
        assert trial.root.view("sub/b").state is ChildState.RUNNING


class SlowRuntime(ThreadRuntime):
    """Has taken every start of one actor, whose thread begins when it is let."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._held: list[tuple[Recipe, Life]] = []

    def launch(self, recipe: Recipe, life: Life) -> None:
        if life.path == self._path:
            self._held.append((recipe, life))
        else:
            super().launch(recipe, life)

    def let(self) -> int:
        for each in self._held:
            super().launch(*each)
        return len(self._held)


def test_a_child_whose_thread_has_not_begun_is_not_started_twice() -> None:
    with Trial() as trial:
        trial.runtime.loop.close()
        trial.runtime = runtime = SlowRuntime("sub/a")
        trial.start(trial.supervisor("sub", trial.worker("a")))
        trial.idle("sub")
        trial.root.kill("sub", hang=False, reason="a test")
        trial.ended("sub")
        trial.idle("/")
        trial.idle("sub")

        assert trial.root.view("sub").incarnation == 2
        assert runtime.let() == 1
        trial.started("sub", 2)
        assert trial.root.view("sub/a").incarnation == 1


def test_a_child_that_was_being_stopped_for_a_restart_is_started_by_the_successor() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            trial.supervisor(
                "sub",
                trial.worker("b"),
                trial.worker("c", drain=_LONG),
                policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
            )
        )
        trial.started("sub")
        trial.address("sub/c").tell(busy(gate))
        trial.noted("sub/c", "busy")
        trial.address("sub/b").tell(crash(ValueError()))
        trial.ended("sub/b")
        trial.idle("sub")
        strike(trial)
        trial.ended("sub")
        gate.set()
        trial.started("sub", 2)

        assert {view.path: view.incarnation for view in trial.root.views()} == {
            "/": 1,
            "sub": 2,
            "sub/b": 2,
            "sub/c": 2,
        }


def test_a_temporary_child_that_was_being_stopped_along_is_not_started_by_the_successor() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            trial.supervisor(
                "sub",
                trial.worker("b"),
                trial.worker("t", restart=Restart.TEMPORARY, drain=_LONG),
                policy=Policy(strategy=Strategy.ONE_FOR_ALL, delay=AT_ONCE),
            )
        )
        trial.started("sub")
        trial.address("sub/t").tell(busy(gate))
        trial.noted("sub/t", "busy")
        trial.address("sub/b").tell(crash(ValueError()))
        trial.ended("sub/b")
        trial.idle("sub")
        strike(trial)
        trial.ended("sub")
        gate.set()
        trial.started("sub", 2)
        trial.started("sub/b", 2)
        trial.idle("sub")

        assert trial.root.view("sub/t").incarnation == 1
        assert trial.root.view("sub/t").state is ChildState.STOPPED


def test_a_pause_that_was_under_way_is_not_forgotten() -> None:
    policy = Policy(delay=Delay(base=timedelta(hours=1), maximum=timedelta(hours=1)))
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b"), policy=policy))
        trial.address("sub/b").tell(crash(ValueError()))
        trial.address("sub/b").tell(crash(ValueError()))
        trial.ended("sub/b", 2)
        strike(trial)

        trial.started("sub/b", 3)


def test_a_child_that_had_ended_for_good_is_not_started_by_the_successor_of_a_crash() -> None:
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b", restart=Restart.TRANSIENT), trial.worker("c")))
        trial.started("sub")
        trial.root.stop_one("sub/b")
        trial.noted("sub/b", "stopped")
        trial.idle("sub")
        strike(trial)
        trial.started("sub", 2)

        assert trial.root.view("sub/b").incarnation == 1


def test_a_supervisor_that_was_stopped_in_good_order_starts_all_its_children_anew() -> None:
    with Trial() as trial:
        trial.start(trial.supervisor("sub", trial.worker("b", restart=Restart.TRANSIENT), trial.worker("c")))
        trial.started("sub")
        trial.root.stop_one("sub/b")
        trial.noted("sub/b", "stopped")
        trial.idle("sub")
        trial.root.stop_one("sub")
        trial.started("sub", 2)
        trial.address("sub/b").tell(Note(value=1))

        assert trial.noted("sub/b", 1).incarnation == 2
        assert trial.root.view("sub/c").incarnation == 2


def test_a_supervisor_that_crashes_while_it_drains_does_not_leave_its_children_behind() -> None:
    gate = threading.Event()
    with Trial() as trial:
        trial.start(
            trial.worker("a"),
            trial.supervisor("sub", trial.worker("b"), trial.worker("c", drain=_LONG), drain=_LONG),
        )
        trial.started("sub")
        trial.address("sub/c").tell(busy(gate))
        trial.noted("sub/c", "busy")
        trial.root.stop()
        trial.idle("/")
        trial.idle("sub")
        strike(trial)
        assert trial.ends.wait_until(bool) == [None]

        assert {view.state for view in trial.root.views()} == {ChildState.STOPPED}
        assert trial.ended("sub/c").reason is EndReason.HANG
        gate.set()
        before = trial.values("sub/b", object)
        trial.address("sub/b").tell(Note(value=1))
        assert trial.values("sub/b", object) == before


def test_blows_without_end_leave_a_tree_that_works() -> None:
    """Children and their supervisor are struck in turn, at no particular moment."""
    with Trial() as trial:
        policy = Policy(delay=AT_ONCE, strategy=Strategy.REST_FOR_ONE)
        trial.start(
            trial.supervisor("sub", *(trial.worker(name) for name in "bcd"), policy=policy),
            policy=Policy(delay=AT_ONCE),
        )
        trial.started("sub")
        paths = ["sub/b", "sub", "sub/c", "sub/d", "sub/c"]
        for blow in range(15):
            path = paths[blow % len(paths)]
            trial.root.kill(path, hang=False, reason="a test")
            trial.address("sub/b").tell(Note(value=blow))
            trial.address("sub/d").tell(Note(value=blow))
        for path in ("sub/b", "sub/c", "sub/d"):
            trial.address(path).tell(Note(value="end"))
            trial.noted(path, "end")

        assert trial.values("sub/b") == list(range(15))
        assert trial.values("sub/d") == list(range(15))
        trial.heard.wait_until(
            lambda _heard: all(view.state is ChildState.RUNNING for view in trial.root.views())
        )
