"""The base of every actor: one life, from its start to its end, on a thread that a runtime finds for it.

Whatever a hook raises is caught here, reported to the supervisor, and ends this actor alone. Messages come
by `Address.tell` only.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from opentelemetry import trace

from wallet_provisioning.supervision.address import Address, OwnAddress
from wallet_provisioning.supervision.controls import Control, Describe, Kill, KilledError, Stop
from wallet_provisioning.supervision.inspection import Described, plain
from wallet_provisioning.supervision.letters import Letter, Passing
from wallet_provisioning.supervision.life import Ended, Life, Report, Started, Stopped
from wallet_provisioning.supervision.showing import ACTING, describe, show
from wallet_provisioning.supervision.snapshot import EndReason
from wallet_provisioning.supervision.stacks import stack_of_error

__all__ = ["Actor", "Kill", "KilledError", "Recipe", "Stop", "describe", "recipe"]

M = TypeVar("M")
P = ParamSpec("P")


class Actor(Generic[M]):
    """An actor. Subclasses take a `Life` first, assign in `__init__`, and act in the hooks below.

    What begins with two underscores is no name of a subclass's own, so none can be taken by accident.

    Every hook runs on the actor's own thread, one at a time, and may raise: the incarnation then ends
    and its supervisor decides what follows. `__init__` runs on the supervisor's thread.
    """

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - handed on as it comes
        """Raise `TypeError` for a class that would replace what only the base may say, be it by accident."""
        super().__init_subclass__(**options)
        for name in vars(cls):
            if name in _RESERVED:
                msg = f"{cls.__name__}.{name} would replace a part of every actor: give it another name"
                raise TypeError(msg)

    def __init__(self, life: Life) -> None:
        """Join the mailbox that the child owns."""
        self.life = life
        self.__port = life.port
        self.__is_stopping = False
        self.__is_announced = False

    # The hooks of a subclass.

    def started(self) -> None:
        """Set up; no message is handled before it returns."""

    def is_ready(self) -> bool:
        """Return whether the actor counts as started. Asked after `started`, then after each message."""
        return True

    def receive(self, message: M) -> None:
        """Handle one message. It is dropped, and named in the report, if this raises."""
        raise NotImplementedError

    def stopping(self) -> None:
        """Begin to finish: the actor was asked to stop. It goes on receiving until it is drained."""

    def is_drained(self) -> bool:
        """Return whether a stopping actor has nothing left to finish. Asked after each message."""
        return True

    def stopped(self) -> None:
        """Clean up at an orderly end; not called after a crash, nor for an actor that was given up."""

    def describe(self) -> Mapping[str, object]:
        """Return what an operator may see of the actor's state, without secrets; it is copied at once.

        Asked through the control lane, so between two messages. What it raises stands in the answer and
        harms nobody.
        """
        return {}

    # What a subclass may use.

    @property
    def is_stopping(self) -> bool:
        """Whether the actor was asked to stop."""
        return self.__is_stopping

    def hold(self, subject: object) -> None:
        """Say what the actor works on from now on; it stands in the report if the actor dies."""
        self.__port.held_since = self.life.clock.seconds()
        self.__port.held = subject

    def let_go(self) -> None:
        """Say that the actor works on nothing any more."""
        self.__port.held = None
        self.__port.held_since = None

    def take_waiting(self) -> list[M]:
        """Return all other work that waits now, in order, to be handled with the message in hand."""
        letters = self.life.mailbox.take_waiting(self.__port)
        return [letter.message for letter in letters]  # type: ignore[misc] # an address takes only M

    def tell_later(self, delay: timedelta, message: M) -> Callable[[], None]:
        """Have a message told to this actor after a delay; the returned function takes it back.

        The timer dies with this incarnation: a successor sets its own.
        """
        return self.life.runtime.later(delay, self.__own(), message)

    def watch(self, other: Address[Any]) -> Callable[[], None]:
        """Have this incarnation told `Down` when the other's ends; `Down` must be among its messages.

        See `Address.watch`. The watch dies with this incarnation: a successor watches anew.
        """
        return other.watch(self.__own())

    # What a runtime calls. Nothing leaves these by an exception.

    def live(self) -> None:
        """Live this incarnation from its start to its end, on the thread that calls."""
        threading.current_thread().name = self.life.path
        try:
            self.begin()
            take, port, act_on = self.life.mailbox.take, self.__port, self.act_on
            while (letter := take(port)) is not None:
                act_on(letter)
        finally:
            self.leave()

    def begin(self) -> None:
        """Run `started` and report how it went; an incarnation that was replaced meanwhile only leaves."""
        self.__port.thread = threading.current_thread()
        if not self.life.is_current():
            self.leave()
            return
        try:
            self.started()
            self.__announce_when_ready()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this actor alone
            self.__end_by(error, None)

    def act_on(self, letter: Letter) -> None:
        """Handle one letter in the context that it was sent in."""
        try:
            letter.context.run(self.__handle, letter.message)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this actor alone
            letter.context.run(self.__end_by, error, letter.message)

    def leave(self) -> None:
        """End: nothing is served or reported any more. Who has left may leave again."""
        self.life.mailbox.revoke(self.__port)
        self.__port.is_over = True

    def __handle(self, message: Any) -> None:  # noqa: ANN401 - an address takes only M, a lane takes all
        ACTING.set(self.life.path)
        if isinstance(message, Control):
            self.__obey(message)
            return
        self.receive(message)
        if not self.__is_announced:
            self.__announce_when_ready()
        if self.__is_stopping and self.is_drained():
            self.__finish()

    def __obey(self, control: Control) -> None:
        match control:
            case Stop():
                self.__stop_when_drained(at_once=control.at_once)
            case Kill():
                self.__die(control)
            case Describe():
                control.reply.set(self.__describe())
            case _:
                msg = f"no actor knows a {type(control).__name__}"
                raise TypeError(msg)

    def __announce_when_ready(self) -> None:
        if self.is_ready():
            self.__is_announced = True
            self.__report(Started(child=self.life.child, incarnation=self.life.incarnation))

    def __stop_when_drained(self, *, at_once: bool) -> None:
        if not self.__is_stopping:
            self.__is_stopping = True
            self.__port.is_loud = True
            self.life.mailbox.resume(self.__port)
            self.stopping()
        if at_once or self.is_drained():
            self.__finish()

    def __die(self, kill: Kill) -> None:
        if kill.hang:
            threading.Event().wait()
        raise KilledError(kill.reason)

    def __describe(self) -> Described:
        try:
            values, error = {name: plain(value) for name, value in self.describe().items()}, None
        except Exception as failure:  # noqa: BLE001 - a look at an actor must not be what kills it
            values, error = {}, describe(failure)
        return Described(
            path=self.life.path,
            incarnation=self.life.incarnation,
            is_stopping=self.__is_stopping,
            values=values,
            error=error,
        )

    def __finish(self) -> None:
        self.stopped()
        self.__port.passing = Passing()
        self.__report(Stopped(child=self.life.child, incarnation=self.life.incarnation))
        self.leave()

    def __end_by(self, error: BaseException, message: object | None) -> None:
        try:
            ended = self.__account_of(error, message)
            self.__port.passing = Passing(ended.reason, ended.error)
            self.__report(ended)
        finally:
            self.leave()

    def __account_of(self, error: BaseException, message: object | None) -> Ended:
        span = trace.get_current_span().get_span_context()
        could_not_start = not self.__is_announced and not isinstance(error, KilledError)
        return Ended(
            child=self.life.child,
            incarnation=self.life.incarnation,
            reason=EndReason.START_FAILED if could_not_start else EndReason.CRASH,
            error=describe(error),
            message=None if message is None else type(message).__name__,
            held=self.__port.held,
            stack=stack_of_error(error),
            at=self.life.clock.now(),
            trace_id=f"{span.trace_id:032x}" if span.is_valid else None,
            shown=None if message is None else show(message),
        )

    def __report(self, report: Report) -> None:
        """Tell the supervisor, unless this incarnation was given up: nobody waits for a zombie's word."""
        if self.life.is_current():
            self.life.report(report)

    def __own(self) -> OwnAddress:
        return OwnAddress(self.life.path, self.life.mailbox, self.__port)


_HOOKS = frozenset({"started", "is_ready", "receive", "stopping", "is_drained", "stopped", "describe"})
_RESERVED = frozenset(name for name in dir(Actor) if not name.startswith("__")) - _HOOKS - {"_abc_impl"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make an incarnation: its class and all that its constructor takes after the life."""

    actor: type[Actor[Any]]
    arguments: tuple[Any, ...]
    options: dict[str, Any]


def recipe(actor: Callable[Concatenate[Life, P], Actor[Any]], *args: P.args, **kwargs: P.kwargs) -> Recipe:
    """Return the recipe for an actor class; the type checker compares the arguments with its constructor."""
    return Recipe(actor, args, kwargs)  # type: ignore[arg-type] # the class, seen as its constructor
