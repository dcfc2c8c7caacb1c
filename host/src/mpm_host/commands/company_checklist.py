"""`mpm company checklist`: what a company still lacks, and what to type next."""

from __future__ import annotations

import click

from mpm_host.access.checklist import ChecklistItem, checklist
from mpm_host.commands.output import json_option, print_json, print_table
from mpm_host.commands.surroundings import opened_host
from mpm_host.directory import CompanyRecord
from mpm_host.host import Host

__all__ = ["checklist_command", "checklist_view", "print_checklist", "read_checklist"]

_PLUGIN = "mpm company enable {slug} PLUGIN"
_IMPORT = "mpm import {slug} FILE.csv"
_COMMANDS = {
    "plugin_manufacturer": _PLUGIN,
    "plugin_telecom": _PLUGIN,
    "plugin_messenger": _PLUGIN,
    "plugin_settings": "mpm company enable {slug} {instance}",
    "users": "mpm user create {slug} --email EMAIL --role ROLE",
    "protected_password": "mpm company protected-password {slug} --by EMAIL",
    # An import makes places, tariffs, appliances, customers and devices.
    "clusters": _IMPORT,
    "mini_grids": _IMPORT,
    "villages": _IMPORT,
    "tariffs": _IMPORT,
    "appliances": _IMPORT,
    "devices": _IMPORT,
}


@click.command("checklist")
@click.argument("slug")
@json_option
def checklist_command(*, slug: str, as_json: bool) -> None:
    """Show what company SLUG still lacks before its first payment, in the order to do it in."""
    with opened_host() as host:
        company = host.companies.find(slug)
        items = read_checklist(host, company)
    if as_json:
        print_json(checklist_view(company, items))
    else:
        print_checklist(company, items)


def read_checklist(host: Host, company: CompanyRecord) -> tuple[ChecklistItem, ...]:
    """Return everything the company needs, done or not."""
    with host.engines.read.connect() as connection:
        return checklist(connection, host.house.directory, company)


def checklist_view(company: CompanyRecord, items: tuple[ChecklistItem, ...]) -> dict[str, object]:
    """Return the checklist for programs: as the API's, with the command that helps."""
    return {
        "done": all(item.done for item in items),
        "items": [
            {
                "name": item.name,
                "done": item.done,
                "what": item.what,
                "instance": item.instance,
                "command": None if item.done else _command(company, item),
            }
            for item in items
        ],
    }


def print_checklist(company: CompanyRecord, items: tuple[ChecklistItem, ...]) -> None:
    """Print what is missing, and what to type; what is done is counted only."""
    missing = [item for item in items if not item.done]
    print_table(
        ["missing", "what to do", "type next"],
        [(_name(item), item.what, _command(company, item)) for item in missing],
        empty="Nothing is missing: the company can take its first payment.",
    )
    if missing:
        click.echo(f"{len(items) - len(missing)} of {len(items)} are done.")


def _name(item: ChecklistItem) -> str:
    name = item.name.replace("_", " ")
    return f"{name} of {item.instance}" if item.instance else name


def _command(company: CompanyRecord, item: ChecklistItem) -> str:
    slug = company.company.slug
    if company.managed and item.name.startswith("plugin_"):
        return f"change [companies.{slug}] in mpm.toml"
    return _COMMANDS[item.name].format(slug=slug, instance=item.instance)
