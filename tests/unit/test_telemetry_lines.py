"""The writer behind the lines: it never makes anybody wait."""

import io
import threading
from datetime import timedelta

from wallet_provisioning.telemetry.entries import Entry
from wallet_provisioning.telemetry.lines import LineWriter

SOON = timedelta(seconds=10)


class Stalled(io.StringIO):
    """A stream whose reader takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.go = threading.Event()

    def write(self, text: str, /) -> int:
        self.reached.set()
        self.go.wait(10)
        return super().write(text)


class Gone(io.StringIO):
    """A stream that nobody reads any more."""

    def flush(self) -> None:
        raise BrokenPipeError


def writer(stream: io.StringIO, limit: int = 100) -> LineWriter:
    made = LineWriter(
        stream,
        lambda said: [str(said["n"])] if isinstance(said, dict) else [],
        limit=limit,
        on_drop=lambda count: {"n": f"dropped {count}"},
    )
    made.start()
    return made


def entry(n: int) -> Entry:
    return {"n": n}


def test_lines_keep_their_order() -> None:
    stream = io.StringIO()
    lines = writer(stream, limit=10_000)

    for n in range(2_000):
        lines.put(entry(n))
    lines.close(SOON)

    assert stream.getvalue().split() == [str(n) for n in range(2_000)]


def test_flush_waits_for_what_was_put_before() -> None:
    stream = io.StringIO()
    lines = writer(stream)
    lines.put(entry(1))

    assert lines.flush(SOON)
    assert stream.getvalue() == "1\n"
    lines.close(SOON)


def test_a_stalled_reader_costs_lines_and_not_time() -> None:
    stream = Stalled()
    lines = writer(stream, limit=10)
    lines.put(entry(0))
    stream.reached.wait(10)

    for n in range(1, 100):
        lines.put(entry(n))
    assert not lines.flush(timedelta(milliseconds=1))
    stream.go.set()
    lines.close(SOON)

    assert stream.getvalue().split("\n")[:11] == [str(n) for n in range(11)]
    assert "dropped 89" in stream.getvalue()


def test_what_makes_many_lines_counts_as_many() -> None:
    stream = Stalled()
    lines = writer(stream, limit=10)
    lines.put(entry(0))
    stream.reached.wait(10)

    lines.put(entry(1), lines=10)
    lines.put(entry(2), lines=7)
    stream.go.set()
    lines.close(SOON)

    assert stream.getvalue().splitlines() == ["0", "1", "dropped 7"]


def test_a_reader_that_went_away_disturbs_nobody() -> None:
    lines = writer(Gone())
    lines.put(entry(1))

    assert lines.flush(SOON)
    lines.close(SOON)


def test_closing_gives_up_on_a_stalled_reader() -> None:
    stream = Stalled()
    lines = writer(stream)
    lines.put(entry(1))
    stream.reached.wait(10)

    lines.close(timedelta(milliseconds=1))
    lines.put(entry(2))
    stream.go.set()


def test_a_line_after_the_end_is_still_written() -> None:
    stream = io.StringIO()
    lines = writer(stream)
    lines.close(SOON)

    lines.put(entry(7))

    assert stream.getvalue() == "7\n"


def test_many_threads_lose_nothing() -> None:
    stream = io.StringIO()
    lines = writer(stream, limit=100_000)

    def put_many() -> None:
        for _ in range(1_000):
            lines.put(entry(1))

    threads = [threading.Thread(target=put_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.close(SOON)

    assert len(stream.getvalue().split()) == 8_000
