"""The sandbox as a process of its own: `python -m wallet_provisioning.http.sandbox.child`.

For `process.SandboxProcess` alone: it reads its orders from stdin and ends when that does. Exit codes:
0 ended by its parent, 2 wrong orders, 3 the port or the state can't be had.
"""

import asyncio
import contextlib
import sys
from urllib.parse import urlsplit

from wallet_provisioning.http.sandbox import lifeline
from wallet_provisioning.http.sandbox.access import Access
from wallet_provisioning.http.sandbox.app import create_app
from wallet_provisioning.http.sandbox.errors import SandboxError, WrongOptionError
from wallet_provisioning.http.sandbox.handshake import (
    Orders,
    Ready,
    Report,
    Told,
    Unable,
    read_orders,
    write_report,
)
from wallet_provisioning.http.sandbox.keys import ACCESS
from wallet_provisioning.http.sandbox.serve import listening
from wallet_provisioning.telemetry.events import Event, Notice

_WRONG_ORDERS = 2
_UNABLE = 3


def main() -> int:
    """Take the orders, serve until the parent ends, return the exit code."""
    lifeline.ignore_group_signals()
    line = sys.stdin.buffer.readline()
    try:
        orders = read_orders(line)
    except (ValueError, WrongOptionError) as error:
        _report(Unable(why=f"wrong orders: {_plainly(error)}"))
        return _WRONG_ORDERS
    lifeline.die_with(orders.parent_pid)
    try:
        asyncio.run(_serve(orders))
    except SandboxError as error:
        _report(Unable(why=str(error)))
        return _UNABLE
    return 0


async def _serve(orders: Orders) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    app = create_app(orders.options, emit=_tell)
    lifeline.watch(sys.stdin.buffer, lambda: _call_soon(loop, ended))
    async with listening(app, orders.options) as base_url:
        _report(_ready(base_url, app[ACCESS]))
        await ended.wait()


def _ready(base_url: str, access: Access) -> Ready:
    return Ready(
        base_url=base_url,
        port=urlsplit(base_url).port or 0,
        api_key=access.api_key or "",
        entity_secret=access.entity_secret or "",
    )


def _call_soon(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends anyway
        loop.call_soon_threadsafe(ended.set)


def _tell(event: Event) -> None:
    if isinstance(event, Notice):
        _report(Told(text=event.text, level=event.level))


def _report(report: Report) -> None:
    with contextlib.suppress(OSError):  # the parent is gone, and the lifeline is about to notice
        sys.stdout.buffer.write(write_report(report))
        sys.stdout.buffer.flush()


def _plainly(error: Exception) -> str:
    """Return what is wrong without the orders' text, which holds secrets."""
    return str(error) if isinstance(error, WrongOptionError) else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
