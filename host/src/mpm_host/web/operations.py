"""What operations ask: is the process alive, can it do its work, and what does it count?"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

import attrs
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from mpm_core import Secret
from mpm_host.monitoring.metrics import CONTENT_TYPE
from mpm_host.monitoring.readiness import Problem
from mpm_host.web.addresses import Network, caller_of, is_forwarded, is_within
from mpm_host.web.exact_response import exact_response

__all__ = ["MetricsAccess", "Operations", "operations_application", "operations_routes"]

_PLAIN = "text/plain; charset=utf-8"


@attrs.frozen(kw_only=True)
class MetricsAccess:
    """Who may read the metrics.

    Attributes:
        token: what a reader must bring; without one, addresses decide.
        addresses: from where it may be read without a token.
        trusted_proxies: whose word about the reader's address counts.
    """

    token: Secret | None
    addresses: Sequence[Network]
    trusted_proxies: Sequence[Network]

    def refusal(self, request: Request[object, object, State]) -> Response[bytes] | None:
        """Return what somebody is told who may not read them."""
        if self.token is not None:
            given = request.headers.get("authorization", "").encode()
            expected = f"Bearer {self.token.reveal()}".encode()
            return None if hmac.compare_digest(given, expected) else _ASK_FOR_TOKEN
        caller = caller_of(request, self.trusted_proxies)
        # a proxy on this machine that nobody declared speaks for strangers
        hidden = is_forwarded(request) and not self._is_through_trusted(request)
        return None if is_within(caller, self.addresses) and not hidden else _FOREIGN

    def _is_through_trusted(self, request: Request[object, object, State]) -> bool:
        return caller_of(request, ()) != caller_of(request, self.trusted_proxies)


@attrs.frozen(kw_only=True)
class Operations:
    """What the answers are made of.

    Attributes:
        problems: returns what is in the way of this process.
        metrics: returns what it counts.
        access: who may read that.
    """

    problems: Callable[[], Sequence[Problem]]
    metrics: Callable[[], bytes]
    access: MetricsAccess


@get("/healthz", sync_to_thread=False)
def healthz() -> dict[str, str]:
    """Answer as long as the process runs."""
    return {"status": "alive"}


def operations_routes(operations: Operations) -> list[HTTPRouteHandler]:
    """Return the routes that operations ask."""
    return [healthz, _readyz_route(operations), _metrics_route(operations)]


def operations_application(operations: Operations) -> Litestar:
    """Return an application that answers operations and nobody else, for a worker."""
    return Litestar(
        route_handlers=operations_routes(operations), openapi_config=None, logging_config=None
    )


def _readyz_route(operations: Operations) -> HTTPRouteHandler:
    @get("/readyz", sync_to_thread=True)
    def readyz() -> Response[dict[str, object]]:
        """Answer 200 when this process can do its work, else 503 with every reason."""
        problems = operations.problems()
        if not problems:
            return Response({"status": "ready"})
        content: dict[str, object] = {
            "status": "unavailable",
            "reason": problems[0].code,
            "problems": [attrs.asdict(problem) for problem in problems],
        }
        return Response(content, status_code=503)

    return readyz


def _metrics_route(operations: Operations) -> HTTPRouteHandler:
    @get("/metrics", sync_to_thread=True)
    def metrics(request: Request[object, object, State]) -> Response[bytes]:
        """Answer what Prometheus reads, to those who may."""
        refusal = operations.access.refusal(request)
        if refusal is not None:
            return refusal
        return exact_response(operations.metrics(), content_type=CONTENT_TYPE)

    return metrics


_ASK_FOR_TOKEN = exact_response(
    b"Bring the token of [host] metrics_token.\n",
    content_type=_PLAIN,
    status=401,
    headers={"WWW-Authenticate": "Bearer"},
)
_FOREIGN = exact_response(
    b"The metrics may not be read from this address.\n", content_type=_PLAIN, status=403
)
