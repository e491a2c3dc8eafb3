"""Events become lines: their names, levels, ids and forms."""

import io
import json
import logging
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider

from wallet_provisioning.clock import ManualClock
from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.telemetry import events
from wallet_provisioning.telemetry.catalogue import kinds
from wallet_provisioning.telemetry.levels import level_of
from wallet_provisioning.telemetry.logs import Logs, UnknownLevelError
from wallet_provisioning.telemetry.options import LogOptions

JOB = UUID("01900000-0000-7000-8000-000000000001")
USER = UUID("01900000-0000-7000-8000-000000000002")
SOON = timedelta(seconds=10)


def moved(name: MoveName, **more: object) -> events.JobMoved:
    plain = {"job_id": JOB, "user_id": USER, "status": "x", "attempt": 1, "actor": "writer"}
    return events.JobMoved(move=name, **(plain | more))  # type: ignore[arg-type]  # spelled out by each test


def text_of(*told: events.Event, level: str = "debug", readable: bool = False) -> str:
    stream = io.StringIO()
    logs = Logs(LogOptions(level=level, stream=stream, readable=readable), ManualClock())
    logs.start()
    for event in told:
        logs.hear(event)
    logs.close(SOON)
    return stream.getvalue()


def lines_of(*told: events.Event, level: str = "debug") -> list[dict[str, object]]:
    return [json.loads(line) for line in text_of(*told, level=level).splitlines()]


def test_an_event_is_one_json_line_with_its_ids() -> None:
    [line] = lines_of(
        moved(MoveName.COMPLETE, status="completed", duration=timedelta(milliseconds=120), trace_id="ab" * 16)
    )

    assert line == {
        "ts": "2026-01-01T00:00:00.000000Z",
        "level": "info",
        "event": "job_moved",
        "trace_id": "ab" * 16,
        "job_id": str(JOB),
        "user_id": str(USER),
        "actor": "writer",
        "move": "complete",
        "status": "completed",
        "attempt": 1,
        "duration_seconds": 0.12,
    }


def test_a_group_has_the_lines_that_each_would_have_alone() -> None:
    moves = events.JobsMoved(
        move=MoveName.SCHEDULE_RETRY,
        status="retry",
        actor="writer",
        jobs=[
            events.MovedJob(JOB, USER, 1, SOON, "ab" * 16, "timeout", "no answer", SOON),
            events.MovedJob(USER, JOB, 2),
        ],
    )
    wallets = events.WalletsCreated(wallets=[events.CreatedWallet(JOB, USER, "ETH", "ETH-SEPOLIA", USER)])

    lines = lines_of(moves, wallets)

    assert lines == lines_of(*moves.each(), *wallets.each())
    assert [line["event"] for line in lines] == ["job_moved", "job_moved", "wallet_created"]
    assert lines[0]["due_in_seconds"] == lines[0]["duration_seconds"] == 10


def test_of_a_group_those_that_are_loud_enough_are_written() -> None:
    wallets = [
        events.CreatedWallet(JOB, USER, chain, chain, USER, adopted=chain == "SOL")
        for chain in ("ETH", "SOL")
    ]

    assert [line["chain"] for line in lines_of(events.WalletsCreated(wallets=wallets), level="info")] == [
        "SOL"
    ]
    assert text_of(events.WalletsCreated(wallets=wallets[:1]), level="info") == ""


def test_a_line_has_the_ids_of_the_span_in_which_it_was_told() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    stream = io.StringIO()
    logs = Logs(LogOptions(stream=stream), ManualClock())
    with tracer.start_as_current_span("work") as span:
        logs.hear(events.Notice(text="here"))
    logs.start()
    logs.close(SOON)

    assert json.loads(stream.getvalue())["span_id"] == trace.format_span_id(span.get_span_context().span_id)


def test_what_cannot_be_written_is_told_and_costs_no_other_line() -> None:
    class Mute:
        def __str__(self) -> str:
            raise ZeroDivisionError

    faulty = events.Notice(text=Mute())  # type: ignore[arg-type]  # the fault
    failed, line = lines_of(faulty, events.Notice(text="here"))

    assert (failed["event"], failed["level"]) == ("telemetry_failed", "error")
    assert "Notice" in str(failed["text"])
    assert line["text"] == "here"


def test_what_an_operator_looks_for_comes_first() -> None:
    [line] = lines_of(moved(MoveName.COMPLETE, trace_id="ab" * 16))

    assert list(line)[:7] == ["ts", "level", "event", "trace_id", "job_id", "user_id", "actor"]


def test_an_actors_path_is_called_actor() -> None:
    [line] = lines_of(events.ActorStarted(path="circle/ETH", incarnation=2))

    assert line["actor"] == "circle/ETH"
    assert "path" not in line


def test_lists_stay_lists_and_absent_values_are_left_out() -> None:
    accepted = events.JobAccepted(
        job_id=JOB, user_id=USER, source="http", chains=("ETH", "SOL"), created=True
    )

    [line] = lines_of(accepted)

    assert line["chains"] == ["ETH", "SOL"]
    assert line["created"] is True
    assert "merged" not in line


def test_the_current_span_gives_its_ids() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("work") as span:
        [line] = lines_of(events.Notice(text="here"))

    assert line["trace_id"] == trace.format_trace_id(span.get_span_context().trace_id)
    assert line["span_id"] == trace.format_span_id(span.get_span_context().span_id)


def test_a_call_tells_for_which_job_it_is_made() -> None:
    called = events.CircleCalled(
        chain="ETH", operation="CreateWallet", outcome="timeout", duration=timedelta(seconds=1)
    )
    token = context.attach(baggage.set_baggage("job_id", "job-7"))
    try:
        line = json.loads(text_of(called))
    finally:
        context.detach(token)

    assert line["job_id"] == "job-7"
    assert "job_id" not in json.loads(text_of(called))


def test_an_event_of_another_trace_keeps_its_own() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("group commit"):
        [line] = lines_of(moved(MoveName.COMPLETE, trace_id="cd" * 16))

    assert line["trace_id"] == "cd" * 16
    assert "span_id" not in line


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (moved(MoveName.FAIL), logging.ERROR),
        (moved(MoveName.SCHEDULE_RETRY), logging.WARNING),
        (moved(MoveName.RETURN_AFTER_CRASH), logging.WARNING),
        (moved(MoveName.WAIT_FOR_CIRCUIT), logging.WARNING),
        (moved(MoveName.COMPLETE), logging.INFO),
        (moved(MoveName.CANCEL), logging.INFO),
        (moved(MoveName.CLAIM), logging.DEBUG),
        (events.ActorEnded(path="writer", incarnation=1, reason="crash"), logging.ERROR),
        (events.ActorEnded(path="writer", incarnation=1, reason="hang"), logging.ERROR),
        (events.ActorEnded(path="writer", incarnation=1, reason="stop"), logging.DEBUG),
        (events.ActorStarted(path="writer", incarnation=1), logging.DEBUG),
        (events.ActorStarted(path="writer", incarnation=2), logging.INFO),
        (events.BreakerChanged(chain="ETH", before="closed", after="open", reason="x"), logging.WARNING),
        (events.BreakerChanged(chain="ETH", before="half_open", after="closed", reason="x"), logging.INFO),
        (events.DependencyLost(name="redis", error="refused"), logging.WARNING),
        (events.MessageTaken(outcome="rejected"), logging.WARNING),
        (events.MessageTaken(outcome="accepted"), logging.DEBUG),
        (events.TransactionEnded(reason="x", outcome="committed", duration=SOON), logging.DEBUG),
        (events.CircleCalled(chain="ETH", operation="x", outcome="timeout", duration=SOON), logging.WARNING),
        (events.Notice(text="x", level="warning"), logging.WARNING),
        (events.Notice(text="x", level="no such level"), logging.INFO),
    ],
)
def test_each_event_has_its_level(event: events.Event, level: int) -> None:
    assert level_of(event) == level


def test_a_crash_tells_its_stack() -> None:
    [line] = lines_of(
        events.ActorEnded(
            path="jobs/1", incarnation=3, reason="crash", error="boom", stack="Traceback …\n  x"
        )
    )

    assert line["level"] == "error"
    assert line["stack"] == "Traceback …\n  x"


def test_lines_below_the_chosen_level_are_not_written() -> None:
    told = (moved(MoveName.COMPLETE), moved(MoveName.FAIL))

    assert [line["move"] for line in lines_of(*told, level="warning")] == ["fail"]


def test_an_unknown_level_says_which_there_are() -> None:
    with pytest.raises(UnknownLevelError, match="'loud' is no log level; use debug, info"):
        Logs(LogOptions(level="loud"), ManualClock())


def test_lines_for_people_are_coloured_on_a_terminal_only() -> None:
    text = text_of(moved(MoveName.FAIL, error_message="refused"), readable=True)

    assert "\x1b[" not in text
    assert "job_moved" in text
    assert "refused" in text
    assert not text.startswith("{")


def test_a_terminal_shows_a_stack_as_it_is() -> None:
    ended = events.ActorEnded(path="writer", incarnation=1, reason="crash", stack="Traceback\n  line 1\nBoom")

    assert "Traceback\n  line 1\nBoom" in text_of(ended, readable=True)


def test_a_secret_in_an_event_never_reaches_the_line() -> None:
    text = text_of(events.DependencyLost(name="circle", error="sent Authorization: Bearer TEST_API_KEY:a:b"))

    assert "TEST_API_KEY:a" not in text
    assert "[redacted]" in text


def test_every_kind_of_event_can_be_written() -> None:
    for kind in kinds():
        values = {name: sample(hint) for name, hint in kind.__annotations__.items()}
        assert len(lines_of(kind(**values))) == 1


def sample(hint: object) -> object:
    known: dict[str, object] = {
        "str": "text",
        "int": 1,
        "float": 0.5,
        "bool": True,
        "UUID": JOB,
        "timedelta": SOON,
        "tuple": ("a", "b"),
    }
    name = cast("str", getattr(hint, "__name__", str(hint))).split("|")[0].split("[")[0].strip()
    return known[name.rsplit(".", 1)[-1]]
