"""One page of a list, and the Link header that leads to the others. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic
from urllib.parse import urlencode
from uuid import UUID

from wallet_provisioning.http.sandbox.collection import Collection, PlacedT
from wallet_provisioning.http.sandbox.queries import ListQuery
from wallet_provisioning.http.sandbox.refusals import Code, Refusal

_CURSORS = frozenset({"pageBefore", "pageAfter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[PlacedT]):
    """The things of one page, in the order asked for, and whether there are others around it."""

    items: Sequence[PlacedT]
    has_previous: bool
    has_next: bool


class _Walk(Generic[PlacedT]):
    """Candidates (by rising position) in the order of listing, seen from any place among them."""

    def __init__(
        self, candidates: Sequence[PlacedT], matches: Callable[[PlacedT], bool], *, newest_first: bool
    ) -> None:
        self._candidates = candidates
        self._matches = matches
        self._newest_first = newest_first

    def onwards(self, start: PlacedT | None) -> Iterator[PlacedT]:
        """Yield what is listed after a thing, or from the beginning."""
        return self._go(start, falling=self._newest_first)

    def backwards(self, start: PlacedT) -> Iterator[PlacedT]:
        """Yield what is listed before a thing, the nearest first."""
        return self._go(start, falling=not self._newest_first)

    def _go(self, start: PlacedT | None, *, falling: bool) -> Iterator[PlacedT]:
        places = range(len(self._candidates))
        if start is not None:
            cut = bisect_left(self._candidates, start.position, key=lambda thing: thing.position)
            is_there = cut < len(self._candidates) and self._candidates[cut].position == start.position
            places = range(cut) if falling else range(cut + is_there, len(self._candidates))
        for place in reversed(places) if falling else places:
            if self._matches(self._candidates[place]):
                yield self._candidates[place]


def cut_page(
    collection: Collection[PlacedT],
    candidates: Sequence[PlacedT],
    matches: Callable[[PlacedT], bool],
    query: ListQuery,
) -> Page[PlacedT]:
    """Return the page that the query asks for; raises `Refusal` 156012 or 156014 for a bad cursor."""
    walk = _Walk(candidates, matches, newest_first=query.order == "DESC")
    if query.page_before is not None:
        cursor = _cursor(collection, query.page_before, Code.BAD_PAGE_BEFORE)
        return _page_before(walk, cursor, query.page_size)
    after = query.page_after
    start = None if after is None else _cursor(collection, after, Code.BAD_PAGE_AFTER)
    found = list(islice(walk.onwards(start), query.page_size + 1))
    return Page(
        items=found[: query.page_size],
        has_previous=start is not None,
        has_next=len(found) > query.page_size,
    )


def link_header(path: str, pairs: Sequence[tuple[str, str]], page: Page[PlacedT]) -> str:
    """Return the Link header of a page; `path` is absolute, `pairs` are the request's parameters."""
    plain = [(name, value) for name, value in pairs if name not in _CURSORS]
    links = [("self", list(pairs)), ("first", plain)]
    if page.has_next and page.items:
        links.append(("next", [*plain, ("pageAfter", str(page.items[-1].id))]))
    if page.has_previous and page.items:
        links.append(("prev", [*plain, ("pageBefore", str(page.items[0].id))]))
    return ", ".join(f'<{_address(path, query)}>; rel="{relation}"' for relation, query in links)


def _page_before(walk: _Walk[PlacedT], cursor: PlacedT, size: int) -> Page[PlacedT]:
    found = list(islice(walk.backwards(cursor), size + 1))
    return Page(items=found[:size][::-1], has_previous=len(found) > size, has_next=True)


def _cursor(collection: Collection[PlacedT], thing_id: UUID, code: Code) -> PlacedT:
    cursor = collection.get(thing_id)
    if cursor is None:
        raise Refusal(code)
    return cursor


def _address(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(pairs)}" if pairs else path
