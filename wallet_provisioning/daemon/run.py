"""From settings to an exit code."""

import asyncio
from collections.abc import Callable

from wallet_provisioning.daemon.daemon import Daemon
from wallet_provisioning.daemon.garbage import tame_collector
from wallet_provisioning.daemon.surroundings import telemetry_options
from wallet_provisioning.settings import Settings
from wallet_provisioning.telemetry.events import Notice
from wallet_provisioning.telemetry.setup import Telemetry

_DONE, _GAVE_UP = 0, 1

UntilSignalled = Callable[[Callable[[str], None]], asyncio.Event]


def run_daemon(
    settings: Settings, *, until_signalled: UntilSignalled, announce: Callable[[str], None]
) -> int:
    """Run a daemon until a signal or until its tree gives up; returns the exit code.

    `until_signalled` returns an event of the running loop and takes who is told the signal's name.
    `announce` is told the dashboard's URL once everything serves. Raises what `Daemon.open` raises.
    """
    return asyncio.run(_run(settings, until_signalled, announce))


async def _run(settings: Settings, until_signalled: UntilSignalled, announce: Callable[[str], None]) -> int:
    telemetry = Telemetry.open(telemetry_options(settings))

    def heard(name: str) -> None:
        telemetry.emit(Notice(text=f"{name}: the daemon stops; a second signal ends it at once"))

    try:
        for notice in settings.notices:
            telemetry.emit(notice)
        daemon = Daemon(settings, telemetry=telemetry, leaving=until_signalled(heard))
        return await _serve(daemon, announce)
    finally:
        await asyncio.to_thread(telemetry.close)


async def _serve(daemon: Daemon, announce: Callable[[str], None]) -> int:
    if await daemon.open():
        tame_collector()
        announce(daemon.url)
    gave_up = await daemon.wait()
    if gave_up is not None:
        daemon.emit(Notice(text=gave_up, level="error"))
    await daemon.close()
    return _DONE if gave_up is None else _GAVE_UP
