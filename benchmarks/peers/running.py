"""Runs a peer once, over a database of its own, and returns what it measured."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import DRAMATIQ, LIMIT, OBAN, Environment

_ROOT = Path(__file__).parents[2]
_LONGEST = 600
_TOLD = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One of the other systems, and how many jobs make it warm and count."""

    name: str
    module: str
    environment: Environment
    warm: int
    counted: int
    needs_redis: bool = False
    is_rival: bool = True


PEERS = (
    Peer(name="oban 0.7", module="oban", environment=OBAN, warm=100, counted=1_000),
    Peer(
        name="dramatiq 2.2 + Redis, 20 threads",
        module="dramatiq",
        environment=DRAMATIQ,
        warm=100,
        counted=1_000,
        needs_redis=True,
    ),
    Peer(
        name="limit, hand-written",
        module="limit",
        environment=LIMIT,
        warm=1_000,
        counted=8_000,
        is_rival=False,
    ),
)


def run_peer(peer: Peer, url: str, circle: str, redis: str) -> Mapping[str, Any]:
    """Run a peer to its end. Raises `PeerMissingError`, or `RuntimeError` where it fails."""
    python = peer.environment.interpreter()
    counts = (str(peer.warm), str(peer.warm + peer.counted))
    rest = (redis,) if peer.needs_redis else ()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    run = subprocess.run(  # noqa: S603 - our own modules
        [str(python), "-m", f"benchmarks.peers.{peer.module}", url, circle, *counts, *rest],
        cwd=_ROOT,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST,
    )
    if run.returncode:
        msg = f"{peer.name} ended with {run.returncode}: {run.stderr[-_TOLD:]}"
        raise RuntimeError(msg)
    found: Mapping[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found
