"""Whether an address stays on this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own and no other's."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
