"""The supervision tree, as a list: who lives where, who restarts whom, how long a stop may take.

    /            restarts each of its children alone
    ├─ writer    group commits
    ├─ circle    one Circle actor a chain
    ├─ jobs      the pool of job actors, drained together
    ├─ scheduler
    ├─ rescuer
    ├─ bookkeeper  only on PostgreSQL
    ├─ sealer    only with a key to sign the audit
    ├─ sweeper   only with a retention
    ├─ listener
    ├─ reconciler  only with an interval
    └─ intake    only with Redis

They start from the top and stop from the bottom: first nothing comes in, then nothing is claimed, then
jobs end, calls end, and the last results are committed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from wallet_provisioning.actors.admission import ChainAdmission
from wallet_provisioning.actors.calls import CircleCalls
from wallet_provisioning.actors.circle import CircleActor, CircleMessage, CircleOptions
from wallet_provisioning.actors.housekeeping import NO_HOUSEKEEPING, Housekeeping, housekeepers
from wallet_provisioning.actors.incidents import event_of, had_a_job
from wallet_provisioning.actors.job import JobActor, JobMessage, JobOptions
from wallet_provisioning.actors.keeper import Keeper
from wallet_provisioning.actors.listener import Ear, ListenerActor, ListenerMessage
from wallet_provisioning.actors.reconciler import ReconcilerActor
from wallet_provisioning.actors.rescuer import RescuerActor, RescuerMessage
from wallet_provisioning.actors.scheduler import SchedulerActor, SchedulerMessage, SchedulerOptions
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.actors.walletset import WalletSet, WalletSetOptions
from wallet_provisioning.actors.writer import WriterActor
from wallet_provisioning.clock import Clock
from wallet_provisioning.intake.actor import Consumer, IntakeActor
from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.reconcile.asking import WalletReader
from wallet_provisioning.store.daemons import Presence
from wallet_provisioning.store.database import Database
from wallet_provisioning.supervision.actor import Recipe, recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.child import Cell, Child, Family
from wallet_provisioning.supervision.deadletters import DeadLetters
from wallet_provisioning.supervision.incidents import (
    Incident,
)
from wallet_provisioning.supervision.mailbox import Mailbox
from wallet_provisioning.supervision.places import ROOT, Places
from wallet_provisioning.supervision.supervisor import Policy, Supervisor
from wallet_provisioning.telemetry.events import (
    Emit,
)

if TYPE_CHECKING:
    from wallet_provisioning.actors.results import WriterMessage

_SMALL = timedelta(seconds=1)
# The shares of the time for an orderly stop; what is left over is for those that stop at once.
_SHARE_OF_INTAKE, _SHARE_OF_JOBS, _SHARE_OF_CALLS = 0.05, 0.75, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeOptions:
    """What the tree is told by the settings. `drain` bounds the whole of an orderly stop."""

    holder: UUID
    max_concurrency: int
    batch_size: int
    poll_interval: timedelta
    lease: timedelta
    job_timeout: timedelta
    replay_window: timedelta
    include_retries: bool
    backoff: Backoff
    drain: timedelta
    wallet_set: WalletSetOptions
    retry_configuration: timedelta = timedelta(minutes=1)
    reconcile_interval: timedelta = timedelta()
    housekeeping: Housekeeping = NO_HOUSEKEEPING


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeParts:
    """What the tree stands on. `consumer` is None where no Redis is set.

    `make_mailbox` is for a simulation, which hears of every message so. `shared` are the boards that the
    admissions were made with; without `presence` no daemon is announced, and without `reader` nothing is
    reconciled.
    """

    database: Database
    client: CircleCalls
    chains: Sequence[Chain]
    admissions: Mapping[str, ChainAdmission]
    ear: Ear
    consumer: Consumer | None
    clock: Clock
    chance: Random
    emit: Emit
    make_mailbox: Callable[[Clock, str], Mailbox] = Mailbox
    shared: Shared = field(default_factory=Shared)
    presence: Presence | None = None
    wallet_set: WalletSet | None = None
    reader: WalletReader | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The tree, ready to be started at its root, and the addresses that the outside may tell."""

    root: Cell
    scheduler: Address[SchedulerMessage]
    listener: Address[ListenerMessage]
    supervisors: Mapping[str, Address[object]]
    dead_letters: DeadLetters


class _Builder:
    """Wires the addresses first, then lists the children."""

    def __init__(self, parts: TreeParts, options: TreeOptions) -> None:
        self._parts = parts
        self._options = options
        self._places = Places(parts.clock, self._observe, parts.make_mailbox)
        self._wallet_set = parts.wallet_set or WalletSet("circle", parts.database, options.wallet_set)
        self.writer: Address[WriterMessage] = self._places.address("writer")
        self.scheduler: Address[SchedulerMessage] = self._places.address("scheduler")
        self.rescuer: Address[RescuerMessage] = self._places.address("rescuer")
        self.chains: dict[str, Address[CircleMessage]] = {
            chain.name: self._places.address(f"circle/{chain.name}") for chain in parts.chains
        }
        self.jobs: dict[str, Address[JobMessage]] = {
            path: self._places.address(path)
            for path in (f"jobs/{number}" for number in range(1, options.max_concurrency + 1))
        }

    def build(self) -> Tree:
        family = self._places.family(ROOT, self._top())
        root = Child(
            id=ROOT,
            recipe=self._supervisor(family, Policy()),
            family=family,
        )
        supervisors: dict[str, Address[object]] = {
            path: self._places.address(path) for path in (ROOT, "circle", "jobs")
        }
        return Tree(
            root=self._places.cell(ROOT, root),
            scheduler=self.scheduler,
            listener=self._places.address("listener"),
            supervisors=supervisors,
            dead_letters=self._places.dead_letters,
        )

    # The tree, floor by floor.

    def _top(self) -> list[Child]:
        parts = self._parts
        children = [
            self._writer(),
            self._branch(
                "circle", [self._circle(chain) for chain in self._parts.chains], Policy(stops_together=True)
            ),
            self._branch("jobs", [self._job(path) for path in self.jobs], Policy(stops_together=True)),
            self._scheduler(),
            self._rescuer(),
            *housekeepers(
                self._options.housekeeping, parts.database, parts.chance, parts.emit, (self.rescuer,)
            ),
            self._listener(),
        ]
        if self._parts.reader is not None and self._options.reconcile_interval:
            children.append(self._reconciler(self._parts.reader))
        if self._parts.consumer is not None:
            children.append(self._intake(self._parts.consumer))
        return children

    def _branch(self, name: str, children: list[Child], policy: Policy) -> Child:
        family = self._places.family(name, children)
        drain = max(child.drain for child in children) + 3 * _SMALL
        watchers = (self.rescuer,)
        return Child(
            id=name,
            recipe=self._supervisor(family, policy),
            family=family,
            drain=drain,
            watchers=watchers,
        )

    def _writer(self) -> Child:
        parts, options = self._parts, self._options
        return Child(
            id="writer",
            recipe=recipe(
                WriterActor,
                database=parts.database,
                backoff=options.backoff,
                chance=parts.chance,
                scheduler=self.scheduler,
                emit=parts.emit,
                forget_after=options.job_timeout + options.lease,
            ),
            drain=_SMALL,
            watchers=(self.rescuer, *self.chains.values(), *self.jobs.values()),
        )

    def _circle(self, chain: Chain) -> Child:
        parts, options = self._parts, self._options
        return Child(
            id=chain.name,
            recipe=recipe(
                CircleActor,
                chain=chain,
                database=parts.database,
                client=parts.client,
                writer=self.writer,
                admission=parts.admissions[chain.name],
                options=CircleOptions(
                    wallet_set=options.wallet_set,
                    replay_window=options.replay_window,
                    retry_configuration=options.retry_configuration,
                    longest_call=options.job_timeout,
                ),
                emit=parts.emit,
                wallet_set=self._wallet_set,
            ),
            drain=options.drain * _SHARE_OF_CALLS,
            watchers=(self.rescuer, *self.jobs.values()),
        )

    def _job(self, path: str) -> Child:
        parts, options = self._parts, self._options
        return Child(
            id=path.rpartition("/")[2],
            recipe=recipe(
                JobActor,
                database=parts.database,
                circle=self.chains,
                writer=self.writer,
                scheduler=self.scheduler,
                options=JobOptions(
                    lease=options.lease,
                    timeout=options.job_timeout,
                    retry_unserved=options.backoff.maximum,
                ),
                emit=parts.emit,
            ),
            drain=options.drain * _SHARE_OF_JOBS,
            watchers=(self.rescuer,),
            dispatcher="jobs",
            is_blameless=had_a_job,
        )

    def _scheduler(self) -> Child:
        parts, options = self._parts, self._options
        return Child(
            id="scheduler",
            recipe=recipe(
                SchedulerActor,
                database=parts.database,
                job_actors=self.jobs,
                options=SchedulerOptions(
                    holder=options.holder,
                    batch_size=options.batch_size,
                    poll_interval=options.poll_interval,
                    lease=options.lease,
                    include_retries=options.include_retries,
                ),
                emit=parts.emit,
                shared=parts.shared,
            ),
            drain=_SMALL,
            watchers=(self.rescuer,),
        )

    def _rescuer(self) -> Child:
        return Child(
            id="rescuer",
            recipe=recipe(
                RescuerActor,
                database=self._parts.database,
                scheduler=self.scheduler,
                look_every=min(timedelta(milliseconds=500), self._options.lease / 2),
                emit=self._parts.emit,
            ),
            drain=_SMALL,
            watchers=(self.rescuer,),
        )

    def _listener(self) -> Child:
        return Child(
            id="listener",
            recipe=recipe(
                ListenerActor,
                ear=self._parts.ear,
                scheduler=self.scheduler,
                keeper=Keeper(
                    database=self._parts.database,
                    shared=self._parts.shared,
                    admissions=self._parts.admissions,
                    presence=self._parts.presence,
                    emit=self._parts.emit,
                ),
                shared=self._parts.shared,
                chance=self._parts.chance,
                emit=self._parts.emit,
            ),
            drain=_SMALL,
            watchers=(self.rescuer,),
        )

    def _reconciler(self, reader: WalletReader) -> Child:
        parts = self._parts
        return Child(
            id="reconciler",
            recipe=recipe(
                ReconcilerActor,
                database=parts.database,
                client=reader,
                chains={chain.name: chain for chain in parts.chains},
                interval=self._options.reconcile_interval,
                emit=parts.emit,
            ),
            drain=_SMALL,
            watchers=(self.rescuer,),
        )

    def _intake(self, consumer: Consumer) -> Child:
        return Child(
            id="intake",
            recipe=recipe(IntakeActor, consumer=consumer, patience=self._options.drain * _SHARE_OF_INTAKE),
            drain=self._options.drain * _SHARE_OF_INTAKE + _SMALL,
            watchers=(self.rescuer,),
        )

    def _supervisor(self, family: Family, policy: Policy) -> Recipe:
        return recipe(Supervisor, family=family, policy=policy, observe=self._observe)

    def _observe(self, incident: Incident) -> None:
        self._parts.emit(event_of(incident))


def build_tree(parts: TreeParts, options: TreeOptions) -> Tree:
    """Return the production tree, wired and not yet started."""
    return _Builder(parts, options).build()
