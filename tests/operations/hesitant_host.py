"""A host that takes all work there is in hand and begins only the first orders.

What it took and did not begin is where a busy host's work is when it dies: claimed in the engine,
marked in its row, and nobody asked.
"""

from __future__ import annotations

import threading

from mpm_host.host import Host
from mpm_host.orders.order_store import OrderRecord
from mpm_host.services import Services

__all__ = ["BEGUN", "begin_few"]

BEGUN = 2


def begin_few(services: Services, _host: Host) -> None:
    """Let a host begin so many orders and never come to the others it took."""
    orders = services.orders
    attempt = orders._attempt
    may_begin = threading.Semaphore(BEGUN)

    def attempt_or_wait(order: OrderRecord) -> None:
        may_begin.acquire()
        attempt(order)

    orders._attempt = attempt_or_wait  # type: ignore[method-assign]  # the point
