"""The intake actor owns the consumer of injected messages: it starts it, and stops it in good order."""

from datetime import timedelta
from typing import Protocol

from wallet_provisioning.supervision.actor import Actor
from wallet_provisioning.supervision.life import Life


class Consumer(Protocol):
    """What takes messages off Redis, on threads of its own."""

    def start(self) -> None:
        """Begin to take messages; Redis need not be there yet."""
        ...

    def stop(self, timeout: timedelta) -> None:
        """Take no more, finish what is in hand within the timeout, give the rest back."""
        ...


class IntakeActor(Actor[None]):
    """Has no messages of its own: it is a place in the tree for the consumer's life."""

    def __init__(self, life: Life, *, consumer: Consumer, patience: timedelta) -> None:
        """Take the consumer; it is started once for each incarnation."""
        super().__init__(life)
        self._consumer = consumer
        self._patience = patience

    def started(self) -> None:
        """Begin to take messages."""
        self._consumer.start()

    def receive(self, message: None) -> None:
        """Handle nothing: none is sent."""

    def stopped(self) -> None:
        """Give back what is not finished."""
        self._consumer.stop(self._patience)
