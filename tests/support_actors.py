"""Actors under test: the whole production tree on a manual clock.

It stands on a real SQLite store and on a Circle that answers when the test lets it. Nothing waits for
real time, so whatever a test waits for either comes or the test fails at once. `support_desk` drives one
actor by hand.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self, TypeAlias, TypeVar
from uuid import UUID, uuid4

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Connection

from tests.support_store import ETH, LEASE, WALLET_SET, Events, accept, job_of, live, request
from wallet_provisioning.actors.admission import ChainAdmission
from wallet_provisioning.actors.housekeeping import Housekeeping
from wallet_provisioning.actors.job import JobActor
from wallet_provisioning.actors.scheduler import WorkKnown
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.actors.walletset import WalletSetOptions
from wallet_provisioning.clock import ManualClock
from wallet_provisioning.http.circle.answers import (
    CallFailed,
    Certainty,
    Fulfilled,
    KeyRefused,
    WalletOrder,
    WalletSetMade,
)
from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.outcomes import Live
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.reconcile.asking import WalletReader
from wallet_provisioning.store.daemons import Presence
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.schema import migrate
from wallet_provisioning.store.stamp import stamp_environment
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.store.views import JobView
from wallet_provisioning.supervision.places import find
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.simulation import SimRuntime
from wallet_provisioning.telemetry.events import ActorEnded, DeadLetter
from wallet_provisioning.tree import TreeOptions, TreeParts, build_tree

M = TypeVar("M")

Answer: TypeAlias = Fulfilled | KeyRefused | CallFailed

MINUTE = timedelta(minutes=1)
SOON = timedelta(seconds=1)
REFUSED = CallFailed(
    error_type=ErrorType.CIRCLE_4XX, message="HTTP 400", certainty=Certainty.REFUSED, http_status=400
)
UNKNOWN = CallFailed(error_type=ErrorType.TIMEOUT, message="no answer", certainty=Certainty.AMBIGUOUS)


class FragileDatabase(Database):
    """A store that is away while the test says so, and counts by reason who tries it meanwhile.

    An actor that writes without end crashes of it: a test's timeout can't reach into its handler.
    """

    is_away = False
    _writes_left = 2000

    def __init__(self, folder: Path, clock: ManualClock, events: Events) -> None:
        url = f"sqlite:///{folder / 'wallets.db'}"
        migrate(url)
        super().__init__(url, clock=clock, emit=events)
        self.tried_in_vain: Counter[str] = Counter()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._refuse("read")
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self, actor: str, reason: str) -> Iterator[Transaction]:
        self._refuse(reason)
        self._writes_left -= 1
        assert self._writes_left > 0, f"no end of writing, the last: {reason}"
        with super().write(actor, reason) as tx:
            yield tx

    def _refuse(self, reason: str) -> None:
        if self.is_away:
            self.tried_in_vain[reason] += 1
            msg = "away by order of the test"
            raise StoreUnavailableError(msg)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sent:
    """A call that arrived at Circle. It is answered once."""

    order: WalletOrder
    chain: str
    answer: asyncio.Future[Answer]

    @property
    def ref_ids(self) -> set[str]:
        return {member.ref_id for member in self.order.members}


class FakeCircle:
    """Makes an order's wallets once a key. Calls for a chain in `held` wait for `answer`."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.refusals: dict[str, CallFailed] = {}
        self.holds_sets = False
        self.sent: list[Sent] = []
        self.sets: list[asyncio.Future[WalletSetMade | CallFailed]] = []
        self.made: Counter[str] = Counter()
        self._by_key: dict[UUID, dict[str, Live]] = {}

    async def create_wallet_set(self, *, chain: str, key: UUID, name: str) -> WalletSetMade | CallFailed:
        assert chain
        assert key.version == 4
        assert name
        self.sets.append(asyncio.get_running_loop().create_future())
        if not self.holds_sets:
            self.make_set(-1)
        return await self.sets[-1]

    async def fulfil(self, order: WalletOrder, *, chain: str, look_up_first: bool) -> Answer:
        assert not look_up_first
        sent = Sent(order=order, chain=chain, answer=asyncio.get_running_loop().create_future())
        self.sent.append(sent)
        if chain not in self.held:
            self.answer(sent, self.refusals.get(chain))
        return await sent.answer

    def answer(self, sent: Sent, failure: CallFailed | None = None) -> None:
        """Answer a call: with this failure, else with its wallets."""
        sent.answer.set_result(failure or self._make(sent.order))

    def answer_all(self, failure: CallFailed | None = None) -> None:
        """Answer all that waits, and hold nothing any more."""
        self.held.clear()
        for sent in self.sent:
            if not sent.answer.done():
                self.answer(sent, failure)

    def make_set(self, number: int) -> None:
        made = WalletSetMade(wallet_set_id=WALLET_SET, is_new=True, circle_request_id="circle-set")
        self.sets[number].set_result(made)

    def _make(self, order: WalletOrder) -> Fulfilled:
        if order.idempotency_key not in self._by_key:
            self._by_key[order.idempotency_key] = {member.ref_id: live() for member in order.members}
            self.made.update(member.ref_id for member in order.members)
        wallets = self._by_key[order.idempotency_key]
        return Fulfilled(wallets=wallets, duplicates=(), circle_request_id="circle-1")


class FakeEar:
    """Counts who waits on it; all of them hear the next announcement, or the next that waits does."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[frozenset[str] | None]] = []
        self._kept: list[str | None] = []

    async def next(self) -> frozenset[str] | None:
        heard: asyncio.Future[frozenset[str] | None] = asyncio.get_running_loop().create_future()
        self.waiting.append(heard)
        if self._kept:
            self._tell()
        return await heard

    def announce(self, what: str | None = None) -> None:
        self._kept.append(what)
        if self.waiting:
            self._tell()

    def _tell(self) -> None:
        waiting, self.waiting = self.waiting, []
        kept, self._kept = self._kept, []
        said = {each for each in kept if each is not None}
        for heard in waiting:
            heard.set_result(None if None in kept else frozenset(said))


class Production:
    """The production tree on one thread and a manual clock; entering starts it.

    Every interleaving is that of `seed`. Without `wallet_set` the tree has Circle make one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        chains: Sequence[Chain] = (ETH,),
        job_actors: int = 5,
        wallet_set: UUID | None = WALLET_SET,
        reader: WalletReader | None = None,
        reconcile_every: timedelta = timedelta(),
        seed: int = 1,
        presence: Presence | None = None,
        housekeeping: Housekeeping | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.runtime = SimRuntime(seed, clock=self.clock)
        self.events = Events()
        self.database = FragileDatabase(folder, self.clock, self.events)
        self.circle = FakeCircle()
        self.ear = FakeEar()
        self.shared = Shared()
        self.admissions = {chain.name: ChainAdmission(chain.name, self.shared) for chain in chains}
        self._names = tuple(self.admissions)
        parts = TreeParts(
            database=self.database,
            client=self.circle,
            chains=chains,
            admissions=self.admissions,
            ear=self.ear,
            consumer=None,
            clock=self.clock,
            chance=Random(seed),
            emit=self.events,
            shared=self.shared,
            presence=presence,
            reader=reader,
        )
        options = replace(
            _options(job_actors, wallet_set),
            housekeeping=housekeeping or Housekeeping(),
            reconcile_interval=reconcile_every,
        )
        self.tree = build_tree(parts, options)
        self.root = Root(self.tree.root, runtime=self.runtime, clock=self.clock, on_end=_ended)

    def __enter__(self) -> Self:
        with self.database.write("test", "stamp") as tx:
            stamp_environment(tx, "test", None)
        self.root.start()
        self.pass_time(SOON)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.runtime.close()
        self.database.close()

    # What happens.

    def accept(self, user_id: UUID | None = None, *, is_told: bool = True) -> JobView:
        """Accept a job for all chains, and tell the tree."""
        job = accept(self.database, request(user_id, self._names)).job
        if is_told:
            self.tree.scheduler.tell(WorkKnown())
        return job

    def make_set(self) -> None:
        """Have Circle answer the latest call for a wallet set, once there is one."""
        self.until(lambda: bool(self.circle.sets))
        self.circle.make_set(-1)

    def tell(self, path: str, message: object) -> None:
        """Tell an actor something out of turn."""
        find(self.tree.root, path).address.tell(message)

    def until(self, holds: Callable[[], bool], *, within: timedelta = MINUTE) -> None:
        """Let things happen until something holds; at the latest within that time of the clock."""
        assert self.runtime.run(holds, within=within), f"not within {within}"

    def pass_time(self, by: timedelta) -> None:
        """Let all happen that happens within a time."""
        end = self.clock.monotonic() + by
        self.until(lambda: self.clock.monotonic() >= end, within=2 * by)

    def kill(self, path: str) -> None:
        """Crash an actor, and wait until its successor runs."""
        before = self.root.view(path).incarnation
        self.root.kill(path, hang=False, reason="by order of the test")
        self.until(lambda: self.root.view(path).incarnation > before)
        self.pass_time(SOON)

    # What can be seen.

    def is_sent(self, count: int) -> Callable[[], bool]:
        """Return the question whether so many calls have arrived at Circle."""
        return lambda: len(self.circle.sent) >= count

    def has_status(self, status: JobStatus, *jobs: JobView) -> Callable[[], bool]:
        return lambda: all(self.job(job).status is status for job in jobs)

    def job(self, job: JobView) -> JobView:
        return job_of(self.database, job.id)

    def busy(self) -> list[str]:
        """Return the job actors that hold a job."""
        views = [view for view in self.root.views() if view.class_name == JobActor.__name__]
        return [view.path for view in views if view.working_on is not None and view.working_on.subject]

    def in_hand(self) -> ClaimedJob:
        """Return the one job that is in hand."""
        (path,) = self.busy()
        work = self.root.view(path).working_on
        assert work is not None
        assert isinstance(work.subject, ClaimedJob)
        return work.subject

    def troubles(self) -> list[object]:
        """Return what must not happen: actors that died of themselves, and messages that were lost."""
        ends = [end for end in self.events.of(ActorEnded) if "by order of the test" not in (end.error or "")]
        return [*(end for end in ends if end.reason != "stop"), *self.events.of(DeadLetter)]


def _options(job_actors: int, wallet_set: UUID | None) -> TreeOptions:
    return TreeOptions(
        holder=uuid4(),
        max_concurrency=job_actors,
        batch_size=10,
        poll_interval=timedelta(seconds=30),
        lease=LEASE,
        job_timeout=2 * MINUTE,
        replay_window=10 * MINUTE,
        include_retries=True,
        backoff=Backoff(),
        drain=timedelta(seconds=5),
        wallet_set=WalletSetOptions(environment="test", name="tested", named=wallet_set),
    )


def _ended(reason: str | None) -> None:
    msg = f"the tree ended: {reason}"
    raise AssertionError(msg)


def heard_spans() -> InMemorySpanExporter:
    """Return what keeps the spans that end from now on. The process has one provider: it stays."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(provider)
    spans = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return spans
