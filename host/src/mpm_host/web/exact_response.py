"""Responses whose content type is, byte for byte, what was asked for.

The framework adds `; charset=utf-8` to every media type of text, also to one that says it already.
Telecoms compare what they get, so nothing may be added.
"""

from __future__ import annotations

from collections.abc import Mapping

from litestar import Response

__all__ = ["exact_response"]


def exact_response(
    content: bytes,
    *,
    content_type: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """Return a response with this content type and no other."""
    return Response(
        content=content,
        status_code=status,
        headers={**(headers or {}), "content-type": content_type},
    )
