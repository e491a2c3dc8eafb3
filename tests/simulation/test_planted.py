"""Bugs planted on purpose: the simulation finds each of them, so that its silence means something."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.simulation.cases import Once, quiet_life
from tests.simulation.circle import Fate, Weather
from tests.simulation.daemon import SimDaemon
from tests.simulation.growing import FAULTS, live
from tests.simulation.lives import Blow, Cut, end_of
from tests.simulation.plants import (
    CHAINS,
    BlindClient,
    ForgetfulCircle,
    FreshKeys,
    HastyWriter,
    IdleRescuer,
    KeysOfTheFirst,
    NeverLooks,
    NewBoxes,
    NewKeyAfterTimeout,
    Plant,
    ReformingCircle,
    UnfencedCircle,
    with_actor,
    with_client,
    with_client_class,
)
from tests.simulation.schedules import Schedule, breaches_under, drawn
from tests.simulation.trees import Node
from tests.simulation.world import World, as_it_is
from wallet_provisioning.store.reports import AuditFilter, list_audit
from wallet_provisioning.supervision.simfaults import Boundary, Fault, Harm
from wallet_provisioning.supervision.simulation import SimRuntime

SECOND = timedelta(seconds=1)
SEEDS = range(30)
DUPLICATE, REUSED = "wallets at Circle", "was used for two bodies"
NOT_HELD = "for jobs none of which it had held"


def drawn_ones() -> Iterator[Schedule]:
    return (drawn(seed) for seed in SEEDS)


def after_long_pauses() -> Iterator[Schedule]:
    """The daemon is killed while it works, and comes back when Circle has forgotten the key."""
    for seed in SEEDS:
        cut = Cut(steps=60 + 3 * seed, blow=Blow.KILL, pause=200 * SECOND)
        yield Schedule(seed=seed, people=2, cuts=(cut,), key_life=150 * SECOND)


def with_used_keys() -> Iterator[Schedule]:
    """Answers get lost, and Circle only says that a key was used."""
    for seed in SEEDS:
        yield Schedule(
            seed=seed, people=2, calls={4: Fate.CUT_AFTER, 5: Fate.ERROR_AFTER}, refuses_used_keys=True
        )


def in_several_batches() -> Iterator[Schedule]:
    """Several people, whose answers are lost and whose daemon dies: those who wait come together anew."""
    for seed in SEEDS:
        calls = dict.fromkeys(range(3, 9), Fate.CUT_AFTER)
        cut = Cut(steps=150 + 10 * seed, blow=Blow.KILL)
        yield Schedule(seed=seed, people=4, calls=calls, cuts=(cut,))


PLANTED = [
    (with_client(FreshKeys), DUPLICATE, drawn_ones),
    (with_client(NeverLooks), DUPLICATE, after_long_pauses),
    (with_client_class(BlindClient), DUPLICATE, with_used_keys),
    (with_client(NewKeyAfterTimeout), DUPLICATE, drawn_ones),
    (with_actor(ReformingCircle, *CHAINS), DUPLICATE, in_several_batches),
    (
        lambda parts: with_client(KeysOfTheFirst)(with_actor(ReformingCircle, *CHAINS)(parts)),
        REUSED,
        in_several_batches,
    ),
]
NAMES = ["fresh key", "no look-up when old", "no look-up after 156020", "generation after a timeout"]
NAMES += ["batch formed anew", "other members under the key"]


def is_found(plant: Plant, word: str, schedules: Iterable[Schedule]) -> bool:
    """Return whether a world breaks under some schedule, and says so in these words."""
    return any(word in breach for schedule in schedules for breach in breaches_under(schedule, plant=plant))


@pytest.mark.parametrize(("plant", "word", "schedules"), PLANTED, ids=NAMES)
def test_a_bug_that_makes_wallets_twice_is_found(
    plant: Plant, word: str, schedules: Callable[[], Iterable[Schedule]]
) -> None:
    assert is_found(plant, word, schedules())


@pytest.mark.parametrize(
    "schedules", [after_long_pauses, with_used_keys, in_several_batches], ids=lambda each: each.__name__
)
def test_without_a_bug_nothing_is_found(schedules: Callable[[], Iterator[Schedule]]) -> None:
    for schedule in list(schedules())[::10]:
        assert breaches_under(schedule) == []


def frozen_before_it_stores(plant: Plant, seed: int) -> list[str]:
    """Let one of two daemons stand still past its lease, just before it stores a request.

    The other takes over. Circle is out of reach meanwhile, so that something is left to be sent.
    """
    asked = next(each for each in quiet_life(seed).boundaries if each.message == "Provision")
    point = Fault(harm=Harm.HANG, at=1, lasts=SECOND)
    faults = Once({(asked.path, number): point for number in range(2, 30)})
    calls = dict.fromkeys(range(3, 8), Fate.TIMEOUT_BEFORE)
    world = World(
        seed,
        wishes=1,
        size=2,
        weather=Weather(fates=calls),
        parts=lambda parts: replace(plant(parts), faults=faults),
    )

    def stuck() -> list[SimDaemon]:
        return [daemon for daemon in world.up if "begin open_request" in daemon.runtime.standing()]

    world.open()
    assert world.run(lambda: bool(stuck()))
    world.freeze(stuck()[0], 25 * SECOND)
    return end_of(world)


@pytest.mark.parametrize("seed", range(2))
def test_a_lease_that_is_not_looked_at_before_the_sending_is_found(seed: int) -> None:
    assert frozen_before_it_stores(as_it_is, seed) == []
    found = frozen_before_it_stores(with_actor(UnfencedCircle, *CHAINS), seed)
    assert any(NOT_HELD in breach for breach in found)


def at_the_writer(plant: Plant, fault: Fault) -> list[str]:
    """Return what a writer that comes to harm costs, at each place of a life in which it handles results."""
    found: list[str] = []
    quiet = quiet_life(3)
    handled = [each for each in quiet.boundaries if each.path == "writer"]
    for boundary in handled:
        # Results that end no job are kept for a moment: not every place commits.
        points = quiet.points.get(boundary, [])
        begun = points.index("begin record_results") + 1 if "begin record_results" in points else 0
        found += _costs(plant, boundary, replace(fault, at=begun if fault.harm is Harm.HANG else 0))
    return found


def _costs(plant: Plant, boundary: Boundary, fault: Fault) -> Iterator[str]:
    faults = Once({(boundary.path, boundary.number): fault})
    world = World(3, wishes=1, parts=lambda parts: replace(plant(parts), faults=faults))
    rescued = AuditFilter(action_prefix="wallet-worker:job_rescued")
    try:
        world.open()
        if not world.run(world.is_over, within=60 * SECOND):
            yield "it took longer than a minute"
        if world.circle.calls["create_wallet"] > len(world.wanted):
            yield "Circle was asked again for what it had answered"
        with world.outside.read() as connection:
            if list_audit(connection, rescued, limit=9).items:
                yield "a job was rescued from a daemon that lived"
        if not world.stop():
            yield "somebody was not done with what is committed"
    finally:
        world.close()


HARMED = [Fault(harm=Harm.CRASH), Fault(harm=Harm.HANG)]


@pytest.mark.parametrize("fault", HARMED, ids=lambda fault: fault.harm)
def test_a_writer_that_comes_to_harm_costs_no_call_and_no_lease(fault: Fault) -> None:
    assert at_the_writer(as_it_is, fault) == []


def test_results_that_are_dropped_with_the_writer_are_found() -> None:
    found = at_the_writer(with_actor(ForgetfulCircle, *CHAINS), HARMED[0])
    assert "Circle was asked again for what it had answered" in found


def test_a_writer_that_speaks_before_it_commits_is_found() -> None:
    found = at_the_writer(with_actor(HastyWriter, "writer"), HARMED[1])
    assert "a job was rescued from a daemon that lived" in found


def test_a_rescuer_that_returns_no_job_is_found() -> None:
    (work,) = [boundary for boundary in quiet_life(3).boundaries if boundary.message == "Work"]
    faults = Once({(work.path, work.number): Fault(harm=Harm.CRASH)})
    plant = with_actor(IdleRescuer, "rescuer")
    world = World(3, wishes=1, parts=lambda parts: replace(plant(parts), faults=faults))
    try:
        world.open()
        assert not world.run(world.is_over, within=600 * SECOND)
    finally:
        world.close()


@pytest.mark.parametrize(("runtime", "is_whole"), [(SimRuntime, True), (NewBoxes, False)])
def test_a_mailbox_that_drops_on_restart_is_found(runtime: type[SimRuntime], *, is_whole: bool) -> None:
    root = Node(name="/", children=(Node(name="n0"),))
    places = {("n0", number): FAULTS[0] for number in range(2, 12, 3)}
    plan = [(number // 4, "x", 0) for number in range(20)]
    lives = [live(root, seed, places, plan, runtime) for seed in range(10)]
    assert all(len(life.tree.notes) == life.told - life.harmed for life in lives) is is_whole
