"""The web server: uvicorn, in the foreground for `mpm serve` or in a thread for the demo."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from litestar import Litestar

from mpm_core import UserError
from mpm_host.web.punctual import PunctualProtocol

__all__ = ["bound_socket", "run", "running"]

_START_SECONDS = 20.0
_DRAIN_SECONDS = 20.0
# A connection nobody uses is closed by the caller first, whose pool mostly gives it up by 60 s: a
# call that comes while we close it is lost.
_KEPT_SECONDS = 75
_BACKLOG = 2048
_PORT_PROBLEMS = {errno.EADDRINUSE, errno.EACCES}  # anything else is about the address


def bound_socket(host: str, port: int) -> socket.socket:
    """Take the address before anything else is started.

    Raises:
        UserError: somebody else has it.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(_BACKLOG)  # who calls before the server is up waits instead of being refused
    except OSError as error:
        bound.close()
        option = "--port" if error.errno in _PORT_PROBLEMS else "--host"
        raise UserError(
            f"Cannot listen on {host} port {port}: {error.strerror}; choose another with {option}."
        ) from error
    return bound


def run(
    application: Litestar,
    listening: socket.socket,
    *,
    drain: float = _DRAIN_SECONDS,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM, then finish the calls in flight and return.

    Args:
        application: answers.
        listening: where callers come in; none do once the end has begun.
        drain: seconds the calls in flight may take.
        on_stop: called as soon as the end begins, in a thread of its own.
    """
    # The server raises the signal again when it has ended: by then it has had its effect.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    _server(application, drain=drain, on_stop=on_stop).run(sockets=[listening])


@contextlib.contextmanager
def running(application: Litestar, listening: socket.socket) -> Iterator[str]:
    """Serve in a thread while the block runs; yields the base URL."""
    server = _server(application)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="web", daemon=True
    )
    thread.start()
    try:
        _wait_until_started(server, thread)
        host, port = listening.getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """A server that tells others when its end begins."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the signal; in a thread, for it may interrupt whoever holds a lock others need."""
        threading.Thread(target=self._on_stop, name="stopping").start()
        super().handle_exit(sig, frame)


def _server(
    application: Litestar,
    *,
    drain: float = _DRAIN_SECONDS,
    on_stop: Callable[[], None] = lambda: None,
) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            application,
            http=PunctualProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whose word counts is `trusted_proxies`, read by the callbacks
            timeout_graceful_shutdown=round(drain),
            timeout_keep_alive=_KEPT_SECONDS,
            lifespan="off",
        ),
        on_stop,
    )


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError("The web server did not start.")
        time.sleep(0.01)
