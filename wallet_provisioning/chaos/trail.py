"""Whether the audit trail tells everything that happened, and nothing else. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from wallet_provisioning.chaos.facts import Facts, Kill
from wallet_provisioning.chaos.finding import Finding, finding
from wallet_provisioning.jobs.states import TABLE, JobStatus, MoveName

_CREATED = "wallet-worker:job_created"
_WALLET = "wallet-worker:wallet_created"
_START = TABLE[MoveName.CLAIM].audit_action
_COMPLETE = TABLE[MoveName.COMPLETE].audit_action
_CRASHED = TABLE[MoveName.RETURN_AFTER_CRASH].audit_action
_KILL = "admin:kill_actor"
_ENDS = frozenset(row.audit_action for row in TABLE.values() if JobStatus.IN_PROGRESS in row.sources)


def look_at_jobs(facts: Facts) -> Finding:
    """Each job was created once, ended each attempt that it began, and completed once, at last."""
    trails = {job.id: list[str]() for job in facts.jobs}
    for row in facts.audit:
        if row.job_id is not None and row.job_id in trails and row.resource_type != "actor":
            trails[row.job_id].append(row.action)
    wrong = [
        f"job {job_id}: {gap}"
        for job_id, actions in trails.items()
        for gap in _gaps(actions, wallets=len(facts.chains))
    ]
    return finding("audit of jobs", f"{sum(map(len, trails.values()))} rows, none missing", wrong)


def look_at_kills(facts: Facts) -> Finding:
    """Each kill has its row, and each such row its kill."""
    rows = Counter(row.reason for row in facts.audit if row.action == _KILL)
    wrong = [f"{_name(kill)} has {rows[kill.mark]} rows" for kill in facts.kills if rows[kill.mark] != 1]
    marks = {kill.mark for kill in facts.kills}
    unasked = [f"nobody asked for the kill {mark!r}" for mark in rows if mark not in marks]
    return finding("audit of kills", f"{len(facts.kills)} rows", [*wrong, *unasked])


def look_at_crashes(facts: Facts) -> Finding:
    """Each kill was reported as one crash or hang, and no actor ended by itself."""
    notes = [row.note for row in facts.audit if row.action == _CRASHED]
    wrong: list[str] = []
    for kill in facts.kills:
        note = next((note for note in notes if _reports(note, kill)), None)
        if note is not None:
            notes.remove(note)
        elif kill.is_owed:
            wrong.append(f"{_name(kill)} was not reported")
    return finding(
        "crash reports", "one for each kill, none besides", [*wrong, *(f"unasked: {note}" for note in notes)]
    )


def look_at_restarts(facts: Facts) -> Finding:
    """In the last life each actor was restarted once for each of its kills, and runs."""
    struck = Counter(kill.path for kill in facts.kills if kill.is_of_last_life)
    wrong = [
        f"{actor.path} was restarted {actor.restarts} times for {struck[actor.path]} kills"
        for actor in facts.actors
        if actor.restarts != struck[actor.path]
    ]
    idle = [f"{actor.path} is {actor.state}" for actor in facts.actors if actor.state != "running"]
    return finding("restarts", f"{struck.total()} in the last life, one for each kill", [*wrong, *idle])


def _gaps(actions: Sequence[str], *, wallets: int) -> Iterable[str]:
    counts = Counter(actions)
    expected = {_CREATED: 1, _WALLET: wallets, _COMPLETE: 1}
    yield from (
        f"{action} stands there {counts[action]} times, not {count}"
        for action, count in expected.items()
        if counts[action] != count
    )
    if not counts[_START]:
        yield f"{_START} is missing"
    ends = sum(counts[action] for action in _ENDS)
    if counts[_START] != ends:
        yield f"{counts[_START]} attempts began and {ends} ended"
    if actions and (actions[0] != _CREATED or actions[-1] != _COMPLETE):
        yield f"it goes from {actions[0]} to {actions[-1]}"


def _reports(note: str, kill: Kill) -> bool:
    begin = f"{kill.path} ended by {'hang' if kill.is_hang else 'crash'}: "
    return note.startswith(begin) and (kill.is_hang or note.endswith(f": {kill.mark}"))


def _name(kill: Kill) -> str:
    return f"kill {kill.mark!r} of {kill.path}"
