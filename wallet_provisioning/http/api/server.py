"""The listening server: binds, tells its real port, and stops without dropping requests in hand.

aiohttp answers what it can't parse by itself, in plain text. `Connection` overrides the two public
methods through which all such answers pass, so that these are problems too.
"""

import asyncio
import socket
from functools import partial

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from wallet_provisioning.http.api.app import create_app
from wallet_provisioning.http.api.listening import listen, url_of
from wallet_provisioning.http.api.parts import Parts
from wallet_provisioning.http.api.problems import (
    Code,
    ProblemError,
    as_problem,
    instance_of,
    problem_response,
)

_UNPARSED = "the request can't be read as HTTP/1.1"
_SERVER_ERROR = 500


class Unlogged(AbstractAccessLogger):
    """Writes no line per request: spans and metrics tell of them, and the dashboard asks often."""

    @property
    def enabled(self) -> bool:
        """Ask for no call of `log`."""
        return False

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Do nothing."""


class Connection(web.RequestHandler):
    """One client's connection, which answers problems where aiohttp would answer text."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = _SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed (4xx), or what failed outside of our middlewares."""
        if request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        if status < _SERVER_ERROR:
            problem = ProblemError(Code.INVALID_REQUEST, _UNPARSED)
        else:
            problem = as_problem(exc if isinstance(exc, Exception) else RuntimeError(message))
        response = problem_response(problem, instance_of(request))
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; a refusal that was raised before our middlewares becomes a problem."""
        if isinstance(resp, web.HTTPException):
            resp = problem_response(as_problem(resp), instance_of(request))
        return await super().finish_response(request, resp, start_time)


class ApiServer:
    """The API on a port: one start and one stop, both on the event loop's thread."""

    def __init__(self, parts: Parts) -> None:
        """Assign; nothing is opened."""
        self._parts = parts
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None

    @property
    def port(self) -> int:
        """The real port, where 0 was asked for. Raises `RuntimeError` unless started."""
        return self._bound()[1]

    @property
    def url(self) -> str:
        """Where the dashboard is, as seen from this machine. Raises `RuntimeError` unless started."""
        return url_of(*self._bound())

    async def start(self) -> None:
        """Bind and serve. Raises `CannotListenError` (`PortTakenError` …), and then nothing is open."""
        options = self._parts.options
        sock = listen(options.host, options.port, has_tokens=options.has_tokens)
        try:
            await self._open_app()
            await self._serve(sock)
        except BaseException:
            sock.close()
            await self.stop()
            raise
        self._address = (sock.getsockname()[0], sock.getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, let the requests in hand end, close. A repeat does nothing."""
        server, self._server = self._server, None
        runner, self._runner = self._runner, None
        self._address = None
        if server is not None:
            server.close()
        if runner is not None:
            await runner.cleanup()

    async def _open_app(self) -> None:
        drain = self._parts.options.drain.total_seconds()
        self._runner = web.AppRunner(create_app(self._parts), shutdown_timeout=drain)
        await self._runner.setup()

    async def _serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        manager = self._runner.server if self._runner is not None else None
        if manager is None:
            msg = "the application must be open before it is served"
            raise RuntimeError(msg)
        connect = partial(Connection, manager, loop=loop, access_log_class=Unlogged, auto_decompress=False)
        self._server = await loop.create_server(connect, sock=sock)

    def _bound(self) -> tuple[str, int]:
        if self._address is None:
            msg = "the server isn't started"
            raise RuntimeError(msg)
        return self._address
