"""What the terminal says of an actor in its one line."""

from typing import Any

from wallet_provisioning.cli.actortree import describe


def actor(**others: Any) -> dict[str, Any]:
    well = {
        "path": "circle/ETH",
        "class": "CircleActor",
        "state": "running",
        "suspended": False,
        "restarts": 0,
        "incarnation": 1,
        "mailbox": {"depth": 0, "oldest_age_ms": None},
        "working_on": None,
        "zombies": 0,
        "dead_letters": 0,
        "last_crash": None,
    }
    return {**well, **others}


def test_of_an_actor_that_is_well_little_is_said() -> None:
    assert describe(actor()).plain == "ETH CircleActor running"


def test_a_suspended_actor_is_seen_as_such() -> None:
    assert describe(actor(suspended=True)).plain.endswith("running  suspended")


def test_a_crash_is_told_with_its_reason_its_message_and_its_error() -> None:
    crash = {"at": "2026-11-24T12:00:01Z", "reason": "hang", "message": "Work", "error": "no end within 15 s"}

    assert describe(actor(last_crash=crash)).plain.endswith(
        "last hang over Work at 12:00:01: no end within 15 s"
    )
    assert "over" not in describe(actor(last_crash={**crash, "message": None})).plain
