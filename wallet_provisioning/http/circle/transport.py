"""The wire: one httpx client for each chain, with few connections, since httpx slows with many.

It decides nothing. What went wrong on the way comes out as a `LostError`, which says whether
Circle may have seen the request.
"""

import httpx

from wallet_provisioning.http.circle.account import Account, Timeouts
from wallet_provisioning.http.circle.answers import Certainty
from wallet_provisioning.http.circle.protocol import Answer, Call
from wallet_provisioning.jobs.errors import ErrorType

CONNECTIONS = 5
_KEPT_ALIVE_SECONDS = 20
_LONGEST_REQUEST_ID = 100


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
        self._security = httpx.create_ssl_context()
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def send(self, call: Call, *, chain: str, headers: dict[str, str]) -> Answer:
        """Send one request over its chain's connections. Raises `LostError`."""
        client = self._clients.get(chain) or self._open(chain)
        if call.is_authorized:
            headers = {**headers, "Authorization": f"Bearer {self._account.api_key}"}
        try:
            response = await client.request(
                call.method, call.path, params=call.query, content=call.content(), headers=headers
            )
        except (httpx.RequestError, OSError) as error:
            raise _lost(error) from None
        return _answer(response, headers)

    async def aclose(self) -> None:
        """Close every connection; a call under way ends as lost."""
        for client in self._clients.values():
            await client.aclose()

    def _open(self, chain: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            base_url=self._account.base_url,
            verify=self._security,
            timeout=_timeout(self._account.timeouts),
            limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=_KEPT_ALIVE_SECONDS),
            trust_env=not self._account.is_loopback,
        )
        self._clients[chain] = client
        return client


def _timeout(timeouts: Timeouts) -> httpx.Timeout:
    return httpx.Timeout(
        connect=timeouts.connect.total_seconds(),
        read=timeouts.read.total_seconds(),
        write=timeouts.write.total_seconds(),
        pool=timeouts.pool.total_seconds(),
    )


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
