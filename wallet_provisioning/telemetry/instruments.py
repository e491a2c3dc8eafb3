"""The names of the metrics and how OpenTelemetry is told of them.

The names are those that a Prometheus scrape shows, so a unit's suffix is written out; the exporter does
not double it.
"""

from opentelemetry.metrics import Histogram, Meter
from opentelemetry.sdk.metrics import Histogram as HistogramInstrument
from opentelemetry.sdk.metrics import ObservableCounter, ObservableGauge
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

from wallet_provisioning.telemetry.tally import Tally

PREFIX = "wallet_provisioning_"
METER = "wallet-provisioning-worker"
JOB_DURATION = f"{PREFIX}job_duration_seconds"
CLAIM_DURATION = f"{PREFIX}claim_duration_seconds"
TRANSACTION_DURATION = f"{PREFIX}transaction_duration_seconds"
CIRCLE_CALL_DURATION = f"{PREFIX}circle_call_duration_seconds"
CIRCLE_WAIT_DURATION = f"{PREFIX}circle_budget_wait_seconds"

# What Circle limits apart.
CALL_KINDS = ("wallets", "posts", "gets")

# Seconds. The SDK's own start at 5 and end at 10,000: they are meant for milliseconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)

# The tallies bound their series themselves, and so does the tree. Past its own limit the SDK would
# throw the labels away, and with them the sums by chain.
_NO_SDK_LIMIT = 1_000_000


def views() -> list[View]:
    """Return the views that give every duration its buckets and lift the SDK's limit on series."""
    buckets = ExplicitBucketHistogramAggregation(BUCKETS)
    return [
        View(instrument_type=HistogramInstrument, instrument_name="*", aggregation=buckets),
        *(
            View(instrument_type=kind, instrument_name="*", aggregation_cardinality_limit=_NO_SDK_LIMIT)
            for kind in (ObservableCounter, ObservableGauge)
        ),
    ]


def show_tally(meter: Meter, name: str, description: str, tally: Tally) -> Tally:
    """Show a tally as a counter; `name` is without the prefix."""
    meter.create_observable_counter(PREFIX + name, callbacks=[tally.observe], description=description)
    return tally


def make_duration(meter: Meter, name: str, description: str) -> Histogram:
    """Make a histogram of seconds under its full name."""
    return meter.create_histogram(name, unit="s", description=description)
