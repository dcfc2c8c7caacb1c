"""The web server: uvicorn, in the foreground for `mpm serve` or in a thread for the demo."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from litestar import Litestar

from mpm_core import UserError

__all__ = ["bound_socket", "run", "running"]

_START_SECONDS = 20.0
_DRAIN_SECONDS = 20
_BACKLOG = 2048


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
        raise UserError(
            f"Cannot listen on {host} port {port}: {error.strerror}; choose another with --port."
        ) from error
    return bound


def run(application: Litestar, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then finish the calls in flight."""
    _server(application).run(sockets=[listening])


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


def _server(application: Litestar) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whose word counts is `trusted_proxies`, read by the callbacks
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            lifespan="off",
        )
    )


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError("The web server did not start.")
        time.sleep(0.01)
