"""One chain's breaker: it keeps jobs away from a Circle that can't serve them. Pure; time is passed in.

Closed, it lets every call through and counts those that show an outage: `circle_5xx`, `timeout`,
`network`. So many in a row, or such a share of the window's calls, open it; an error of the
configuration opens it at once, since it fails every job alike. A plain 4xx shows a Circle that
works; a 429 shows nothing. Open, it refuses every call for a time that doubles with each opening in
a row, up to a cap. Then it is half-open: a few probes go through. One bad one opens it again; it
closes when none is under way any more and the last went well.

A call that began before the latest change says nothing about the present, so each permit carries
the era in which it was given, and a result of another era is dropped.
"""

from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto
from typing import assert_never

from wallet_provisioning.http.circle.advice import advice_on
from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.jobs.errors import ErrorType

OUTAGE = frozenset({ErrorType.CIRCLE_5XX, ErrorType.TIMEOUT, ErrorType.NETWORK})
_MAX_DOUBLINGS = 16


class BreakerState(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOptions:
    """When a breaker opens, and for how long.

    `failure_rate` is a share from 0 to 1 and counts only once the window has `minimum_calls`.
    """

    consecutive_failures: int = 5
    failure_rate: float = 0.5
    minimum_calls: int = 20
    window: timedelta = timedelta(seconds=30)
    open_for: timedelta = timedelta(seconds=5)
    open_cap: timedelta = timedelta(minutes=2)
    probes: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The breaker went from one state to another."""

    before: BreakerState
    after: BreakerState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A call may be made; hand the permit back with its result. `change` where it half-opened."""

    era: int
    is_probe: bool
    change: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No call may be made; asking again is worth while after `retry_in`."""

    retry_in: timedelta
    reason: str


class _Verdict(Enum):
    GOOD = auto()
    BAD = auto()
    NOTHING = auto()
    CONFIGURATION = auto()


class Breaker:
    """The state of one chain's calls. Belongs to one thread; `inherit` may be called from another.

    `now` is a reading of the monotonic clock everywhere.
    """

    def __init__(self, options: BreakerOptions | None = None) -> None:
        """Start closed, with nothing counted."""
        self._options = options or BreakerOptions()
        self._state = BreakerState.CLOSED
        self._era = 0
        self._reason = ""
        self._calls: deque[tuple[timedelta, bool]] = deque()
        self._in_a_row = 0
        self._openings = 0
        self._opened_at: timedelta | None = None
        self._probing = 0
        self._good_probes = 0

    @property
    def state(self) -> BreakerState:
        """The state as of the latest call of a method: an open one half-opens only when asked."""
        return self._state

    @property
    def era(self) -> int:
        """A number that rises with each change of the state."""
        return self._era

    @property
    def reason(self) -> str:
        """Why the breaker last opened, as the operator reads it; empty once it is closed."""
        return self._reason

    @property
    def opened_at(self) -> timedelta | None:
        """The reading at which it last opened, None once it is closed."""
        return self._opened_at

    def admit(self, now: timedelta) -> Permit | Refusal:
        """Return a permit for one call, or how long to wait."""
        change = None
        if self._state is BreakerState.OPEN:
            remaining = self._remaining(now)
            if remaining > timedelta():
                return Refusal(retry_in=remaining, reason=self._reason)
            change = self._half_open("its open time is over")
        if self._state is BreakerState.CLOSED:
            return Permit(era=self._era, is_probe=False)
        if self._probing + self._good_probes >= self._options.probes:
            return Refusal(retry_in=self._options.open_for, reason="its probes are under way")
        self._probing += 1
        return Permit(era=self._era, is_probe=True, change=change)

    def admit_anyway(self, now: timedelta) -> Permit:
        """Return a permit whatever the state is: an operator wants calls to go through.

        Their results count all the same, so that it is known how things stand when that ends.
        """
        admitted = self.admit(now)
        return admitted if isinstance(admitted, Permit) else Permit(era=self._era, is_probe=False)

    def trip(self, reason: str, now: timedelta) -> Change | None:
        """Open for a reason that no call of this chain has shown; nothing changes where it is open."""
        return None if self._state is BreakerState.OPEN else self._open(reason, now)

    def let_probe(self, reason: str) -> Change | None:
        """Half-open before its time, where it is open."""
        return self._half_open(reason) if self._state is BreakerState.OPEN else None

    def record(self, permit: Permit, failure: CallFailed | None, now: timedelta) -> Change | None:
        """Take a call's result, None for success, and return the change that it brought about.

        Every permit must come back, even that of a call that was given up: a probe's place is kept for it.
        """
        if permit.era != self._era:
            return None
        if permit.is_probe:
            return self._record_probe(failure, now)
        if self._state is not BreakerState.CLOSED:
            return self._record_forced(failure, now)
        return self._record_call(failure, now)

    def release(self, permit: Permit) -> None:
        """Take back a permit whose call was never made, or ended without a result."""
        if permit.is_probe and permit.era == self._era:
            self._probing -= 1

    def inherit(self) -> tuple["Breaker", Change | None]:
        """Return the breaker of the owner's next incarnation, and the change to tell of.

        What was open becomes half-open: the crash may have come from what had opened it. The old
        breaker isn't touched, and permits that it gave count for nothing in the new one.
        """
        heir = Breaker(self._options)
        heir._state, heir._era = self._state, self._era + 1
        heir._reason, heir._opened_at = self._reason, self._opened_at
        heir._calls, heir._in_a_row = self._calls.copy(), self._in_a_row
        heir._openings = self._openings
        if heir._state is BreakerState.OPEN:
            return heir, heir._half_open("its owner was started again")
        return heir, None

    def _record_probe(self, failure: CallFailed | None, now: timedelta) -> Change | None:
        self._probing -= 1
        match _verdict(failure):
            case _Verdict.GOOD:
                self._good_probes += 1
                return None if self._probing else self._close()
            case _Verdict.BAD | _Verdict.CONFIGURATION:
                return self._open(f"a probe failed: {tell_failure(failure)}", now)
            case _Verdict.NOTHING:
                return None
            case unknown:
                assert_never(unknown)

    def _record_forced(self, failure: CallFailed | None, now: timedelta) -> Change | None:
        """Count a call that went through against the breaker's own judgement."""
        match _verdict(failure):
            case _Verdict.GOOD:
                self._good_probes += 1
                is_enough = self._good_probes >= self._options.probes and not self._probing
                return self._close() if is_enough else None
            case _Verdict.BAD | _Verdict.CONFIGURATION if self._state is BreakerState.HALF_OPEN:
                return self._open(f"a forced call failed: {tell_failure(failure)}", now)
            case _Verdict.BAD | _Verdict.CONFIGURATION:
                self._opened_at, self._good_probes = now, 0
                self._reason = f"a forced call failed: {tell_failure(failure)}"
                return None
            case _Verdict.NOTHING:
                return None
            case unknown:
                assert_never(unknown)

    def _record_call(self, failure: CallFailed | None, now: timedelta) -> Change | None:
        match _verdict(failure):
            case _Verdict.GOOD:
                self._in_a_row = 0
                self._count(now, is_failure=False)
                return None
            case _Verdict.BAD:
                self._in_a_row += 1
                self._count(now, is_failure=True)
                why = self._why_open()
                return self._open(f"{why}, the last: {tell_failure(failure)}", now) if why else None
            case _Verdict.CONFIGURATION:
                return self._open(f"the configuration is wrong: {tell_failure(failure)}", now)
            case _Verdict.NOTHING:
                return None
            case unknown:
                assert_never(unknown)

    def _count(self, now: timedelta, *, is_failure: bool) -> None:
        self._calls.append((now, is_failure))
        while self._calls[0][0] + self._options.window <= now:
            self._calls.popleft()

    def _why_open(self) -> str | None:
        if self._in_a_row >= self._options.consecutive_failures:
            return f"{self._in_a_row} calls in a row failed"
        failures = sum(is_failure for _, is_failure in self._calls)
        is_enough = len(self._calls) >= self._options.minimum_calls
        if is_enough and failures >= self._options.failure_rate * len(self._calls):
            return f"{failures} of the last {len(self._calls)} calls failed"
        return None

    def _remaining(self, now: timedelta) -> timedelta:
        doublings = min(self._openings - 1, _MAX_DOUBLINGS)
        open_for = min(self._options.open_cap, self._options.open_for * (1 << doublings))
        return (self._opened_at or timedelta()) + open_for - now

    def _open(self, reason: str, now: timedelta) -> Change:
        self._openings += 1
        self._opened_at = now
        self._reason = reason
        return self._become(BreakerState.OPEN, reason)

    def _half_open(self, reason: str) -> Change:
        return self._become(BreakerState.HALF_OPEN, reason)

    def _close(self) -> Change:
        self._openings = 0
        self._opened_at = None
        self._reason = ""
        return self._become(BreakerState.CLOSED, f"{self._good_probes} probes went well")

    def _become(self, state: BreakerState, reason: str) -> Change:
        change = Change(before=self._state, after=state, reason=reason)
        self._state = state
        self._era += 1
        self._calls.clear()
        self._in_a_row = self._probing = self._good_probes = 0
        return change


def _verdict(failure: CallFailed | None) -> _Verdict:
    if failure is None:
        return _Verdict.GOOD
    if failure.is_configuration:
        return _Verdict.CONFIGURATION
    if failure.error_type in OUTAGE:
        return _Verdict.BAD
    if failure.error_type is ErrorType.CIRCLE_4XX:
        return _Verdict.GOOD
    return _Verdict.NOTHING


def tell_failure(failure: CallFailed | None) -> str:
    """Return a failure as the operator reads it: with Circle's request id, and what there is to change."""
    if failure is None:
        return ""
    request = f" (request {failure.circle_request_id})" if failure.circle_request_id else ""
    advised = advice_on(failure) if failure.is_configuration else None
    advice = f"; {advised}" if advised else ""
    return f"{failure.error_type}: {failure.message}{request}{advice}"
