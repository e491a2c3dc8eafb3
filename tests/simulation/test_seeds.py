"""Worlds drawn by chance, a few of them at each run of the tests, and the command that runs many."""

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from tests.simulation.schedules import Drawn

ROOT = Path(__file__).parents[2]
ENOUGH = 60
SECONDS = 12.0


def test_a_few_worlds_drawn_by_chance_end_well() -> None:
    """The first of `python -m tests.simulation`; on a slow machine not as many."""
    began = perf_counter()
    digests = set()
    for seed in range(ENOUGH):
        drawn = Drawn(seed)
        assert drawn.run() == [], f"replay: python -m tests.simulation --seeds 1 --seed {seed}"
        digests.add(drawn.world.digest)
        if perf_counter() - began > SECONDS:
            break
    assert len(digests) == seed + 1


def digest(seed: int) -> str:
    drawn = Drawn(seed)
    drawn.run()
    return drawn.world.digest


def test_a_seed_replays_its_world() -> None:
    assert digest(11) == digest(11) != digest(12)


def test_a_seed_replays_its_world_in_another_process() -> None:
    code = "from tests.simulation.test_seeds import digest; print(digest(11))"
    for hashes in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        run = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == digest(11)


def test_the_command_says_how_much_was_tried() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "2", "--seed", "5"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("2 seeds, ")
    assert "2 distinct interleavings, 0 breaches" in run.stdout
