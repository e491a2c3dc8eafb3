"""Judges a run by its facts. Pure: every kind of breach can be planted, and is, in the tests."""

from collections.abc import Callable, Iterable

from wallet_provisioning.chaos import leaks, trail
from wallet_provisioning.chaos.facts import CircleWallet, Facts, StoredWallet
from wallet_provisioning.chaos.finding import Finding, finding


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return a finding for everything that was looked at."""
    return tuple(look(facts) for look in _LOOKS)


def _jobs(facts: Facts) -> Finding:
    by_id = {job.id: job for job in facts.jobs}
    promised = set(facts.accepted.values())
    lost = [
        f"job {job_id} of user {user_id} was accepted and is lost"
        for user_id, job_id in facts.accepted.items()
        if job_id not in by_id
    ]
    unasked = [f"job {job.id} was never promised to anybody" for job in facts.jobs if job.id not in promised]
    undone = [f"job {job.id} is {job.status}: {job.error}" for job in facts.jobs if job.status != "completed"]
    return finding("jobs", f"{len(promised)} accepted, all completed", [*lost, *unasked, *undone])


def _wallets_at_circle(facts: Facts) -> Finding:
    counts: dict[tuple[object, str], int] = {
        (user_id, chain): 0 for user_id in facts.accepted for chain in facts.chains
    }
    for wallet in facts.circle:
        counts[wallet.user_id, wallet.chain] = counts.get((wallet.user_id, wallet.chain), 0) + 1
    wrong = [
        f"user {user_id} has {count} wallets on {chain} at Circle"
        for (user_id, chain), count in counts.items()
        if count != 1
    ]
    return finding("wallets at Circle", f"{len(facts.circle)}, one per user and chain", wrong)


def _wallets_in_store(facts: Facts) -> Finding:
    made = {wallet.id: _face(wallet) for wallet in facts.circle}
    live = {wallet.circle_id: _face(wallet) for wallet in facts.wallets if wallet.circle_id is not None}
    wrong = [
        *(f"wallet {key} of Circle is not in the store" for key in made.keys() - live.keys()),
        *(f"wallet {key} of the store is unknown to Circle" for key in live.keys() - made.keys()),
        *(f"wallet {key} differs" for key in made.keys() & live.keys() if made[key] != live[key]),
        *(
            f"the wallet of user {wallet.user_id} on {wallet.chain} is {wallet.status}"
            for wallet in facts.wallets
            if wallet.status != "live"
        ),
    ]
    return finding("wallets in the store", f"{len(live)}, the same ones", wrong)


def _face(wallet: CircleWallet | StoredWallet) -> tuple[object, str, str | None]:
    return wallet.user_id, wallet.chain, wallet.address


def _daemon(facts: Facts) -> Finding:
    wrong = [*facts.falls, *facts.troubles]
    return finding("daemon", "it never fell, and said nothing unexpected", wrong)


def _messages(facts: Facts) -> Finding:
    return finding("messages", "none was lost but those that crashes name", facts.losses)


def _stop(facts: Facts) -> Finding:
    wrong = [*_wrong_exits(facts.exit_code), *(f"process {pid} was left behind" for pid in facts.orphans)]
    return finding("stop", "exit code 0, and no process was left behind", wrong)


def _wrong_exits(code: int | None) -> Iterable[str]:
    if code is None:
        yield "the daemon did not end when it was asked to"
    elif code:
        yield f"the daemon ended with exit code {code}"


_LOOKS: tuple[Callable[[Facts], Finding], ...] = (
    _jobs,
    _wallets_at_circle,
    _wallets_in_store,
    trail.look_at_jobs,
    trail.look_at_kills,
    trail.look_at_crashes,
    trail.look_at_restarts,
    _messages,
    _daemon,
    leaks.look_at_zombies,
    leaks.look_at_threads,
    leaks.look_at_descriptors,
    leaks.look_at_memory,
    _stop,
)
