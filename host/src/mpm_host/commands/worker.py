"""`mpm worker`: background work only."""

from __future__ import annotations

import os
import signal
import threading

import click

from mpm_host.commands.surroundings import opened_host
from mpm_host.crash_points import arm
from mpm_host.database.patience import SERVING
from mpm_host.logs import configure_logs
from mpm_host.services import Services
from mpm_host.work import WorkLimits

__all__ = ["command"]


@click.command("worker")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=32,
    show_default=True,
    help="Pieces of work of one kind at the same time.",
)
def command(*, concurrency: int) -> None:
    """Ask manufacturers and send messages until SIGINT or SIGTERM.

    Any number of workers may share one PostgreSQL database; on SQLite `mpm serve` does the work.
    """
    configure_logs()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    with opened_host(reconcile=True, timeouts=SERVING) as host:
        arm(os.environ, host.config.host.mode)
        host.lock_database()
        limits = WorkLimits(concurrency=concurrency, drain=host.config.host.drain)
        services = Services(host, workers=True, limits=limits)
        try:
            services.start()
            click.echo("Working; Ctrl-C ends it.", err=True)
            stopping.wait()
        finally:
            services.close()
