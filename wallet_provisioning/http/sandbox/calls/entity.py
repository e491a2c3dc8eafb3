"""`GET /ping` and the public key for the entity secret."""

from aiohttp import web

from wallet_provisioning.http.sandbox.answers import answer, data
from wallet_provisioning.http.sandbox.keys import KEY_PAIR
from wallet_provisioning.http.sandbox.operations import Operation


async def ping(_: web.Request) -> web.Response:
    """Say that the service is there."""
    return answer({"message": "pong"})


async def public_key(request: web.Request) -> web.Response:
    """Return the key with which the entity secret is encrypted."""
    return data({"publicKey": request.app[KEY_PAIR].public_pem})


ROUTES = (
    web.get("/ping", ping, allow_head=False),
    web.get("/v1/w3s/config/entity/publicKey", public_key, name=Operation.PUBLIC_KEY.value, allow_head=False),
)
