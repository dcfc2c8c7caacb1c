"""`mpm plugins`: what is installed, what it declares, whether it answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from mpm_core import MpmError
from mpm_core.settings.forms import documentation_table
from mpm_host.commands.output import json_option, print_json, print_pairs, print_table
from mpm_host.commands.plugin_rework import rework
from mpm_host.commands.plugin_scaffold import new_command, requirements_option
from mpm_host.commands.plugin_tellings import retell
from mpm_host.commands.surroundings import configuration, failures_printed, opened_host
from mpm_host.identifiers import new_identifier
from mpm_host.plugins.plugin_catalog import PluginCatalog
from mpm_host.plugins.plugin_views import manifest_view, plugin_rows

__all__ = ["command"]


@click.group("plugins")
@requirements_option
def command() -> None:
    """See and check the plugins that are installed, and write a new one."""


command.add_command(new_command)
command.add_command(retell)
command.add_command(rework)


@command.command("list")
@click.option("--company", "slug", metavar="SLUG", help="What this company uses.")
@requirements_option
@json_option
def list_command(*, slug: str | None, as_json: bool) -> None:
    """List every plugin: installed, allowed, enabled, missing, incompatible or broken, and why.

    Only plugins in use are imported.
    """
    with opened_host() as host:
        only = None if slug is None else {host.companies.find(slug).id}
        rows = plugin_rows(host.house.catalog, host.house.directory, only=only)
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    print_table(
        ("plugin", "status", "distribution", "version", "used by", "problem"),
        [
            (
                row.name,
                row.status.value,
                row.distribution,
                row.version,
                ", ".join(row.used_by),
                row.problem,
            )
            for row in rows
        ],
        empty="No plugin is installed; install one, such as: pip install mpm-calin",
    )


@command.command("show")
@click.argument("plugin")
@json_option
def show(*, plugin: str, as_json: bool) -> None:
    """Show what an allowed plugin declares, and its settings."""
    config = configuration()
    catalog = PluginCatalog(config.host.allowed_plugins, file_name=config.source.file_name)
    loaded = catalog.load(plugin)
    view = manifest_view(loaded)
    if as_json:
        print_json(view)
        return
    settings, details, notices = (view.pop(name) for name in ("settings", "details", "notices"))
    print_pairs((name, _text(value)) for name, value in view.items())
    click.echo()
    _print_settings("setting", settings, loaded.manifest.settings_class)
    if loaded.manifest.details_class is not None:
        click.echo("\nIt asks of each device:\n")
        _print_settings("detail", details, loaded.manifest.details_class)
    for notice in notices if isinstance(notices, list) else ():
        click.echo(f"\nNotice: {notice}")


def _print_settings(what: str, views: object, settings_class: type) -> None:
    if not views or not isinstance(views, list):
        click.echo(f"It has no {what}s.")
    elif sys.stdout.isatty():
        headers = (what, "type", "default", "what it is")
        print_table(headers, [_setting_row(row) for row in views], empty="")
    else:
        click.echo(documentation_table(settings_class), nl=False)


@command.command("check")
@click.argument("slug")
@click.argument("instance")
@json_option
def check(*, slug: str, instance: str, as_json: bool) -> None:
    """Ask the other side of an instance whether it answers; exit code 1 if it does not."""
    with opened_host() as host, failures_printed():
        record = host.companies.find_instance(slug, instance)
        is_ok, detail = False, record.problem
        if host.house.plan_of(record.id) is None:
            detail = detail or f"It is {record.state}; enable it first."
        else:
            plugins = host.house.plugins_of(record.company_id)
            try:
                health = plugins.check(instance, correlation_id=new_identifier())
            except MpmError as error:
                detail = str(error)
            else:
                is_ok, detail = health.ok, health.detail
    if as_json:
        print_json({"ok": is_ok, "detail": detail})
    else:
        click.echo(f"{'ok' if is_ok else 'problem'}: {detail}".removesuffix(": "))
    sys.exit(0 if is_ok else 1)


def _setting_row(view: Mapping[str, object]) -> tuple[str, ...]:
    kind = ", ".join(str(view[key]) for key in ("type", "limits") if view[key])
    default = "required" if view["required"] else str(view["default"])
    return str(view["name"]), kind, default, str(view["help"])


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case list():
            return ", ".join(str(item) for item in value)
        case dict():
            return "; ".join(f"{name}: {_text(item)}" for name, item in value.items())
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
