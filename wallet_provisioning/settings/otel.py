"""The numbers and addresses among the `OTEL_` variables, which the OpenTelemetry SDK reads by itself.

It answers a text that is no number with a traceback, and goes on with another value or not at all; where
an address is none, every export fails. So they are looked at with all other settings, by the names and
units of
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import re
from collections.abc import Mapping

_BATCHES = ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")
_LIMITS = (
    "ATTRIBUTE_COUNT",
    "ATTRIBUTE_VALUE_LENGTH",
    "SPAN_ATTRIBUTE_COUNT",
    "SPAN_ATTRIBUTE_VALUE_LENGTH",
    "SPAN_EVENT_COUNT",
    "SPAN_LINK_COUNT",
    "EVENT_ATTRIBUTE_COUNT",
    "LINK_ATTRIBUTE_COUNT",
)
_TIMES = (
    "METRIC_EXPORT_INTERVAL",
    "METRIC_EXPORT_TIMEOUT",
    "EXPORTER_OTLP_TIMEOUT",
    "EXPORTER_OTLP_TRACES_TIMEOUT",
    "EXPORTER_OTLP_METRICS_TIMEOUT",
)
_ADDRESSES = ("", "TRACES_", "METRICS_")
_ADDRESS = re.compile(r"(https?://[^\s/]\S*)?")
_FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    **{f"OTEL_BSP_{name}": (re.compile(r"0*[1-9][0-9]*"), "a whole number above 0") for name in _BATCHES},
    **{f"OTEL_{name}_LIMIT": (re.compile(r"[0-9]*"), "a whole number, or empty") for name in _LIMITS},
    **{f"OTEL_{name}": (re.compile(r"[0-9]*\.?[0-9]+"), "a number") for name in _TIMES},
}


def wrong_otel(environ: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that must be a number or an address and is none."""
    return [
        f"{name} must be {what}, not {environ[name]!r}"
        for name, (form, what) in _FORMS.items()
        if name in environ and not form.fullmatch(environ[name].strip())
    ] + [
        f"{name} must be an address such as http://localhost:4318"  # what stands there may hold a password
        for name in (f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT" for signal in _ADDRESSES)
        if not _ADDRESS.fullmatch(environ.get(name, "").strip())
    ]
