"""Who is let in: bearer tokens, and without any only this machine's own programs.

Without tokens the server trusts what comes from a loopback address. A browser on this machine is such
a peer for every page that it shows, so two more things are asked for: the `Host` must be a name of
loopback (a page's own name that was pointed at 127.0.0.1 is refused), and a request that a browser
sends on behalf of another site is refused. A request that a proxy passed on isn't local either.
"""

import hmac
import ipaddress
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from wallet_provisioning.http.api.parts import PARTS, ApiOptions
from wallet_provisioning.http.api.problems import Code, ProblemError
from wallet_provisioning.http.api.routing import Access, route_of

_CHALLENGE = 'Bearer realm="wallet-provisioning"'
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
_READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: `name` is written to the audit, `may_operate` tells an operator from a reader."""

    name: str
    may_operate: bool


CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)


@web.middleware
async def check_access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse who may not call the route; a path that isn't served goes on to its 404."""
    route = route_of(request)
    if route is not None and route.access in {Access.READ, Access.OPERATE}:
        caller = _identify(request)
        _authorize(caller, operates=route.access is Access.OPERATE or request.method not in _READING)
        request[CALLER] = caller
    return await handler(request)


def require_local(request: web.Request, *, lacking: str = "a token") -> None:
    """Refuse whatever doesn't come from a program on this machine for itself; raises 403.

    `lacking` is what would let others in.
    """
    if not _is_loopback(request.remote) or any(name in request.headers for name in _FORWARDED):
        raise _not_local(detail=f"without {lacking} only callers on this machine are served")
    host = request.headers.get("Host", "")
    if not _is_local_host(host):
        raise _not_local(detail=f"without {lacking} the Host must be localhost or a loopback address")
    if _is_cross_site(request, host):
        raise _not_local(detail="a browser sent this on behalf of another site")


def _not_local(*, detail: str) -> ProblemError:
    return ProblemError(Code.FORBIDDEN, detail, refused="not_local")


def _identify(request: web.Request) -> Caller:
    options = request.app[PARTS].options
    if not options.has_tokens:
        require_local(request)
        return Caller(name="admin@loopback", may_operate=True)
    return _of_token(_bearer(request), options)


def _of_token(token: str, options: ApiOptions) -> Caller:
    is_admin = _is_same(token, options.admin_token)
    is_reader = _is_same(token, options.admin_read_token)
    if is_admin:
        return Caller(name="admin", may_operate=True)
    if is_reader:
        return Caller(name="reader", may_operate=False)
    raise _unauthorized(
        detail="the token isn't known here", why="unknown_token", more=', error="invalid_token"'
    )


def _authorize(caller: Caller, *, operates: bool) -> None:
    if operates and not caller.may_operate:
        raise ProblemError(
            Code.FORBIDDEN,
            "the read-only token may not do this; use the admin token",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope"'},
            refused="read_only",
        )


def _bearer(request: web.Request) -> str:
    told = request.headers.getall("Authorization", [])
    scheme, _, token = told[0].partition(" ") if len(told) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized(detail="send one header `Authorization: Bearer TOKEN`", why="no_token")
    return token.strip()


def _unauthorized(*, detail: str, why: str, more: str = "") -> ProblemError:
    challenge = {"WWW-Authenticate": _CHALLENGE + more}
    return ProblemError(Code.UNAUTHORIZED, detail, headers=challenge, refused=why)


def _is_same(token: str, expected: str | None) -> bool:
    if expected is None:
        return False
    return hmac.compare_digest(_bytes(token), _bytes(expected))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _is_local_host(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    name = name.lower().removesuffix(".")
    return name == "localhost" or _is_loopback(name.removeprefix("[").removesuffix("]"))


def _is_cross_site(request: web.Request, host: str) -> bool:
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin.lower() != f"http://{host.lower()}"
