"""Callbacks: the door telecoms come in by.

Order of checks: size, callback key, caller's address; only then is the plugin asked. Everything
after that is answered in the protocol's own words.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import HTTPScope, Receive, Scope, Send

from mpm_core import InboundCall, Reply
from mpm_host.directory import Directory, InstanceRecord, InstanceState
from mpm_host.identifiers import new_identifier
from mpm_host.payments.payment_desk import PaymentDesk
from mpm_host.web.addresses import Address, Caller, Network, caller_of, is_within

__all__ = ["BODY_LIMIT", "CallbackDoor", "CallerGoneError", "callback_route"]

BODY_LIMIT = 64 * 1024
_METHODS = ("POST", "GET", "PUT")
_LOG = structlog.get_logger(__name__)


class _TooLargeError(Exception):
    """The body is larger than any protocol's messages."""


class CallerGoneError(Exception):
    """The caller went away before it had said everything."""


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

    async def answer(self, scope: HTTPScope, receive: Receive, key: str, path: str) -> Reply:
        """Answer one callback.

        Args:
            scope: its method, headers and address.
            receive: gives its body.
            key: of the callback.
            path: below the key.

        Raises:
            CallerGoneError: before the body was there.
        """
        caller = Caller(scope)
        try:
            body = await _read_body(caller.headers, receive)
        except _TooLargeError:
            return _plain(413, "The body is larger than 64 KiB.")
        instance = self._directory().by_callback_key.get(key)
        if instance is None or instance.state in {
            InstanceState.REMOVED,
            InstanceState.UNCONFIGURED,
        }:
            return _plain(404, "No such callback.")
        source = caller_of(caller, self._trusted_proxies)
        if not _is_allowed(source, instance):
            owner = self._directory().companies.get(instance.company_id)
            _LOG.warning(
                "foreign_address",
                company=owner.company.slug if owner else "",
                instance=instance.name,
                source=str(source),
            )
            return _plain(403, "This address may not call here.")
        call = InboundCall(
            method=scope["method"],
            path=path,
            headers=dict(caller.headers.items()),
            body=body,
            source=str(source) if source else "",
        )
        return await self._desk.answer(instance, call, new_identifier())


def callback_route(door: CallbackDoor) -> ASGIRouteHandler:
    """Return the route of all callbacks; any content type.

    It is mounted as it stands, without the framework's reading of parameters and making of
    responses, which would cost one payment in ten.
    """

    @asgi("/callbacks", is_mount=True, copy_scope=False)
    async def callbacks(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            raise NotFoundException
        if scope["method"] not in _METHODS:
            raise MethodNotAllowedException(headers={"allow": ", ".join(_METHODS)})
        key, _, path = scope["path"].strip("/").partition("/")
        if not path:
            raise NotFoundException
        try:
            reply = await door.answer(scope, receive, key, path)
        except CallerGoneError:
            return  # nothing was asked, and nobody listens
        await _send(reply, send)

    return callbacks


async def _send(reply: Reply, send: Send) -> None:
    """Send an answer whose content type is, byte for byte, the plugin's: telecoms compare it."""
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", reply.content_type.encode("latin-1")),
                (b"content-length", b"%d" % len(reply.body)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})


async def _read_body(headers: Headers, receive: Receive) -> bytes:
    """Read at most the limit, also when the header lies about the length."""
    declared = headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > BODY_LIMIT:
        raise _TooLargeError
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise CallerGoneError
        body += event["body"]
        if len(body) > BODY_LIMIT:
            raise _TooLargeError
        if not event["more_body"]:
            return bytes(body)


def _is_allowed(source: Address | None, instance: InstanceRecord) -> bool:
    if not instance.allowed_addresses:
        return True
    return is_within(source, instance.allowed_addresses)


def _plain(status: int, text: str) -> Reply:
    return Reply(status=status, content_type="text/plain; charset=utf-8", body=f"{text}\n".encode())
