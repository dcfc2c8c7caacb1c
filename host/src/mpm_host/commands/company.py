"""`mpm company`: companies and the plugins they use."""

from __future__ import annotations

import click

from mpm_core import UserError
from mpm_host.commands.company_checklist import checklist_command
from mpm_host.commands.company_instances import INSTANCE_COMMANDS
from mpm_host.commands.company_protection import protected_password_command
from mpm_host.commands.company_sign_up import sign_up_command
from mpm_host.commands.output import json_option, print_json, print_pairs, print_table
from mpm_host.commands.surroundings import opened_host, person
from mpm_host.companies.company_views import (
    callback_url,
    callback_urls,
    company_view,
    instance_view,
)
from mpm_host.directory import CompanyRecord
from mpm_host.host import Host
from mpm_host.plugins.broken_plugins import broken_plugins

__all__ = ["command"]


@click.group("company")
def command() -> None:
    """Create companies and choose their plugins.

    Companies that mpm.toml declares are changed there.
    """


for _each in (
    sign_up_command,
    checklist_command,
    protected_password_command,
    *INSTANCE_COMMANDS,
):
    command.add_command(_each)


@command.command("create")
@click.argument("slug")
@click.option("--name", required=True, help="Name as customers know it.")
@click.option("--country", required=True, help="ISO 3166 code, such as TZ.")
@click.option("--currency", required=True, help="ISO 4217 code, such as TZS.")
@click.option("--timezone", help="IANA name; not needed where the country has one only.")
@json_option
def create(  # noqa: PLR0913 - one argument per option
    *, slug: str, name: str, country: str, currency: str, timezone: str | None, as_json: bool
) -> None:
    """Create a company with the short name SLUG."""
    given = {"name": name, "country": country, "currency": currency, "timezone": timezone}
    details = {key: value for key, value in given.items() if value is not None}
    with opened_host(reconcile=True) as host:
        record = host.companies.create(slug, details, person(host))
        if as_json:
            print_json(company_view(record))
            return
    click.echo(f"Company {slug!r} created. Next: mpm company enable {slug} PLUGIN")


@command.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """List the companies."""
    with opened_host() as host:
        records = _in_order(host)
        if as_json:
            print_json([company_view(record) for record in records])
            return
        print_table(
            ("slug", "name", "country", "currency", "timezone", "owner", "enabled"),
            [_row(record) for record in records],
            empty="There are no companies; create one with `mpm company create`.",
        )


@command.command("show")
@click.argument("slug")
@json_option
def show(*, slug: str, as_json: bool) -> None:
    """Show a company, its instances of plugins and their settings, secrets masked."""
    with opened_host() as host:
        record = host.companies.find(slug)
        views = [
            instance_view(host, instance)
            for instance in host.house.directory.instances_of(record.id)
        ]
        if as_json:
            print_json(company_view(record) | {"plugins": views})
            return
    print_pairs((name, _text(value)) for name, value in company_view(record).items())
    for view in views:
        click.echo()
        options, settings = view.pop("options"), view.pop("settings")
        print_pairs((name, _text(value)) for name, value in view.items())
        for part in (options, settings):
            if isinstance(part, dict) and part:
                print_pairs((f"  {name}", _text(value)) for name, value in part.items())


@command.command("change")
@click.argument("slug")
@click.option("--name", help="Name as customers know it.")
@click.option(
    "--demand-mapping/--no-demand-mapping",
    default=None,
    help="Register, and let be paid, only devices that their manufacturer knows.",
)
@click.option(
    "--arrears-buy-time/--no-arrears-buy-time",
    default=None,
    help="Paying late instalments of a solar home system buys days too.",
)
@json_option
def change(*, slug: str, as_json: bool, **given: str | bool | None) -> None:
    """Change the name or the choices of company SLUG; what is not named stays."""
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise UserError("Nothing to change; say what, for example --demand-mapping.")
    with opened_host(reconcile=True) as host:
        record = host.companies.change(slug, changes, person(host))
    if as_json:
        print_json(company_view(record))
    else:
        print_pairs((name, _text(value)) for name, value in company_view(record).items())


@command.command("callback-url")
@click.argument("slug")
@click.argument("instance")
@json_option
def callback_url_command(*, slug: str, instance: str, as_json: bool) -> None:
    """Print the URL below which a telecom calls an instance; keep it to yourselves."""
    with opened_host(reconcile=True) as host:
        record = host.companies.find_used_instance(slug, instance)
        paths = callback_urls(host, record)
        if not paths and host.house.plan_of(record.id):  # of one that does not work nobody knows
            raise UserError(
                f"Nobody calls instance {instance!r} of company {slug!r}: plugin {record.plugin} "
                "has no callback paths."
            )
        if as_json:
            print_json({"url": callback_url(host, record), "paths": paths})
        else:
            click.echo(callback_url(host, record))


@command.command("reconcile")
@json_option
def reconcile(*, as_json: bool) -> None:
    """Do now what every start does: bring the database in line with mpm.toml.

    What cannot work then is told on standard error; it stops nobody else, and the exit code is 0.
    """
    with opened_host() as host:
        lines = host.reconcile()
        broken = broken_plugins(host.house)
    if as_json:
        print_json(list(lines))
    else:
        click.echo("\n".join(lines) or "Nothing has changed.")
    for each in broken:
        click.echo(f"Warning: {each}", err=True)


def _in_order(host: Host) -> list[CompanyRecord]:
    records = host.house.directory.companies.values()
    return sorted(records, key=lambda record: record.company.slug)


def _row(record: CompanyRecord) -> tuple[str, ...]:
    company = record.company
    owner = "configuration" if record.managed else "database"
    return (
        company.slug,
        company.name,
        company.country,
        company.currency,
        company.timezone,
        owner,
        _text(record.enabled),
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)
