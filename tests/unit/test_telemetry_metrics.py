"""What an event counts, as a scrape shows it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.telemetry import events
from wallet_provisioning.telemetry.observed import ActorReading, Observed
from wallet_provisioning.telemetry.options import LogOptions, MetricOptions, TelemetryOptions
from wallet_provisioning.telemetry.setup import Telemetry

JOB = UUID("01900000-0000-7000-8000-000000000001")
USER = UUID("01900000-0000-7000-8000-000000000002")
SOON = timedelta(seconds=10)
PREFIX = "wallet_provisioning_"


def open_telemetry(*, entity_labels: bool = True, entity_limit: int = 2_000, **more: Any) -> Telemetry:
    return Telemetry.open(
        TelemetryOptions(
            logs=LogOptions(stream=StringIO(), level="critical"),
            metrics=MetricOptions(entity_labels=entity_labels, entity_limit=entity_limit, **more),
            exports=False,
        )
    )


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = open_telemetry()
    yield telemetry
    telemetry.close(SOON)


def moved(name: MoveName, **more: object) -> events.JobMoved:
    plain = {"job_id": JOB, "user_id": USER, "status": "x", "attempt": 1, "actor": "writer"}
    return events.JobMoved(move=name, **(plain | more))  # type: ignore[arg-type]  # spelled out by each test


def wallet(user_id: UUID = USER, chain: str = "ETH") -> events.WalletCreated:
    return events.WalletCreated(
        job_id=JOB, user_id=user_id, chain=chain, blockchain=f"{chain}-X", circle_wallet_id=uuid4()
    )


def moved_together(name: MoveName, *jobs: events.MovedJob) -> events.JobsMoved:
    return events.JobsMoved(move=name, status="x", actor="writer", jobs=jobs)


def series(telemetry: Telemetry, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the samples of a metric by their labels."""
    _, text = telemetry.render_metrics()
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == PREFIX + name
    }


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    return series(telemetry, name)[tuple(sorted(labels.items()))]


@pytest.mark.parametrize(
    ("move", "status"),
    [(MoveName.COMPLETE, "success"), (MoveName.FAIL, "failed"), (MoveName.SCHEDULE_RETRY, "retry")],
)
def test_the_moves_that_end_an_attempt_are_counted_and_timed(
    telemetry: Telemetry, move: MoveName, status: str
) -> None:
    telemetry.emit(moved(move, duration=timedelta(milliseconds=250)))
    telemetry.emit(moved(move, duration=timedelta(milliseconds=750)))

    assert value(telemetry, "jobs_processed_total", status=status) == 2
    assert value(telemetry, "job_duration_seconds_sum", status=status) == 1.0
    assert value(telemetry, "job_duration_seconds_count", status=status) == 2


def test_other_moves_are_not_processed_jobs(telemetry: Telemetry) -> None:
    for name in set(MoveName) - {MoveName.COMPLETE, MoveName.FAIL, MoveName.SCHEDULE_RETRY}:
        telemetry.emit(moved(name, duration=SOON))

    assert set(series(telemetry, "jobs_processed_total").values()) == {0}
    assert set(series(telemetry, "job_duration_seconds_count").values()) == {0}


def test_a_retry_names_its_job_and_attempt(telemetry: Telemetry) -> None:
    telemetry.emit(moved(MoveName.SCHEDULE_RETRY, attempt=2, error_type=ErrorType.TIMEOUT))

    assert series(telemetry, "job_retries_total") == {(("attempt_count", "2"), ("job_id", str(JOB))): 1}


def test_every_move_with_an_error_counts_it(telemetry: Telemetry) -> None:
    telemetry.emit(moved(MoveName.SCHEDULE_RETRY, error_type="timeout"))
    telemetry.emit(moved(MoveName.FAIL, error_type="timeout"))
    telemetry.emit(moved(MoveName.WAIT_FOR_CIRCUIT, error_type="circuit_open"))
    telemetry.emit(moved(MoveName.RETURN_AFTER_CRASH, error_type="crash"))
    telemetry.emit(moved(MoveName.COMPLETE))

    counts = {labels[0][1]: count for labels, count in series(telemetry, "job_errors_total").items()}
    assert {error: count for error, count in counts.items() if count} == {
        "timeout": 2,
        "circuit_open": 1,
        "crash": 1,
    }


def test_a_wallet_counts_for_its_user_and_chain(telemetry: Telemetry) -> None:
    telemetry.emit(wallet(chain="ETH"))
    telemetry.emit(wallet(chain="SOL"))

    assert series(telemetry, "wallets_created_total") == {
        (("chain", "ETH"), ("user_id", str(USER))): 1,
        (("chain", "SOL"), ("user_id", str(USER))): 1,
    }


def test_a_group_of_moves_counts_like_each_of_them_alone() -> None:
    jobs = [
        events.MovedJob(uuid4(), USER, 1, SOON, error_type="timeout", due_in=SOON),
        events.MovedJob(uuid4(), USER, 2, SOON / 2, error_type="timeout"),
        events.MovedJob(uuid4(), USER, 2, None, error_type="network"),
    ]
    for name in MoveName:
        together, alone = open_telemetry(), open_telemetry()
        group = moved_together(name, *jobs)
        together.emit(group)
        for event in group.each():
            alone.emit(event)

        assert together.render_metrics() == alone.render_metrics()
        together.close(SOON)
        alone.close(SOON)


def test_a_group_of_wallets_counts_each_for_its_user_and_chain() -> None:
    telemetry = open_telemetry(entity_limit=1)
    users = [USER, uuid4(), uuid4()]
    wallets = [
        events.CreatedWallet(JOB, user, chain, chain, JOB) for user in users for chain in ("ETH", "SOL")
    ]
    telemetry.emit(events.WalletsCreated(wallets=wallets))

    assert series(telemetry, "wallets_created_total") == {
        (("chain", "ETH"), ("user_id", str(USER))): 1,
        (("chain", "SOL"), ("user_id", str(USER))): 1,
        (("chain", "ETH"), ("user_id", "")): 2,
        (("chain", "SOL"), ("user_id", "")): 2,
    }
    telemetry.close(SOON)


def test_bounded_series_start_at_zero(telemetry: Telemetry) -> None:
    statuses = {(("status", status),): 0.0 for status in ("success", "failed", "retry")}

    assert series(telemetry, "jobs_processed_total") == statuses
    assert series(telemetry, "job_duration_seconds_count") == statuses
    assert series(telemetry, "job_duration_seconds_sum") == statuses
    assert series(telemetry, "job_errors_total") == {(("error_type", error),): 0.0 for error in ErrorType}
    assert series(telemetry, "active_jobs") == {(): 0.0}
    assert series(telemetry, "scheduler_running") == {(): 0.0}


def test_the_first_value_of_a_histogram_leaves_the_other_zeros(telemetry: Telemetry) -> None:
    telemetry.emit(moved(MoveName.FAIL, duration=SOON))

    assert series(telemetry, "job_duration_seconds_count") == {
        (("status", "success"),): 0.0,
        (("status", "failed"),): 1.0,
        (("status", "retry"),): 0.0,
    }


def test_durations_have_buckets_from_5_ms_to_a_minute(telemetry: Telemetry) -> None:
    telemetry.emit(moved(MoveName.COMPLETE, duration=timedelta(milliseconds=4)))
    telemetry.emit(moved(MoveName.COMPLETE, duration=timedelta(seconds=59)))

    buckets = {
        dict(labels)["le"]: count
        for labels, count in series(telemetry, "job_duration_seconds_bucket").items()
        if dict(labels)["status"] == "success"
    }
    assert buckets["0.005"] == 1
    assert buckets["30.0"] == 1
    assert buckets["60.0"] == buckets["+Inf"] == 2


def test_past_the_limit_entities_share_a_series_and_sums_stay_right() -> None:
    telemetry = open_telemetry(entity_limit=10)
    users = [uuid4() for _ in range(25)]
    for user in [*users, *users]:
        telemetry.emit(wallet(user, "ETH"))
        telemetry.emit(wallet(user, "SOL"))

    found = series(telemetry, "wallets_created_total")

    by_chain = {chain: sum(n for k, n in found.items() if ("chain", chain) in k) for chain in ("ETH", "SOL")}
    assert by_chain == {"ETH": 50, "SOL": 50}
    assert found[(("chain", "ETH"), ("user_id", ""))] == 30
    assert len({dict(labels)["user_id"] for labels in found}) == 11
    telemetry.close(SOON)


def test_the_limit_is_two_thousand_and_the_sdks_own_does_not_bite(telemetry: Telemetry) -> None:
    for _ in range(2_500):
        user = uuid4()
        telemetry.emit(wallet(user, "ETH"))
        telemetry.emit(wallet(user, "SOL"))
        telemetry.emit(moved(MoveName.SCHEDULE_RETRY, job_id=user, attempt=3))

    wallets = series(telemetry, "wallets_created_total")
    retries = series(telemetry, "job_retries_total")
    assert sum(wallets.values()) == 5_000
    assert len(wallets) == 2 * 2_000 + 2
    assert sum(retries.values()) == 2_500
    assert retries[(("attempt_count", "3"), ("job_id", ""))] == 500


def test_entity_labels_can_be_left_off() -> None:
    telemetry = open_telemetry(entity_labels=False)
    telemetry.emit(wallet())
    telemetry.emit(moved(MoveName.SCHEDULE_RETRY, attempt=1))

    assert series(telemetry, "wallets_created_total") == {(("chain", "ETH"),): 1}
    assert series(telemetry, "job_retries_total") == {(("attempt_count", "1"),): 1}
    telemetry.close(SOON)


def test_series_that_are_bounded_without_entities_start_at_zero() -> None:
    telemetry = open_telemetry(entity_labels=False, chains=("ETH", "SOL"), max_attempts=2)

    assert series(telemetry, "wallets_created_total") == {(("chain", "ETH"),): 0, (("chain", "SOL"),): 0}
    assert series(telemetry, "job_retries_total") == {(("attempt_count", n),): 0 for n in ("1", "2")}
    telemetry.close(SOON)


def test_a_restart_is_counted_by_how_the_life_before_ended(telemetry: Telemetry) -> None:
    def live(path: str, incarnation: int) -> None:
        telemetry.emit(events.ActorStarted(path=path, incarnation=incarnation))

    live("writer", 1)
    for incarnation, reason in enumerate(("crash", "crash", "hang", "stop"), start=1):
        telemetry.emit(events.ActorEnded(path="writer", incarnation=incarnation, reason=reason))
        live("writer", incarnation + 1)
    live("scheduler", 1)
    telemetry.emit(events.ActorEnded(path="scheduler", incarnation=1, reason="stop"))

    found = series(telemetry, "actor_restarts_total")
    assert {dict(k)["cause"]: n for k, n in found.items() if dict(k)["actor"] == "writer"} == {
        "crash": 2,
        "hang": 1,
        "start_failed": 0,
        "stop": 1,
    }
    assert sum(n for k, n in found.items() if dict(k)["actor"] == "scheduler") == 0


def test_a_life_that_did_not_start_counts_with_what_the_one_before_it_died_of(telemetry: Telemetry) -> None:
    telemetry.emit(events.ActorStarted(path="writer", incarnation=1))
    for incarnation, reason in enumerate(("crash", "start_failed", "start_failed"), start=1):
        telemetry.emit(events.ActorEnded(path="writer", incarnation=incarnation, reason=reason))
    telemetry.emit(events.ActorStarted(path="writer", incarnation=4))

    found = series(telemetry, "actor_restarts_total")
    assert {dict(key)["cause"]: count for key, count in found.items()} == {
        "crash": 1,
        "hang": 0,
        "start_failed": 2,
    }


def test_calls_claims_transactions_and_messages_are_told(telemetry: Telemetry) -> None:
    second = timedelta(seconds=1)
    telemetry.emit(
        events.CircleCalled(chain="ETH", operation="CreateWallet", outcome="timeout", duration=second)
    )
    telemetry.emit(events.JobsClaimed(count=3, duration=second))
    telemetry.emit(events.TransactionEnded(reason="x", outcome="rolled_back", duration=second))
    telemetry.emit(events.MessageTaken(outcome="rejected", why="x"))
    telemetry.emit(events.StaleRefused(job_id=JOB, epoch=1, what="complete", actor="jobs/1"))
    telemetry.emit(events.DeadLetter(path="writer", message="Record", why="stopped"))
    telemetry.emit(events.DuplicateWallet(user_id=USER, chain="SOL", kept=JOB, duplicate=USER))

    call = {"chain": "ETH", "operation": "CreateWallet", "outcome": "timeout"}
    assert value(telemetry, "circle_call_duration_seconds_count", **call) == 1
    assert value(telemetry, "claim_duration_seconds_sum") == 1
    assert value(telemetry, "transaction_duration_seconds_count", outcome="rolled_back") == 1
    assert value(telemetry, "transaction_duration_seconds_count", outcome="committed") == 0
    assert value(telemetry, "intake_messages_total", outcome="rejected") == 1
    assert value(telemetry, "stale_refusals_total") == 1
    assert value(telemetry, "undelivered_messages_total", actor="writer") == 1
    assert value(telemetry, "duplicate_wallets_total", chain="SOL") == 1


@dataclass
class Actor:
    path: str
    state: str = "running"
    restarts: int = 0
    zombies: int = 0
    mailbox_depth: int = 0
    oldest_message_age: timedelta | None = None


class Program(Observed):
    """A program as the gauges see it, in numbers that can be told apart."""

    def __init__(self) -> None:
        self.store_is_away = False

    def active_jobs(self) -> int:
        return 3

    def scheduler_running(self) -> bool:
        return True

    def queue_depths(self) -> Mapping[str, int]:
        if self.store_is_away:
            raise ConnectionError
        return {"queued": 7, "retry": 2}

    def oldest_due_age(self) -> timedelta | None:
        return timedelta(seconds=90)

    def oldest_in_progress_age(self) -> timedelta | None:
        return None

    def actors(self) -> Sequence[ActorReading]:
        return [
            Actor("writer", mailbox_depth=4, oldest_message_age=timedelta(milliseconds=500)),
            Actor("circle/ETH", state="restarting", zombies=1),
        ]

    def breakers(self) -> Mapping[str, int]:
        return {"ETH": 2, "SOL": 0}

    def budget_waiting(self) -> Mapping[str, int]:
        return {"wallets": 12}

    def budget_rates(self) -> Mapping[str, float]:
        return {"wallets": 5.0, "posts": 0.0}

    def reconcile_findings(self) -> Mapping[str, int]:
        return {"missing": 2, "stuck": 0}

    def reconcile_age(self) -> timedelta | None:
        return timedelta(hours=1)


def test_gauges_show_the_program_as_it_is(telemetry: Telemetry) -> None:
    telemetry.observe(Program())

    assert value(telemetry, "active_jobs") == 3
    assert value(telemetry, "scheduler_running") == 1
    assert series(telemetry, "queue_depth") == {
        (("status", "queued"),): 7,
        (("status", "retry"),): 2,
        (("status", "in_progress"),): 0,
    }
    assert value(telemetry, "oldest_due_job_age_seconds") == 90
    assert value(telemetry, "oldest_in_progress_age_seconds") == 0
    assert value(telemetry, "breaker_state", chain="ETH") == 2
    assert value(telemetry, "circle_budget_waiting", kind="wallets") == 12
    assert value(telemetry, "circle_budget_waiting", kind="gets") == 0
    assert value(telemetry, "circle_budget_rate", kind="wallets") == 5
    assert value(telemetry, "reconcile_findings", kind="missing") == 2
    assert value(telemetry, "reconcile_findings", kind="stuck") == 0
    assert value(telemetry, "reconcile_age_seconds") == 3600
    assert value(telemetry, "mailbox_depth", actor="writer") == 4
    assert value(telemetry, "mailbox_oldest_age_seconds", actor="writer") == 0.5
    assert value(telemetry, "actor_zombies", actor="circle/ETH") == 1
    assert value(telemetry, "actors", state="restarting") == 1


def test_a_gauge_that_cannot_be_read_costs_only_itself(telemetry: Telemetry) -> None:
    program = Program()
    program.store_is_away = True
    telemetry.observe(program)

    assert series(telemetry, "queue_depth") == {}
    assert value(telemetry, "active_jobs") == 3

    program.store_is_away = False
    assert value(telemetry, "queue_depth", status="queued") == 7


def test_the_calls_of_each_chain_start_at_zero_in_all_their_outcomes(telemetry: Telemetry) -> None:
    telemetry.observe(Program())
    labels = {"chain": "SOL", "operation": "create_wallet"}
    ends = ("circle_5xx", "circle_rate_limit", "circle_4xx", "timeout", "network", "validation")
    for outcome in ("success", *ends):
        assert value(telemetry, "circle_call_duration_seconds_count", **labels, outcome=outcome) == 0


def test_a_call_that_was_seen_shows_its_other_outcomes_too(telemetry: Telemetry) -> None:
    telemetry.emit(events.CircleCalled(chain="-", operation="ping", outcome="success", duration=SOON))
    labels = {"chain": "-", "operation": "ping"}
    assert value(telemetry, "circle_call_duration_seconds_count", **labels, outcome="success") == 1
    assert value(telemetry, "circle_call_duration_seconds_count", **labels, outcome="timeout") == 0


def test_waits_repeats_and_slow_downs_of_the_budget_are_counted(telemetry: Telemetry) -> None:
    assert value(telemetry, "circle_budget_wait_seconds_count", kind="wallets") == 0
    assert value(telemetry, "circle_retries_total", outcome="denied") == 0
    assert value(telemetry, "circle_budget_slowed_total", kind="gets") == 0

    call = events.CircleCalled(
        chain="ETH", operation="create_wallet", outcome="success", duration=SOON, kind="wallets", waited=SOON
    )
    telemetry.emit(call)
    telemetry.emit(
        events.CircleRetried(chain="ETH", operation="create_wallet", why="circle_rate_limit", allowed=False)
    )
    telemetry.emit(events.BudgetSlowed(kind="wallets", per_second=5, pause=SOON))

    assert value(telemetry, "circle_budget_wait_seconds_count", kind="wallets") == 1
    assert value(telemetry, "circle_retries_total", outcome="denied") == 1
    assert value(telemetry, "circle_budget_slowed_total", kind="wallets") == 1


def test_scrapes_at_once_each_see_everything(telemetry: Telemetry) -> None:
    telemetry.emit(moved(MoveName.COMPLETE, duration=SOON))
    texts: list[bytes] = []
    threads = [threading.Thread(target=lambda: texts.append(telemetry.render_metrics()[1])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    sample = b'wallet_provisioning_jobs_processed_total{status="success"} 1.0'
    assert [text.count(sample) for text in texts] == [1] * 8


def test_names_types_and_labels_are_those_of_the_contract(telemetry: Telemetry) -> None:
    telemetry.emit(wallet())
    telemetry.emit(moved(MoveName.SCHEDULE_RETRY))
    content_type, body = telemetry.render_metrics()
    text = body.decode()

    assert content_type.startswith("text/plain; version=0.0.4")
    for line in (
        "# TYPE wallet_provisioning_jobs_processed_total counter",
        "# TYPE wallet_provisioning_job_duration_seconds histogram",
        "# TYPE wallet_provisioning_job_retries_total counter",
        "# TYPE wallet_provisioning_job_errors_total counter",
        "# TYPE wallet_provisioning_wallets_created_total counter",
        # An up-down counter is a gauge to Prometheus.
        "# TYPE wallet_provisioning_active_jobs gauge",
        "# TYPE wallet_provisioning_scheduler_running gauge",
        "wallet_provisioning_active_jobs 0.0",
    ):
        assert line in text.splitlines()
    assert "otel_scope" not in text


def test_two_telemetries_in_one_process_count_apart() -> None:
    first, second = open_telemetry(), open_telemetry()
    first.emit(moved(MoveName.COMPLETE))

    assert value(first, "jobs_processed_total", status="success") == 1
    assert value(second, "jobs_processed_total", status="success") == 0
    first.close(SOON)
    second.close(SOON)
