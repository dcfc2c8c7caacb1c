"""`mpm demo`."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="Print one array of payments.")
@click.option("--keep", is_flag=True, help="Leave everything running until Ctrl-C.")
@click.option(
    "--payments", type=click.IntRange(0, 100_000), default=0, help="Ordinary payments to add."
)
@click.option("--plugin", "plugins", multiple=True, help="One more installed plugin.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of the web server.")
def command(
    *, as_json: bool, keep: bool, payments: int, plugins: tuple[str, ...], port: int
) -> None:
    """Play real mobile-money calls against simulated telecoms and manufacturers.

    Everything runs on this machine, with a temporary database. Exit code 1 if a payment ended
    otherwise than it should.
    """
    from mpm_host.demo.demo import DemoOptions, run_demo  # noqa: PLC0415 - the whole host, only to run it
    from mpm_host.logs import configure_logs  # noqa: PLC0415 - as above

    configure_logs(quiet=True)
    options = DemoOptions(as_json=as_json, keep=keep, payments=payments, plugins=plugins, port=port)
    sys.exit(0 if run_demo(options) else 1)
