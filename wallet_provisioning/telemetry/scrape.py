"""What `/metrics` answers: the process's metrics in Prometheus's text format."""

import threading
from collections.abc import Iterable

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from wallet_provisioning.telemetry import instruments
from wallet_provisioning.telemetry.metrics import PROCESSED, TRANSACTION_OUTCOMES

# OpenTelemetry shows a histogram's series from its first value on. A rate needs the zero before that.
_FROM_ZERO: dict[str, tuple[str, tuple[str, ...]]] = {
    instruments.JOB_DURATION: ("status", tuple(PROCESSED.values())),
    instruments.TRANSACTION_DURATION: ("outcome", TRANSACTION_OUTCOMES),
}


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
        missing = dict(_FROM_ZERO)
        for family in self._inner.collect():
            if family.name in missing:
                label, values = missing.pop(family.name)
                _fill(family, label, values)
            yield family
        for name, (label, values) in missing.items():
            family = HistogramMetricFamily(name, "No value yet.", labels=[label])
            _fill(family, label, values)
            yield family


def _fill(family: Metric, label: str, values: Iterable[str]) -> None:
    seen = {sample.labels.get(label) for sample in family.samples}
    for value in values:
        if value not in seen:
            for bound in [*(str(bucket) for bucket in instruments.BUCKETS), "+Inf"]:
                family.add_sample(f"{family.name}_bucket", {label: value, "le": bound}, 0)
            family.add_sample(f"{family.name}_count", {label: value}, 0)
            family.add_sample(f"{family.name}_sum", {label: value}, 0)
