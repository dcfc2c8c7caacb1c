"""`mpm serve`: HTTP, with workers unless told otherwise."""

from __future__ import annotations

import contextlib
import os

import click

from mpm_host.commands.surroundings import opened_host
from mpm_host.crash_points import arm
from mpm_host.database.patience import SERVING
from mpm_host.logs import configure_logs
from mpm_host.plugins.broken_plugins import warn_of_broken_plugins
from mpm_host.services import Services
from mpm_host.web.server import bound_socket, run
from mpm_host.work import WorkLimits

__all__ = ["command"]


@click.command("serve")
@click.option("--host", "address", default="127.0.0.1", show_default=True, help="To listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="To listen on."
)
@click.option("--no-workers", is_flag=True, help="Only HTTP; run `mpm worker` beside it.")
def command(*, address: str, port: int, no_workers: bool) -> None:
    """Answer telecoms and the API until SIGINT or SIGTERM; calls in flight are finished."""
    configure_logs()
    with opened_host(reconcile=True, timeouts=SERVING) as host, contextlib.ExitStack() as stack:
        warn_of_broken_plugins(host.house)
        arm(os.environ, host.config.host.mode)
        host.lock_database()
        listening = stack.enter_context(contextlib.closing(bound_socket(address, port)))
        drain = host.config.host.drain
        services = Services(host, workers=not no_workers, limits=WorkLimits(drain=drain))
        stack.callback(services.close)
        services.start()
        shown = listening.getsockname()
        click.echo(f"Listening on http://{shown[0]}:{shown[1]}", err=True)
        run(services.application(), listening, drain=drain, on_stop=services.begin_stop)
