"""Who was not let in, told without flooding the log: a burst is told as its first few and their number."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from wallet_provisioning.http.api.parts import PARTS
from wallet_provisioning.http.api.problems import Code, ProblemError
from wallet_provisioning.http.api.routing import route_of
from wallet_provisioning.telemetry.events import CallersRefused, Emit

WINDOW = 10.0
_ALONE = 10
_REFUSALS = frozenset({Code.UNAUTHORIZED, Code.FORBIDDEN})


@dataclass(slots=True)
class _Window:
    """One reason's refusals since its window began; `untold` are those that the next line counts."""

    told: int = 0
    untold: int = 0
    route: str = ""
    remote: str | None = None


class Refusals:
    """Tells of refused callers: ten lines for each reason in ten seconds, then one for all others.

    Belongs to the event loop's thread. The number of reasons is fixed, so no caller can make it grow.
    """

    def __init__(self, emit: Emit) -> None:
        """Start with nobody refused."""
        self._emit = emit
        self._windows: dict[str, _Window] = {}

    def hear(self, request: web.Request, problem: ProblemError) -> None:
        """Take note of a problem, if it is a refusal."""
        if problem.code not in _REFUSALS:
            return
        reason = problem.refused or "forbidden"
        window = self._windows.get(reason)
        if window is None:
            window = self._windows[reason] = _Window()
            asyncio.get_running_loop().call_later(WINDOW, self.flush, reason)
        route = route_of(request)
        window.route = f"{request.method} {'unknown' if route is None else route.path}"
        window.remote = request.remote
        window.untold += 1
        if window.told < _ALONE:
            window.told += 1
            self._tell(reason, window)

    def flush(self, reason: str) -> None:
        """End a window, with a line for those that it has not told yet."""
        window = self._windows.pop(reason, None)
        if window is not None and window.untold:
            self._tell(reason, window)

    def flush_all(self) -> None:
        """End every window: the server stops."""
        for reason in tuple(self._windows):
            self.flush(reason)

    def _tell(self, reason: str, window: _Window) -> None:
        count, window.untold = window.untold, 0
        self._emit(CallersRefused(reason=reason, route=window.route, remote=window.remote, count=count))


REFUSALS: web.AppKey[Refusals] = web.AppKey("refusals", Refusals)


async def keep_refusals(app: web.Application) -> AsyncIterator[None]:
    """Tell of refusals while the server runs, and of the last ones when it stops."""
    app[REFUSALS] = Refusals(app[PARTS].emit)
    yield
    app[REFUSALS].flush_all()


@web.middleware
async def note_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a refusal pass, and take note of it."""
    try:
        return await handler(request)
    except ProblemError as problem:
        request.app[REFUSALS].hear(request, problem)
        raise
