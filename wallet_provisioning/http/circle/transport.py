"""The wire: one httpx transport for each chain, with few connections, since httpx slows with many.

It decides nothing. What went wrong on the way comes out as a `LostError`, which says whether
Circle may have seen the request. There is no httpx client around the transports: cookies, redirects, the
merging of addresses and headers are not wanted here, and cost a quarter of a call.
"""

from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from wallet_provisioning.http.circle.account import Account, Timeouts
from wallet_provisioning.http.circle.answers import Certainty
from wallet_provisioning.http.circle.protocol import Answer, Call
from wallet_provisioning.jobs.errors import ErrorType

CONNECTIONS = 5
_KEPT_ALIVE_SECONDS = 20
_LONGEST_REQUEST_ID = 100
_HEADERS = {"Accept-Encoding": "gzip, deflate", "User-Agent": f"python-httpx/{httpx.__version__}"}


class LostError(Exception):
    """No answer came from Circle; the message says what happened to the connection."""

    def __init__(self, error_type: ErrorType, certainty: Certainty, message: str) -> None:
        """Say what kind of failure it is, and whether the request may have arrived."""
        super().__init__(message)
        self.error_type = error_type
        self.certainty = certainty


class Transport:
    """All connections to Circle. Made on any thread, used on one asyncio loop."""

    def __init__(self, account: Account) -> None:
        """Prepare; the first call of each chain opens its client."""
        self._account = account
        self._address = account.base_url.rstrip("/")
        self._extensions = {"timeout": _timeouts(account.timeouts)}
        self._security = httpx.create_ssl_context()
        self._lines: dict[str, httpx.AsyncHTTPTransport] = {}

    async def send(self, call: Call, *, chain: str, headers: dict[str, str]) -> Answer:
        """Send one request over its chain's connections. Raises `LostError`."""
        line = self._lines.get(chain) or self._open(chain)
        try:
            response = await line.handle_async_request(self._request(call, headers))
            try:
                await response.aread()
            finally:
                await response.aclose()
        except (httpx.RequestError, OSError) as error:
            raise _lost(error) from None
        return _answer(response, headers)

    async def aclose(self) -> None:
        """Close every connection; a call under way ends as lost."""
        for line in self._lines.values():
            await line.aclose()

    def _request(self, call: Call, headers: dict[str, str]) -> httpx.Request:
        address = _address(f"{self._address}{call.path}")
        return httpx.Request(
            call.method,
            address.copy_merge_params(call.query) if call.query else address,
            headers={**_HEADERS, **headers, **(self._authorization if call.is_authorized else {})},
            content=call.content(),
            extensions=self._extensions,
        )

    @property
    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._account.api_key}"}

    def _open(self, chain: str) -> httpx.AsyncHTTPTransport:
        line = httpx.AsyncHTTPTransport(
            verify=self._security,
            limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=_KEPT_ALIVE_SECONDS),
            proxy=None if self._account.is_loopback else proxy_for(self._address),
        )
        self._lines[chain] = line
        return line


def proxy_for(address: str) -> str | None:
    """Return the proxy that the environment names for an address (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`)."""
    parts, proxies = urlsplit(address), getproxies()
    if proxy_bypass(parts.hostname or ""):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


@lru_cache(maxsize=100)
def _address(text: str) -> httpx.URL:
    """Return an address, read once: that costs as much as all else here, and few are used."""
    return httpx.URL(text)


def _timeouts(timeouts: Timeouts) -> dict[str, float]:
    return {
        "connect": timeouts.connect.total_seconds(),
        "read": timeouts.read.total_seconds(),
        "write": timeouts.write.total_seconds(),
        "pool": timeouts.pool.total_seconds(),
    }


def _answer(response: httpx.Response, sent: dict[str, str]) -> Answer:
    request_id = response.headers.get("X-Request-Id") or sent.get("X-Request-Id")
    return Answer(
        status=response.status_code,
        body=response.content,
        request_id=request_id[:_LONGEST_REQUEST_ID] if request_id else None,
        retry_after=response.headers.get("Retry-After"),
        link=response.headers.get("Link"),
    )


def _lost(error: httpx.RequestError | OSError) -> LostError:
    """Sort what httpx raises. Only what is raised before the request is written was surely not sent.

    The texts of protocol errors may quote a header, so only those of failed connections are kept.
    """
    match error:
        case httpx.ConnectTimeout():
            return LostError(ErrorType.TIMEOUT, Certainty.NOT_SENT, "no connection to Circle in time")
        case httpx.PoolTimeout():
            return LostError(ErrorType.TIMEOUT, Certainty.NOT_SENT, "no connection was free in time")
        case httpx.WriteTimeout():
            return LostError(
                ErrorType.TIMEOUT, Certainty.AMBIGUOUS, "Circle did not take the request in time"
            )
        case httpx.TimeoutException():
            return LostError(ErrorType.TIMEOUT, Certainty.AMBIGUOUS, "Circle did not answer in time")
        case httpx.ConnectError():
            return LostError(ErrorType.NETWORK, Certainty.NOT_SENT, f"no connection to Circle: {error}")
        case _:
            text = f"the connection broke before Circle's answer was whole ({type(error).__name__})"
            return LostError(ErrorType.NETWORK, Certainty.AMBIGUOUS, text)
