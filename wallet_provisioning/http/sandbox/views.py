"""How what stands under a key is shown. A replay shows it as it was made."""

from typing import assert_never

from aiohttp import web

from wallet_provisioning.http.sandbox.answers import data
from wallet_provisioning.http.sandbox.options import Switches
from wallet_provisioning.http.sandbox.records import WalletSetMade, WalletsMade
from wallet_provisioning.http.sandbox.writes import Done

_CREATED = 201
_OK = 200


def made_answer(done: Done, switches: Switches) -> web.Response:
    """Return 201 for something new, 200 for a replay."""
    status = _CREATED if done.is_new else _OK
    match done.made:
        case WalletSetMade(wallet_set=wallet_set):
            return data({"walletSet": wallet_set.body(shows_name=switches.shows_set_name)}, status=status)
        case WalletsMade(wallets=wallets):
            bodies = [wallet.body(blank_metadata=switches.blank_metadata) for wallet in wallets]
            return data({"wallets": bodies[::-1] if switches.reverses_wallets else bodies}, status=status)
        case _:
            assert_never(done.made)
