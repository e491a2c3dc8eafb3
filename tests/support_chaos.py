"""What a sound run of chaos leaves behind, for tests that plant one breach in it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from wallet_provisioning.chaos.facts import (
    ActorFact,
    AuditRow,
    CircleWallet,
    Facts,
    Kill,
    StoredJob,
    StoredWallet,
    Vitals,
)
from wallet_provisioning.chaos.finding import Finding
from wallet_provisioning.chaos.verdict import judge

CHAINS = ("ETH", "SOL", "APTOS")
USERS = tuple(UUID(int=number) for number in (1, 2))
JOBS = {user: UUID(int=100 + user.int) for user in USERS}
CRASH = Kill(mark="chaos 1", path="jobs/1", is_hang=False)
HANG = Kill(mark="chaos 11", path="circle/ETH", is_hang=True)
FORMER = Kill(mark="chaos 111", path="writer", is_hang=False, is_of_last_life=False)
REST = Vitals(threads=33, memory=130_000, descriptors={"socket": 8, "database": 20, "pipe": 4})


def wallet_id(user: UUID, chain: str) -> UUID:
    return UUID(int=1000 * user.int + CHAINS.index(chain))


def trail(user: UUID) -> list[AuditRow]:
    actions = [
        ("job_created", "job"),
        ("provision_start", "job"),
        *[("wallet_created", "wallet")] * len(CHAINS),
        ("provision_complete", "job"),
    ]
    return [
        AuditRow(
            action=f"wallet-worker:{name}", resource_type=kind, resource_id=str(JOBS[user]), job_id=JOBS[user]
        )
        for name, kind in actions
    ]


def kill_row(kill: Kill) -> AuditRow:
    return AuditRow(
        action="admin:kill_actor",
        resource_type="actor",
        resource_id=kill.path,
        job_id=None,
        reason=kill.mark,
    )


def crash_row(kill: Kill) -> AuditRow:
    how = "hang: no end of Kill within 15 s" if kill.is_hang else f"crash: KilledError: {kill.mark}"
    return AuditRow(
        action="wallet-worker:actor_crashed",
        resource_type="actor",
        resource_id=kill.path,
        job_id=None,
        note=f"{kill.path} ended by {how}",
    )


def actor(path: str, *, restarts: int = 0, zombies: int = 0, state: str = "running") -> ActorFact:
    return ActorFact(path=path, state=state, restarts=restarts, zombies=zombies)


SOUND = Facts(
    chains=CHAINS,
    accepted=JOBS,
    jobs=tuple(StoredJob(id=JOBS[user], user_id=user, status="completed") for user in USERS),
    wallets=tuple(
        StoredWallet(
            user_id=user, chain=chain, status="live", circle_id=wallet_id(user, chain), address=f"0x{chain}"
        )
        for user in USERS
        for chain in CHAINS
    ),
    circle=tuple(
        CircleWallet(id=wallet_id(user, chain), user_id=user, chain=chain, address=f"0x{chain}")
        for user in USERS
        for chain in CHAINS
    ),
    audit=(
        *(row for user in USERS for row in trail(user)),
        *(row for kill in (CRASH, HANG, FORMER) for row in (kill_row(kill), crash_row(kill))),
    ),
    kills=(CRASH, HANG, FORMER),
    actors=(
        actor("/"),
        actor("writer"),
        actor("circle/ETH", restarts=1, zombies=1),
        actor("jobs/1", restarts=1),
    ),
    before=REST,
    after=replace(REST, threads=REST.threads + 1),
    exit_code=0,
)


def breached(**changed: Any) -> dict[str, Finding]:
    """Return what the verdict finds in a run that differs from a sound one, by name."""
    findings = judge(replace(SOUND, **changed))
    return {found.name: found for found in findings if not found.is_ok}


def without(rows: tuple[AuditRow, ...], action: str) -> tuple[AuditRow, ...]:
    """Return the trail without the first row of an action."""
    first = next(number for number, row in enumerate(rows) if row.action == action)
    return (*rows[:first], *rows[first + 1 :])
