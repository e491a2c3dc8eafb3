"""What the threads of this process have cost so far, as the kernel counts it."""

import sys
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

_TASKS = Path("/proc/self/task")
_NANO = 1e-9
_WAITING = frozenset({"take", "take_now", "wait", "select", "acquire", "get", "_worker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Seconds on the wall and on the processors; CPU and voluntary switches by group of threads."""

    at: float
    cpu: float
    cpu_by_group: dict[str, float]
    switches: Counter[str]


def read_threads(*, times_first: bool) -> Reading:
    """Take a reading. Hundreds of threads take a while: `times_first` at the end of a span, else last."""
    times = (perf_counter(), process_time()) if times_first else None
    cpu: dict[str, float] = defaultdict(float)
    switches: Counter[str] = Counter()
    for thread in threading.enumerate():
        task = _TASKS / str(thread.native_id)
        if task.exists():
            cpu[group_of(thread.name)] += int((task / "schedstat").read_text().split()[0]) * _NANO
            switches[group_of(thread.name)] += _voluntary((task / "status").read_text())
    at, burnt = times or (perf_counter(), process_time())
    return Reading(at=at, cpu=burnt, cpu_by_group=dict(cpu), switches=switches)


def _voluntary(status: str) -> int:
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split(maxsplit=1)[0])


def group_of(name: str) -> str:
    """Return what a thread's cost is booked under: actors of one kind together."""
    if name.startswith(("asyncio_", "ThreadPoolExecutor")):
        return "executor"
    return name.partition("/")[0] or name


class Sampler(threading.Thread):
    """Looks every few milliseconds where each thread is; where it parks or waits is not counted."""

    def __init__(self, every: float = 0.003) -> None:
        super().__init__(name="sampler", daemon=True)
        self._every = every
        self._ended = threading.Event()
        self.seen: Counter[tuple[str, str]] = Counter()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._ended.wait(self._every):
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way to see them
                code = frame.f_code
                if ident != self.ident and code.co_name not in _WAITING:
                    place = f"{Path(code.co_filename).stem}.{code.co_name}"
                    self.seen[group_of(names.get(ident, "?")), place] += 1

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
