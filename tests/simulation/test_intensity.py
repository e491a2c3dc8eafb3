"""Restart storms on either side of the limit, counted exactly."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.simulation.trees import Node, Numbered, SimTree
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.simfaults import Boundary, Fault, Faults, Harm

SECOND = timedelta(seconds=1)
PAIR = (Node(name="a"), Node(name="b"))


def crashes(count: int, path: str = "a") -> Faults:
    """Let the first so many messages of an actor crash it."""
    left = [count]

    def faults(boundary: Boundary) -> Fault | None:
        if boundary.path != path or boundary.message != "Numbered" or not left[0]:
            return None
        left[0] -= 1
        return Fault(harm=Harm.CRASH)

    return faults


def tell(tree: SimTree, count: int, path: str = "a", every: timedelta = SECOND) -> None:
    for number in range(count):
        tree.tell_later(every * number, path, Numbered(sender="test", number=number))


def failures(tree: SimTree, path: str) -> int:
    return sum(isinstance(each, ChildEnded) and each.path == path for each in tree.incidents)


@pytest.mark.parametrize("limit", [0, 1, 5])
@pytest.mark.parametrize("seed", range(5))
def test_as_many_crashes_as_the_limit_are_mended(limit: int, seed: int) -> None:
    tree = SimTree(Node(name="/", children=PAIR, limit=limit), seed, faults=crashes(limit)).start()
    tell(tree, limit + 3)
    tree.run(30 * SECOND)

    assert tree.ends == []
    assert failures(tree, "a") == limit
    assert [seen.message.number for seen in tree.notes] == [limit, limit + 1, limit + 2]


@pytest.mark.parametrize("limit", [0, 1, 5])
@pytest.mark.parametrize("seed", range(5))
def test_one_crash_more_ends_the_tree(limit: int, seed: int) -> None:
    tree = SimTree(Node(name="/", children=PAIR, limit=limit), seed, faults=crashes(limit + 1)).start()
    tell(tree, limit + 3)
    tree.run(30 * SECOND)

    assert failures(tree, "a") == limit + 1
    assert len(tree.ends) == 1
    assert "ended too often" in str(tree.ends[0])
    assert tree.runtime.living() == ()


@pytest.mark.parametrize(("apart", "is_over"), [(61 * SECOND / 5, False), (59 * SECOND / 5, True)])
def test_only_crashes_within_the_period_count(apart: timedelta, *, is_over: bool) -> None:
    tree = SimTree(Node(name="/", children=PAIR, limit=5), 1, faults=crashes(6)).start()
    tell(tree, 6, every=apart)
    tree.run(90 * SECOND)

    assert bool(tree.ends) is is_over


@pytest.mark.parametrize("seed", range(10))
def test_a_supervisor_that_gives_up_is_restarted_by_its_own(seed: int) -> None:
    inner = Node(name="sub", children=PAIR, limit=2)
    root = Node(name="/", children=(inner, Node(name="c")))
    tree = SimTree(root, seed, faults=crashes(3, "sub/a"), lag=0.05).start()
    tell(tree, 5, "sub/a")
    tree.run(60 * SECOND)

    assert tree.ends == []
    assert failures(tree, "sub") == 1
    assert tree.is_up()
    assert sorted({seen.message.number for seen in tree.notes}) == [3, 4]


@pytest.fixture(name="storm")
def make_storm() -> Callable[[int], SimTree]:
    def make(seed: int) -> SimTree:
        inner = Node(name="sub", children=PAIR, limit=1)
        tree = SimTree(Node(name="/", children=(inner,), limit=2), seed, faults=crashes(99, "sub/a")).start()
        tell(tree, 40, "sub/a", every=SECOND / 10)
        return tree

    return make


@pytest.mark.parametrize("seed", range(5))
def test_a_storm_below_escalates_to_the_top_after_exactly_so_many_crashes(
    seed: int, storm: Callable[[int], SimTree]
) -> None:
    tree = storm(seed)
    tree.run(60 * SECOND)

    assert len(tree.ends) == 1
    assert (failures(tree, "sub/a"), failures(tree, "sub")) == (6, 3)
