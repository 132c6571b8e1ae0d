"""Fetching what a provider says lies elsewhere: from few hosts, never from an address within one's own network.

Nothing that a person or a card names is ever fetched; this is for the addresses in providers' answers alone.
"""

import ipaddress
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx2

from studio.providers.errors import ProviderBrokenError, ProviderError
from studio.providers.images import refusals
from studio.providers.images.speaking import meaning

MOST_BYTES = 20_000_000
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Given up, but still of one's own network where somebody uses them: site-local, relays of 6to4, NAT64 of one's own.
_CLOSED = tuple(map(ipaddress.ip_network, ("fec0::/10", "192.88.99.0/24", "64:ff9b:1::/48")))
_PORTS = {"http": 80, "https": 443}
_GONE = frozenset({401, 403, 404, 410})

Resolve = Callable[[str, int], Collection[str]]
"""The addresses of a host; asked once for each fetch."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a server."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin | None:
    """The origin of a web address; None for what is none, or names a person in it."""
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return Origin(parts.scheme, parts.hostname.lower().rstrip("."), port or _PORTS[parts.scheme])


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open Internet, whatever it is wrapped in.

    An IPv4 address within an IPv6 one (mapped, 6to4, Teredo, NAT64) is what counts.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if any(found in network for network in _CLOSED):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def resolve(host: str, port: int) -> Collection[str]:
    """The host's addresses by the system's own resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(
    url: str,
    *,
    home: Origin | None,
    hosts: Collection[str],
    timeout: float,
    resolver: Resolve = resolve,
) -> bytes:
    """The bytes at `url`, at most 20 MB, without following redirects.

    `home` is the provider itself, as the operator set it: its own origin may lie anywhere. Every other address must be
    https, of one of `hosts`, and its host is resolved once: the address that was looked at is the one that is asked.
    Raises ProviderError.
    """
    origin = origin_of(url)
    if origin is None:
        raise refusals.strange()
    if origin != home:
        if origin.scheme != "https" or origin.host not in hosts:
            raise ProviderBrokenError(
                "The provider's picture lies at %(host)s, from where the studio fetches nothing. If that is right, add "
                "it to STUDIO_IMAGES_RESULT_HOSTS.",
                host=origin.host[:100],
            )
        addresses = _addresses(origin, resolver)
        if not addresses or not all(map(is_public, addresses)):
            raise ProviderBrokenError(
                "The provider's picture lies at an address within a private network; it is not fetched."
            )
        return _get(url, origin, next(iter(addresses)), timeout=timeout)
    return _get(url, origin, None, timeout=timeout)


def _addresses(origin: Origin, resolver: Resolve) -> Collection[str]:
    try:
        return resolver(origin.host, origin.port)
    except (OSError, UnicodeError):
        raise refusals.unreachable() from None


def _get(url: str, origin: Origin, address: str | None, *, timeout: float) -> bytes:
    asked, headers, extensions = httpx2.URL(url), {}, {}
    if address is not None:
        # The very address that was looked at; the name goes into the header and into TLS, where it is checked.
        headers = {"Host": origin.host if origin.port == _PORTS[origin.scheme] else f"{origin.host}:{origin.port}"}
        extensions = {"sni_hostname": origin.host}
        asked = asked.copy_with(host=address)
    found = _answer(asked, headers, extensions, timeout=timeout)
    if isinstance(found, ProviderError):
        raise found
    return found


def _answer(
    url: httpx2.URL, headers: dict[str, str], extensions: dict[str, str], *, timeout: float
) -> bytes | ProviderError:
    """Errors are returned and raised by the caller, so that no address with its signature hangs on their chain."""
    held = bytearray()
    try:
        with (
            httpx2.Client(trust_env=False, follow_redirects=False, timeout=timeout) as client,
            client.stream("GET", url, headers=headers, extensions=extensions) as answer,
        ):
            if answer.status_code in _GONE:
                return ProviderBrokenError(
                    "The picture was made, but the provider's address for it has expired. Ask for it again."
                )
            if answer.status_code != httpx2.codes.OK:
                return ProviderBrokenError(
                    "The picture was made, but the provider does not hand it out (HTTP %(status)s).",
                    status=answer.status_code,
                )
            for piece in answer.iter_bytes():
                held += piece
                if len(held) > MOST_BYTES:
                    return ProviderBrokenError("The provider's picture has more than 20 MB; it was not fetched.")
    except (httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
        return meaning(error)
    return bytes(held)
