"""`mpm worker`: background work only."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

import click

from mpm_host.commands.surroundings import opened_host
from mpm_host.crash_points import arm
from mpm_host.database.patience import SERVING
from mpm_host.logs import configure_logs
from mpm_host.plugins.broken_plugins import warn_of_broken_plugins
from mpm_host.services import Services
from mpm_host.web.operations import operations_application
from mpm_host.web.server import bound_socket, running
from mpm_host.work import WorkLimits

__all__ = ["command"]


@click.command("worker")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=32,
    show_default=True,
    help="Pieces of work of one kind for one manufacturer at the same time.",
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="For --metrics-port.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help="Answer /metrics, /readyz and /healthz here; by default nowhere.",
)
def command(*, concurrency: int, metrics_host: str, metrics_port: int | None) -> None:
    """Ask manufacturers and send messages until SIGINT or SIGTERM.

    Any number of workers may share one PostgreSQL database; on SQLite `mpm serve` does the work.
    """
    configure_logs()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    with opened_host(reconcile=True, timeouts=SERVING) as host:
        warn_of_broken_plugins(host.house)
        arm(os.environ, host.config.host.mode)
        host.lock_database()
        listening = None if metrics_port is None else bound_socket(metrics_host, metrics_port)
        limits = WorkLimits(concurrency=concurrency, drain=host.config.host.drain)
        services = Services(host, workers=True, limits=limits)
        with contextlib.ExitStack() as stack:
            stack.callback(services.close)
            services.start()
            if listening is not None:
                url = stack.enter_context(_served(services, listening))
                click.echo(f"Metrics on {url}/metrics", err=True)
            click.echo("Working; Ctrl-C ends it.", err=True)
            stopping.wait()
            services.begin_stop()


@contextlib.contextmanager
def _served(services: Services, listening: socket.socket) -> Iterator[str]:
    """Answer operations while the block runs."""
    with (
        contextlib.closing(listening),
        running(operations_application(services.operations()), listening) as url,
    ):
        yield url
