"""Runs peers: over a backlog to its end, or as long as somebody asks it for jobs."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import (
    DRAMATIQ,
    LIMIT,
    NOTIFY,
    OBAN,
    PGQUEUER,
    Environment,
    PeerMissingError,
)

_ROOT = Path(__file__).parents[2]
_LONGEST = 600
_TOLD = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One of the other systems, and how many jobs of a backlog make it warm and count."""

    name: str
    module: str
    environment: Environment
    warm: int = 100
    counted: int = 500
    is_rival: bool = True


_RIVALS = (
    Peer(name="oban 0.7", module="oban", environment=OBAN),
    Peer(name="PgQueuer 1.6", module="pgqueuer", environment=PGQUEUER),
    Peer(name="dramatiq 2.2 + Redis", module="dramatiq", environment=DRAMATIQ),
)
PEERS = (
    *_RIVALS,
    Peer(
        name="limit, hand-written",
        module="limit",
        environment=LIMIT,
        warm=1_000,
        counted=8_000,
        is_rival=False,
    ),
)
ASKED = (
    *_RIVALS,
    Peer(name="NOTIFY + httpx, hand-written", module="notify", environment=NOTIFY, is_rival=False),
)


def installed(
    peers: tuple[Peer, ...], progress: Callable[[str], None]
) -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """Return the peers that can run here, and a line on each that can't."""
    found, notes = [], []
    for peer in peers:
        progress(f"environment of {peer.name}")
        try:
            peer.environment.interpreter()
        except PeerMissingError as error:
            notes.append(f"left out, since it could not be installed: {peer.name} ({error})")
        else:
            found.append(peer)
    return tuple(found), tuple(notes)


def run_peer(peer: Peer, url: str, circle: str, redis: str) -> Mapping[str, Any]:
    """Run a peer over a backlog. Raises `PeerMissingError`, or `RuntimeError` where it fails."""
    counts = (str(peer.warm), str(peer.warm + peer.counted))
    run = subprocess.run(  # noqa: S603 - our own modules
        _command(peer, "drain", url, circle, redis, *counts),
        cwd=_ROOT,
        env=_environment(),
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


@contextmanager
def asked_peer(peer: Peer, url: str, circle: str, redis: str) -> Iterator[Callable[[], float]]:
    """Have a peer wait for jobs; yields what has one accepted and returns when it was asked to.

    That is the monotonic clock of the whole machine. Raises as `run_peer` does.
    """
    with _child(peer, "serve", url, circle, redis), _child(peer, "ask", url, circle, redis) as asker:
        yield lambda: float(_talk(peer, asker, "\n"))


@contextmanager
def _child(peer: Peer, what: str, url: str, circle: str, redis: str) -> Iterator["subprocess.Popen[str]"]:
    """Have a peer's process run until the block ends, which is when its standard input ends."""
    pipe = subprocess.PIPE
    command = _command(peer, what, url, circle, redis)
    with subprocess.Popen(  # noqa: S603 - our own modules
        command, cwd=_ROOT, env=_environment(), stdin=pipe, stdout=pipe, text=True
    ) as child:
        _talk(peer, child, "")
        yield child


def _talk(peer: Peer, child: "subprocess.Popen[str]", word: str) -> str:
    if child.stdin is None or child.stdout is None:
        raise AssertionError
    child.stdin.write(word)
    child.stdin.flush()
    if not (line := child.stdout.readline()):
        msg = f"{peer.name} ended with {child.wait()}"
        raise RuntimeError(msg)
    return line


def _command(peer: Peer, *words: str) -> list[str]:
    return [str(peer.environment.interpreter()), "-m", f"benchmarks.peers.{peer.module}", *words]


def _environment() -> Mapping[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
