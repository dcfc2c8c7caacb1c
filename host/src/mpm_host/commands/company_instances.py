"""`mpm company enable`, `configure`, `disable` and `remove`: a company's instances of plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from mpm_core import UserError
from mpm_core.discovery import canonical_name
from mpm_core.settings import SettingsPlace
from mpm_host.commands.company_settings import (
    GivenSetting,
    ask_for_settings,
    require_settings,
    split_given,
    with_given,
)
from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.surroundings import is_terminal, opened_host, person
from mpm_host.companies.company_views import callback_url, callback_urls, instance_view
from mpm_host.directory import InstanceRecord, InstanceState
from mpm_host.host import Host
from mpm_host.plugins.instance_settings import InstanceTable

__all__ = ["INSTANCE_COMMANDS"]

_Command = TypeVar("_Command", bound=Callable[..., object])


def _takes_settings(command: _Command) -> _Command:
    """Add the options that give settings."""
    for decorate in (
        click.option(
            "--set-file", "files", multiple=True, metavar="KEY=PATH", help="One from a file."
        ),
        click.option(
            "--set-env",
            "variables",
            multiple=True,
            metavar="KEY=VARIABLE",
            help="One from a variable.",
        ),
        click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="A setting."),
        click.option("--use", "plugin", help="Plugin to run; by default the instance's own name."),
    ):
        command = decorate(command)
    return command


@click.command("enable")
@click.argument("slug")
@click.argument("instance")
@_takes_settings
@json_option
def _enable(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    instance: str,
    plugin: str | None,
    values: tuple[str, ...],
    variables: tuple[str, ...],
    files: tuple[str, ...],
    as_json: bool,
) -> None:
    """Let company SLUG use a plugin, under the name INSTANCE.

    Settings it has already stay. On a terminal, what is missing is asked for. Secrets are given by
    --set-env, --set-file or at the prompt, never by --set.
    """
    given = _given(values, variables, files)
    with opened_host(reconcile=True) as host:
        host.companies.check_changeable(slug)
        plugin = plugin or _plugin_of(host, slug, instance)
        table = _collect(host, slug, instance, plugin, given)
        record = host.companies.enable(slug, instance, plugin, table, person(host))
        if as_json:
            print_json(instance_view(host, record))
            return
        click.echo(f"Instance {instance!r} of company {slug!r} is enabled.")
        if callback_urls(host, record):
            click.echo(f"Its callback URL is {callback_url(host, record)}")


@click.command("configure")
@click.argument("slug")
@click.argument("instance")
@_takes_settings
@json_option
def _configure(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    instance: str,
    plugin: str | None,
    values: tuple[str, ...],
    variables: tuple[str, ...],
    files: tuple[str, ...],
    as_json: bool,
) -> None:
    """Change settings of an INSTANCE that company SLUG has; a disabled one stays disabled.

    What is not named stays; an empty value (--set key=) takes a setting out. Secrets are given by
    --set-env or --set-file, never by --set.
    """
    given = _given(values, variables, files)
    if not given and plugin is None:
        raise UserError("Nothing to change; say what, for example --set user_id=….")
    with opened_host(reconcile=True) as host:
        host.companies.check_changeable(slug)
        plugin = plugin or host.companies.find_instance(slug, instance).plugin
        table = _with_given(host, slug, instance, plugin, given)
        table = _complete(host, slug, instance, plugin, table)
        record = host.companies.configure(slug, instance, plugin, table, person(host))
        if as_json:
            print_json(instance_view(host, record))
            return
    click.echo(f"Instance {instance!r} of company {slug!r} is configured and {record.state}.")


@click.command("disable")
@click.argument("slug")
@click.argument("instance")
@json_option
def _disable(*, slug: str, instance: str, as_json: bool) -> None:
    """Let an instance take nothing new; what was promised is still finished."""
    record = _retire(slug, instance, InstanceState.DISABLED, as_json=as_json)
    if record is not None:
        click.echo(f"Instance {instance!r} of company {slug!r} is disabled; it finishes its work.")


@click.command("remove")
@click.argument("slug")
@click.argument("instance")
@json_option
def _remove(*, slug: str, instance: str, as_json: bool) -> None:
    """Stop an instance altogether: its orders wait for a person. Its history stays.

    `mpm company enable` brings it back with the settings it had.
    """
    record = _retire(slug, instance, InstanceState.REMOVED, as_json=as_json)
    if record is not None:
        click.echo(f"Instance {instance!r} of company {slug!r} is removed; its history stays.")


INSTANCE_COMMANDS = (_enable, _configure, _disable, _remove)


def _retire(
    slug: str, instance: str, state: InstanceState, *, as_json: bool
) -> InstanceRecord | None:
    """Disable or remove an instance; returns nothing if it was printed as JSON."""
    with opened_host(reconcile=True) as host:
        change = (
            host.companies.disable if state is InstanceState.DISABLED else host.companies.remove
        )
        record = change(slug, instance, person(host))
        if as_json:
            print_json(instance_view(host, record))
    return None if as_json else record


def _given(
    values: tuple[str, ...], variables: tuple[str, ...], files: tuple[str, ...]
) -> tuple[GivenSetting, ...]:
    return (
        *split_given("--set", values),
        *split_given("--set-env", variables),
        *split_given("--set-file", files),
    )


def _collect(
    host: Host, slug: str, instance: str, plugin: str, given: tuple[GivenSetting, ...]
) -> InstanceTable:
    table = _with_given(host, slug, instance, plugin, given)
    if is_terminal():
        is_new = not given and not table.settings
        settings_class = host.house.catalog.load(plugin).manifest.settings_class
        table = ask_for_settings(table, settings_class, everything=is_new)
    return _complete(host, slug, instance, plugin, table)


def _complete(
    host: Host, slug: str, instance: str, plugin: str, table: InstanceTable
) -> InstanceTable:
    loaded = host.house.catalog.load(plugin)
    place = SettingsPlace(company=slug, instance=instance, plugin=loaded.installed.name)
    return require_settings(table, loaded.manifest.settings_class, place)


def _with_given(
    host: Host, slug: str, instance: str, plugin: str, given: tuple[GivenSetting, ...]
) -> InstanceTable:
    """Return the settings an instance has, with the given ones put in."""
    loaded = host.house.catalog.load(plugin)
    stored = host.companies.stored_table(slug, instance)
    known = host.house.directory.instance_named(host.companies.find(slug).id, instance)
    if known is not None and known.plugin != loaded.installed.name:
        stored = InstanceTable()  # they were another plugin's
    place = SettingsPlace(company=slug, instance=instance, plugin=loaded.installed.name)
    return with_given(stored, given, loaded.manifest.settings_class, place)


def _plugin_of(host: Host, slug: str, instance: str) -> str:
    """Return the plugin an instance runs already, else the one of its own name."""
    known = host.house.directory.instance_named(host.companies.find(slug).id, instance)
    if known:
        return known.plugin
    if canonical_name(instance) not in {each.name for each in host.house.catalog.installed()}:
        raise UserError(
            f"No plugin {instance!r} is installed; if that is a name of your own, say which plugin "
            "it runs: --use PLUGIN."
        )
    return instance
