"""What is known after a run: plain values, gathered by `gather` and judged by `verdict`."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job as the store has it."""

    id: UUID
    user_id: UUID
    status: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWallet:
    """A wallet as the store has it."""

    user_id: UUID
    chain: str
    status: str
    circle_id: UUID | None
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CircleWallet:
    """A wallet as the sandbox's own file has it; its name says whose it is."""

    id: UUID
    user_id: UUID
    chain: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A row of the trail; `reason` and `note` are what it says of a kill and of a crash."""

    action: str
    resource_type: str
    resource_id: str | None
    job_id: UUID | None
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A kill that the admin API accepted: `mark` is the reason given, and stands in the crash's report.

    `is_owed` says that it must have been reported: the process was not killed right afterwards.
    """

    mark: str
    path: str
    is_hang: bool
    is_owed: bool = True
    is_of_last_life: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorFact:
    """An actor of the last life, as the admin API shows it at the end."""

    path: str
    state: str
    restarts: int
    zombies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the kernel says of a process at rest; `memory` in KiB, descriptors by what they lead to."""

    threads: int
    memory: int
    descriptors: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is judged. `accepted` are users and the jobs that they were promised.

    `before` is the daemon at rest after its warm-up, `after` at rest before its stop; None where it
    did not live to be looked at. `exit_code` is that of the stop that was asked for, None where it
    did not end; `falls` tells of ends that nobody asked for, `troubles` of calls that went wrong.
    `losses` are the log's lines on messages that found no actor before the stop.
    """

    chains: tuple[str, ...]
    accepted: Mapping[UUID, UUID]
    jobs: tuple[StoredJob, ...]
    wallets: tuple[StoredWallet, ...]
    circle: tuple[CircleWallet, ...]
    audit: tuple[AuditRow, ...]
    kills: tuple[Kill, ...]
    actors: tuple[ActorFact, ...]
    before: Vitals | None
    after: Vitals | None
    exit_code: int | None
    falls: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    orphans: tuple[int, ...] = ()
