"""What a supervisor is asked to keep alive."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from wallet_provisioning.supervision.actor import Recipe
from wallet_provisioning.supervision.address import Address
from wallet_provisioning.supervision.bounds import Bound
from wallet_provisioning.supervision.incidents import ChildEnded
from wallet_provisioning.supervision.restarts import Restart

if TYPE_CHECKING:
    from wallet_provisioning.supervision.family import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What a supervisor is asked to keep alive: one line of the tree.

    `deadline` bounds the handling of one message, `drain` an orderly stop, `bound` the work that may wait
    (None lets any amount wait). `watchers` are told each `ChildEnded`. `family` is the state of a child
    that is itself a supervisor. Children of one `dispatcher` share its threads, since their messages end
    soon; None gives each incarnation a thread of its own. `is_blameless` says of an end that it spends no
    restart intensity, nor delays the restart; None blames every one. It must be pure and quick.
    """

    id: str
    recipe: Recipe
    restart: Restart = Restart.PERMANENT
    drain: timedelta = timedelta(seconds=5)
    deadline: timedelta = timedelta(seconds=15)
    watchers: tuple[Address[ChildEnded], ...] = ()
    bound: Bound | None = None
    family: "Family | None" = None
    dispatcher: str | None = None
    is_blameless: Callable[[ChildEnded], bool] | None = None
