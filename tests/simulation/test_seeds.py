"""Worlds drawn by chance, a few of them at each run of the tests, and the command that runs many."""

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from tests.simulation.schedules import Schedule, Told, drawn, written

ROOT = Path(__file__).parents[2]
ENOUGH = 10
SECONDS = 4.0


def test_a_few_worlds_drawn_by_chance_end_well() -> None:
    """The first of `python -m tests.simulation`; on a slow machine not as many."""
    began = perf_counter()
    digests = set()
    for seed in range(ENOUGH):
        told = Told(drawn(seed))
        assert told.run() == [], f"replay: python -m tests.simulation --seeds 1 --seed {seed}"
        digests.add(told.world.digest)
        if perf_counter() - began > SECONDS:
            break
    assert len(digests) == seed + 1


def digest(seed: int) -> str:
    told = Told(drawn(seed))
    told.run()
    return told.world.digest


def test_a_seed_replays_its_world() -> None:
    assert digest(3) == digest(3) != digest(4)


def test_a_seed_replays_its_world_in_another_process() -> None:
    code = "from tests.simulation.test_seeds import digest; print(digest(3))"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest(3)


def command(*words: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "tests.simulation", *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_says_how_much_was_tried_and_what_befell() -> None:
    run = command("--seeds", "2", "--seed", "5")
    assert (run.returncode, run.stderr) == (0, "")
    head, *befell = run.stdout.splitlines()
    assert head.startswith("2 seeds, ")
    assert head.endswith("2 distinct interleavings, 0 breaches")
    told = [Told(drawn(seed)) for seed in (5, 6)]
    assert [each.run() for each in told] == [[], []]
    expected = told[0].world.befell() + told[1].world.befell()
    assert befell == [f"{times:8} {name}" for name, times in sorted(expected.items())]


def test_the_command_replays_a_schedule() -> None:
    run = command("--schedule", written(Schedule(seed=5, people=1)))
    assert run.stdout.startswith("1 seeds, ")
    assert run.returncode == 0
