"""The route of callbacks as a web server calls it: bodies in pieces, and callers that go away."""

from __future__ import annotations

import asyncio

import pytest
from litestar import Litestar

from mpm_core import Reply
from mpm_host.directory import Directory, InstanceRecord, InstanceState
from mpm_host.web.callbacks import BODY_LIMIT, CallbackDoor, callback_route


class Desk:
    """Repeats what it is asked."""

    async def answer(self, _instance, call, _correlation_id):
        return Reply(status=200, content_type="text/xml", body=call.body)


INSTANCE = InstanceRecord(
    id="i",
    company_id="c",
    name="telecom",
    plugin="telecom",
    state=InstanceState.ENABLED,
    callback_key="key",
    managed=False,
)


def _ask(events, headers):
    """Return what the application sends when it receives these events."""
    directory = Directory(instances={"i": INSTANCE}, companies={})
    door = CallbackDoor(desk=Desk(), directory=lambda: directory, trusted_proxies=())
    application = Litestar(
        route_handlers=[callback_route(door)], openapi_config=None, logging_config=None
    )
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/callbacks/key/c2b/process",
        "raw_path": b"/callbacks/key/c2b/process",
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
        "client": ("192.0.2.7", 1234),
        "server": ("192.0.2.1", 80),
        "extensions": {},
    }
    received, sent = iter(events), []

    async def receive():
        return next(received)

    async def send(event):
        sent.append(event)

    asyncio.run(application(scope, receive, send))
    return sent


def _piece(body, *, more):
    return {"type": "http.request", "body": body, "more_body": more}


def _answer(status, content_type, body):
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
        ],
    }
    return [start, {"type": "http.response.body", "body": body, "more_body": False}]


_TOO_LARGE = _answer(413, b"text/plain; charset=utf-8", b"The body is larger than 64 KiB.\n")
_LIMIT = str(BODY_LIMIT).encode()
_BEYOND = str(BODY_LIMIT + 1).encode()


@pytest.mark.parametrize(
    ("events", "headers", "answer"),
    [
        pytest.param(
            [_piece(b"<a", more=True), _piece(b"", more=True), _piece(b"/>", more=False)],
            [],
            _answer(200, b"text/xml", b"<a/>"),
            id="in pieces",
        ),
        pytest.param(
            [_piece(b"x" * BODY_LIMIT, more=False)],
            [(b"content-length", _LIMIT)],
            _answer(200, b"text/xml", b"x" * BODY_LIMIT),
            id="as large as may be",
        ),
        pytest.param([], [(b"content-length", _BEYOND)], _TOO_LARGE, id="says it is too large"),
        pytest.param(
            [_piece(b"x" * BODY_LIMIT, more=True), _piece(b"x", more=True)],
            [(b"content-length", b"5")],
            _TOO_LARGE,
            id="larger than it says",
        ),
        pytest.param(
            [_piece(b"<a", more=True), {"type": "http.disconnect"}], [], [], id="goes away"
        ),
    ],
)
def test_a_body_is_read_to_its_end_or_limit(events, headers, answer):
    assert _ask(events, headers) == answer
