"""What operators may see and do: the admin API's `Control`, on the tree and its surroundings."""

import asyncio
import itertools
from collections.abc import Mapping

from wallet_provisioning.actors.admission import ChainAdmission, ChainState
from wallet_provisioning.actors.listener import LookSoon
from wallet_provisioning.actors.scheduler import WorkKnown
from wallet_provisioning.daemon.dependencies import Dependencies
from wallet_provisioning.daemon.preparing import Preparation
from wallet_provisioning.daemon.progress import Progress
from wallet_provisioning.http.api.control import (
    ChainView,
    Check,
    ForcedView,
    KillMode,
    NoAnswerError,
    WorkerStatus,
    WorkerView,
)
from wallet_provisioning.http.circle.breaker import BreakerState
from wallet_provisioning.settings import Settings
from wallet_provisioning.store.accepting import Accepted
from wallet_provisioning.store.controls import OrderState
from wallet_provisioning.supervision.deadletters import DeadLetter
from wallet_provisioning.supervision.inspection import Described
from wallet_provisioning.supervision.places import ROOT
from wallet_provisioning.supervision.reply import Reply
from wallet_provisioning.supervision.root import Root
from wallet_provisioning.supervision.snapshot import ActorView, ChildState
from wallet_provisioning.supervision.supervisor import RestartChild
from wallet_provisioning.supervision.tracing import TracedMessage
from wallet_provisioning.tree import Tree

_RESTART_WITHIN = 30.0
_ANSWER_WITHIN = 2.0


class TreeControl:
    """One daemon's control. Methods belong to the main loop's thread; `accepted` may be called on any."""

    def __init__(
        self,
        *,
        settings: Settings,
        tree: Tree,
        root: Root,
        admissions: Mapping[str, ChainAdmission],
        dependencies: Dependencies,
        progress: Progress,
        preparation: Preparation,
    ) -> None:
        """Look at what was built; nothing has to run yet."""
        self._settings = settings
        self._tree = tree
        self._root = root
        self._admissions = admissions
        self._dependencies = dependencies
        self._progress = progress
        self._preparation = preparation
        self._is_ready = False
        self._is_draining = False

    @property
    def is_live(self) -> bool:
        """Whether a LIVE key is in use."""
        return self._settings.environment.is_live

    def set_ready(self) -> None:
        """Say that everything has started."""
        self._is_ready = True

    def set_draining(self) -> None:
        """Say that the daemon is on its way out."""
        self._is_draining = True

    def actors(self) -> tuple[ActorView, ...]:
        """Return the tree as it stands, parents before children."""
        return self._root.views()

    async def restart(self, path: str) -> int:
        """Restart an actor in good order; `KeyError` for an unknown path or the root."""
        self._root.view(path)
        parent, _, child = path.rpartition("/")
        supervisor = self._tree.supervisors[parent or ROOT]
        reply: Reply[int] = Reply(asyncio.get_running_loop())
        supervisor.tell(RestartChild(child=child, reply=reply))
        return await reply.get(_RESTART_WITHIN)

    async def kill(self, path: str, mode: KillMode, reason: str | None) -> ActorView:
        """Make an actor crash, hang or stop; it is returned as it was. `KeyError` for an unknown path."""
        view = self._root.view(path)
        if mode == "stop":
            self._root.stop_one(path)
        else:
            self._root.kill(path, hang=mode == "hang", reason=reason or f"an operator's {mode}")
        return view

    async def describe(self, path: str) -> Described:
        """Ask an actor what stands in it; `KeyError`, or `NoAnswerError` after two seconds."""
        reply: Reply[Described] = Reply(asyncio.get_running_loop())
        self._root.inspector.describe(path, reply)
        try:
            return await reply.get(_ANSWER_WITHIN)
        except TimeoutError as error:
            raise NoAnswerError(_why_silent(self._root.view(path))) from error

    def suspend(self, path: str) -> ActorView:
        """Let an actor's work wait; `KeyError`, or `CannotSuspendError`."""
        self._root.inspector.suspend(path)
        return self._root.view(path)

    def resume(self, path: str) -> ActorView:
        """Let an actor go on; `KeyError` for an unknown path."""
        self._root.inspector.resume(path)
        return self._root.view(path)

    def trace(self, path: str, *, on: bool) -> None:
        """Begin or end to note an actor's messages; `KeyError` for an unknown path."""
        self._root.inspector.trace(path, on=on)

    def traced(self, path: str) -> tuple[TracedMessage, ...] | None:
        """Return an actor's last messages, None where they are not noted; `KeyError` for an unknown path."""
        return self._root.inspector.traced(path)

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Return the last messages that no actor read, newest first."""
        return self._tree.dead_letters.last()

    def chains(self) -> tuple[ChainView, ...]:
        """Return the chains that are served, in their order."""
        return tuple(
            ChainView(
                chain=state.chain,
                breaker=state.breaker.value,
                opened_at=state.opened_at,
                reason=state.reason,
                in_flight=state.in_flight,
                waiting=state.waiting,
                forced=_forced_view(state),
            )
            for state in (admission.state for admission in self._admissions.values())
        )

    def worker(self) -> WorkerView:
        """Return how the daemon is doing."""
        is_running = self.is_scheduler_running()
        return WorkerView(
            status=self._status(is_running=is_running),
            is_running=is_running,
            poll_interval=self._settings.poll_interval,
            max_concurrency=self._settings.max_concurrency,
            active_jobs=self.active_jobs(),
        )

    def checks(self) -> Mapping[str, Check]:
        """Return what the daemon needs, by name."""
        is_running = self.is_scheduler_running()
        scheduler = Check(ok=is_running, detail="running" if is_running else "not running")
        chains = {f"circle/{state.chain}": _chain_check(state) for state in self.chains()}
        progress = self._progress.checks(self._root.views())
        found = (
            {"scheduler": scheduler},
            progress,
            self._lost(),
            self._preparation.checks(),
            chains,
            self._suspended(),
        )
        return dict(itertools.chain.from_iterable(checks.items() for checks in found))

    def is_ready(self) -> bool:
        """Whether everything has started."""
        return self._is_ready

    def is_draining(self) -> bool:
        """Whether the daemon is on its way out."""
        return self._is_draining

    def stalled(self) -> str | None:
        """Return why the daemon makes no progress at all, None while it does or has yet to start."""
        return self._progress.stalled(self._root.view(ROOT))

    def orders_changed(self) -> None:
        """Have the listener read the standing orders now."""
        self._tree.listener.tell(LookSoon())

    def accepted(self, accepted: Accepted) -> None:
        """Wake the scheduler: there is a job to claim. Safe on any thread."""
        if accepted.job.status.is_unfinished:
            self._tree.scheduler.tell(WorkKnown())

    # What the metrics read too.

    def is_scheduler_running(self) -> bool:
        """Return whether the scheduler takes jobs."""
        return self._root.view("scheduler").state is ChildState.RUNNING

    def active_jobs(self) -> int:
        """Return how many job actors hold a job."""
        return sum(
            1
            for view in self._root.views()
            if view.path.startswith("jobs/") and view.working_on is not None and view.working_on.subject
        )

    def breakers(self) -> Mapping[str, BreakerState]:
        """Return each chain's breaker."""
        return {chain: admission.state.breaker for chain, admission in self._admissions.items()}

    def _status(self, *, is_running: bool) -> WorkerStatus:
        if not is_running and not self._waits_for_database():
            return WorkerStatus.DOWN
        is_hindered = (
            self._dependencies.lost()
            or self._preparation.checks()
            or self._suspended()
            or any(state is not BreakerState.CLOSED for state in self.breakers().values())
        )
        return WorkerStatus.DEGRADED if is_hindered else WorkerStatus.OPERATIONAL

    def _waits_for_database(self) -> bool:
        """Return whether nothing is wrong but that the database was away when the daemon started."""
        return not self._is_ready and not self._is_draining and "database" in self._dependencies.lost()

    def _suspended(self) -> Mapping[str, Check]:
        """Return a check that names the suspended actors, where there are any."""
        paths = [view.path for view in self._root.views() if view.suspended]
        detail = f"{', '.join(paths)}: work waits until it is resumed"
        return {"suspended": Check(ok=False, detail=detail)} if paths else {}

    def _lost(self) -> Mapping[str, Check]:
        lost = self._dependencies.lost()
        names = ["database", *(["redis"] if self._settings.redis_url else []), *lost]
        return {
            name: Check(ok=name not in lost, detail=lost.get(name, "reachable"))
            for name in dict.fromkeys(names)
        }


def _why_silent(view: ActorView) -> str:
    """Return why an actor gives no answer, as far as can be seen from outside."""
    if view.state is not ChildState.RUNNING:
        return f"{view.path} is {view.state} and gives no answer"
    work = view.working_on
    busy = (
        ""
        if work is None
        else f"; it has been busy with {work.message} for {work.since.total_seconds():.1f} s"
    )
    return f"{view.path} gave no answer within {_ANSWER_WITHIN:g} s{busy}"


def _forced_view(state: ChainState) -> ForcedView | None:
    order = state.forced
    if order is None:
        return None
    return ForcedView(
        state="closed" if order.state is OrderState.CLOSED else "open",
        reason=order.reason,
        until=order.until,
        by=order.placed_by,
        measured=state.measured.value,
    )


def _chain_check(state: ChainView) -> Check:
    detail = state.breaker if state.reason is None else f"{state.breaker}: {state.reason}"
    return Check(ok=state.breaker != "open", detail=detail)
