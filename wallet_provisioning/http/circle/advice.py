"""What an operator has to mend where Circle refuses the account, by Circle's code, else by the status."""

from wallet_provisioning.http.circle.answers import CallFailed
from wallet_provisioning.http.circle.errors import ENTITY_SECRET_INVALID, ENTITY_SECRET_ROTATED

_KEY = "check CIRCLE_API_KEY: it is wrong, revoked or of another environment"
_MAY_NOT = "the key may not do this: give it the rights to programmable wallets in Circle's console"
_BY_CODE = {
    3: _MAY_NOT,
    4: _KEY,
    401: _KEY,
    156006: "a TEST key serves testnets alone, a LIVE key mainnets: set CIRCLE_API_KEY to the right one",
    156016: "register the entity secret at Circle and set CIRCLE_ENTITY_SECRET to it",
    ENTITY_SECRET_INVALID: "CIRCLE_ENTITY_SECRET is not the one registered at Circle: set that one",
    ENTITY_SECRET_ROTATED: "rotate the entity secret at Circle and set CIRCLE_ENTITY_SECRET to the new one",
}


_BY_STATUS = {401: _KEY, 403: _MAY_NOT}


def advice_on(failure: CallFailed) -> str | None:
    """Return what to change where Circle refused the account; None where the message says it itself."""
    if failure.http_status is None:
        return None
    if failure.code in _BY_CODE:
        return _BY_CODE[failure.code]
    return _BY_STATUS.get(failure.http_status)
