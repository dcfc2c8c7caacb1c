"""`/openapi.json` and `/docs`: the description for programs and for people, without any script."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from html import escape

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from mpm_host.web.api.description import describe_api
from mpm_host.web.api.operation import Operation
from mpm_host.web.api.routes import PREFIX
from mpm_host.web.exact_response import exact_response

__all__ = ["description_routes"]

_STYLE = (
    "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "td{vertical-align:top;padding:.2rem .8rem .2rem 0}code{white-space:nowrap}"
)


def description_routes(operations: Iterable[Operation], server: str) -> list[HTTPRouteHandler]:
    """Return the routes of the description; each is made once, when somebody first asks for it."""
    listed = tuple(operations)

    @functools.cache
    def document() -> bytes:
        return msgspec.json.encode(describe_api(listed, server))

    @functools.cache
    def page() -> bytes:
        return _page(listed).encode()

    @get("/openapi.json", sync_to_thread=False, include_in_schema=False)
    def openapi() -> Response[bytes]:
        """Answer the OpenAPI document."""
        return Response(content=document(), media_type="application/json")

    @get("/docs", sync_to_thread=False, include_in_schema=False)
    def docs() -> Response[bytes]:
        """Answer a page that lists the operations."""
        return exact_response(page(), content_type="text/html; charset=utf-8")

    return [openapi, docs]


def _page(operations: tuple[Operation, ...]) -> str:
    tags = dict.fromkeys(operation.tag for operation in operations)
    sections = "".join(_section(tag, operations) for tag in tags)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>mpm API</title>"
        f"<style>{_STYLE}</style><h1>mpm API</h1><p>The whole description, for programs too: "
        f'<a href="/openapi.json">openapi.json</a>.</p>{sections}</html>'
    )


def _section(tag: str, operations: tuple[Operation, ...]) -> str:
    rows = "".join(_row(each) for each in operations if each.tag == tag)
    return f"<h2>{escape(tag)}</h2><table>{rows}</table>"


def _row(operation: Operation) -> str:
    needs = operation.permission.value if operation.permission else ""
    return (
        f"<tr><td><code>{operation.method.value} {escape(PREFIX + operation.path)}</code></td>"
        f"<td>{escape(operation.summary)}</td><td><code>{escape(needs)}</code></td></tr>"
    )
