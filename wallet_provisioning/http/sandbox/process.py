"""The built-in sandbox: a child process that is kept alive, and that ends with this one in every case."""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from datetime import timedelta

from wallet_provisioning.clock import Clock, SystemClock
from wallet_provisioning.http.sandbox.childlife import ChildLife, launch
from wallet_provisioning.http.sandbox.errors import ChildFailedError, WrongOptionError
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost, Emit, Notice, unheard

_NAME = "sandbox"
_FIRST_DELAY = timedelta(milliseconds=50)
_LONGEST_DELAY = timedelta(seconds=5)
# The process of a daemon that was killed may hold the state for another moment.
_LOCK_WAIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxAccess:
    """What a client needs to reach the sandbox; the same for as long as it runs."""

    base_url: str
    api_key: str = field(repr=False)
    entity_secret: str = field(repr=False)


class SandboxProcess:
    """Keeps a sandbox running. Belongs to one event loop, whose thread must outlive it.

    A process that dies by itself is started again on the same port, with pauses of up to 5 s between
    failed tries; `DependencyLost` and `DependencyBack` tell of it. The state is a file, so nothing that
    was answered is lost.
    """

    def __init__(self, options: SandboxOptions, *, emit: Emit = unheard, clock: Clock | None = None) -> None:
        """Take the options; credentials that they lack are made and kept in the state.

        Raises `WrongOptionError` without a state file.
        """
        if options.state is None:
            raise WrongOptionError(what="the built-in sandbox needs a state file")
        self._options = replace(
            options, generates_credentials=True, lock_wait=max(options.lock_wait, _LOCK_WAIT)
        )
        self._emit = emit
        self._clock = clock or SystemClock()
        self._life: ChildLife | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process that runs now, if one does."""
        return None if self._life is None else self._life.pid

    async def start(self) -> SandboxAccess:
        """Start the process and return once it answers calls; raises `ChildFailedError`."""
        life = self._life = await launch(self._options, self._emit)
        self._options = replace(self._options, port=life.ready.port)
        self._watch = asyncio.create_task(self._keep_alive(life))
        return SandboxAccess(
            base_url=life.ready.base_url, api_key=life.ready.api_key, entity_secret=life.ready.entity_secret
        )

    async def stop(self) -> None:
        """End the process; calls in flight have one second. Harmless twice, or before the start."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        if self._life is not None:
            await self._life.end()
            self._life = None

    async def _keep_alive(self, life: ChildLife) -> None:
        while True:
            code = await life.wait()
            self._life = None
            lost_at = self._clock.monotonic()
            self._emit(DependencyLost(name=_NAME, error=f"its process ended by itself ({_ending(code)})"))
            life = self._life = await self._start_again()
            self._emit(DependencyBack(name=_NAME, after=self._clock.monotonic() - lost_at))

    async def _start_again(self) -> ChildLife:
        delay = _FIRST_DELAY
        while True:
            try:
                return await launch(self._options, self._emit)
            except ChildFailedError as error:
                self._emit(Notice(text=str(error), level="error"))
            await asyncio.sleep(delay.total_seconds())
            delay = min(_LONGEST_DELAY, delay * 2)


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
