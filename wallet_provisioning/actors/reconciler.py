"""The reconciler compares Circle and the store now and then, and mends nothing.

Of any number of daemons one does it, once an interval: beginning a run is a compare-and-set on one row.
Its calls run beside the actors and its transactions are short, so its mailbox stays free. A crash loses
the run and nothing else; its hold runs out and the next one begins from scratch.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeAlias, assert_never

from wallet_provisioning.actors.calls import broken_call
from wallet_provisioning.jobs.chains import Chain
from wallet_provisioning.reconcile.asking import WalletReader, ask_circle
from wallet_provisioning.reconcile.findings import Report
from wallet_provisioning.reconcile.options import Answer, CircleUnreachableError, Question, ReconcileOptions
from wallet_provisioning.reconcile.walk import Reconciliation
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import ReconcileTakenError, StoreUnavailableError
from wallet_provisioning.store.reconciliation import read_standing
from wallet_provisioning.store.wallets import wallet_set_id
from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.telemetry.events import Emit, Notice, Reconciled

_SOON = timedelta(minutes=1)
_RARELY = timedelta(hours=1)


class Run:
    """One run under way, and when it last went on. Only the incarnation that began it knows it."""

    def __init__(self, steps: Generator[Question | None, Answer, Report], since: timedelta) -> None:
        """Start before the first step."""
        self.steps = steps
        self.since = since
        self.number = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LookWhetherDue:
    """Timer: see whether a run is due, and whether one under way still goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOn:
    """The answer to a run's question, or None where it only made room for others."""

    run: Run
    number: int
    answer: Answer


ReconcilerMessage: TypeAlias = LookWhetherDue | GoOn


class ReconcilerActor(Actor[ReconcilerMessage]):
    """Reconciles once an interval; present only where one is set."""

    def __init__(
        self,
        life: Life,
        *,
        database: Database,
        client: WalletReader,
        chains: Mapping[str, Chain],
        interval: timedelta,
        emit: Emit,
    ) -> None:
        """Start with nothing under way."""
        super().__init__(life)
        self._database = database
        self._client = client
        self._options = ReconcileOptions(chains=chains, unless_within=interval)
        self._interval = interval
        self._emit = emit
        self._run: Run | None = None

    def started(self) -> None:
        """Look soon; the first moments of a daemon belong to its jobs."""
        self.tell_later(min(_SOON, self._interval), LookWhetherDue())

    def describe(self) -> Mapping[str, object]:
        """Show an operator what stands here."""
        steps = None if self._run is None else self._run.number
        return {"interval_seconds": self._interval, "is_running": self._run is not None, "steps": steps}

    def receive(self, message: ReconcilerMessage) -> None:
        """Begin a run, or go on with the one under way; what belongs to another one is ignored."""
        match message:
            case LookWhetherDue():
                self._look()
            case GoOn(run=run, number=number, answer=answer):
                if run is self._run and number == run.number:
                    self._go_on(run, answer)
            case _:
                assert_never(message)

    def stopped(self) -> None:
        """Give up the run, so that another daemon may begin at once."""
        self._end_run()

    def _look(self) -> None:
        if self._run is not None and self.life.clock.monotonic() - self._run.since > 2 * self._options.lease:
            self._end_run()
        try:
            delay = self._begin_if_due()
        except StoreUnavailableError:
            delay = _SOON
        self.tell_later(delay, LookWhetherDue())

    def _begin_if_due(self) -> timedelta:
        """Begin a run where one is due; returns when to look again."""
        if self._run is not None:
            return min(_SOON, self._interval)
        with self._database.read() as connection:
            known = wallet_set_id(connection)
            idle = read_standing(connection).idle
        if known is None or idle < self._interval:
            return min(max(self._interval - idle, timedelta(milliseconds=10)), _RARELY)
        walk = Reconciliation(
            self._database, known, self._options, actor=self.life.path, clock=self.life.clock
        )
        self._run = Run(walk.steps(), self.life.clock.monotonic())
        self._go_on(self._run, None)
        return min(_SOON, self._interval)

    def _go_on(self, run: Run, answer: Answer) -> None:
        """Do one step, which is one short transaction, and put its question."""
        run.number += 1
        run.since = self.life.clock.monotonic()
        try:
            question = next(run.steps) if run.number == 1 else run.steps.send(answer)
        except StopIteration as end:
            self._run = None
            self._tell(end.value)
        except ReconcileTakenError:
            self._run = None
        except (CircleUnreachableError, StoreUnavailableError) as error:
            self._run = None
            self._emit(Notice(text=f"the reconcile ended half-way and begins anew later: {error}"))
        else:
            self._put(run, question)

    def _put(self, run: Run, question: Question | None) -> None:
        if question is None:
            self.life.me.tell(GoOn(run=run, number=run.number, answer=None))
            return
        self.life.runtime.submit(
            partial(self._ask, run, run.number, question),
            self.life.me,
            partial(_broken, run, run.number),
        )

    async def _ask(self, run: Run, number: int, question: Question) -> GoOn:
        return GoOn(run=run, number=number, answer=await ask_circle(self._client, question))

    def _end_run(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.steps.close()

    def _tell(self, report: Report) -> None:
        self._emit(
            Reconciled(
                at_circle=report.at_circle,
                here=report.here,
                found=sum(report.found.values()),
                kinds=", ".join(f"{kind} {count}" for kind, count in report.found.items() if count) or None,
                hold=report.hold,
                duration=report.took,
            )
        )


def _broken(run: Run, number: int, error: Exception) -> GoOn:
    return GoOn(run=run, number=number, answer=broken_call(error))
