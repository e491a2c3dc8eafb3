"""Which of the things that the daemon needs are away at the moment."""

from collections.abc import Mapping

from wallet_provisioning.telemetry.events import DependencyBack, DependencyLost, Event


class Dependencies:
    """Hears the events of loss and return. Safe on any thread: the picture is replaced as a whole."""

    def __init__(self) -> None:
        """Start with nothing lost."""
        self._lost: dict[str, str] = {}

    def hear(self, event: Event) -> None:
        """Take note of an event that concerns us."""
        match event:
            case DependencyLost():
                self._lost = {**self._lost, event.name: event.error}
            case DependencyBack():
                self._lost = {name: error for name, error in self._lost.items() if name != event.name}
            case _:
                pass

    def lost(self) -> Mapping[str, str]:
        """Return what is away, and with what error it went."""
        return self._lost
