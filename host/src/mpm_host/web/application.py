"""The web application: every route of the host in one place."""

from __future__ import annotations

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from mpm_host.web.api.all_operations import OPERATIONS
from mpm_host.web.api.door import ApiDoor
from mpm_host.web.api.pages import description_routes
from mpm_host.web.api.routes import PREFIX, api_routes, http_problem
from mpm_host.web.callbacks import CallbackDoor, callback_route
from mpm_host.web.exact_response import exact_response
from mpm_host.web.operations import Operations, operations_routes

__all__ = ["make_application"]


def make_application(
    *, door: CallbackDoor, api: ApiDoor, operations: Operations, public_url: str
) -> Litestar:
    """Wire the routes.

    Args:
        door: answers telecoms.
        api: answers integrators.
        operations: answers those who look after the process.
        public_url: where callers reach this host.
    """
    return Litestar(
        route_handlers=[
            callback_route(door),
            *operations_routes(operations),
            *api_routes(api, OPERATIONS),
            *description_routes(OPERATIONS, public_url),
        ],
        exception_handlers={HTTPException: _refuse},
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
