"""Which network addresses a plugin may reach, and looking names up within a time limit."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence

__all__ = ["Resolver", "is_public_address", "look_up", "system_resolver"]

Resolver = Callable[[str, int], Sequence[str]]
"""Takes a host name and a port, returns addresses as text; raises `OSError` when there are none."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
_CLOUD_SERVICES = frozenset({ipaddress.ip_address("168.63.129.16")})  # public, yet Azure's own host


def is_public_address(text: str) -> bool:
    """Tell whether an address is on the public internet.

    Private, loopback, link-local, shared, metadata, multicast and reserved ranges are not, also
    where they hide inside an IPv6 form of an IPv4 address.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        embedded = _embedded_addresses(address)
        if embedded:
            return all(is_public_address(str(inner)) for inner in embedded)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and address not in _CLOUD_SERVICES


def _embedded_addresses(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address.sixtofour:
        return (address.sixtofour,)
    if address.teredo:
        return address.teredo
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    return ()


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def look_up(resolver: Resolver, host: str, port: int, *, seconds: float) -> Sequence[str]:
    """Look a name up, giving up after some seconds: the system's resolver has no time limit.

    Raises:
        TimeoutError: no answer in time; the look-up is left behind in a daemon thread.
        OSError: the name has no address.
    """
    if _is_address(host):
        return (host,)
    answers: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(resolver(host, port))
        except (OSError, UnicodeError) as error:  # UnicodeError: a label no DNS name can have
            answers.put(OSError(str(error)))

    threading.Thread(target=work, name=f"look-up-{host}", daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
