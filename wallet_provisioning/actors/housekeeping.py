"""The actors that keep house beside the jobs: present where the settings or the database call for them."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from wallet_provisioning.actors.bookkeeper import BookkeeperActor
from wallet_provisioning.actors.rescuer import RescuerMessage
from wallet_provisioning.actors.sealer import SEAL_EVERY, SealerActor
from wallet_provisioning.actors.sweeper import SweeperActor, SweeperOptions
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.signing import Signer
from wallet_provisioning.supervision.actor import recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.child import Child
from wallet_provisioning.telemetry.events import Emit

_DRAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Housekeeping:
    """What the settings call for; None leaves the actor out."""

    signer: Signer | None = None
    sweeper: SweeperOptions | None = None


NO_HOUSEKEEPING = Housekeeping()


def housekeepers(
    options: Housekeeping,
    database: Database,
    chance: Random,
    emit: Emit,
    watchers: tuple[Address[RescuerMessage], ...],
) -> list[Child]:
    """Return the bookkeeper, the sealer and the sweeper, each where it is called for."""
    recipes = {}
    if database.dialect == "postgresql":
        recipes["bookkeeper"] = recipe(BookkeeperActor, database=database)
    if options.signer is not None:
        recipes["sealer"] = recipe(
            SealerActor, database=database, signer=options.signer, every=SEAL_EVERY, emit=emit
        )
    if options.sweeper is not None:
        recipes["sweeper"] = recipe(
            SweeperActor, database=database, options=options.sweeper, chance=chance, emit=emit
        )
    return [Child(id=name, recipe=made, drain=_DRAIN, watchers=watchers) for name, made in recipes.items()]
