import pytest

from wallet_provisioning.settings import Settings, SettingsError
from wallet_provisioning.settings.otel import wrong_otel


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("OTEL_BSP_SCHEDULE_DELAY", "x", "a whole number above 0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "a whole number above 0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "", "a whole number above 0"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1", "a whole number, or empty"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1m", "a number"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "a number"),
    ],
)
def test_what_the_sdk_can_not_read_as_a_number_is_a_line(name: str, value: str, what: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load({name: value}, sandbox=True)
    assert refused.value.lines == (f"{name} must be {what}, not {value!r}",)


@pytest.mark.parametrize("value", ["collector:4318", "grpc://hidden@collector", "http://", "http:///v1"])
def test_an_address_that_is_none_is_a_line_that_does_not_repeat_it(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": value}, sandbox=True)
    (line,) = refused.value.lines
    assert line.startswith("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be an address")
    assert "hidden" not in line


def test_numbers_and_what_may_be_empty_are_taken() -> None:
    environ = {
        "OTEL_BSP_SCHEDULE_DELAY": "5000",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "",
        "OTEL_SPAN_LINK_COUNT_LIMIT": "0",
        "OTEL_METRIC_EXPORT_TIMEOUT": " 30000 ",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://user:word@collector:4318/otlp",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "",
    }
    assert wrong_otel(environ) == []
