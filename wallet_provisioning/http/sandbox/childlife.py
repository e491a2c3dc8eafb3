"""One life of a sandbox process, seen from its parent."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from datetime import timedelta
from pathlib import Path

import wallet_provisioning
from wallet_provisioning.http.sandbox.errors import ChildFailedError
from wallet_provisioning.http.sandbox.handshake import (
    Orders,
    Ready,
    Report,
    Told,
    Unable,
    read_report,
    write_orders,
)
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.telemetry.events import Emit, Notice

_MODULE = "wallet_provisioning.http.sandbox.child"
_LONGEST_LINE = 1024 * 1024
_START_LIMIT = timedelta(seconds=60)
_STOP_LIMIT = timedelta(seconds=5)


class ChildLife:
    """A running sandbox process. Belongs to one event loop."""

    def __init__(self, process: Process, ready: Ready, readers: tuple[asyncio.Task[None], ...]) -> None:
        """Take a process that answers calls; `launch` makes one."""
        self.ready = ready
        self._process = process
        self._readers = readers

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def wait(self) -> int:
        """Return the exit code (minus the signal's number) once the process has ended."""
        code = await self._process.wait()
        await asyncio.gather(*self._readers)
        return code

    async def end(self) -> None:
        """Let the process end, and kill it where it doesn't within 5 s. Harmless if it has ended."""
        await _end(self._process)
        await asyncio.gather(*self._readers)


async def launch(options: SandboxOptions, emit: Emit) -> ChildLife:
    """Start a process and return once it answers calls; raises `ChildFailedError`.

    The calling thread must live as long as the process is needed: the kernel ends a child with the
    thread that started it.
    """
    process = await _spawn()
    errors = asyncio.create_task(_forward_errors(_stream(process.stderr), emit))
    try:
        async with asyncio.timeout(_START_LIMIT.total_seconds()):
            await _send(process, write_orders(Orders(options=options, parent_pid=os.getpid())))
            ready = await _read_until_ready(_stream(process.stdout), emit)
    except BaseException as error:
        await _end(process)
        await errors
        if isinstance(error, TimeoutError):
            why = f"it was not ready within {_START_LIMIT.total_seconds():.0f} s"
            raise ChildFailedError(why=why) from None
        raise
    reports = asyncio.create_task(_forward_reports(_stream(process.stdout), emit))
    return ChildLife(process, ready, (errors, reports))


async def _spawn() -> Process:
    # -P: the working directory must not decide which modules the child imports.
    command = (sys.executable, "-P", "-m", _MODULE)
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=_environment(), limit=_LONGEST_LINE
        )
    except OSError as error:
        raise ChildFailedError(why=error.strerror) from error


def _environment() -> dict[str, str]:
    """Return an environment in which the child finds this very package, wherever it is run from."""
    root = str(Path(wallet_provisioning.__file__).parents[1])
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{inherited}" if inherited else root}


async def _send(process: Process, line: bytes) -> None:
    if process.stdin is None:
        return
    process.stdin.write(line)
    with contextlib.suppress(ConnectionError):  # it has ended; reading its reports says why
        await process.stdin.drain()


async def _read_until_ready(stdout: asyncio.StreamReader, emit: Emit) -> Ready:
    while line := await stdout.readline():
        match _read(line):
            case Ready() as ready:
                return ready
            case Told(text=text, level=level):
                emit(Notice(text=text, level=level))
            case Unable(why=why):
                raise ChildFailedError(why=why.rstrip("."))
    raise ChildFailedError(why="it ended before it was ready")


def _read(line: bytes) -> Report:
    try:
        return read_report(line)
    except ValueError:  # torn off by a kill
        return Told(text="the sandbox process said something unreadable", level="warning")


async def _forward_reports(stdout: asyncio.StreamReader, emit: Emit) -> None:
    while line := await stdout.readline():
        match _read(line):
            case Told(text=text, level=level):
                emit(Notice(text=text, level=level))
            case Unable(why=why):
                emit(Notice(text=why, level="error"))
            case Ready():
                pass


async def _forward_errors(stderr: asyncio.StreamReader, emit: Emit) -> None:
    while line := await stderr.readline():
        emit(Notice(text=f"sandbox process: {line.decode(errors='replace').rstrip()}", level="warning"))


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_LIMIT.total_seconds()):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _stream(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        msg = "the child was started without pipes"
        raise RuntimeError(msg)
    return stream
