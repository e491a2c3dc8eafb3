"""The exit codes that scripts rely on, and what ends a command with one of them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended.

    `FAILED`: a job failed, or a check found a breach. `WRONG`: usage or settings. `UNREACHABLE`:
    something needed can't be reached, is taken or is too old.
    """

    DONE = 0
    FAILED = 1
    WRONG = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


class CommandError(Exception):
    """A command can't go on; the lines are what the user reads."""

    def __init__(self, code: ExitCode, *lines: str) -> None:
        """Take the exit code and the lines, which say what to change."""
        super().__init__("\n".join(lines))
        self.code = code
        self.lines = lines
