"""Callers must say what they want in time: one who trickles it would hold a connection for ever.

A request may take 5 s, headers and body together, and longer only as far as its body really comes
in: a second for every 16 KiB. Whoever is slower is told so (408) and the connection is closed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ["PunctualProtocol"]

_LOG = structlog.get_logger(__name__)
_TOO_SLOW = b"The request took too long to arrive.\n"
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(_TOO_SLOW), _TOO_SLOW)
)


class PunctualProtocol(HttpToolsProtocol):
    """The web server's protocol with an end to its patience.

    Attributes:
        patience: seconds a request may take to arrive.
        slowest: bytes of its body per second beyond that.
    """

    patience = 5.0
    slowest = 16 * 1024

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as uvicorn makes it
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._ends_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._begin_to_wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; the first bytes of a further request start its time."""
        if self._deadline is None and self._is_between_requests():
            self._begin_to_wait()
        super().data_received(data)

    def on_body(self, body: bytes) -> None:
        """Grant the time that this much may take."""
        self._ends_at += len(body) / self.slowest
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All is said: how long the answer takes is ours."""
        self._stop_waiting()
        super().on_message_complete()

    def _is_between_requests(self) -> bool:
        cycle = self._cycle()
        return cycle is None or cycle.response_complete or not cycle.more_body

    def _cycle(self) -> RequestResponseCycle | None:
        """Return the request in hand; there is none before the first, whatever its type says."""
        return self.cycle

    def _begin_to_wait(self) -> None:
        self._ends_at = self.loop.time() + self.patience
        self._deadline = self.loop.call_at(self._ends_at, self._look)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look(self) -> None:
        if self.loop.time() < self._ends_at:  # its body came meanwhile
            self._deadline = self.loop.call_at(self._ends_at, self._look)
            return
        self._deadline = None
        if self.transport.is_closing():
            return
        _LOG.warning("caller_too_slow", source=self.client[0] if self.client else "")
        cycle = self._cycle()
        if cycle is None or not cycle.response_started:
            self.transport.write(_ANSWER)
        self.transport.close()
