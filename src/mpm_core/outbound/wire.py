"""What passes between the outbound client and the network."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import attrs

from mpm_core.effects import EffectRecord
from mpm_core.outbound.addresses import Resolver

__all__ = ["ExchangeFailedError", "Line", "WireAnswer", "WireRequest"]


class ExchangeFailedError(Exception):
    """No usable answer; the text says what happened, without anything of the request.

    Args:
        what: a clause such as `the connection was refused`.
        forbidden: it was our own rule that stopped it, so settings must change.
    """

    def __init__(self, what: str, *, forbidden: bool = False) -> None:
        super().__init__(what)
        self.forbidden = forbidden


@attrs.frozen(kw_only=True)
class WireRequest:
    """A request, ready for the wire."""

    method: str
    scheme: str
    host: str
    port: int
    target: str = attrs.field(repr=False)
    headers: Sequence[tuple[str, str]] = attrs.field(repr=False)
    content: bytes | None = attrs.field(repr=False)
    effect: bool


@attrs.frozen(kw_only=True)
class WireAnswer:
    """What came back, decompressed; header names in lower case."""

    status: int
    headers: dict[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Line:
    """How to reach the other side.

    Attributes:
        record: the hook call's deadline and effect mark.
        connect_timeout: seconds for look-up, connection and TLS, if so much is left.
        size_cap: bytes of a body, before and after decompression.
    """

    record: EffectRecord
    resolver: Resolver
    tls: ssl.SSLContext | None
    allow_private_addresses: bool
    connect_timeout: float
    size_cap: int
