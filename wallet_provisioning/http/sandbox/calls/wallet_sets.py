"""Wallet sets: create, get, list."""

from aiohttp import web

from wallet_provisioning.http.sandbox.answers import body_of, data, id_of
from wallet_provisioning.http.sandbox.contract import WalletSetOrder, read
from wallet_provisioning.http.sandbox.entities import WalletSet
from wallet_provisioning.http.sandbox.faults import key_limits
from wallet_provisioning.http.sandbox.keys import DRAWN, OPTIONS, STATE, WORLD, WRITES
from wallet_provisioning.http.sandbox.lists import Listing, is_within, page_answer
from wallet_provisioning.http.sandbox.operations import Operation
from wallet_provisioning.http.sandbox.queries import ListQuery, read_query
from wallet_provisioning.http.sandbox.refusals import Code, Refusal
from wallet_provisioning.http.sandbox.views import made_answer


async def create_wallet_set(request: web.Request) -> web.Response:
    """Make a wallet set: 201, or 200 for a key that was used for it before."""
    order = read(WalletSetOrder, await body_of(request))
    done = request.app[WRITES].create_wallet_set(request[WORLD], order, key_limits(request.get(DRAWN, ())))
    return made_answer(done, request.app[OPTIONS].switches)


async def get_wallet_set(request: web.Request) -> web.Response:
    """Return one wallet set; unknown is 156005."""
    wallet_set = request.app[STATE].books(request[WORLD]).wallet_sets.get(id_of(request))
    if wallet_set is None:
        raise Refusal(Code.SET_NOT_FOUND)
    return data({"walletSet": _body(request, wallet_set)})


async def list_wallet_sets(request: web.Request) -> web.Response:
    """Return a page of the wallet sets."""
    query = read_query(ListQuery, request.query.items())
    collection = request.app[STATE].books(request[WORLD]).wallet_sets
    listing = Listing(
        name="walletSets",
        collection=collection,
        candidates=collection.items,
        matches=lambda wallet_set: is_within(wallet_set.created_at, query),
        shown=lambda wallet_set: _body(request, wallet_set),
    )
    return page_answer(request, listing, query)


def _body(request: web.Request, wallet_set: WalletSet) -> dict[str, object]:
    return wallet_set.body(shows_name=request.app[OPTIONS].switches.shows_set_name)


ROUTES = (
    web.post("/v1/w3s/developer/walletSets", create_wallet_set, name=Operation.CREATE_WALLET_SET.value),
    web.get("/v1/w3s/walletSets", list_wallet_sets, name=Operation.LIST_WALLET_SETS.value, allow_head=False),
    web.get("/v1/w3s/walletSets/{id}", get_wallet_set, name=Operation.GET_WALLET_SET.value, allow_head=False),
)
