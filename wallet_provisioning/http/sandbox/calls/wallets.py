"""Wallets: create, get, list, rename."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from wallet_provisioning.http.sandbox.answers import body_of, data, id_of
from wallet_provisioning.http.sandbox.contract import WalletChange, WalletOrder, read
from wallet_provisioning.http.sandbox.entities import Wallet
from wallet_provisioning.http.sandbox.faults import key_limits, longest_lag
from wallet_provisioning.http.sandbox.keys import CLOCK, DRAWN, OPTIONS, STATE, WORLD, WRITES
from wallet_provisioning.http.sandbox.lists import Listing, is_within, page_answer
from wallet_provisioning.http.sandbox.operations import Operation
from wallet_provisioning.http.sandbox.queries import WalletQuery, read_query
from wallet_provisioning.http.sandbox.refusals import Code, Refusal
from wallet_provisioning.http.sandbox.rules import find_network
from wallet_provisioning.http.sandbox.views import made_answer


async def create_wallets(request: web.Request) -> web.Response:
    """Make count x blockchains wallets: 201, or 200 for a key that was used for them before."""
    order = read(WalletOrder, await body_of(request))
    done = request.app[WRITES].create_wallets(request[WORLD], order, key_limits(request.get(DRAWN, ())))
    return made_answer(done, request.app[OPTIONS].switches)


async def get_wallet(request: web.Request) -> web.Response:
    """Return one wallet; unknown is 156001."""
    wallet = request.app[STATE].books(request[WORLD]).wallets.get(id_of(request))
    if wallet is None:
        raise Refusal(Code.WALLET_NOT_FOUND)
    return data({"wallet": _body(request, wallet)})


async def change_wallet(request: web.Request) -> web.Response:
    """Change a wallet's name or refId; unknown is 156001."""
    change = read(WalletChange, await body_of(request))
    wallet = request.app[WRITES].change_wallet(request[WORLD], id_of(request), change)
    return data({"wallet": _body(request, wallet)})


async def list_wallets(request: web.Request) -> web.Response:
    """Return a page of the wallets that match; with a lag in force without the youngest."""
    query = read_query(WalletQuery, request.query.items())
    if query.blockchain is not None:
        find_network(query.blockchain, request[WORLD])
    books = request.app[STATE].books(request[WORLD])
    shown_until = request.app[CLOCK].now() - longest_lag(request.get(DRAWN, ()))
    listing = Listing(
        name="wallets",
        collection=books.wallets,
        candidates=books.candidates(query),
        matches=_matching(query, shown_until),
        shown=lambda wallet: _body(request, wallet),
    )
    return page_answer(request, listing, query)


def _matching(query: WalletQuery, shown_until: datetime) -> Callable[[Wallet], bool]:
    def matches(wallet: Wallet) -> bool:
        return (
            wallet.created_at <= shown_until
            and query.wallet_set_id in {None, wallet.wallet_set_id}
            and query.blockchain in {None, wallet.blockchain}
            and query.ref_id in {None, wallet.ref_id}
            and query.sca_core in {None, wallet.sca_core}
            and (query.address is None or _is_same_address(query.address, wallet.address))
            and is_within(wallet.created_at, query)
        )

    return matches


def _is_same_address(asked: str, address: str) -> bool:
    """Compare without case where an address is hexadecimal; base58 has both cases."""
    return asked == address or (address.startswith("0x") and asked.lower() == address)


def _body(request: web.Request, wallet: Wallet) -> dict[str, object]:
    return wallet.body(blank_metadata=request.app[OPTIONS].switches.blank_metadata)


ROUTES = (
    web.post("/v1/w3s/developer/wallets", create_wallets, name=Operation.CREATE_WALLETS.value),
    web.get("/v1/w3s/wallets", list_wallets, name=Operation.LIST_WALLETS.value, allow_head=False),
    web.get("/v1/w3s/wallets/{id}", get_wallet, name=Operation.GET_WALLET.value, allow_head=False),
    web.put("/v1/w3s/wallets/{id}", change_wallet, name=Operation.CHANGE_WALLET.value),
)
