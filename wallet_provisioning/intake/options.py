"""What can be chosen about the intake."""

from dataclasses import dataclass, field
from datetime import timedelta

QUEUE = "wallet-provisioning"
TASK = "provision_wallets"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """How messages are taken.

    `redis_url` may hold a password. `threads` accept messages side by side, each with a connection of
    the store's. `poll` is how long an empty queue is left alone, `upkeep` how long messages that nobody
    has in hand may stay taken. After a failure of the store or of Redis it waits `shortest_pause`,
    doubled up to `longest_pause`. `max_attempts` is that of the jobs.
    """

    redis_url: str = field(repr=False)
    threads: int = 4
    poll: timedelta = timedelta(milliseconds=250)
    upkeep: timedelta = timedelta(seconds=10)
    shortest_pause: timedelta = timedelta(milliseconds=250)
    longest_pause: timedelta = timedelta(seconds=15)
    max_attempts: int = 5
