"""How the store refuses. A caller tells apart what may pass, what is lost and what is wrong.

`StoreUnavailableError` and below it may pass: wait and ask again. The others won't by waiting. The
original error stays as the cause, without the values that were written.
"""

from uuid import UUID


class StoreError(Exception):
    """The store could not do what it was asked."""


class StoreUnavailableError(StoreError):
    """The database can't be reached; check `DATABASE_URL` and whether the server runs.

    Work waits and is tried again. A write whose commit was cut off may or may not have happened.
    """


class StoreBusyError(StoreUnavailableError):
    """The database was reached, but a lock or a slow statement kept it busy too long."""


class StoreLockedError(StoreBusyError):
    """Another program holds the database file locked; close that program."""


class StoreUnusableError(StoreUnavailableError):
    """The database can't be used: no database, damaged, read-only or its disk is full. Repair it first."""


class InvalidDatabaseUrlError(StoreError, ValueError):
    """`DATABASE_URL` must be `postgresql://…` or `sqlite:///FILE`; `why` says what is wrong with it."""

    def __init__(self, why: str) -> None:
        """Keep what is wrong, which never repeats the URL."""
        super().__init__(f"DATABASE_URL must be postgresql://… or sqlite:///FILE: {why}")
        self.why = why


class AlreadyRunningError(StoreError):
    """Another daemon uses this SQLite file; stop it, or use PostgreSQL for several daemons."""


class SchemaTooOldError(StoreError):
    """The database's schema is older than this program; run `wallet-provisioning migrate`."""


class SchemaTooNewError(StoreError):
    """The database's schema is too new for this program; update the program."""


class AuditKeyError(StoreError, ValueError):
    """A key must be 64 hexadecimal characters; `wallet-provisioning audit key --new` makes one."""


class WrongEnvironmentError(StoreError):
    """The database belongs to another Circle environment or wallet set; use another database or key."""


class RowRefusedError(StoreError):
    """The database refused a value of a row; nothing of the transaction was kept."""


class ConflictError(StoreError):
    """The state of what is named forbids this; the message says which state."""


class CreationHeldError(StoreError):
    """Nothing is created for the time being; the message says why, and what to do."""


class ReconcileTakenError(StoreError):
    """Another reconcile is at work on this database; wait until it has ended.

    One that was killed blocks the next for up to a minute.
    """


class NotFoundError(StoreError):
    """There is no such thing; `what` names it."""

    def __init__(self, what: str) -> None:
        """Keep what was looked for, such as `job 0190…`."""
        super().__init__(f"there is no {what}")
        self.what = what


class StaleJobError(StoreError):
    """The holder lost its job: another one claimed it since, or it has ended."""

    def __init__(self, job_id: UUID, epoch: int) -> None:
        """Keep the job, and the epoch that is spent."""
        super().__init__(f"epoch {epoch} of job {job_id} is spent")
        self.job_id = job_id
        self.epoch = epoch


class UnstorableTextError(StoreError, ValueError):
    """A text must have 1 to 500 characters, none of them NUL or half of a surrogate pair."""


class InvalidCursorError(StoreError, ValueError):
    """The cursor isn't one that a list gave out; leave it out to start from the newest."""
