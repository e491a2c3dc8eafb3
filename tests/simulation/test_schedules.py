"""Any finite schedule of faults ends with every job completed and one wallet for each person and chain.

The schedules are Hypothesis's, the same ones at each run; the command draws others. One that breaks is
shrunk, and what is printed of it is replayed by `python -m tests.simulation --schedule JSON`.
"""

from datetime import timedelta

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.simulation.circle import TROUBLES, Fate
from tests.simulation.lives import Blow, Cut
from tests.simulation.schedules import Schedule, Told, breaches_under, drawn, read, written
from tests.simulation.store import Trouble
from wallet_provisioning.supervision.simfaults import INSIDE, Fault, Harm

EXAMPLES = settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

lengths = st.sampled_from([None, *(timedelta(seconds=seconds) for seconds in (1, 5, 18, 40))])
outside = st.builds(Fault, harm=st.sampled_from([harm for harm in Harm if harm is not Harm.HANG]))
inside = st.builds(
    Fault, harm=st.sampled_from(sorted(INSIDE - {Harm.HANG})), at=st.integers(min_value=1, max_value=8)
)
hangs = st.builds(Fault, harm=st.just(Harm.HANG), lasts=lengths, at=st.integers(min_value=0, max_value=8))
actor_faults = st.dictionaries(st.integers(1, 250), st.one_of(outside, inside, hangs), max_size=6)
troubles = st.dictionaries(st.integers(1, 80), st.sampled_from(Trouble), max_size=5)
fates = st.dictionaries(st.integers(1, 40), st.sampled_from(sorted([*TROUBLES, Fate.WRONG])), max_size=12)
cuts = st.builds(
    Cut,
    steps=st.integers(1, 400),
    blow=st.sampled_from(Blow),
    pause=st.sampled_from([timedelta(seconds=seconds) for seconds in (0, 1, 8, 30, 90)]),
    which=st.integers(0, 2),
)
seeds, people = st.integers(0, 2**32), st.integers(1, 3)
key_lives = st.sampled_from([None, timedelta(seconds=150), timedelta(minutes=10)])
lags = st.sampled_from([timedelta(), timedelta(milliseconds=200)])


def check(schedule: Schedule) -> None:
    note(f"replay: python -m tests.simulation --schedule '{written(schedule)}'")
    assert breaches_under(schedule) == []


@given(
    st.builds(
        Schedule,
        seed=seeds,
        people=people,
        calls=fates,
        burns_keys=st.booleans(),
        refuses_used_keys=st.booleans(),
        list_lag=lags,
        key_life=key_lives,
    )
)
@EXAMPLES
def test_whatever_circle_and_its_network_do(schedule: Schedule) -> None:
    check(schedule)


@given(st.builds(Schedule, seed=seeds, people=people, store=troubles, calls=fates))
@EXAMPLES
def test_whatever_becomes_of_transactions(schedule: Schedule) -> None:
    check(schedule)


@given(st.builds(Schedule, seed=seeds, people=people, lag=st.sampled_from([0.0, 0.05]), actors=actor_faults))
@EXAMPLES
def test_whatever_befalls_actors(schedule: Schedule) -> None:
    check(schedule)


@given(st.builds(Schedule, seed=seeds, people=people, daemons=st.integers(1, 3), cuts=st.tuples(cuts, cuts)))
@EXAMPLES
def test_whatever_befalls_daemons(schedule: Schedule) -> None:
    check(schedule)


@given(
    st.builds(
        Schedule,
        seed=seeds,
        people=people,
        daemons=st.integers(1, 2),
        actors=actor_faults,
        store=troubles,
        calls=fates,
        refuses_used_keys=st.booleans(),
        key_life=key_lives,
        cuts=st.tuples(cuts),
    )
)
@EXAMPLES
def test_whatever_befalls_them_all_at_once(schedule: Schedule) -> None:
    check(schedule)


@given(st.integers(0, 2**32))
@settings(max_examples=50)
def test_a_schedule_is_read_as_it_was_written(seed: int) -> None:
    assert read(written(drawn(seed))) == drawn(seed)


def test_a_lost_answer_to_each_commit_of_a_life_costs_nothing() -> None:
    """The most valuable case: it is committed, and the actor has seen an error."""
    for number in range(1, 25, 3):
        told = Told(Schedule(seed=3, people=1, store={number: Trouble.LOST}))
        assert told.run() == [], number
