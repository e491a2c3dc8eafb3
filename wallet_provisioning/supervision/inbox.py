"""The port in the shape of pykka's inbox protocol."""

from functools import partial
from typing import TYPE_CHECKING, Any

from wallet_provisioning.supervision.life import Life

if TYPE_CHECKING:
    from collections.abc import Callable


class Inbox:
    """What pykka's loop takes for its inbox: the port of one incarnation."""

    def __init__(self, life: Life) -> None:
        """Serve that incarnation."""
        self._path = life.path
        # A letter has the two fields that the loop reads of pykka's own, private envelope.
        self.get: Callable[[], Any] = partial(life.mailbox.take, life.port)

    def put(self, _envelope: object, /) -> None:
        """Raise `TypeError`: messages come by an address."""
        msg = f"{self._path} is told through its address, not through pykka's reference"
        raise TypeError(msg)

    def empty(self) -> bool:
        """Return True always: pykka's teardown then finds nothing to drain."""
        return True
