from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from wallet_provisioning.http.sandbox.collection import Collection, Index
from wallet_provisioning.http.sandbox.paging import Page, cut_page, link_header
from wallet_provisioning.http.sandbox.queries import ListQuery, read_query
from wallet_provisioning.http.sandbox.refusals import Code, Refusal


@dataclass(frozen=True)
class Thing:
    id: UUID
    position: int


def collection_of(count: int) -> Collection[Thing]:
    collection: Collection[Thing] = Collection()
    for position in range(count):
        collection.put(Thing(UUID(int=position), position))
    return collection


def query(**params: object) -> ListQuery:
    names = {"after": "pageAfter", "before": "pageBefore", "size": "pageSize"}
    return read_query(ListQuery, [(names.get(name, name), str(value)) for name, value in params.items()])


def page(
    collection: Collection[Thing],
    candidates: Sequence[Thing] | None = None,
    *,
    odd: bool = False,
    **params: object,
) -> Page[Thing]:
    return cut_page(
        collection,
        collection.items if candidates is None else candidates,
        lambda thing: not odd or thing.position % 2 == 1,
        query(**params),
    )


def places(found: Page[Thing]) -> list[int]:
    return [thing.position for thing in found.items]


def test_the_newest_come_first() -> None:
    found = page(collection_of(5), size=3)
    assert places(found) == [4, 3, 2]
    assert (found.has_previous, found.has_next) == (False, True)


def test_the_oldest_come_first_when_asked() -> None:
    assert places(page(collection_of(5), size=3, order="ASC")) == [0, 1, 2]


def test_a_cursor_is_exclusive_in_both_directions() -> None:
    collection = collection_of(9)
    after = page(collection, size=3, after=UUID(int=6))
    assert places(after) == [5, 4, 3]
    assert (after.has_previous, after.has_next) == (True, True)
    before = page(collection, size=3, before=UUID(int=2))
    assert places(before) == [5, 4, 3]
    assert (before.has_previous, before.has_next) == (True, True)


def test_the_last_page_has_no_next_and_the_first_no_previous() -> None:
    collection = collection_of(6)
    assert not page(collection, size=3, after=UUID(int=3)).has_next
    first = page(collection, size=3, before=UUID(int=2))
    assert places(first) == [5, 4, 3]
    assert not first.has_previous


def test_pages_hold_only_what_matches() -> None:
    found = page(collection_of(10), size=2, odd=True, after=UUID(int=6))
    assert places(found) == [5, 3]
    assert found.has_next


def test_a_cursor_need_not_match_itself() -> None:
    collection = collection_of(10)
    few = [collection.items[1], collection.items[7]]
    assert places(page(collection, few, after=UUID(int=5))) == [1]
    assert places(page(collection, few, before=UUID(int=5))) == [7]
    assert places(page(collection, few, after=UUID(int=5), order="ASC")) == [7]


def test_nothing_matching_is_an_empty_last_page() -> None:
    found = page(collection_of(5), ())
    assert (places(found), found.has_next, found.has_previous) == ([], False, False)


@pytest.mark.parametrize(("name", "code"), [("before", Code.BAD_PAGE_BEFORE), ("after", Code.BAD_PAGE_AFTER)])
def test_an_unknown_cursor_is_refused(name: str, code: Code) -> None:
    collection = collection_of(3)
    with pytest.raises(Refusal) as caught:
        cut_page(collection, collection.items, lambda _: True, query(**{name: uuid4()}))
    assert caught.value.code is code


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_walking_on_and_back_meets_everything_once(order: str, size: int) -> None:
    collection = collection_of(15)
    wanted = sorted(range(15), reverse=order == "DESC")
    found = page(collection, size=size, order=order)
    onwards = places(found)
    while found.has_next:
        found = page(collection, size=size, order=order, after=found.items[-1].id)
        onwards += places(found)
    assert onwards == wanted
    backwards = places(found)
    while found.has_previous:
        found = page(collection, size=size, order=order, before=found.items[0].id)
        backwards = places(found) + backwards
    assert backwards == wanted


def test_the_links_keep_the_filters_and_replace_the_cursor() -> None:
    items = [Thing(UUID(int=1), 1), Thing(UUID(int=0), 0)]
    pairs = [("refId", "a b"), ("pageAfter", str(UUID(int=9)))]
    links = link_header("http://h/w", pairs, Page(items=items, has_previous=True, has_next=True))
    assert links.split(", ") == [
        f'<http://h/w?refId=a+b&pageAfter={UUID(int=9)}>; rel="self"',
        '<http://h/w?refId=a+b>; rel="first"',
        f'<http://h/w?refId=a+b&pageAfter={UUID(int=0)}>; rel="next"',
        f'<http://h/w?refId=a+b&pageBefore={UUID(int=1)}>; rel="prev"',
    ]


def test_a_page_alone_links_only_to_itself_and_the_first() -> None:
    alone: Page[Thing] = Page(items=[], has_previous=False, has_next=False)
    links = link_header("http://h/w", [], alone)
    assert links == '<http://h/w>; rel="self", <http://h/w>; rel="first"'


def test_a_thing_is_exchanged_at_its_place() -> None:
    collection = collection_of(3)
    newer = Thing(UUID(int=1), 1)
    collection.put(newer)
    assert len(collection) == 3
    assert collection.get(UUID(int=1)) is newer
    assert collection.get(uuid4()) is None


def test_an_index_keeps_places_in_order() -> None:
    index = Index()
    for place in (2, 0, 1):
        index.add("a", place)
    index.drop("a", 0)
    index.add("b", 0)
    assert list(index.places("a")) == [1, 2]
    assert list(index.places("b")) == [0]
    assert list(index.places("c")) == []
