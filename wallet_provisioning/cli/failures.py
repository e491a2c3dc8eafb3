"""What a failure of a part means for the command: its exit code, and the lines that say what to change."""

import inspect
from typing import TypeAlias, get_args

from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.http.api.listening import CannotListenError, OpenToAllError
from wallet_provisioning.http.circle.account import AccountError
from wallet_provisioning.http.sandbox.errors import SandboxError, WrongOptionError
from wallet_provisioning.settings import SettingsError
from wallet_provisioning.store.errors import (
    AlreadyRunningError,
    AuditKeyError,
    InvalidDatabaseUrlError,
    ReconcileTakenError,
    SchemaTooNewError,
    SchemaTooOldError,
    StoreError,
    StoreUnavailableError,
    WrongEnvironmentError,
)

Failure: TypeAlias = (
    CommandError | SettingsError | AccountError | CannotListenError | StoreError | SandboxError
)
FAILURES: tuple[type[Failure], ...] = get_args(Failure)

_WRONG = (
    SettingsError,
    AccountError,
    OpenToAllError,
    InvalidDatabaseUrlError,
    AuditKeyError,
    WrongEnvironmentError,
    WrongOptionError,
)
_UNREACHABLE = (
    CannotListenError,
    StoreUnavailableError,
    SchemaTooOldError,
    SchemaTooNewError,
    AlreadyRunningError,
    ReconcileTakenError,
    SandboxError,
)


def exit_code_of(failure: Failure) -> ExitCode:
    """Return the exit code that a failure means."""
    if isinstance(failure, CommandError):
        return failure.code
    if isinstance(failure, _WRONG):
        return ExitCode.WRONG
    return ExitCode.UNREACHABLE if isinstance(failure, _UNREACHABLE) else ExitCode.FAILED


def lines_of(failure: Failure) -> tuple[str, ...]:
    """Return what the user reads; a failure without words of its own is told by its docstring."""
    if isinstance(failure, CommandError | SettingsError):
        return failure.lines
    text = str(failure) or inspect.getdoc(failure) or type(failure).__name__
    if type(failure) is StoreUnavailableError and str(failure):  # what a driver says names no setting
        return (f"the database can't be reached; check DATABASE_URL and whether the server runs ({text})",)
    return (text,)
