"""Who calls: the last hop that is not one of our own proxies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from litestar.connection import ASGIConnection

__all__ = ["Address", "Caller", "Network", "caller_of", "is_forwarded", "is_within"]

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
Caller = ASGIConnection[Any, Any, Any, Any]  # a request, or what there is before one is made


def caller_of(request: Caller, trusted_proxies: Sequence[Network]) -> Address | None:
    """Return the caller's address; nothing if it has none.

    Args:
        request: as it came.
        trusted_proxies: whose word about the caller's address counts.
    """
    source = _parsed(request.client.host if request.client else "")
    forwarded = request.headers.get("x-forwarded-for", "").split(",")
    while source is not None and is_within(source, trusted_proxies) and forwarded:
        hop = _parsed(forwarded.pop().strip())
        if hop is None:
            break
        source = hop
    return source


def is_forwarded(request: Caller) -> bool:
    """Tell whether a proxy says that it asks for somebody else."""
    return "x-forwarded-for" in request.headers or "forwarded" in request.headers


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    """Tell whether an address belongs to one of some networks."""
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=1024)  # telecoms call from few addresses, and proxies are fewer
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
