"""A real PgBouncer in transaction mode before a PostgreSQL server, as a process of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import PostgresServer

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
# It must not run as root; PostgreSQL's own user of these tests may reach the server's socket.
_USER = "pgserver"
_SETTINGS = """
[databases]
* = host={sockets} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = {pool_size}
server_login_retry = 1
logfile = {folder}/log
"""


class PgBouncer:
    """A context manager. Its clients share few connections to the server, so that each meets others."""

    def __init__(self, server: PostgresServer, *, pool_size: int = 4) -> None:
        self._server = server
        self._pool_size = pool_size
        self._folder = Path(tempfile.mkdtemp(prefix="wallet-pgbouncer-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def url(self, direct: str) -> str:
        """Return the URL through the pooler of a database of the server."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{self._server.name_of(direct)}"

    def __enter__(self) -> Self:
        assert PGBOUNCER is not None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        settings = self._folder / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                sockets=self._server.sockets,
                port=self._port,
                pool_size=self._pool_size,
                folder=self._folder,
            )
        )
        user = ("-u", _USER) if os.geteuid() == 0 else ()
        if user:
            shutil.chown(self._folder, _USER)
        self._process = subprocess.Popen([PGBOUNCER, "-q", *user, str(settings)])
        self._wait_until_it_listens()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_it_listens(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        msg = f"PgBouncer did not start: {(self._folder / 'log').read_text()}"
        raise AssertionError(msg)
