"""The program as an object: `open` brings everything up in order, `close` takes it down in reverse.

Each part is put on a stack as it is opened, so a failure half-way closes exactly what stands.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from wallet_provisioning.actors.admission import ChainAdmission
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.actors.walletset import WalletSet
from wallet_provisioning.clock import Clock, SystemClock
from wallet_provisioning.daemon.budget import circle_budget
from wallet_provisioning.daemon.circle import (
    circle_client,
    real_account,
    sandbox_account,
    sandbox_process,
    wallet_set_options,
)
from wallet_provisioning.daemon.control import TreeControl
from wallet_provisioning.daemon.dependencies import Dependencies
from wallet_provisioning.daemon.observing import ObservedDaemon
from wallet_provisioning.daemon.opening import lock_of, make_database, prepare_database
from wallet_provisioning.daemon.preparing import Preparation
from wallet_provisioning.daemon.progress import Progress
from wallet_provisioning.daemon.standing import learn_orders, say_goodbye
from wallet_provisioning.daemon.surroundings import (
    api_options,
    description_of,
    message_intake,
    presence_of,
    progress_options,
    tree_options,
)
from wallet_provisioning.durations import format_duration
from wallet_provisioning.http.api.parts import Parts
from wallet_provisioning.http.api.server import ApiServer
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.settings import RealCircle, Settings
from wallet_provisioning.store.accepting import Accepted
from wallet_provisioning.store.claims import hand_back_all
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.store.wakeups import Wakeups
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.runtime import ThreadRuntime
from wallet_provisioning.telemetry.events import DeadLetter, Event, Notice
from wallet_provisioning.telemetry.setup import Telemetry
from wallet_provisioning.tree import Tree, TreeParts, build_tree

if TYPE_CHECKING:
    from wallet_provisioning.http.circle.budget import Budget

_LOOK = 1.0
_UNSEALED = "AUDIT_SIGNING_KEY is unset: the audit is written but not sealed against changes"
_MARGIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """What stands once the tree is built.

    `started` is set when every actor runs; `ended` gets the reason why the tree gave up, None for a stop.
    """

    root: Root
    control: TreeControl
    preparation: Preparation
    started: asyncio.Event
    ended: asyncio.Future[str | None]


class Daemon:
    """One daemon. Everything but `emit` belongs to the event loop that `open` runs on.

    `leaving` is set by whoever wants it to end. Telemetry is the caller's: several daemons may live in
    one process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        telemetry: Telemetry,
        leaving: asyncio.Event | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Assign; nothing is opened. Raises `InvalidDatabaseUrlError`."""
        self.boot = uuid4()
        self.leaving = leaving or asyncio.Event()
        self._settings = settings
        self._telemetry = telemetry
        self._clock = clock or SystemClock()
        self._dependencies = Dependencies()
        self._shared = Shared()
        self._progress = Progress(self._shared, progress_options(settings), self._clock)
        self._database = make_database(settings, self._clock, self.emit)
        self._runtime = ThreadRuntime()
        self._admissions = {chain.name: ChainAdmission(chain.name, self._shared) for chain in settings.served}
        self._stack = AsyncExitStack()
        self._running: _Running | None = None
        self._budget: Budget | None = None
        self._url = ""
        self._is_draining = False

    @property
    def url(self) -> str:
        """Where the dashboard is, once the daemon is open."""
        return self._url

    def emit(self, event: Event) -> None:
        """Hear an event and tell telemetry. Safe on any thread."""
        self._dependencies.hear(event)
        self._progress.hear(event)
        if not (self._is_draining and isinstance(event, DeadLetter)):  # a tell to who has gone loses nothing
            self._telemetry.emit(event)

    # Up.

    async def open(self) -> bool:
        """Bring everything up; False where `leaving` was set before the database could be reached.

        Raises a `StoreError`, `SandboxError` or `CannotListenError`, and then nothing stays open.
        """
        try:
            return await self._open()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _open(self) -> bool:
        self._stack.enter_context(lock_of(self._database))
        self._stack.callback(self._database.close)
        self._open_runtime()
        client = await self._open_circle()
        wallet_set = WalletSet("daemon", self._database, wallet_set_options(self._settings), client)
        tree = self._build_tree(client, wallet_set)
        running = self._make_running(tree, self._prepare_set(client, wallet_set))
        if not await self._prepare_database(running.control):
            return False
        self._running = running
        self._telemetry.observe(ObservedDaemon(running.control, self._database, self._budget))
        await self._open_api(running.control)
        self._begin_preparing(running.preparation)
        running.root.start()
        self._watch(running.root)
        await self._until_started(running)
        running.control.set_ready()
        if self._settings.audit_signing_key is None:
            self.emit(Notice(text=_UNSEALED))
        self.emit(Notice(text=f"{description_of(self._settings, self.boot)}; dashboard at {self._url}"))
        return True

    async def _until_started(self, running: _Running) -> None:
        """Wait until every actor runs, the tree has given up, or somebody wants the daemon to end."""
        awaited: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(running.started.wait()),
            asyncio.ensure_future(self.leaving.wait()),
        ]
        await asyncio.wait([*awaited, running.ended], return_when=asyncio.FIRST_COMPLETED)
        for each in awaited:
            each.cancel()

    async def _prepare_database(self, control: TreeControl) -> bool:
        """Prepare the database; while it can't be reached the API tells so. False where we shall leave.

        Raises `StoreUnavailableError` where it isn't there in time.
        """
        began = self._clock.monotonic()
        while not self.leaving.is_set():
            try:
                await asyncio.to_thread(prepare_database, self._database, self._settings, self.emit)
                await asyncio.to_thread(learn_orders, self._database, self._shared)
            except StoreUnavailableError as error:
                waited = self._clock.monotonic() - began
                if self._database.dialect == "sqlite" or waited >= self._settings.start_patience:
                    raise
                await self._wait_for_database(error, control)
            else:
                return True
        return False

    async def _wait_for_database(self, error: StoreUnavailableError, control: TreeControl) -> None:
        if not self._url:
            patience = format_duration(self._settings.start_patience)
            text = f"waiting for the database, for up to {patience} (WORKER_START_PATIENCE): {error}"
            self.emit(Notice(text=text, level="warning"))
            await self._open_api(control)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                await self.leaving.wait()

    def _open_runtime(self) -> None:
        self._runtime.start()
        self._stack.push_async_callback(asyncio.to_thread, self._runtime.stop)

    async def _open_circle(self) -> CircleClient:
        account = await self._open_account()
        self._budget = circle_budget(
            self._settings,
            account,
            database=self._database,
            boot=self.boot,
            clock=self._clock,
            emit=self.emit,
            living=lambda: self._shared.census.count,
        )
        client = circle_client(account, self._budget, self._clock, self.emit)
        self._stack.push_async_callback(self._close_on_runtime, client)
        return client

    async def _open_account(self) -> Account:
        if isinstance(self._settings.circle, RealCircle):
            return real_account(self._settings.circle, self._settings)
        sandbox = sandbox_process(self._settings, self._clock, self.emit)
        self._stack.push_async_callback(sandbox.stop)
        return sandbox_account(await sandbox.start(), self._settings)

    def _build_tree(self, client: CircleClient, wallet_set: WalletSet) -> Tree:
        ear = Wakeups(self._settings.listen_url, self._database.dialect)
        self._stack.push_async_callback(self._close_on_runtime, ear)
        parts = TreeParts(
            database=self._database,
            client=client,
            chains=tuple(self._settings.served),
            admissions=self._admissions,
            ear=ear,
            consumer=message_intake(self._settings, self._database, self._clock, self.emit, self._accepted),
            clock=self._clock,
            chance=Random(),  # noqa: S311 - jitter, not a secret
            emit=self.emit,
            shared=self._shared,
            presence=presence_of(self._settings, self.boot),
            wallet_set=wallet_set,
            reader=client,
        )
        return build_tree(parts, tree_options(self._settings, self.boot))

    def _make_running(self, tree: Tree, preparation: Preparation) -> _Running:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str | None] = loop.create_future()
        started = asyncio.Event()

        def on_start() -> None:
            loop.call_soon_threadsafe(started.set)

        def on_end(why: str | None) -> None:
            loop.call_soon_threadsafe(_set_once, ended, why)

        root = Root(tree.root, runtime=self._runtime, clock=self._clock, on_end=on_end, on_start=on_start)
        control = TreeControl(
            settings=self._settings,
            tree=tree,
            root=root,
            admissions=self._admissions,
            dependencies=self._dependencies,
            progress=self._progress,
            preparation=preparation,
        )
        return _Running(root=root, control=control, preparation=preparation, started=started, ended=ended)

    async def _open_api(self, control: TreeControl) -> None:
        """Serve the API, unless it does already."""
        if self._url:
            return
        parts = Parts(
            database=self._database,
            control=control,
            chains=self._settings.served,
            clock=self._clock,
            exposition=self._telemetry.render_metrics,
            options=api_options(self._settings),
            emit=self.emit,
        )
        api = ApiServer(parts)
        await api.start()
        self._stack.push_async_callback(api.stop)
        self._url = api.url

    def _prepare_set(self, client: CircleClient, wallet_set: WalletSet) -> Preparation:
        return Preparation(
            self._database,
            wallet_set,
            maker=client,
            on_circle_loop=lambda work: asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(work, self._runtime.loop)
            ),
            emit=self.emit,
        )

    def _begin_preparing(self, preparation: Preparation) -> None:
        """See to the wallet set beside all that starts; only the first creation waits for it."""
        self._run_beside(preparation.run(), "the preparation of the wallet set")

    def _watch(self, root: Root) -> None:
        """Look once a second whether the root supervisor itself hangs."""
        self._run_beside(_look_for_ever(root, self._progress), "the look after the tree")

    def _run_beside(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Run until the daemon is closed what nobody waits for, and tell should it end by an error."""
        task = asyncio.create_task(work, name=what)
        task.add_done_callback(self._tell_failure)
        self._stack.callback(task.cancel)

    def _tell_failure(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.emit(
                Notice(text=f"{task.get_name()} ended by {type(error).__name__}: {error}", level="error")
            )

    # Down.

    async def wait(self) -> str | None:
        """Return when somebody wants the daemon to end (None), or why its tree gave up."""
        if self._running is None:
            return None
        leaving = asyncio.create_task(self.leaving.wait())
        waiting: list[asyncio.Future[Any]] = [leaving, self._running.ended]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        return self._running.ended.result() if self._running.ended.done() else None

    async def close(self) -> None:
        """Drain within the settings' time, hand back what is unfinished, and close everything."""
        try:
            if self._running is not None:
                await self._drain(self._running)
                await asyncio.to_thread(self._hand_back)
        finally:
            await self._stack.aclose()

    async def _drain(self, running: _Running) -> None:
        if running.ended.done():
            return
        self._is_draining = True
        running.control.set_draining()
        self.emit(Notice(text="draining: nothing new is claimed, what is in hand ends or is handed back"))
        running.root.stop()
        limit = (self._settings.shutdown_timeout + _MARGIN).total_seconds()
        await asyncio.wait([running.ended], timeout=limit)

    def _hand_back(self) -> None:
        """Return whatever is still in this daemon's name; if the store is away, the leases do it."""
        try:
            with self._database.write("daemon", "hand_back_all") as tx:
                moved = hand_back_all(tx, holder=self.boot)
            say_goodbye(self._database, self._shared, self.boot)
        except StoreUnavailableError as error:
            self.emit(
                Notice(text=f"nothing could be handed back, the leases will do it: {error}", level="warning")
            )
            return
        for each in moved:
            self.emit(each.event("daemon"))
        self.emit(Notice(text=f"stopped, {len(moved)} jobs handed back at the end"))

    async def _close_on_runtime(self, part: CircleClient | Wakeups) -> None:
        """Close a part on the loop that it lives on."""
        closing = asyncio.run_coroutine_threadsafe(part.aclose(), self._runtime.loop)
        _, late = await asyncio.wait([asyncio.wrap_future(closing)], timeout=_MARGIN.total_seconds())
        if late:
            self.emit(Notice(text=f"{type(part).__name__} did not close in time", level="warning"))

    def _accepted(self, accepted: Accepted) -> None:
        if self._running is not None:
            self._running.control.accepted(accepted)


def _set_once(future: asyncio.Future[str | None], value: str | None) -> None:
    if not future.done():
        future.set_result(value)


async def _look_for_ever(root: Root, progress: Progress) -> None:
    while True:
        progress.looked()
        await asyncio.sleep(_LOOK)
        root.look()
