"""Every answer says once what it is: a telecom compares what it gets byte for byte."""

from __future__ import annotations

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from mpm_core import Reply
from mpm_host.web.callbacks import callback_route

_PLAIN = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "status", "content_type"),
    [
        pytest.param("GET", "/docs", 200, "text/html; charset=utf-8", id="docs"),
        pytest.param("GET", "/openapi.json", 200, "application/json", id="description"),
        pytest.param("GET", "/metrics", 403, _PLAIN, id="metrics, from elsewhere"),
        pytest.param("GET", "/healthz", 200, "application/json", id="alive"),
        pytest.param("GET", "/nowhere", 404, _PLAIN, id="nothing there"),
        pytest.param("DELETE", "/docs", 405, _PLAIN, id="another method"),
        pytest.param("POST", "/callbacks/none/c2b/process", 404, _PLAIN, id="unknown callback"),
        pytest.param("POST", "/callbacks/none", 404, _PLAIN, id="no callback"),
        pytest.param("DELETE", "/callbacks/none/c2b", 405, _PLAIN, id="another method, callback"),
        pytest.param(
            "GET", "/api/v1/nowhere", 404, "application/problem+json", id="nothing there, API"
        ),
        pytest.param(
            "PUT", "/api/v1/customers", 405, "application/problem+json", id="another method, API"
        ),
    ],
)
def test_an_answer_says_its_type_once(installation, method, path, status, content_type):
    answer = installation.client.request(method, path)

    assert (answer.status_code, answer.headers.get_list("content-type")) == (status, [content_type])


class Door:
    """Answers every callback as it was told to."""

    def __init__(self, reply):
        self.reply = reply

    async def answer(self, _scope, _receive, _key, _path):
        return self.reply


@pytest.mark.parametrize(
    "content_type", ["text/xml", "text/plain; charset=ISO-8859-1", "application/json"]
)
def test_a_plugins_reply_keeps_its_content_type(content_type):
    reply = Reply(status=202, content_type=content_type, body=b"exactly this")
    application = Litestar(
        route_handlers=[callback_route(Door(reply))], openapi_config=None, logging_config=None
    )

    with TestClient(application) as client:
        answer = client.post("/callbacks/key/c2b/process")

    assert (answer.status_code, answer.headers.get_list("content-type"), answer.content) == (
        202,
        [content_type],
        b"exactly this",
    )
