"""What supervision guarantees, in trees and under fault schedules that Hypothesis makes up."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.growing import FAULTS, Places, Plan, live
from tests.simulation.trees import Node, Seen, SimTree
from wallet_provisioning.supervision.incidents import Undeliverable
from wallet_provisioning.supervision.restarts import Strategy

strategies = st.sampled_from(Strategy)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """Make a root with workers and supervisors of workers below it."""
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    children = [
        Node(
            name=f"n{number}",
            children=tuple(Node(name=f"w{each}") for each in range(size)),
            strategy=draw(strategies),
        )
        for number, size in enumerate(sizes)
    ]
    return Node(name="/", children=tuple(children), strategy=draw(strategies))


places = st.dictionaries(
    st.tuples(
        st.sampled_from(["n0", "n1", "n2", "n0/w0", "n0/w1", "n1/w0", "n1/w2", "n2/w0"]), st.integers(2, 20)
    ),
    st.sampled_from(FAULTS),
    max_size=6,
)
plans = st.lists(st.tuples(st.integers(0, 30_000), st.sampled_from("xyz"), st.integers(0, 8)), max_size=40)
seeds = st.integers(0, 2**32)


def without_zombies(seen: list[Seen]) -> list[Seen]:
    """Leave out what a life handled after its successor had begun to: that comes late, if ever."""
    latest: dict[str, int] = {}
    kept = []
    for each in seen:
        if each.incarnation >= latest.get(each.path, 0):
            latest[each.path] = each.incarnation
            kept.append(each)
    return kept


@given(nodes(), seeds, places, plans)
@settings(max_examples=40)
def test_messages_of_one_sender_are_handled_in_their_order(
    root: Node, seed: int, places: Places, plan: Plan
) -> None:
    by_sender: dict[tuple[str, str], list[int]] = defaultdict(list)
    for seen in without_zombies(live(root, seed, places, plan).tree.notes):
        by_sender[seen.path, seen.message.sender].append(seen.message.number)
    assert all(numbers == sorted(set(numbers)) for numbers in by_sender.values())


@given(nodes(), seeds, places, plans)
@settings(max_examples=40)
def test_nothing_is_lost_but_the_message_in_the_hand_of_who_crashed(
    root: Node, seed: int, places: Places, plan: Plan
) -> None:
    """Or a dead letter, told of as such: a supervisor that is stopped takes none for its children."""
    life = live(root, seed, places, plan)
    dead = sum(isinstance(each, Undeliverable) for each in life.tree.incidents)
    assert len(life.tree.notes) == len(set(life.tree.notes)) == life.told - life.harmed - dead


@given(nodes(), seeds, places, plans)
@settings(max_examples=40)
def test_the_tree_heals_and_a_stop_goes_from_the_last_child_to_the_first(
    root: Node, seed: int, places: Places, plan: Plan
) -> None:
    tree = live(root, seed, places, plan).tree
    assert tree.come_up()
    assert tree.ends == []
    before = len(tree.stopped())

    assert tree.stop()
    assert tree.ends == [None]
    assert tree.stopped()[before:] == in_reverse(root)
    assert tree.runtime.living() == ()
    assert tree.runtime.loop.broken == []


@given(nodes(), seeds, st.integers(0, 60))
@settings(max_examples=40)
def test_a_stop_while_the_tree_starts_leaves_nobody_behind(root: Node, seed: int, steps: int) -> None:
    tree = SimTree(root, seed, lag=0.05).start()
    for _ in range(steps):
        tree.runtime.step()

    assert tree.stop()
    assert tree.ends == [None]
    assert tree.runtime.living() == ()
    stopped = tree.stopped()
    assert stopped == [path for path in in_reverse(root) if path in set(stopped)]


@given(nodes(), seeds, st.integers(0, 40), st.sampled_from(["n0", "n0/w0", "n1"]))
@settings(max_examples=40)
def test_a_stop_while_something_restarts_leaves_nobody_behind(
    root: Node, seed: int, steps: int, victim: str
) -> None:
    tree = SimTree(root, seed, lag=0.05).start()
    assert tree.come_up()
    if any(view.path == victim for view in tree.root.views()):
        tree.root.kill(victim, hang=False, reason="a test")
    for _ in range(steps):
        tree.runtime.step()

    assert tree.stop()
    assert tree.ends == [None]
    assert tree.runtime.living() == ()


def in_reverse(node: Node, path: str = "") -> list[str]:
    """Return the paths below a node in the order in which an orderly stop ends them."""
    found = []
    for child in reversed(node.children):
        below = f"{path}/{child.name}" if path else child.name
        found += [*in_reverse(child, below), below]
    return found


def test_faults_are_replayed_by_their_seed() -> None:
    root = Node(name="/", children=(Node(name="n0", children=(Node(name="w0"), Node(name="w1"))),))
    places = {("n0/w0", 3): FAULTS[0], ("n0", 6): FAULTS[5]}
    plan = [(100 * number, "x", number) for number in range(20)]

    def digest(seed: int) -> str:
        return live(root, seed, places, plan).tree.runtime.digest

    assert digest(7) == digest(7)
    assert len({digest(seed) for seed in range(10)}) == 10
