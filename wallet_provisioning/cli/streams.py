"""The program's own streams where they fail: a full disk behind `>`, a reader behind `|` that has gone.

Click, rich and this program all write to `sys.stdout`, so it stands in one place what a failure there
means: the data is lost, which ends the command. On stderr stands what is said about the data, and when
that is lost there is no place left to say so.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from wallet_provisioning.cli.exits import CommandError, ExitCode


class StdoutLostError(CommandError):
    """Data could not be written to stdout."""

    def __init__(self, why: str) -> None:
        """Say what the system says of it."""
        super().__init__(
            ExitCode.UNREACHABLE, f"stdout can't be written: {why}; what the command changed stays changed"
        )


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Inside the block a write to stdout that fails raises `StdoutLostError`, one to stderr is dropped."""
    streams = (sys.stdout, sys.stderr)
    try:
        with redirect_stdout(_Stdout(sys.stdout)), redirect_stderr(_Stderr(sys.stderr)):
            yield
    finally:
        for stream in streams:
            _let_go(stream)


class _Stream:
    """A text stream that tells its own failures. The stream is None where the descriptor is closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, as a text stream does."""
        if self._stream is None:
            self._lose("it is closed")
            return len(text)
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lose(error.strerror or str(error))
            return len(text)

    def flush(self) -> None:
        """Write what was kept back."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            self._lose(error.strerror or str(error))

    def _lose(self, why: str) -> None:
        raise NotImplementedError


class _Stdout(_Stream):
    def _lose(self, why: str) -> None:
        raise StdoutLostError(why)


class _Stderr(_Stream):
    def _lose(self, why: str) -> None:
        del why


def _let_go(stream: TextIO | None) -> None:
    """Let what a stream that failed still holds go nowhere: the interpreter would fail over it at its end."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
