"""`mpm sandbox`: the simulators of the allowed plugins, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import attrs
import click

from mpm_core import Simulator, UserError
from mpm_core.simulation.server import SimulationServer, serve
from mpm_core.simulation.simulators import simulator_of
from mpm_host.commands.sandbox_sections import Sandboxed, about_faults, sections
from mpm_host.commands.surroundings import configuration
from mpm_host.configuration.config_values import NAME_RULE, Config, Mode, is_name
from mpm_host.plugins.plugin_catalog import LoadedPlugin, PluginCatalog

__all__ = ["command"]


@attrs.frozen(kw_only=True)
class _Simulated:
    plugin: LoadedPlugin
    simulator: Simulator


@click.command("sandbox")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=9000, show_default=True, help="To listen on."
)
@click.option(
    "--company",
    "slug",
    metavar="SLUG",
    default="sandbox",
    show_default=True,
    help="Company whose sections are printed.",
)
def command(*, port: int, slug: str) -> None:
    """Serve the simulators of the allowed plugins, with a control endpoint for faults.

    What it prints can be put into mpm.toml as it is: a company whose instances talk to them.
    """
    config = configuration()
    if config.host.mode is Mode.PRODUCTION:
        raise UserError('[host] mode is "production"; simulators work in development only.')
    if not is_name(slug):
        raise UserError(f"--company: {slug!r} cannot be a slug; write {NAME_RULE}.")
    simulated = tuple(_simulated(config))
    try:
        by_name = {each.plugin.installed.name: each.simulator for each in simulated}
        with serve(by_name, port=port) as server:
            _print(config, slug, server, simulated)
            while True:
                time.sleep(3600)
    except OSError as error:
        raise UserError(
            f"Cannot listen on port {port}: {error.strerror}; choose another with --port."
        ) from None
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)


def _simulated(config: Config) -> Iterator[_Simulated]:
    """Return the simulators, with the devices of the manifests delivered."""
    catalog = PluginCatalog(config.host.allowed_plugins, file_name=config.source.file_name)
    for name in config.host.allowed_plugins:
        try:
            plugin = catalog.load(name)
        except UserError as error:
            raise UserError(
                f"{error} Or take {name!r} out of allowed_plugins in {config.source.file_name}."
            ) from None
        simulator = simulator_of(plugin.plugin_class)
        if plugin.manifest.example_serial:
            simulator.knows(plugin.manifest.example_serial)
        yield _Simulated(plugin=plugin, simulator=simulator)


def _print(
    config: Config, slug: str, server: SimulationServer, simulated: tuple[_Simulated, ...]
) -> None:
    served = tuple(
        Sandboxed(
            name=each.plugin.installed.name,
            manifest=each.plugin.manifest,
            simulator=each.simulator,
            url=server.base_url(each.plugin.installed.name),
            control_url=f"{server.url}/_control/{each.plugin.installed.name}",
        )
        for each in simulated
    )
    click.echo(f"# Put all of this into {config.source.file_name} as it is; then type: mpm serve")
    for line in sections(slug, config.companies, served):
        click.echo(line)
    click.echo()
    for line in about_faults(f"{server.url}/_control"):
        click.echo(line)
    click.echo(f"# Simulators on {server.url}; control: {server.url}/_control/NAME. Ctrl-C ends.")
