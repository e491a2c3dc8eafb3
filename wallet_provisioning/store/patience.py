"""An end to every wait for PostgreSQL that the server itself doesn't end.

Its own timeouts hold while it works. A server that stands still, or a pooler that has no connection to
give, answers nothing at all, and a thread that waited for ever would count as one that hangs. So each wait
has an end on this side too: a statement's is a little later than `statement_timeout`, a first word's much
sooner. Whoever was waited for in vain is not asked again: the connection is closed.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

T = TypeVar("T")
_STATEMENT = 10.0
# To greet, and to be greeted; a pooler also answers a transaction's first word only once it has a connection.
GREETING = 3.0
FIRST_WORD = 5.0


class SilentError(psycopg.OperationalError):
    """The database gave no answer in time; check whether it, or the pooler before it, stands still."""


class PatientConnection(psycopg.Connection[TupleRow]):
    """A connection whose waits end. `patience` is in seconds, None for a wait without an end."""

    patience: float | None = _STATEMENT

    def wait(self, gen: PQGen[T], *options: Any, **named: Any) -> T:  # noqa: ANN401 - as the driver has it
        """Wait for an answer; raises `SilentError` and closes the connection where none comes in time."""
        if self.patience is None:
            return super().wait(gen, *options, **named)
        try:
            return super().wait(_within(gen, self.patience), *options, **named)
        except SilentError:
            self.pgconn.finish()
            raise


class PatientAsyncConnection(psycopg.AsyncConnection[TupleRow]):
    """The same on an event loop."""

    patience: float | None = _STATEMENT

    async def wait(self, gen: PQGen[T], *options: Any, **named: Any) -> T:  # noqa: ANN401 - as above
        """Wait for an answer; raises `SilentError` and closes the connection where none comes in time."""
        if self.patience is None:
            return await super().wait(gen, *options, **named)
        try:
            return await super().wait(_within(gen, self.patience), *options, **named)
        except SilentError:
            self.pgconn.finish()
            raise


@contextmanager
def patient_for(
    connection: PatientConnection | PatientAsyncConnection, seconds: float | None
) -> Iterator[None]:
    """Wait so long for each answer, meanwhile."""
    before = connection.patience
    connection.patience = seconds
    try:
        yield
    finally:
        connection.patience = before


def _within(gen: PQGen[T], seconds: float) -> Generator[Any, Any, T]:
    """Pass a driver's wait on, and end it where nothing has come for so long.

    The driver looks up ten times a second, and says so by a zero.
    """
    ends_at = monotonic() + seconds
    try:
        waits_for = next(gen)
        while True:
            ready = yield waits_for
            if not ready and monotonic() >= ends_at:
                gen.close()
                msg = f"the database has not answered for {seconds:g} s"
                raise SilentError(msg)
            waits_for = gen.send(ready)
    except StopIteration as over:
        result: T = over.value
        return result
