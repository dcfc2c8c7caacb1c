"""The web application: every route of the host in one place."""

from __future__ import annotations

from litestar import Litestar
from sqlalchemy.engine import Engine

from mpm_host.web.callbacks import CallbackDoor, callback_route
from mpm_host.web.operations import healthz, readyz_route

__all__ = ["make_application"]


def make_application(*, door: CallbackDoor, engine: Engine) -> Litestar:
    """Wire the routes.

    Args:
        door: answers telecoms.
        engine: tells whether the database is there.
    """
    return Litestar(
        route_handlers=[callback_route(door), healthz, readyz_route(engine)],
        openapi_config=None,
        logging_config=None,
    )
