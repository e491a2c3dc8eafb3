"""What must hold in every world, however it went: each breach is a sentence."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.simulation.daemon import CHAINS, SimDaemon
from tests.simulation.world import World
from wallet_provisioning.jobs.identity import reference
from wallet_provisioning.jobs.states import AuditStatus, JobStatus, WalletStatus
from wallet_provisioning.store.reports import (
    AuditFilter,
    WalletFilter,
    job_timeline,
    list_audit,
    list_wallets,
)
from wallet_provisioning.store.views import AuditView, JobView, WalletView
from wallet_provisioning.store.wallets import wallet_set_id
from wallet_provisioning.supervision.snapshot import ActorView, ChildState
from wallet_provisioning.telemetry.events import ActorEnded

_BLOCKCHAINS = {chain.name: chain.blockchain for chain in CHAINS}
_STOP_ORDER = ("listener", "rescuer", "scheduler", "jobs", "circle", "writer")
_CLAIMED, _CREATED = "wallet-worker:provision_start", "wallet-worker:wallet_created"
_REST = timedelta(minutes=10)
_COUNTED = ("status", "attempt_count", "crash_count")


def breaches_of(world: World) -> list[str]:
    """Return what does not hold in a world that has come to its end and whose daemon was stopped."""
    jobs = world.jobs()
    found = [
        f"job of {job.user_id} is {job.status}: {job.error_message}" for job in jobs if not _is_done(job)
    ]
    found += world.circle.violations
    found += _wallets(world)
    for job in jobs:
        found += _timeline(world, job)
    for daemon in world.daemons:
        found += [f"broken: {line}" for line in daemon.runtime.loop.broken]
    return found


def sick_of(world: World) -> list[str]:
    """Return who does not run although it was left in peace for minutes."""
    if world.run(lambda: not _sick(world.daemon), within=_REST):
        return []
    return [f"{view.path} is {view.state} for good" for view in _sick(world.daemon)]


def _sick(daemon: SimDaemon) -> list[ActorView]:
    return [view for view in daemon.root.views() if view.state is not ChildState.RUNNING]


def orphans_of(daemon: SimDaemon) -> list[str]:
    """Return what still runs although the tree has ended; what hangs for ever can't be helped."""
    return [f"{life.path} still runs after the end" for life in daemon.runtime.living()]


def stop_order_of(daemon: SimDaemon, since: int) -> list[str]:
    """Return how the top children did not stop in the reverse order of their start, since an event."""
    events = [event for event in daemon.events[since:] if isinstance(event, ActorEnded)]
    ended = [event.path for event in events if event.reason == "stop"]
    order = [path for path in dict.fromkeys(ended) if path in _STOP_ORDER]
    return [] if order == sorted(order, key=_STOP_ORDER.index) else [f"stopped in the order {order}"]


def _is_done(job: JobView) -> bool:
    return job.status is JobStatus.COMPLETED


def _wallets(world: World) -> Iterator[str]:
    """Compare the store with Circle and with what was wanted: one wallet each, and the same."""
    world.settle()
    with world.outside.read() as connection:
        rows = list_wallets(connection, WalletFilter(), limit=200).items
        set_id = wallet_set_id(connection)
        created = _all_audit(connection, _CREATED)
    if set_id is None:
        yield "there is no wallet set"
        return
    names = {_name(set_id, user_id, chain): (user_id, chain) for user_id, chain in world.wanted}
    at_circle = world.circle.counts()
    yield from (
        f"{at_circle[name]} wallets at Circle for {names[name]}" for name in names if at_circle[name] != 1
    )
    yield from (f"nobody wanted {name}" for name in at_circle.keys() - names)
    yield from _rows(world, rows, set_id)
    times = Counter((row.user_id, row.changes["after"]["chain"]) for row in created)
    yield from (f"{times[key]} audit rows for the wallet of {key}" for key in world.wanted if times[key] != 1)


def _rows(world: World, rows: Sequence[WalletView], set_id: UUID) -> Iterator[str]:
    if {(row.user_id, row.chain) for row in rows} != world.wanted:
        yield f"the store has {len(rows)} wallets of {len(world.wanted)}"
    known = {(wallet["refId"], wallet["blockchain"]): wallet["id"] for wallet in world.circle.wallets}
    for row in rows:
        at_circle = known.get(_name(set_id, row.user_id, row.chain))
        if row.status is not WalletStatus.LIVE or str(row.circle_wallet_id) != at_circle:
            told = f"{row.status} {row.circle_wallet_id}"
            yield f"{row.chain} of {row.user_id} is {told}, at Circle {at_circle}"


def _timeline(world: World, job: JobView) -> Iterator[str]:
    """Follow a job through its audit: each row begins where the one before ended."""
    with world.outside.read() as connection:
        rows = [row for row in job_timeline(connection, job.id) if "status" in (row.changes["after"] or {})]
    claims = [row for row in rows if row.action == _CLAIMED]
    if [row.epoch for row in claims] != list(range(1, len(claims) + 1)):
        yield f"job {job.id} was claimed under the epochs {[row.epoch for row in claims]}"
    rows = [row for row in rows if row.resource_type == "job"]
    facts: Mapping[str, Any] = {}
    for row in rows:
        yield from _gap(row, facts)
        facts = row.changes["after"]
    if facts.get("status") != job.status:
        yield f"the audit of job {job.id} ends with {facts.get('status')}, the job is {job.status}"


def _gap(row: AuditView, facts: Mapping[str, Any]) -> Iterator[str]:
    before = row.changes["before"] or {}
    for name in _COUNTED:
        if name in before and name in facts and before[name] != facts[name]:
            yield f"{row.action} of job {row.job_id} begins with {name} {before[name]}, not {facts[name]}"
    if row.status is AuditStatus.FAILED and row.action != "wallet-worker:actor_crashed":
        yield f"{row.action} of job {row.job_id} failed: {row.error_message}"


def _all_audit(connection: Any, action: str) -> tuple[AuditView, ...]:
    return list_audit(connection, AuditFilter(action_prefix=action), limit=200).items


def _name(set_id: UUID, user_id: UUID, chain: str) -> tuple[str, str]:
    return reference(str(set_id), user_id, chain), _BLOCKCHAINS[chain]
