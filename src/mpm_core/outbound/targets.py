"""URLs taken apart and checked, once: what is checked is what is connected to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import attrs

__all__ = ["HOST_NAME", "Target", "allowed_origins", "take_apart"]

HOST_NAME = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_LONG_NUMBER = re.compile(r"[0-9]{7,}")
_LONGEST_PATH_SHOWN = 80


@attrs.frozen(kw_only=True)
class Target:
    """A URL taken apart once: what is checked is what is connected to."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = attrs.field(repr=False)

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def request_target(self) -> str:
        """Path and query as they go on the wire."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def shown(self) -> str:
        """Host and path for messages, without query, userinfo or whole phone numbers."""
        path = _LONG_NUMBER.sub(lambda digits: f"…{digits[0][-2:]}", self.path)
        return f"{self.authority}{path[:_LONGEST_PATH_SHOWN]}"


def allowed_origins(entry: str) -> tuple[tuple[str, str, int], ...]:
    """Return scheme, host and port of an allow-list entry, for each scheme it allows.

    Raises:
        ValueError: it is neither an origin nor `host:port`.
    """
    if "://" in entry:
        target = take_apart(entry, {})
        return ((target.scheme, target.host, target.port),)
    origins = tuple(take_apart(f"{scheme}://{entry}", {}) for scheme in ("http", "https"))
    if origins[0].port != origins[1].port:
        raise ValueError(f"{entry!r} needs a scheme or a port, such as https://{entry}.")
    return tuple((origin.scheme, origin.host, origin.port) for origin in origins)


def take_apart(url: str, params: Mapping[str, str]) -> Target:
    """Take an absolute URL apart and append parameters to its query.

    Raises:
        ValueError: it is not one we call; the message is a clause without anything of the URL.
    """
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise ValueError("the URL holds blanks or characters that must be escaped")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"the URL's scheme is {parts.scheme[:20]!r}, not https")
    if "@" in parts.netloc:
        raise ValueError("the URL holds a user name; give credentials as a header")
    host = (parts.hostname or "").removesuffix(".")
    if not HOST_NAME.fullmatch(host):
        raise ValueError("the URL has no readable host name")
    try:
        port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:  # its own text repeats what stands where the port should
        raise ValueError("the URL's port is not a number up to 65535") from None
    query = "&".join(piece for piece in (parts.query, urlencode(params)) if piece)
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=parts.path or "/",
        query=query,
    )
