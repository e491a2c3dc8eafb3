"""Answering with one page of a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from aiohttp import hdrs, web

from wallet_provisioning.http.sandbox.answers import data
from wallet_provisioning.http.sandbox.collection import Collection, PlacedT
from wallet_provisioning.http.sandbox.paging import cut_page, link_header
from wallet_provisioning.http.sandbox.queries import ListQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[PlacedT]):
    """What is listed, and under which name: those candidates that match, each as it is shown."""

    name: str
    collection: Collection[PlacedT]
    candidates: Sequence[PlacedT]
    matches: Callable[[PlacedT], bool]
    shown: Callable[[PlacedT], dict[str, object]]


def page_answer(request: web.Request, listing: Listing[PlacedT], query: ListQuery) -> web.Response:
    """Return the page that was asked for, with its Link header."""
    page = cut_page(listing.collection, listing.candidates, listing.matches, query)
    response = data({listing.name: [listing.shown(thing) for thing in page.items]})
    path = str(request.url.origin().with_path(request.path))
    response.headers[hdrs.LINK] = link_header(path, tuple(request.query.items()), page)
    return response


def is_within(created_at: datetime, query: ListQuery) -> bool:
    """Tell whether a createDate, which is shown to the second, lies within the span asked for."""
    shown = created_at.replace(microsecond=0)
    return (query.from_ is None or query.from_ <= shown) and (query.to is None or shown <= query.to)
