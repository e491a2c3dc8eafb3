"""The steady load: a new user at each beat, whose wallets are asked for until the daemon has answered.

Every other user comes by KYC callback, the rest by the house's own call. What got no answer is asked
again under the same key, as any client would, so that what was promised is known exactly.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from random import Random
from uuid import UUID

from wallet_provisioning.chaos.calls import Api, RefusedError, UnansweredError
from wallet_provisioning.clock import Clock

_PAUSE = timedelta(milliseconds=200)
_PATIENCE = timedelta(minutes=2)
_COME_AGAIN = frozenset({429, 503})


class Load:
    """Orders wallets. One thread orders; `accepted` and `troubles` may be looked at by any.

    `is_hopeless` says that the daemon ended for good.
    """

    def __init__(self, api: Api, *, chance: Random, clock: Clock, is_hopeless: Callable[[], bool]) -> None:
        """Start with nobody accepted."""
        self._api = api
        self._chance = chance
        self._clock = clock
        self._is_hopeless = is_hopeless
        self._asked = 0
        self._never = threading.Event()
        self.accepted: dict[UUID, UUID] = {}
        self.troubles: list[str] = []

    def run(self, rate: float, until: threading.Event) -> None:
        """Order at a rate per second until the event is set; late orders follow at once."""
        start, count = self._clock.seconds(), 0
        while not until.wait(max(0.0, start + count / rate - self._clock.seconds())):
            self.order()
            count += 1

    def order(self) -> None:
        """Ask for one more user's wallets until there is an answer."""
        self._asked += 1
        user_id = UUID(int=self._chance.getrandbits(128), version=4)
        end = self._clock.monotonic() + _PATIENCE
        while not self._is_hopeless():
            try:
                self.accepted[user_id] = self._ask(user_id, self._asked)
            except (UnansweredError, RefusedError) as error:
                may_pass = isinstance(error, UnansweredError) or error.status in _COME_AGAIN
                if not may_pass or self._clock.monotonic() >= end:
                    self.troubles.append(f"user {user_id} was not taken: {error}")
                    return
                self._never.wait(_PAUSE.total_seconds())
            else:
                return

    def repeat(self) -> None:
        """Ask for the first user once more: it must be the same job. Any thread."""
        user_id, job_id = next(iter(self.accepted.items()))
        try:
            again = self._ask(user_id, 1)
        except (UnansweredError, RefusedError) as error:
            self.troubles.append(f"a repeat was not taken: {error}")
        else:
            if again != job_id:
                self.troubles.append(f"a repeat of job {job_id} gave job {again}")

    def _ask(self, user_id: UUID, number: int) -> UUID:
        key = f"chaos-{number}"
        return self._api.approve(user_id, key) if number % 2 else self._api.order(user_id, key)
