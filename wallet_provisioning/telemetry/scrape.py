"""What `/metrics` answers: the process's metrics in Prometheus's text format."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.telemetry import instruments
from wallet_provisioning.telemetry.metrics import PROCESSED, TRANSACTION_OUTCOMES

Labels: TypeAlias = dict[str, str]

# OpenTelemetry shows a histogram's series from its first value on. A rate needs the zero before that.
_FROM_ZERO: dict[str, tuple[str, tuple[str, ...]]] = {
    instruments.JOB_DURATION: ("status", tuple(PROCESSED.values())),
    instruments.TRANSACTION_DURATION: ("outcome", TRANSACTION_OUTCOMES),
    instruments.CIRCLE_WAIT_DURATION: ("kind", instruments.CALL_KINDS),
}
# Every chain makes these calls, and each may end in any of these ways.
_OPERATIONS = ("create_wallet", "find_wallets")
_OUTCOMES = (
    "success",
    *(each.value for each in ErrorType if each not in {ErrorType.CIRCUIT_OPEN, ErrorType.CRASH}),
)
_CHAINS_OF = f"{instruments.PREFIX}breaker_state"


class Scrape:
    """A reader of OpenTelemetry's with a registry of its own. Safe on any thread."""

    def __init__(self) -> None:
        """Make the reader; give it to a meter provider."""
        self._inner = CollectorRegistry()
        self.reader = PrometheusMetricReader(registry=self._inner, scope_info_enabled=False)
        self._outer = CollectorRegistry()
        self._outer.register(_FromZero(self._inner))
        self._lock = threading.Lock()

    def render(self) -> tuple[str, bytes]:
        """Return the content type and the text.

        The gauges read the program meanwhile, which may ask the database: call it off the event loop.
        """
        # The reader keeps what it collected in one queue: two scrapes at once would mix.
        with self._lock:
            return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._outer)


class _FromZero(Collector):
    """Adds the series that have no value yet."""

    def __init__(self, inner: CollectorRegistry) -> None:
        self._inner = inner

    def collect(self) -> Iterable[Metric]:
        families = {family.name: family for family in self._inner.collect()}
        for name, wanted in _wanted(families).items():
            family = families.setdefault(name, HistogramMetricFamily(name, "No value yet."))
            _fill(family, wanted)
        yield from families.values()


def _wanted(families: Mapping[str, Metric]) -> dict[str, list[Labels]]:
    """Return the label sets that each histogram has to show."""
    wanted = {name: [{label: value} for value in values] for name, (label, values) in _FROM_ZERO.items()}
    wanted[instruments.CIRCLE_CALL_DURATION] = [
        {"chain": chain, "operation": operation, "outcome": outcome}
        for chain, operation in _calls(families)
        for outcome in _OUTCOMES
    ]
    return {name: labels for name, labels in wanted.items() if labels}


def _calls(families: Mapping[str, Metric]) -> list[tuple[str, str]]:
    """Return the calls that are made: of each chain that is served, and those that were seen."""
    served = [sample.labels["chain"] for sample in _samples(families, _CHAINS_OF)]
    seen = [
        (sample.labels["chain"], sample.labels["operation"])
        for sample in _samples(families, instruments.CIRCLE_CALL_DURATION)
    ]
    return list(dict.fromkeys([*((chain, each) for chain in served for each in _OPERATIONS), *seen]))


def _samples(families: Mapping[str, Metric], name: str) -> Sequence[Sample]:
    return families[name].samples if name in families else ()


def _fill(family: Metric, wanted: Iterable[Labels]) -> None:
    seen = {_key(sample.labels) for sample in family.samples}
    for labels in wanted:
        if _key(labels) not in seen:
            for bound in [*(str(bucket) for bucket in instruments.BUCKETS), "+Inf"]:
                family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, 0)
            family.add_sample(f"{family.name}_count", labels, 0)
            family.add_sample(f"{family.name}_sum", labels, 0)


def _key(labels: Labels) -> frozenset[tuple[str, str]]:
    """Return what tells one series from another, whichever of its lines this is."""
    return frozenset((name, value) for name, value in labels.items() if name != "le")
