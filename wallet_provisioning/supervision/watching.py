"""Death watch: any actor may be told when an incarnation of any other has ended."""

from collections.abc import Callable
from dataclasses import dataclass

from wallet_provisioning.supervision.snapshot import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """What a watcher is told, once for each watch: the incarnation that it watched has ended.

    `reason` and `error` are None after an orderly stop, and where the child had been stopped for good
    before; `incarnation` is 0 for one that never lived.
    """

    path: str
    incarnation: int
    reason: EndReason | None
    error: str | None


Watcher = Callable[[Down], None]


class Watches:
    """Who wants to be told of the next end. `add` and `release` are called under the mailbox's lock."""

    def __init__(self) -> None:
        """Start with nobody watching."""
        self._watchers: dict[object, Watcher] = {}

    def add(self, watcher: Watcher) -> Callable[[], None]:
        """Take up a watch; the returned function takes it back, on any thread and at any time."""
        key = object()
        self._watchers[key] = watcher
        return lambda: self._forget(key)

    def release(self) -> tuple[Watcher, ...]:
        """Return all that watched; each is told once, so none watches any more."""
        former, self._watchers = self._watchers, {}
        return tuple(former.values())

    def _forget(self, key: object) -> None:
        self._watchers.pop(key, None)


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of the mailbox's holder leaves to be done once the lock is free."""

    wake: Callable[[], None] | None
    watchers: tuple[Watcher, ...] = ()
    down: Down | None = None

    def tell(self) -> None:
        """Wake the former holder, and tell who watched it."""
        if self.wake is not None:
            self.wake()
        if self.down is not None:
            for watcher in self.watchers:
                watcher(self.down)
