"""The standing orders before the tree runs, and this daemon's last words to the store after it."""

from uuid import UUID

from wallet_provisioning.actors.keeper import write_transitions
from wallet_provisioning.actors.shared import Shared
from wallet_provisioning.store.controls import read_orders
from wallet_provisioning.store.daemons import leave
from wallet_provisioning.store.database import Database


def learn_orders(database: Database, shared: Shared) -> None:
    """Read the orders, so that nothing is claimed or called against one. Raises `StoreUnavailableError`."""
    with database.read() as connection:
        shared.orders.learn(read_orders(connection))


def say_goodbye(database: Database, shared: Shared, boot: UUID) -> None:
    """Write what the breakers did last, and be gone from the daemons. Raises `StoreUnavailableError`."""
    waiting = shared.journal.waiting()
    with database.write("daemon", "say_goodbye") as tx:
        write_transitions(tx, waiting, str(boot))
        leave(tx, boot)
    shared.journal.forget(waiting)
