"""The striker: it kills what runs, one kill at a time, and knows which kills must have been reported."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from wallet_provisioning.chaos.calls import Api, RefusedError
from wallet_provisioning.chaos.plan import Kind, Strike
from wallet_provisioning.chaos.striker import Striker
from wallet_provisioning.chaos.victim import Victim
from wallet_provisioning.clock import ManualClock

AT_ONCE = timedelta()


class Tree(Api):
    """A tree of actors, as the admin API shows it; who is killed comes back when `restart` is called."""

    def __init__(self, *paths: str) -> None:
        super().__init__(lambda: "")
        self.states = dict.fromkeys(paths, "running")
        self.incarnations = dict.fromkeys(paths, 1)
        self.in_hand: dict[str, str] = {}
        self.crashes: dict[str, int] = {}
        self.killed: list[tuple[str, bool, str]] = []
        self.refuses = False

    def actors(self) -> list[dict[str, Any]]:
        return [self._view(path) for path in self.states]

    def job(self, job_id: str) -> dict[str, Any]:
        return {"crash_count": self.crashes.get(job_id, 0)}

    def kill(self, path: str, *, is_hang: bool, reason: str) -> dict[str, Any]:
        if self.refuses:
            raise RefusedError(500, "no")
        self.killed.append((path, is_hang, reason))
        return self._view(path)

    def restart(self, path: str) -> None:
        self.incarnations[path] += 1

    def _view(self, path: str) -> dict[str, Any]:
        job_id = self.in_hand.get(path)
        return {
            "path": path,
            "state": self.states[path],
            "incarnation": self.incarnations[path],
            "working_on": None if job_id is None else {"job_id": job_id},
        }


class Process(Victim):
    """A daemon that comes back at once."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.life = 1

    def strike_down(self) -> None:
        self.life += 1

    def strike_sandbox(self) -> bool:
        return True


class Scene:
    """A striker with all that it needs, and time that stands still."""

    def __init__(self, *paths: str) -> None:
        self.tree = Tree(*paths)
        self.process = Process()
        self.clock = ManualClock()
        self.striker = Striker(self.tree, self.process, self.clock)

    def strike(self, kind: Kind, path: str = "") -> None:
        self.striker.run([Strike(at=AT_ONCE, kind=kind, path=path)], threading.Event())

    def see(self) -> None:
        self.striker.see(self.tree.actors(), self.process.life)


def test_a_kill_names_itself_so_that_its_report_is_found() -> None:
    scene = Scene("writer", "circle/ETH")
    scene.strike(Kind.CRASH, "writer")
    scene.strike(Kind.HANG, "circle/ETH")
    assert scene.tree.killed == [("writer", False, "chaos 1"), ("circle/ETH", True, "chaos 2")]
    assert [(kill.mark, kill.path, kill.is_hang) for kill in scene.striker.kills()] == [
        ("chaos 1", "writer", False),
        ("chaos 2", "circle/ETH", True),
    ]


def test_an_actor_is_struck_again_only_when_its_last_kill_was_seen_to_work() -> None:
    scene = Scene("writer")
    scene.strike(Kind.CRASH, "writer")
    scene.strike(Kind.CRASH, "writer")
    assert len(scene.tree.killed) == 1
    assert not scene.striker.is_settled()
    scene.tree.restart("writer")
    scene.see()
    assert scene.striker.is_settled()
    scene.strike(Kind.CRASH, "writer")
    assert len(scene.tree.killed) == 2


def test_an_actor_that_does_not_run_or_is_not_there_is_spared() -> None:
    scene = Scene("writer")
    scene.tree.states["writer"] = "restarting"
    scene.strike(Kind.CRASH, "writer")
    scene.strike(Kind.CRASH, "nobody")
    assert (scene.tree.killed, scene.striker.spared) == ([], 2)


def test_a_job_that_crashed_before_is_spared() -> None:
    scene = Scene("jobs/1", "jobs/2")
    scene.tree.in_hand = {"jobs/1": "old", "jobs/2": "new"}
    scene.tree.crashes = {"old": 1}
    scene.strike(Kind.CRASH, "jobs/1")
    scene.strike(Kind.CRASH, "jobs/2")
    assert [path for path, _, _ in scene.tree.killed] == ["jobs/2"]


def test_processes_are_killed_and_counted() -> None:
    scene = Scene()
    scene.strike(Kind.PROCESS)
    scene.strike(Kind.SANDBOX)
    assert (scene.striker.processes, scene.striker.sandboxes, scene.process.life) == (1, 1, 2)


def test_a_kill_that_was_seen_long_before_the_process_was_killed_must_be_reported() -> None:
    scene = Scene("writer", "rescuer", "listener")
    for path in ("writer", "rescuer"):
        scene.strike(Kind.CRASH, path)
    scene.tree.restart("writer")
    scene.see()
    scene.clock.advance(timedelta(seconds=6))
    scene.tree.restart("rescuer")
    scene.see()
    scene.strike(Kind.PROCESS)
    scene.strike(Kind.CRASH, "listener")
    assert {kill.path: (kill.is_owed, kill.is_of_last_life) for kill in scene.striker.kills()} == {
        "writer": (True, False),
        "rescuer": (False, False),
        "listener": (True, True),
    }


def test_a_kill_that_is_refused_is_trouble_and_no_kill() -> None:
    scene = Scene("writer")
    scene.tree.refuses = True
    scene.strike(Kind.CRASH, "writer")
    assert scene.striker.kills() == ()
    assert "HTTP 500" in scene.striker.troubles[0]


def test_nothing_is_struck_once_the_storm_is_over() -> None:
    scene = Scene("writer")
    over = threading.Event()
    over.set()
    scene.striker.run([Strike(at=AT_ONCE, kind=Kind.CRASH, path="writer")], over)
    assert scene.tree.killed == []
