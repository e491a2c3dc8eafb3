"""The verdict on a run of chaos: a sound one passes, and every planted breach is caught by its name."""

from dataclasses import replace
from uuid import UUID

import pytest

from tests.support_chaos import (
    CRASH,
    FORMER,
    HANG,
    JOBS,
    REST,
    SOUND,
    USERS,
    actor,
    breached,
    crash_row,
    kill_row,
    without,
)
from wallet_provisioning.chaos.facts import CircleWallet, Kill, Vitals
from wallet_provisioning.chaos.verdict import judge

FIRST = USERS[0]
STRANGER = UUID(int=77)


def grown(**descriptors: int) -> Vitals:
    return replace(REST, threads=REST.threads + 1, descriptors={**REST.descriptors, **descriptors})


def test_a_sound_run_is_breached_nowhere() -> None:
    findings = judge(SOUND)
    assert [found.breaches for found in findings if not found.is_ok] == []
    assert len({found.name for found in findings}) == len(findings)
    assert all(found.detail for found in findings)


# Jobs and wallets.


def test_an_accepted_job_that_is_not_in_the_store_is_lost() -> None:
    found = breached(jobs=SOUND.jobs[1:])
    assert found["jobs"].breaches == (f"job {JOBS[FIRST]} of user {FIRST} was accepted and is lost",)


@pytest.mark.parametrize("status", ["queued", "in_progress", "retry", "failed", "cancelled"])
def test_a_job_that_did_not_complete_is_told_with_its_error(status: str) -> None:
    stuck = replace(SOUND.jobs[0], status=status, error="crash three times")
    found = breached(jobs=(stuck, *SOUND.jobs[1:]))
    assert found["jobs"].breaches == (f"job {stuck.id} is {status}: crash three times",)


def test_a_second_job_of_a_user_was_never_promised() -> None:
    second = replace(SOUND.jobs[0], id=STRANGER)
    assert breached(jobs=(*SOUND.jobs, second))["jobs"].breaches == (
        f"job {STRANGER} was never promised to anybody",
    )


def test_a_wallet_that_was_made_twice_is_seen_at_circle_and_in_the_store() -> None:
    twice = replace(SOUND.circle[0], id=STRANGER)
    found = breached(circle=(*SOUND.circle, twice))
    assert found["wallets at Circle"].breaches == (f"user {FIRST} has 2 wallets on ETH at Circle",)
    assert found["wallets in the store"].breaches == (f"wallet {STRANGER} of Circle is not in the store",)


def test_a_wallet_that_is_missing_at_circle_is_seen() -> None:
    found = breached(circle=SOUND.circle[1:])
    assert found["wallets at Circle"].breaches == (f"user {FIRST} has 0 wallets on ETH at Circle",)
    assert "unknown to Circle" in found["wallets in the store"].breaches[0]


def test_a_wallet_that_is_missing_in_the_store_is_seen() -> None:
    found = breached(wallets=SOUND.wallets[1:])
    assert found.keys() == {"wallets in the store"}


def test_a_wallet_of_a_user_whom_nobody_asked_for_is_seen() -> None:
    strange = CircleWallet(id=STRANGER, user_id=STRANGER, chain="ETH", address="0xETH")
    found = breached(circle=(*SOUND.circle, strange))
    assert f"wallet {STRANGER} of Circle is not in the store" in found["wallets in the store"].breaches


def test_a_wallet_under_another_address_differs() -> None:
    other = replace(SOUND.wallets[0], address="0xother")
    found = breached(wallets=(other, *SOUND.wallets[1:]))
    assert found["wallets in the store"].breaches == (f"wallet {other.circle_id} differs",)


def test_a_wallet_that_is_not_live_is_told() -> None:
    failed = replace(SOUND.wallets[0], status="failed")
    found = breached(wallets=(failed, *SOUND.wallets[1:]))
    assert found["wallets in the store"].breaches == (f"the wallet of user {FIRST} on ETH is failed",)


# The trail.


@pytest.mark.parametrize("name", ["job_created", "provision_start", "wallet_created", "provision_complete"])
def test_a_row_that_is_missing_in_a_jobs_trail_is_told(name: str) -> None:
    found = breached(audit=without(SOUND.audit, f"wallet-worker:{name}"))
    assert found.keys() == {"audit of jobs"}
    assert any(f"wallet-worker:{name}" in line for line in found["audit of jobs"].breaches) or (
        name == "provision_start"
    )


def test_a_row_that_stands_there_twice_is_told() -> None:
    completed = next(row for row in SOUND.audit if row.action == "wallet-worker:provision_complete")
    found = breached(audit=(*SOUND.audit, completed))
    assert f"job {completed.job_id}" in found["audit of jobs"].breaches[0]


def test_an_attempt_that_was_given_back_makes_the_next_one_right() -> None:
    start = next(row for row in SOUND.audit if row.action == "wallet-worker:provision_start")
    rescued = replace(start, action="wallet-worker:job_rescued")
    audit = list(SOUND.audit)
    audit[2:2] = [rescued, start]
    assert breached(audit=tuple(audit)) == {}
    audit.remove(rescued)
    assert breached(audit=tuple(audit))["audit of jobs"].breaches == (
        f"job {start.job_id}: 2 attempts began and 1 ended",
    )


def test_a_kill_without_its_row_is_told() -> None:
    audit = tuple(row for row in SOUND.audit if row != kill_row(HANG))
    found = breached(audit=audit)
    assert found["audit of kills"].breaches == ("kill 'chaos 11' of circle/ETH has 0 rows",)


def test_a_row_of_a_kill_that_nobody_asked_for_is_told() -> None:
    row = replace(kill_row(CRASH), reason="somebody else")
    assert breached(audit=(*SOUND.audit, row))["audit of kills"].breaches == (
        "nobody asked for the kill 'somebody else'",
    )


@pytest.mark.parametrize("kill", [CRASH, HANG, FORMER])
def test_a_kill_that_was_not_reported_is_told(kill: Kill) -> None:
    audit = tuple(row for row in SOUND.audit if row != crash_row(kill))
    assert breached(audit=audit).keys() == {"crash reports"}


def test_a_kill_just_before_the_process_was_killed_may_go_unreported() -> None:
    audit = tuple(row for row in SOUND.audit if row != crash_row(FORMER))
    kills = (CRASH, HANG, replace(FORMER, is_owed=False))
    assert breached(audit=audit, kills=kills) == {}
    assert breached(kills=kills) == {}


def test_a_crash_that_no_kill_explains_is_told() -> None:
    row = replace(crash_row(CRASH), note="writer ended by crash: ValueError: what")
    assert breached(audit=(*SOUND.audit, row))["crash reports"].breaches == (
        "unasked: writer ended by crash: ValueError: what",
    )


def test_a_crash_that_was_reported_twice_is_told() -> None:
    assert breached(audit=(*SOUND.audit, crash_row(CRASH))).keys() == {"crash reports"}


# The tree.


def test_a_restart_that_no_kill_explains_is_told() -> None:
    actors = (*SOUND.actors, actor("scheduler", restarts=1))
    assert breached(actors=actors)["restarts"].breaches == ("scheduler was restarted 1 times for 0 kills",)


def test_an_actor_that_did_not_come_back_is_told() -> None:
    actors = (*SOUND.actors, actor("listener", state="restarting"))
    assert breached(actors=actors)["restarts"].breaches == ("listener is restarting",)


def test_a_message_that_found_no_actor_is_told() -> None:
    assert breached(losses=("dead letter",)).keys() == {"messages"}


@pytest.mark.parametrize("field", ["falls", "troubles"])
def test_what_the_daemon_did_unasked_is_told(field: str) -> None:
    assert breached(**{field: ("it ended by itself",)})["daemon"].breaches == ("it ended by itself",)


# Leaks.


def test_a_thread_too_many_is_a_leak() -> None:
    found = breached(after=replace(REST, threads=REST.threads + 2))
    assert found["threads"].breaches == ("35 threads instead of 34",)


def test_a_zombie_that_no_hang_explains_is_told() -> None:
    actors = (*SOUND.actors[:-1], actor("jobs/1", restarts=1, zombies=1))
    assert breached(actors=actors)["zombies"].breaches == ("jobs/1 has 1 zombies for 0 hangs",)


def test_a_descriptor_too_many_is_a_leak() -> None:
    assert breached(after=grown(pipe=5))["descriptors"].breaches == ("5 of kind pipe instead of 4",)


def test_a_descriptor_of_a_new_kind_is_a_leak() -> None:
    assert breached(after=grown(socket=8, null=1))["descriptors"].breaches == ("1 of kind null instead of 0",)


def test_connections_that_wait_may_come_and_go_but_not_without_end() -> None:
    assert breached(after=grown(socket=12, database=24)) == {}
    assert breached(after=grown(socket=17)).keys() == {"descriptors"}
    assert breached(after=grown(database=29)).keys() == {"descriptors"}


def test_memory_that_grows_is_a_leak() -> None:
    far = replace(SOUND.after or REST, memory=REST.memory + 200 * 1024)
    assert "instead of 127 MiB" in breached(after=far)["memory"].breaches[0]


def test_memory_may_grow_a_little() -> None:
    assert breached(after=replace(SOUND.after or REST, memory=REST.memory + 10 * 1024)) == {}


# The end.


@pytest.mark.parametrize("code", [None, 1, -9])
def test_an_end_that_is_not_clean_is_told(code: int | None) -> None:
    assert breached(exit_code=code).keys() == {"stop"}


def test_a_process_that_was_left_behind_is_told() -> None:
    assert breached(orphans=(4711,))["stop"].breaches == ("process 4711 was left behind",)


def test_a_daemon_that_could_not_be_looked_at_is_judged_by_the_rest() -> None:
    found = breached(after=None, falls=("the daemon ended by itself with 1",))
    assert found.keys() == {"daemon"}
