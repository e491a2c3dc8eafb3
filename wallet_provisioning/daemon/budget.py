"""The account's budget at Circle as this daemon takes part in it: alone, or over Redis with the others."""

import hashlib
from datetime import timedelta
from uuid import UUID

from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions, Kind
from wallet_provisioning.http.circle.sharing import VALIDITY, Count
from wallet_provisioning.http.circle.window import CAP
from wallet_provisioning.intake.broker import InvalidRedisUrlError
from wallet_provisioning.quota.pool import PoolOptions, RedisPool
from wallet_provisioning.settings import Settings
from wallet_provisioning.store.daemons import live_daemons
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import StoreUnavailableError
from wallet_provisioning.telemetry.events import Emit


def budget_options(settings: Settings) -> BudgetOptions:
    """Return Circle's limits as the settings know them."""
    return BudgetOptions(
        wallets=settings.circle_wallet_rate,
        posts=settings.circle_post_rate,
        gets=settings.circle_get_rate,
    )


def is_within(budget: BudgetOptions, limits: BudgetOptions) -> bool:
    """Return whether no limit is larger than another's."""
    return all(budget.limit(kind) <= limits.limit(kind) for kind in Kind)


def circle_budget(
    settings: Settings,
    account: Account,
    *,
    database: Database,
    boot: UUID,
    clock: Clock,
    emit: Emit,
    living: Count | None = None,
) -> Budget:
    """Return the budget: shared over Redis where one is set, else divided by the daemons that live.

    `living` is how many that were at the last heartbeat. Raises `InvalidRedisUrlError`.
    """
    options = budget_options(settings)
    if settings.redis_url is None:
        return Budget(options, clock=clock, emit=emit, living=living)
    try:
        pool = RedisPool(
            PoolOptions(
                url=settings.redis_url,
                account=name_of(account),
                daemon=boot,
                window=options.window,
                lifetime=options.window + timedelta(seconds=VALIDITY + CAP),
            )
        )
    except ValueError as error:
        msg = f"REDIS_URL must be redis://HOST:PORT/NUMBER, rediss://… or unix://…: {error}"
        raise InvalidRedisUrlError(msg) from None
    return Budget(options, clock=clock, emit=emit, pool=pool, count=LiveDaemons(database).count)


def name_of(account: Account) -> str:
    """Return what the account's calls are counted under: the same for all its daemons, and no secret."""
    whose = f"{account.base_url} {account.api_key}"
    return hashlib.sha256(whose.encode()).hexdigest()[:16]


class LiveDaemons:
    """Counts the daemons that live. With the database away it keeps to what it last knew."""

    def __init__(self, database: Database) -> None:
        """Assign."""
        self._database = database
        self._last = 1

    def count(self) -> int:
        """Return how many there are, this one included; blocks."""
        try:
            with self._database.read() as connection:
                self._last = max(1, live_daemons(connection))
        except StoreUnavailableError:
            return self._last
        return self._last
