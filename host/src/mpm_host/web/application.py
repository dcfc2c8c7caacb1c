"""The web application: every route of the host in one place."""

from __future__ import annotations

import traceback
from pathlib import PurePath

import attrs
import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from mpm_host.web.api.all_operations import OPERATIONS
from mpm_host.web.api.door import ApiDoor
from mpm_host.web.api.pages import description_routes
from mpm_host.web.api.problems import ApiCode, ProblemError
from mpm_host.web.api.routes import PREFIX, api_routes, http_problem, problem_response
from mpm_host.web.callbacks import CallbackDoor, callback_route
from mpm_host.web.exact_response import exact_response
from mpm_host.web.operations import Operations, operations_routes

__all__ = ["Doors", "make_application"]

_LOG = structlog.get_logger(__name__)
_FRAMES = 6  # the innermost ones, of the log line about a bug


@attrs.frozen(kw_only=True)
class Doors:
    """Who answers whom.

    Attributes:
        callbacks: answers telecoms.
        api: answers integrators.
        operations: answers those who look after the process.
    """

    callbacks: CallbackDoor
    api: ApiDoor
    operations: Operations


def make_application(doors: Doors, *, public_url: str) -> Litestar:
    """Wire the routes.

    Args:
        doors: what they lead to.
        public_url: where callers reach this host.
    """
    return Litestar(
        route_handlers=[
            callback_route(doors.callbacks),
            *operations_routes(doors.operations),
            *api_routes(doors.api, OPERATIONS),
            *description_routes(OPERATIONS, public_url),
        ],
        exception_handlers={HTTPException: _refuse, Exception: _fail},
        openapi_config=None,
        logging_config=None,
    )


def _refuse(request: Request[object, object, State], error: HTTPException) -> Response[bytes]:
    """Answer what the framework itself refuses: the API as a problem, anything else in a line."""
    if request.url.path.startswith(PREFIX):
        return http_problem(error)
    return exact_response(
        f"{error.detail}\n".encode(),
        content_type="text/plain; charset=utf-8",
        status=error.status_code,
        headers=error.headers,
    )


def _fail(request: Request[object, object, State], error: Exception) -> Response[bytes]:
    """Answer when a bug of ours came up to here; what it was is logged without its values.

    The text of an error may hold a secret or somebody's data: only its kind and place are kept.
    """
    places = [
        f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    ]
    _LOG.error(
        "request_failed",
        method=request.method,
        route=request.scope.get("path_template", ""),
        error=type(error).__name__,
        places=places,
    )
    if request.url.path.startswith(PREFIX):
        return problem_response(
            ProblemError(
                code=ApiCode.INTERNAL_ERROR,
                detail="This is a mistake of ours, and it was logged. Whether anything was changed "
                "is not known: look before you send it again.",
            )
        )
    return exact_response(
        b"A mistake of ours; it was logged.\n", content_type="text/plain; charset=utf-8", status=500
    )
