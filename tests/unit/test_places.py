"""Addresses before actors, dead letters, and the picture of a tree."""

from contextvars import copy_context

from tests.support_supervision import Script, Trial, Worker, crash
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.supervision.actor import recipe
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.supervision.incidents import Incident, Undeliverable
from wallet_provisioning.supervision.mailbox import Lane
from wallet_provisioning.supervision.places import ROOT, Places, views, walk
from wallet_provisioning.supervision.snapshot import ChildKind, ChildState, EndReason
from wallet_provisioning.supervision.testing import Signals


def places() -> tuple[Places, list[Incident]]:
    heard: list[Incident] = []
    return Places(ManualClock(), heard.append), heard


def child(name: str) -> Child:
    return Child(id=name, recipe=recipe(Worker, notes=Signals(), script=Script()))


def test_two_addresses_of_one_path_reach_one_mailbox() -> None:
    map_, _ = places()
    map_.address("a").tell("first")
    map_.address("a").tell("second")

    assert map_.cell("a", child("a")).mailbox.depth() == 2


def test_children_live_below_their_parent_and_the_roots_children_bear_their_own_names() -> None:
    map_, _ = places()

    assert [cell.path for cell in map_.family(ROOT, [child("a"), child("b")]).cells.values()] == ["a", "b"]
    assert [cell.path for cell in map_.family("sub", [child("a")]).cells.values()] == ["sub/a"]


def test_an_address_names_its_path() -> None:
    map_, _ = places()

    assert repr(map_.address("circle/ETH")) == "<Address circle/ETH>"


def test_what_is_told_to_a_closed_mailbox_is_a_dead_letter_until_it_is_opened_again() -> None:
    map_, heard = places()
    address, cell = map_.address("a"), map_.cell("a", child("a"))
    address.tell("lost with the mailbox")
    assert len(cell.mailbox.close()) == 1
    address.tell("late")
    cell.mailbox.open_port()
    address.tell("kept")

    assert heard == [Undeliverable(path="a", message="str")]
    assert cell.mailbox.depth() == 1


def test_a_walk_yields_parents_before_children() -> None:
    trial = Trial()
    inner = trial.supervisor("sub", trial.worker("b"), trial.worker("c"))
    root = trial.places.cell(ROOT, trial.supervisor(ROOT, trial.worker("a"), inner))

    assert [cell.path for cell in walk(root)] == ["/", "a", "sub", "sub/b", "sub/c"]
    trial.runtime.loop.close()


def test_the_picture_of_a_tree_that_never_started() -> None:
    trial = Trial()
    root = trial.places.cell(ROOT, trial.supervisor(ROOT, trial.worker("a")))
    supervisor, worker = views(root, trial.clock)

    assert (supervisor.kind, supervisor.class_name) == (ChildKind.SUPERVISOR, "Supervisor")
    assert (worker.kind, worker.class_name) == (ChildKind.WORKER, "Worker")
    assert (worker.state, worker.incarnation, worker.restarts, worker.zombies) == (
        ChildState.STOPPED,
        0,
        0,
        0,
    )
    assert worker.working_on is None
    assert worker.last_crash is None
    trial.runtime.loop.close()


def test_the_picture_tells_how_an_actor_last_ended() -> None:
    with Trial() as trial:
        trial.start(trial.worker("a"))
        trial.address("a").tell(crash(ValueError("why")))
        trial.started("a", 2)
        last = trial.root.view("a").last_crash

        assert last is not None
        assert (last.reason, last.error, last.message, last.incarnation) == (
            EndReason.CRASH,
            "ValueError: why",
            "Do",
            1,
        )


def test_an_undelivered_control_message_is_nobodys_loss() -> None:
    map_, _ = places()
    cell = map_.cell("a", child("a"))
    cell.mailbox.put(Lane.CONTROL, "stop", copy_context())

    assert cell.mailbox.close() == []
