"""The lives with one fault at every place: which there are, and what is no breach in them."""

from tests.simulation.cases import small_world
from tests.simulation.everywhere import Case, cases
from tests.simulation.lives import LATE, live_through
from wallet_provisioning.supervision.simfaults import Fault, Harm

SEED = 3


def number_of_the_stop() -> int:
    """Return at which place of its life the root of a quiet daemon is told to stop."""
    world = small_world(SEED)
    assert live_through(world) == []
    trace = world.daemon.runtime.trace
    (number,) = [each.number for each in trace if (each.path, each.message) == ("/", "Stop")]
    return number


def test_there_is_a_case_for_each_place_and_harm_in_an_order_drawn_from_the_seed() -> None:
    found = cases(SEED)

    assert found == cases(SEED)
    assert len(found) == len({case.name for case in found}) > 2000
    assert {case.size for case in found[:100]} == {1, 2, 3}
    assert {fault.harm for case in found for fault in case.places.values()} == set(Harm)


def test_a_stop_from_outside_that_is_lost_is_no_breach() -> None:
    places = {("/", number_of_the_stop()): Fault(harm=Harm.LOSE)}

    assert live_through(small_world(SEED, places)) == [LATE]
    assert Case(name="", seed=SEED, places=places).live()[1] == []
