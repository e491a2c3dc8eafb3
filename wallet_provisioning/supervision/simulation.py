"""A runtime without threads: every interleaving of a tree, chosen by a seed and replayed by it.

The tree is the production tree. Only what lies below it is another one: an incarnation is a thing to be
stepped, timers and coroutines live on a loop that is stepped too, and the clock is a manual one. Each
step picks one of those that could run now. When none can, the clock jumps to the next timer; now and then
(`lag`) it moves although some could, as on a slow machine, but never so far that one of them seems to hang.

A step is one hook of an actor (its start, one message) or one callback of the loop. No two hooks overlap,
but a fault may break one at each of its effects, or let it stand still there while all others run on
(`simeffects`). An actor looks into its mailbox and parks there as it does on a thread, so a wake-up that
gets lost in production is lost here. Some incarnations are slow by chance: fair dice alone rarely let an
actor wait while all others run on.
"""

import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from datetime import timedelta
from functools import cache, partial
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from wallet_provisioning.clock import Clock, ManualClock
from wallet_provisioning.supervision.actor import Actor, Recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.controls import Kill
from wallet_provisioning.supervision.letters import Lane, Letter, OwnLetter
from wallet_provisioning.supervision.life import Life
from wallet_provisioning.supervision.mailbox import Mailbox
from wallet_provisioning.supervision.simeffects import Effects, SimMailbox
from wallet_provisioning.supervision.simfaults import (
    STARTED,
    Boundary,
    Breakable,
    Fault,
    Faults,
    Harm,
    no_faults,
)
from wallet_provisioning.supervision.simlives import Incarnation, Stage
from wallet_provisioning.supervision.simloop import SimLoop

if TYPE_CHECKING:
    import asyncio

M = TypeVar("M")

_PACES = (1.0, 1.0, 0.2, 0.02)
_STRIDE = timedelta(seconds=1)


class SimRuntime:
    """The `Runtime` of a simulation. It belongs to one thread, which drives it by `step` or `run`.

    `faults` is asked at every boundary. `trace` lists the boundaries that were passed, `points` what each
    of their hooks passed then, and `digest` stands for the whole order of events: equal seeds give equal
    digests. `effects` is for those who carry effects out. Where a fault ended the process (`has_died`) no
    step does anything any more.
    """

    def __init__(
        self, seed: int, *, clock: ManualClock | None = None, faults: Faults = no_faults, lag: float = 0.0
    ) -> None:
        """Start with nothing to run; `lag` is the chance at each step that the clock runs ahead."""
        self.clock = clock or ManualClock()
        self.chance = Random(seed)  # noqa: S311 - seeded, so that a run can be repeated
        self.loop = SimLoop(self.clock)  # type: ignore[abstract] # it has what asyncio's tasks ask for
        self.trace: list[Boundary] = []
        self.points: dict[Boundary, list[str]] = {}
        self.effects = Effects(self._note)
        self._faults = faults
        self._lag = lag
        self._incarnations: list[Incarnation] = []
        self._counts: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hash = blake2b(digest_size=16)

    @property
    def digest(self) -> str:
        """What stands for the order of all events so far."""
        return self._hash.hexdigest()

    @property
    def has_died(self) -> bool:
        """Whether a fault has ended the process."""
        return self.effects.has_died

    def make_mailbox(self, clock: Clock, path: str) -> Mailbox:
        """Return a mailbox for the places of a tree, in which each tell can be broken."""
        return SimMailbox(clock, path, effects=self.effects)

    # What actors ask of it.

    def launch(self, recipe: Recipe, life: Life) -> None:
        """Make an incarnation, which is stepped from now on; what its constructor raises comes out here."""
        kind = _breakable(recipe.actor)  # type: ignore[arg-type] # every class can be hashed
        actor = kind(life, *recipe.arguments, **recipe.options)
        pace = self.chance.choice(_PACES)
        self._incarnations.append(Incarnation(actor, life, pace, self.clock.seconds()))

    def later(self, delay: timedelta, address: Address[M], message: M) -> Callable[[], None]:
        """Tell a message when the clock has moved so far."""
        return self.loop.call_later(delay.total_seconds(), address.deliver, message).cancel

    def submit(
        self,
        work: Callable[[], Coroutine[Any, Any, M]],
        reply_to: Address[M],
        otherwise: Callable[[Exception], M],
    ) -> None:
        """Run a coroutine on the simulated loop, one callback a step."""

        async def run() -> None:
            try:
                message = await work()
            except Exception as error:  # noqa: BLE001 - whatever it is, the actor hears of it
                message = otherwise(error)
            reply_to.deliver(message)

        self.effects.pass_by("submit")
        task = self.loop.create_task(run(), context=copy_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.effects.pass_by("submitted")

    # What a test asks of it.

    def step(self) -> bool:
        """Do one thing; return False where nothing is left to do and no timer is set."""
        if self.has_died:
            return False
        self.loop.wake_due()
        ready = self._ready()
        if not ready and not self.loop.is_ready:
            return self._jump()
        if self._lag and self.chance.random() < self._lag:
            self._run_ahead(ready)
        elif self.loop.is_ready and self._is_turn_of_loop(ready):
            self._note("io")
            self.loop.run_one()
        else:
            self._step(self.chance.choices(ready, [each.pace for each in ready])[0])
        return True

    def is_busy(self) -> bool:
        """Return whether there is something to do before the clock has to move."""
        self.loop.wake_due()
        return not self.has_died and (
            self.loop.is_ready or any(each.is_ready() for each in self._incarnations)
        )

    def keeps_waiting(self, until: float) -> bool:
        """Return whether one that has something in hand would seem to hang by that reading of the clock."""
        return any(each.is_kept_waiting(until) for each in self._incarnations)

    def run(self, until: Callable[[], bool], *, within: timedelta) -> bool:
        """Step until something holds; return False where it doesn't within that time of the clock."""
        end = self.clock.monotonic() + within
        while not until():
            if self.clock.monotonic() > end or not self.step():
                return False
        return True

    def living(self, *, stuck: bool = False) -> tuple[Life, ...]:
        """Return the incarnations that have not ended: those that can go on, or those that hang."""
        return tuple(each.life for each in self._incarnations if (each.stage is Stage.STUCK) is stuck)

    def standing(self) -> tuple[str, ...]:
        """Return the points at which hooks stand still."""
        hooks = (each for each in self._incarnations if each.aside is not None)
        return tuple(each.passed[-1] for each in hooks if each.stage is Stage.STUCK)

    def close(self) -> None:
        """Let go of everything, as the end of the process does: nobody is told anything any more."""
        self.effects.has_died = True
        for each in self._incarnations:
            each.cut(self.effects)
        self._incarnations.clear()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            while self.loop.is_ready:
                self.loop.run_one()

    # Steps.

    def _ready(self) -> list[Incarnation]:
        return [each for each in self._incarnations if each.is_ready()]

    def _is_turn_of_loop(self, ready: list[Incarnation]) -> bool:
        return not ready or self.chance.random() * (1 + sum(each.pace for each in ready)) < 1

    def _jump(self) -> bool:
        """Move the clock to the next timer."""
        by = self.loop.until_next()
        if by is not None:
            self.clock.advance(by)
        return by is not None

    def _run_ahead(self, ready: list[Incarnation]) -> None:
        """Move the clock a little, unless one that has something in hand would seem to hang."""
        by = min(self.loop.until_next() or _STRIDE, _STRIDE)
        until = self.clock.seconds() + by.total_seconds()
        if not any(each.is_kept_waiting(until) for each in ready):
            self.clock.advance(by)

    def _step(self, one: Incarnation) -> None:
        one.stepped_at = self.clock.seconds()
        match one.stage:
            case Stage.NEW:
                self._begin(one)
            case Stage.RELEASED:
                self._hand_over(one)
            case _:
                self._look(one)
        if one.life.port.is_over:
            self._leave(one)

    def _leave(self, one: Incarnation) -> None:
        self._incarnations = [each for each in self._incarnations if each is not one]

    def _begin(self, one: Incarnation) -> None:
        fault = self._fault_at(one, Boundary(path=one.life.path, number=self._count(one), message=STARTED))
        match None if fault is None or fault.at else fault.harm:
            case Harm.HANG:
                self._get_stuck(one, fault or Fault(harm=Harm.HANG), None)
            case Harm.LOSE:
                self._leave(one)
            case Harm.DIE:
                self.effects.has_died = True
            case _:
                self._start(one, fault)

    def _look(self, one: Incarnation) -> None:
        """Take a message, if one waits, and see what becomes of it."""
        if one.stage is Stage.PARKED:
            one.life.port.gate.acquire(blocking=False)
        letter = one.life.mailbox.take_now(one.life.port)
        one.stage = Stage.PARKED if letter is None else Stage.AWAKE
        if letter is not None:
            self._meet(one, letter)
        elif not one.life.is_current():
            one.actor.leave()

    def _meet(self, one: Incarnation, letter: Letter) -> None:
        fault = self._fault_at(one, _boundary(one.life, self._count(one), letter))
        if isinstance(letter.message, Kill) and letter.message.hang:
            self._get_stuck(one, Fault(harm=Harm.HANG), letter)
            return
        match None if fault is None or fault.at else fault.harm:
            case Harm.HANG:
                self._get_stuck(one, fault or Fault(harm=Harm.HANG), letter)
            case Harm.LOSE:
                pass
            case Harm.DIE:
                self.effects.has_died = True
            case Harm.KILL:
                self._act(one, letter)
                kill = Kill(hang=False, reason="a schedule of faults wanted it")
                one.life.mailbox.put(Lane.CONTROL, kill, copy_context())
            case _:
                self._act(one, letter, fault)

    def _get_stuck(self, one: Incarnation, fault: Fault, letter: Letter | None) -> None:
        if letter is None:
            one.life.port.thread = threading.current_thread()  # its thread is there, and stands in `started`
        one.taken = letter
        self._stand_still(one, fault)

    def _stand_still(self, one: Incarnation, fault: Fault) -> None:
        one.stage = Stage.STUCK
        if fault.lasts is not None:
            self.loop.call_later(fault.lasts.total_seconds(), partial(setattr, one, "stage", Stage.RELEASED))

    def _hand_over(self, one: Incarnation) -> None:
        """Let one that was stuck go on with what it had taken, be it a zombie by now."""
        letter, one.taken = one.taken, None
        self._note(f"{one.life.path} goes on")
        one.stage = Stage.AWAKE
        if one.aside is not None:
            one.go_on(self.effects, None)
        elif letter is None:
            self._start(one)
        else:
            self._act(one, letter)

    def _start(self, one: Incarnation, fault: Fault | None = None) -> None:
        one.stage = Stage.AWAKE
        self._run_hook(one, one.actor.begin, fault)

    def _act(self, one: Incarnation, letter: Letter, fault: Fault | None = None) -> None:
        self._run_hook(one, partial(one.actor.act_on, letter), fault)

    def _run_hook(self, one: Incarnation, hook: Callable[[], None], fault: Fault | None) -> None:
        if not one.run(hook, fault, self.effects) and fault is not None:
            self._stand_still(one, fault)

    def _fault_at(self, one: Incarnation, boundary: Boundary) -> Fault | None:
        self.trace.append(boundary)
        self.points[boundary] = one.passed = []
        self._note(f"{boundary.path} {boundary.message}")
        fault = self._faults(boundary)
        if fault is not None and not fault.at:
            self.effects.struck[f"{fault.harm}"] += 1
        return fault

    def _count(self, one: Incarnation) -> int:
        self._counts[one.life.path] += 1
        return self._counts[one.life.path]

    def _note(self, event: str) -> None:
        self._hash.update(f"{event}\n".encode())


@cache
def _breakable(actor: type[Actor[Any]]) -> Callable[..., Breakable]:
    """Return the actor's class with hooks that can be broken; the actor knows nothing of it."""
    return type(actor.__name__, (Breakable, actor), {})


def _boundary(life: Life, number: int, letter: Letter) -> Boundary:
    name = type(letter.message).__name__
    return Boundary(path=life.path, number=number, message=name, is_own=isinstance(letter, OwnLetter))
