"""What the kernel says of processes, read from /proc: Linux only."""

import contextlib
from collections import Counter
from pathlib import Path

from wallet_provisioning.chaos.errors import NoProcError
from wallet_provisioning.chaos.facts import Vitals

_PROC = Path("/proc")
_DATABASE = "wallet-provisioning.db"


def require() -> None:
    """Return if there is a /proc that knows this process; raises `NoProcError`."""
    if not (_PROC / "self" / "status").exists():
        raise NoProcError(NoProcError.__doc__)


def vitals(pid: int) -> Vitals:
    """Return threads, memory and descriptors of a process; raises `OSError` where there is none."""
    told = dict(line.split(":", 1) for line in (_PROC / str(pid) / "status").read_text().splitlines())
    return Vitals(
        threads=int(told["Threads"]), memory=int(told["VmRSS"].split()[0]), descriptors=_descriptors(pid)
    )


def children(pid: int) -> tuple[int, ...]:
    """Return the processes that a process started and that live."""
    found: list[int] = []
    for task in (_PROC / str(pid) / "task").iterdir():
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return tuple(found)


def living_in(folder: Path) -> tuple[int, ...]:
    """Return the processes whose working directory is the folder; those that ended don't count."""
    return tuple(pid for pid in _processes() if _works_in(pid, folder))


def _processes() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return (_PROC / str(pid) / "cwd").readlink() == folder
    except OSError:  # it ended, or it is somebody else's
        return False


def _descriptors(pid: int) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for entry in (_PROC / str(pid) / "fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            kinds[_kind_of(entry.readlink())] += 1
    return dict(kinds)


def _kind_of(target: Path) -> str:
    """Return what a descriptor leads to, without what numbers it."""
    if not target.is_absolute():
        return target.name.partition(":")[0]
    if target.name.startswith(_DATABASE):
        return "database"
    return target.suffix or target.name
