"""Whether an address is a server of the studio's own, which takes no money for a request."""

import ipaddress
from urllib.parse import urlsplit

_DOMAINS = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
"""Endings of names that exist within one network only."""


def is_own(url: str) -> bool:
    """Whether the address says by itself that it is this machine or one's own network: nothing is looked up.

    A name without a dot is one of a container or a machine beside this one.
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_DOMAINS))
    return address.is_private or address.is_loopback or address.is_link_local
