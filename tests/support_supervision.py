"""A small tree with workers that do as they are told, for the tests of supervision."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import ClassVar, Self, TypeAlias, TypedDict, Unpack

from wallet_provisioning.clock import Clock, SystemClock
from wallet_provisioning.supervision.actor import Actor, recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.incidents import ChildEnded, ChildStarted, Incident
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.orders import LookForHangs, SupervisorMessage
from wallet_provisioning.supervision.places import ROOT, Places
from wallet_provisioning.supervision.restarts import Delay, Restart
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.runtime import ThreadRuntime
from wallet_provisioning.supervision.supervisor import Policy, Supervisor
from wallet_provisioning.supervision.testing import Signals
from wallet_provisioning.supervision.watching import Down

AT_ONCE = Delay(base=timedelta(), maximum=timedelta())
SOON = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A worker's note: who, in which life, and what."""

    path: str
    incarnation: int
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Have the worker note a value."""

    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Have the worker do something on its thread."""

    act: Callable[["Worker"], object]


WorkerMessage: TypeAlias = Note | Do | ChildEnded | Down


def nothing(_worker: "Worker") -> None:
    """Do nothing in a hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a worker does in its hooks."""

    started: Callable[["Worker"], object] = nothing
    stopping: Callable[["Worker"], object] = nothing
    stopped: Callable[["Worker"], object] = nothing
    is_drained: Callable[["Worker"], bool] = lambda _worker: True


class Worker(Actor[WorkerMessage]):
    """Does as it is told, and notes what comes."""

    def __init__(self, life: Life, *, notes: Signals[Noted], script: Script) -> None:
        super().__init__(life)
        self._notes = notes
        self._script = script
        self.done: set[str] = set()

    def note(self, value: object) -> None:
        self._notes.note(Noted(path=self.life.path, incarnation=self.life.incarnation, value=value))

    def started(self) -> None:
        self.note("started")
        self._script.started(self)

    def receive(self, message: WorkerMessage) -> None:
        match message:
            case Note():
                self.note(message.value)
            case Do():
                message.act(self)
            case ChildEnded() | Down():
                self.note(message)

    def stopping(self) -> None:
        self.note("stopping")
        self._script.stopping(self)

    def is_drained(self) -> bool:
        return self._script.is_drained(self)

    def stopped(self) -> None:
        self.note("stopped")
        self._script.stopped(self)


def steps(*acts: Callable[["Worker"], object]) -> Do:
    """Return a message over which its reader does several things."""

    def act(worker: Worker) -> None:
        for each in acts:
            each(worker)

    return Do(act=act)


def busy(gate: threading.Event) -> Do:
    """Return a message that keeps its reader busy until the gate is opened."""
    return steps(lambda worker: worker.note("busy"), lambda _worker: gate.wait(60))


def crash(error: BaseException) -> Do:
    """Return a message that its reader dies of."""

    def act(_worker: Worker) -> None:
        raise error

    return Do(act=act)


def wait_until(holds: Callable[[], bool]) -> None:
    """Poll, where nothing says that something has come about."""
    pause = threading.Event()
    for _ in range(60_000):
        if holds():
            return
        pause.wait(0.001)
    raise AssertionError


class Options(TypedDict, total=False):
    """What a child of a trial may be given."""

    restart: Restart
    drain: timedelta
    deadline: timedelta
    watchers: tuple[Address[ChildEnded], ...]
    is_blameless: Callable[[ChildEnded], bool] | None


class Trial:
    """A tree on real threads. Leaving it frees what hangs, stops the tree and waits for that.

    Its workers share threads where a `dispatcher` is named.
    """

    dispatcher: ClassVar[str | None] = None

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.heard: Signals[Incident] = Signals()
        self.notes: Signals[Noted] = Signals()
        self.ends: Signals[str | None] = Signals()
        self.gate = threading.Event()
        self.observe: Callable[[Incident], None] = self.heard.note
        self.places = Places(self.clock, self.heard.note)
        self.runtime = ThreadRuntime()
        self._root: Root | None = None

    @property
    def root(self) -> Root:
        assert self._root is not None
        return self._root

    def worker(self, name: str, script: Script | None = None, **options: Unpack[Options]) -> Child:
        made = recipe(Worker, notes=self.notes, script=script or Script())
        return Child(id=name, recipe=made, dispatcher=self.dispatcher, **options)

    def supervisor(
        self, path: str, *children: Child, policy: Policy | None = None, **options: Unpack[Options]
    ) -> Child:
        family = self.places.family(path, children)
        made = recipe(
            Supervisor,
            family=family,
            policy=policy or Policy(delay=AT_ONCE),
            observe=lambda incident: self.observe(incident),  # noqa: PLW0108 - looked up when it is called
        )
        return Child(id=path.rpartition("/")[2] or ROOT, recipe=made, family=family, **options)

    def start(self, *children: Child, policy: Policy | None = None) -> Self:
        cell = self.places.cell(ROOT, self.supervisor(ROOT, *children, policy=policy))
        self._root = Root(cell, runtime=self.runtime, clock=self.clock, on_end=self.ends.note)
        self.runtime.start()
        self._root.start()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        if self._root is not None:
            self._root.stop()
            self.ends.wait_until(bool)
        self.runtime.stop()

    # What tests say and wait for.

    def address(self, path: str) -> Address[WorkerMessage]:
        return self.places.address(path)

    def order(self, path: str) -> Address[SupervisorMessage]:
        return self.places.address(path)

    def look(self, path: str = ROOT) -> None:
        """Have a supervisor look for hangs now."""
        self.order(path).tell(LookForHangs())

    def hang(self, worker: Worker) -> None:
        """Hold a worker's thread until the trial is left, or the gate is opened."""
        worker.note("hangs")
        self.gate.wait(60)

    def idle(self, path: str) -> None:
        """Wait until an actor has read all that it was told."""
        mailbox = self.places._mailboxes[path]
        until = SystemClock().seconds() + 20
        while mailbox._parked is None or mailbox.depth():
            assert SystemClock().seconds() < until, f"{path} is not idle"

    def started(self, path: str, incarnation: int = 1) -> None:
        """Wait until an incarnation has started."""
        self.heard.wait_for(
            lambda heard: (
                isinstance(heard, ChildStarted) and (heard.path, heard.incarnation) == (path, incarnation)
            )
        )

    def ended(self, path: str, incarnation: int = 1) -> ChildEnded:
        """Wait until an incarnation has crashed, hung or failed to start."""
        found = self.heard.wait_for(
            lambda heard: (
                isinstance(heard, ChildEnded) and (heard.path, heard.incarnation) == (path, incarnation)
            )
        )
        assert isinstance(found, ChildEnded)
        return found

    def noted(self, path: str, value: object, incarnation: int | None = None) -> Noted:
        """Wait until a worker has noted a value."""
        return self.notes.wait_for(
            lambda noted: (
                (noted.path, noted.value) == (path, value) and incarnation in (None, noted.incarnation)
            )
        )

    def values(self, path: str, kind: type = int) -> list[object]:
        """Return what a worker noted, in order."""
        return [
            noted.value for noted in self.notes.all() if noted.path == path and isinstance(noted.value, kind)
        ]
