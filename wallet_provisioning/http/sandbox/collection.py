"""Things in the order of their creation, found by id or by place."""

from bisect import insort
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID


class Placed(Protocol):
    """What a collection holds: `position` is its place, counted from 0."""

    @property
    def id(self) -> UUID:
        """The thing's id."""
        ...

    @property
    def position(self) -> int:
        """Its place on the collection."""
        ...


PlacedT = TypeVar("PlacedT", bound=Placed)


class Collection(Generic[PlacedT]):
    """Append-only, though a thing may be exchanged for its newer version at the same place."""

    def __init__(self) -> None:
        """Start empty."""
        self.items: list[PlacedT] = []
        self._places: dict[UUID, int] = {}

    def __len__(self) -> int:
        """Count the things; it is the place of the next one."""
        return len(self.items)

    def get(self, thing_id: UUID) -> PlacedT | None:
        """Return the thing with that id, or None."""
        place = self._places.get(thing_id)
        return None if place is None else self.items[place]

    def put(self, thing: PlacedT) -> None:
        """Add a thing at its place, or exchange the one that stands there."""
        if thing.position == len(self.items):
            self.items.append(thing)
        else:
            self.items[thing.position] = thing
        self._places[thing.id] = thing.position


class Index:
    """The places of the things that share a word, in order."""

    def __init__(self) -> None:
        """Start empty."""
        self._places: dict[str | None, list[int]] = {}

    def add(self, word: str | None, position: int) -> None:
        """Enter a thing under its word."""
        insort(self._places.setdefault(word, []), position)

    def drop(self, word: str | None, position: int) -> None:
        """Strike a thing out under its old word."""
        self._places[word].remove(position)

    def places(self, word: str | None) -> Sequence[int]:
        """Return the places under a word."""
        return self._places.get(word, ())
