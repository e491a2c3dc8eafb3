"""Asking a daemon that runs, over its admin API."""

import json
from collections.abc import Mapping
from http.client import HTTPException
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.settings import StoreSettings
from wallet_provisioning.settings.forms import secret, web_address

_PATIENCE = 5.0
_REFUSALS = frozenset({401, 403})


class Admin:
    """The admin API of one daemon. Each call blocks for up to five seconds.

    Raises `CommandError`: unreachable where no daemon answers, wrong where it does not take the token.
    """

    def __init__(self, url: str, token: str | None) -> None:
        """Name the daemon's address, as it prints it when it starts."""
        try:
            self._url = web_address(url)
        except ValueError as error:
            raise CommandError(ExitCode.WRONG, f"{url} is no URL such as http://127.0.0.1:8080") from error
        self._headers = {} if token is None else {"Authorization": f"Bearer {_sound(token)}"}

    def get_list(self, path: str) -> dict[str, Any]:
        """Return what the daemon answers: an object that has `items`."""
        answer = self._get(path)
        if isinstance(answer, dict) and isinstance(answer.get("items"), list):
            return answer
        what = "something else"
        raise self._strange(what)

    def _get(self, path: str) -> object:
        request = Request(self._url + path, headers=self._headers)  # noqa: S310 - its scheme was looked at
        try:
            with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - so was this
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise self._refused(error.code) from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            line = f"no daemon answers at {self._url} ({reason}); is one running there? --url names another"
            raise CommandError(ExitCode.UNREACHABLE, line) from error

    def _refused(self, status: int) -> CommandError:
        if status in _REFUSALS:
            line = f"{self._url} does not take the token; give --token, ADMIN_READ_TOKEN or ADMIN_TOKEN"
            return CommandError(ExitCode.WRONG, line)
        return self._strange(f"HTTP {status}")

    def _strange(self, what: str) -> CommandError:
        line = f"{self._url} answers with {what}; is it a daemon of this version? --url names another"
        return CommandError(ExitCode.UNREACHABLE, line)


def url_of(environ: Mapping[str, str]) -> str:
    """Return where a daemon with these settings serves; raises `SettingsError`."""
    settings = StoreSettings.load(environ)
    return f"http://{_reachable(settings.admin_host)}:{settings.admin_port}"


def token_of(environ: Mapping[str, str]) -> str | None:
    """Return the token that the environment holds; reading is all that is wanted."""
    return environ.get("ADMIN_READ_TOKEN") or environ.get("ADMIN_TOKEN") or None


def _sound(token: str) -> str:
    """Return a token that a header can carry; raises `CommandError`."""
    try:
        return secret(token).get_secret_value()
    except ValueError as error:
        raise CommandError(ExitCode.WRONG, f"the token {error}") from error


def _reachable(host: str) -> str:
    """Return a host that can be connected to, for one that may only be bound."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return "[::1]" if address.is_unspecified else f"[{host}]"
    return "127.0.0.1" if address.is_unspecified else host
