"""The port in the shape of pykka's inbox protocol."""

from typing import Any

from wallet_provisioning.supervision.letters import REVOKED, Revoked
from wallet_provisioning.supervision.life import Life


class Inbox:
    """What pykka's loop takes for its inbox: the port of one incarnation."""

    def __init__(self, life: Life) -> None:
        """Serve that incarnation."""
        self._life = life

    def get(self) -> Any:  # noqa: ANN401 - pykka's envelope is private, and only two fields of it are read
        """Return a letter, which has the two fields that the loop reads of pykka's own envelope."""
        taken = self._life.mailbox.take(self._life.port)
        return _FAREWELL if isinstance(taken, Revoked) else taken

    def put(self, _envelope: object, /) -> None:
        """Raise `TypeError`: messages come by an address."""
        msg = f"{self._life.path} is told through its address, not through pykka's reference"
        raise TypeError(msg)

    def empty(self) -> bool:
        """Return True always: pykka's teardown then finds nothing to drain."""
        return True


class _Farewell:
    """The envelope that ends a loop whose port was revoked."""

    message = REVOKED
    reply_to = None


_FAREWELL = _Farewell()
