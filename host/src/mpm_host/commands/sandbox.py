"""`mpm sandbox`: the simulators of the allowed plugins, over HTTP."""

from __future__ import annotations

import time

import click

from mpm_core import UserError
from mpm_core.discovery import find_plugin, load_plugin_class
from mpm_core.simulation.server import serve
from mpm_core.simulation.simulators import simulator_of
from mpm_host.commands.surroundings import configuration
from mpm_host.configuration.config_values import Mode

__all__ = ["command"]


@click.command("sandbox")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=9000, show_default=True, help="To listen on."
)
def command(*, port: int) -> None:
    """Serve the simulators of the allowed plugins, with a control endpoint for faults.

    Prints the settings an instance needs to talk to each of them.
    """
    config = configuration()
    if config.host.mode is Mode.PRODUCTION:
        raise UserError('[host] mode is "production"; simulators work in development only.')
    simulators = {
        name: simulator_of(load_plugin_class(find_plugin(name)))
        for name in config.host.allowed_plugins
    }
    try:
        with serve(simulators, port=port) as server:
            for name, simulator in simulators.items():
                click.echo(f"# {name}; faults: {', '.join(simulator.faults())}")
                click.echo(f"[companies.YOURS.plugins.{name}]")
                for key, value in simulator.settings(server.base_url(name)).items():
                    click.echo(f'{key} = "{value}"')
                click.echo()
            click.echo(
                f"Simulators on {server.url}; control: {server.url}/_control/NAME. Ctrl-C ends."
            )
            while True:
                time.sleep(3600)
    except OSError as error:
        raise UserError(
            f"Cannot listen on port {port}: {error.strerror}; choose another with --port."
        ) from None
    except KeyboardInterrupt:
        click.echo("Stopped.")
