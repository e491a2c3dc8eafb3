"""One chain is down for two hours of a simulated clock while people go on asking for wallets."""

import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from tests.simulation.circle import Fate
from tests.simulation.plain import CHAINS, MINUTE, PlainWorld, concerns, open_plain
from wallet_provisioning.http.circle.protocol import Call
from wallet_provisioning.store.columns import iso
from wallet_provisioning.telemetry.events import BreakerChanged, CircleCalled

DOWN = CHAINS[0]
_BEFORE = 30 * MINUTE
_OUTAGE = 120 * MINUTE
_AFTER = 30 * MINUTE
_TROUBLES = (Fate.ERROR_BEFORE, Fate.ERROR_AFTER, Fate.CUT_AFTER, Fate.TIMEOUT_BEFORE, Fate.UNREACHABLE)


def run(folder: Path, wanted: Namespace) -> Iterator[str]:
    """Ask evenly before and while it is down, let it come back, and tell what all that cost."""
    began = time.perf_counter()
    with open_plain(folder, _fate, wanted.seed) as world:
        for number in range(wanted.jobs):
            world.ask_at(number * (_BEFORE + _OUTAGE) / wanted.jobs)
        for minutes in range(30, int((_BEFORE + _OUTAGE + _AFTER) / MINUTE) + 1, 30):
            world.pass_until(minutes * MINUTE)
            took = f"after {time.perf_counter() - began:.0f} s"
            yield f"{minutes:4} minutes: {world.claims()} claims, jobs {world.statuses()}, {took}"
        yield from _judge_attempts(world)
        yield from _judge_latencies(world)
        world.assert_all_done(wanted.jobs)


def _fate(call: Call, now: timedelta, chance: Random) -> Fate:
    is_down = _BEFORE <= now < _BEFORE + _OUTAGE and concerns(call, DOWN.blockchain)
    return chance.choice(_TROUBLES) if is_down else Fate.WELL


def _judge_attempts(world: PlainWorld) -> Iterator[str]:
    opened = [each for each in world.events if isinstance(each, BreakerChanged) and each.after == "open"]
    assert {each.chain for each in opened} == {DOWN.name}
    before = world.events[: world.events.index(opened[0])]
    calls = (each for each in before if isinstance(each, CircleCalled) and each.outcome != "success")
    opening = sum(call.wallets for call in calls)
    attempts = world.attempts()
    more = sum((attempt - 1) * count for attempt, count in attempts.items())
    yield f"{DOWN.name}'s breaker opened {len(opened)} times, first when {opening} wallets had failed"
    yield f"jobs by attempts used: {attempts}; beyond one a job: {more}"
    assert more <= opening, "attempts were used behind an open breaker"


def _judge_latencies(world: PlainWorld) -> Iterator[str]:
    for chain in CHAINS[1:]:
        before = _latencies(world, chain.name, is_during=False)
        during = _latencies(world, chain.name, is_during=True)
        yield f"{chain.name:5} before: {_figures(before)}"
        yield f"{chain.name:5} during: {_figures(during)}"
        assert _share(during, 0.5) <= 1.1 * _share(before, 0.5), "the others are slower"
        assert _share(during, 0.99) <= 1.1 * _share(before, 1), "some of the others are slower"


def _latencies(world: PlainWorld, chain: str, *, is_during: bool) -> list[float]:
    rows = world.rows(
        "SELECT created_at, updated_at FROM managed_wallets "
        "WHERE chain = :chain AND (created_at >= :start) = :is_during",
        chain=chain,
        start=iso(world.clock.now() - world.clock.monotonic() + _BEFORE),
        is_during=is_during,
    )
    read = datetime.fromisoformat
    return sorted((read(until) - read(since)).total_seconds() * 1000 for since, until in rows)


def _figures(latencies: Sequence[float]) -> str:
    half, most, all_ = (_share(latencies, share) for share in (0.5, 0.99, 1))
    return f"{len(latencies)} wallets, {half:.0f} ms (median), {most:.0f} ms (99 %), {all_:.0f} ms at most"


def _share(latencies: Sequence[float], share: float) -> float:
    return latencies[min(int(len(latencies) * share), len(latencies) - 1)]
