"""A real Prometheus scrapes the metrics, and the queries of the dashboards return the right numbers."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen
from uuid import uuid4

import pytest

from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.telemetry.events import JobMoved
from wallet_provisioning.telemetry.observed import NothingObserved
from wallet_provisioning.telemetry.options import LogOptions, TelemetryOptions
from wallet_provisioning.telemetry.setup import Telemetry

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
REPOSITORY = Path(__file__).parents[2]
RULES = REPOSITORY / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "dashboard.json"
PATIENCE = 60.0

needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None or PROMTOOL is None,
    reason="left out: there is no `prometheus` or `promtool` here (Debian package `prometheus`)",
)

Result = dict[tuple[tuple[str, str], ...], float]


class Busy(NothingObserved):
    """A program with two jobs in hand."""

    def active_jobs(self) -> int:
        return 2


class Server:
    """A Prometheus that scrapes one telemetry every 200 ms."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> Result:
        answer = self._get("/api/v1/query", query=expression)
        return {
            tuple(sorted((k, v) for k, v in series["metric"].items() if k not in {"instance", "job"})): float(
                series["value"][1]
            )
            for series in answer["data"]["result"]
        }

    def rules(self) -> list[dict[str, str]]:
        groups = self._get("/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def wait_for(self, expression: str, is_there: Callable[[Result], bool]) -> Result:
        return wait_until(lambda: self.query(expression), is_there)

    def _get(self, path: str, **query: str) -> Any:  # JSON of Prometheus
        with urlopen(f"{self._base}{path}?{urlencode(query)}", timeout=5) as answer:  # noqa: S310  # our own address
            return json.load(answer)


def wait_until(ask: Callable[[], Result], is_there: Callable[[Result], bool]) -> Result:
    deadline = time.monotonic() + PATIENCE
    last: object = None
    while time.monotonic() < deadline:
        try:
            found = ask()
        except OSError as error:
            last = error
        else:
            if is_there(found):
                return found
            last = found
        time.sleep(0.1)
    pytest.fail(f"not there after {PATIENCE} s: {last}")


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    options = TelemetryOptions(logs=LogOptions(stream=StringIO()), exports=False)
    telemetry = Telemetry.open(options, Busy())
    yield telemetry
    telemetry.close(timedelta(seconds=5))


@pytest.fixture
def metrics_port(telemetry: Telemetry) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content_type, body = telemetry.render_metrics()
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def prometheus(metrics_port: int, tmp_path: Path) -> Iterator[Server]:
    assert PROMETHEUS is not None
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "wallets", "static_configs": [{"targets": [f"127.0.0.1:{metrics_port}"]}]}
        ],
    }
    # JSON is YAML too.
    (tmp_path / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    port = free_port()
    process = subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield Server(port)
    process.terminate()
    process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_attempts(telemetry: Telemetry, move: MoveName, count: int, error_type: str | None = None) -> None:
    for _ in range(count):
        telemetry.emit(
            JobMoved(
                move=move,
                job_id=uuid4(),
                user_id=uuid4(),
                status="x",
                attempt=1,
                actor="writer",
                error_type=error_type,
                duration=timedelta(milliseconds=500 if move is MoveName.COMPLETE else 2500),
            )
        )


@needs_prometheus
def test_the_queries_of_the_dashboards_return_the_right_numbers(
    telemetry: Telemetry, prometheus: Server
) -> None:
    prometheus.wait_for("count_over_time(wallet_provisioning_active_jobs[1m]) >= 2", bool)
    end_attempts(telemetry, MoveName.COMPLETE, 30)
    end_attempts(telemetry, MoveName.SCHEDULE_RETRY, 6, "timeout")
    end_attempts(telemetry, MoveName.FAIL, 2, "circle_4xx")
    end_attempts(telemetry, MoveName.FAIL, 2, "validation")
    prometheus.wait_for("sum(wallet_provisioning_jobs_processed_total) == 40", bool)

    by_label = prometheus.query(
        'rate(wallet_provisioning_jobs_processed_total{status="success"}[5m])'
        " / rate(wallet_provisioning_jobs_processed_total[5m])"
    )
    true_rate = prometheus.query(
        'sum(rate(wallet_provisioning_jobs_processed_total{status="success"}[5m]))'
        " / sum(rate(wallet_provisioning_jobs_processed_total[5m]))"
    )
    durations = prometheus.query(
        "rate(wallet_provisioning_job_duration_seconds_sum[5m])"
        " / rate(wallet_provisioning_job_duration_seconds_count[5m])"
    )
    errors = prometheus.query("sum by (error_type) (rate(wallet_provisioning_job_errors_total[5m]))")
    active = prometheus.query("wallet_provisioning_active_jobs")

    assert by_label == {(("status", "success"),): 1.0}
    assert true_rate[()] == pytest.approx(0.75)
    assert durations == {
        (("status", "success"),): pytest.approx(0.5),
        (("status", "failed"),): pytest.approx(2.5),
        (("status", "retry"),): pytest.approx(2.5),
    }
    timeouts = errors[(("error_type", "timeout"),)]
    assert timeouts > 0
    assert errors[(("error_type", "circle_4xx"),)] == pytest.approx(timeouts / 3)
    assert errors[(("error_type", "validation"),)] == pytest.approx(timeouts / 3)
    assert errors[(("error_type", "crash"),)] == 0
    assert active == {(("__name__", "wallet_provisioning_active_jobs"),): 2.0}


@needs_prometheus
def test_the_alerts_load_and_a_scheduler_that_is_down_is_noticed(prometheus: Server) -> None:
    prometheus.wait_for('ALERTS{alertname="WalletProvisioningSchedulerDown"}', bool)

    assert {rule["name"]: rule["health"] for rule in prometheus.rules()} == dict.fromkeys(
        (
            "WalletProvisioningSuccessRateLow",
            "WalletProvisioningSlow",
            "WalletProvisioningSchedulerDown",
            "WalletProvisioningJobStuck",
            "WalletProvisioningErrorRateHigh",
            "WalletProvisioningDuplicateWallet",
            "WalletProvisioningBreakerOpen",
            "WalletProvisioningCircleLimits",
            "WalletProvisioningZombies",
            "WalletProvisioningDeadLetters",
            "WalletProvisioningCallersRefused",
            "WalletProvisioningReconcileFindings",
        ),
        "ok",
    )


@needs_prometheus
def test_every_panel_of_the_dashboard_asks_for_what_there_is(
    telemetry: Telemetry, prometheus: Server
) -> None:
    known = telemetry.render_metrics()[1].decode()
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]

    prometheus.wait_for("wallet_provisioning_active_jobs", bool)
    for expression in expressions:
        prometheus.query(expression)
    assert len(expressions) > 15
    assert "sum(rate(wallet_provisioning_jobs_processed_total" in expressions[0]
    assert "wallet_provisioning_jobs_processed_total" in known


# Each alert: the series that raise it, when it must fire and when it must not yet.
ALERT_TESTS = """
rule_files:
  - {rules}
evaluation_interval: 30s
tests:
  - interval: 30s
    input_series:
      - series: 'wallet_provisioning_jobs_processed_total{{status="success"}}'
        values: '0+85x40'
      - series: 'wallet_provisioning_jobs_processed_total{{status="failed"}}'
        values: '0+15x40'
      - series: 'wallet_provisioning_job_errors_total{{error_type="timeout"}}'
        values: '0+15x40'
      - series: 'wallet_provisioning_job_duration_seconds_sum{{status="success"}}'
        values: '0+1100x40'
      - series: 'wallet_provisioning_job_duration_seconds_count{{status="success"}}'
        values: '0+100x40'
      - series: 'wallet_provisioning_scheduler_running{{instance="a"}}'
        values: '1x10 0x30'
      - series: 'wallet_provisioning_oldest_in_progress_age_seconds'
        values: '0+100x40'
      - series: 'wallet_provisioning_duplicate_wallets_total{{chain="ETH"}}'
        values: '_x20 1x20'
      - series: 'wallet_provisioning_breaker_state{{chain="ETH"}}'
        values: '0x2 2x38'
      - series: 'wallet_provisioning_circle_budget_wait_seconds_bucket{{kind="wallets",le="10"}}'
        values: '0+9x40'
      - series: 'wallet_provisioning_circle_budget_wait_seconds_bucket{{kind="wallets",le="30"}}'
        values: '0+10x40'
      - series: 'wallet_provisioning_circle_budget_wait_seconds_bucket{{kind="wallets",le="+Inf"}}'
        values: '0+10x40'
      - series: 'wallet_provisioning_circle_budget_slowed_total{{kind="gets"}}'
        values: '0+2x40'
      - series: 'wallet_provisioning_reconcile_findings{{kind="missing",instance="a"}}'
        values: '0x20 2x20'
      - series: 'wallet_provisioning_actor_zombies{{actor="writer",instance="a"}}'
        values: '0x20 1x20'
      - series: 'wallet_provisioning_undelivered_messages_total{{actor="writer"}}'
        values: '_x20 1x20'
      - series: 'wallet_provisioning_refused_callers_total{{reason="no_token"}}'
        values: '0x20 0+5x20'
    promql_expr_test:
      - expr: count by (alertname) (ALERTS{{alertstate="firing"}})
        eval_time: 4m
        exp_samples: []
      - expr: count by (alertname) (ALERTS{{alertstate="firing"}})
        eval_time: 15m
        exp_samples:
          - {{labels: '{{alertname="WalletProvisioningSuccessRateLow"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningErrorRateHigh"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningSlow"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningSchedulerDown"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningJobStuck"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningDuplicateWallet"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningCircleLimits"}}', value: 2}}
          - {{labels: '{{alertname="WalletProvisioningZombies"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningReconcileFindings"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningDeadLetters"}}', value: 1}}
          - {{labels: '{{alertname="WalletProvisioningCallersRefused"}}', value: 1}}
      - expr: count by (alertname) (ALERTS{{alertstate="firing", alertname="WalletProvisioningBreakerOpen"}})
        eval_time: 17m
        exp_samples:
          - {{labels: '{{alertname="WalletProvisioningBreakerOpen"}}', value: 1}}
  - interval: 30s
    input_series:
      - series: 'wallet_provisioning_jobs_processed_total{{status="success"}}'
        values: '0+95x40'
      - series: 'wallet_provisioning_jobs_processed_total{{status="failed"}}'
        values: '0+5x40'
      - series: 'wallet_provisioning_job_errors_total{{error_type="timeout"}}'
        values: '0+5x40'
      - series: 'wallet_provisioning_job_duration_seconds_sum{{status="success"}}'
        values: '0+900x40'
      - series: 'wallet_provisioning_job_duration_seconds_count{{status="success"}}'
        values: '0+100x40'
      - series: 'wallet_provisioning_scheduler_running{{instance="a"}}'
        values: '1x40'
      - series: 'wallet_provisioning_oldest_in_progress_age_seconds'
        values: '1700x40'
      - series: 'wallet_provisioning_duplicate_wallets_total{{chain="ETH"}}'
        values: '0x40'
      - series: 'wallet_provisioning_breaker_state{{chain="ETH"}}'
        values: '1x40'
      - series: 'wallet_provisioning_circle_budget_wait_seconds_bucket{{kind="wallets",le="10"}}'
        values: '0+10x40'
      - series: 'wallet_provisioning_circle_budget_wait_seconds_bucket{{kind="wallets",le="+Inf"}}'
        values: '0+10x40'
      - series: 'wallet_provisioning_circle_budget_slowed_total{{kind="gets"}}'
        values: '0+1x40'
      - series: 'wallet_provisioning_actor_zombies{{actor="writer",instance="a"}}'
        values: '0x40'
      - series: 'wallet_provisioning_undelivered_messages_total{{actor="writer"}}'
        values: '0x40'
      - series: 'wallet_provisioning_refused_callers_total{{reason="no_token"}}'
        values: '0+2x40'
    promql_expr_test:
      - expr: count by (alertname) (ALERTS)
        eval_time: 15m
        exp_samples: []
"""


@needs_prometheus
def test_the_rules_are_valid() -> None:
    assert run_promtool("check", "rules", str(RULES)) == 0


@needs_prometheus
def test_each_alert_fires_past_its_limit_and_not_below(tmp_path: Path) -> None:
    tests = tmp_path / "alerts_test.yml"
    tests.write_text(ALERT_TESTS.format(rules=RULES), encoding="utf-8")

    assert run_promtool("test", "rules", str(tests)) == 0


def run_promtool(*arguments: str) -> int:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], check=False, capture_output=True, text=True)
    print(done.stdout, done.stderr)  # noqa: T201  # pytest shows it where the test fails
    return done.returncode
