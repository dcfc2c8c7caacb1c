"""Routes: the operations as litestar sees them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import cast

from litestar import Request, Response, route
from litestar.concurrency import sync_to_thread
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from litestar.types import Method as LitestarMethod

from mpm_host.web.api.door import ApiDoor, Incoming, Outgoing, problem_answer
from mpm_host.web.api.operation import Operation
from mpm_host.web.api.problems import ApiCode, ProblemError
from mpm_host.web.api.reading import BODY_LIMIT, FILE_LIMIT

__all__ = ["PREFIX", "api_routes", "http_problem", "problem_response"]

PREFIX = "/api/v1"
HttpRequest = Request[object, object, State]
HttpResponse = Response[bytes] | Stream
_SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def api_routes(door: ApiDoor, operations: Iterable[Operation]) -> list[HTTPRouteHandler]:
    """Return one handler per path."""
    by_path: dict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in operations:
        by_path[operation.path][operation.method.value] = operation
    return [_route(door, path, methods) for path, methods in by_path.items()]


def _route(door: ApiDoor, path: str, operations: Mapping[str, Operation]) -> HTTPRouteHandler:
    async def handle(request: HttpRequest) -> HttpResponse:
        operation = operations[request.method]
        limit = BODY_LIMIT if operation.takes is None else FILE_LIMIT
        try:
            content = await _read(request, limit)
        except ProblemError as error:
            return _response(problem_answer(error))
        incoming = Incoming(
            path={name: str(value) for name, value in request.path_params.items()},
            query=tuple(request.query_params.multi_items()),
            headers=dict(request.headers.items()),
            content=content,
            source=door.source_of(request),
        )
        return _response(await sync_to_thread(door.answer, operation, incoming))

    return route(
        PREFIX + re.sub(r"\{(\w+)\}", r"{\1:str}", path),
        http_method=cast("list[LitestarMethod]", sorted(operations)),
        include_in_schema=False,
        status_code=200,
    )(handle)


async def _read(request: HttpRequest, limit: int) -> bytes:
    """Read at most the limit, also when the header lies about the length."""
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if not (declared.isdecimal() and int(declared) > limit):
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                break
        else:
            return bytes(body)
    raise ProblemError(
        code=ApiCode.BODY_TOO_LARGE, detail=f"The body is larger than {limit // 1024} KiB."
    )


def _response(outgoing: Outgoing) -> HttpResponse:
    headers = {**_SAFE, **outgoing.headers}
    if isinstance(outgoing.content, bytes):
        return Response(
            content=outgoing.content,
            status_code=outgoing.status,
            media_type=outgoing.media_type,
            headers=headers,
        )
    return Stream(
        outgoing.content,
        status_code=outgoing.status,
        media_type=outgoing.media_type,
        headers=headers,
    )


def http_problem(error: HTTPException) -> Response[bytes]:
    """Answer what the framework refuses itself: an unknown path or another method."""
    if error.status_code == 405:  # noqa: PLR2004 - method not allowed
        problem = ProblemError(
            code=ApiCode.METHOD_NOT_ALLOWED, detail="This path does not take this method."
        )
    else:
        problem = ProblemError(code=ApiCode.UNKNOWN_PATH, detail="There is nothing at this path.")
    return problem_response(problem, error.headers)


def problem_response(
    problem: ProblemError, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Answer with a problem that no operation raised."""
    outgoing = problem_answer(problem)
    return Response(
        content=outgoing.content if isinstance(outgoing.content, bytes) else b"",
        status_code=outgoing.status,
        media_type=outgoing.media_type,
        headers={**_SAFE, **(headers or {})},
    )
