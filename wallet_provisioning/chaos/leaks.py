"""Whether the daemon at rest is after the run what it was before it. Pure.

Both looks come after the same exercise, which makes every pool as large as it gets. A hung thread can't
be ended; each is a zombie that the tree names, and is taken off before threads are compared.
"""

from collections import Counter

from wallet_provisioning.chaos.facts import Facts, Vitals
from wallet_provisioning.chaos.finding import Finding, finding

# Connections that wait for their next use come and go: to Circle up to five a chain, to the database one
# a thread that asks.
_SPARE = {"socket": 8, "database": 8}
# What fills up once and then stays: SQLite's page cache, 2 MiB a connection, and the metrics of the first
# 2,000 users. Measured over 5,000 jobs: 32 MiB.
_SPARE_MEMORY = 64 * 1024
_PER_ZOMBIE = 256


def look_at_zombies(facts: Facts) -> Finding:
    """Each hang of the last life left one thread behind, and nothing else did."""
    hung = Counter(kill.path for kill in facts.kills if kill.is_hang and kill.is_of_last_life)
    wrong = [
        f"{actor.path} has {actor.zombies} zombies for {hung[actor.path]} hangs"
        for actor in facts.actors
        if actor.zombies != hung[actor.path]
    ]
    return finding("zombies", f"{hung.total()}, one for each hang", wrong)


def look_at_threads(facts: Facts) -> Finding:
    """There are no more threads than before but the zombies."""
    before, after = _both(facts)
    expected = before.threads + _zombies(facts)
    wrong = [f"{after.threads} threads instead of {expected}"] if after.threads > expected else []
    return finding("threads", f"{after.threads}, {_zombies(facts)} of them zombies", wrong)


def look_at_descriptors(facts: Facts) -> Finding:
    """There are no more descriptors of any kind than before, but for connections that wait."""
    before, after = _both(facts)
    wrong = [
        f"{count} of kind {kind} instead of {before.descriptors.get(kind, 0)}"
        for kind, count in after.descriptors.items()
        if count > before.descriptors.get(kind, 0) + _SPARE.get(kind, 0)
    ]
    return finding("descriptors", f"{sum(after.descriptors.values())}", wrong)


def look_at_memory(facts: Facts) -> Finding:
    """The memory is what it was, give or take what the allocator and the metrics keep."""
    before, after = _both(facts)
    allowed = before.memory + _SPARE_MEMORY + _PER_ZOMBIE * _zombies(facts)
    wrong = [f"{_mib(after)} instead of {_mib(before)}"] if after.memory > allowed else []
    return finding("memory", f"{_mib(before)} before, {_mib(after)} after", wrong)


def _both(facts: Facts) -> tuple[Vitals, Vitals]:
    """Return both looks; a daemon that could not be looked at has leaked nothing, but see its finding."""
    none = Vitals(threads=0, memory=0, descriptors={})
    if facts.before is None or facts.after is None:
        return none, none
    return facts.before, facts.after


def _zombies(facts: Facts) -> int:
    return sum(actor.zombies for actor in facts.actors)


def _mib(vitals: Vitals) -> str:
    return f"{vitals.memory / 1024:.0f} MiB"
