"""Opens and closes telemetry: events go in, lines, metrics and spans come out."""

import logging
import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Self

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from wallet_provisioning import __version__
from wallet_provisioning.clock import Clock, SystemClock
from wallet_provisioning.telemetry import exporting, instruments
from wallet_provisioning.telemetry.events import Event, Notice
from wallet_provisioning.telemetry.gauges import Gauges
from wallet_provisioning.telemetry.libraries import LibraryRoute
from wallet_provisioning.telemetry.logs import Logs
from wallet_provisioning.telemetry.metrics import Metrics
from wallet_provisioning.telemetry.observed import Observed
from wallet_provisioning.telemetry.options import TelemetryOptions
from wallet_provisioning.telemetry.scrape import Scrape
from wallet_provisioning.telemetry.traces import open_traces


class Telemetry:
    """One process's telemetry. Several can live side by side unless `is_global` or `routes_libraries`.

    All methods are safe on any thread. `emit` never raises and never waits for a reader or a collector.
    """

    def __init__(self, options: TelemetryOptions, clock: Clock) -> None:
        """Build everything; starts nothing. Use `open`."""
        self._options = options
        resource = exporting.resource(options.service_name)
        self._scrape = Scrape()
        self._meters = MeterProvider(
            metric_readers=[self._scrape.reader, *(exporting.metric_readers() if options.exports else [])],
            resource=resource,
            views=instruments.views(),
            shutdown_on_exit=False,
        )
        meter = self._meters.get_meter(instruments.METER, __version__)
        self._metrics = Metrics(meter, options.metrics)
        self._gauges = Gauges(meter)
        self._logs = Logs(options.logs, clock)
        self._libraries = LibraryRoute(self._logs) if options.logs.routes_libraries else None
        self._subscribers: tuple[Callable[[Event], None], ...] = (self._logs.hear, self._metrics.hear)
        self._tracers: TracerProvider = open_traces(
            resource, exporting.span_processors() if options.exports else [], is_global=options.is_global
        )

    @classmethod
    def open(
        cls, options: TelemetryOptions, observed: Observed | None = None, clock: Clock | None = None
    ) -> Self:
        """Return telemetry that runs.

        Raises `OtelSettingsError` for an `OTEL_` variable that can't be used and `UnknownLevelError`.
        """
        telemetry = cls(options, clock or SystemClock())
        telemetry._start()
        if observed is not None:
            telemetry.observe(observed)
        return telemetry

    @property
    def tracers(self) -> TracerProvider:
        """The provider of this telemetry's spans, for what does not use the global one."""
        return self._tracers

    def emit(self, event: Event) -> None:
        """Tell every subscriber of an event."""
        for hear in self._subscribers:
            try:
                hear(event)
            except Exception:  # noqa: BLE001  # the border to whoever states events
                # A fault in telemetry must not become one of whoever told it something.
                self._logs.write(
                    logging.ERROR,
                    "telemetry_failed",
                    text=f"{type(event).__name__} was not told",
                    stack=traceback.format_exc(),
                )

    def observe(self, observed: Observed) -> None:
        """Let the gauges read this program from now on."""
        self._gauges.observe(observed)

    def render_metrics(self) -> tuple[str, bytes]:
        """Return type and text of `/metrics`. It may ask the database, so call it off the loop."""
        return self._scrape.render()

    def flush_logs(self, timeout: timedelta) -> bool:
        """Wait until the lines so far are written; False if that took too long."""
        return self._logs.flush(timeout)

    def close(self, timeout: timedelta | None = None) -> None:
        """Send what waits to the collector, write what waits to the stream, and end.

        Takes no longer than the timeout for each of the two, and never raises. Events told later still
        make lines.
        """
        limit = self._options.flush_timeout if timeout is None else timeout
        _within(limit, self._end_exports)
        if self._libraries is not None:
            self._libraries.remove()
        self._logs.close(limit)

    def _start(self) -> None:
        self._logs.start()
        if self._libraries is not None:
            self._libraries.install()
        complaint = exporting.complaint() if self._options.exports else None
        if complaint is not None:
            self.emit(Notice(text=complaint, level="warning"))

    def _end_exports(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()


def _within(limit: timedelta, work: Callable[[], None]) -> None:
    """Do the work on a thread of its own, since an exporter may wait for its collector far longer."""
    thread = threading.Thread(target=work, name="telemetry-end", daemon=True)
    thread.start()
    thread.join(limit.total_seconds())
