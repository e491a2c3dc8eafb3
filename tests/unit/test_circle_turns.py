import pytest

from wallet_provisioning.http.circle.retries import RetryBudget
from wallet_provisioning.http.circle.turns import FairQueue


def drain(queue: FairQueue[str]) -> list[str]:
    return [queue.take() for _ in range(len(queue))]


def test_chains_take_turns_and_each_keeps_its_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("E1", "E2", "E3", "S1", "S2", "A1"):
        queue.put(name, chain=name[0])
    assert drain(queue) == ["E1", "S1", "A1", "E2", "S2", "E3"]


def test_one_that_leaves_is_not_served_and_not_counted() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("E1", "E2", "S1"):
        queue.put(name, chain=name[0])
    queue.put("reader", chain="R", background=True)
    for name in ("E1", "S1", "reader", "unknown"):
        queue.remove(name)
    assert len(queue) == 1
    assert drain(queue) == ["E2"]


def test_an_empty_queue_has_nobody_to_serve() -> None:
    queue: FairQueue[str] = FairQueue()
    with pytest.raises(IndexError):
        queue.take()
    queue.put("E1", chain="E")
    assert queue.clear() == ["E1"]
    assert len(queue) == 0
    with pytest.raises(IndexError):
        queue.take()


def test_repeats_stay_under_a_fifth_of_the_calls() -> None:
    budget = RetryBudget()
    sent = 0
    for _ in range(10_000):
        budget.earn(0.0)
        sent += budget.spend(0.0)
    assert sent <= 10_000 / 5 + 10


def test_a_daemon_with_little_to_do_can_still_repeat_a_call() -> None:
    budget = RetryBudget()
    assert [budget.spend(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert budget.spend(10.0)
    assert not budget.spend(10.0)


def test_a_replay_takes_a_token_and_is_never_held_up() -> None:
    budget = RetryBudget()
    for _ in range(20):
        budget.replay(0.0)
    assert not budget.spend(0.0)
