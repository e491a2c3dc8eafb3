"""Each benchmark runs and says what it should; how fast anything is stands in no test."""

import io
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from rich.console import Console

from benchmarks import crash, memory, tell
from benchmarks.__main__ import BENCHMARKS, benchmark_of, main
from benchmarks.harness import Metric, Report, Row, Side, best_of, compare, percentile
from benchmarks.printing import as_json, show


def sides_of(report: Report) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in report.rows:
        found.setdefault(row.metric, set()).add(row.side)
        assert 0 < row.lowest <= row.median <= row.highest, row
    return found


def test_tell_has_a_row_for_each_way_to_send_a_message() -> None:
    report = tell.measure(tell.Options(rounds=2, messages=20, trips=5))
    everybody = {"Address", "pykka", "SimpleQueue"}
    found = sides_of(report)
    assert found["tell"] == found["tell, one core"] == found["round trip p99"] == everybody
    assert len(report.rows) == 8 * 3


def test_crash_has_a_row_for_each_supervisor_that_is_installed() -> None:
    report = crash.measure(crash.Options(rounds=2, crashes=5))
    found = sides_of(report)
    ours = {"supervisor", "pykka on_failure", "pykka, stack written"}
    if shutil.which("escript"):
        assert found["crash to next, p50"] == found["crash to next, p99"] == ours | {"Erlang/OTP"}
        assert report.notes == ()
    else:
        assert found["crash to next, p50"] == found["crash to next, p99"] == ours
        assert report.notes == ("Erlang/OTP is left out: apt-get install erlang-base",)


def test_memory_has_a_row_for_each_kind_of_actor() -> None:
    report = memory.measure(memory.Options(rounds=1, actors=300))
    assert sides_of(report) == {"idle actor": {"supervised", "pykka"}}


def test_benchmarks_leave_no_actor_behind() -> None:
    before = threading.active_count()
    tell.measure(tell.Options(rounds=1, messages=5, trips=5))
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon and thread.name != "pytest_timeout":
            thread.join(5)
    assert threading.active_count() <= before


def test_sides_take_turns_and_each_round_begins_with_another() -> None:
    order: list[str] = []

    def side(name: str) -> Side:
        def run() -> dict[str, float]:
            order.append(name)
            return {"speed": 1.0}

        return Side(name=name, run=run)

    compare([side("a"), side("b"), side("c")], [], rounds=3, reference="a")
    assert "".join(order) == "abcbcacab"


def speed_of(figures: Iterator[float]) -> dict[str, float]:
    return {"speed": next(figures)}


def test_a_ratio_is_that_of_the_same_round_so_a_slow_spell_does_not_move_it() -> None:
    speeds = {"ours": iter([20.0, 2.0, 200.0]), "peer": iter([10.0, 1.0, 100.0])}
    sides = [Side(name=name, run=partial(speed_of, figures)) for name, figures in speeds.items()]
    metric = Metric(name="speed", unit="1/s", target=">= 1")
    ours, peer = compare(sides, [metric], rounds=3, reference="peer", ours=["ours"])
    assert (ours.median, ours.lowest, ours.highest, ours.ratio) == (20.0, 2.0, 200.0, 2.0)
    assert (ours.target, peer.target, peer.ratio) == (">= 1", "", 1.0)


def test_a_figure_that_the_reference_lacks_has_no_ratio() -> None:
    sides = [Side(name="a", run=lambda: {"speed": 1.0}), Side(name="b", run=lambda: {"size": 2.0})]
    metrics = [Metric(name="speed", unit="1/s"), Metric(name="size", unit="kB")]
    rows = compare(sides, metrics, rounds=1, reference="a")
    assert [(row.metric, row.side, row.ratio) for row in rows] == [("speed", "a", 1.0), ("size", "b", None)]


def test_the_best_is_found_over_all_rounds_and_among_those_that_may_be_it() -> None:
    speeds = {"a": (1.0, 2.0, 9.0), "b": (8.0, 3.0, 3.0), "limit": (0.1, 50.0, 90.0)}
    runs = {name: [{"speed": each} for each in given] for name, given in speeds.items()}
    assert best_of(runs, ["a", "b"], "speed", most=True) == "b"
    assert best_of(runs, ["a", "b"], "speed", most=False) == "a"
    assert best_of(runs, [], "speed", most=True) is None


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_one_of_the_samples(share: float, wanted: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == wanted


ROW = Row(
    metric="speed", side="a", unit="1/s", median=1234.0, lowest=0.5, highest=2e6, ratio=None, target="> 1"
)


def test_a_report_is_a_table_for_people_and_json_for_scripts() -> None:
    report = Report(name="x", rows=(ROW,), rounds=3, reference="a", notes=("left out",), machine="two cores")
    console = Console(record=True, width=120, file=io.StringIO())
    show(report, console)
    text = console.export_text()
    assert all(
        part in text for part in ("speed (1/s)", "1,234", "0.5 - 2,000,000", "> 1", "left out", "two cores")
    )
    assert json.loads(as_json(report))["rows"][0]["median"] == 1234.0


def test_without_a_name_the_benchmarks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BENCHMARKS)
    assert {"tell", "crash", "memory", "end-to-end", "latency"} <= set(BENCHMARKS)


def test_the_end_to_end_benchmark_answers_to_its_first_name_too() -> None:
    assert benchmark_of("endtoend") is benchmark_of("end-to-end") is BENCHMARKS["end-to-end"]
