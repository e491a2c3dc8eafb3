"""Looking into a running tree, and holding parts of it still: what Erlang has in its module `sys`."""

from wallet_provisioning.supervision.child import Cell
from wallet_provisioning.supervision.controls import Describe
from wallet_provisioning.supervision.inspection import Described
from wallet_provisioning.supervision.places import find
from wallet_provisioning.supervision.reply import Answer
from wallet_provisioning.supervision.snapshot import ChildKind, ChildState
from wallet_provisioning.supervision.tracing import TracedMessage


class CannotSuspendError(Exception):
    """Only a worker that runs can be suspended; the text says what this actor is instead."""


def why_not_suspended(path: str, kind: ChildKind, state: ChildState) -> str | None:
    """Return why an actor of this kind and state can't be suspended, None where it can."""
    if kind is ChildKind.SUPERVISOR:
        return f"{path} is a supervisor; suspended it would restart nobody"
    if state is not ChildState.RUNNING:
        return f"{path} is {state}; only an actor that runs can be suspended"
    return None


class Inspector:
    """A tree under an operator's eyes. Every method is safe on any thread and returns at once.

    Each raises `KeyError` for a path that isn't there.
    """

    def __init__(self, root: Cell) -> None:
        """Name the root's cell."""
        self._root = root

    def describe(self, path: str, reply: Answer[Described]) -> None:
        """Ask an actor what stands in it; it overtakes all that waits.

        One that is busy answers when it has done with that; one that hangs, restarts or has stopped never.
        """
        find(self._root, path).control(Describe(reply=reply))

    def suspend(self, path: str) -> None:
        """Let an actor's work wait; control and news are read as always. Raises `CannotSuspendError`.

        A restart or a stop ends it. A supervisor can't be suspended: it would mend nothing meanwhile.
        """
        cell = find(self._root, path)
        why_not = why_not_suspended(path, cell.kind, cell.state)
        if why_not is not None:
            raise CannotSuspendError(why_not)
        if not cell.suspend():
            msg = f"{path} is ending; only an actor that runs can be suspended"
            raise CannotSuspendError(msg)

    def resume(self, path: str) -> None:
        """Let an actor go on with all that waits; nothing happens to one that isn't suspended."""
        find(self._root, path).resume()

    def trace(self, path: str, *, on: bool) -> None:
        """Begin to note an actor's messages, through all its lives, or stop that and forget them."""
        find(self._root, path).mailbox.trace(on=on)

    def traced(self, path: str) -> tuple[TracedMessage, ...] | None:
        """Return an actor's last messages, oldest first; None where its messages are not noted."""
        return find(self._root, path).mailbox.traced()
