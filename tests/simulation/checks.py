"""What must hold in every world, however it went: each breach is a sentence."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.simulation.circle import Fate
from tests.simulation.daemon import CHAINS, SimDaemon
from tests.simulation.store import Trouble
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
from wallet_provisioning.supervision.simfaults import Harm
from wallet_provisioning.supervision.snapshot import ActorView, ChildState
from wallet_provisioning.telemetry.events import ActorEnded

_BLOCKCHAINS = {chain.name: chain.blockchain for chain in CHAINS}
_STOP_ORDER = ("listener", "rescuer", "scheduler", "jobs", "circle", "writer")
_BEGUN, _CRASHED = "wallet-worker:job_created", "wallet-worker:actor_crashed"
_FAILED, _RETRIED = "wallet-worker:provision_failed", "admin:retry_job"
_GIVES_BACK = frozenset(
    {
        _CRASHED,
        "wallet-worker:job_handed_back",
        "wallet-worker:job_rescued",
        "wallet-worker:job_continued",
    }
)
_STUMBLES = (f"store {Trouble.STUMBLE}", f"store {Trouble.STUMBLE_AFTER}", f"actor {Harm.CRASH} inside")
_FROM_CIRCLE = {"circle_5xx", "circle_rate_limit", "network", "validation"}
_CLAIMED, _CREATED = "wallet-worker:provision_start", "wallet-worker:wallet_created"
_REST = timedelta(minutes=10)
_COUNTED = ("status", "attempt_count", "crash_count")


def breaches_of(world: World) -> list[str]:
    """Return what does not hold in a world that has come to its end and whose daemon was stopped."""
    jobs, people = world.jobs(), {user_id for user_id, _ in world.wanted}
    found = [
        f"job of {job.user_id} is {job.status}: {job.error_message}" for job in jobs if not _is_done(job)
    ]
    if {job.user_id for job in jobs} != people or len(jobs) > world.asked:
        found.append(f"there are {len(jobs)} jobs for {len(people)} people who asked {world.asked} times")
    found += world.circle.violations
    found += _wallets(world)
    for job in jobs:
        found += _timeline(world, job)
    for daemon in world.daemons:
        found += [f"broken: {line}" for line in daemon.runtime.loop.broken]
    return found


def sick_of(world: World) -> list[str]:
    """Return who does not run although it was left in peace for minutes."""
    if world.run(lambda: world.is_whole() and not _sick(world), within=_REST):
        return []
    return [f"{view.path} is {view.state} for good" for view in _sick(world)]


def _sick(world: World) -> list[ActorView]:
    views = (view for daemon in world.up for view in daemon.root.views())
    return [view for view in views if view.state is not ChildState.RUNNING]


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
    if not rows or rows[0].action != _BEGUN:
        yield f"the audit of job {job.id} does not begin with {_BEGUN}"
    facts: Mapping[str, Any] = {}
    for row in rows:
        yield from _gap(world, row, facts)
        yield from _attempts(world, row)
        facts = row.changes["after"]
    if facts.get("status") != job.status:
        yield f"the audit of job {job.id} ends with {facts.get('status')}, the job is {job.status}"


def _gap(world: World, row: AuditView, facts: Mapping[str, Any]) -> Iterator[str]:
    before = row.changes["before"] or {}
    for name in _COUNTED:
        if name in before and name in facts and before[name] != facts[name]:
            yield f"{row.action} of job {row.job_id} begins with {name} {before[name]}, not {facts[name]}"
    is_expected = row.action == _CRASHED or (world.circle.fates[Fate.WRONG] and _error(row) == "validation")
    if row.status is AuditStatus.FAILED and not is_expected:
        yield f"{row.action} of job {row.job_id} failed: {row.error_message}"


def _attempts(world: World, row: AuditView) -> Iterator[str]:
    """Compare what a move makes of the attempts with what the contract says of it."""
    before, after = row.changes["before"] or {}, row.changes["after"]
    if "attempt_count" not in before or row.action == _RETRIED:
        return
    spent = after["attempt_count"] - before["attempt_count"]
    is_given_back = row.action in _GIVES_BACK or (row.action == _FAILED and _error(row) == "circuit_open")
    if row.action == _FAILED and _error(row) == "circle_rate_limit":
        is_given_back = "HTTP 429" not in (row.error_message or "")  # the call was never sent
    expected = -1 if is_given_back else int(row.action == _CLAIMED)
    if spent != expected:
        yield f"{row.action} ({_error(row)}) of job {row.job_id} made {spent:+} attempts of them"
    if row.action == _FAILED and not is_given_back and _error(row) not in _spending(world):
        yield f"an attempt at job {row.job_id} was used up by {_error(row)}: {row.error_message}"


def _spending(world: World) -> frozenset[str]:
    """Return the errors that may use up an attempt in this world.

    `crash` may where an error that nobody foresaw came over the commit of a wallet: the writer gives that
    wallet up for this attempt, and lives on.
    """
    is_circle_well = world.circle.fates.total() == world.circle.fates[Fate.WELL]
    befell = world.befell()
    stumbled = {"crash"} if any(befell[name] for name in _STUMBLES) else set()
    return frozenset({"timeout"} | stumbled | (set() if is_circle_well else _FROM_CIRCLE))


def _error(row: AuditView) -> str | None:
    error = row.changes["after"].get("error")
    return None if error is None else error["type"]


def _all_audit(connection: Any, action: str) -> tuple[AuditView, ...]:
    return list_audit(connection, AuditFilter(action_prefix=action), limit=200).items


def _name(set_id: UUID, user_id: UUID, chain: str) -> tuple[str, str]:
    return reference(str(set_id), user_id, chain), _BLOCKCHAINS[chain]
