"""Where a daemon's time goes, in lines for the reader."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.printing import listed

_MILLI = 1e3


def inspected(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what one run with a running count has shown."""
    jobs = found["jobs"]
    sent = {kind: count / jobs for kind, count in found["messages"].items()}
    yield f"{name}: {sum(sent.values()):.1f} messages a job, {found['wakes'] / jobs:.2f} wake a thread"
    yield "  by kind: " + listed(sent)
    cpu = {group: used / jobs * _MILLI for group, used in found["cpu_by_group"].items()}
    yield "  CPU, ms a job by thread: " + listed(cpu)
    yield "  switches a job by thread: " + listed({k: v / jobs for k, v in found["switches"].items()})
    counts = found["transactions"]
    means = {reason: found["seconds_in"][reason] / count * _MILLI for reason, count in counts.items()}
    yield "  ms a transaction: " + listed(means)
    yield "  jobs a transaction: " + listed({reason: jobs / count for reason, count in counts.items()})
    sent_in = found["statements"]
    yield "  statements a transaction: " + listed(
        {k: v / counts[k] for k, v in sent_in.items() if k in counts}
    )
    statements, transactions = sum(sent_in.values()), sum(counts.values())
    trips = statements + 2 * transactions
    yield (
        f"  a job: {statements / jobs:.3f} statements, {transactions / jobs:.3f} commits, "
        f"{trips / jobs:.3f} round trips at most, if each sent BEGIN and COMMIT"
    )
    total = sum(count for _group, _place, count in found["samples"])
    places = {f"{group}: {place}": count / total for group, place, count in found["samples"]}
    yield "  share of samples that did not wait: " + listed(places)
