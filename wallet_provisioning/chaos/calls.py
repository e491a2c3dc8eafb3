"""Calls to the daemon's HTTP API, as any client makes them."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

_PATIENCE = timedelta(seconds=30)
_FIRST_REFUSAL = 400


class CallError(Exception):
    """A call to the daemon brought no good answer."""


class UnansweredError(CallError):
    """No answer came: the daemon is away, or was killed in the middle of the call."""


class RefusedError(CallError):
    """The daemon answered that it would not."""

    def __init__(self, status: int, text: str) -> None:
        """Take the HTTP status and the body."""
        super().__init__(f"HTTP {status}: {text}")
        self.status = status


class Api:
    """The few calls that chaos needs. Safe on any thread: each call has a connection of its own.

    Every method raises `UnansweredError` or `RefusedError`. `url` is asked for each time, since a
    daemon that was started again listens on another port.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        """Take who knows where the daemon is."""
        self._url = url

    def order(self, user_id: UUID, key: str) -> UUID:
        """Ask for a user's wallets; return the job."""
        body = self.call(
            "POST", "/api/v1/onboarding/jobs", {"user_id": str(user_id)}, {"Idempotency-Key": key}
        )
        return UUID(body["id"])

    def approve(self, user_id: UUID, reference: str) -> UUID:
        """Say that a user passed the KYC check; return the job."""
        told = {"status": "approved", "user_id": str(user_id)}
        body = self.call("POST", f"/api/v1/onboarding/kyc/callback/{reference}", told)
        return UUID(body["job"]["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job."""
        return self.call("GET", f"/api/v1/admin/jobs/{job_id}")

    def actors(self) -> list[dict[str, Any]]:
        """Return the tree."""
        items: list[dict[str, Any]] = self.call("GET", "/api/v1/admin/actors")["items"]
        return items

    def unfinished(self) -> int:
        """Return how many jobs have not ended."""
        return sum(self.call("GET", "/api/v1/admin/workers/metrics")["jobs_by_status"].values())

    def kill(self, path: str, *, is_hang: bool, reason: str) -> dict[str, Any]:
        """Kill an actor; return it as it was."""
        told = {"mode": "hang" if is_hang else "crash", "reason": reason}
        return self.call("POST", f"/api/v1/admin/actors/{quote(path, safe='')}/kill", told)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Make a call; return the object that was answered, empty where it was no JSON."""
        status, kind, content = self._exchange(method, path, body, headers or {})
        if status >= _FIRST_REFUSAL:
            raise RefusedError(status, content.decode(errors="replace"))
        is_json = kind.startswith("application/json")
        answer: dict[str, Any] = json.loads(content) if is_json else {}
        return answer

    def _exchange(
        self, method: str, path: str, body: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> tuple[int, str, bytes]:
        place = urlsplit(self._url())
        connection = HTTPConnection(place.hostname or "", place.port, timeout=_PATIENCE.total_seconds())
        told = {"Content-Type": "application/json", "Connection": "close", **headers}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), told)
            response = connection.getresponse()
            return response.status, response.headers.get("Content-Type", ""), response.read()
        except (OSError, HTTPException) as error:
            msg = f"{method} {path}: {type(error).__name__}: {error}"
            raise UnansweredError(msg) from error
        finally:
            connection.close()
