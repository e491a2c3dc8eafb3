"""A child as its supervisor knows it: what was asked for, and how its lives went."""

from collections.abc import Callable
from contextvars import copy_context
from datetime import timedelta
from typing import Any

from wallet_provisioning.clock import Clock
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.controls import Control, Stop
from wallet_provisioning.supervision.deadletters import DeadLetters
from wallet_provisioning.supervision.family import Family
from wallet_provisioning.supervision.incidents import ChildEnded, Incident, Why
from wallet_provisioning.supervision.letters import Lane, Passing, Port
from wallet_provisioning.supervision.life import Ended, Life, Report, Started
from wallet_provisioning.supervision.mailbox import Mailbox
from wallet_provisioning.supervision.restarts import LONGEST_ROW
from wallet_provisioning.supervision.runtime import Runtime
from wallet_provisioning.supervision.showing import describe, show, trace_id_of
from wallet_provisioning.supervision.snapshot import (
    ActorView,
    ChildKind,
    ChildState,
    Crash,
    EndReason,
    Work,
)
from wallet_provisioning.supervision.spec import Child
from wallet_provisioning.supervision.stacks import stack_of, stack_of_error

__all__ = ["Cell", "Child", "Family"]

UP = frozenset({ChildState.STARTING, ChildState.RUNNING, ChildState.STOPPING})


class Cell:
    """What outlives a child's incarnations: mailbox, counts, history.

    Its supervisor alone changes it, while it leads the family; any thread may look. `is_finished` says
    that the child ended and its kind of restart wants it to stay so; `is_guest` that it came at run time,
    so that nothing of it stays when it has ended for good; `is_leaving` that it is to be removed. `observe`
    is the observer of its tree, for what no supervisor lives to tell.
    """

    def __init__(
        self,
        path: str,
        spec: Child,
        address: Address[Any],
        mailbox: Mailbox,
        dead_letters: DeadLetters,
        *,
        observe: Callable[[Incident], None],
    ) -> None:
        """Make the cell of a child that was never started."""
        self.path = path
        self.spec = spec
        self.address = address
        self.mailbox = mailbox
        self.observe = observe
        self.state = ChildState.STOPPED
        self.incarnation = 0
        self.restarts = 0
        self.failures: list[timedelta] = []
        self.last_crash: Crash | None = None
        self.is_finished = False
        self.is_guest = False
        self.is_leaving = False
        self._dead_letters = dead_letters
        self._last_word: Report | None = None
        self._port: Port | None = None
        self._zombies: list[Port] = []

    @property
    def is_up(self) -> bool:
        """Whether there is an incarnation whose end has not been noted."""
        return self.state in UP

    @property
    def kind(self) -> ChildKind:
        """Whether the child supervises others."""
        return ChildKind.WORKER if self.spec.family is None else ChildKind.SUPERVISOR

    def launch(self, runtime: Runtime, clock: Clock, report: Callable[[Report], None]) -> None:
        """Start the next incarnation on the mailbox; what its constructor raises comes out here."""
        runtime.launch(self.spec.recipe, self.prepare(runtime, clock, report))

    def prepare(self, runtime: Runtime, clock: Clock, report: Callable[[Report], None]) -> Life:
        """Make the next incarnation's life; its thread is still to be launched."""
        self.incarnation += 1
        if self.incarnation > 1:
            self.restarts += 1
        self.give_up()
        self._port = self.mailbox.open_port()
        self.is_finished = False
        self.state = ChildState.STARTING
        return Life(
            child=self.spec.id,
            path=self.path,
            incarnation=self.incarnation,
            mailbox=self.mailbox,
            port=self._port,
            me=self.address,
            runtime=runtime,
            clock=clock,
            report=lambda word: self._pass_on(word, report),
            dispatcher=self.spec.dispatcher,
        )

    def has_begun(self) -> bool:
        """Return whether the present incarnation lives, or is about to without anybody's help."""
        return self._port is not None and (self._port.is_launched or self._port.thread is not None)

    def lost_word(self, clock: Clock) -> Report | None:
        """Return what the present incarnation said that was not noted, or that it ended unsaid; else None.

        Its report may still wait, or was lost with a supervisor that crashed over it.
        """
        if not self.is_up or self._port is None:
            return None
        word = self._last_word
        is_said = word is not None and word.incarnation == self.incarnation
        if is_said and isinstance(word, Started) and self.state is ChildState.STARTING:
            return word
        if not self._port.is_dead():
            return None
        if is_said and not isinstance(word, Started):
            return word
        return self._ended(self._port, clock, EndReason.CRASH, "its thread ended without a word")

    def ask_to_stop(self, *, at_once: bool) -> None:
        """Send the stop; it overtakes all work that waits."""
        self.state = ChildState.STOPPING
        self.control(Stop(at_once=at_once))

    def control(self, control: Control) -> None:
        """Put a control message before everything else."""
        self.mailbox.put(Lane.CONTROL, control, copy_context())

    def suspend(self) -> bool:
        """Let work wait until it is resumed or this incarnation ends; False where there is none."""
        return self._port is not None and self.mailbox.suspend(self._port)

    def resume(self) -> bool:
        """Serve all that waits again; False where there is no incarnation."""
        return self._port is not None and self.mailbox.resume(self._port)

    def give_up(self) -> bool:
        """Cut the running incarnation off; its thread may go on as a zombie. Return whether it was busy."""
        port = self._port
        if port is None or not self.mailbox.revoke(port):
            return False
        self._count_zombie(port)
        return port.busy_since is not None and not port.is_dead()

    def revoke_if_hung(self, clock: Clock) -> Ended | None:
        """Cut the incarnation off if its message is overdue, and report the thread's stack."""
        port = self._port
        if port is None or port.is_dead() or not self.mailbox.revoke_overdue(port, self.spec.deadline):
            return None
        self._count_zombie(port)
        what = _message_of(port) or "its start"
        limit = self.spec.deadline.total_seconds()
        return self._ended(port, clock, EndReason.HANG, f"no end of {what} within {limit:g} s")

    def revoke_undrained(self, clock: Clock) -> Ended | None:
        """Cut an incarnation off that had its time to stop; report it if something was in its hands."""
        port = self._port
        if not self.give_up() or port is None:
            return None
        what = _message_of(port) or "its start"
        return self._ended(port, clock, EndReason.HANG, f"told to stop, and given up over {what}")

    def failed_to_start(self, life: Life, error: Exception) -> Ended:
        """Report an incarnation whose constructor, or whose thread's start, raised."""
        why = describe(error)
        life.port.is_over = True
        life.port.passing = Passing(EndReason.START_FAILED, why)
        self.mailbox.revoke(life.port)
        return Ended(
            child=self.spec.id,
            incarnation=life.incarnation,
            reason=EndReason.START_FAILED,
            error=why,
            message=None,
            held=None,
            stack=stack_of_error(error),
            at=life.clock.now(),
            trace_id=None,
        )

    def cut_off(self, clock: Clock) -> list[Incident]:
        """Give up what still runs here and below; return what that cut short.

        The mailboxes stay open: what waits in them, and what is told from now on, is for successors. A
        supervisor that was cut off leads its family no more.
        """
        cut = self.revoke_undrained(clock) if self.is_up else None
        incidents: list[Incident] = [] if cut is None else [self.as_incident(cut)]
        self.state = ChildState.STOPPED
        family = self.spec.family
        if family is not None:
            with family.lock:
                for below in reversed(family.cells.values()):
                    incidents += below.cut_off(clock)
        return incidents

    def lose(self, clock: Clock) -> list[Incident]:
        """Give up what still runs here and below, and take no more messages; return what was lost."""
        return self.cut_off(clock) + self.close()

    def close(self) -> list[Incident]:
        """Take no more messages here and below, where nothing runs any more; return what waited."""
        note, why = self._dead_letters.note, Why.STOPPED
        left = self.mailbox.close()
        if self.spec.family is not None:
            return [each for below in reversed(self.spec.family.cells.values()) for each in below.close()]
        return [note(self.mailbox, each.message, each.context, why) for each in left]

    def as_incident(self, report: Ended) -> ChildEnded:
        """Return what the outside is told of an end."""
        return ChildEnded(
            path=self.path,
            incarnation=report.incarnation,
            reason=report.reason,
            error=report.error,
            message=report.message,
            held=report.held,
            stack=report.stack,
            at=report.at,
            trace_id=report.trace_id,
            shown=report.shown,
        )

    def remember(self, ended: ChildEnded, now: timedelta, *, is_blamed: bool) -> None:
        """Note a failure: for the operator always, for the restart intensity where it counts."""
        self.last_crash = Crash(
            at=ended.at,
            reason=ended.reason,
            error=ended.error,
            message=ended.message,
            incarnation=ended.incarnation,
            trace_id=ended.trace_id,
            shown=ended.shown,
            stack=ended.stack,
        )
        if is_blamed:
            self.failures = [*self.failures[-LONGEST_ROW:], now]

    def zombies(self) -> int:
        """Return how many incarnations that were given up still run."""
        return sum(not port.is_dead() for port in self._zombies)

    def hanging(self) -> list[Port]:
        """Return what was given up and still runs, of this child and of all below it."""
        own = [port for port in self._zombies if not port.is_dead()]
        return own if self.spec.family is None else own + self.spec.family.hanging()

    def view(self, now: timedelta) -> ActorView:
        """Return the picture of this child."""
        return ActorView(
            path=self.path,
            kind=self.kind,
            class_name=self.spec.recipe.actor.__name__,
            state=self.state,
            incarnation=self.incarnation,
            restarts=self.restarts,
            zombies=self.zombies(),
            mailbox_depth=self.mailbox.depth(),
            oldest_message_age=self.mailbox.oldest_age(),
            working_on=self._work(now.total_seconds()),
            last_crash=self.last_crash,
            suspended=self.mailbox.is_suspended(),
            dead_letters=self.mailbox.dead_letters,
        )

    def _work(self, now: float) -> Work | None:
        port = self._port
        if port is None or not self.mailbox.is_held_by(port):
            return None
        in_hand, held, busy_since, held_since = port.in_hand, port.held, port.busy_since, port.held_since
        began = held_since if held is not None else busy_since
        if began is None or (held is None and not in_hand):
            return None
        message = type(in_hand[0].message).__name__ if in_hand else type(held).__name__
        return Work(message=message, subject=held, since=timedelta(seconds=max(now - began, 0)))

    def _pass_on(self, word: Report, report: Callable[[Report], None]) -> None:
        """Keep an incarnation's last word, so that it can be heard again, and deliver it."""
        self._last_word = word
        report(word)

    def _ended(self, port: Port, clock: Clock, reason: EndReason, error: str) -> Ended:
        return Ended(
            child=self.spec.id,
            incarnation=self.incarnation,
            reason=reason,
            error=error,
            message=_message_of(port),
            held=port.held,
            stack=_stack_of(port),
            at=clock.now(),
            trace_id=trace_id_of(port.in_hand[0].context) if port.in_hand else None,
            shown=show(port.in_hand[0].message) if port.in_hand else None,
        )

    def _count_zombie(self, port: Port) -> None:
        """Count an incarnation until its thread ends; one that never began ends as it begins."""
        if port.thread is not None and not port.is_dead():
            self._zombies = [*(each for each in self._zombies if not each.is_dead()), port]


def _stack_of(port: Port) -> str:
    """Return where an incarnation's thread stands; once it is over the thread may serve another."""
    stack = stack_of(port.thread)
    return "" if port.is_over else stack


def _message_of(port: Port) -> str | None:
    letters = port.in_hand
    return type(letters[0].message).__name__ if letters else None
