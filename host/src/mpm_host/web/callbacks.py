"""Callbacks: the door telecoms come in by.

Order of checks: size, callback key, caller's address; only then is the plugin asked. Everything
after that is answered in the protocol's own words.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import structlog
from litestar import Request, Response, route
from litestar.datastructures import State
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from mpm_core import InboundCall, Reply
from mpm_host.directory import Directory, InstanceRecord, InstanceState
from mpm_host.payments.payment_desk import PaymentDesk
from mpm_host.web.addresses import Address, Network, caller_of, is_within
from mpm_host.web.exact_response import exact_response

__all__ = ["BODY_LIMIT", "CallbackDoor", "callback_route"]

BODY_LIMIT = 64 * 1024
_LOG = structlog.get_logger(__name__)


class TooLargeError(Exception):
    """The body is larger than any protocol's messages."""


class CallbackDoor:
    """Turns HTTP requests into calls for the desk.

    Args:
        desk: answers them.
        directory: returns the instances as they are now.
        trusted_proxies: whose word about the caller's address counts.
    """

    def __init__(
        self,
        *,
        desk: PaymentDesk,
        directory: Callable[[], Directory],
        trusted_proxies: tuple[Network, ...],
    ) -> None:
        self._desk = desk
        self._directory = directory
        self._trusted_proxies = trusted_proxies

    async def answer(self, request: Request[object, object, State], key: str, path: str) -> Reply:
        """Answer one callback."""
        try:
            body = await _read_body(request)
        except TooLargeError:
            return _plain(413, "The body is larger than 64 KiB.")
        instance = self._directory().by_callback_key.get(key)
        if instance is None or instance.state in {
            InstanceState.REMOVED,
            InstanceState.UNCONFIGURED,
        }:
            return _plain(404, "No such callback.")
        source = caller_of(request, self._trusted_proxies)
        if not _is_allowed(source, instance):
            _LOG.warning("foreign_address", instance=instance.name, source=str(source))
            return _plain(403, "This address may not call here.")
        call = InboundCall(
            method=request.method,
            path=path.strip("/"),
            headers=dict(request.headers.items()),
            body=body,
            source=str(source) if source else "",
        )
        return await self._desk.answer(instance, call, secrets.token_hex(8))


def callback_route(door: CallbackDoor) -> HTTPRouteHandler:
    """Return the route of all callbacks; any method, any content type."""

    @route(
        "/callbacks/{key:str}/{path:path}",
        http_method=[HttpMethod.POST, HttpMethod.GET, HttpMethod.PUT],
        include_in_schema=False,
        status_code=200,
    )
    async def callbacks(
        request: Request[object, object, State], key: FromPath[str], path: FromPath[str]
    ) -> Response[bytes]:
        reply = await door.answer(request, key, path)
        return exact_response(reply.body, content_type=reply.content_type, status=reply.status)

    return callbacks


async def _read_body(request: Request[object, object, State]) -> bytes:
    """Read at most the limit, also when the header lies about the length."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > BODY_LIMIT:
        raise TooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise TooLargeError
    return bytes(body)


def _is_allowed(source: Address | None, instance: InstanceRecord) -> bool:
    if not instance.allowed_addresses:
        return True
    return is_within(source, instance.allowed_addresses)


def _plain(status: int, text: str) -> Reply:
    return Reply(status=status, content_type="text/plain; charset=utf-8", body=f"{text}\n".encode())
