"""Binding the server's one socket, with errors that say what to change."""

import errno
import ipaddress
import socket

_BACKLOG = 1024


class CannotListenError(Exception):
    """The address can't be bound; set ADMIN_HOST and ADMIN_PORT to a free address of this machine."""


class PortTakenError(CannotListenError):
    """Another process listens there; stop it, or set ADMIN_PORT to a free port."""


class OpenToAllError(CannotListenError):
    """Without a token only loopback may be bound; set ADMIN_TOKEN or ADMIN_READ_TOKEN."""


def listen(host: str, port: int, *, has_tokens: bool) -> socket.socket:
    """Return a listening socket; port 0 takes any free one.

    A name is looked up, which may block. Raises the errors above.
    """
    family, address = _resolve(host, port)
    if not has_tokens and not ipaddress.ip_address(address).is_loopback:
        msg = f"{host} can be reached from elsewhere, so set ADMIN_TOKEN, or ADMIN_HOST to 127.0.0.1"
        raise OpenToAllError(msg)
    is_dual = address == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((address, port), family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual)
    except OSError as error:
        raise _explain(error, host, port) from error


def url_of(host: str, port: int) -> str:
    """Return the URL under which this machine reaches what is bound to an address."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        msg = f"ADMIN_HOST {host!r} isn't an address of this machine"
        raise CannotListenError(msg) from error
    family, _, _, _, address = min(found, key=lambda one: one[0] is not socket.AF_INET)
    return family, str(address[0]).partition("%")[0]


def _explain(error: OSError, host: str, port: int) -> CannotListenError:
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(f"{host}:{port} is taken by another process; set ADMIN_PORT to a free port")
    return CannotListenError(f"{host}:{port} can't be bound ({error.strerror}); change ADMIN_HOST")
