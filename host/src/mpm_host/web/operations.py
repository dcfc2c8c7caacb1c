"""What operations ask: is the process alive, and can it take payments?"""

from __future__ import annotations

import sqlalchemy as sa
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from sqlalchemy.engine import Engine

__all__ = ["healthz", "readyz_route"]


@get("/healthz", sync_to_thread=False)
def healthz() -> dict[str, str]:
    """Answer as long as the process runs."""
    return {"status": "alive"}


def readyz_route(engine: Engine) -> HTTPRouteHandler:
    """Return the route that tells whether payments can be booked now."""

    @get("/readyz", sync_to_thread=True)
    def readyz() -> Response[dict[str, str]]:
        """Answer 200 when the database answers, else 503."""
        try:
            with engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError:
            return Response({"status": "unavailable", "reason": "database"}, status_code=503)
        return Response({"status": "ready"})

    return readyz
